//! What is to be reconciled, and when: four lanes, not-before times, one reconcile per key.
//!
//! Synchronous and without a clock: whoever drives it passes the time in. kube's own queue lets any
//! earlier wake win, which would let a busy watch cancel every backoff, and it has no lanes, which
//! would let ten thousand drift checks stand before a user's edit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::resource::Key;

/// How long a due key of a worse lane waits before it is given a turn before better lanes.
const OVERDUE: SignedDuration = SignedDuration::from_secs(30);
/// Every so many turns one goes to what is overdue, whatever its lane.
const TURNS: u32 = 4;

/// Why something is done, and so who goes first: the order is from the best to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A person changed something and is waiting.
    Edit,
    /// An object is being deleted.
    Deletion,
    /// AWS is on its way to what the spec says.
    Convergence,
    /// A look at whether AWS still is as it should be.
    Drift,
}

impl Lane {
    /// All lanes, the best first.
    pub const ALL: [Self; 4] = [Self::Edit, Self::Deletion, Self::Convergence, Self::Drift];

    /// The word in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Deletion => "deletion",
            Self::Convergence => "convergence",
            Self::Drift => "drift",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Leave to reconcile one key, until it is [finished](Queue::finish).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What to reconcile.
    pub key: Key,
    /// Why.
    pub lane: Lane,
    /// How many reconciles in a row have failed before this one.
    pub failures: u32,
    /// How many in a row, failed ones aside, have ended in waiting before this one.
    pub waits: u32,
}

/// How a reconcile ended, as far as the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Nothing is left to do. Both counts begin again.
    Settled,
    /// Something is on its way. Any wake may come first: the target of a reference, the sweep.
    Waiting,
    /// It failed. Only [`Queue::wake_now`] comes before the time that was given.
    Failed,
}

/// What to do with a key after its reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It comes back.
    Again {
        /// Not before this.
        at: Timestamp,
        /// In this lane.
        lane: Lane,
        /// How it ended.
        pace: Pace,
    },
    /// Nothing was done, because our copy of the object is older than our own last write to it. It
    /// comes back in its lane, its counts as they were, once it is [unparked](Queue::unpark).
    Park {
        /// Or by this time, should the newer copy never come.
        until: Timestamp,
    },
    /// The object is gone.
    Forget,
}

/// Where a key stands in line: due at, and the number that keeps equals in order of arrival.
type Place = (Timestamp, u64);

/// A wish to be reconciled.
#[derive(Clone, Copy, Debug)]
struct Wish {
    lane: Lane,
    due: Timestamp,
}

impl Wish {
    /// Both wishes fulfilled by one reconcile: the earlier time, the better lane.
    fn and(self, other: Self) -> Self {
        Self {
            lane: self.lane.min(other.lane),
            due: self.due.min(other.due),
        }
    }
}

#[derive(Debug)]
enum State {
    /// Not in line yet.
    New,
    /// In line, at this place of this lane.
    Waiting { lane: Lane, place: Place },
    /// Being reconciled. Wakes that came meanwhile are kept.
    Running { woken: Option<Wish>, edited: Option<Wish> },
}

/// What is remembered of one key.
#[derive(Debug)]
struct Entry {
    state: State,
    /// What is wanted, before the floor and the park push it back.
    wish: Wish,
    /// The end of a backoff.
    floor: Option<Timestamp>,
    /// Our copy is too old to act on, until then.
    parked: Option<Timestamp>,
    failures: u32,
    waits: u32,
}

impl Entry {
    /// When it may run, all things considered.
    fn due(&self) -> Timestamp {
        [self.floor, self.parked]
            .into_iter()
            .flatten()
            .fold(self.wish.due, Timestamp::max)
    }

    /// A person has acted: what was is forgotten, but not that our copy is too old.
    fn start_over(&mut self, wish: Wish) {
        self.wish = wish;
        self.floor = None;
        self.failures = 0;
        self.waits = 0;
    }
}

/// The queue. All operations are logarithmic in the number of keys.
#[derive(Debug)]
pub struct Queue {
    entries: BTreeMap<Key, Entry>,
    lines: BTreeMap<Lane, BTreeMap<Place, Key>>,
    running: usize,
    max_running: usize,
    arrivals: u64,
    /// Turns since one was given to what was overdue.
    turns: u32,
}

impl Queue {
    /// An empty queue that has at most `max_running` reconciles under way at once.
    #[must_use]
    pub const fn new(max_running: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            lines: BTreeMap::new(),
            running: 0,
            max_running,
            arrivals: 0,
            turns: 0,
        }
    }

    /// Asks for a reconcile: something was seen to have changed.
    ///
    /// It may come before what was planned, but never before the end of a backoff or a park. A wake
    /// while the key is being reconciled is for another reconcile after this one.
    pub fn wake(&mut self, key: &Key, lane: Lane, not_before: Timestamp) {
        let wish = Wish { lane, due: not_before };
        self.ask(key, wish, |entry| match &mut entry.state {
            State::New | State::Waiting { .. } => entry.wish = entry.wish.and(wish),
            State::Running { woken, .. } => *woken = Some(woken.map_or(wish, |before| before.and(wish))),
        });
    }

    /// Asks for a reconcile now: a person has acted on the object or on what it refers to.
    ///
    /// A backoff ends, and failures are counted anew. A park does not end, since an edit makes an
    /// old copy no newer.
    pub fn wake_now(&mut self, key: &Key, lane: Lane, now: Timestamp) {
        let wish = Wish { lane, due: now };
        self.ask(key, wish, |entry| match &mut entry.state {
            State::New | State::Waiting { .. } => {
                let lane = wish.lane.min(entry.wish.lane);
                entry.start_over(Wish { lane, ..wish });
            }
            State::Running { edited, .. } => *edited = Some(edited.map_or(wish, |before| before.and(wish))),
        });
    }

    /// The next key to reconcile, if one is due and not too many are being reconciled already.
    ///
    /// The best lane goes first, and in a lane what was due first. Now and then a turn is given to
    /// what has been due for long in any lane, so that a stream of edits cannot starve the rest.
    pub fn pop(&mut self, now: Timestamp) -> Option<Ticket> {
        if self.running >= self.max_running {
            return None;
        }
        let (lane, place) = self.choose(now)?;
        let key = self.lines.get_mut(&lane)?.remove(&place)?;
        let entry = self.entries.get_mut(&key)?;
        entry.state = State::Running {
            woken: None,
            edited: None,
        };
        entry.floor = None;
        entry.parked = None;
        self.running += 1;
        Some(Ticket {
            lane,
            failures: entry.failures,
            waits: entry.waits,
            key,
        })
    }

    /// Says how a reconcile ended. A key that is not being reconciled stays as it is.
    pub fn finish(&mut self, key: &Key, finish: Finish) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let State::Running { woken, edited } = entry.state else {
            return;
        };
        self.running = self.running.saturating_sub(1);
        match finish {
            Finish::Again { at, lane, pace } => {
                entry.wish = Wish { lane, due: at };
                match pace {
                    Pace::Settled => (entry.failures, entry.waits) = (0, 0),
                    Pace::Waiting => (entry.failures, entry.waits) = (0, entry.waits.saturating_add(1)),
                    Pace::Failed => {
                        entry.failures = entry.failures.saturating_add(1);
                        entry.floor = Some(at);
                    }
                }
            }
            // The wish is still the one that it was popped for.
            Finish::Park { until } => entry.parked = Some(until),
            // A wake that came meanwhile may tell of an object that the reconcile did not see yet.
            // If it is gone all the same, one more reconcile finds that out.
            Finish::Forget => match woken.or(edited) {
                None => {
                    self.entries.remove(key);
                    return;
                }
                Some(wish) => entry.start_over(wish),
            },
        }
        if let Some(wish) = woken {
            entry.wish = entry.wish.and(wish);
        }
        if let Some(wish) = edited {
            entry.start_over(wish);
        }
        self.line_up(key);
    }

    /// A newer copy of the object has come: it may be reconciled when it is due.
    pub fn unpark(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.parked.take().is_some() {
            self.line_up(key);
        }
    }

    /// Drops a key, whatever it waits for: the object is gone. A reconcile that is under way ends
    /// as it says itself.
    pub fn forget(&mut self, key: &Key) {
        let Some(entry) = self.entries.get(key) else { return };
        if let State::Waiting { lane, place } = entry.state {
            self.leave(lane, place);
            self.entries.remove(key);
        }
    }

    /// When [`Self::pop`] will have something to give, at the earliest; in the past when it has
    /// already. `None` when nothing waits, or while too many are running: then a finish comes first.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        if self.running >= self.max_running {
            return None;
        }
        Lane::ALL
            .into_iter()
            .filter_map(|lane| self.head(lane))
            .map(|(due, _)| due)
            .min()
    }

    /// How many are due and have not begun, by lane.
    #[must_use]
    pub fn depth(&self, now: Timestamp) -> BTreeMap<Lane, usize> {
        let due = |lane| {
            self.lines
                .get(&lane)
                .map_or(0, |line| line.range(..=(now, u64::MAX)).count())
        };
        Lane::ALL.into_iter().map(|lane| (lane, due(lane))).collect()
    }

    /// How many are being reconciled.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.running
    }

    /// All keys that wait or are being reconciled.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.keys()
    }

    /// Lets a key ask, and puts it where it belongs now.
    fn ask(&mut self, key: &Key, wish: Wish, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(key) {
            change(entry);
            if matches!(entry.state, State::Running { .. }) {
                return;
            }
        } else {
            let entry = Entry {
                state: State::New,
                wish,
                floor: None,
                parked: None,
                failures: 0,
                waits: 0,
            };
            self.entries.insert(key.clone(), entry);
        }
        self.line_up(key);
    }

    /// Puts a key into its line, and out of the one that it stood in. Who stays at its place keeps
    /// its turn.
    fn line_up(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let (lane, due) = (entry.wish.lane, entry.due());
        let left = match entry.state {
            State::Waiting { lane: now, place } if (now, place.0) == (lane, due) => return,
            State::Waiting { lane, place } => Some((lane, place)),
            State::New | State::Running { .. } => None,
        };
        self.arrivals += 1;
        let place = (due, self.arrivals);
        entry.state = State::Waiting { lane, place };
        if let Some((lane, place)) = left {
            self.leave(lane, place);
        }
        self.lines.entry(lane).or_default().insert(place, key.clone());
    }

    fn leave(&mut self, lane: Lane, place: Place) {
        if let Some(line) = self.lines.get_mut(&lane) {
            line.remove(&place);
        }
    }

    fn head(&self, lane: Lane) -> Option<Place> {
        let (place, _) = self.lines.get(&lane)?.first_key_value()?;
        Some(*place)
    }

    /// Whose turn it is.
    fn choose(&mut self, now: Timestamp) -> Option<(Lane, Place)> {
        let due: BTreeSet<(Lane, Place)> = Lane::ALL
            .into_iter()
            .filter_map(|lane| Some((lane, self.head(lane)?)))
            .filter(|(_, (due, _))| *due <= now)
            .collect();
        let first = *due.first()?;
        let longest = due
            .into_iter()
            .filter(|(_, (due, _))| now.duration_since(*due) > OVERDUE)
            .min_by_key(|(_, place)| *place);
        self.turns += 1;
        match longest {
            Some(longest) if self.turns >= TURNS => {
                self.turns = 0;
                Some(longest)
            }
            Some(_) => Some(first),
            // Nobody has waited for long: a turn that nobody needed is not saved up.
            None => {
                self.turns = 0;
                Some(first)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn popped(queue: &mut Queue, now: Timestamp) -> Option<(String, Lane)> {
        queue.pop(now).map(|ticket| (ticket.key.name, ticket.lane))
    }

    fn again(at: Timestamp, pace: Pace) -> Finish {
        Finish::Again {
            at,
            lane: Lane::Convergence,
            pace,
        }
    }

    /// A queue in which `web` has just failed and is to come back at `at(60)`.
    fn backing_off() -> Queue {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Convergence, at(0));
        queue.pop(at(0));
        queue.finish(&key("web"), again(at(60), Pace::Failed));
        queue
    }

    #[test]
    fn the_best_lane_goes_first_and_in_a_lane_what_was_due_first() {
        let mut queue = Queue::new(10);
        queue.wake(&key("drift"), Lane::Drift, at(0));
        queue.wake(&key("late"), Lane::Convergence, at(2));
        queue.wake(&key("early"), Lane::Convergence, at(1));
        queue.wake(&key("deleted"), Lane::Deletion, at(3));
        queue.wake(&key("edited"), Lane::Edit, at(3));
        let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, at(3)))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(order, ["edited", "deleted", "early", "late", "drift"]);
    }

    #[test]
    fn equals_go_in_order_of_arrival() {
        let mut queue = Queue::new(10);
        for name in ["c", "a", "b"] {
            queue.wake(&key(name), Lane::Drift, at(0));
        }
        let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, at(0)))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(order, ["c", "a", "b"]);
    }

    #[test]
    fn nothing_runs_before_it_is_due() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Edit, at(5));
        assert_eq!(queue.pop(at(4)), None);
        assert_eq!(queue.next_at(), Some(at(5)));
        assert!(queue.pop(at(5)).is_some());
    }

    #[test]
    fn a_key_is_reconciled_once_at_a_time_and_again_when_woken_meanwhile() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Drift, at(0));
        assert!(queue.pop(at(0)).is_some());
        queue.wake(&key("web"), Lane::Convergence, at(1));
        assert_eq!(queue.pop(at(1)), None);
        queue.finish(
            &key("web"),
            Finish::Again {
                at: at(43_200),
                lane: Lane::Drift,
                pace: Pace::Settled,
            },
        );
        assert_eq!(popped(&mut queue, at(1)), Some(("web".to_owned(), Lane::Convergence)));
        queue.finish(
            &key("web"),
            Finish::Again {
                at: at(43_200),
                lane: Lane::Drift,
                pace: Pace::Settled,
            },
        );
        assert_eq!(queue.pop(at(2)), None, "one wake is one more reconcile");
    }

    #[test]
    fn a_wake_comes_before_a_converged_resource_would_have_come_back() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Drift, at(43_200));
        queue.wake(&key("web"), Lane::Drift, at(1));
        assert_eq!(queue.next_at(), Some(at(1)));
    }

    #[test]
    fn a_later_wake_takes_nothing_from_an_earlier_one() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Edit, at(1));
        queue.wake(&key("web"), Lane::Drift, at(100));
        assert_eq!(popped(&mut queue, at(1)), Some(("web".to_owned(), Lane::Edit)));
    }

    #[test]
    fn a_wake_never_pulls_a_backoff_forward() {
        let mut queue = backing_off();
        queue.wake(&key("web"), Lane::Edit, at(1));
        assert_eq!(queue.pop(at(59)), None);
        assert_eq!(queue.pop(at(60)).map(|ticket| ticket.failures), Some(1));
    }

    #[test]
    fn a_wake_during_the_failing_reconcile_does_not_either() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Drift, at(0));
        queue.pop(at(0));
        queue.wake(&key("web"), Lane::Drift, at(0));
        queue.finish(&key("web"), again(at(60), Pace::Failed));
        assert_eq!(queue.next_at(), Some(at(60)));
    }

    #[test]
    fn an_edit_ends_a_backoff_and_failures_count_anew() {
        let mut queue = backing_off();
        queue.wake_now(&key("web"), Lane::Edit, at(1));
        let ticket = queue.pop(at(1)).unwrap();
        assert_eq!((ticket.lane, ticket.failures), (Lane::Edit, 0));
    }

    #[test]
    fn an_edit_during_a_failing_reconcile_is_tried_at_once() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Convergence, at(0));
        queue.pop(at(0));
        queue.wake_now(&key("web"), Lane::Edit, at(1));
        queue.finish(&key("web"), again(at(60), Pace::Failed));
        let ticket = queue.pop(at(2)).unwrap();
        assert_eq!((ticket.lane, ticket.failures), (Lane::Edit, 0));
    }

    #[test]
    fn failures_and_waits_are_counted_apart() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Convergence, at(0));
        let table = [
            (Pace::Waiting, (0, 1)),
            (Pace::Failed, (1, 1)),
            (Pace::Failed, (2, 1)),
            (Pace::Waiting, (0, 2)),
            (Pace::Settled, (0, 0)),
        ];
        for (pace, counts) in table {
            queue.pop(at(0)).unwrap();
            queue.finish(&key("web"), again(at(0), pace));
            let ticket = queue.pop(at(0)).unwrap();
            assert_eq!((ticket.failures, ticket.waits), counts, "{pace:?}");
            queue.finish(&key("web"), Finish::Park { until: at(0) });
        }
    }

    #[test]
    fn what_waits_may_be_woken_early() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Convergence, at(0));
        queue.pop(at(0));
        queue.finish(&key("web"), again(at(15), Pace::Waiting));
        queue.wake(&key("web"), Lane::Convergence, at(1));
        assert_eq!(queue.next_at(), Some(at(1)));
    }

    #[test]
    fn a_stale_copy_waits_for_a_newer_one_whoever_wakes_it() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Edit, at(0));
        queue.pop(at(0));
        queue.finish(&key("web"), Finish::Park { until: at(30) });
        queue.wake(&key("web"), Lane::Edit, at(1));
        queue.wake_now(&key("web"), Lane::Edit, at(1));
        assert_eq!(queue.pop(at(29)), None);
        queue.unpark(&key("web"));
        assert_eq!(popped(&mut queue, at(2)), Some(("web".to_owned(), Lane::Edit)));
    }

    #[test]
    fn a_park_ends_by_itself_in_the_end() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Drift, at(0));
        queue.pop(at(0));
        queue.finish(&key("web"), Finish::Park { until: at(30) });
        assert_eq!(queue.next_at(), Some(at(30)));
        assert!(queue.pop(at(30)).is_some());
    }

    #[test]
    fn what_is_gone_is_forgotten_but_not_a_wake_that_came_meanwhile() {
        let mut queue = Queue::new(10);
        queue.wake(&key("web"), Lane::Deletion, at(0));
        queue.pop(at(0));
        queue.finish(&key("web"), Finish::Forget);
        assert_eq!(queue.keys().count(), 0);

        queue.wake(&key("web"), Lane::Deletion, at(0));
        queue.pop(at(0));
        queue.wake(&key("web"), Lane::Edit, at(1));
        queue.finish(&key("web"), Finish::Forget);
        assert_eq!(popped(&mut queue, at(1)), Some(("web".to_owned(), Lane::Edit)));
    }

    #[test]
    fn a_forgotten_key_leaves_its_line() {
        let mut queue = backing_off();
        queue.forget(&key("web"));
        assert_eq!((queue.next_at(), queue.keys().count()), (None, 0));
    }

    #[test]
    fn no_more_than_allowed_run_at_once() {
        let mut queue = Queue::new(1);
        queue.wake(&key("a"), Lane::Edit, at(0));
        queue.wake(&key("b"), Lane::Edit, at(0));
        assert!(queue.pop(at(0)).is_some());
        assert_eq!((queue.pop(at(0)), queue.next_at(), queue.running()), (None, None, 1));
        queue.finish(&key("a"), again(at(9), Pace::Waiting));
        assert_eq!(popped(&mut queue, at(0)), Some(("b".to_owned(), Lane::Edit)));
    }

    #[test]
    fn a_stream_of_edits_does_not_starve_what_is_overdue() {
        let mut queue = Queue::new(100);
        queue.wake(&key("drift"), Lane::Drift, at(0));
        for edit in 0..20 {
            queue.wake_now(&key(&format!("edit-{edit}")), Lane::Edit, at(31));
        }
        let turn = (1..=20).find(|_| popped(&mut queue, at(31)).unwrap().1 == Lane::Drift);
        assert_eq!(turn, Some(4));
    }

    #[test]
    fn what_is_not_overdue_yet_waits_for_better_lanes() {
        let mut queue = Queue::new(100);
        queue.wake(&key("drift"), Lane::Drift, at(0));
        for edit in 0..20 {
            queue.wake_now(&key(&format!("edit-{edit}")), Lane::Edit, at(30));
        }
        assert!((1..=20).all(|_| popped(&mut queue, at(30)).unwrap().1 == Lane::Edit));
    }

    #[test]
    fn depth_counts_what_is_due_by_lane() {
        let mut queue = Queue::new(10);
        queue.wake(&key("a"), Lane::Edit, at(0));
        queue.wake(&key("b"), Lane::Drift, at(0));
        queue.wake(&key("c"), Lane::Drift, at(1));
        let depth = queue.depth(at(0));
        assert_eq!(depth.into_values().collect::<Vec<_>>(), [1, 0, 0, 1]);
    }
}
