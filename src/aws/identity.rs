//! Who we are.

use async_trait::async_trait;
use nuvem_core::aws::identity::GetCallerIdentity;
use nuvem_core::aws::{AwsError, Perform};

use super::backend::SdkBackend;
use super::convert::required;
use super::error::failure;

#[async_trait]
impl Perform<GetCallerIdentity> for SdkBackend {
    async fn perform(&self, GetCallerIdentity: GetCallerIdentity) -> Result<String, AwsError> {
        let answer = self.sts.get_caller_identity().send().await.map_err(failure)?;
        required(answer.account, "Account")
    }
}
