//! Tags on anything in EC2: ours and the user's are kept, foreign ones stay.

use std::collections::BTreeSet;
use std::fmt;

use crate::aws::Failure;
use crate::aws::ec2::{CreateTags, DeleteTags, Tags};
use crate::engine::gate::Aws;

/// One write of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sets tags.
    Create(CreateTags),
    /// Takes tags away.
    Delete(DeleteTags),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(create) => write!(f, "tag {}: {}", create.ids.join(" "), pairs(&create.tags)),
            Self::Delete(delete) => {
                let keys: Vec<&str> = delete.keys.iter().map(String::as_str).collect();
                write!(f, "untag {}: {}", delete.ids.join(" "), keys.join(", "))
            }
        }
    }
}

/// Writes of tags as one sentence for people.
#[must_use]
pub fn summary(steps: &[Step]) -> String {
    let phrases = steps.iter().map(|step| match step {
        Step::Create(create) => format!("tagging {} with {}", create.ids.join(" and "), pairs(&create.tags)),
        Step::Delete(delete) => {
            let keys: Vec<&str> = delete.keys.iter().map(String::as_str).collect();
            format!("removing the tags {} of {}", keys.join(", "), delete.ids.join(" and "))
        }
    });
    let sentence = phrases.collect::<Vec<_>>().join("; ");
    let mut letters = sentence.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}

/// Tags as people read them.
#[must_use]
pub fn pairs(tags: &Tags) -> String {
    tags.iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Something that has tags.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its tags as they are.
    pub tags: &'a Tags,
    /// The tags that it must have.
    pub wanted: &'a Tags,
}

/// What must be written so that everything has the tags that it must have and none of those that
/// the user has taken out of the spec. Equal writes are one call.
#[must_use]
pub fn steps(things: &[Tagged<'_>], no_longer: &BTreeSet<String>) -> Vec<Step> {
    let mut creates: Vec<CreateTags> = Vec::new();
    let mut deletes: Vec<DeleteTags> = Vec::new();
    for thing in things {
        let missing = missing(thing.tags, thing.wanted);
        if !missing.is_empty() {
            match creates.iter_mut().find(|create| create.tags == missing) {
                Some(create) => create.ids.push(thing.id.to_owned()),
                None => creates.push(CreateTags {
                    ids: vec![thing.id.to_owned()],
                    tags: missing,
                }),
            }
        }
        let keys: BTreeSet<String> = no_longer
            .iter()
            .filter(|key| thing.tags.contains_key(*key) && !thing.wanted.contains_key(*key))
            .cloned()
            .collect();
        if !keys.is_empty() {
            match deletes.iter_mut().find(|delete| delete.keys == keys) {
                Some(delete) => delete.ids.push(thing.id.to_owned()),
                None => deletes.push(DeleteTags {
                    ids: vec![thing.id.to_owned()],
                    keys,
                }),
            }
        }
    }
    let creates = creates.into_iter().map(Step::Create);
    creates.chain(deletes.into_iter().map(Step::Delete)).collect()
}

/// The wanted tags that are not there, or have another value.
#[must_use]
pub fn missing(tags: &Tags, wanted: &Tags) -> Tags {
    wanted
        .iter()
        .filter(|(key, value)| tags.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Performs one write of tags.
///
/// # Errors
///
/// Whatever AWS refuses.
pub async fn act(aws: &Aws, step: &Step) -> Result<(), Failure> {
    match step.clone() {
        Step::Create(create) => aws.call(create).await,
        Step::Delete(delete) => aws.call(delete).await,
    }
}
