//! An `Ec2Instance` as the API server has it.

use std::fmt;

use serde_json::Value;

/// One object, read once.
#[derive(Clone, Debug)]
pub struct Object(pub Value);

/// One of its conditions.
#[derive(Clone, Debug)]
pub struct Condition {
    pub status: String,
    pub reason: String,
    pub message: String,
    pub generation: i64,
    pub since: String,
}

/// One entry of status.drift.
#[derive(Clone, Debug)]
pub struct Drift {
    pub field: String,
    pub desired: String,
    pub observed: String,
    pub class: String,
    pub reason: String,
}

impl Object {
    /// A string under `status`; empty where there is none.
    pub fn status(&self, field: &str) -> &str {
        self.0["status"][field].as_str().unwrap_or_default()
    }

    pub fn version(&self) -> &str {
        self.0["metadata"]["resourceVersion"].as_str().unwrap_or_default()
    }

    pub fn uid(&self) -> &str {
        self.0["metadata"]["uid"].as_str().unwrap_or_default()
    }

    pub fn generation(&self) -> i64 {
        self.0["metadata"]["generation"].as_i64().unwrap_or_default()
    }

    pub fn observed_generation(&self) -> i64 {
        self.0["status"]["observedGeneration"].as_i64().unwrap_or_default()
    }

    pub fn condition(&self, kind: &str) -> Option<Condition> {
        let all = self.0["status"]["conditions"].as_array()?;
        let found = all.iter().find(|condition| condition["type"] == kind)?;
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        Some(Condition {
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
            generation: found["observedGeneration"].as_i64().unwrap_or_default(),
            since: text("lastTransitionTime"),
        })
    }

    /// Whether a condition is there with this status, for the spec as it is now.
    pub fn is(&self, kind: &str, status: &str) -> bool {
        self.condition(kind)
            .is_some_and(|condition| condition.status == status && condition.generation == self.generation())
    }

    /// The reason of a condition that is there; empty otherwise.
    pub fn reason(&self, kind: &str) -> String {
        self.condition(kind)
            .map(|condition| condition.reason)
            .unwrap_or_default()
    }

    /// The message of a condition that is there; empty otherwise.
    pub fn message(&self, kind: &str) -> String {
        self.condition(kind)
            .map(|condition| condition.message)
            .unwrap_or_default()
    }

    /// Ready and Synced, and nothing is under way or wrong.
    pub fn is_converged(&self) -> bool {
        self.is("Ready", "True")
            && self.is("Synced", "True")
            && self.condition("Reconciling").is_none()
            && self.condition("Stalled").is_none()
            && self.observed_generation() == self.generation()
    }

    pub fn drift(&self) -> Vec<Drift> {
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let all = self.0["status"]["drift"].as_array();
        all.into_iter()
            .flatten()
            .map(|entry| Drift {
                field: text(entry, "field"),
                desired: text(entry, "desired"),
                observed: text(entry, "observed"),
                class: text(entry, "class"),
                reason: text(entry, "reason"),
            })
            .collect()
    }

    /// What was done in AWS, newest first.
    pub fn history(&self) -> Vec<Value> {
        self.0["status"]["history"].as_array().cloned().unwrap_or_default()
    }

    /// The newest entry of the ledger for a part.
    pub fn part(&self, part: &str) -> Value {
        let all = self.0["status"]["parts"].as_array().cloned().unwrap_or_default();
        all.into_iter()
            .filter(|one| one["part"] == part)
            .max_by_key(|one| one["incarnation"].as_u64())
            .unwrap_or_default()
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "generation {}, observed {}",
            self.generation(),
            self.observed_generation()
        )?;
        for condition in self.0["status"]["conditions"].as_array().into_iter().flatten() {
            let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
            writeln!(
                f,
                "{}={} {} (generation {}): {}",
                text("type"),
                text("status"),
                text("reason"),
                condition["observedGeneration"],
                text("message")
            )?;
        }
        Ok(())
    }
}
