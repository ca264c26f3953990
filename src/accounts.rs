//! Opens AWS: clients by account and Region, with the account that the credentials belong to.

use std::sync::Arc;

use async_trait::async_trait;
use nuvem_core::aws::identity::GetCallerIdentity;
use nuvem_core::aws::{Effect, Failure, Operation, Perform};
use nuvem_core::engine::gate::{Aws, Scope};
use nuvem_core::engine::queue::Lane;
use nuvem_core::engine::reads::Reads;
use nuvem_core::engine::reconcile::Accounts;
use tokio::sync::OnceCell;

use crate::aws::Clients;

/// The account of the process's own credentials.
pub struct OwnAccount {
    clients: Clients,
    reads: Arc<Reads>,
    account: OnceCell<String>,
}

impl OwnAccount {
    /// AWS through these clients; batched reads go through `reads`.
    #[must_use]
    pub fn new(clients: Clients, reads: Arc<Reads>) -> Self {
        Self {
            clients,
            reads,
            account: OnceCell::new(),
        }
    }

    /// Asked once: the credentials of a process do not move to another account.
    async fn account(&self, region: &str) -> Result<&String, Failure> {
        let backend = self.clients.backend(region);
        self.account
            .get_or_try_init(|| async {
                Perform::<GetCallerIdentity>::perform(backend.as_ref(), GetCallerIdentity)
                    .await
                    .map_err(|error| Failure::of(GetCallerIdentity::ACTION, Effect::Read, error))
            })
            .await
    }
}

#[async_trait]
impl Accounts for OwnAccount {
    async fn open(&self, region: &str, lane: Lane) -> Result<Aws, Failure> {
        let scope = Scope {
            account: self.account(region).await?.clone(),
            region: region.to_owned(),
        };
        Ok(Aws::new(scope, self.clients.backend(region), Arc::clone(&self.reads)).lane(lane))
    }
}
