//! Systems Manager: the parameters under which AWS publishes its newest images.

use super::{Perform, operation};

/// Reads one parameter's value. `ParameterNotFound` when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetParameter {
    /// The parameter's full name, for example `/aws/service/ami-amazon-linux-latest/…`.
    pub name: String,
}

operation!(GetParameter, "ssm.GetParameter", Read, String);

/// The operations of Systems Manager that nuvem uses.
pub trait Ssm: Perform<GetParameter> {}

impl<T: Perform<GetParameter>> Ssm for T {}
