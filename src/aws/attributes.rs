//! What lists do not show of an instance, and changing it.

use async_trait::async_trait;
use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{AttributeBooleanValue, AttributeValue, InstanceAttributeName, SecureBlobAttributeValue};
use aws_smithy_types::base64;
use nuvem_core::aws::ec2::{
    DescribeProtection, DescribeUserData, InstanceAttribute, ModifyInstanceAttribute, ModifyInstanceMetadataOptions,
    ProtectedAction,
};
use nuvem_core::aws::{AwsError, Perform};
use nuvem_core::secret::Secret;

use super::backend::SdkBackend;
use super::convert::text;
use super::error::{failure, strange};
use super::launch::http_tokens;

#[async_trait]
impl Perform<DescribeUserData> for SdkBackend {
    async fn perform(&self, operation: DescribeUserData) -> Result<Option<Secret<Vec<u8>>>, AwsError> {
        let answer = self
            .read
            .describe_instance_attribute()
            .instance_id(operation.instance_id)
            .attribute(InstanceAttributeName::UserData)
            .send()
            .await
            .map_err(failure)?;
        let encoded = text(answer.user_data.and_then(|attribute| attribute.value));
        encoded.as_deref().map(decoded).transpose()
    }
}

/// User data as it was given. Whoever set it may have broken its lines, as many encoders do.
fn decoded(encoded: &str) -> Result<Secret<Vec<u8>>, AwsError> {
    let whole: String = encoded.split_ascii_whitespace().collect();
    let data = base64::decode(whole).map_err(|_| strange("the user data in the answer is not base64"))?;
    Ok(Secret::new(data))
}

#[async_trait]
impl Perform<DescribeProtection> for SdkBackend {
    async fn perform(&self, operation: DescribeProtection) -> Result<bool, AwsError> {
        let name = match operation.action {
            ProtectedAction::Termination => InstanceAttributeName::DisableApiTermination,
            ProtectedAction::Stop => InstanceAttributeName::DisableApiStop,
        };
        let answer = self
            .read
            .describe_instance_attribute()
            .instance_id(operation.instance_id)
            .attribute(name)
            .send()
            .await
            .map_err(failure)?;
        let attribute = match operation.action {
            ProtectedAction::Termination => answer.disable_api_termination,
            ProtectedAction::Stop => answer.disable_api_stop,
        };
        // What an answer does not say is not switched on: endpoints that know nothing of a protection leave it out.
        Ok(attribute.and_then(|attribute| attribute.value).unwrap_or(false))
    }
}

#[async_trait]
impl Perform<ModifyInstanceAttribute> for SdkBackend {
    async fn perform(&self, operation: ModifyInstanceAttribute) -> Result<(), AwsError> {
        let request = self
            .write
            .modify_instance_attribute()
            .instance_id(operation.instance_id);
        let request = match operation.attribute {
            InstanceAttribute::InstanceType(name) => {
                request.instance_type(AttributeValue::builder().value(name).build())
            }
            // The SDK encodes it for the wire.
            InstanceAttribute::UserData(data) => {
                let data = Blob::new(data.reveal().as_slice());
                request.user_data(SecureBlobAttributeValue::builder().value(data).build())
            }
            InstanceAttribute::SecurityGroups(ids) => request.set_groups(Some(ids)),
            InstanceAttribute::Protection { action, enabled } => {
                let value = AttributeBooleanValue::builder().value(enabled).build();
                match action {
                    ProtectedAction::Termination => request.disable_api_termination(value),
                    ProtectedAction::Stop => request.disable_api_stop(value),
                }
            }
        };
        request.send().await.map_err(failure)?;
        Ok(())
    }
}

#[async_trait]
impl Perform<ModifyInstanceMetadataOptions> for SdkBackend {
    async fn perform(&self, operation: ModifyInstanceMetadataOptions) -> Result<(), AwsError> {
        self.write
            .modify_instance_metadata_options()
            .instance_id(operation.instance_id)
            .http_tokens(http_tokens(operation.options.http_tokens))
            .http_put_response_hop_limit(operation.options.hop_limit)
            .send()
            .await
            .map_err(failure)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that meets what it does not expect ends there")]
mod tests {
    use super::*;

    #[test]
    fn user_data_is_decoded_whatever_its_line_breaks() {
        let data = decoded("aGVs\nbG8=\n").expect("decoded");
        assert_eq!(data.reveal(), b"hello");
    }

    #[test]
    fn user_data_that_cannot_be_decoded_stays_out_of_the_error() {
        let error = decoded("not base64!").expect_err("refused");
        assert_eq!(
            error.to_string(),
            "no answer: the user data in the answer is not base64"
        );
    }
}
