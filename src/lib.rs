//! The edge of nuvem: what connects the engine in `nuvem-core` to AWS and to Kubernetes.

pub mod accounts;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod http;
pub mod metrics;
pub mod operator;
