//! Volumes and their modifications.

use async_trait::async_trait;
use aws_sdk_ec2::types::{self as sdk, VolumeType};
use nuvem_core::aws::ec2::{DescribeVolumes, DescribeVolumesModifications, ModifyVolume, Volume, VolumeModification};
use nuvem_core::aws::{AwsError, Page, Perform};

use super::backend::SdkBackend;
use super::convert::{PAGE_SIZE, filter, filters, from_sdk_tags, page, required, text};
use super::error::failure;

#[async_trait]
impl Perform<DescribeVolumes> for SdkBackend {
    async fn perform(&self, operation: DescribeVolumes) -> Result<Page<Volume>, AwsError> {
        let answer = self
            .read
            .describe_volumes()
            .set_filters(Some(filters(operation.select, "volume-id")))
            .max_results(PAGE_SIZE)
            .set_next_token(operation.page)
            .send()
            .await
            .map_err(failure)?;
        page(answer.volumes, answer.next_token, volume)
    }
}

fn volume(volume: sdk::Volume) -> Result<Volume, AwsError> {
    Ok(Volume {
        id: required(volume.volume_id, "volumeId")?,
        state: required(volume.state, "status")?.as_str().to_owned(),
        size_gib: required(volume.size, "size")?,
        volume_type: required(volume.volume_type, "volumeType")?.as_str().to_owned(),
        iops: volume.iops,
        throughput: volume.throughput,
        encrypted: volume.encrypted.unwrap_or_default(),
        kms_key_id: text(volume.kms_key_id),
        tags: from_sdk_tags(volume.tags)?,
    })
}

#[async_trait]
impl Perform<DescribeVolumesModifications> for SdkBackend {
    async fn perform(&self, operation: DescribeVolumesModifications) -> Result<Option<VolumeModification>, AwsError> {
        let answer = self
            .read
            .describe_volumes_modifications()
            .filters(filter("volume-id", [operation.volume_id]))
            .send()
            .await
            .map_err(failure);
        match answer {
            Ok(answer) => latest(answer.volumes_modifications.unwrap_or_default()),
            Err(AwsError::Refused { code, .. }) if code == "InvalidVolumeModification.NotFound" => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn latest(modifications: Vec<sdk::VolumeModification>) -> Result<Option<VolumeModification>, AwsError> {
    let latest = modifications.into_iter().max_by_key(|one| one.start_time);
    latest.map(modification).transpose()
}

fn modification(modification: sdk::VolumeModification) -> Result<VolumeModification, AwsError> {
    Ok(VolumeModification {
        volume_id: required(modification.volume_id, "volumeId")?,
        state: required(modification.modification_state, "modificationState")?
            .as_str()
            .to_owned(),
        status_message: text(modification.status_message),
    })
}

#[async_trait]
impl Perform<ModifyVolume> for SdkBackend {
    async fn perform(&self, operation: ModifyVolume) -> Result<(), AwsError> {
        self.write
            .modify_volume()
            .volume_id(operation.volume_id)
            .set_size(operation.size_gib)
            .set_volume_type(operation.volume_type.as_deref().map(VolumeType::from))
            .set_iops(operation.iops)
            .set_throughput(operation.throughput)
            .send()
            .await
            .map_err(failure)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that meets what it does not expect ends there")]
mod tests {
    use aws_sdk_ec2::primitives::DateTime;
    use aws_sdk_ec2::types::VolumeModificationState;

    use super::*;

    #[test]
    fn the_latest_modification_counts() {
        let begun = |seconds: i64, state: VolumeModificationState| {
            sdk::VolumeModification::builder()
                .volume_id("vol-1")
                .start_time(DateTime::from_secs(seconds))
                .modification_state(state)
                .build()
        };
        let two = vec![
            begun(2, VolumeModificationState::Optimizing),
            begun(1, VolumeModificationState::Completed),
        ];
        let state = latest(two).expect("converted").map(|one| one.state);
        assert_eq!(state.as_deref(), Some("optimizing"));
        assert_eq!(latest(Vec::new()), Ok(None));
    }
}
