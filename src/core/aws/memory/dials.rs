//! What a test may turn, and arithmetic with time that never overflows.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

/// How slow, late and unwilling the AWS is. The emulator has the same dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dials {
    /// How long each change of state lasts: pending, stopping, shutting-down, modifying, …
    pub transition: SignedDuration,
    /// For how long what was just created is not found by id, nor listed (E7).
    pub visibility: SignedDuration,
    /// For how long a new tag is not found by a tag filter (E7).
    pub tag_visibility: SignedDuration,
    /// How long a terminated instance stays readable by id (E12).
    pub terminated: SignedDuration,
    /// How many items a page of a listing has; AWS's is 1,000 (E57).
    pub page_size: usize,
    /// Instance types for which launch and start lack capacity (E27).
    pub insufficient_capacity: BTreeSet<String>,
    /// Instance types whose launch is answered 200 and then dies (E8).
    pub die_from_pending: BTreeSet<String>,
    /// Whether a launch that lacked capacity burns its token, so that other parameters are a
    /// mismatch although there is no instance.
    pub burned_tokens: bool,
}

impl Default for Dials {
    fn default() -> Self {
        Self {
            transition: SignedDuration::from_secs(10),
            visibility: SignedDuration::ZERO,
            tag_visibility: SignedDuration::ZERO,
            terminated: SignedDuration::from_secs(3600),
            page_size: 1000,
            insufficient_capacity: BTreeSet::new(),
            die_from_pending: BTreeSet::new(),
            burned_tokens: false,
        }
    }
}

/// The moment after a duration, or the end of time.
pub(super) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}
