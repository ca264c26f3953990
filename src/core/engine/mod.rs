//! Written once, and knows no kind: the pipe, and everything around it.

pub mod clock;
pub mod cluster;
pub mod conditions;
#[expect(clippy::module_inception, reason = "the engine's memory is the engine")]
pub mod engine;
pub mod gate;
pub mod governor;
pub mod kind;
pub mod leader;
pub mod ledger;
pub mod ownership;
pub mod permit;
pub mod plan;
pub mod queue;
pub mod reads;
pub mod reconcile;
pub mod references;
pub mod requeue;
pub mod resource;
pub mod schedule;
pub mod sweep;
#[cfg(test)]
mod tests;
