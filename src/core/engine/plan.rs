//! What a planner answers: changes, or reasons for none.

use std::fmt;

use jiff::Timestamp;

use super::conditions::Reason;
use super::ledger::Part;
use super::resource::Drift;

/// The reason of the one event that tells what was found changed from outside.
pub const DRIFT_FOUND: &str = "DriftFound";

/// What a change needs, and so what must allow it. It follows from the state: starting or
/// retyping a stopped instance takes nothing down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Something that does not exist yet.
    Create,
    /// Nothing goes down.
    InPlace,
    /// Down while it stops and starts.
    StopStart,
    /// Another one in its place.
    Replacement,
    /// AWS cannot do it at all.
    Forbidden,
    /// Something goes away because the object does.
    Delete,
}

impl Class {
    /// The word in `status.drift` and `status.history`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::InPlace => "InPlace",
            Self::StopStart => "StopStart",
            Self::Replacement => "Replacement",
            Self::Forbidden => "Forbidden",
            Self::Delete => "Delete",
        }
    }
}

/// The unit of permission, drift, event and failure: a failed step ends its own change only.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<S> {
    /// The part of the ledger that it is about.
    pub part: &'static str,
    /// The path in the spec, for example `instanceType`.
    pub field: String,
    /// What AWS has; `changed` for what must not be shown.
    pub from: String,
    /// What is wanted.
    pub to: String,
    /// What it needs.
    pub class: Class,
    /// The reason of the event, for example `StoppingInstance`.
    pub reason: &'static str,
    /// One sentence for event and history: what is done, to which id, and why.
    pub summary: String,
    /// The AWS writes, in order.
    pub steps: Vec<S>,
    /// A hash of what is asked for, for the ledger when AWS refuses it.
    pub params_hash: Option<String>,
    /// Whether the resource comes back up by it after a stop-start.
    pub ends_downtime: bool,
}

/// Something worth an event that is no write to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The event's reason.
    pub reason: &'static str,
    /// The sentence.
    pub text: String,
    /// Whether a person should look.
    pub warning: bool,
}

/// A reason and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From the closed list.
    pub reason: Reason,
    /// One or two sentences that say what to do, the same text every time.
    pub message: String,
}

impl Line {
    /// A reason and its sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Whether what the resource stands for is usable now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Usable.
    pub usable: bool,
    /// Why (not).
    pub line: Line,
}

/// What to do next about one resource, or why nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// What to change in AWS, in this order.
    pub changes: Vec<Change<S>>,
    /// What to write into the ledger. A create is planned only once its record is there.
    pub records: Vec<Part>,
    /// Events that are no changes.
    pub notes: Vec<Note>,
    /// What must end or appear first.
    pub waiting: Vec<Line>,
    /// What only a person can heal.
    pub blocked: Vec<Line>,
    /// What differs and is left so: on purpose, or because AWS has refused it.
    pub ignored: Vec<Drift>,
    /// Whether it is usable.
    pub readiness: Option<Readiness>,
    /// Why the AWS side asks for hands off (tag `nuvem.dev/hold`).
    pub hold: Option<String>,
    /// When to look again, beside the usual times.
    pub wake_at: Option<Timestamp>,
    /// Of a deletion: nothing owned is left in AWS.
    pub gone: bool,
    /// Of Observe: there is nothing in AWS to compare with.
    pub nothing_there: bool,
}

impl<S> Default for Plan<S> {
    fn default() -> Self {
        Self {
            changes: Vec::new(),
            records: Vec::new(),
            notes: Vec::new(),
            waiting: Vec::new(),
            blocked: Vec::new(),
            ignored: Vec::new(),
            readiness: None,
            hold: None,
            wake_at: None,
            gone: false,
            nothing_there: false,
        }
    }
}

impl<S> Plan<S> {
    /// Waits for something, with a sentence.
    pub fn wait(&mut self, reason: Reason, message: impl Into<String>) {
        self.waiting.push(Line::new(reason, message));
    }

    /// Is blocked by something, with a sentence.
    pub fn block(&mut self, reason: Reason, message: impl Into<String>) {
        self.blocked.push(Line::new(reason, message));
    }

    /// Tells something in an event.
    pub fn note(&mut self, reason: &'static str, text: impl Into<String>) {
        self.notes.push(Note {
            reason,
            text: text.into(),
            warning: false,
        });
    }

    /// Tells what was found changed from outside. The engine tells it once: while the resource
    /// counts as in sync.
    pub fn drift(&mut self, text: impl Into<String>) {
        self.warn(DRIFT_FOUND, text);
    }

    /// Warns of something in an event.
    pub fn warn(&mut self, reason: &'static str, text: impl Into<String>) {
        self.notes.push(Note {
            reason,
            text: text.into(),
            warning: true,
        });
    }

    /// Looks again at this time at the latest.
    pub fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Whether nothing is to be done and nothing is missing.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.changes.is_empty()
            && self.records.is_empty()
            && self.waiting.is_empty()
            && self.blocked.is_empty()
            && self.hold.is_none()
    }
}

/// A plan as text, for `expect!` snapshots: one line for each thing, in the plan's order.
impl<S: fmt::Display> fmt::Display for Plan<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            writeln!(
                f,
                "{} {}: {} → {}: {}",
                change.class.name(),
                change.field,
                change.from,
                change.to,
                change.summary
            )?;
            for step in &change.steps {
                writeln!(f, "  {step}")?;
            }
        }
        for part in &self.records {
            writeln!(
                f,
                "record {}.{} {:?} {}",
                part.part,
                part.incarnation,
                part.state,
                part.id.as_deref().unwrap_or("-")
            )?;
        }
        for note in &self.notes {
            writeln!(f, "event {}: {}", note.reason, note.text)?;
        }
        for line in &self.waiting {
            writeln!(f, "wait {}: {}", line.reason, line.message)?;
        }
        for line in &self.blocked {
            writeln!(f, "blocked {}: {}", line.reason, line.message)?;
        }
        for drift in &self.ignored {
            writeln!(
                f,
                "ignored {}: {} → {}: {}",
                drift.field, drift.observed, drift.desired, drift.reason
            )?;
        }
        if let Some(why) = &self.hold {
            writeln!(f, "hold: {why}")?;
        }
        if self.gone {
            writeln!(f, "gone")?;
        }
        if self.nothing_there {
            writeln!(f, "nothing there")?;
        }
        if self.is_converged() && !self.gone {
            writeln!(f, "converged")?;
        }
        Ok(())
    }
}
