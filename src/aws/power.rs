//! Operations that take an instance's id and nothing else.

use async_trait::async_trait;
use nuvem_core::aws::ec2::{MonitorInstances, StartInstances, StopInstances, TerminateInstances, UnmonitorInstances};
use nuvem_core::aws::{AwsError, Perform};

use super::backend::SdkBackend;
use super::error::failure;

/// The answers tell the states before and after, which observing tells as well.
macro_rules! perform_on_one_instance {
    ($($operation:ident: $request:ident,)+) => {$(
        #[async_trait]
        impl Perform<$operation> for SdkBackend {
            async fn perform(&self, operation: $operation) -> Result<(), AwsError> {
                let request = self.write.$request().instance_ids(operation.instance_id);
                request.send().await.map_err(failure)?;
                Ok(())
            }
        }
    )+};
}

perform_on_one_instance! {
    StartInstances: start_instances,
    StopInstances: stop_instances,
    TerminateInstances: terminate_instances,
    MonitorInstances: monitor_instances,
    UnmonitorInstances: unmonitor_instances,
}
