//! STS: which account the credentials belong to.

use super::{Perform, operation};

/// Asks which account we are in. Needs no permission in IAM.
#[derive(Clone, Copy, Debug)]
pub struct GetCallerIdentity;

operation!(GetCallerIdentity, "sts.GetCallerIdentity", Read, String);

/// The operations of STS that nuvem uses.
pub trait Identity: Perform<GetCallerIdentity> {}

impl<T: Perform<GetCallerIdentity>> Identity for T {}
