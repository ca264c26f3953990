//! The kinds: one folder each, with the same files in it. `mod.rs` says what a kind owns,
//! `spec.rs` what a user writes, `desired.rs` validates it, `observe.rs` reads AWS, `plan.rs`
//! decides, `act.rs` writes.

pub mod ec2_instance;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::core::ApiResource;

/// The CRDs of all kinds, in the form in which they are committed.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![crate::crd::finished(ec2_instance::spec::Ec2Instance::crd())]
}

/// What the API server calls a kind of ours.
#[must_use]
pub fn api_resource(kind: &str) -> Option<ApiResource> {
    let all = [ApiResource::erase::<ec2_instance::spec::Ec2Instance>(&())];
    all.into_iter().find(|resource| resource.kind == kind)
}
