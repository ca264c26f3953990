//! The kube client: watches, reads, status and finalizer writes, events, the Lease.

pub mod client;
pub mod events;
pub mod lease;
pub mod watch;
