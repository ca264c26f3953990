//! When a resource comes back, as a pure function of why, how often and who.

use jiff::{SignedDuration, Timestamp};

use super::resource::Key;
use super::sweep::digest;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The least that a backoff waits, so that a lucky draw is no hot loop.
const SHORTEST_BACKOFF: u64 = 200;

/// Why a resource comes back. The attempts that go with it count from 0, the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// AWS is busy with it: 2 s, doubling to 15 s.
    CheckIn,
    /// It waits for what it refers to: 2 s, doubling to 15 s. A change of the target comes first.
    Reference,
    /// A passing failure: anything up to 1 s, doubling to 5 min (full jitter).
    Backoff,
    /// The governor or AWS said when there may be another request.
    Throttled {
        /// Not before this.
        until: Timestamp,
    },
    /// Only a person can heal it: 1 min, doubling to 30 min, each somewhat longer at random.
    Slowly,
    /// All is well: 12 h ± 20 %.
    Converged,
    /// A time that somebody has worked out: a window, a schedule, the end of a grace period.
    At(Timestamp),
}

/// When the resource comes back. Equal parameters give an equal answer.
#[must_use]
pub fn when(reason: Reason, attempts: u32, seed: u64, now: Timestamp) -> Timestamp {
    match reason {
        Reason::CheckIn | Reason::Reference => after(now, doubling(2 * SECOND, attempts, 15 * SECOND)),
        Reason::Backoff => {
            let most = doubling(SECOND, attempts, 5 * MINUTE);
            after(now, between(SHORTEST_BACKOFF, most, seed, attempts))
        }
        Reason::Slowly => {
            let least = doubling(MINUTE, attempts, 20 * MINUTE);
            after(now, between(least, least + least / 2, seed, attempts))
        }
        Reason::Converged => after(now, between(12 * HOUR * 4 / 5, 12 * HOUR * 6 / 5, seed, attempts)),
        // Who needs several tokens and takes each as it comes never has them together: those who
        // come in vain again leave the bucket more time to fill.
        Reason::Throttled { until } if attempts > 0 => {
            after(until.max(now), doubling(SHORTEST_BACKOFF, attempts - 1, 15 * SECOND))
        }
        Reason::Throttled { until } | Reason::At(until) => until.max(now),
    }
}

/// A number that tells one object from another, the same in every process: by its uid, so that an
/// object made again under its name has another.
#[must_use]
pub fn seed(key: &Key) -> u64 {
    digest(&key.uid)
}

/// In milliseconds.
fn doubling(first: u64, attempts: u32, most: u64) -> u64 {
    let factor = 1_u64.checked_shl(attempts).unwrap_or(u64::MAX);
    first.saturating_mul(factor).min(most)
}

/// A number of milliseconds that follows from who and how often, evenly spread.
fn between(least: u64, most: u64, seed: u64, attempts: u32) -> u64 {
    let span = most.saturating_sub(least).saturating_add(1);
    least + mix(seed ^ u64::from(attempts)) % span
}

/// The last step of `SplitMix64`: neighbouring numbers become numbers that have nothing in common.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn after(now: Timestamp, milliseconds: u64) -> Timestamp {
    let wait = SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX));
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_795_435_200, 0);

    fn wait(reason: Reason, attempts: u32, seed: u64) -> f64 {
        when(reason, attempts, seed, NOON).duration_since(NOON).as_secs_f64()
    }

    /// The shortest and the longest wait that any of many resources gets, in seconds.
    fn range(reason: Reason, attempts: u32) -> (f64, f64) {
        let waits: Vec<f64> = (0..2_000).map(|seed| wait(reason, attempts, seed)).collect();
        (
            waits.iter().copied().fold(f64::MAX, f64::min),
            waits.iter().copied().fold(f64::MIN, f64::max),
        )
    }

    #[test]
    fn check_ins_double_from_2_to_15_seconds() {
        for reason in [Reason::CheckIn, Reason::Reference] {
            let waits: Vec<f64> = [0, 1, 2, 3, 4, 64, u32::MAX]
                .map(|attempts| wait(reason, attempts, 7))
                .to_vec();
            assert_eq!(waits, [2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0]);
        }
    }

    #[test]
    fn a_jittered_wait_stays_in_its_range_and_uses_it() {
        let table = [
            (Reason::Backoff, 0, 0.2, 1.0),
            (Reason::Backoff, 3, 0.2, 8.0),
            (Reason::Backoff, 20, 0.2, 300.0),
            (Reason::Slowly, 0, 60.0, 90.0),
            (Reason::Slowly, 2, 240.0, 360.0),
            (Reason::Slowly, 40, 1_200.0, 1_800.0),
            (Reason::Converged, 0, 34_560.0, 51_840.0),
        ];
        for (reason, attempts, least, most) in table {
            let (shortest, longest) = range(reason, attempts);
            let slack = (most - least) / 50.0;
            assert!(
                (least..=least + slack).contains(&shortest),
                "{reason:?} {attempts}: {shortest}"
            );
            assert!(
                (most - slack..=most).contains(&longest),
                "{reason:?} {attempts}: {longest}"
            );
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        assert_eq!(when(Reason::Backoff, 4, 9, NOON), when(Reason::Backoff, 4, 9, NOON));
        assert_ne!(when(Reason::Backoff, 4, 9, NOON), when(Reason::Backoff, 4, 10, NOON));
    }

    #[test]
    fn a_time_that_has_passed_means_now() {
        let earlier = NOON - SignedDuration::from_secs(9);
        assert_eq!(when(Reason::At(earlier), 0, 0, NOON), NOON);
        assert_eq!(when(Reason::Throttled { until: earlier }, 0, 0, NOON), NOON);
        let later = NOON + SignedDuration::from_secs(9);
        assert_eq!(when(Reason::At(later), 0, 0, NOON), later);
    }

    #[test]
    fn objects_of_one_name_have_different_seeds() {
        let key = |uid: &str| Key {
            kind: "Ec2Instance",
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            uid: uid.to_owned(),
        };
        assert_ne!(seed(&key("a")), seed(&key("b")));
    }
}
