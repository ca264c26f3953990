//! The cluster as the engine sees it: a few reads, two kinds of writes, and events. The kube
//! client implements it at the edge, an in-memory cluster in the simulator.

use async_trait::async_trait;
use serde_json::Value;

use super::kind::Fetched;
use super::references::Target;
use super::resource::Key;

/// Why a request to the API server failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Somebody else has written the object in between.
    #[error("the object was changed by somebody else")]
    Conflict,
    /// The object (or this uid of it) does not exist any more.
    #[error("the object is gone")]
    Gone,
    /// Our rights do not suffice.
    #[error("the operator's ServiceAccount may not do this: {0}")]
    Forbidden(String),
    /// The API server refuses the content.
    #[error("the API server refuses it: {0}")]
    Refused(String),
    /// It does not answer as it should.
    #[error("the API server does not answer as it should: {0}")]
    Unavailable(String),
}

/// Something to tell the user in `kubectl describe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// About which object.
    pub key: Key,
    /// The account that it lives in, for the log.
    pub account: String,
    /// The Region that it lives in, for the log.
    pub region: String,
    /// `CamelCase`, stable.
    pub reason: String,
    /// One or two sentences.
    pub note: String,
    /// Whether a person should look.
    pub warning: bool,
}

/// What the engine asks of the cluster.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// The object as the API server has it now; `None` when this uid is gone.
    async fn live(&self, key: &Key) -> Result<Option<Value>, ClusterError>;

    /// A Secret or `ConfigMap`; `None` when it does not exist.
    async fn fetch(&self, target: &Target) -> Result<Option<Fetched>, ClusterError>;

    /// Replaces the status of this very version of the object; answers with its new version.
    async fn write_status(&self, key: &Key, resource_version: &str, status: Value) -> Result<String, ClusterError>;

    /// Sets or removes our finalizer on this very version; answers with its new version.
    /// `finalizers` is the whole list as it is to be.
    async fn write_finalizers(
        &self,
        key: &Key,
        resource_version: &str,
        finalizers: Vec<String>,
    ) -> Result<String, ClusterError>;

    /// The annotation `nuvem.dev/region` of a namespace.
    async fn namespace_region(&self, namespace: &str) -> Result<Option<String>, ClusterError>;

    /// The same as it was some seconds ago at most: enough to notice that it has changed, and not
    /// one request for each of a thousand resources.
    async fn namespace_region_lately(&self, namespace: &str) -> Result<Option<String>, ClusterError> {
        self.namespace_region(namespace).await
    }

    /// Whether a CRD is being deleted, and all its objects with it.
    async fn crd_is_deleting(&self, crd: &str) -> Result<bool, ClusterError>;

    /// Tells the user. Best effort: a lost event is logged at the edge and is no failure.
    async fn publish(&self, event: Event);
}
