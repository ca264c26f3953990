//! AWS through its SDK: the only code that names `aws-sdk-*`. Each file is a subject; it turns the
//! core's operations into requests, and the answers into the core's plain types.

mod attributes;
mod backend;
mod convert;
mod error;
mod identity;
mod images;
mod instances;
mod launch;
mod network;
mod power;
mod rules;
mod security_groups;
mod ssm;
mod tags;
#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets what it does not expect ends there"
)]
mod tests;
mod unsent;
mod volumes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, SdkConfig};
use nuvem_core::aws::Backend;

use backend::SdkBackend;

/// Whose rights a request is made with.
///
/// There is one for now. A namespace with a role of its own becomes another, with clients of its
/// own, since connections, cached credentials and retry budgets must not be shared between accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Credentials {
    /// What the process itself was given.
    Process,
}

/// What one set of clients works for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    credentials: Credentials,
    region: String,
}

/// The clients of AWS, made when a Region is first asked for and kept as long as the process runs.
pub struct Clients {
    config: SdkConfig,
    backends: Mutex<BTreeMap<Scope, Arc<dyn Backend>>>,
}

impl Clients {
    /// Takes credentials and endpoints from where every AWS tool takes them: the environment, the
    /// profile, the service account's role, the instance's role; `AWS_ENDPOINT_URL` and
    /// `AWS_ENDPOINT_URL_EC2`, `…_SSM`, `…_STS`. Retries and timeouts are nuvem's own, whatever is
    /// configured there. Credentials are looked for at the first request, so this does not fail.
    pub async fn from_env() -> Self {
        // Named, not `latest`: an update of the SDK must not change its behaviour unseen.
        Self::new(aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await)
    }

    /// Takes them from a configuration, which must have a behaviour version.
    #[must_use]
    pub const fn new(config: SdkConfig) -> Self {
        Self {
            config,
            backends: Mutex::new(BTreeMap::new()),
        }
    }

    /// AWS in one Region, with the process's own credentials.
    #[must_use]
    pub fn backend(&self, region: &str) -> Arc<dyn Backend> {
        let scope = Scope {
            credentials: Credentials::Process,
            region: region.to_owned(),
        };
        // The map is whole even if another thread panicked while it had the lock.
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        let backend = backends
            .entry(scope)
            .or_insert_with_key(|scope| Arc::new(SdkBackend::new(&self.config, scope)));
        Arc::clone(backend)
    }
}
