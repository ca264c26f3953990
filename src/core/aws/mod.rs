//! AWS as the rest of nuvem sees it: operations in our own plain types, one failure type, and a
//! gate in front of it all. Nothing here names the AWS SDK; the adapters live in the `nuvem`
//! package, the in-memory AWS in [`memory`].

pub mod ec2;
pub mod failure;
pub mod identity;
pub mod memory;
pub mod ssm;

use async_trait::async_trait;

pub use failure::{AwsError, Class, Failure};

/// Whether an operation changes something in AWS.
///
/// Reads may be repeated at will; a write whose answer is lost may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing changes in AWS.
    Read,
    /// Something may change in AWS.
    Write,
}

/// One AWS operation: its parameters are the implementing struct, its answer is [`Self::Output`].
pub trait Operation: Send + 'static {
    /// AWS's own name, as IAM and the metrics know it, for example `ec2.RunInstances`.
    const ACTION: &'static str;
    /// Read or write.
    const EFFECT: Effect;
    /// What AWS answers.
    type Output: Send;
}

/// Performs one operation in one account and Region.
///
/// Implemented by the SDK adapters and by the in-memory AWS; called only by the gate.
#[async_trait]
pub trait Perform<O: Operation>: Send + Sync {
    /// Sends the operation once. A write is never repeated in here.
    async fn perform(&self, operation: O) -> Result<O::Output, AwsError>;
}

/// Everything nuvem asks of AWS, in one account and Region.
pub trait Backend: ec2::Ec2 + ssm::Ssm + identity::Identity {}

impl<T: ec2::Ec2 + ssm::Ssm + identity::Identity> Backend for T {}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A listing that fits on one page.
    #[must_use]
    pub const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// Declares an operation in one line, so that a file of operations reads like a table.
macro_rules! operation {
    ($operation:ty, $action:literal, $effect:ident, $output:ty) => {
        impl $crate::aws::Operation for $operation {
            const ACTION: &'static str = $action;
            const EFFECT: $crate::aws::Effect = $crate::aws::Effect::$effect;
            type Output = $output;
        }
    };
}
pub(crate) use operation;
