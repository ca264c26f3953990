//! What a kind tells the engine. A new AWS kind is one implementation of [`Kind`].

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::conditions::Reason;
use super::gate::Aws;
use super::ledger::Ledger;
use super::ownership::Owner;
use super::permit::Disruption;
use super::plan::{Line, Plan};
use super::references::Target;
use super::resource::{Annotations, CommonStatus, Resource};
use super::sweep::Listing;
use crate::aws::Failure;
use crate::aws::ec2::Tags;
use crate::secret::Secret;

/// A Secret or `ConfigMap` as it was read: its identity, and its data.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The object's uid.
    pub uid: String,
    /// The version that was read.
    pub resource_version: String,
    /// The data by key; never shown.
    pub data: BTreeMap<String, Secret<Vec<u8>>>,
}

/// What the cluster holds of the things that a resource refers to; missing ones are absent.
pub type Gathered = BTreeMap<Target, Fetched>;

/// What the administrator has set for all resources.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Tags under every resource's own.
    pub default_tags: Tags,
    /// Whether an adoption needs the consent of AWS's side.
    pub adoption_requires_tag: bool,
}

/// Whether the resource is to be there or to go.
#[derive(Clone, Debug)]
pub enum Goal<K: Kind> {
    /// It is to be there, like this.
    Present(K::Desired),
    /// It is to go. The spec alone says how: no reference is resolved.
    Absent(K::Parting),
}

/// Everything that observing and planning know beside AWS.
#[derive(Debug)]
pub struct View<K: Kind> {
    /// Whose the parts are.
    pub owner: Owner,
    /// The pinned Region.
    pub region: String,
    /// What is wanted.
    pub goal: Goal<K>,
    /// What we remember owning.
    pub ledger: Ledger,
    /// The kind's own part of the status, for what is pinned there.
    pub pins: K::Pins,
    /// What people ask for.
    pub annotations: Annotations,
    /// The generation of the spec.
    pub generation: i64,
    /// `management: Observe`.
    pub observing: bool,
    /// Whether to read what lists do not show.
    pub deep: bool,
    /// Whether an adoption needs the consent of AWS's side.
    pub adoption_requires_tag: bool,
    /// When the current disruption window opened, if one is open.
    pub window: Option<Timestamp>,
}

impl<K: Kind> View<K> {
    /// What changes when somebody asks for another try: an edit, `reconcile-at`, the next window.
    #[must_use]
    pub fn attempt(&self) -> String {
        format!(
            "{}/{}/{}",
            self.generation,
            self.annotations.reconcile_at.as_deref().unwrap_or_default(),
            self.window.map(|at| at.to_string()).unwrap_or_default()
        )
    }
}

/// What a step taught us, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learned {
    /// Nothing that the ledger holds.
    Nothing,
    /// The id of what was created.
    Created {
        /// Its part.
        part: &'static str,
        /// Its id.
        id: String,
    },
    /// AWS has accepted to take it away: not seeing it from now on means that it is gone.
    Leaving {
        /// Its part.
        part: &'static str,
    },
    /// What a part's user data was made from now.
    Source {
        /// Its part.
        part: &'static str,
        /// Where its contents came from.
        source: String,
    },
}

/// The spec cannot be done as it is, or refers to what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `InvalidSpec` stalls, `WaitingForReference` waits.
    pub reason: Reason,
    /// What is wrong, where, and what to write instead.
    pub message: String,
}

impl From<Refusal> for Line {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.reason, refusal.message)
    }
}

/// One listing's object as a resource's own observe saw it, for the sweep to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which listing shows it.
    pub listing: Listing,
    /// Its id.
    pub id: String,
    /// The digest of what was seen.
    pub digest: u64,
}

/// One kind of resource. Everything but observing and acting is pure.
#[async_trait]
pub trait Kind: Sized + Clone + Send + Sync + fmt::Debug + 'static {
    /// The custom resource.
    type Object: Resource;
    /// The kind's own part of the status.
    type Pins: Clone + Default + fmt::Debug + Serialize + DeserializeOwned + Send + Sync;
    /// The validated spec with the defaults in.
    type Desired: Clone + fmt::Debug + Send + Sync;
    /// What a deletion needs of the spec.
    type Parting: Clone + fmt::Debug + Send + Sync;
    /// AWS as plain data.
    type Observed: fmt::Debug + Send + Sync;
    /// One AWS write.
    type Step: Clone + fmt::Debug + fmt::Display + Send + Sync;

    /// Whom it refers to.
    fn edges(object: &Self::Object) -> Vec<Target>;

    /// Its disruption policy.
    ///
    /// # Errors
    /// A spec that makes no sense.
    fn disruption(object: &Self::Object) -> Result<Disruption, Refusal>;

    /// The validated spec, with what it refers to put in.
    ///
    /// # Errors
    /// A spec that makes no sense, alone or with what it refers to.
    fn desired(object: &Self::Object, gathered: &Gathered, settings: &Settings) -> Result<Self::Desired, Refusal>;

    /// What a deletion needs of the spec.
    fn parting(object: &Self::Object) -> Self::Parting;

    /// Reads AWS.
    async fn observe(aws: &Aws, view: &View<Self>) -> Result<Self::Observed, Failure>;

    /// Decides what to do next.
    fn plan(view: &View<Self>, observed: &Self::Observed, now: Timestamp) -> Plan<Self::Step>;

    /// Performs one AWS write, deciding nothing.
    async fn act(aws: &Aws, step: &Self::Step) -> Result<Learned, Failure>;

    /// The kind's own part of the status, from what was seen.
    fn report(view: &View<Self>, observed: &Self::Observed) -> Self::Pins;

    /// What the sweep will see of it.
    fn sightings(observed: &Self::Observed) -> Vec<Sighting>;

    /// The whole status from its two halves.
    fn status(common: CommonStatus, pins: Self::Pins) -> serde_json::Value;

    /// The kind's own part of an object's status.
    fn pins(object: &Self::Object) -> Self::Pins;
}
