//! A cluster in memory: objects with versions, generations and finalizers, Secrets, events, and a
//! log from which watches are fed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fate::{Fate, Moment, To};
use crate::aws::memory::Memory;
use crate::engine::cluster::{Cluster, ClusterError, Event};
use crate::engine::kind::Fetched;
use crate::engine::references::Target;
use crate::engine::resource::Key;
use crate::secret::Secret;

pub(super) const NAMESPACE: &str = "shop";

/// What a watch tells.
#[derive(Clone, Debug)]
pub(super) enum News {
    Applied(Value),
    Deleted(Value),
    Target(Target),
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    objects: BTreeMap<String, Value>,
    secrets: BTreeMap<Target, (u64, String)>,
    region_of_namespace: Option<String>,
    crd_is_deleting: bool,
    log: Vec<(Timestamp, News)>,
    events: Vec<Event>,
    writes: usize,
    /// What the next writes are answered with.
    failures: Vec<ClusterError>,
}

/// The cluster.
#[derive(Debug)]
pub(super) struct FakeCluster {
    memory: Memory,
    fate: Arc<Fate>,
    state: Mutex<State>,
}

impl FakeCluster {
    pub(super) fn new(memory: Memory, fate: Arc<Fate>) -> Self {
        let state = State {
            version: 1000,
            ..State::default()
        };
        Self {
            memory,
            fate,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Applies an object for the first time.
    #[expect(clippy::needless_pass_by_value, reason = "callers write `json!` without more")]
    pub(super) fn create(&self, name: &str, spec: Value) {
        let mut state = self.state();
        let uid = format!("uid-{}-{name}", state.version);
        let object = json!({
            "apiVersion": "nuvem.dev/v1alpha1",
            "kind": "Ec2Instance",
            "metadata": {"namespace": NAMESPACE, "name": name, "uid": uid, "generation": 1},
            "spec": spec,
            "status": {"observedGeneration": -1},
        });
        state.store(name, object, self.memory.now());
    }

    /// Changes an object as a person does who may write everything but keeps the generation honest.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let before = state.objects.get(name).expect("there is such an object").clone();
        let mut object = before.clone();
        change(&mut object);
        if object["spec"] != before["spec"] {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or_default();
            object["metadata"]["generation"] = json!(generation + 1);
        }
        state.store(name, object, self.memory.now());
    }

    /// `kubectl delete`: it goes once no finalizer holds it.
    pub(super) fn delete(&self, name: &str) {
        let now = self.memory.now().to_string();
        self.change(name, |object| {
            let metadata = &mut object["metadata"];
            if metadata["deletionTimestamp"].is_null() {
                metadata["deletionTimestamp"] = json!(now);
                let generation = metadata["generation"].as_i64().unwrap_or_default();
                metadata["generation"] = json!(generation + 1);
            }
        });
    }

    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.state().objects.get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<Value> {
        self.state().objects.values().cloned().collect()
    }

    pub(super) fn put_secret(&self, name: &str, text: &str) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        state.secrets.insert(secret(name), (version, text.to_owned()));
        state.log.push((self.memory.now(), News::Target(secret(name))));
    }

    pub(super) fn remove_secret(&self, name: &str) {
        let mut state = self.state();
        state.secrets.remove(&secret(name));
        state.log.push((self.memory.now(), News::Target(secret(name))));
    }

    pub(super) fn set_region_of_namespace(&self, region: &str) {
        self.state().region_of_namespace = Some(region.to_owned());
    }

    pub(super) fn set_crd_is_deleting(&self, deleting: bool) {
        self.state().crd_is_deleting = deleting;
    }

    /// The next write fails so.
    pub(super) fn fail_next_write(&self, error: ClusterError) {
        self.state().failures.push(error);
    }

    /// What happened since an earlier length of the log.
    pub(super) fn log(&self, since: usize) -> Vec<(Timestamp, News)> {
        self.state().log.iter().skip(since).cloned().collect()
    }

    pub(super) fn log_len(&self) -> usize {
        self.state().log.len()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// How many writes of statuses and finalizers have changed something.
    pub(super) fn writes(&self) -> usize {
        self.state().writes
    }

    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.events.clear();
        state.writes = 0;
    }

    async fn write(
        &self,
        key: &Key,
        resource_version: &str,
        change: impl FnOnce(&mut Value) + Send,
    ) -> Result<String, ClusterError> {
        self.fate.pass(Moment::Before, To::Cluster).await;
        let answer = self.write_now(key, resource_version, change);
        self.fate.pass(Moment::After, To::Cluster).await;
        answer
    }

    fn write_now(
        &self,
        key: &Key,
        resource_version: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<String, ClusterError> {
        let mut state = self.state();
        if let Some(failure) = state.failures.pop() {
            return Err(failure);
        }
        let object = state.objects.get(&key.name).ok_or(ClusterError::Gone)?;
        if object["metadata"]["uid"] != json!(key.uid)
            || object["metadata"]["resourceVersion"] != json!(resource_version)
        {
            return Err(ClusterError::Conflict);
        }
        let mut object = object.clone();
        change(&mut object);
        state.writes += 1;
        Ok(state.store(&key.name, object, self.memory.now()))
    }
}

fn secret(name: &str) -> Target {
    Target::Secret {
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
    }
}

impl State {
    /// Stores an object under a new version, unless nothing is new; without it when it is being
    /// deleted and nothing holds it any more.
    fn store(&mut self, name: &str, mut object: Value, now: Timestamp) -> String {
        if self.objects.get(name) != Some(&object) {
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            let held = object["metadata"]["finalizers"]
                .as_array()
                .is_some_and(|all| !all.is_empty());
            if object["metadata"]["deletionTimestamp"].is_string() && !held {
                self.objects.remove(name);
                self.log.push((now, News::Deleted(object.clone())));
            } else {
                self.objects.insert(name.to_owned(), object.clone());
                self.log.push((now, News::Applied(object.clone())));
            }
        }
        object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

#[async_trait]
impl Cluster for FakeCluster {
    async fn live(&self, key: &Key) -> Result<Option<Value>, ClusterError> {
        let object = self.get(&key.name);
        Ok(object.filter(|object| object["metadata"]["uid"] == json!(key.uid)))
    }

    async fn fetch(&self, target: &Target) -> Result<Option<Fetched>, ClusterError> {
        let state = self.state();
        Ok(state.secrets.get(target).map(|(version, text)| Fetched {
            uid: "uid-of-secret".to_owned(),
            resource_version: version.to_string(),
            data: BTreeMap::from([("script".to_owned(), Secret::new(text.clone().into_bytes()))]),
        }))
    }

    async fn write_status(&self, key: &Key, resource_version: &str, status: Value) -> Result<String, ClusterError> {
        self.write(key, resource_version, |object| object["status"] = status)
            .await
    }

    async fn write_finalizers(
        &self,
        key: &Key,
        resource_version: &str,
        finalizers: Vec<String>,
    ) -> Result<String, ClusterError> {
        let set = |object: &mut Value| object["metadata"]["finalizers"] = json!(finalizers);
        self.write(key, resource_version, set).await
    }

    async fn namespace_region(&self, _: &str) -> Result<Option<String>, ClusterError> {
        Ok(self.state().region_of_namespace.clone())
    }

    async fn crd_is_deleting(&self, _: &str) -> Result<bool, ClusterError> {
        Ok(self.state().crd_is_deleting)
    }

    async fn publish(&self, event: Event) {
        self.state().events.push(event);
    }
}
