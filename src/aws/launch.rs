//! Launching an instance.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest,
    InstanceType, ResourceType, RunInstancesMonitoringEnabled, VolumeType,
};
use aws_smithy_types::base64;
use nuvem_core::aws::ec2::{HttpTokens, Instance, MetadataOptions, Monitoring, RootVolumeLaunch, RunInstances};
use nuvem_core::aws::{AwsError, Perform};

use super::backend::SdkBackend;
use super::convert::{required, tag_specifications};
use super::error::failure;
use super::instances::instance;

#[async_trait]
impl Perform<RunInstances> for SdkBackend {
    async fn perform(&self, launch: RunInstances) -> Result<Instance, AwsError> {
        let user_data = launch.user_data.map(|data| base64::encode(data.reveal()));
        let monitoring = RunInstancesMonitoringEnabled::builder().enabled(launch.monitoring == Monitoring::Detailed);
        let tagged = [
            ResourceType::Instance,
            ResourceType::Volume,
            ResourceType::NetworkInterface,
        ];
        let answer = self
            .write
            .run_instances()
            .min_count(1)
            .max_count(1)
            .client_token(launch.client_token)
            .image_id(launch.image_id)
            .instance_type(InstanceType::from(launch.instance_type.as_str()))
            .set_key_name(launch.key_name)
            .set_subnet_id(launch.subnet_id)
            .set_security_group_ids(Some(launch.security_group_ids))
            .set_user_data(user_data)
            .set_block_device_mappings(root_volume(launch.root_volume).map(|root| vec![root]))
            .metadata_options(metadata_options(launch.metadata_options))
            .monitoring(monitoring.build())
            .disable_api_termination(launch.disable_api_termination)
            .disable_api_stop(launch.disable_api_stop)
            .set_tag_specifications(tag_specifications(&tagged, launch.tags))
            .send()
            .await
            .map_err(failure)?;
        let launched = answer.instances.unwrap_or_default().into_iter().next();
        instance(required(launched, "the instance")?)
    }
}

/// The root volume's mapping, unless everything comes from the image. It adds to the image's own
/// mappings, so the data volumes of an image stay as they are (E31).
fn root_volume(root: RootVolumeLaunch) -> Option<BlockDeviceMapping> {
    let RootVolumeLaunch {
        device,
        size_gib,
        volume_type,
        iops,
        throughput,
        encrypted,
        kms_key_id,
    } = root;
    let from_image = size_gib.is_none()
        && volume_type.is_none()
        && iops.is_none()
        && throughput.is_none()
        && encrypted.is_none()
        && kms_key_id.is_none();
    if from_image {
        return None;
    }
    let volume = EbsBlockDevice::builder()
        .delete_on_termination(true)
        .set_volume_size(size_gib)
        .set_volume_type(volume_type.as_deref().map(VolumeType::from))
        .set_iops(iops)
        .set_throughput(throughput)
        .set_encrypted(encrypted)
        .set_kms_key_id(kms_key_id)
        .build();
    Some(BlockDeviceMapping::builder().device_name(device).ebs(volume).build())
}

fn metadata_options(options: MetadataOptions) -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(http_tokens(options.http_tokens))
        .http_put_response_hop_limit(options.hop_limit)
        .build()
}

/// The demand for a session token as AWS spells it.
pub(super) const fn http_tokens(tokens: HttpTokens) -> HttpTokensState {
    match tokens {
        HttpTokens::Required => HttpTokensState::Required,
        HttpTokens::Optional => HttpTokensState::Optional,
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that meets what it does not expect ends there")]
mod tests {
    use super::*;

    fn from_image() -> RootVolumeLaunch {
        RootVolumeLaunch {
            device: "/dev/xvda".to_owned(),
            size_gib: None,
            volume_type: None,
            iops: None,
            throughput: None,
            encrypted: None,
            kms_key_id: None,
        }
    }

    #[test]
    fn a_root_volume_like_the_images_is_not_mapped() {
        assert_eq!(root_volume(from_image()), None);
    }

    #[test]
    fn a_mapped_root_volume_dies_with_its_instance() {
        let encrypted = RootVolumeLaunch {
            encrypted: Some(false),
            ..from_image()
        };
        let mapping = root_volume(encrypted).expect("mapped");
        let volume = mapping.ebs().expect("a volume");
        assert_eq!(mapping.device_name(), Some("/dev/xvda"));
        assert_eq!(
            (volume.delete_on_termination(), volume.encrypted()),
            (Some(true), Some(false))
        );
        assert_eq!(volume.volume_size(), None);
    }
}
