//! An AWS in memory: EC2, Systems Manager and STS of one account with several Regions, for tests
//! of whatever speaks to AWS and for the simulator.
//!
//! It is deterministic: its clock is set by whoever owns it, ids are counted, and nothing is left
//! to an order of hashing. It is held to the numbered statements of
//! `design/aws-behaviours-ec2.md` (E1–E60), and by the contract suite to the emulator.
//!
//! An operation happens when its future is first polled; a future that is dropped before has done
//! nothing. None of the futures ever waits.

mod attributes;
mod catalogue;
mod dials;
mod faults;
mod groups;
mod instances;
mod launch;
mod lists;
mod network;
mod outside;
mod power;
mod refusals;
mod rules;
mod tags;
#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets what it does not expect ends there"
)]
mod tests;
mod volumes;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use catalogue::Facts;
pub use dials::Dials;
pub use faults::{Call, Ended, Fault, FaultPlan};
pub use outside::Outside;

use super::{AwsError, Backend, Perform};
use world::{Act, World};

/// The account that everything lies in.
pub const ACCOUNT: &str = "123456789012";

/// A handle on one AWS; its clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    world: Arc<Mutex<World>>,
}

impl Memory {
    /// An AWS in which nothing was made yet, at noon of 2026-11-23 UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A world whose test panicked is as good to look at as any other.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What nuvem speaks to, in one Region.
    #[must_use]
    pub fn region(&self, name: &str) -> Arc<dyn Backend> {
        Arc::new(Endpoint {
            memory: self.clone(),
            region: Arc::from(name),
        })
    }

    /// What a person at the console sees and does in one Region, and a test's assertions with it.
    #[must_use]
    pub fn outside(&self, region: &str) -> Outside {
        Outside::new(self.clone(), Arc::from(region))
    }

    /// What a Region has from the beginning.
    #[must_use]
    pub fn facts(&self, region: &str) -> Facts {
        self.world().region(region).facts()
    }

    /// What time it is there.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world().now
    }

    /// Sets the clock. It never goes back: an earlier moment leaves it as it is.
    pub fn set_now(&self, now: Timestamp) {
        let mut world = self.world();
        world.now = world.now.max(now);
    }

    /// Sets the clock forward.
    pub fn advance(&self, by: SignedDuration) {
        let now = dials::later(self.now(), by);
        self.set_now(now);
    }

    /// The dials as they are.
    #[must_use]
    pub fn dials(&self) -> Dials {
        self.world().dials.clone()
    }

    /// Turns dials. What is already under way takes the new durations, too.
    pub fn turn(&self, change: impl FnOnce(&mut Dials)) {
        change(&mut self.world().dials);
    }

    /// Makes the next call of an action (`ec2.RunInstances`) fail.
    pub fn fail_next(&self, action: &str, fault: Fault) {
        self.fail(FaultPlan::on(action, fault));
    }

    /// Makes calls fail by a plan. Of several that fit a call, the first that was given strikes.
    pub fn fail(&self, plan: FaultPlan) {
        self.world().faults.push(plan);
    }

    /// Forgets all planned faults.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// Every call since the beginning or the last [`Self::clear_calls`], those that failed included.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.world().calls.clone()
    }

    /// The actions of the recorded calls that may have changed something, in order.
    #[must_use]
    pub fn writes(&self) -> Vec<&'static str> {
        let world = self.world();
        world
            .calls
            .iter()
            .filter(|call| call.is_write())
            .map(|call| call.action)
            .collect()
    }

    /// Starts the record of calls anew.
    pub fn clear_calls(&self) {
        self.world().calls.clear();
    }
}

/// One Region of a [`Memory`].
struct Endpoint {
    memory: Memory,
    region: Arc<str>,
}

#[async_trait]
impl<O: Act> Perform<O> for Endpoint {
    async fn perform(&self, operation: O) -> Result<O::Output, AwsError> {
        self.memory.world().call(&self.region, operation)
    }
}
