//! What lists do not show of an instance, and the changes of single attributes (E17–E19, E24).

use super::super::AwsError;
use super::super::ec2::{
    DescribeProtection, DescribeUserData, InstanceAttribute, InstanceState, MetadataOptions, ModifyInstanceAttribute,
    ModifyInstanceMetadataOptions, MonitorInstances, Monitoring, UnmonitorInstances,
};
use super::catalogue::architecture_of;
use super::groups::different_networks;
use super::instances::Instance;
use super::launch::check_type;
use super::refusals::{incorrect_state, invalid_combination, invalid_value, refused};
use super::world::{Act, Site};
use crate::secret::Secret;

/// In raw bytes (E18).
const LONGEST_USER_DATA: usize = 16_384;

/// E18.
pub(super) fn check_user_data(raw: &[u8]) -> Result<(), AwsError> {
    if raw.len() > LONGEST_USER_DATA {
        return Err(invalid_value(format!(
            "User data is limited to {LONGEST_USER_DATA} bytes"
        )));
    }
    Ok(())
}

/// E24.
pub(super) fn check_metadata_options(options: MetadataOptions) -> Result<(), AwsError> {
    if !(1..=64).contains(&options.hop_limit) {
        return Err(invalid_value(format!(
            "Value ({}) for parameter httpPutResponseHopLimit is invalid. Expecting 1 to 64.",
            options.hop_limit
        )));
    }
    Ok(())
}

fn check_lives(instance: &Instance) -> Result<(), AwsError> {
    if instance.state.is_living() {
        return Ok(());
    }
    Err(incorrect_state(format!(
        "The instance '{}' is not in a state that allows this operation.",
        instance.id
    )))
}

/// E17.
fn check_stopped(instance: &Instance) -> Result<(), AwsError> {
    if instance.state == InstanceState::Stopped {
        return Ok(());
    }
    Err(incorrect_state(format!(
        "The instance '{}' is not in the 'stopped' state.",
        instance.id
    )))
}

impl Act for DescribeUserData {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<Option<Secret<Vec<u8>>>, AwsError> {
        let raw = &site.instance(&self.instance_id)?.user_data;
        Ok((!raw.is_empty()).then(|| Secret::new(raw.clone())))
    }
}

impl Act for DescribeProtection {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<bool, AwsError> {
        Ok(site.instance(&self.instance_id)?.protections.contains(&self.action))
    }
}

impl Act for ModifyInstanceAttribute {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        check_lives(site.instance(&self.instance_id)?)?;
        match self.attribute {
            InstanceAttribute::InstanceType(wanted) => {
                let instance = site.instance_mut(&self.instance_id)?;
                check_stopped(instance)?;
                if architecture_of(&wanted).is_none() {
                    return Err(refused(
                        "InvalidInstanceAttributeValue",
                        format!("Invalid value '{wanted}' for InstanceType."),
                    ));
                }
                check_type(&wanted, &instance.architecture)?;
                instance.instance_type = wanted;
            }
            InstanceAttribute::UserData(raw) => {
                let instance = site.instance_mut(&self.instance_id)?;
                check_stopped(instance)?;
                check_user_data(raw.reveal())?;
                instance.user_data.clone_from(raw.reveal());
            }
            InstanceAttribute::SecurityGroups(wanted) => set_groups(site, &self.instance_id, &wanted)?,
            InstanceAttribute::Protection { action, enabled } => {
                let protections = &mut site.instance_mut(&self.instance_id)?.protections;
                if enabled {
                    protections.insert(action);
                } else {
                    protections.remove(&action);
                }
            }
        }
        Ok(())
    }
}

/// E19: replaces all, and at least one must remain: no group at all looks like no attribute.
fn set_groups(site: &mut Site<'_>, instance_id: &str, wanted: &[String]) -> Result<(), AwsError> {
    if wanted.is_empty() {
        return Err(invalid_combination("No attributes specified."));
    }
    let Some(interface) = &site.instance(instance_id)?.interface else {
        return Ok(());
    };
    let groups = site.groups_of_interface(wanted, &interface.vpc_id, |_| different_networks())?;
    if let Some(interface) = &mut site.instance_mut(instance_id)?.interface {
        interface.groups = groups;
    }
    Ok(())
}

impl Act for ModifyInstanceMetadataOptions {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        let instance = site.instance_mut(&self.instance_id)?;
        check_lives(instance)?;
        check_metadata_options(self.options)?;
        instance.metadata_options = self.options;
        Ok(())
    }
}

impl Act for MonitorInstances {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        site.instance_mut(&self.instance_id)?.monitoring = Monitoring::Detailed;
        Ok(())
    }
}

impl Act for UnmonitorInstances {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        site.instance_mut(&self.instance_id)?.monitoring = Monitoring::Basic;
        Ok(())
    }
}
