//! Reads by id, gathered: what several reconciles ask for within a moment becomes one request.
//!
//! A request is a filter on ids, so an id that AWS does not know fails nobody else. Who waits holds
//! no token: the fewer tokens there are, the bigger the batches become, and better lanes go first.
//! Nothing in here runs by itself. Somebody (tokio at the edge, or a simulator) asks for what is
//! [due](Reads::due) and runs it.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot::{Receiver, Sender, channel};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use super::gate::{Aws, Gate, Scope};
use super::queue::Lane;
use crate::aws::ec2::{
    DescribeInstances, DescribeSecurityGroups, DescribeVolumes, Instance, SecurityGroup, Select, SelectGroups,
    SelectInstances, Volume,
};
use crate::aws::{Backend, Class, Failure, Operation, Page, Perform};

/// How long the first to ask waits for others.
const WINDOW: SignedDuration = SignedDuration::from_millis(30);
/// How many ids one request has at most: the values that a filter of AWS's takes (E58).
const BATCH: usize = 200;
/// How often a batch is throttled by AWS before those who wait for it get to know.
const TRIES: u32 = 3;

/// What is read by id in batches.
trait Readable: Clone + Send + 'static {
    /// The listing that shows it.
    type Describe: Operation<Output = Page<Self>>;

    fn describe(ids: Vec<String>, page: Option<String>) -> Self::Describe;
    fn id(&self) -> &str;
    fn lines(shelves: &mut Shelves) -> &mut Vec<Line<Self>>;
}

impl Readable for Instance {
    type Describe = DescribeInstances;

    fn describe(ids: Vec<String>, page: Option<String>) -> DescribeInstances {
        DescribeInstances {
            select: SelectInstances::By(Select::Ids(ids)),
            page,
        }
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn lines(shelves: &mut Shelves) -> &mut Vec<Line<Self>> {
        &mut shelves.instances
    }
}

impl Readable for Volume {
    type Describe = DescribeVolumes;

    fn describe(ids: Vec<String>, page: Option<String>) -> DescribeVolumes {
        DescribeVolumes {
            select: Select::Ids(ids),
            page,
        }
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn lines(shelves: &mut Shelves) -> &mut Vec<Line<Self>> {
        &mut shelves.volumes
    }
}

impl Readable for SecurityGroup {
    type Describe = DescribeSecurityGroups;

    fn describe(ids: Vec<String>, page: Option<String>) -> DescribeSecurityGroups {
        DescribeSecurityGroups {
            select: SelectGroups::By(Select::Ids(ids)),
            page,
        }
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn lines(shelves: &mut Shelves) -> &mut Vec<Line<Self>> {
        &mut shelves.groups
    }
}

/// What somebody gets who has asked for one id; `None` when AWS does not know it.
type Answer<T> = Result<Option<T>, Failure>;

/// One id that is asked for, and everybody who asks.
struct Asked<T> {
    lane: Lane,
    since: Timestamp,
    /// Keeps equals in order of arrival.
    number: u64,
    waiters: Vec<Sender<Answer<T>>>,
}

/// Ids that go into one request.
type Ids<T> = BTreeMap<String, Asked<T>>;

/// A batch that failed, and has another chance.
struct Again<T> {
    ids: Ids<T>,
    throttled: u32,
    not_before: Timestamp,
}

/// What is asked of one account and Region with one set of credentials. Two namespaces with
/// different roles never share a request: what one may read, the other may not.
struct Line<T> {
    scope: Arc<Scope>,
    backend: Arc<dyn Backend>,
    fresh: Ids<T>,
    again: VecDeque<Again<T>>,
    /// There was no token for this lane, and will be none before then.
    refused: Option<(Lane, Timestamp)>,
}

/// Which batch of a line goes next.
#[derive(Clone, Copy)]
enum Next {
    Again(usize),
    Fresh,
}

/// A batch under way.
struct Flight<T> {
    scope: Arc<Scope>,
    backend: Arc<dyn Backend>,
    lane: Lane,
    ids: Ids<T>,
    throttled: u32,
}

/// How long the first to ask waits for others in this lane. Nobody waits for what the sweep or a
/// restart has woken: there, full batches count.
const fn window(lane: Lane) -> SignedDuration {
    match lane {
        Lane::Edit | Lane::Deletion | Lane::Convergence => WINDOW,
        Lane::Drift => SignedDuration::from_secs(1),
    }
}

fn best_lane<T>(ids: &Ids<T>) -> Lane {
    ids.values().map(|asked| asked.lane).min().unwrap_or(Lane::Drift)
}

/// Leaves out whom nobody waits for any more: their reconcile was cancelled.
fn prune<T>(ids: &mut Ids<T>) {
    ids.retain(|_, asked| {
        asked.waiters.retain(|waiter| !waiter.is_canceled());
        !asked.waiters.is_empty()
    });
}

fn answer<T: Clone>(ids: Ids<T>, answer: impl Fn(&str) -> Answer<T>) {
    for (id, asked) in ids {
        let answer = answer(&id);
        for waiter in asked.waiters {
            // Who is gone by now needs no answer.
            let _ = waiter.send(answer.clone());
        }
    }
}

impl<T: Readable> Line<T> {
    fn prune(&mut self) {
        prune(&mut self.fresh);
        self.again.retain_mut(|again| {
            prune(&mut again.ids);
            !again.ids.is_empty()
        });
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.again.is_empty()
    }

    /// When what was asked for first has waited long enough for others; at once when full.
    fn fresh_at(&self) -> Option<Timestamp> {
        if self.fresh.len() >= BATCH {
            return self.fresh.values().map(|asked| asked.since).min();
        }
        self.fresh
            .values()
            .map(|asked| asked.since.checked_add(window(asked.lane)).unwrap_or(Timestamp::MAX))
            .min()
    }

    /// The batches as they stand: which, in which lane, and when it may go as far as tokens do not
    /// matter.
    fn candidates(&self) -> impl Iterator<Item = (Next, Lane, Timestamp)> {
        let again = self
            .again
            .iter()
            .enumerate()
            .map(|(index, again)| (Next::Again(index), best_lane(&again.ids), again.not_before));
        let fresh = self.fresh_at().map(|at| (Next::Fresh, best_lane(&self.fresh), at));
        again.chain(fresh)
    }

    /// Before when it makes no sense to ask for a token for this lane.
    fn blocked(&self, lane: Lane) -> Timestamp {
        match self.refused {
            Some((refused, until)) if lane >= refused => until,
            Some(_) | None => Timestamp::MIN,
        }
    }

    fn next_at(&self) -> Option<Timestamp> {
        self.candidates().map(|(_, lane, at)| at.max(self.blocked(lane))).min()
    }

    /// The next batch that may go now, with the token that it needs.
    fn launch(&mut self, gate: &Gate, now: Timestamp) -> Option<Flight<T>> {
        let (next, lane, _) = self
            .candidates()
            .filter(|(_, lane, at)| now >= (*at).max(self.blocked(*lane)))
            .min_by_key(|(_, lane, _)| *lane)?;
        if let Err(until) = gate.token(&self.scope, T::Describe::ACTION, lane, now) {
            self.refused = Some((lane, until));
            return None;
        }
        self.refused = None;
        let (ids, throttled) = match next {
            Next::Again(index) => self.again.remove(index).map(|again| (again.ids, again.throttled))?,
            Next::Fresh => (self.take_fresh(), 0),
        };
        Some(Flight {
            scope: Arc::clone(&self.scope),
            backend: Arc::clone(&self.backend),
            lane,
            ids,
            throttled,
        })
    }

    /// The ids of the best lanes, and of these who came first.
    fn take_fresh(&mut self) -> Ids<T> {
        let mut all: Vec<(String, Asked<T>)> = mem::take(&mut self.fresh).into_iter().collect();
        all.sort_by_key(|(_, asked)| (asked.lane, asked.number));
        let mut all = all.into_iter();
        let taken = all.by_ref().take(BATCH).collect();
        self.fresh = all.collect();
        taken
    }
}

#[derive(Default)]
struct Shelves {
    instances: Vec<Line<Instance>>,
    volumes: Vec<Line<Volume>>,
    groups: Vec<Line<SecurityGroup>>,
}

impl Shelves {
    fn line<T: Readable>(&mut self, scope: &Arc<Scope>, backend: &Arc<dyn Backend>) -> Option<&mut Line<T>> {
        let lines = T::lines(self);
        let same =
            |line: &Line<T>| line.scope == *scope && ptr::addr_eq(Arc::as_ptr(&line.backend), Arc::as_ptr(backend));
        if !lines.iter().any(same) {
            lines.push(Line {
                scope: Arc::clone(scope),
                backend: Arc::clone(backend),
                fresh: Ids::new(),
                again: VecDeque::new(),
                refused: None,
            });
        }
        lines.iter_mut().find(|line| same(line))
    }
}

#[derive(Default)]
struct State {
    shelves: Shelves,
    arrivals: u64,
    notify: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Everything that waits to be read, in all accounts and Regions.
pub struct Reads {
    gate: Arc<Gate>,
    state: Mutex<State>,
}

impl Reads {
    /// Reads that go through this gate.
    #[must_use]
    pub fn new(gate: Arc<Gate>) -> Self {
        Self {
            gate,
            state: Mutex::default(),
        }
    }

    /// The gate that the reads go through.
    #[must_use]
    pub const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Has somebody told whenever [`Self::next_due`] may have become earlier.
    pub fn set_notify(&self, notify: Box<dyn Fn() + Send + Sync>) {
        self.state().notify = Some(Arc::from(notify));
    }

    /// The requests that may be sent now; each has its token already. Whoever drops one tells those
    /// who wait for it that it failed.
    #[must_use]
    pub fn due(self: &Arc<Self>, now: Timestamp) -> Vec<BoxFuture<'static, ()>> {
        let mut state = self.state();
        let mut flights = Vec::new();
        self.launch::<Instance>(&mut state.shelves, now, &mut flights);
        self.launch::<Volume>(&mut state.shelves, now, &mut flights);
        self.launch::<SecurityGroup>(&mut state.shelves, now, &mut flights);
        flights
    }

    /// When [`Self::due`] will have something to give, at the earliest; in the past when it has
    /// already. After it was asked, this is always in the future.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        fn earliest<T: Readable>(shelves: &mut Shelves) -> Option<Timestamp> {
            T::lines(shelves).iter().filter_map(Line::next_at).min()
        }
        let shelves = &mut self.state().shelves;
        [
            earliest::<Instance>(shelves),
            earliest::<Volume>(shelves),
            earliest::<SecurityGroup>(shelves),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn launch<T: Readable>(
        self: &Arc<Self>,
        shelves: &mut Shelves,
        now: Timestamp,
        flights: &mut Vec<BoxFuture<'static, ()>>,
    ) where
        dyn Backend: Perform<T::Describe>,
    {
        let lines = T::lines(shelves);
        for line in &mut *lines {
            line.prune();
            while let Some(flight) = line.launch(&self.gate, now) {
                flights.push(Box::pin(Arc::clone(self).fly(flight)));
            }
        }
        // Credentials come and go, and their lines with them.
        lines.retain(|line| !line.is_empty());
    }

    fn ask<T: Readable>(&self, aws: &Aws, id: &str) -> Receiver<Answer<T>> {
        let (waiter, receiver) = channel();
        let since = self.gate.now();
        let mut state = self.state();
        state.arrivals += 1;
        let number = state.arrivals;
        if let Some(line) = state.shelves.line::<T>(&aws.scope, &aws.backend) {
            let asked = line.fresh.entry(id.to_owned()).or_insert_with(|| Asked {
                lane: aws.lane,
                since,
                number,
                waiters: Vec::new(),
            });
            asked.lane = asked.lane.min(aws.lane);
            asked.waiters.push(waiter);
        }
        drop(state);
        self.tell();
        receiver
    }

    async fn fly<T: Readable>(self: Arc<Self>, flight: Flight<T>)
    where
        dyn Backend: Perform<T::Describe>,
    {
        match self.fetch(&flight).await {
            Ok(found) => answer(flight.ids, |id| Ok(found.get(id).cloned())),
            Err(failure) => self.failed(flight, &failure),
        }
    }

    async fn fetch<T: Readable>(&self, flight: &Flight<T>) -> Result<BTreeMap<String, T>, Failure>
    where
        dyn Backend: Perform<T::Describe>,
    {
        let ids: Vec<String> = flight.ids.keys().cloned().collect();
        let mut found = BTreeMap::new();
        let mut page = None;
        loop {
            let operation = T::describe(ids.clone(), page);
            let answer = self
                .gate
                .send(&flight.scope, flight.lane, &flight.backend, operation)
                .await?;
            found.extend(answer.items.into_iter().map(|item| (item.id().to_owned(), item)));
            page = answer.next;
            if page.is_none() {
                return Ok(found);
            }
            self.gate.admit::<T::Describe>(&flight.scope, flight.lane)?;
        }
    }

    fn failed<T: Readable>(&self, flight: Flight<T>, failure: &Failure) {
        let tell_all = |ids: Ids<T>| answer(ids, |_| Err(failure.clone()));
        match failure.class {
            Class::Throttled if flight.throttled + 1 < TRIES => self.once_more(flight, failure.retry_at),
            // One id that AWS cannot read fails all: halving finds it in eight steps, and costs a
            // token for each half in place of one for each id.
            Class::Invalid | Class::NotFound if flight.ids.len() > 1 => self.halve(flight),
            Class::Throttled
            | Class::Invalid
            | Class::NotFound
            | Class::Denied
            | Class::Dependency
            | Class::Conflict
            | Class::NameTaken
            | Class::AlreadyDone
            | Class::TokenUsed
            | Class::Capacity
            | Class::Quota
            | Class::Protected
            | Class::Transient
            | Class::Unknown
            | Class::Fenced
            | Class::Bug => tell_all(flight.ids),
        }
    }

    fn once_more<T: Readable>(&self, flight: Flight<T>, retry_at: Option<Timestamp>) {
        let not_before = retry_at.unwrap_or_else(|| self.gate.now());
        let again = Again {
            ids: flight.ids,
            throttled: flight.throttled + 1,
            not_before,
        };
        self.put_back(&flight.scope, &flight.backend, [again]);
    }

    fn halve<T: Readable>(&self, mut flight: Flight<T>) {
        let not_before = self.gate.now();
        let middle = flight.ids.keys().nth(flight.ids.len() / 2).cloned().unwrap_or_default();
        let second = flight.ids.split_off(&middle);
        let halves = [flight.ids, second].map(|ids| Again {
            ids,
            throttled: flight.throttled,
            not_before,
        });
        self.put_back(&flight.scope, &flight.backend, halves);
    }

    fn put_back<T: Readable>(
        &self,
        scope: &Arc<Scope>,
        backend: &Arc<dyn Backend>,
        batches: impl IntoIterator<Item = Again<T>>,
    ) {
        let mut state = self.state();
        if let Some(line) = state.shelves.line::<T>(scope, backend) {
            line.again.extend(batches);
        }
        drop(state);
        self.tell();
    }

    /// Tells whoever drives this, without holding the lock that it is about to take.
    fn tell(&self) {
        let notify = self.state().notify.clone();
        if let Some(notify) = notify {
            notify();
        }
    }

    /// A reader that panicked has left the lines as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Aws {
    /// An instance by id, terminated ones included; `None` when AWS does not know it, or not yet.
    ///
    /// # Errors
    ///
    /// What AWS answered to the whole batch, or that it throttles.
    pub async fn instance(&self, id: &str) -> Result<Option<Instance>, Failure> {
        self.read(id).await
    }

    /// A volume by id; `None` when AWS does not know it, or not yet.
    ///
    /// # Errors
    ///
    /// As for [`Self::instance`].
    pub async fn volume(&self, id: &str) -> Result<Option<Volume>, Failure> {
        self.read(id).await
    }

    /// A security group by id; `None` when AWS does not know it, or not yet.
    ///
    /// # Errors
    ///
    /// As for [`Self::instance`].
    pub async fn security_group(&self, id: &str) -> Result<Option<SecurityGroup>, Failure> {
        self.read(id).await
    }

    async fn read<T: Readable>(&self, id: &str) -> Answer<T> {
        let answer = self.reads.ask::<T>(self, id).await;
        // Whoever ran the batch has dropped it: a shutdown, or a deadline.
        answer.unwrap_or_else(|_| {
            Err(Failure {
                class: Class::Transient,
                action: T::Describe::ACTION,
                code: "Abandoned".to_owned(),
                message: "the read was given up before AWS answered".to_owned(),
                retry_at: None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use async_trait::async_trait;
    use futures_util::FutureExt;
    use futures_util::task::noop_waker;

    use super::*;
    use crate::aws::AwsError;
    use crate::aws::memory::{Fault, FaultPlan, Memory};
    use crate::engine::clock::Clock;
    use crate::engine::clock::testing::Hands;
    use crate::engine::governor::Governor;

    const GROUPS: &str = "ec2.DescribeSecurityGroups";
    const MOMENT: Duration = Duration::from_millis(30);

    /// An AWS that writes down how many ids each request has.
    struct Recorder {
        inner: Arc<dyn Backend>,
        requests: Arc<Mutex<Vec<usize>>>,
    }

    #[async_trait]
    impl<O: Operation> Perform<O> for Recorder
    where
        dyn Backend: Perform<O>,
    {
        async fn perform(&self, operation: O) -> Result<O::Output, AwsError> {
            let any: &(dyn Any + Send) = &operation;
            if let Some(describe) = any.downcast_ref::<DescribeSecurityGroups>()
                && let SelectGroups::By(Select::Ids(ids)) = &describe.select
            {
                self.requests.lock().unwrap().push(ids.len());
            }
            Perform::<O>::perform(self.inner.as_ref(), operation).await
        }
    }

    /// Security groups are what there is to read without launching anything.
    struct Setting {
        clock: Arc<Hands>,
        memory: Memory,
        requests: Arc<Mutex<Vec<usize>>>,
        reads: Arc<Reads>,
        aws: Aws,
        known: String,
    }

    fn setting() -> Setting {
        let clock = Arc::new(Hands::new());
        let memory = Memory::new();
        let gate = Arc::new(Gate::new(Arc::clone(&clock) as Arc<dyn Clock>, Governor::new(100)));
        let reads = Arc::new(Reads::new(gate));
        let scope = Scope {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
        };
        let requests = Arc::default();
        let backend = Recorder {
            inner: memory.region("eu-west-1"),
            requests: Arc::clone(&requests),
        };
        let aws = Aws::new(scope, Arc::new(backend), Arc::clone(&reads)).lane(Lane::Edit);
        let known = memory.facts("eu-west-1").default_group;
        Setting {
            clock,
            memory,
            requests,
            reads,
            aws,
            known,
        }
    }

    type Waiting = BoxFuture<'static, Answer<SecurityGroup>>;

    impl Setting {
        /// Asks, and waits without anybody driving.
        fn ask_in(&self, lane: Lane, id: &str) -> Waiting {
            let aws = self.aws.lane(lane);
            let id = id.to_owned();
            let mut waiting: Waiting = Box::pin(async move { aws.security_group(&id).await });
            assert!(poll(&mut waiting).is_none());
            waiting
        }

        fn ask(&self, id: &str) -> Waiting {
            self.ask_in(Lane::Edit, id)
        }

        /// Runs what is due now, and says how many batches that were.
        fn run(&self) -> usize {
            let due = self.reads.due(self.clock.now());
            let count = due.len();
            for flight in due {
                flight.now_or_never().unwrap();
            }
            count
        }

        /// Lets a moment pass and runs what is due then.
        fn pass(&self) -> usize {
            self.clock.advance(MOMENT);
            self.run()
        }

        /// The ids of each request since the beginning.
        fn requests(&self) -> Vec<usize> {
            self.requests.lock().unwrap().clone()
        }
    }

    fn poll(waiting: &mut Waiting) -> Option<Answer<SecurityGroup>> {
        match waiting.poll_unpin(&mut Context::from_waker(&noop_waker())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn class(waiting: &mut Waiting) -> Class {
        poll(waiting).unwrap().unwrap_err().class
    }

    #[test]
    fn what_is_asked_within_a_moment_is_one_request_and_unknown_ids_fail_nobody() {
        let setting = setting();
        let mut known = setting.ask(&setting.known);
        let mut unknown = setting.ask("sg-none");
        assert_eq!(setting.run(), 0, "the moment has not passed");
        assert_eq!(setting.pass(), 1);
        assert_eq!(poll(&mut known).unwrap().unwrap().unwrap().id, setting.known);
        assert_eq!(poll(&mut unknown).unwrap().unwrap(), None);
        assert_eq!(setting.requests(), [2]);
    }

    #[test]
    fn the_same_id_asked_twice_is_read_once() {
        let setting = setting();
        let mut waiting = [setting.ask(&setting.known), setting.ask(&setting.known)];
        setting.pass();
        assert!(
            waiting
                .iter_mut()
                .all(|waiting| poll(waiting).unwrap().unwrap().is_some())
        );
        assert_eq!(setting.requests(), [1]);
    }

    #[test]
    fn a_read_that_is_under_way_answers_nobody_who_asks_after_it_began() {
        let setting = setting();
        let mut first = setting.ask(&setting.known);
        setting.clock.advance(MOMENT);
        let flights = setting.reads.due(setting.clock.now());
        let mut second = setting.ask(&setting.known);
        for flight in flights {
            flight.now_or_never().unwrap();
        }
        assert!(poll(&mut first).is_some());
        assert!(poll(&mut second).is_none());
        setting.pass();
        assert!(poll(&mut second).is_some());
    }

    #[test]
    fn a_full_batch_waits_for_nobody() {
        let setting = setting();
        let waiting: Vec<_> = (0..250).map(|n| setting.ask(&format!("sg-{n:03}"))).collect();
        assert_eq!(setting.run(), 1);
        assert_eq!(setting.pass(), 1);
        assert_eq!(setting.requests(), [200, 50]);
        drop(waiting);
    }

    #[test]
    fn when_it_is_due_is_known_beforehand() {
        let setting = setting();
        assert_eq!(setting.reads.next_due(), None);
        let asked_at = setting.clock.now();
        let _waiting = setting.ask("sg-1");
        setting.clock.advance(Duration::from_millis(10));
        let _later = setting.ask("sg-2");
        assert_eq!(setting.reads.next_due(), Some(asked_at + WINDOW));
        setting.pass();
        assert_eq!(setting.reads.next_due(), None);
    }

    #[test]
    fn without_tokens_batches_grow_and_better_lanes_go_first() {
        let setting = setting();
        let gate = setting.reads.gate();
        while gate
            .token(setting.aws.scope(), GROUPS, Lane::Edit, setting.clock.now())
            .is_ok()
        {}
        let mut drift: Vec<_> = (0..250)
            .map(|n| setting.ask_in(Lane::Drift, &format!("sg-{n:03}")))
            .collect();
        assert_eq!(setting.pass(), 0, "drift leaves 40 of 100 tokens to others");
        let mut edit = setting.ask("sg-999");
        setting.clock.advance(Duration::from_millis(20));
        assert_eq!(
            setting.run(),
            1,
            "an edit takes the first token, and 199 others come along"
        );
        assert!(poll(&mut edit).is_some());
        let next = setting.reads.next_due().unwrap();
        assert!(next > setting.clock.now(), "nobody asks in vain");
        setting.clock.advance(Duration::from_secs(5));
        setting.run();
        assert_eq!(setting.requests(), [200, 51]);
        assert!(drift.iter_mut().all(|waiting| poll(waiting).is_some()));
    }

    #[test]
    fn pages_are_followed() {
        let setting = setting();
        let ids = [&setting.known, &setting.memory.facts("eu-west-1").other_group].map(String::clone);
        setting.memory.turn(|dials| dials.page_size = 1);
        let mut waiting: Vec<_> = ids.iter().map(|id| setting.ask(id)).collect();
        assert_eq!(setting.pass(), 1);
        assert!(
            waiting
                .iter_mut()
                .all(|waiting| poll(waiting).unwrap().unwrap().is_some())
        );
        assert_eq!(setting.requests(), [2, 2]);
    }

    #[test]
    fn a_throttled_batch_waits_and_is_tried_again_three_times_in_all() {
        let setting = setting();
        setting.memory.fail(FaultPlan::on(GROUPS, Fault::Throttle).forever());
        let mut waiting = setting.ask(&setting.known);
        assert_eq!(setting.pass(), 1);
        for _ in 1..TRIES {
            assert!(poll(&mut waiting).is_none());
            assert_eq!(setting.run(), 0, "there is no token");
            setting.clock.advance(Duration::from_secs(10));
            assert_eq!(setting.run(), 1);
        }
        assert_eq!(class(&mut waiting), Class::Throttled);
    }

    #[test]
    fn a_throttled_batch_that_succeeds_then_is_no_failure() {
        let setting = setting();
        setting.memory.fail_next(GROUPS, Fault::Throttle);
        let mut waiting = setting.ask(&setting.known);
        setting.pass();
        setting.clock.advance(Duration::from_secs(10));
        setting.run();
        assert!(poll(&mut waiting).unwrap().unwrap().is_some());
    }

    #[test]
    fn a_batch_that_one_id_may_have_spoilt_is_halved_until_that_one_is_alone() {
        let setting = setting();
        // Whole, half, quarter: each time the half with the first id is the one that is refused.
        let refuse = Fault::refuse("InvalidGroupId.Malformed", "Invalid id");
        setting.memory.fail(FaultPlan::on(GROUPS, refuse).times(3).every(1));
        let ids = ["sg-1", "sg-2", "sg-3", "sg-4"];
        let mut waiting: Vec<_> = ids.map(|id| setting.ask(id)).into();
        assert_eq!(setting.pass(), 1);
        let mut batches = Vec::new();
        while setting.reads.next_due().is_some() {
            batches.push(setting.run());
        }
        assert_eq!(batches, [2, 4]);
        assert_eq!(setting.requests(), [4, 2, 2, 1, 1, 1, 1]);
        assert!(waiting.iter_mut().all(|waiting| poll(waiting).unwrap().is_ok()));
    }

    #[test]
    fn a_single_id_that_is_refused_fails_alone() {
        let setting = setting();
        setting
            .memory
            .fail_next(GROUPS, Fault::refuse("InvalidGroupId.Malformed", "Invalid id"));
        let mut waiting = setting.ask("bad");
        setting.pass();
        assert_eq!(class(&mut waiting), Class::Invalid);
    }

    #[test]
    fn other_failures_are_everybodys() {
        let setting = setting();
        setting.memory.fail_next(GROUPS, Fault::deny());
        let mut waiting = [setting.ask("sg-1"), setting.ask("sg-2")];
        setting.pass();
        assert_eq!(waiting.each_mut().map(class), [Class::Denied, Class::Denied]);
    }

    #[test]
    fn nobody_reads_for_those_who_are_gone() {
        let setting = setting();
        drop(setting.ask("sg-1"));
        let _waiting = setting.ask("sg-2");
        setting.pass();
        assert_eq!(setting.requests(), [1]);
        drop(setting.ask("sg-3"));
        assert_eq!(setting.pass(), 0);
        assert_eq!(setting.reads.next_due(), None);
    }

    #[test]
    fn a_dropped_batch_is_a_passing_failure_and_nobody_hangs() {
        let setting = setting();
        let mut waiting = setting.ask("sg-1");
        setting.clock.advance(MOMENT);
        drop(setting.reads.due(setting.clock.now()));
        assert_eq!(class(&mut waiting), Class::Transient);
    }

    #[test]
    fn different_credentials_never_share_a_request() {
        let setting = setting();
        let other = Aws {
            backend: setting.memory.region("eu-west-1"),
            ..setting.aws.clone()
        };
        let _mine = setting.ask("sg-1");
        let mut theirs: Waiting = Box::pin(async move { other.security_group("sg-1").await });
        assert!(poll(&mut theirs).is_none());
        assert_eq!(setting.pass(), 2);
    }

    #[test]
    fn whoever_drives_is_told_that_something_waits() {
        let setting = setting();
        let told = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&told);
        let reads = Arc::clone(&setting.reads);
        setting.reads.set_notify(Box::new(move || {
            // It may look, since no lock is held.
            assert!(reads.next_due().is_some());
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let _waiting = setting.ask("sg-1");
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
