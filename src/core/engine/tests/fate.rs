//! Where the process dies: around the n-th write to AWS or to the cluster.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::aws::{AwsError, Backend, Effect, Operation, Perform};

/// To whom a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Aws,
    Cluster,
}

/// On which side of the write the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

#[derive(Debug, Default)]
struct State {
    doom: Option<(To, Moment, usize)>,
    writes: usize,
    dead: bool,
}

/// Decides when the process dies. Who is dead never gets an answer, and is dropped by the stage.
#[derive(Debug, Default)]
pub(super) struct Fate(Mutex<State>);

impl Fate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The process dies around the n-th write (from 0) from now on.
    pub(super) fn dies(&self, moment: Moment, to: To, nth: usize) {
        *self.state() = State {
            doom: Some((to, moment, nth)),
            ..State::default()
        };
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub(super) fn lives_on(&self) {
        *self.state() = State::default();
    }

    /// Passes one side of a write, or never does.
    pub(super) async fn pass(&self, moment: Moment, to: To) {
        let dies = {
            let mut state = self.state();
            let dies = state.doom == Some((to, moment, state.writes));
            let counts = state.doom.is_some_and(|(of, _, _)| of == to) && moment == Moment::After;
            state.writes += usize::from(counts);
            state.dead |= dies;
            dies
        };
        if dies {
            pending::<()>().await;
        }
    }
}

/// AWS in one Region, as far as the process lives to speak to it.
pub(super) struct Mortal {
    pub(super) aws: Arc<dyn Backend>,
    pub(super) fate: Arc<Fate>,
}

#[async_trait]
impl<O: Operation> Perform<O> for Mortal
where
    dyn Backend: Perform<O>,
{
    async fn perform(&self, operation: O) -> Result<O::Output, AwsError> {
        if O::EFFECT == Effect::Write {
            self.fate.pass(Moment::Before, To::Aws).await;
        }
        let answer = Perform::<O>::perform(self.aws.as_ref(), operation).await;
        if O::EFFECT == Effect::Write {
            self.fate.pass(Moment::After, To::Aws).await;
        }
        answer
    }
}
