//! What the engine remembers between reconciles, as one synchronous struct: the queue, the
//! references in both directions, what was seen in AWS, and our own last writes. The edge feeds
//! it with what the watches and the sweep tell, and asks it what to reconcile next.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::gate::Scope;
use super::queue::{Finish, Lane, Pace, Queue, Ticket};
use super::reconcile::{Again, Outcome, Standing};
use super::references::{References, Target};
use super::requeue::{Reason, seed, when};
use super::resource::{Annotations, Key, Resource};
use super::sweep::{Finding, Leaf, Listing, Sights, Whole, digest};

/// How many reconciles may be under way: five full batches of reads. Most of them wait in the
/// batcher, which holds nothing but memory, and what they may write is paced by the governor.
const MAX_RUNNING: usize = 1000;

/// How long a reconcile waits for a watch event that is late before it looks at its copy again.
const PARKED_FOR: SignedDuration = SignedDuration::from_secs(5);

/// What we look at in an object to tell whether a watch event is news.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Print {
    generation: i64,
    deleting: bool,
    has_finalizer: bool,
    annotations: Annotations,
    status: u64,
}

/// What is remembered of one object.
#[derive(Clone, Debug)]
struct Copy {
    print: Print,
    version: u64,
    /// The version that our own last write made.
    own_version: u64,
    /// The digest of the status that our own last write left.
    own_status: Option<u64>,
    standing: Standing,
    /// Whether a reconcile is under way: then a status may be our own, just written.
    running: bool,
    /// How many reconciles in a row have followed at once on the one before.
    rounds: u32,
    deep_next: bool,
    /// When what lists do not show is read next, whatever happens.
    deep_at: Timestamp,
}

/// The engine's memory.
#[derive(Debug)]
pub struct Engine {
    queue: Queue,
    references: References,
    sights: Sights,
    copies: BTreeMap<Key, Copy>,
    /// The objects by `Kind/namespace/name`.
    names: BTreeMap<String, Key>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            queue: Queue::new(MAX_RUNNING),
            references: References::default(),
            sights: Sights::new(),
            copies: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }
}

impl Engine {
    /// A watch shows an object, for the first time or changed. `edges` are whom it refers to.
    pub fn applied<R: Resource>(&mut self, object: &R, edges: Vec<Target>, now: Timestamp) {
        let Some(key) = object.key() else {
            return;
        };
        self.references.set(&key, edges);
        let print = print(object);
        let version = version(object.meta().resource_version.as_deref().unwrap_or_default());
        let settled = standing(object) == Standing::Ready
            && object.common_status().and_then(|s| s.observed_generation) == Some(print.generation);
        let Some(copy) = self.copies.get_mut(&key) else {
            let deep_at = when(Reason::Converged, 1, seed(&key), now);
            let standing = standing(object);
            self.names.insert(key.resource(), key.clone());
            self.copies.insert(
                key.clone(),
                Copy {
                    own_status: Some(print.status),
                    print,
                    version,
                    own_version: 0,
                    standing,
                    running: false,
                    rounds: 0,
                    deep_next: false,
                    deep_at,
                },
            );
            let lane = match (object.is_deleting(), settled) {
                (true, _) => Lane::Deletion,
                (false, true) => Lane::Drift,
                (false, false) => Lane::Convergence,
            };
            return self.queue.wake(&key, lane, now);
        };
        copy.version = version;
        let lane = news(&copy.print, &print, copy.own_status, copy.running);
        copy.print = print;
        if copy.version >= copy.own_version {
            self.queue.unpark(&key);
        }
        match lane {
            Some(lane @ (Lane::Edit | Lane::Deletion)) => self.queue.wake_now(&key, lane, now),
            Some(lane @ (Lane::Convergence | Lane::Drift)) => self.queue.wake(&key, lane, now),
            None => {}
        }
    }

    /// A watch shows that an object is gone.
    pub fn deleted(&mut self, key: &Key) {
        self.queue.forget(key);
        self.references.remove(key);
        self.sights.forget_owner(key);
        self.copies.remove(key);
        if self.names.get(&key.resource()) == Some(key) {
            self.names.remove(&key.resource());
        }
    }

    /// A watch (or the poll) shows that something was changed that resources refer to.
    pub fn target_changed(&mut self, target: &Target, now: Timestamp) {
        for key in self.references.who_refers_to(target) {
            self.queue.wake_now(&key, Lane::Edit, now);
        }
    }

    /// A watch shows that something about a namespace has changed that its resources depend on.
    pub fn namespace_changed(&mut self, namespace: &str, now: Timestamp) {
        let within: Vec<Key> = self
            .copies
            .keys()
            .filter(|key| key.namespace == namespace)
            .cloned()
            .collect();
        for key in within {
            self.queue.wake(&key, Lane::Convergence, now);
        }
    }

    /// Takes in one page of a sweep: wakes the owners of what looks different. Answers the
    /// `Kind/namespace/name` and ids of what carries our tags and belongs to no object.
    pub fn swept_page(
        &mut self,
        scope: &Scope,
        listing: Listing,
        leaf: &Leaf,
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let mut orphans = Vec::new();
        for finding in self.sights.compare(scope, listing, leaf) {
            match finding {
                Finding::Changed(owner) => self.ring(&owner, now),
                Finding::Unknown { resource, uid: _, id } => match self.key_of(&resource) {
                    Some(owner) => self.ring(&owner, now),
                    None => orphans.push((resource, id)),
                },
            }
        }
        orphans
    }

    /// Takes in that a sweep has read all pages: wakes the owners of what it did not show.
    pub fn swept_whole(&mut self, scope: &Scope, listing: Listing, whole: &Whole, now: Timestamp) {
        for owner in self.sights.missing(scope, listing, whole) {
            self.ring(&owner, now);
        }
    }

    fn ring(&mut self, key: &Key, now: Timestamp) {
        if self.copies.contains_key(key) {
            self.queue.wake(key, Lane::Drift, now);
        }
    }

    /// The next resource to reconcile.
    pub fn next(&mut self, now: Timestamp) -> Option<Ticket> {
        let ticket = self.queue.pop(now)?;
        if let Some(copy) = self.copies.get_mut(&ticket.key) {
            copy.running = true;
        }
        Some(ticket)
    }

    /// When there will be a next one.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.queue.next_at()
    }

    /// Whether our copy is older than our own last write, so that nothing may be done with it.
    #[must_use]
    pub fn is_stale(&self, key: &Key, resource_version: &str) -> bool {
        self.copies
            .get(key)
            .is_some_and(|copy| version(resource_version) < copy.own_version)
    }

    /// Whether this reconcile must read what lists do not show.
    #[must_use]
    pub fn looks_deep(&self, key: &Key, now: Timestamp) -> bool {
        self.copies
            .get(key)
            .is_some_and(|copy| copy.deep_next || now >= copy.deep_at)
    }

    /// How many reconciles in a row have followed at once on the one before.
    #[must_use]
    pub fn rounds(&self, key: &Key) -> u32 {
        self.copies.get(key).map_or(0, |copy| copy.rounds)
    }

    /// Puts a ticket back until a newer copy of the object comes.
    pub fn park(&mut self, ticket: &Ticket, now: Timestamp) {
        if let Some(copy) = self.copies.get_mut(&ticket.key) {
            copy.running = false;
        }
        let until = now.saturating_add(PARKED_FOR).unwrap_or(now);
        self.queue.finish(&ticket.key, Finish::Park { until });
        // The newer copy may have come while this one was looked at.
        if self
            .copies
            .get(&ticket.key)
            .is_some_and(|copy| copy.version >= copy.own_version)
        {
            self.queue.unpark(&ticket.key);
        }
    }

    /// Takes in what came of a reconcile.
    pub fn finished(&mut self, ticket: &Ticket, outcome: Outcome, was_deep: bool, now: Timestamp) {
        let key = &ticket.key;
        if let Some(seen) = outcome.seen {
            let sights = seen.sightings.into_iter().map(|one| (one.listing, one.id, one.digest));
            self.sights.observed(&seen.scope, key, sights, seen.at);
        }
        let mut foreign_status = false;
        if let Some(copy) = self.copies.get_mut(key) {
            copy.running = false;
            copy.standing = outcome.standing;
            copy.deep_next = outcome.deep_next;
            copy.rounds = if outcome.again == Again::Now {
                copy.rounds.saturating_add(1)
            } else {
                0
            };
            if was_deep {
                copy.deep_at = when(Reason::Converged, ticket.waits, seed(key), now);
            }
            if let Some(written) = &outcome.written {
                copy.own_version = version(written);
            }
            if let Some(status) = &outcome.status {
                copy.own_status = Some(digest(status));
            }
            foreign_status = copy.version > copy.own_version && copy.own_status != Some(copy.print.status);
        }
        let finish = self.finish(ticket, outcome.again, outcome.progressed, now);
        self.queue.finish(key, finish);
        if foreign_status {
            self.queue.wake(key, Lane::Convergence, now);
        }
    }

    /// The object of a ticket is gone.
    pub fn gone(&mut self, ticket: &Ticket) {
        self.queue.finish(&ticket.key, Finish::Forget);
    }

    /// A reconcile was cut off by its deadline, or panicked: it comes back like a failed one.
    pub fn cut_off(&mut self, ticket: &Ticket, now: Timestamp) {
        if let Some(copy) = self.copies.get_mut(&ticket.key) {
            copy.running = false;
            copy.deep_next = true;
        }
        let finish = self.finish(ticket, Again::Later(Reason::Backoff), false, now);
        self.queue.finish(&ticket.key, finish);
    }

    fn finish(&self, ticket: &Ticket, again: Again, progressed: bool, now: Timestamp) -> Finish {
        let reason = match again {
            Again::Never => return Finish::Forget,
            Again::Now => {
                return match self.copies.get(&ticket.key) {
                    Some(copy) if copy.version < copy.own_version => {
                        let until = now.saturating_add(PARKED_FOR).unwrap_or(now);
                        Finish::Park { until }
                    }
                    // What follows at once has not waited: the check-ins after it begin anew.
                    Some(_) | None => Finish::Again {
                        at: now,
                        lane: ticket.lane,
                        pace: Pace::Settled,
                    },
                };
            }
            Again::Later(reason) => reason,
        };
        let (attempts, pace, lane) = match reason {
            Reason::Converged => (ticket.waits, Pace::Settled, Lane::Drift),
            Reason::At(_) => (0, Pace::Settled, Lane::Convergence),
            // What was just set going is looked at soon, however long was waited before it.
            Reason::CheckIn if progressed => (0, Pace::Settled, after(ticket.lane)),
            // However slowly: somebody may change something in AWS at any time, and then the sweep's wake comes first.
            // Being paced is no failure either, and must not make a later one wait longer.
            Reason::CheckIn | Reason::Reference | Reason::Slowly | Reason::Throttled { .. } => {
                (ticket.waits, Pace::Waiting, after(ticket.lane))
            }
            Reason::Backoff => (ticket.failures, Pace::Failed, after(ticket.lane)),
        };
        let mut at = when(reason, attempts, seed(&ticket.key), now);
        if reason == Reason::Converged {
            // The revisit of a converged resource is also when it is read deeply.
            at = self
                .copies
                .get(&ticket.key)
                .map_or(at, |copy| at.min(copy.deep_at.max(now)));
        }
        Finish::Again { at, lane, pace }
    }

    /// The Secrets that resources refer to, for the poll.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }

    /// How many resources stand how, by kind.
    #[must_use]
    pub fn standings(&self) -> BTreeMap<(&'static str, Standing), usize> {
        let mut counts = BTreeMap::new();
        for (key, copy) in &self.copies {
            *counts.entry((key.kind, copy.standing)).or_insert(0) += 1;
        }
        counts
    }

    /// How many resources are due and have not begun, by lane.
    #[must_use]
    pub fn depth(&self, now: Timestamp) -> BTreeMap<Lane, usize> {
        self.queue.depth(now)
    }

    /// How many reconciles are under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.queue.running()
    }

    /// The key of an object by its `Kind/namespace/name`, if it is there.
    fn key_of(&self, resource: &str) -> Option<Key> {
        self.names.get(resource).cloned()
    }
}

/// After its first turn a person's edit goes on with the others.
const fn after(lane: Lane) -> Lane {
    match lane {
        Lane::Edit | Lane::Convergence | Lane::Drift => Lane::Convergence,
        Lane::Deletion => Lane::Deletion,
    }
}

/// Why a change of the object needs a reconcile, if it does. A status that we wrote ourselves, and
/// our own finalizer, are no news.
fn news(before: &Print, after: &Print, own_status: Option<u64>, running: bool) -> Option<Lane> {
    if after.deleting && !before.deleting {
        return Some(Lane::Deletion);
    }
    if after.generation != before.generation || after.annotations != before.annotations {
        return Some(if after.deleting { Lane::Deletion } else { Lane::Edit });
    }
    let finalizer_lost = before.has_finalizer && !after.has_finalizer && !after.deleting;
    let foreign_status = !running && after.status != before.status && own_status != Some(after.status);
    (finalizer_lost || foreign_status).then_some(Lane::Convergence)
}

fn print<R: Resource>(object: &R) -> Print {
    let status: Value = object.status_json();
    Print {
        generation: object.generation(),
        deleting: object.is_deleting(),
        has_finalizer: object.has_finalizer(),
        annotations: object.annotations_of_ours(),
        status: digest(&status),
    }
}

fn standing<R: Resource>(object: &R) -> Standing {
    object
        .common_status()
        .map_or(Standing::Reconciling, super::reconcile::standing_of)
}

/// Resource versions are compared as integers (Kubernetes 1.35 made that a promise; every version
/// before did it so).
fn version(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}
