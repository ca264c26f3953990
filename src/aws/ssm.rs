//! Systems Manager.

use async_trait::async_trait;
use nuvem_core::aws::ssm::GetParameter;
use nuvem_core::aws::{AwsError, Perform};

use super::backend::SdkBackend;
use super::convert::required;
use super::error::failure;

#[async_trait]
impl Perform<GetParameter> for SdkBackend {
    async fn perform(&self, operation: GetParameter) -> Result<String, AwsError> {
        let request = self.ssm.get_parameter().name(operation.name);
        let answer = request.send().await.map_err(failure)?;
        required(
            answer.parameter.and_then(|parameter| parameter.value),
            "the parameter's value",
        )
    }
}
