//! The fault proxy, and what was called through it in the whole run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tokio::runtime::Runtime;

use super::control::{Calls, Control, Dials, Fault, Switch};
use super::env::Env;

/// How long a change of state lasts in the tests.
const TRANSITION_SECONDS: f64 = 0.5;

/// The proxy of one environment.
pub struct Proxy {
    runtime: Runtime,
    control: Control,
    journal: PathBuf,
}

impl Proxy {
    pub fn new(env: &Env) -> Self {
        Self {
            runtime: Runtime::new().expect("a runtime"),
            control: Control::new(env.get("NUVEM_CONTROL_URL")),
            journal: env.state.join("it-calls.json"),
        }
    }

    /// No faults, and AWS as it is on a good day.
    pub fn calm(&self) {
        self.faults(Vec::new());
        self.dial(Dials {
            transition_seconds: Some(TRANSITION_SECONDS),
            visibility_seconds: Some(0.0),
            tag_visibility_seconds: Some(0.0),
            terminated_seconds: Some(3600.0),
            throttling: Some(Switch::Off),
            insufficient_capacity: Some(Vec::new()),
            ..Dials::default()
        });
    }

    pub fn faults(&self, faults: Vec<Fault>) {
        self.runtime.block_on(self.control.faults(faults)).expect("faults");
    }

    /// How many calls each fault has hit.
    pub fn hits(&self) -> Vec<u64> {
        self.runtime.block_on(self.control.hits()).expect("hits")
    }

    pub fn dial(&self, dials: Dials) {
        self.runtime.block_on(self.control.aws(dials)).expect("dials");
    }

    /// What was called since the last [`Self::count_anew`].
    pub fn calls(&self) -> Calls {
        self.runtime.block_on(self.control.calls()).expect("calls")
    }

    /// Counts from here on. What was called before stays in the run's journal.
    pub fn count_anew(&self) {
        self.note();
        self.runtime.block_on(self.control.reset_calls()).expect("a reset");
    }

    /// Writes down which calls were made, for the IAM policy's test.
    pub fn note(&self) {
        let mut all = self.made_in_this_run();
        let before = all.len();
        all.extend(self.calls().by.into_keys());
        if all.len() > before {
            std::fs::write(&self.journal, serde_json::to_vec_pretty(&all).expect("JSON")).expect("the journal");
        }
    }

    /// The names of all calls of this run and of those before it in this environment.
    pub fn made_in_this_run(&self) -> BTreeSet<String> {
        let text = std::fs::read(&self.journal).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// The names of the calls that could change something, in their order.
pub fn mutating(calls: &Calls) -> Vec<String> {
    calls.mutating().map(|call| call.call.clone()).collect()
}

/// How many calls only read.
pub fn reads(calls: &Calls) -> usize {
    calls.log.iter().filter(|call| !call.mutating).count()
}
