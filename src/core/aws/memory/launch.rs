//! Launches (E1–E3, E8, E27, E28, E31).

use std::collections::BTreeSet;

use super::super::AwsError;
use super::super::ec2::{self, InstanceState, ProtectedAction, RunInstances, Subnet};
use super::attributes;
use super::catalogue::{KEY_PAIR, architecture_of};
use super::instances::{Instance, Interface};
use super::refusals::{Named, invalid_value, refused, refused_with};
use super::tags::{self, Tagged};
use super::volumes::{self, Planned};
use super::world::{Act, Site};

const LONGEST_TOKEN: usize = 64;

/// What a client token was used for (E1–E3).
#[derive(Debug)]
pub(super) struct Launch {
    request: RunInstances,
    /// Absent where the call failed and burned its token.
    instance_id: Option<String>,
}

/// A launch whose every parameter was found good.
struct Plan {
    architecture: String,
    root_device_name: Option<String>,
    subnet: Subnet,
    groups: BTreeSet<String>,
    volumes: Vec<Planned>,
}

impl Act for RunInstances {
    fn subject(&self) -> String {
        self.client_token.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<ec2::Instance, AwsError> {
        check_token(&self.client_token)?;
        let key = (zone_of_token(site, &self)?, self.client_token.clone());
        if let Some(launch) = site.region.launches.get(&key) {
            if !is_same(&launch.request, &self) {
                return Err(refused(
                    "IdempotentParameterMismatch",
                    "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
                ));
            }
            if let Some(id) = &launch.instance_id {
                return repeated(site, id);
            }
        }
        let launched = plan(site, &self).map(|plan| launch(site, &self, plan));
        let instance_id = match &launched {
            Ok(instance) => Some(instance.id.clone()),
            Err(AwsError::Refused { code, .. }) if site.dials.burned_tokens && code == NO_CAPACITY => None,
            Err(_) => return launched,
        };
        let request = self;
        site.region.launches.insert(key, Launch { request, instance_id });
        launched
    }
}

fn check_token(token: &str) -> Result<(), AwsError> {
    if token.len() > LONGEST_TOKEN || !token.is_ascii() {
        return Err(invalid_value(format!(
            "Invalid value '{token}' for idempotency token. It is at most {LONGEST_TOKEN} ASCII characters"
        )));
    }
    Ok(())
}

/// E2: a token belongs to the zone, where the call names a subnet.
fn zone_of_token(site: &Site<'_>, request: &RunInstances) -> Result<Option<String>, AwsError> {
    let Some(subnet_id) = &request.subnet_id else {
        return Ok(None);
    };
    let subnet = site.region.catalogue.network.subnet_of_launch(Some(subnet_id))?;
    Ok(Some(subnet.availability_zone.clone()))
}

/// E2: whether all parameters are equal.
fn is_same(one: &RunInstances, other: &RunInstances) -> bool {
    one.client_token == other.client_token
        && one.image_id == other.image_id
        && one.instance_type == other.instance_type
        && one.key_name == other.key_name
        && one.subnet_id == other.subnet_id
        && one.security_group_ids == other.security_group_ids
        && one.user_data == other.user_data
        && one.root_volume == other.root_volume
        && one.metadata_options == other.metadata_options
        && one.monitoring == other.monitoring
        && one.disable_api_termination == other.disable_api_termination
        && one.disable_api_stop == other.disable_api_stop
        && one.tags == other.tags
}

/// E1, E3: the same instance as it is now, whether it is visible yet or not.
fn repeated(site: &Site<'_>, id: &str) -> Result<ec2::Instance, AwsError> {
    match site.region.instances.get(id) {
        Some(instance) if instance.state != InstanceState::Terminated => Ok(instance.describe()),
        Some(_) | None => Err(refused(
            "IdempotentInstanceTerminated",
            "The client token you have provided is associated with a terminated instance. \
             Please use a different client token.",
        )),
    }
}

/// Everything is checked before anything is made.
fn plan(site: &Site<'_>, request: &RunInstances) -> Result<Plan, AwsError> {
    let catalogue = &site.region.catalogue;
    let public = catalogue.image(&request.image_id)?;
    check_type(&request.instance_type, &public.image.architecture)?;
    if let Some(key) = request.key_name.as_deref().filter(|key| *key != KEY_PAIR) {
        return Err(refused(
            "InvalidKeyPair.NotFound",
            format!("The key pair '{key}' does not exist"),
        ));
    }
    let subnet = catalogue.network.subnet_of_launch(request.subnet_id.as_deref())?;
    let wanted_groups = if request.security_group_ids.is_empty() {
        catalogue
            .network
            .default_group_of(&subnet.vpc_id)
            .map(str::to_owned)
            .into_iter()
            .collect()
    } else {
        request.security_group_ids.clone()
    };
    let groups = site.groups_of_interface(&wanted_groups, &subnet.vpc_id, |group_id| {
        refused(
            "InvalidParameter",
            format!(
                "Security group {group_id} and subnet {} belong to different networks.",
                subnet.id
            ),
        )
    })?;
    let volumes = volumes::planned(public, &request.root_volume)?;
    if let Some(user_data) = &request.user_data {
        attributes::check_user_data(user_data.reveal())?;
    }
    attributes::check_metadata_options(request.metadata_options)?;
    tags::check(&request.tags)?;
    if site.dials.insufficient_capacity.contains(&request.instance_type) {
        return Err(no_capacity(&request.instance_type, &subnet.availability_zone));
    }
    Ok(Plan {
        architecture: public.image.architecture.clone(),
        root_device_name: public.image.root_device_name.clone(),
        subnet: subnet.clone(),
        groups,
        volumes,
    })
}

/// E28.
pub(super) fn check_type(instance_type: &str, architecture: &str) -> Result<(), AwsError> {
    let Some(supported) = architecture_of(instance_type) else {
        return Err(invalid_value(format!(
            "Invalid value '{instance_type}' for InstanceType."
        )));
    };
    if supported != architecture {
        return Err(invalid_value(format!(
            "The architecture '{supported}' of the specified instance type does not match the architecture \
             '{architecture}' of the specified AMI. Specify an instance type and an AMI that have matching \
             architectures, and try again."
        )));
    }
    Ok(())
}

/// E27: the code of a lack of capacity, which AWS answers with HTTP 500.
pub(super) const NO_CAPACITY: &str = "InsufficientInstanceCapacity";

fn no_capacity(instance_type: &str, zone: &str) -> AwsError {
    refused_with(
        500,
        NO_CAPACITY,
        format!(
            "We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested \
             ({zone}). Our system will be working on provisioning additional capacity."
        ),
    )
}

fn protections(request: &RunInstances) -> BTreeSet<ProtectedAction> {
    let asked = [
        (ProtectedAction::Termination, request.disable_api_termination),
        (ProtectedAction::Stop, request.disable_api_stop),
    ];
    asked
        .into_iter()
        .filter_map(|(action, on)| on.then_some(action))
        .collect()
}

fn launch(site: &mut Site<'_>, request: &RunInstances, plan: Plan) -> ec2::Instance {
    let id = site.numbers.id(Named::Instance);
    let volumes = site.make_volumes(plan.volumes, &request.tags);
    let interface = Interface {
        private_ip: site.region.catalogue.network.new_private_ip(&plan.subnet),
        subnet_id: plan.subnet.id,
        vpc_id: plan.subnet.vpc_id,
        public_ip: None,
        public_dns_name: None,
        groups: plan.groups,
    };
    let instance = Instance {
        id: id.clone(),
        created: site.now,
        state: InstanceState::Pending,
        since: site.now,
        state_reason: None,
        has_run: false,
        dies: site.dials.die_from_pending.contains(&request.instance_type),
        image_id: request.image_id.clone(),
        architecture: plan.architecture,
        root_device_name: plan.root_device_name,
        instance_type: request.instance_type.clone(),
        key_name: request.key_name.clone(),
        availability_zone: plan.subnet.availability_zone,
        interface: Some(interface),
        launch_time: site.now,
        client_token: request.client_token.clone(),
        monitoring: request.monitoring,
        metadata_options: request.metadata_options,
        volumes,
        user_data: request
            .user_data
            .as_ref()
            .map(|data| data.reveal().clone())
            .unwrap_or_default(),
        protections: protections(request),
        tagged: Tagged::new(&request.tags, site.now),
    };
    // The answer to a launch is the instance at its very first: AWS shows neither its volumes nor
    // its public address in it.
    let answer = ec2::Instance {
        volumes: Vec::new(),
        ..instance.describe()
    };
    site.region.instances.insert(id.clone(), instance);
    site.region.give_public_address(&id);
    answer
}
