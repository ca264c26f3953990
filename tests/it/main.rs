//! The integration tests: the real operator on a real API server, with the local AWS and the fault
//! proxy behind it. They need an environment, so `make test` starts them; by hand:
//!
//! ```text
//! NUVEM_ARGS="--sweep-interval-seconds 5" make up
//! NUVEM_ENV_FILE=.local/env cargo test --package nuvem --test it
//! ```
//!
//! Each test has an environment to itself while it runs. With several, which stand in
//! `NUVEM_ENV_FILE` with colons between them, as many tests run at a time.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that meets what it does not expect ends there"
)]

mod adoption;
mod chart;
mod conditions;
mod crds;
mod create;
mod deletion;
mod drift;
mod examples;
mod faults;
mod hands_off;
mod in_place;
mod kills;
mod ownership;
mod people;
mod references;
mod replicas;
mod resize;
mod restart;
mod secrets;
mod support;
mod validation;
mod volumes;
mod wrap_up;
