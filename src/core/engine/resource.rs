//! What every kind's object has in common: its key, its spec's common fields, its status and the
//! annotations that people set on it.

#![allow(
    clippy::doc_markdown,
    reason = "the comments are the CRD's descriptions, where backticks would be shown"
)]

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ledger::Part;
use crate::words::words;

/// The finalizer that keeps an object until AWS says that everything owned is gone.
pub const FINALIZER: &str = "nuvem.dev/aws";

/// Which object, for the queue, the sweep and the logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// For example `Ec2Instance`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: an object made again under the same name is another one.
    pub uid: String,
}

impl Key {
    /// `Kind/namespace/name`, the value of the AWS tag `nuvem.dev/resource`.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource())
    }
}

words! {
    /// What happens to AWS when the object is deleted.
    #[derive(Default)]
    DeletionPolicy {
        /// What is owned in AWS is deleted too.
        #[default]
        Delete = "Delete",
        /// What is owned in AWS stays, without its owner, and tagged with where it came from.
        Retain = "Retain",
    }
}

words! {
    /// Whether the operator writes to AWS.
    #[derive(Default)]
    Management {
        /// AWS is made equal to the spec.
        #[default]
        Full = "Full",
        /// Nothing is written to AWS; what differs is listed in `status.drift`.
        Observe = "Observe",
    }
}

words! {
    /// A feature that is on or off.
    Toggle {
        /// On.
        Enabled = "Enabled",
        /// Off.
        Disabled = "Disabled",
    }
}

/// The fields of `spec` that every kind has. Absent fields stay absent: the defaults are applied
/// where the spec is read, so that a Git diff never shows what the user did not write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonSpec {
    /// The AWS Region, for example eu-west-1. Default: the annotation nuvem.dev/region of the namespace, then the
    /// operator's own --region. It is recorded in status.region at first sight and cannot change afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^[a-z]{2}(-[a-z]+)+-[0-9]+$')",
        "message": "write an AWS Region, for example eu-west-1"
    }]))]
    pub region: Option<String>,
    /// What happens in AWS when this object is deleted. Delete (default): what is owned is deleted too.
    /// Retain: it stays, tagged nuvem.dev/kept-from, and can be adopted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Full (default): AWS is made equal to this spec. Observe: nothing is ever written to AWS, and what differs is
    /// listed in status.drift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
    /// AWS tags, at most 40, for the instance, its volumes, its interface and its security group. Tags that others
    /// set in AWS stay. The prefixes aws: and nuvem.dev/ are reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 40, "x-kubernetes-validations" = [{
        "rule": "self.all(k, size(k) >= 1 && size(k) <= 128 && !k.startsWith('aws:') && !k.startsWith('nuvem.dev/'))",
        "message": "a tag's key has 1 to 128 characters and does not begin with aws: or nuvem.dev/, which are reserved"
    }]))]
    pub tags: Option<BTreeMap<String, TagValue>>,
}

/// The value of an AWS tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct TagValue(#[schemars(length(max = 256))] pub String);

/// One difference between the spec and AWS that is not being corrected now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The path in the spec, for example instanceType.
    pub field: String,
    /// What the spec says; `changed` for what must not be shown.
    pub desired: String,
    /// What AWS has.
    pub observed: String,
    /// What the change would need: InPlace, StopStart, Replacement, Forbidden.
    pub class: String,
    /// Why it is not corrected, and when it may happen.
    pub reason: String,
}

/// Something that was done in AWS. Events vanish after an hour, this stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// When it was done.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What was done.
    pub change: String,
    /// What it took: Create, InPlace, StopStart, …
    pub class: String,
    /// How long the resource was down for it, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime_seconds: Option<i64>,
}

/// The fields of `status` that every kind has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonStatus {
    /// The generation of the spec that was planned last; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The AWS account, recorded before the first write and never changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The AWS Region, recorded before the first write and never changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Ready, Synced, and while they are true Reconciling, Stalled and Paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What differs between the spec and AWS and is not being corrected now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub drift: Vec<Drift>,
    /// What was done in AWS, the newest ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub history: Vec<History>,
    /// The ledger: what this object owns in AWS, and what it takes to find it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub parts: Vec<Part>,
    /// The value of the annotation nuvem.dev/reconcile-at that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// An object of one of our kinds, as the engine handles it.
pub trait Resource:
    kube::Resource<DynamicType = ()> + Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The kind's name, as in YAML.
    const KIND: &'static str;
    /// The name of its CRD, for example `ec2instances.nuvem.dev`.
    const CRD: &'static str;

    /// The common fields of the spec.
    fn common(&self) -> &CommonSpec;

    /// The common fields of the status; `None` before the first.
    fn common_status(&self) -> Option<&CommonStatus>;

    /// The whole status as JSON; null before the first.
    fn status_json(&self) -> serde_json::Value;

    /// The key; `None` for an object that the API server has not stored.
    fn key(&self) -> Option<Key> {
        let meta = self.meta();
        Some(Key {
            kind: Self::KIND,
            namespace: meta.namespace.clone()?,
            name: meta.name.clone()?,
            uid: meta.uid.clone()?,
        })
    }

    /// Whether the object is being deleted.
    fn is_deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    /// Whether our finalizer holds it.
    fn has_finalizer(&self) -> bool {
        self.meta()
            .finalizers
            .iter()
            .flatten()
            .any(|finalizer| finalizer == FINALIZER)
    }

    /// The generation of the spec.
    fn generation(&self) -> i64 {
        self.meta().generation.unwrap_or_default()
    }

    /// What people ask for in annotations.
    fn annotations_of_ours(&self) -> Annotations {
        Annotations::read(self.meta().annotations.as_ref())
    }
}

/// Our annotations, read once. Unknown values of `paused` and `abandon` count as absent: only
/// `"true"` asks for something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `nuvem.dev/paused: "true"`.
    pub paused: bool,
    /// `nuvem.dev/reconcile-at`, any value.
    pub reconcile_at: Option<String>,
    /// `nuvem.dev/apply-now`, a generation.
    pub apply_now: Option<i64>,
    /// `nuvem.dev/adopt`, an id.
    pub adopt: Option<String>,
    /// `nuvem.dev/recreate`, the id of what vanished.
    pub recreate: Option<String>,
    /// `nuvem.dev/abandon: "true"`.
    pub abandon: bool,
}

impl Annotations {
    /// Every annotation that the engine reacts to.
    pub const KEYS: [&'static str; 6] = [
        "nuvem.dev/paused",
        "nuvem.dev/reconcile-at",
        "nuvem.dev/apply-now",
        "nuvem.dev/adopt",
        "nuvem.dev/recreate",
        "nuvem.dev/abandon",
    ];

    fn read(annotations: Option<&BTreeMap<String, String>>) -> Self {
        let get = |key: &str| {
            annotations
                .and_then(|all| all.get(key))
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        Self {
            paused: get("nuvem.dev/paused").as_deref() == Some("true"),
            reconcile_at: get("nuvem.dev/reconcile-at"),
            apply_now: get("nuvem.dev/apply-now").and_then(|value| value.parse().ok()),
            adopt: get("nuvem.dev/adopt"),
            recreate: get("nuvem.dev/recreate"),
            abandon: get("nuvem.dev/abandon").as_deref() == Some("true"),
        }
    }
}
