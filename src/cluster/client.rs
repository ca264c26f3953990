//! The engine's view of the cluster, over the kube client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret as KubeSecret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use nuvem_core::engine::cluster::{Cluster, ClusterError, Event};
use nuvem_core::engine::kind::Fetched;
use nuvem_core::engine::references::Target;
use nuvem_core::engine::resource::Key;
use nuvem_core::kinds;
use nuvem_core::secret::Secret;
use serde_json::{Value, json};

use super::events::Events;

/// The annotation on a namespace that names the Region of its resources.
pub const REGION_ANNOTATION: &str = "nuvem.dev/region";

/// The cluster behind a kube client.
#[derive(Clone)]
pub struct KubeCluster {
    client: Client,
    events: Events,
    regions: Arc<Mutex<BTreeMap<String, Remembered>>>,
}

/// What a namespace said about its Region, and when.
struct Remembered {
    at: Instant,
    region: Option<String>,
}

/// How old an answer about a namespace's Region may be.
const LATELY: Duration = Duration::from_secs(10);

impl KubeCluster {
    /// The cluster behind this client; events go out through `events`.
    #[must_use]
    pub fn new(client: Client, events: Events) -> Self {
        Self {
            client,
            events,
            regions: Arc::default(),
        }
    }

    fn api(&self, key: &Key) -> Result<Api<DynamicObject>, ClusterError> {
        let resource: ApiResource = kinds::api_resource(key.kind)
            .ok_or_else(|| ClusterError::Refused(format!("{} is no kind of ours", key.kind)))?;
        Ok(Api::namespaced_with(self.client.clone(), &key.namespace, &resource))
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn live(&self, key: &Key) -> Result<Option<Value>, ClusterError> {
        let object = self
            .api(key)?
            .get_opt(&key.name)
            .await
            .map_err(|error| failed(&error))?;
        let same = object.filter(|object| object.metadata.uid.as_deref() == Some(key.uid.as_str()));
        same.map(|object| serde_json::to_value(object).map_err(|error| ClusterError::Unavailable(error.to_string())))
            .transpose()
    }

    async fn fetch(&self, target: &Target) -> Result<Option<Fetched>, ClusterError> {
        match target {
            Target::Secret { namespace, name } => {
                let api: Api<KubeSecret> = Api::namespaced(self.client.clone(), namespace);
                let secret = api.get_opt(name).await.map_err(|error| failed(&error))?;
                Ok(secret.map(|secret| Fetched {
                    uid: secret.metadata.uid.unwrap_or_default(),
                    resource_version: secret.metadata.resource_version.unwrap_or_default(),
                    data: secret
                        .data
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(key, value)| (key, Secret::new(value.0)))
                        .collect(),
                }))
            }
            Target::ConfigMap { namespace, name } => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                let map = api.get_opt(name).await.map_err(|error| failed(&error))?;
                Ok(map.map(|map| Fetched {
                    uid: map.metadata.uid.unwrap_or_default(),
                    resource_version: map.metadata.resource_version.unwrap_or_default(),
                    data: texts_and_bytes(map.data.unwrap_or_default(), map.binary_data.unwrap_or_default()),
                }))
            }
            Target::Resource { .. } => Ok(None),
        }
    }

    async fn write_status(&self, key: &Key, resource_version: &str, status: Value) -> Result<String, ClusterError> {
        let patch = guarded(
            key,
            resource_version,
            &json!({"op": "add", "path": "/status", "value": status}),
        )?;
        let written = self
            .api(key)?
            .patch_status(&key.name, &PatchParams::default(), &patch)
            .await
            .map_err(|error| failed(&error))?;
        Ok(written.metadata.resource_version.unwrap_or_default())
    }

    async fn write_finalizers(
        &self,
        key: &Key,
        resource_version: &str,
        finalizers: Vec<String>,
    ) -> Result<String, ClusterError> {
        let change = json!({"op": "add", "path": "/metadata/finalizers", "value": finalizers});
        let patch = guarded(key, resource_version, &change)?;
        let written = self
            .api(key)?
            .patch(&key.name, &PatchParams::default(), &patch)
            .await
            .map_err(|error| failed(&error))?;
        Ok(written.metadata.resource_version.unwrap_or_default())
    }

    async fn namespace_region(&self, namespace: &str) -> Result<Option<String>, ClusterError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let namespace = api.get_metadata_opt(namespace).await.map_err(|error| failed(&error))?;
        let annotations = namespace
            .and_then(|namespace| namespace.metadata.annotations)
            .unwrap_or_default();
        Ok(annotations
            .get(REGION_ANNOTATION)
            .filter(|region| !region.is_empty())
            .cloned())
    }

    async fn namespace_region_lately(&self, namespace: &str) -> Result<Option<String>, ClusterError> {
        let remembered = || self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered().get(namespace).filter(|known| known.at.elapsed() < LATELY) {
            return Ok(known.region.clone());
        }
        let region = self.namespace_region(namespace).await?;
        let known = Remembered {
            at: Instant::now(),
            region: region.clone(),
        };
        remembered().insert(namespace.to_owned(), known);
        Ok(region)
    }

    async fn crd_is_deleting(&self, crd: &str) -> Result<bool, ClusterError> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let crd = api.get_metadata_opt(crd).await.map_err(|error| failed(&error))?;
        Ok(crd.is_none_or(|crd| crd.metadata.deletion_timestamp.is_some()))
    }

    async fn publish(&self, event: Event) {
        self.events.publish(event);
    }
}

fn texts_and_bytes(
    texts: BTreeMap<String, String>,
    bytes: BTreeMap<String, k8s_openapi::ByteString>,
) -> BTreeMap<String, Secret<Vec<u8>>> {
    let texts = texts
        .into_iter()
        .map(|(key, value)| (key, Secret::new(value.into_bytes())));
    let bytes = bytes.into_iter().map(|(key, value)| (key, Secret::new(value.0)));
    texts.chain(bytes).collect()
}

/// A JSON Patch that changes this very version of this very object, or nothing. Replacing the
/// resourceVersion by what we have seen makes the API server answer 409 when it is another one;
/// and unlike an apply, a patch never creates an object that is gone.
fn guarded(key: &Key, resource_version: &str, change: &Value) -> Result<Patch<()>, ClusterError> {
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": key.uid},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
        change,
    ]);
    serde_json::from_value(patch)
        .map(Patch::Json)
        .map_err(|error| ClusterError::Refused(error.to_string()))
}

fn failed(error: &kube::Error) -> ClusterError {
    let kube::Error::Api(status) = error else {
        return ClusterError::Unavailable(error.to_string());
    };
    let message = status.message.clone();
    match status.code {
        404 | 410 => ClusterError::Gone,
        409 => ClusterError::Conflict,
        // The test of the uid failed: the object was made again under the same name.
        422 if message.contains("the server rejected our request due to an error in our request") => {
            ClusterError::Conflict
        }
        401 | 403 => ClusterError::Forbidden(message),
        400 | 405 | 413 | 415 | 422 => ClusterError::Refused(message),
        _ => ClusterError::Unavailable(message),
    }
}
