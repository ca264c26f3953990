//! Who refers to what, in both directions: so that a change of a Secret wakes those who use it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::resource::Key;

/// What a resource can refer to. References are by name: the target may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A Secret.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A `ConfigMap`.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A resource of one of our kinds.
    Resource {
        /// For example `MachineImage`.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, namespace, name) = match self {
            Self::Secret { namespace, name } => ("Secret", namespace, name),
            Self::ConfigMap { namespace, name } => ("ConfigMap", namespace, name),
            Self::Resource { kind, namespace, name } => (*kind, namespace, name),
        };
        write!(f, "{kind} {namespace}/{name}")
    }
}

/// All references there are.
#[derive(Clone, Debug, Default)]
pub struct References {
    targets: BTreeMap<Key, BTreeSet<Target>>,
    referrers: BTreeMap<Target, BTreeSet<Key>>,
}

impl References {
    /// No references.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            targets: BTreeMap::new(),
            referrers: BTreeMap::new(),
        }
    }

    /// Replaces what a resource refers to.
    pub fn set(&mut self, from: &Key, targets: impl IntoIterator<Item = Target>) {
        self.remove(from);
        let targets: BTreeSet<Target> = targets.into_iter().collect();
        for target in &targets {
            self.referrers.entry(target.clone()).or_default().insert(from.clone());
        }
        if !targets.is_empty() {
            self.targets.insert(from.clone(), targets);
        }
    }

    /// Forgets what a resource refers to. Others may go on referring to it.
    pub fn remove(&mut self, from: &Key) {
        for target in self.targets.remove(from).unwrap_or_default() {
            if let Some(referrers) = self.referrers.get_mut(&target) {
                referrers.remove(from);
                if referrers.is_empty() {
                    self.referrers.remove(&target);
                }
            }
        }
    }

    /// Those who refer to a target, whether it exists or not.
    #[must_use]
    pub fn who_refers_to(&self, target: &Target) -> Vec<Key> {
        self.referrers.get(target).into_iter().flatten().cloned().collect()
    }

    /// The Secrets that somebody refers to, as namespace and name: those that are read every minute
    /// where they may not be watched.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<(String, String)> {
        self.referrers
            .keys()
            .filter_map(|target| match target {
                Target::Secret { namespace, name } => Some((namespace.clone(), name.clone())),
                Target::ConfigMap { .. } | Target::Resource { .. } => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            kind: "Ec2Instance",
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
        }
    }

    fn secret(name: &str) -> Target {
        Target::Secret {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }
    }

    fn image(name: &str) -> Target {
        Target::Resource {
            kind: "MachineImage",
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_target_knows_all_who_refer_to_it() {
        let mut references = References::new();
        references.set(&key("web"), [secret("boot"), image("golden")]);
        references.set(&key("api"), [secret("boot")]);
        assert_eq!(references.who_refers_to(&secret("boot")), [key("api"), key("web")]);
        assert_eq!(references.who_refers_to(&image("golden")), [key("web")]);
        assert_eq!(references.who_refers_to(&secret("other")), []);
    }

    #[test]
    fn new_references_replace_the_old_ones() {
        let mut references = References::new();
        references.set(&key("web"), [secret("old")]);
        references.set(&key("web"), [secret("new")]);
        assert_eq!(references.who_refers_to(&secret("old")), []);
        assert_eq!(references.who_refers_to(&secret("new")), [key("web")]);
    }

    #[test]
    fn a_removed_resource_refers_to_nothing_but_may_be_referred_to() {
        let mut references = References::new();
        references.set(&key("web"), [secret("boot")]);
        references.set(
            &key("api"),
            [Target::Resource {
                kind: "Ec2Instance",
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
            }],
        );
        references.remove(&key("web"));
        assert!(references.secrets().is_empty());
        let web = Target::Resource {
            kind: "Ec2Instance",
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        assert_eq!(references.who_refers_to(&web), [key("api")]);
    }

    #[test]
    fn only_secrets_are_polled_and_each_once() {
        let mut references = References::new();
        let map = Target::ConfigMap {
            namespace: "shop".to_owned(),
            name: "boot".to_owned(),
        };
        references.set(&key("web"), [secret("boot"), map, image("golden")]);
        references.set(&key("api"), [secret("boot")]);
        assert_eq!(
            references.secrets().into_iter().collect::<Vec<_>>(),
            [("shop".to_owned(), "boot".to_owned())]
        );
    }

    #[test]
    fn a_target_reads_like_kubectl_writes_it() {
        assert_eq!(secret("boot").to_string(), "Secret shop/boot");
        assert_eq!(image("golden").to_string(), "MachineImage shop/golden");
    }
}
