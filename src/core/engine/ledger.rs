//! The ledger: `status.parts`, what a resource owns in AWS and what it takes to find it again.
//! Creates, ownership, the sweep and deletion read only this. Losing it costs reads, never data.

use crate::words::words;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

words! {
    /// What the ledger knows of a part's life.
    PartState {
        /// A create was decided and may have been sent.
        Recorded = "Recorded",
        /// It was seen in AWS under its id.
        Living = "Living",
        /// AWS does not show it under its id; that proves nothing yet.
        Missing = "Missing",
        /// AWS has accepted to take it away.
        Leaving = "Leaving",
        /// It is gone, and so is its token.
        Gone = "Gone",
    }
}

/// What AWS answered the last time it refused something about a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// AWS's code.
    pub code: String,
    /// AWS's sentence.
    pub message: String,
    /// A hash of what was refused, so that it is not tried again until something changes.
    pub params_hash: String,
}

/// One thing in AWS that belongs to a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Which part of the resource, for example instance or securityGroup.
    pub part: String,
    /// How many there were before it: a terminated instance's successor has the next number.
    pub incarnation: u32,
    /// Where it is.
    pub region: String,
    /// Its name in AWS, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its id in AWS, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is known of its life.
    pub state: PartState,
    /// Since when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The client token of its create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// A hash of the parameters of its create; a Secret counts by its uid and resourceVersion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params_hash: Option<String>,
    /// Whether it existed before this resource took it over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The instance type to go back to when AWS lacks capacity for the new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// What the user data that the part has was made from (a hash, or a Secret's uid and version).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What AWS refused last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
}

/// The parts of one resource, with the operations that planners and the engine need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    parts: Vec<Part>,
}

impl Ledger {
    /// The ledger as the status has it.
    #[must_use]
    pub const fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// All parts, for the status.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The newest incarnation of a part.
    #[must_use]
    pub fn newest(&self, part: &str) -> Option<&Part> {
        self.parts
            .iter()
            .filter(|entry| entry.part == part)
            .max_by_key(|entry| entry.incarnation)
    }

    /// The newest incarnation of a part that is not gone.
    #[must_use]
    pub fn current(&self, part: &str) -> Option<&Part> {
        self.newest(part).filter(|entry| entry.state != PartState::Gone)
    }

    /// The id of the newest incarnation of a part, unless that is gone.
    #[must_use]
    pub fn id(&self, part: &str) -> Option<&str> {
        self.current(part)?.id.as_deref()
    }

    /// The number that a new incarnation gets.
    #[must_use]
    pub fn next_incarnation(&self, part: &str) -> u32 {
        self.newest(part).map_or(0, |entry| entry.incarnation.saturating_add(1))
    }

    /// Whether anything in AWS may exist because of this ledger.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|entry| entry.state == PartState::Gone)
    }

    /// Puts a part in, in place of an earlier state of the same incarnation. Older incarnations
    /// that are gone are dropped: the newest one carries the number on.
    pub fn put(&mut self, part: Part) {
        self.parts.retain(|entry| {
            entry.part != part.part
                || (entry.incarnation != part.incarnation
                    && (entry.state != PartState::Gone || entry.incarnation > part.incarnation))
        });
        self.parts.push(part);
        self.parts
            .sort_by(|a, b| (&a.part, a.incarnation).cmp(&(&b.part, b.incarnation)));
    }

    /// Changes the newest incarnation of a part, if there is one.
    pub fn update(&mut self, part: &str, change: impl FnOnce(&mut Part)) {
        if let Some(mut entry) = self.newest(part).cloned() {
            change(&mut entry);
            self.put(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, incarnation: u32, state: PartState) -> Part {
        Part {
            part: name.to_owned(),
            incarnation,
            region: "us-east-1".to_owned(),
            name: None,
            id: Some(format!("i-{incarnation}")),
            state,
            since: Timestamp::UNIX_EPOCH,
            token: None,
            params_hash: None,
            adopted: false,
            fallback: None,
            source: None,
            last_failure: None,
        }
    }

    #[test]
    fn a_relaunch_counts_on_from_what_is_gone() {
        let mut ledger = Ledger::new(vec![part("instance", 4, PartState::Gone)]);
        assert_eq!(ledger.id("instance"), None);
        assert_eq!(ledger.next_incarnation("instance"), 5);
        ledger.put(part("instance", 5, PartState::Living));
        assert_eq!(ledger.id("instance"), Some("i-5"));
        assert_eq!(
            ledger.parts().len(),
            1,
            "what is gone is dropped once a newer one exists"
        );
    }

    #[test]
    fn the_same_incarnation_is_replaced_in_place() {
        let mut ledger = Ledger::new(vec![part("instance", 0, PartState::Recorded)]);
        ledger.put(part("instance", 0, PartState::Living));
        assert_eq!(ledger.parts().len(), 1);
        assert!(!ledger.is_empty());
    }
}
