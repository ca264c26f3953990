//! Faults for tests: which calls fail, and how; and the record of all calls.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::{AwsError, Effect};
use super::refusals::{refused_with, throttled};

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// AWS refuses, and does nothing.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// AWS's error code.
        code: String,
        /// AWS's sentence.
        message: String,
    },
    /// AWS acts, and its answer never arrives.
    LoseReply,
    /// The call never reaches AWS, and nobody knows.
    Drop,
    /// AWS refuses for the rate of the calls (E60).
    Throttle,
}

impl Fault {
    /// A refusal with a code and a sentence, of HTTP 400.
    #[must_use]
    pub fn refuse(code: &str, message: &str) -> Self {
        Self::Refuse {
            status: 400,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// A missing permission (E60).
    #[must_use]
    pub fn deny() -> Self {
        Self::Refuse {
            status: 403,
            code: "UnauthorizedOperation".to_owned(),
            message: "You are not authorized to perform this operation. Encoded authorization failure message: qx7"
                .to_owned(),
        }
    }

    /// What the caller gets, whether or not AWS acts.
    pub(super) fn error(self) -> AwsError {
        match self {
            Self::Refuse { status, code, message } => refused_with(status, &code, message),
            Self::LoseReply | Self::Drop => AwsError::NoAnswer("the connection was lost".to_owned()),
            Self::Throttle => throttled(),
        }
    }
}

/// Which calls a plan is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum On {
    Action(String),
    AnyWrite,
    Any,
}

/// Which calls fail: those of an action, from the first or a later one on, each or every n-th, once
/// or more often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    on: On,
    fault: Fault,
    skip: u32,
    every: u32,
    /// How often it strikes yet; `None` for ever.
    left: Option<u32>,
    seen: u32,
}

impl FaultPlan {
    const fn new(on: On, fault: Fault) -> Self {
        Self {
            on,
            fault,
            skip: 0,
            every: 1,
            left: Some(1),
            seen: 0,
        }
    }

    /// The next call of this action (`ec2.RunInstances`).
    #[must_use]
    pub fn on(action: &str, fault: Fault) -> Self {
        Self::new(On::Action(action.to_owned()), fault)
    }

    /// The next call that writes.
    #[must_use]
    pub const fn on_any_write(fault: Fault) -> Self {
        Self::new(On::AnyWrite, fault)
    }

    /// The next call, whichever it is.
    #[must_use]
    pub const fn on_any(fault: Fault) -> Self {
        Self::new(On::Any, fault)
    }

    /// Lets the first `calls` pass.
    #[must_use]
    pub const fn after(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// Strikes the n-th, 2n-th, … call only.
    #[must_use]
    pub const fn every(mut self, nth: u32) -> Self {
        self.every = if nth == 0 { 1 } else { nth };
        self
    }

    /// Strikes this many times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// Strikes until the faults are cleared.
    #[must_use]
    pub const fn forever(mut self) -> Self {
        self.left = None;
        self
    }

    /// Counts a call, and says whether it fails.
    pub(super) fn strike(&mut self, action: &str, effect: Effect) -> Option<Fault> {
        let fits = match &self.on {
            On::Action(wanted) => wanted == action,
            On::AnyWrite => effect == Effect::Write,
            On::Any => true,
        };
        if !fits || self.is_over() {
            return None;
        }
        self.seen = self.seen.saturating_add(1);
        let counted = self.seen.checked_sub(self.skip).filter(|counted| *counted > 0)?;
        if !counted.is_multiple_of(self.every) {
            return None;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        Some(self.fault.clone())
    }

    /// Whether it never strikes again.
    pub(super) fn is_over(&self) -> bool {
        self.left == Some(0)
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// AWS did it, or answered the question.
    Done,
    /// AWS refused with this code.
    Refused(String),
    /// AWS acted or refused; the caller never learnt which.
    ReplyLost,
    /// AWS never saw it.
    Dropped,
}

/// One call, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When.
    pub at: Timestamp,
    /// In which Region.
    pub region: Arc<str>,
    /// For example `ec2.RunInstances`.
    pub action: &'static str,
    /// Read or write.
    pub effect: Effect,
    /// The id, the ids with a space between, the name or the token that it was about; empty for a
    /// listing.
    pub subject: String,
    /// How it ended.
    pub ended: Ended,
}

impl Call {
    /// Whether it might have changed something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.effect == Effect::Write
    }
}
