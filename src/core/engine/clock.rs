//! Time as a parameter: the one trait through which nuvem-core learns what time it is.

use std::time::Duration;

use jiff::Timestamp;

/// Two clocks, since they answer different questions.
///
/// The wall clock says when something is due, and may be set. The boot clock measures how long
/// something took, and so decides about leadership.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment (`CLOCK_BOOTTIME`). It is never set, and it goes on while
    /// the process is frozen or the machine is suspended, so that neither can hide from it.
    fn boottime(&self) -> Duration;
}

#[cfg(test)]
pub(crate) mod testing {
    //! A clock that a test sets by hand.

    use std::sync::Mutex;

    use super::{Clock, Duration, Timestamp};

    /// Both clocks move together, and only when told to.
    pub(crate) struct Hands {
        /// What has passed since the beginning.
        passed: Mutex<Duration>,
    }

    impl Hands {
        /// Begins at noon of 2026-11-23 UTC.
        pub(crate) fn new() -> Self {
            Self {
                passed: Mutex::new(Duration::ZERO),
            }
        }

        pub(crate) fn advance(&self, by: Duration) {
            *self.passed.lock().unwrap() += by;
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::constant(1_795_435_200, 0) + self.boottime()
        }

        fn boottime(&self) -> Duration {
            *self.passed.lock().unwrap()
        }
    }
}
