//! How fast AWS may be asked: token buckets per account, Region and action, at a share of AWS's
//! documented limits.
//!
//! A bucket learns downwards when AWS throttles all the same, since others use the account too, and
//! recovers with time. Integers only, so that the same story always has the same end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::gate::Scope;
use super::queue::Lane;

/// One token, in millionths.
const TOKEN: u64 = 1_000_000;
/// The pace at which a bucket is not slowed, in millionths.
const FULL_PACE: u64 = 1_000_000;
/// The slowest that a bucket learns to be: 5 %.
const SLOWEST_PACE: u64 = FULL_PACE / 20;
/// How many seconds the way back from the slowest pace to the full one takes.
const RECOVERY: u64 = 300;
/// Requests that were under way together are throttled together. They are one lesson, not many.
const LESSON: SignedDuration = SignedDuration::from_secs(1);
/// How far ahead those who were refused are spread.
const SPREAD: SignedDuration = SignedDuration::from_secs(60);

/// One of AWS's request limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whose tokens they are: an action's own, or those of a whole service.
    pub bucket: &'static str,
    /// How many requests may come at once.
    pub burst: u32,
    /// How many more may come every second.
    pub per_second: u32,
}

/// AWS's limit for an action (`ec2.RunInstances`) in one account and Region.
///
/// Source: the throttling pages of each service, as gathered in `design/aws.md`. The limits that
/// EC2 counts by instance are left out: our calls name one instance each, so the limits that are
/// counted by call are always reached first. Where AWS documents nothing, the default is careful.
#[must_use]
pub fn limit(action: &'static str) -> Limit {
    let (bucket, burst, per_second) = match action {
        "ec2.RunInstances" | "ec2.StartInstances" => (action, 5, 2),
        "ec2.TerminateInstances"
        | "ec2.CreateSnapshot"
        | "ec2.CreateSnapshots"
        | "ec2.DeleteSnapshot"
        | "ec2.CreateVolume"
        | "ec2.DeleteVolume"
        | "ec2.DeregisterImage"
        | "ec2.ModifyImageAttribute"
        | "ec2.ModifySnapshotAttribute"
        | "ec2.ModifyInstanceMetadataOptions"
        | "ec2.AssociateIamInstanceProfile" => (action, 100, 5),
        "ec2.CopyImage" => (action, 100, 1),
        "ec2.CreateTags" | "ec2.DeleteTags" => (action, 100, 10),
        "lambda.GetFunction" => (action, 100, 100),
        "lambda.GetPolicy" => (action, 15, 15),
        "ssm.GetParameter" => (action, 40, 40),
        _ => match action.split_once('.') {
            Some(("ec2", name)) if name.starts_with("Describe") || name.starts_with("Get") => (action, 100, 20),
            Some(("ec2", _)) => (action, 50, 5),
            Some(("rds", _)) => ("rds", 300, 12),
            Some(("lambda", _)) => ("lambda", 15, 15),
            Some(_) | None => (action, 20, 10),
        },
    };
    Limit {
        bucket,
        burst,
        per_second,
    }
}

/// How much of a bucket a lane leaves for better lanes, in percent.
const fn reserve(lane: Lane) -> u64 {
    match lane {
        Lane::Edit | Lane::Deletion => 0,
        Lane::Convergence => 20,
        Lane::Drift => 40,
    }
}

/// A bucket as the metrics show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Where.
    pub scope: Scope,
    /// The action, or the service whose actions share it.
    pub bucket: &'static str,
    /// Whole tokens that are left.
    pub tokens: u64,
    /// How many it holds at most.
    pub burst: u64,
    /// Its pace after what AWS's throttling has taught, in thousandths of the full one.
    pub pace: u64,
}

#[derive(Clone, Debug)]
struct Bucket {
    /// What it holds at most, in millionths of a token.
    burst: u64,
    /// What comes every second at full pace, in millionths of a token.
    refill: u64,
    tokens: u64,
    filled_at: Timestamp,
    /// In millionths.
    pace: u64,
    paced_at: Timestamp,
    taught_at: Option<Timestamp>,
    /// When the next one in line may come, by lane.
    line: BTreeMap<Lane, Timestamp>,
}

impl Bucket {
    fn new(limit: Limit, share: u32, now: Timestamp) -> Self {
        let millionths = |count: u32| u64::from(count) * u64::from(share) * TOKEN / 100;
        let burst = millionths(limit.burst).max(TOKEN);
        Self {
            burst,
            refill: millionths(limit.per_second).max(TOKEN / 10),
            tokens: burst,
            filled_at: now,
            pace: FULL_PACE,
            paced_at: now,
            taught_at: None,
            line: BTreeMap::new(),
        }
    }

    /// Lets time pass.
    fn settle(&mut self, now: Timestamp) {
        let gained = earned(self.speed(), self.filled_at, now);
        // A gain too small to count is left for later, and a clock that was set back starts anew.
        if gained > 0 || now < self.filled_at {
            self.tokens = self.tokens.saturating_add(gained).min(self.burst);
            self.filled_at = now;
        }
        let recovered = earned((FULL_PACE - SLOWEST_PACE) / RECOVERY, self.paced_at, now);
        if recovered > 0 || now < self.paced_at {
            self.pace = self.pace.saturating_add(recovered).min(FULL_PACE);
            self.paced_at = now;
        }
    }

    /// Millionths of a token a second, at the present pace.
    fn speed(&self) -> u64 {
        (self.refill * self.pace / FULL_PACE).max(1)
    }

    /// What must be there for this lane to take one.
    fn needed(&self, lane: Lane) -> u64 {
        (self.burst * reserve(lane) / 100 + TOKEN).min(self.burst)
    }

    fn take(&mut self, lane: Lane, now: Timestamp) -> Result<(), Timestamp> {
        self.settle(now);
        if self.tokens >= self.needed(lane) {
            self.tokens -= TOKEN;
            return Ok(());
        }
        Err(self.next_token(lane, now))
    }

    /// When there is a token for this lane, if nobody else takes it.
    fn next_token(&self, lane: Lane, now: Timestamp) -> Timestamp {
        let missing = self.needed(lane).saturating_sub(self.tokens);
        later(now, time_for(missing, self.speed()))
    }

    fn line_up(&mut self, lane: Lane, earliest: Timestamp) -> Timestamp {
        let next = self.line.get(&lane).copied().unwrap_or(earliest);
        let turn = if next < earliest || next > later(earliest, SPREAD) {
            earliest
        } else {
            next
        };
        let following = later(turn, time_for(TOKEN, self.speed()));
        self.line.insert(lane, following);
        turn
    }

    fn throttled(&mut self, now: Timestamp) {
        self.settle(now);
        self.tokens = 0;
        let known = self
            .taught_at
            .is_some_and(|at| at <= now && now.duration_since(at) < LESSON);
        if !known {
            self.pace = (self.pace / 2).max(SLOWEST_PACE);
            self.paced_at = now;
            self.taught_at = Some(now);
        }
    }
}

/// What comes in between two moments at so much a second; nothing when the clock was set back.
fn earned(per_second: u64, from: Timestamp, to: Timestamp) -> u64 {
    let micros = u128::try_from(to.duration_since(from).as_micros()).unwrap_or(0);
    u64::try_from(micros * u128::from(per_second) / 1_000_000).unwrap_or(u64::MAX)
}

/// How long so much takes to come in at so much a second.
fn time_for(missing: u64, per_second: u64) -> SignedDuration {
    let micros = (u128::from(missing) * 1_000_000).div_ceil(u128::from(per_second.max(1)));
    SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// All buckets.
#[derive(Clone, Debug)]
pub struct Governor {
    /// In percent.
    share: u32,
    buckets: BTreeMap<Scope, BTreeMap<&'static str, Bucket>>,
}

impl Governor {
    /// The share of AWS's limits that is ours unless the administrator says otherwise, in percent.
    pub const SHARE: u32 = 80;

    /// Keeps to this share of AWS's limits, in percent; 1 to 100.
    #[must_use]
    pub fn new(share: u32) -> Self {
        Self {
            share: share.clamp(1, 100),
            buckets: BTreeMap::new(),
        }
    }

    /// Takes a token for one request, or says when there will be one at the earliest.
    ///
    /// A worse lane leaves a reserve for better ones, so when tokens are short these go first.
    ///
    /// # Errors
    ///
    /// When there will be a token.
    pub fn take(&mut self, scope: &Scope, action: &'static str, lane: Lane, now: Timestamp) -> Result<(), Timestamp> {
        self.bucket(scope, action, now).take(lane, now)
    }

    /// Gives one who was refused a time of its own to come back at, not before `earliest`.
    ///
    /// If all came back with the next token, all but one would have observed AWS in vain. The line
    /// is a minute long; who comes after that stands beside the first.
    pub fn line_up(&mut self, scope: &Scope, action: &'static str, lane: Lane, earliest: Timestamp) -> Timestamp {
        self.bucket(scope, action, earliest).line_up(lane, earliest)
    }

    /// AWS has throttled a request: the bucket was not as full as we thought, and is slower. Says
    /// when there will be a token at the earliest.
    pub fn throttled(&mut self, scope: &Scope, action: &'static str, lane: Lane, now: Timestamp) -> Timestamp {
        let bucket = self.bucket(scope, action, now);
        bucket.throttled(now);
        bucket.next_token(lane, now)
    }

    /// Every bucket that was used.
    #[must_use]
    pub fn levels(&self, now: Timestamp) -> Vec<Level> {
        let level = |scope: &Scope, bucket: &'static str, state: &Bucket| {
            let mut state = state.clone();
            state.settle(now);
            Level {
                scope: scope.clone(),
                bucket,
                tokens: state.tokens / TOKEN,
                burst: state.burst / TOKEN,
                pace: state.pace * 1_000 / FULL_PACE,
            }
        };
        self.buckets
            .iter()
            .flat_map(|(scope, buckets)| buckets.iter().map(move |(bucket, state)| level(scope, bucket, state)))
            .collect()
    }

    fn bucket(&mut self, scope: &Scope, action: &'static str, now: Timestamp) -> &mut Bucket {
        let limit = limit(action);
        let share = self.share;
        self.buckets
            .entry(scope.clone())
            .or_default()
            .entry(limit.bucket)
            .or_insert_with(|| Bucket::new(limit, share, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_795_435_200, 0);
    const RUN: &str = "ec2.RunInstances";

    fn at(milliseconds: i64) -> Timestamp {
        NOON + SignedDuration::from_millis(milliseconds)
    }

    fn scope(region: &str) -> Scope {
        Scope {
            account: "123456789012".to_owned(),
            region: region.to_owned(),
        }
    }

    /// How many tokens a lane gets at one moment.
    fn drain(governor: &mut Governor, action: &'static str, lane: Lane, now: Timestamp) -> usize {
        std::iter::from_fn(|| governor.take(&scope("eu-west-1"), action, lane, now).ok()).count()
    }

    #[test]
    fn the_table_says_what_aws_documents() {
        let table = [
            ("ec2.DescribeInstances", "ec2.DescribeInstances", 100, 20),
            (RUN, RUN, 5, 2),
            ("ec2.StopInstances", "ec2.StopInstances", 50, 5),
            ("ec2.TerminateInstances", "ec2.TerminateInstances", 100, 5),
            ("ec2.CreateTags", "ec2.CreateTags", 100, 10),
            ("rds.CreateDBInstance", "rds", 300, 12),
            ("lambda.GetFunction", "lambda.GetFunction", 100, 100),
            ("lambda.CreateFunction", "lambda", 15, 15),
            ("sts.GetCallerIdentity", "sts.GetCallerIdentity", 20, 10),
        ];
        for (action, bucket, burst, per_second) in table {
            assert_eq!(
                limit(action),
                Limit {
                    bucket,
                    burst,
                    per_second
                },
                "{action}"
            );
        }
    }

    #[test]
    fn a_share_of_the_burst_comes_at_once_and_a_share_of_the_refill_after_it() {
        let mut governor = Governor::new(80);
        assert_eq!(drain(&mut governor, RUN, Lane::Edit, at(0)), 4);
        let until = governor.take(&scope("eu-west-1"), RUN, Lane::Edit, at(0));
        assert_eq!(until, Err(at(625)), "1.6 a second");
        assert_eq!(drain(&mut governor, RUN, Lane::Edit, at(624)), 0);
        assert_eq!(drain(&mut governor, RUN, Lane::Edit, at(625)), 1);
        assert_eq!(
            drain(&mut governor, RUN, Lane::Edit, at(10_625)),
            4,
            "never more than the burst"
        );
    }

    #[test]
    fn worse_lanes_leave_a_reserve_for_better_ones() {
        let read = "ec2.DescribeInstances";
        let mut governor = Governor::new(100);
        assert_eq!(drain(&mut governor, read, Lane::Drift, at(0)), 60);
        assert_eq!(drain(&mut governor, read, Lane::Convergence, at(0)), 20);
        assert_eq!(drain(&mut governor, read, Lane::Deletion, at(0)), 20);
        assert_eq!(drain(&mut governor, read, Lane::Edit, at(0)), 0);
    }

    #[test]
    fn every_lane_gets_something_out_of_the_smallest_bucket() {
        for lane in Lane::ALL {
            assert!(drain(&mut Governor::new(1), RUN, lane, at(0)) >= 1, "{lane}");
        }
    }

    #[test]
    fn regions_and_accounts_do_not_share() {
        let mut governor = Governor::new(80);
        drain(&mut governor, RUN, Lane::Edit, at(0));
        assert_eq!(governor.take(&scope("us-east-1"), RUN, Lane::Edit, at(0)), Ok(()));
    }

    #[test]
    fn throttling_empties_the_bucket_and_halves_its_pace() {
        let mut governor = Governor::new(100);
        let earliest = governor.throttled(&scope("eu-west-1"), RUN, Lane::Edit, at(0));
        assert_eq!(earliest, at(1_000));
        let until = governor.take(&scope("eu-west-1"), RUN, Lane::Edit, at(0));
        assert_eq!(until, Err(at(1_000)), "1 a second in place of 2");
    }

    #[test]
    fn requests_that_are_throttled_together_are_one_lesson() {
        let mut governor = Governor::new(100);
        let pace = |governor: &Governor, now| governor.levels(now)[0].pace;
        for _ in 0..50 {
            governor.throttled(&scope("eu-west-1"), RUN, Lane::Edit, at(0));
        }
        assert_eq!(pace(&governor, at(0)), 500);
        governor.throttled(&scope("eu-west-1"), RUN, Lane::Edit, at(1_000));
        assert_eq!(pace(&governor, at(1_000)), 251, "half of what had recovered by then");
    }

    #[test]
    fn the_pace_has_a_floor_and_recovers_within_five_minutes() {
        let mut governor = Governor::new(100);
        for second in 0..20 {
            governor.throttled(&scope("eu-west-1"), RUN, Lane::Edit, at(second * 1_000));
        }
        let pace = |milliseconds| governor.levels(at(milliseconds))[0].pace;
        assert_eq!(pace(19_000), 50);
        assert!(
            (500..550).contains(&pace(19_000 + 150_000)),
            "half way: {}",
            pace(169_000)
        );
        assert_eq!(pace(19_000 + 300_500), 1_000);
    }

    #[test]
    fn recovery_is_the_same_whether_it_is_watched_or_not() {
        let mut watched = Governor::new(100);
        let mut alone = Governor::new(100);
        for governor in [&mut watched, &mut alone] {
            governor.throttled(&scope("eu-west-1"), RUN, Lane::Edit, at(0));
        }
        for step in 1..=1_000 {
            let _ = watched.take(&scope("eu-west-1"), RUN, Lane::Drift, at(step * 100));
        }
        let (watched, alone) = (watched.levels(at(100_000))[0].pace, alone.levels(at(100_000))[0].pace);
        assert!(alone.abs_diff(watched) <= 1, "{watched} {alone}");
    }

    #[test]
    fn those_who_are_refused_come_back_one_by_one() {
        let mut governor = Governor::new(80);
        drain(&mut governor, RUN, Lane::Convergence, at(0));
        let scope = scope("eu-west-1");
        let earliest = governor.take(&scope, RUN, Lane::Convergence, at(0)).unwrap_err();
        let turns: Vec<_> = (0..3)
            .map(|_| {
                governor
                    .line_up(&scope, RUN, Lane::Convergence, earliest)
                    .duration_since(earliest)
                    .as_millis()
            })
            .collect();
        assert_eq!(turns, [0, 625, 1_250]);
        let last = (0..1_000)
            .map(|_| governor.line_up(&scope, RUN, Lane::Convergence, earliest))
            .max();
        assert!(
            last.unwrap() <= earliest + SPREAD,
            "nobody is sent away for longer than a minute"
        );
    }

    #[test]
    fn a_clock_that_was_set_back_neither_fills_nor_freezes_a_bucket() {
        let mut governor = Governor::new(80);
        assert_eq!(drain(&mut governor, RUN, Lane::Edit, at(3_600_000)), 4);
        assert_eq!(drain(&mut governor, RUN, Lane::Edit, at(0)), 0);
        assert_eq!(drain(&mut governor, RUN, Lane::Edit, at(625)), 1);
    }
}
