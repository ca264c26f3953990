//! The contract suite: one set of cases on the in-memory AWS and, through the SDK, on the emulator,
//! so that the model which the engine's tests and the simulator trust behaves as the emulator does.
//!
//! `cargo test --test contract memory` needs nothing else, and neither do nuvem-core's own tests,
//! which have the same cases. The half on the emulator needs an environment: `make test`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "a test that meets what it does not expect ends there"
)]

// The cases find the core as their parent's, since nuvem-core includes them too.
extern crate nuvem_core;

mod cases;
mod emulator;
mod memory;
mod stage;
