//! The one gate that every AWS call goes through: fence, token, classification, count.
//!
//! It is in front of every adapter method and of the in-memory AWS alike. Nothing in here waits:
//! what may not go now is a [`Failure`] that says when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::clock::Clock;
use super::governor::{Governor, Level};
use super::leader::RENEW_DEADLINE;
use super::queue::Lane;
use super::reads::Reads;
use crate::aws::{AwsError, Backend, Class, Effect, Failure, Operation, Perform};

/// Where in AWS: one account, one Region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The account's twelve digits.
    pub account: String,
    /// The Region, for example `eu-west-1`.
    pub region: String,
}

/// How a call ended, for the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// AWS did it.
    Done,
    /// The governor held it back; AWS never saw it.
    Paced,
    /// It failed; of these, AWS never saw what is [`Class::Fenced`].
    Failed(Class),
}

impl Outcome {
    /// The word in the metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Paced => "paced",
            Self::Failed(Class::Throttled) => "throttled",
            Self::Failed(Class::Denied) => "denied",
            Self::Failed(Class::Invalid) => "invalid",
            Self::Failed(Class::Dependency) => "dependency",
            Self::Failed(Class::Conflict) => "conflict",
            Self::Failed(Class::NotFound) => "not_found",
            Self::Failed(Class::NameTaken) => "name_taken",
            Self::Failed(Class::AlreadyDone) => "already_done",
            Self::Failed(Class::TokenUsed) => "token_used",
            Self::Failed(Class::Capacity) => "capacity",
            Self::Failed(Class::Quota) => "quota",
            Self::Failed(Class::Protected) => "protected",
            Self::Failed(Class::Transient) => "transient",
            Self::Failed(Class::Unknown) => "unknown",
            Self::Failed(Class::Fenced) => "fenced",
            Self::Failed(Class::Bug) => "bug",
        }
    }
}

/// How many calls ended how, by where and what.
pub type Counts = BTreeMap<(Scope, &'static str, Outcome), u64>;

/// Whether writes may go through.
#[derive(Clone, Debug)]
enum Fence {
    /// We never led yet.
    NotYet,
    /// We led when the boot clock said this.
    Open { renewed: Duration },
    /// We lead no more, for ever.
    Closed { why: String },
}

impl Fence {
    /// The reason why a write must not be sent, if there is one.
    fn refusal(&self, boottime: Duration) -> Option<&str> {
        match self {
            Self::NotYet => Some("this process is not the leader"),
            Self::Open { renewed } if boottime.saturating_sub(*renewed) > RENEW_DEADLINE => {
                Some("this process has not renewed its lease in time and may be the leader no more")
            }
            Self::Open { .. } => None,
            Self::Closed { why } => Some(why),
        }
    }
}

struct State {
    governor: Governor,
    fence: Fence,
    counts: Counts,
}

/// Fence, governor and counters of the whole process.
pub struct Gate {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Gate {
    /// A gate that lets reads through and no writes yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, governor: Governor) -> Self {
        Self {
            clock,
            state: Mutex::new(State {
                governor,
                fence: Fence::NotYet,
                counts: Counts::new(),
            }),
        }
    }

    /// Lets writes through for [`RENEW_DEADLINE`] from when the renewal of the lease was *sent*.
    ///
    /// A gate that was closed stays closed: the answer to a renewal that comes late must not open
    /// it again.
    pub fn open(&self, renewed: Duration) {
        let mut state = self.state();
        state.fence = match &state.fence {
            Fence::NotYet => Fence::Open { renewed },
            Fence::Open { renewed: before } => Fence::Open {
                renewed: renewed.max(*before),
            },
            closed @ Fence::Closed { .. } => closed.clone(),
        };
    }

    /// Lets no write through any more, in this process's life. The reason reaches conditions, so
    /// it must be the same every time.
    pub fn close(&self, why: &str) {
        self.state().fence = Fence::Closed { why: why.to_owned() };
    }

    /// Whether a write would go through now, as far as the fence is concerned.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state().fence.refusal(self.clock.boottime()).is_none()
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many calls ended how.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// How full the governor's buckets are.
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        let now = self.clock.now();
        self.state().governor.levels(now)
    }

    /// A token for a read that has not begun, or when there will be one. It is not counted: it was
    /// only asked for.
    pub(super) fn token(
        &self,
        scope: &Scope,
        action: &'static str,
        lane: Lane,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        self.state().governor.take(scope, action, lane, now)
    }

    /// Leave to send one request now.
    pub(super) fn admit<O: Operation>(&self, scope: &Scope, lane: Lane) -> Result<(), Failure> {
        let now = self.clock.now();
        let mut state = self.state();
        let refused = match O::EFFECT {
            Effect::Read => None,
            Effect::Write => state.fence.refusal(self.clock.boottime()),
        };
        if let Some(why) = refused {
            let failure = Failure::fenced(O::ACTION, why);
            state.count(scope, O::ACTION, Outcome::Failed(failure.class));
            return Err(failure);
        }
        state.governor.take(scope, O::ACTION, lane, now).map_err(|earliest| {
            let until = state.governor.line_up(scope, O::ACTION, lane, earliest);
            state.count(scope, O::ACTION, Outcome::Paced);
            Failure::throttled(O::ACTION, until)
        })
    }

    /// Sends one request that was admitted, and learns from the answer.
    pub(super) async fn send<O: Operation>(
        &self,
        scope: &Scope,
        lane: Lane,
        backend: &Arc<dyn Backend>,
        operation: O,
    ) -> Result<O::Output, Failure>
    where
        dyn Backend: Perform<O>,
    {
        let answer = Perform::<O>::perform(backend.as_ref(), operation).await;
        self.learn::<O>(scope, lane, answer)
    }

    fn learn<O: Operation>(
        &self,
        scope: &Scope,
        lane: Lane,
        answer: Result<O::Output, AwsError>,
    ) -> Result<O::Output, Failure> {
        let now = self.clock.now();
        let mut state = self.state();
        match answer {
            Ok(output) => {
                state.count(scope, O::ACTION, Outcome::Done);
                Ok(output)
            }
            Err(error) => {
                let mut failure = Failure::of(O::ACTION, O::EFFECT, error);
                state.count(scope, O::ACTION, Outcome::Failed(failure.class));
                if failure.class == Class::Throttled {
                    let earliest = state.governor.throttled(scope, O::ACTION, lane, now);
                    failure.retry_at = Some(state.governor.line_up(scope, O::ACTION, lane, earliest));
                }
                Err(failure)
            }
        }
    }

    /// A call that panicked has left counters and buckets as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, scope: &Scope, action: &'static str, outcome: Outcome) {
        let count = self.counts.entry((scope.clone(), action, outcome)).or_default();
        *count = count.saturating_add(1);
    }
}

/// AWS, as one reconcile speaks to it: one account and Region, in one lane.
#[derive(Clone)]
pub struct Aws {
    pub(super) scope: Arc<Scope>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) gate: Arc<Gate>,
    pub(super) reads: Arc<Reads>,
    pub(super) lane: Lane,
}

impl Aws {
    /// A handle for drift, the last lane; see [`Self::lane`].
    #[must_use]
    pub fn new(scope: Scope, backend: Arc<dyn Backend>, reads: Arc<Reads>) -> Self {
        Self {
            scope: Arc::new(scope),
            backend,
            gate: Arc::clone(reads.gate()),
            reads,
            lane: Lane::Drift,
        }
    }

    /// The same AWS, asked for another reason.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> Self {
        Self { lane, ..self.clone() }
    }

    /// Which account and Region.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The gate that this goes through.
    #[must_use]
    pub const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Sends one request, if the fence and the governor let it through now.
    ///
    /// # Errors
    ///
    /// `Fenced` and `Throttled` (with the time to come back at) when nothing was sent; otherwise
    /// AWS's answer, classified.
    pub async fn call<O: Operation>(&self, operation: O) -> Result<O::Output, Failure>
    where
        dyn Backend: Perform<O>,
    {
        // The fence is looked at in the same poll that sends the request: nothing waits between.
        self.gate.admit::<O>(&self.scope, self.lane)?;
        self.gate.send(&self.scope, self.lane, &self.backend, operation).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::aws::ec2::{CreateTags, DescribeSubnets, Tags};
    use crate::aws::memory::{Fault, Memory};
    use crate::engine::clock::testing::Hands;

    const TAGS: &str = "ec2.CreateTags";
    const SUBNETS: &str = "ec2.DescribeSubnets";

    struct Setting {
        clock: Arc<Hands>,
        memory: Memory,
        gate: Arc<Gate>,
        aws: Aws,
    }

    fn setting() -> Setting {
        let clock = Arc::new(Hands::new());
        let memory = Memory::new();
        let gate = Arc::new(Gate::new(Arc::clone(&clock) as Arc<dyn Clock>, Governor::new(100)));
        let scope = Scope {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
        };
        let reads = Arc::new(Reads::new(Arc::clone(&gate)));
        let aws = Aws::new(scope, memory.region("eu-west-1"), reads).lane(Lane::Edit);
        Setting {
            clock,
            memory,
            gate,
            aws,
        }
    }

    impl Setting {
        fn write(&self) -> Result<(), Failure> {
            let tags = CreateTags {
                ids: vec!["sg-none".to_owned()],
                tags: Tags::new(),
            };
            self.aws.call(tags).now_or_never().unwrap()
        }

        fn read(&self) -> Result<usize, Failure> {
            let subnets = self.aws.call(DescribeSubnets::DefaultForAz).now_or_never().unwrap();
            subnets.map(|subnets| subnets.len())
        }

        fn class(&self) -> Class {
            self.write().unwrap_err().class
        }
    }

    #[test]
    fn a_process_that_never_led_reads_and_does_not_write() {
        let setting = setting();
        assert!(setting.read().is_ok());
        assert_eq!(setting.class(), Class::Fenced);
        assert!(setting.memory.writes().is_empty());
    }

    #[test]
    fn writes_go_through_until_the_renew_deadline_has_passed() {
        let setting = setting();
        setting.clock.advance(Duration::from_secs(100));
        setting.gate.open(Duration::from_secs(100));
        setting.clock.advance(RENEW_DEADLINE);
        assert_ne!(setting.class(), Class::Fenced);
        assert!(setting.gate.is_open());
        setting.clock.advance(Duration::from_millis(1));
        assert_eq!(setting.class(), Class::Fenced);
        assert!(!setting.gate.is_open());
        assert_eq!(setting.memory.writes().len(), 1);
        setting.gate.open(Duration::from_secs(114));
        assert_ne!(setting.class(), Class::Fenced, "the lease was renewed after all");
    }

    #[test]
    fn a_renewal_that_is_heard_of_late_shortens_nothing() {
        let setting = setting();
        setting.clock.advance(Duration::from_secs(20));
        setting.gate.open(Duration::from_secs(20));
        setting.gate.open(Duration::from_secs(1));
        assert_ne!(setting.class(), Class::Fenced);
    }

    #[test]
    fn a_closed_gate_is_never_opened_again() {
        let setting = setting();
        setting.gate.open(Duration::ZERO);
        setting.gate.close("shutting down");
        setting.gate.open(Duration::ZERO);
        let failure = setting.write().unwrap_err();
        assert_eq!(failure, Failure::fenced(TAGS, "shutting down"));
    }

    #[test]
    fn without_a_token_nothing_is_sent_and_everyone_gets_a_time_of_its_own() {
        let setting = setting();
        while setting.read().is_ok() {}
        let sent = setting.memory.calls().len();
        let [first, second] = [(); 2].map(|()| setting.read().unwrap_err());
        assert_eq!((first.class, second.class), (Class::Throttled, Class::Throttled));
        assert!(second.retry_at > first.retry_at);
        assert_eq!(setting.memory.calls().len(), sent);
    }

    #[test]
    fn throttling_by_aws_teaches_the_governor_and_says_when_to_come_back() {
        let setting = setting();
        setting.memory.fail_next(SUBNETS, Fault::Throttle);
        let failure = setting.read().unwrap_err();
        assert_eq!(failure.class, Class::Throttled);
        assert!(failure.retry_at > Some(setting.clock.now()));
        let levels = setting.gate.levels();
        assert_eq!((levels[0].tokens, levels[0].pace), (0, 500));
        assert_eq!(setting.read().unwrap_err().code, "Paced");
    }

    #[test]
    fn calls_are_counted_by_where_what_and_how_they_ended() {
        let setting = setting();
        setting.read().unwrap();
        setting.read().unwrap();
        setting.write().unwrap_err();
        setting.memory.fail_next(SUBNETS, Fault::deny());
        setting.read().unwrap_err();
        let counts: Vec<_> = setting
            .gate
            .counts()
            .into_iter()
            .map(|((scope, action, outcome), count)| (scope.region, action, outcome.name(), count))
            .collect();
        let row = |action, outcome, count| ("eu-west-1".to_owned(), action, outcome, count);
        assert_eq!(
            counts,
            [
                row(TAGS, "fenced", 1),
                row(SUBNETS, "done", 2),
                row(SUBNETS, "denied", 1),
            ]
        );
    }
}
