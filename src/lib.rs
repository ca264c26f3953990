//! The edge of nuvem: what connects the core, which decides, to AWS and to Kubernetes.

pub mod aws;
