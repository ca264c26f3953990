//! Tags of anything in EC2.

use async_trait::async_trait;
use aws_sdk_ec2::types::Tag;
use nuvem_core::aws::ec2::{CreateTags, DeleteTags};
use nuvem_core::aws::{AwsError, Perform};

use super::backend::SdkBackend;
use super::convert::to_sdk_tags;
use super::error::failure;

#[async_trait]
impl Perform<CreateTags> for SdkBackend {
    async fn perform(&self, operation: CreateTags) -> Result<(), AwsError> {
        self.write
            .create_tags()
            .set_resources(Some(operation.ids))
            .set_tags(Some(to_sdk_tags(operation.tags)))
            .send()
            .await
            .map_err(failure)?;
        Ok(())
    }
}

#[async_trait]
impl Perform<DeleteTags> for SdkBackend {
    async fn perform(&self, operation: DeleteTags) -> Result<(), AwsError> {
        // To AWS, no keys are all keys (E55).
        if operation.keys.is_empty() {
            return Ok(());
        }
        // A tag with a value, be it an empty one, is taken away only where it has that value.
        let keys = operation.keys.into_iter().map(|key| Tag::builder().key(key).build());
        self.write
            .delete_tags()
            .set_resources(Some(operation.ids))
            .set_tags(Some(keys.collect()))
            .send()
            .await
            .map_err(failure)?;
        Ok(())
    }
}
