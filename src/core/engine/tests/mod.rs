//! The engine and the kind `Ec2Instance` as they are, over the AWS in memory and a cluster in
//! memory, with time that passes only when nothing else is left to do.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect ends there"
)]

mod cluster;
mod fate;
mod stage;

mod aws_refuses;
mod crashes;
mod deletion;
mod disruption;
mod drift;
mod edits;
mod hands_off;
mod lateness;
mod ownership;
mod quiet;
mod random;
mod secrets;
mod text;
