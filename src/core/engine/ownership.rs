//! Whose something in AWS is. Tags are copied by AWS itself, so a tag alone proves nothing: what
//! the ledger does not know is taken over only with a second proof.

use sha2::{Digest, Sha256};

use super::resource::Key;
use crate::aws::ec2::Tags;

/// The tags that mark what is ours.
pub mod tag {
    /// The cluster's id.
    pub const CLUSTER: &str = "nuvem.dev/cluster";
    /// The uid of the `kube-system` namespace, which tells clusters apart whatever their id.
    pub const HOME: &str = "nuvem.dev/home";
    /// `Kind/namespace/name`.
    pub const RESOURCE: &str = "nuvem.dev/resource";
    /// The object's uid.
    pub const UID: &str = "nuvem.dev/uid";
    /// Which part, and which incarnation: `instance.0`.
    pub const PART: &str = "nuvem.dev/part";
    /// Set on what was taken over by `nuvem.dev/adopt`.
    pub const ADOPTED: &str = "nuvem.dev/adopted";
    /// Consent of AWS's side to an adoption: `<cluster id>/<namespace>`.
    pub const ADOPTABLE_BY: &str = "nuvem.dev/adoptable-by";
    /// Set from AWS's side: touch nothing.
    pub const HOLD: &str = "nuvem.dev/hold";
    /// Where something that was kept on purpose came from.
    pub const KEPT_FROM: &str = "nuvem.dev/kept-from";
    /// When it was kept.
    pub const KEPT_AT: &str = "nuvem.dev/kept-at";
    /// AWS's own tag for a display name.
    pub const NAME: &str = "Name";
}

/// The keys of the tags that say whose something is.
pub const OWNER_TAGS: [&str; 5] = [tag::CLUSTER, tag::HOME, tag::RESOURCE, tag::UID, tag::PART];

/// Who this cluster is towards AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// The Helm value, by default the home.
    pub id: String,
    /// The uid of `kube-system`.
    pub home: String,
    /// Homes of clusters that this one replaces.
    pub take_over_from: Vec<String>,
}

/// Whose one resource's parts are: what its tags, names and tokens are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// The object.
    pub key: Key,
}

/// What tags say about who owns something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This very object, under this uid or an earlier one. The incarnation is the tag's.
    Ours {
        /// The uid in the tags.
        uid: String,
        /// The incarnation in the tags.
        incarnation: u32,
    },
    /// Nobody's: no owner tags at all.
    Nobody,
    /// Another object's, another cluster's, or another part's. In words.
    Other(String),
}

impl Owner {
    /// The owner tags of one part.
    #[must_use]
    pub fn tags(&self, part: &str, incarnation: u32) -> Tags {
        [
            (tag::CLUSTER, self.cluster.id.clone()),
            (tag::HOME, self.cluster.home.clone()),
            (tag::RESOURCE, self.key.resource()),
            (tag::UID, self.key.uid.clone()),
            (tag::PART, format!("{part}.{incarnation}")),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// The tags that find what belongs to this object, whatever its uid was.
    #[must_use]
    pub fn search(&self) -> Vec<(String, String)> {
        vec![
            (tag::CLUSTER.to_owned(), self.cluster.id.clone()),
            (tag::RESOURCE.to_owned(), self.key.resource()),
        ]
    }

    /// Reads who the tags of something say that it belongs to.
    #[must_use]
    pub fn claim(&self, part: &str, tags: &Tags) -> Claim {
        if OWNER_TAGS.iter().all(|key| !tags.contains_key(*key)) {
            return Claim::Nobody;
        }
        let value = |key: &str| tags.get(key).map(String::as_str).unwrap_or_default();
        let home = value(tag::HOME);
        if home != self.cluster.home && !self.cluster.take_over_from.iter().any(|old| old == home) {
            return Claim::Other(format!("cluster {} (home {home})", value(tag::CLUSTER)));
        }
        if value(tag::CLUSTER) != self.cluster.id && home == self.cluster.home {
            return Claim::Other(format!("cluster id {}", value(tag::CLUSTER)));
        }
        if value(tag::RESOURCE) != self.key.resource() {
            return Claim::Other(value(tag::RESOURCE).to_owned());
        }
        match value(tag::PART).rsplit_once('.') {
            Some((name, number)) if name == part => Claim::Ours {
                uid: value(tag::UID).to_owned(),
                incarnation: number.parse().unwrap_or_default(),
            },
            Some(_) | None => Claim::Other(format!("{} (part {})", self.key.resource(), value(tag::PART))),
        }
    }

    /// Whether the owner tags name somebody else than this object. Missing tags name nobody:
    /// what the ledger knows by id stays ours when its tags were stripped from outside.
    #[must_use]
    pub fn somebody_elses(&self, part: &str, tags: &Tags) -> Option<String> {
        // A tag that was changed by hand on our own object is told apart from a real other owner by
        // being complete: only a whole set of owner tags names an owner.
        if !OWNER_TAGS.iter().all(|key| tags.contains_key(*key)) {
            return None;
        }
        match self.claim(part, tags) {
            Claim::Ours { .. } | Claim::Nobody => None,
            Claim::Other(who) => Some(who),
        }
    }

    /// The client token of a create: 52 characters, derived from what the tags will say, so that
    /// it is a second proof of ownership (E1).
    #[must_use]
    pub fn token(&self, part: &str, incarnation: u32) -> String {
        token_of(
            &self.cluster.id,
            &self.cluster.home,
            &self.key.resource(),
            &self.key.uid,
            part,
            incarnation,
        )
    }

    /// Whether a thing with these owner tags was made with the token that its tags lead to.
    #[must_use]
    pub fn token_fits(part: &str, tags: &Tags, token: Option<&str>) -> bool {
        let value = |key: &str| tags.get(key).map(String::as_str).unwrap_or_default();
        let Some((_, number)) = value(tag::PART).rsplit_once('.') else {
            return false;
        };
        let expected = token_of(
            value(tag::CLUSTER),
            value(tag::HOME),
            value(tag::RESOURCE),
            value(tag::UID),
            part,
            number.parse().unwrap_or_default(),
        );
        token == Some(expected.as_str())
    }

    /// The name in AWS: `<namespace>-<name>-<8 hex>`, at most `limit` characters, of which the
    /// hash always stays.
    #[must_use]
    pub fn name(&self, limit: usize) -> String {
        let hash = hash(&[&self.cluster.id, &self.key.namespace, &self.key.name]);
        let suffix: String = hash.chars().take(8).collect();
        let readable: String = format!("{}-{}", self.key.namespace, self.key.name)
            .chars()
            .take(limit.saturating_sub(9))
            .collect();
        // AWS refuses group names of the form sg-* (E49).
        if readable.starts_with("sg-") {
            return format!(
                "nuvem-{}-{suffix}",
                readable.chars().take(limit.saturating_sub(15)).collect::<String>()
            );
        }
        format!("{readable}-{suffix}")
    }

    /// What a person with access to AWS must run to consent to an adoption.
    #[must_use]
    pub fn consent_command(&self, id: &str) -> String {
        format!(
            "aws ec2 create-tags --resources {id} --tags Key={},Value={}/{}",
            tag::ADOPTABLE_BY,
            self.cluster.id,
            self.key.namespace
        )
    }

    /// Whether the tags consent to being adopted into this namespace.
    #[must_use]
    pub fn consents(&self, tags: &Tags) -> bool {
        tags.get(tag::ADOPTABLE_BY)
            .is_some_and(|value| *value == format!("{}/{}", self.cluster.id, self.key.namespace))
    }
}

fn token_of(cluster: &str, home: &str, resource: &str, uid: &str, part: &str, incarnation: u32) -> String {
    let hash = hash(&[cluster, home, resource, uid, part, &incarnation.to_string()]);
    let short: String = hash.chars().take(46).collect();
    format!("nuvem-{short}")
}

/// A stable hash of several texts, in hex. Their boundaries count.
#[must_use]
pub fn hash(texts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            cluster: ClusterIdentity {
                id: "prod".to_owned(),
                home: "home-1".to_owned(),
                take_over_from: vec!["home-0".to_owned()],
            },
            key: Key {
                kind: "Ec2Instance",
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
                uid: "u-1".to_owned(),
            },
        }
    }

    #[test]
    fn our_own_tags_are_read_as_ours() {
        let tags = owner().tags("instance", 3);
        let ours = Claim::Ours {
            uid: "u-1".to_owned(),
            incarnation: 3,
        };
        assert_eq!(owner().claim("instance", &tags), ours);
    }

    #[test]
    fn an_object_made_again_under_another_uid_still_finds_its_own() {
        let mut earlier = owner();
        earlier.key.uid = "u-0".to_owned();
        let tags = earlier.tags("instance", 0);
        let token = earlier.token("instance", 0);
        assert!(matches!(owner().claim("instance", &tags), Claim::Ours { .. }));
        assert!(
            Owner::token_fits("instance", &tags, Some(&token)),
            "the token follows from the tags"
        );
    }

    #[test]
    fn copied_tags_prove_nothing() {
        let tags = owner().tags("instance", 0);
        assert!(!Owner::token_fits("instance", &tags, Some("somebody-elses")));
        assert!(!Owner::token_fits("instance", &tags, None));
    }

    #[test]
    fn another_home_is_not_ours_unless_it_is_taken_over() {
        let mut other = owner();
        other.cluster.home = "home-9".to_owned();
        assert!(matches!(
            owner().claim("instance", &other.tags("instance", 0)),
            Claim::Other(_)
        ));
        other.cluster.home = "home-0".to_owned();
        assert!(matches!(
            owner().claim("instance", &other.tags("instance", 0)),
            Claim::Ours { .. }
        ));
    }

    #[test]
    fn stripped_tags_name_nobody_else() {
        let mut tags = owner().tags("instance", 0);
        tags.remove(tag::UID);
        tags.insert(tag::RESOURCE.to_owned(), "Ec2Instance/other/thing".to_owned());
        assert_eq!(owner().somebody_elses("instance", &tags), None);
    }

    #[test]
    fn names_keep_their_hash_and_avoid_what_aws_refuses() {
        let mut long = owner();
        long.key.name = "x".repeat(200);
        assert_eq!(long.name(63).len(), 63);
        long.key.namespace = "sg".to_owned();
        assert!(!long.name(63).starts_with("sg-"));
        assert!(long.name(63).len() <= 63);
    }
}
