//! What tests apply.

use serde_json::{Value, json};

/// AWS's own parameter for the newest Amazon Linux.
pub const AL2023: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// An `Ec2Instance` to apply.
#[derive(Clone, Debug)]
pub struct Manifest(Value);

/// The least that an instance needs.
pub fn web() -> Manifest {
    Manifest(json!({
        "apiVersion": "nuvem.dev/v1alpha1",
        "kind": "Ec2Instance",
        "metadata": {"name": "web"},
        "spec": {"image": {"ssmParameter": AL2023}, "instanceType": "t3.micro"},
    }))
}

/// The same behind a firewall of its own, which lets in SSH and HTTP.
pub fn firewalled() -> Manifest {
    web().spec(json!({"network": {"securityGroup": {"ingress": [
        {"port": 22, "cidrs": ["203.0.113.0/24"], "description": "SSH"},
        {"port": 80, "cidrs": ["0.0.0.0/0"], "description": "HTTP"},
    ]}}}))
}

impl Manifest {
    /// Under another name.
    pub fn named(mut self, name: &str) -> Self {
        self.0["metadata"]["name"] = json!(name);
        self
    }

    /// With these fields set in the spec; null takes a field away.
    pub fn spec(mut self, patch: Value) -> Self {
        merge(&mut self.0["spec"], patch);
        self
    }

    /// With another kind of image: the members of the union exclude each other.
    pub fn image(mut self, image: Value) -> Self {
        self.0["spec"]["image"] = image;
        self
    }

    /// With an annotation.
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        merge(&mut self.0["metadata"], json!({"annotations": {key: value}}));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().expect("a name")
    }

    /// For kubectl.
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

/// A JSON merge patch.
fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().expect("an object").remove(&key);
        } else {
            merge(&mut into[key], value);
        }
    }
}
