//! Which changes may happen now. Pure, and the engine's own: no kind decides this.

use jiff::Timestamp;

use super::plan::{Change, Class};
use super::resource::Drift;
use super::schedule::Window;

/// When a change that takes the resource down may happen.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, for the length of one reconciliation"
)]
pub enum Disruption {
    /// At once.
    #[default]
    Immediate,
    /// Only in this window.
    Window(Window),
    /// Not at all.
    Never,
}

/// What the user, the administrator and AWS's side have said about writing.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `management: Observe`.
    pub observe: bool,
    /// `spec.disruption`.
    pub disruption: Disruption,
    /// `nuvem.dev/apply-now` names the current generation.
    pub apply_now: bool,
}

/// What came of the changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Permitted<S> {
    /// What may be acted on.
    pub allowed: Vec<Change<S>>,
    /// What is held back.
    pub held: Vec<Drift>,
    /// What AWS cannot do at all.
    pub forbidden: Vec<Drift>,
    /// When the window opens for what is held back.
    pub opens_at: Option<Timestamp>,
}

/// Sorts changes into what may happen now and what is held back, with the reason.
#[must_use]
pub fn permit<S>(changes: Vec<Change<S>>, policy: &Policy, now: Timestamp) -> Permitted<S> {
    let mut permitted = Permitted {
        allowed: Vec::new(),
        held: Vec::new(),
        forbidden: Vec::new(),
        opens_at: None,
    };
    for change in changes {
        match verdict(&change, policy, now) {
            Verdict::Allowed => permitted.allowed.push(change),
            Verdict::Held { reason, opens_at } => {
                permitted.opens_at = earliest(permitted.opens_at, opens_at);
                permitted.held.push(drift(&change, reason));
            }
            Verdict::Forbidden => {
                let reason = change.summary.clone();
                permitted.forbidden.push(drift(&change, reason));
            }
        }
    }
    permitted
}

enum Verdict {
    Allowed,
    Held {
        reason: String,
        opens_at: Option<Timestamp>,
    },
    Forbidden,
}

fn verdict<S>(change: &Change<S>, policy: &Policy, now: Timestamp) -> Verdict {
    if policy.observe {
        let reason = "management is Observe: nothing is written to AWS".to_owned();
        return Verdict::Held { reason, opens_at: None };
    }
    match change.class {
        Class::Create | Class::InPlace | Class::Delete => Verdict::Allowed,
        Class::Forbidden => Verdict::Forbidden,
        Class::Replacement => Verdict::Held {
            reason: "needs another instance in place of this one, which nuvem does not do yet. \
                     Set the field back, or delete the object and create it anew"
                .to_owned(),
            opens_at: None,
        },
        Class::StopStart if policy.apply_now => Verdict::Allowed,
        Class::StopStart => disruptive(&policy.disruption, now),
    }
}

fn disruptive(disruption: &Disruption, now: Timestamp) -> Verdict {
    match disruption {
        Disruption::Immediate => Verdict::Allowed,
        Disruption::Never => Verdict::Held {
            reason: "spec.disruption.policy is Never. Set the annotation nuvem.dev/apply-now to the \
                     current generation to let it happen once"
                .to_owned(),
            opens_at: None,
        },
        Disruption::Window(window) if window.open_at(now).is_some() => Verdict::Allowed,
        Disruption::Window(window) => {
            let opens_at = window.next_after(now);
            let reason = opens_at.map_or_else(
                || "waits for spec.disruption.window, which never opens again".to_owned(),
                |at| format!("waits for the disruption window, which opens at {at}"),
            );
            Verdict::Held { reason, opens_at }
        }
    }
}

fn drift<S>(change: &Change<S>, reason: String) -> Drift {
    Drift {
        field: change.field.clone(),
        desired: change.to.clone(),
        observed: change.from.clone(),
        class: change.class.name().to_owned(),
        reason,
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
