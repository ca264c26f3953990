//! The sweep: a doorbell, never a source.
//!
//! It lists what we own and compares digests with those that each resource's own observe has left.
//! What differs wakes its owner, who looks for itself. It wakes again at every sweep until the owner
//! has looked, so a wake that was lost does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use jiff::Timestamp;
use serde::Serialize;

use super::gate::{Aws, Scope};
use super::ownership::tag;
use super::resource::Key;
use crate::aws::ec2::{
    DescribeInstances, DescribeSecurityGroups, DescribeVolumes, Instance, SecurityGroup, Select, SelectGroups,
    SelectInstances, Tags, Volume,
};
use crate::aws::{Backend, Failure, Operation, Page, Perform};

/// What is listed by one AWS action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listing {
    /// `ec2.DescribeInstances`.
    Instances,
    /// `ec2.DescribeVolumes`.
    Volumes,
    /// `ec2.DescribeSecurityGroups`.
    SecurityGroups,
}

impl Listing {
    /// All listings.
    pub const ALL: [Self; 3] = [Self::Instances, Self::Volumes, Self::SecurityGroups];

    /// The word in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Volumes => "volumes",
            Self::SecurityGroups => "security_groups",
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number that differs when what is shown differs, the same in every process: FNV-1a over the
/// JSON of a plain struct.
///
/// What cannot be JSON has the digest 0. That equals itself, so it wakes nobody for ever.
#[must_use]
pub fn digest<T: Serialize>(shown: &T) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    match serde_json::to_writer(&mut hash, shown) {
        Ok(()) => hash.0,
        Err(_) => 0,
    }
}

struct Fnv(u64);

impl io::Write for Fnv {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One object as its owner's own observe saw it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose it is.
    pub owner: Key,
    /// What was seen.
    pub digest: u64,
    /// When the answer had come. A page that was begun after it is newer than it.
    pub observed_at: Timestamp,
}

/// One object on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// What the page shows.
    pub digest: u64,
    /// `Kind/namespace/name` by its tag; absent when it has none.
    pub resource: Option<String>,
    /// The owner's uid by its tag.
    pub uid: Option<String>,
    /// Whether it is still there for more than its own funeral.
    pub living: bool,
}

/// One page of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// When it was asked for.
    pub begun_at: Timestamp,
    /// What is on it.
    pub items: Vec<Item>,
}

/// A sweep that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// When its first page was asked for.
    pub begun_at: Timestamp,
    /// All ids that were on its pages.
    pub ids: BTreeSet<String>,
}

/// What a page tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It differs from what its owner saw: wake the owner.
    Changed(Key),
    /// Nobody has seen it, and it carries our tags: wake the resource if there is one of this name;
    /// otherwise it is an orphan.
    Unknown {
        /// `Kind/namespace/name`.
        resource: String,
        /// The uid of the object that it was made for.
        uid: Option<String>,
        /// Its id.
        id: String,
    },
}

/// What was seen in one account and Region.
type Shelf = BTreeMap<(Listing, String), Seen>;

/// What all resources have seen, everywhere.
#[derive(Clone, Debug, Default)]
pub struct Sights {
    shelves: BTreeMap<Scope, Shelf>,
    /// Where each owner's sights are, so that forgetting one does not search through all.
    owned: BTreeMap<Key, BTreeSet<(Scope, Listing, String)>>,
}

impl Sights {
    /// Nothing was seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            shelves: BTreeMap::new(),
            owned: BTreeMap::new(),
        }
    }

    /// Replaces all that an owner has seen by what its observe saw just now: which listing shows it,
    /// its id, and its digest. What it sees no longer is forgotten.
    pub fn observed(
        &mut self,
        scope: &Scope,
        owner: &Key,
        sights: impl IntoIterator<Item = (Listing, String, u64)>,
        observed_at: Timestamp,
    ) {
        self.forget_owner(owner);
        for (listing, id, digest) in sights {
            let seen = Seen {
                owner: owner.clone(),
                digest,
                observed_at,
            };
            self.note(scope, listing, id, seen);
        }
    }

    /// Notes one object that was seen, beside what its owner has seen already.
    pub fn note(&mut self, scope: &Scope, listing: Listing, id: String, seen: Seen) {
        let place = (scope.clone(), listing, id.clone());
        self.owned.entry(seen.owner.clone()).or_default().insert(place.clone());
        let owner = seen.owner.clone();
        let before = self
            .shelves
            .entry(scope.clone())
            .or_default()
            .insert((listing, id), seen);
        if let Some(before) = before.filter(|before| before.owner != owner) {
            self.disown(&before.owner, &place);
        }
    }

    /// Forgets all that an owner has seen: it is gone.
    pub fn forget_owner(&mut self, owner: &Key) {
        for (scope, listing, id) in self.owned.remove(owner).unwrap_or_default() {
            if let Some(shelf) = self.shelves.get_mut(&scope) {
                shelf.remove(&(listing, id));
            }
        }
    }

    /// Forgets one object.
    pub fn forget(&mut self, scope: &Scope, listing: Listing, id: &str) {
        let seen = self
            .shelves
            .get_mut(scope)
            .and_then(|shelf| shelf.remove(&(listing, id.to_owned())));
        if let Some(seen) = seen {
            self.disown(&seen.owner, &(scope.clone(), listing, id.to_owned()));
        }
    }

    /// Where there is something to sweep.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.shelves
            .iter()
            .filter(|(_, shelf)| !shelf.is_empty())
            .map(|(scope, _)| scope)
    }

    /// What one page tells, given what was seen.
    #[must_use]
    pub fn compare(&self, scope: &Scope, listing: Listing, leaf: &Leaf) -> Vec<Finding> {
        let known = self.shelves.get(scope);
        let finding = |item: &Item| match known.and_then(|known| known.get(&(listing, item.id.clone()))) {
            Some(seen) if leaf.begun_at > seen.observed_at && item.digest != seen.digest => {
                Some(Finding::Changed(seen.owner.clone()))
            }
            Some(_) => None,
            // AWS shows a terminated instance for an hour, and nobody wants to know.
            None if !item.living => None,
            None => Some(Finding::Unknown {
                resource: item.resource.clone()?,
                uid: item.uid.clone(),
                id: item.id.clone(),
            }),
        };
        leaf.items.iter().filter_map(finding).collect()
    }

    /// The owners of what a whole sweep did not show although it was seen before. It only means that
    /// they must look: tags lag, and pages shift.
    #[must_use]
    pub fn missing(&self, scope: &Scope, listing: Listing, whole: &Whole) -> BTreeSet<Key> {
        self.shelves
            .get(scope)
            .into_iter()
            .flat_map(|shelf| shelf.range((listing, String::new())..))
            .take_while(|((of, _), _)| *of == listing)
            .filter(|((_, id), seen)| whole.begun_at > seen.observed_at && !whole.ids.contains(id))
            .map(|(_, seen)| seen.owner.clone())
            .collect()
    }

    fn disown(&mut self, owner: &Key, place: &(Scope, Listing, String)) {
        if let Some(places) = self.owned.get_mut(owner) {
            places.remove(place);
            if places.is_empty() {
                self.owned.remove(owner);
            }
        }
    }
}

/// What a listing shows.
trait Shown: Serialize + Send {
    fn id(&self) -> &str;
    fn tags(&self) -> &Tags;
    fn living(&self) -> bool;
}

impl Shown for Instance {
    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn living(&self) -> bool {
        self.state.is_living()
    }
}

impl Shown for Volume {
    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn living(&self) -> bool {
        self.state != "deleting"
    }
}

impl Shown for SecurityGroup {
    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn living(&self) -> bool {
        true
    }
}

fn item<T: Shown>(shown: &T) -> Item {
    Item {
        id: shown.id().to_owned(),
        digest: digest(shown),
        resource: shown.tags().get(tag::RESOURCE).cloned(),
        uid: shown.tags().get(tag::UID).cloned(),
        living: shown.living(),
    }
}

/// Reads one listing of what the cluster owns, and hands over each page as it comes, so that what
/// the first page shows need not wait for the last.
///
/// # Errors
///
/// The first page that fails ends the sweep: nothing can be missing from half a sweep. The pages
/// before it were handed over and count.
pub async fn sweep(
    aws: &Aws,
    listing: Listing,
    cluster_id: &str,
    each: impl FnMut(Leaf) + Send,
) -> Result<Whole, Failure> {
    let ours = Select::Tags(vec![(tag::CLUSTER.to_owned(), cluster_id.to_owned())]);
    match listing {
        Listing::Instances => {
            let select = SelectInstances::By(ours);
            let describe = |page| DescribeInstances {
                select: select.clone(),
                page,
            };
            read_all(aws, describe, each).await
        }
        Listing::Volumes => {
            let describe = |page| DescribeVolumes {
                select: ours.clone(),
                page,
            };
            read_all(aws, describe, each).await
        }
        Listing::SecurityGroups => {
            let select = SelectGroups::By(ours);
            let describe = |page| DescribeSecurityGroups {
                select: select.clone(),
                page,
            };
            read_all(aws, describe, each).await
        }
    }
}

async fn read_all<T, O>(
    aws: &Aws,
    describe: impl Fn(Option<String>) -> O + Send + Sync,
    mut each: impl FnMut(Leaf) + Send,
) -> Result<Whole, Failure>
where
    T: Shown,
    O: Operation<Output = Page<T>>,
    dyn Backend: Perform<O>,
{
    let mut whole = Whole {
        begun_at: aws.gate().now(),
        ids: BTreeSet::new(),
    };
    let mut next = None;
    loop {
        let begun_at = aws.gate().now();
        let page = aws.call(describe(next)).await?;
        let items: Vec<Item> = page.items.iter().map(item).collect();
        whole.ids.extend(items.iter().map(|item| item.id.clone()));
        each(Leaf { begun_at, items });
        next = page.next;
        if next.is_none() {
            return Ok(whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt;
    use jiff::SignedDuration;

    use super::*;
    use crate::aws::ec2::CreateSecurityGroup;
    use crate::aws::memory::{Fault, FaultPlan, Memory};
    use crate::engine::clock::Clock;
    use crate::engine::clock::testing::Hands;
    use crate::engine::gate::Gate;
    use crate::engine::governor::Governor;
    use crate::engine::queue::Lane;
    use crate::engine::reads::Reads;

    const NOON: Timestamp = Timestamp::constant(1_795_435_200, 0);

    fn at(seconds: i64) -> Timestamp {
        NOON + SignedDuration::from_secs(seconds)
    }

    fn key(name: &str) -> Key {
        Key {
            kind: "Ec2Instance",
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
        }
    }

    fn scope() -> Scope {
        Scope {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    fn item(id: &str, digest: u64) -> Item {
        Item {
            id: id.to_owned(),
            digest,
            resource: Some("Ec2Instance/shop/web".to_owned()),
            uid: Some("uid-web".to_owned()),
            living: true,
        }
    }

    /// `web` has seen `i-1` with digest 7 at `at(10)`.
    fn sights() -> Sights {
        let mut sights = Sights::new();
        sights.observed(
            &scope(),
            &key("web"),
            [(Listing::Instances, "i-1".to_owned(), 7)],
            at(10),
        );
        sights
    }

    fn compare(sights: &Sights, begun_at: Timestamp, item: Item) -> Vec<Finding> {
        sights.compare(
            &scope(),
            Listing::Instances,
            &Leaf {
                begun_at,
                items: vec![item],
            },
        )
    }

    fn missing(sights: &Sights, begun_at: Timestamp, ids: &[&str]) -> Vec<Key> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let whole = Whole { begun_at, ids };
        sights
            .missing(&scope(), Listing::Instances, &whole)
            .into_iter()
            .collect()
    }

    #[test]
    fn what_differs_wakes_its_owner_at_every_sweep_until_it_has_looked() {
        let mut sights = sights();
        for sweep in [at(40), at(70)] {
            assert_eq!(compare(&sights, sweep, item("i-1", 8)), [Finding::Changed(key("web"))]);
        }
        sights.observed(
            &scope(),
            &key("web"),
            [(Listing::Instances, "i-1".to_owned(), 8)],
            at(71),
        );
        assert_eq!(compare(&sights, at(100), item("i-1", 8)), []);
    }

    #[test]
    fn what_is_the_same_wakes_nobody() {
        assert_eq!(compare(&sights(), at(40), item("i-1", 7)), []);
    }

    #[test]
    fn a_page_that_was_begun_before_the_owner_looked_says_nothing() {
        for begun_at in [at(9), at(10)] {
            assert_eq!(compare(&sights(), begun_at, item("i-1", 8)), []);
            assert_eq!(missing(&sights(), begun_at, &[]), []);
        }
    }

    #[test]
    fn what_nobody_has_seen_is_told_with_what_its_tags_say() {
        let unknown = Finding::Unknown {
            resource: "Ec2Instance/shop/web".to_owned(),
            uid: Some("uid-web".to_owned()),
            id: "i-2".to_owned(),
        };
        assert_eq!(compare(&sights(), at(40), item("i-2", 1)), vec![unknown.clone()]);
        assert_eq!(compare(&Sights::new(), at(40), item("i-2", 1)), vec![unknown]);
    }

    #[test]
    fn the_dead_and_the_untagged_are_nobodys_business() {
        let dead = Item {
            living: false,
            ..item("i-2", 1)
        };
        let untagged = Item {
            resource: None,
            ..item("i-3", 1)
        };
        assert_eq!(compare(&sights(), at(40), dead), []);
        assert_eq!(compare(&sights(), at(40), untagged), []);
    }

    #[test]
    fn an_instance_that_died_still_wakes_the_owner_who_saw_it_alive() {
        let dead = Item {
            living: false,
            ..item("i-1", 8)
        };
        assert_eq!(compare(&sights(), at(40), dead), [Finding::Changed(key("web"))]);
    }

    #[test]
    fn what_a_whole_sweep_does_not_show_wakes_its_owner() {
        assert_eq!(missing(&sights(), at(40), &["i-2"]), [key("web")]);
        assert_eq!(missing(&sights(), at(40), &["i-1"]), []);
    }

    #[test]
    fn other_listings_and_places_miss_nothing() {
        let sights = sights();
        let whole = Whole {
            begun_at: at(40),
            ids: BTreeSet::new(),
        };
        assert!(sights.missing(&scope(), Listing::Volumes, &whole).is_empty());
        let elsewhere = Scope {
            region: "us-east-1".to_owned(),
            ..scope()
        };
        assert!(sights.missing(&elsewhere, Listing::Instances, &whole).is_empty());
    }

    #[test]
    fn what_an_owner_sees_no_longer_is_forgotten() {
        let mut sights = sights();
        sights.observed(
            &scope(),
            &key("web"),
            [(Listing::Instances, "i-2".to_owned(), 1)],
            at(20),
        );
        assert_eq!(missing(&sights, at(40), &["i-2"]), []);
        sights.forget_owner(&key("web"));
        assert_eq!((missing(&sights, at(40), &[]), sights.scopes().count()), (vec![], 0));
    }

    #[test]
    fn what_changed_hands_is_its_last_owners() {
        let mut sights = sights();
        let seen = Seen {
            owner: key("api"),
            digest: 7,
            observed_at: at(20),
        };
        sights.note(&scope(), Listing::Instances, "i-1".to_owned(), seen);
        sights.forget_owner(&key("web"));
        assert_eq!(missing(&sights, at(40), &[]), [key("api")]);
        sights.forget(&scope(), Listing::Instances, "i-1");
        assert_eq!(missing(&sights, at(40), &[]), []);
    }

    #[test]
    fn a_digest_is_the_same_in_every_process_and_differs_with_what_is_shown() {
        assert_eq!(digest(&"a"), digest(&"a"));
        assert_ne!(digest(&"a"), digest(&"b"));
        assert_eq!(digest(&1), 0xaf63_ac4c_8601_9afc, "FNV-1a of the one byte `1`");
    }

    /// An AWS with three groups of ours and the ones that every Region has.
    fn aws() -> (Arc<Hands>, Memory, Aws) {
        let clock = Arc::new(Hands::new());
        let memory = Memory::new();
        let gate = Arc::new(Gate::new(Arc::clone(&clock) as Arc<dyn Clock>, Governor::new(100)));
        gate.open(clock.boottime());
        let reads = Arc::new(Reads::new(gate));
        let aws = Aws::new(scope(), memory.region("eu-west-1"), reads).lane(Lane::Drift);
        for name in ["one", "two", "three"] {
            let tags = [
                (tag::CLUSTER, "prod"),
                (tag::RESOURCE, "Ec2Instance/shop/web"),
                (tag::UID, "uid-web"),
            ];
            let create = CreateSecurityGroup {
                name: name.to_owned(),
                description: name.to_owned(),
                vpc_id: memory.facts("eu-west-1").default_vpc,
                tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            };
            aws.call(create).now_or_never().unwrap().unwrap();
        }
        memory.clear_calls();
        (clock, memory, aws)
    }

    #[test]
    fn every_page_is_handed_over_as_it_comes_with_the_time_at_which_it_was_begun() {
        let (clock, memory, aws) = aws();
        memory.turn(|dials| dials.page_size = 2);
        let mut leaves = Vec::new();
        let sweep = sweep(&aws, Listing::SecurityGroups, "prod", |leaf| {
            clock.advance(Duration::from_secs(1));
            leaves.push(leaf);
        });
        let whole = sweep.now_or_never().unwrap().unwrap();
        let pages: Vec<_> = leaves.iter().map(|leaf| (leaf.begun_at, leaf.items.len())).collect();
        assert_eq!(pages, [(at(0), 2), (at(1), 1)]);
        assert_eq!((whole.begun_at, whole.ids.len()), (at(0), 3));
        let first = &leaves[0].items[0];
        assert_eq!(first.resource.as_deref(), Some("Ec2Instance/shop/web"));
    }

    #[test]
    fn a_sweep_and_an_observe_of_the_same_thing_have_the_same_digest() {
        let (_, memory, aws) = aws();
        let mut items = Vec::new();
        let sweep = sweep(&aws, Listing::SecurityGroups, "prod", |leaf| items.extend(leaf.items));
        let whole = sweep.now_or_never().unwrap().unwrap();
        let select = SelectGroups::By(Select::Ids(whole.ids.into_iter().collect()));
        let by_id = aws
            .call(DescribeSecurityGroups { select, page: None })
            .now_or_never()
            .unwrap()
            .unwrap();
        let digests: Vec<u64> = by_id.items.iter().map(digest).collect();
        assert_eq!(items.iter().map(|item| item.digest).collect::<Vec<_>>(), digests);
        assert_eq!(memory.calls().len(), 2);
    }

    #[test]
    fn half_a_sweep_is_no_sweep() {
        let (_, memory, aws) = aws();
        memory.turn(|dials| dials.page_size = 2);
        memory.fail(FaultPlan::on("ec2.DescribeSecurityGroups", Fault::Drop).after(1));
        let mut leaves = 0;
        let sweep = sweep(&aws, Listing::SecurityGroups, "prod", |_| leaves += 1);
        assert!(sweep.now_or_never().unwrap().is_err());
        assert_eq!(leaves, 1);
    }

    #[test]
    fn each_listing_can_be_swept() {
        let (_, _, aws) = aws();
        for listing in Listing::ALL {
            assert!(
                sweep(&aws, listing, "prod", |_| ()).now_or_never().unwrap().is_ok(),
                "{listing}"
            );
        }
    }
}
