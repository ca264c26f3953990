//! The Lease by which replicas agree on a leader: the reads and writes that
//! [`nuvem_core::engine::leader`] decides on.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use nuvem_core::engine::clock::Clock;
use nuvem_core::engine::gate::Gate;
use nuvem_core::engine::leader::{self, Action, Election, LeaseRecord};

use crate::clock::SystemClock;

/// How long one request for the Lease may take.
const REQUEST: Duration = Duration::from_secs(5);

/// One replica that wants to lead.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    election: Election,
    gate: Arc<Gate>,
    /// The Lease as it was read last: a write is made from it.
    lease: Option<Lease>,
}

/// The replica that leads.
pub struct Leader(Candidate);

/// Why the lease is lost.
#[derive(Debug)]
pub struct Lost(pub &'static str);

impl Candidate {
    /// A candidate for the Lease of this name. The identity is the pod's name: a container that is
    /// restarted in its pod takes its lease up again at once, since the one before it is dead.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, gate: Arc<Gate>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            election: Election::new(identity.to_owned()),
            gate,
            lease: None,
        }
    }

    /// Waits until this replica leads.
    pub async fn acquire(mut self) -> Leader {
        loop {
            let action = self.look().await;
            self.follow(action).await;
            if self.election.leads_until().is_some() {
                return Leader(self);
            }
        }
    }

    async fn look(&mut self) -> Action {
        let read = tokio::time::timeout(REQUEST, self.api.get_opt(&self.name)).await;
        match read {
            Ok(Ok(lease)) => {
                let record = lease.as_ref().map(record);
                self.lease = lease;
                self.election.decide(record.as_ref(), SystemClock.boottime())
            }
            Ok(Err(error)) => {
                tracing::warn!("the Lease cannot be read: {error}");
                self.election.unread(SystemClock.boottime())
            }
            Err(_) => {
                tracing::warn!("the Lease cannot be read: no answer within {REQUEST:?}");
                self.election.unread(SystemClock.boottime())
            }
        }
    }

    async fn follow(&mut self, action: Action) {
        match action {
            Action::Create => self.write(None, 0).await,
            Action::Acquire { transitions, .. } | Action::Renew { transitions, .. } => {
                self.write(self.lease.clone(), transitions).await;
            }
            Action::Wait { until } => {
                tokio::time::sleep(until.saturating_sub(SystemClock.boottime())).await;
            }
            Action::Lost { .. } => {}
        }
    }

    /// Writes the Lease with ourselves as its holder. The resourceVersion in it makes it a
    /// compare-and-swap.
    async fn write(&mut self, before: Option<Lease>, transitions: i32) {
        let creating = before.is_none();
        let lease = self.ours(before, transitions);
        let sent = SystemClock.boottime();
        let request = async {
            if creating {
                self.api.create(&PostParams::default(), &lease).await
            } else {
                self.api.replace(&self.name, &PostParams::default(), &lease).await
            }
        };
        match tokio::time::timeout(REQUEST, request).await {
            Ok(Ok(_)) => {
                self.election.renewed(sent);
                self.gate.open(sent);
            }
            Ok(Err(error)) => {
                tracing::info!("the Lease was not taken: {error}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(_) => tracing::warn!("the Lease was not taken: no answer within {REQUEST:?}"),
        }
    }

    fn ours(&self, before: Option<Lease>, transitions: i32) -> Lease {
        let now = MicroTime(Timestamp::now());
        let metadata = before.as_ref().map_or_else(
            || ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        );
        let acquired = before
            .and_then(|lease| lease.spec)
            .filter(|spec| spec.holder_identity.as_deref() == Some(self.identity.as_str()))
            .and_then(|spec| spec.acquire_time);
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(leader::LEASE.as_secs()).ok(),
                acquire_time: acquired.or_else(|| Some(now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

impl Leader {
    /// Renews the lease until it is lost. The gate is closed before this returns.
    pub async fn keep(&mut self) -> Lost {
        loop {
            let action = self.0.look().await;
            if let Action::Lost { why } = action {
                self.0.gate.close(why);
                return Lost(why);
            }
            self.0.follow(action).await;
        }
    }

    /// Gives the lease back once nothing is written any more, so that another replica need not
    /// wait for its end.
    pub async fn release(mut self) {
        self.0.gate.close("the lease was given back");
        let read = tokio::time::timeout(REQUEST, self.0.api.get_opt(&self.0.name)).await;
        let Ok(Ok(Some(mut lease))) = read else {
            return;
        };
        if self.0.election.release(&record(&lease)).is_none() {
            return;
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let parameters = PostParams::default();
        let write = self.0.api.replace(&self.0.name, &parameters, &lease);
        if !matches!(tokio::time::timeout(REQUEST, write).await, Ok(Ok(_))) {
            tracing::warn!("the Lease was not given back; it ends by itself");
        }
    }
}

fn record(lease: &Lease) -> LeaseRecord {
    let spec = lease.spec.clone().unwrap_or_default();
    LeaseRecord {
        holder: spec.holder_identity,
        resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
        renew_time: spec.renew_time.map(|time| time.0.to_string()),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}
