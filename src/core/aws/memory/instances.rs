//! Instances and their way through their states (E8, E9, E12), and how they are read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::ec2::{
    self, AttachedVolume, DescribeInstances, InstanceState, MetadataOptions, Monitoring, ProtectedAction,
    SelectInstances, StateReason,
};
use super::super::{AwsError, Page};
use super::dials::{Dials, later};
use super::lists::{self, Listed};
use super::refusals::Named;
use super::tags::Tagged;
use super::world::{Act, Region, Site};

/// The network interface of an instance. It outlives its instance a little (E52).
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) subnet_id: String,
    pub(super) vpc_id: String,
    pub(super) private_ip: String,
    pub(super) public_ip: Option<String>,
    pub(super) public_dns_name: Option<String>,
    pub(super) groups: BTreeSet<String>,
}

/// An instance.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "`instance_type` is AWS's own name")]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) created: Timestamp,
    pub(super) state: InstanceState,
    /// Since when it has been in its state.
    pub(super) since: Timestamp,
    pub(super) state_reason: Option<StateReason>,
    /// A first `pending` cannot be stopped (E10).
    pub(super) has_run: bool,
    /// Whether its launch comes to nothing (E8).
    pub(super) dies: bool,
    pub(super) image_id: String,
    pub(super) architecture: String,
    pub(super) root_device_name: Option<String>,
    pub(super) instance_type: String,
    pub(super) key_name: Option<String>,
    pub(super) availability_zone: String,
    pub(super) interface: Option<Interface>,
    pub(super) launch_time: Timestamp,
    pub(super) client_token: String,
    pub(super) monitoring: Monitoring,
    pub(super) metadata_options: MetadataOptions,
    /// `vol-…` by device, with whether AWS deletes it with the instance.
    pub(super) volumes: BTreeMap<String, (String, bool)>,
    /// Raw; empty for none (E18).
    pub(super) user_data: Vec<u8>,
    pub(super) protections: BTreeSet<ProtectedAction>,
    pub(super) tagged: Tagged,
}

impl Listed for Instance {
    fn created(&self) -> Timestamp {
        self.created
    }

    fn tagged(&self) -> &Tagged {
        &self.tagged
    }
}

impl Instance {
    /// Enters a state.
    pub(super) fn enter(&mut self, state: InstanceState, since: Timestamp) {
        self.state = state;
        self.since = since;
    }

    /// Takes every step that is due, and gives back the volumes that its end deletes.
    pub(super) fn settle(&mut self, now: Timestamp, dials: &Dials) -> Vec<String> {
        loop {
            let due = later(self.since, dials.transition);
            if due > now {
                return Vec::new();
            }
            match self.state {
                InstanceState::Pending if self.dies => {
                    self.state_reason = Some(reason("Server.InternalError", "Internal error on launch"));
                    return self.end(due, now, dials);
                }
                InstanceState::Pending => {
                    self.enter(InstanceState::Running, due);
                    self.has_run = true;
                }
                InstanceState::Stopping => {
                    self.enter(InstanceState::Stopped, due);
                    self.lose_public_address();
                }
                InstanceState::ShuttingDown => return self.end(due, now, dials),
                InstanceState::Terminated => {
                    self.fade(now, dials);
                    return Vec::new();
                }
                InstanceState::Running | InstanceState::Stopped => return Vec::new(),
            }
        }
    }

    fn end(&mut self, at: Timestamp, now: Timestamp, dials: &Dials) -> Vec<String> {
        self.enter(InstanceState::Terminated, at);
        self.lose_public_address();
        self.fade(now, dials);
        let volumes = std::mem::take(&mut self.volumes);
        volumes
            .into_values()
            .filter_map(|(id, goes_with_it)| goes_with_it.then_some(id))
            .collect()
    }

    /// E12, E52: of a terminated instance the interface goes first, a little later the tags.
    fn fade(&mut self, now: Timestamp, dials: &Dials) {
        let interface_goes = later(self.since, dials.transition);
        if interface_goes <= now {
            self.interface = None;
        }
        if later(interface_goes, dials.transition) <= now {
            self.tagged.clear();
        }
    }

    /// E12: an hour or so after its end nothing finds it any more.
    pub(super) fn has_vanished(&self, now: Timestamp, dials: &Dials) -> bool {
        self.state == InstanceState::Terminated && later(self.since, dials.terminated) <= now
    }

    fn lose_public_address(&mut self) {
        if let Some(interface) = &mut self.interface {
            interface.public_ip = None;
            interface.public_dns_name = None;
        }
    }

    /// Whether its interface has this group, so that the group cannot go (E52).
    pub(super) fn has_group(&self, group_id: &str) -> bool {
        self.interface
            .as_ref()
            .is_some_and(|interface| interface.groups.contains(group_id))
    }

    pub(super) fn describe(&self) -> ec2::Instance {
        // AWS shows no network of a terminated instance, although the interface lingers.
        let network = self
            .interface
            .as_ref()
            .filter(|_| self.state != InstanceState::Terminated);
        ec2::Instance {
            id: self.id.clone(),
            state: self.state,
            state_reason: self.state_reason.clone(),
            image_id: self.image_id.clone(),
            instance_type: self.instance_type.clone(),
            key_name: self.key_name.clone(),
            subnet_id: network.map(|interface| interface.subnet_id.clone()),
            vpc_id: network.map(|interface| interface.vpc_id.clone()),
            availability_zone: self.availability_zone.clone(),
            private_ip: network.map(|interface| interface.private_ip.clone()),
            public_ip: network.and_then(|interface| interface.public_ip.clone()),
            public_dns_name: network.and_then(|interface| interface.public_dns_name.clone()),
            launch_time: Some(self.launch_time),
            client_token: Some(self.client_token.clone()),
            security_groups: network.map(|interface| interface.groups.clone()).unwrap_or_default(),
            monitoring: self.monitoring,
            metadata_options: (self.state != InstanceState::Terminated).then_some(self.metadata_options),
            root_device_name: self.root_device_name.clone(),
            volumes: self
                .volumes
                .iter()
                .map(|(device, (volume_id, delete_on_termination))| AttachedVolume {
                    device: device.clone(),
                    volume_id: volume_id.clone(),
                    delete_on_termination: *delete_on_termination,
                })
                .collect(),
            tags: self.tagged.tags(),
        }
    }
}

/// AWS repeats the code in the sentence.
pub(super) fn reason(code: &str, message: &str) -> StateReason {
    StateReason {
        code: code.to_owned(),
        message: format!("{code}: {message}"),
    }
}

impl Site<'_> {
    /// An instance that is there, and old enough to be seen (E7, E13).
    pub(super) fn instance(&self, id: &str) -> Result<&Instance, AwsError> {
        self.region
            .instances
            .get(id)
            .filter(|instance| self.sees(instance.created))
            .ok_or_else(|| Named::Instance.unknown(id))
    }

    pub(super) fn instance_mut(&mut self, id: &str) -> Result<&mut Instance, AwsError> {
        self.instance(id)?;
        self.region
            .instances
            .get_mut(id)
            .ok_or_else(|| Named::Instance.unknown(id))
    }
}

impl Region {
    /// A public address for an interface in a default subnet: those give one at each start.
    pub(super) fn give_public_address(&mut self, instance_id: &str) {
        let network = &mut self.catalogue.network;
        let interface = self
            .instances
            .get_mut(instance_id)
            .and_then(|instance| instance.interface.as_mut());
        if let Some(interface) = interface
            && network
                .subnet(&interface.subnet_id)
                .is_some_and(|subnet| subnet.default_for_az)
        {
            let address = network.new_public_ip();
            interface.public_dns_name = Some(network.public_dns_name(&address));
            interface.public_ip = Some(address);
        }
    }
}

impl Act for DescribeInstances {
    fn act(self, site: &mut Site<'_>) -> Result<Page<ec2::Instance>, AwsError> {
        let instances = &site.region.instances;
        let found = match &self.select {
            SelectInstances::By(select) => lists::selected(site, instances, select)?,
            SelectInstances::ClientToken(token) => instances
                .iter()
                .filter(|(_, instance)| instance.client_token == *token && site.sees(instance.created))
                .collect(),
        };
        lists::page(site, found, self.page, Instance::describe)
    }
}
