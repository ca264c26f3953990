//! Instances as AWS shows them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_ec2::types::{self as sdk, Filter, MonitoringState};
use nuvem_core::aws::ec2::{
    AttachedVolume, DescribeInstances, HttpTokens, Instance, InstanceState, MetadataOptions, Monitoring,
    SelectInstances, StateReason,
};
use nuvem_core::aws::{AwsError, Page, Perform};

use super::backend::SdkBackend;
use super::convert::{PAGE_SIZE, filter, filters, from_sdk_tags, page, required, text, timestamp};
use super::error::{failure, strange};

#[async_trait]
impl Perform<DescribeInstances> for SdkBackend {
    async fn perform(&self, operation: DescribeInstances) -> Result<Page<Instance>, AwsError> {
        let answer = self
            .read
            .describe_instances()
            .set_filters(Some(selection(operation.select)))
            .max_results(PAGE_SIZE)
            .set_next_token(operation.page)
            .send()
            .await
            .map_err(failure)?;
        let reservations = answer.reservations.unwrap_or_default();
        let instances = reservations
            .into_iter()
            .flat_map(|one| one.instances.unwrap_or_default())
            .collect();
        page(Some(instances), answer.next_token, instance)
    }
}

fn selection(select: SelectInstances) -> Vec<Filter> {
    match select {
        SelectInstances::By(select) => filters(select, "instance-id"),
        SelectInstances::ClientToken(token) => vec![filter("client-token", [token])],
    }
}

/// An instance in our own words.
pub(super) fn instance(instance: sdk::Instance) -> Result<Instance, AwsError> {
    Ok(Instance {
        security_groups: security_groups(&instance)?,
        id: required(instance.instance_id, "instanceId")?,
        state: required(instance.state.and_then(|state| state.name), "instanceState").and_then(|name| state(&name))?,
        state_reason: instance.state_reason.and_then(state_reason),
        image_id: required(instance.image_id, "imageId")?,
        instance_type: required(instance.instance_type, "instanceType")?.as_str().to_owned(),
        key_name: text(instance.key_name),
        subnet_id: text(instance.subnet_id),
        vpc_id: text(instance.vpc_id),
        availability_zone: required(
            instance.placement.and_then(|place| place.availability_zone),
            "availabilityZone",
        )?,
        private_ip: text(instance.private_ip_address),
        public_ip: text(instance.public_ip_address),
        public_dns_name: text(instance.public_dns_name),
        launch_time: instance.launch_time.map(timestamp).transpose()?,
        client_token: text(instance.client_token),
        monitoring: monitoring(instance.monitoring.and_then(|monitoring| monitoring.state).as_ref()),
        metadata_options: instance.metadata_options.map(metadata_options).transpose()?.flatten(),
        root_device_name: text(instance.root_device_name),
        volumes: volumes(instance.block_device_mappings.unwrap_or_default())?,
        tags: from_sdk_tags(instance.tags)?,
    })
}

/// A state that we do not know cannot be planned with, so it is an error rather than a guess.
fn state(name: &sdk::InstanceStateName) -> Result<InstanceState, AwsError> {
    match name.as_str() {
        "pending" => Ok(InstanceState::Pending),
        "running" => Ok(InstanceState::Running),
        "stopping" => Ok(InstanceState::Stopping),
        "stopped" => Ok(InstanceState::Stopped),
        "shutting-down" => Ok(InstanceState::ShuttingDown),
        "terminated" => Ok(InstanceState::Terminated),
        other => Err(strange(format!("the answer has an unknown instance state, {other}"))),
    }
}

fn state_reason(reason: sdk::StateReason) -> Option<StateReason> {
    Some(StateReason {
        code: text(reason.code)?,
        message: reason.message.unwrap_or_default(),
    })
}

/// What was asked for last: `pending` is on its way to `enabled`, `disabling` away from it.
fn monitoring(state: Option<&MonitoringState>) -> Monitoring {
    match state.map(MonitoringState::as_str) {
        Some("enabled" | "pending") => Monitoring::Detailed,
        _ => Monitoring::Basic,
    }
}

/// The options, if they are all there: a terminated instance loses them.
fn metadata_options(options: sdk::InstanceMetadataOptionsResponse) -> Result<Option<MetadataOptions>, AwsError> {
    let (Some(tokens), Some(hop_limit)) = (options.http_tokens, options.http_put_response_hop_limit) else {
        return Ok(None);
    };
    let http_tokens = match tokens.as_str() {
        "required" => HttpTokens::Required,
        "optional" => HttpTokens::Optional,
        other => return Err(strange(format!("the answer has an unknown httpTokens, {other}"))),
    };
    Ok(Some(MetadataOptions { http_tokens, hop_limit }))
}

/// The groups of the primary interface, since those are what a change of the instance's groups
/// changes; the instance's own list has them all mixed, but stays when the interface is gone.
fn security_groups(instance: &sdk::Instance) -> Result<BTreeSet<String>, AwsError> {
    let is_primary = |interface: &&sdk::InstanceNetworkInterface| {
        interface
            .attachment()
            .and_then(sdk::InstanceNetworkInterfaceAttachment::device_index)
            == Some(0)
    };
    let primary = instance.network_interfaces().iter().find(is_primary);
    let groups = primary.map_or(instance.security_groups(), |interface| interface.groups());
    groups
        .iter()
        .map(|group| required(group.group_id.clone(), "groupId"))
        .collect()
}

fn volumes(mappings: Vec<sdk::InstanceBlockDeviceMapping>) -> Result<Vec<AttachedVolume>, AwsError> {
    let mut volumes = mappings
        .into_iter()
        .filter_map(|mapping| mapping.ebs.map(|volume| (mapping.device_name, volume)))
        .map(|(device, volume)| {
            Ok(AttachedVolume {
                device: required(device, "deviceName")?,
                volume_id: required(volume.volume_id, "volumeId")?,
                delete_on_termination: volume.delete_on_termination.unwrap_or_default(),
            })
        })
        .collect::<Result<Vec<_>, AwsError>>()?;
    volumes.sort_by(|one, other| one.device.cmp(&other.device));
    Ok(volumes)
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that meets what it does not expect ends there")]
mod tests {
    use aws_sdk_ec2::types::{
        EbsInstanceBlockDevice, GroupIdentifier, InstanceBlockDeviceMapping, InstanceNetworkInterface,
        InstanceNetworkInterfaceAttachment, InstanceStateName, InstanceType, Placement,
    };

    use super::*;

    /// The least that AWS shows, of an instance that is long terminated.
    fn least() -> sdk::builders::InstanceBuilder {
        sdk::Instance::builder()
            .instance_id("i-1")
            .state(
                sdk::InstanceState::builder()
                    .name(InstanceStateName::Terminated)
                    .build(),
            )
            .image_id("ami-1")
            .instance_type(InstanceType::T3Micro)
            .placement(Placement::builder().availability_zone("eu-west-1a").build())
    }

    fn mapping(device: &str, volume: &str) -> InstanceBlockDeviceMapping {
        let volume = EbsInstanceBlockDevice::builder()
            .volume_id(volume)
            .delete_on_termination(true);
        InstanceBlockDeviceMapping::builder()
            .device_name(device)
            .ebs(volume.build())
            .build()
    }

    fn interface(index: i32, group: &str) -> InstanceNetworkInterface {
        InstanceNetworkInterface::builder()
            .attachment(
                InstanceNetworkInterfaceAttachment::builder()
                    .device_index(index)
                    .build(),
            )
            .groups(GroupIdentifier::builder().group_id(group).build())
            .build()
    }

    #[test]
    fn what_aws_leaves_out_or_sends_empty_is_absent() {
        let seen = instance(least().public_dns_name("").client_token("").build()).expect("converted");
        assert_eq!(seen.public_dns_name, None);
        assert_eq!(seen.client_token, None);
        assert_eq!(seen.subnet_id, None);
        assert_eq!(seen.metadata_options, None);
        assert_eq!(seen.monitoring, Monitoring::Basic);
        assert!(seen.security_groups.is_empty());
        assert!(seen.volumes.is_empty());
    }

    #[test]
    fn volumes_are_in_the_order_of_their_devices() {
        let two = least()
            .block_device_mappings(mapping("/dev/xvdb", "vol-b"))
            .block_device_mappings(mapping("/dev/xvda", "vol-a"));
        let seen = instance(two.root_device_name("/dev/xvda").build()).expect("converted");
        let ids: Vec<_> = seen.volumes.iter().map(|volume| volume.volume_id.as_str()).collect();
        assert_eq!(ids, ["vol-a", "vol-b"]);
        assert_eq!(
            seen.root_volume().map(|volume| volume.volume_id.as_str()),
            Some("vol-a")
        );
    }

    #[test]
    fn groups_are_those_of_the_primary_interface() {
        let groups =
            |builder: sdk::builders::InstanceBuilder| instance(builder.build()).expect("converted").security_groups;
        let listed = least().security_groups(GroupIdentifier::builder().group_id("sg-listed").build());
        let attached = listed
            .clone()
            .network_interfaces(interface(1, "sg-second"))
            .network_interfaces(interface(0, "sg-first"));
        assert_eq!(groups(attached), BTreeSet::from(["sg-first".to_owned()]));
        assert_eq!(groups(listed), BTreeSet::from(["sg-listed".to_owned()]));
    }

    #[test]
    fn an_unknown_state_is_an_error() {
        let state = sdk::InstanceState::builder()
            .name(InstanceStateName::from("dreaming"))
            .build();
        let error = instance(least().state(state).build()).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "no answer: the answer has an unknown instance state, dreaming"
        );
    }

    #[test]
    fn monitoring_is_what_was_asked_for_last() {
        let table = [
            (MonitoringState::Pending, Monitoring::Detailed),
            (MonitoringState::Enabled, Monitoring::Detailed),
            (MonitoringState::Disabling, Monitoring::Basic),
            (MonitoringState::Disabled, Monitoring::Basic),
        ];
        for (state, expected) in table {
            assert_eq!(monitoring(Some(&state)), expected, "{state}");
        }
    }
}
