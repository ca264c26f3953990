//! The engine
pub mod resource;
pub mod ledger;
