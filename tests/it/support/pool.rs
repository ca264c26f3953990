//! The environments of this run. Faults, dials and restarts hold for a whole environment, so each
//! scene has one to itself; with several of them, as many tests run at a time.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::env::Env;

struct Pool {
    all: Vec<Env>,
    free: Mutex<Vec<Env>>,
    returned: Condvar,
}

/// An environment that nobody else uses until this is dropped.
pub struct Taken {
    env: Env,
}

impl Deref for Taken {
    type Target = Env;

    fn deref(&self) -> &Env {
        &self.env
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let pool = pool();
        pool.free().push(self.env.clone());
        pool.returned.notify_all();
    }
}

impl Pool {
    /// A test that fails holds the lock only for a push or a pop: what is under it is right.
    fn free(&self) -> MutexGuard<'_, Vec<Env>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, ready: impl Fn(&[Env]) -> bool) -> MutexGuard<'_, Vec<Env>> {
        self.returned
            .wait_while(self.free(), |free| !ready(free))
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for an environment and takes it.
pub fn take() -> Taken {
    let mut free = pool().wait_until(|free| !free.is_empty());
    Taken {
        env: free.pop().expect("one is free"),
    }
}

/// Waits until all other scenes have ended, and takes every environment.
pub fn take_all() -> Vec<Taken> {
    let pool = pool();
    let mut free = pool.wait_until(|free| free.len() == pool.all.len());
    free.drain(..).map(|env| Taken { env }).collect()
}

/// Where an environment of a test's own may lie.
pub fn folder(name: &str) -> PathBuf {
    pool().all.first().expect("an environment").state.join(name)
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let all = Env::of_this_run();
        Pool {
            free: Mutex::new(all.clone()),
            all,
            returned: Condvar::new(),
        }
    })
}
