//! The harness: one environment, and a scene of its own in it for each test.

pub mod aws;
pub mod control;
pub mod env;
pub mod kubectl;
pub mod manifest;
pub mod object;
pub mod operator;
pub mod pool;
pub mod proxy;
pub mod scene;
pub mod wait;
pub mod xml;

pub use manifest::{AL2023, Manifest, firewalled, web};
pub use scene::Scene;
