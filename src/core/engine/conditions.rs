//! The conditions of every kind, as one pure function of what happened. The table is in
//! docs/architecture.md; `Reconciling`, `Stalled` and `Paused` exist only while they are true.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::plan::{Line, Readiness};
use crate::aws::{Class, Failure};

/// The closed list of reasons. People and tools match on them: a name never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Seen for the first time.
    Initializing,
    /// Being made for the first time.
    Creating,
    /// Being changed.
    Changing,
    /// AWS is moving it to another state.
    Settling,
    /// Something that the spec refers to is missing or not ready.
    WaitingForReference,
    /// AWS does not answer as it should.
    AwsUnavailable,
    /// AWS's request limits are reached.
    Throttled,
    /// AWS lacks capacity.
    NoCapacity,
    /// The disruption policy holds a change back.
    HeldBack,
    /// Only observed, and different.
    Observing,
    /// Only observed, and there is nothing to observe.
    NothingToObserve,
    /// The spec cannot be done as it is.
    InvalidSpec,
    /// AWS refused the request as invalid.
    RefusedByAws,
    /// The credentials may not do it.
    Denied,
    /// It is somebody else's.
    NotOwned,
    /// A quota of the account is exhausted.
    QuotaExceeded,
    /// AWS cannot change this at all.
    ForbiddenChange,
    /// The account or Region differs from what was recorded.
    AccountOrRegionChanged,
    /// A new instance died before it ran.
    LaunchFailed,
    /// A protection stands against it.
    Protected,
    /// Our own mistake.
    InternalError,
    /// Being deleted.
    Deleting,
    /// The deletion cannot go on.
    DeletionBlocked,
    /// `nuvem.dev/paused`.
    Paused,
    /// The AWS tag `nuvem.dev/hold`.
    HeldInAws,
    /// AWS equals the spec.
    InSync,
    /// Up.
    Running,
    /// Down, as wanted.
    Stopped,
    /// Not (yet) in the state that is wanted.
    NotReady,
}

impl Reason {
    /// The word in the condition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initializing => "Initializing",
            Self::Creating => "Creating",
            Self::Changing => "Changing",
            Self::Settling => "Settling",
            Self::WaitingForReference => "WaitingForReference",
            Self::AwsUnavailable => "AwsUnavailable",
            Self::Throttled => "Throttled",
            Self::NoCapacity => "NoCapacity",
            Self::HeldBack => "HeldBack",
            Self::Observing => "Observing",
            Self::NothingToObserve => "NothingToObserve",
            Self::InvalidSpec => "InvalidSpec",
            Self::RefusedByAws => "RefusedByAws",
            Self::Denied => "Denied",
            Self::NotOwned => "NotOwned",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::ForbiddenChange => "ForbiddenChange",
            Self::AccountOrRegionChanged => "AccountOrRegionChanged",
            Self::LaunchFailed => "LaunchFailed",
            Self::Protected => "Protected",
            Self::InternalError => "InternalError",
            Self::Deleting => "Deleting",
            Self::DeletionBlocked => "DeletionBlocked",
            Self::Paused => "Paused",
            Self::HeldInAws => "HeldInAws",
            Self::InSync => "InSync",
            Self::Running => "Running",
            Self::Stopped => "Stopped",
            Self::NotReady => "NotReady",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The line that a failed AWS call puts into the conditions, and whether it stalls.
#[must_use]
pub fn line_of(failure: &Failure) -> Line {
    let reason = match failure.class {
        Class::Throttled => Reason::Throttled,
        Class::Denied => Reason::Denied,
        Class::Invalid => Reason::RefusedByAws,
        Class::Quota => Reason::QuotaExceeded,
        Class::Protected => Reason::Protected,
        Class::Bug => Reason::InternalError,
        Class::Capacity => Reason::NoCapacity,
        Class::Transient | Class::Unknown | Class::Fenced => Reason::AwsUnavailable,
        Class::Dependency
        | Class::Conflict
        | Class::NotFound
        | Class::NameTaken
        | Class::AlreadyDone
        | Class::TokenUsed => Reason::Settling,
    };
    Line::new(reason, failure.to_string())
}

/// What one reconcile found out, for the conditions.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing is known yet.
    FirstSight,
    /// Hands off, by annotation or from AWS's side.
    Paused(Line),
    /// Reads failed for a passing reason: what was known stays.
    Unread {
        /// Why.
        line: Line,
        /// Whether this generation was in sync when AWS was read last, and is not to be deleted:
        /// then nothing is under way that anybody waits for.
        was_in_sync: bool,
    },
    /// It was observed (or could not even be asked for) and planned.
    Planned(Planned),
}

/// What planning and acting came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// Usable or not; `None` when it was not observed.
    pub readiness: Option<Readiness>,
    /// Whether the spec is being made true at all, or undone.
    pub deleting: bool,
    /// What is being done or must end first.
    pub progress: Vec<Line>,
    /// What only a person can heal.
    pub blocked: Vec<Line>,
    /// What the disruption policy holds back.
    pub held: Vec<Line>,
    /// `management: Observe`.
    pub observing: bool,
}

const READY: &str = "Ready";
const SYNCED: &str = "Synced";
const RECONCILING: &str = "Reconciling";
const STALLED: &str = "Stalled";
const PAUSED: &str = "Paused";

/// A condition as it should be, before its transition time is known.
struct Wanted {
    kind: &'static str,
    status: &'static str,
    line: Line,
}

/// The conditions that follow from what happened. A condition that "keeps" stays as it was, its
/// observedGeneration included, so that `kubectl wait` never passes on an edit that nobody has
/// looked at.
#[must_use]
pub fn conditions(previous: &[Condition], verdict: &Verdict, generation: i64, now: Timestamp) -> Vec<Condition> {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut kept: Vec<&str> = Vec::new();
    match verdict {
        Verdict::FirstSight => {
            let line = Line::new(Reason::Initializing, "Seen for the first time");
            wanted.push(Wanted {
                kind: READY,
                status: "Unknown",
                line: line.clone(),
            });
            wanted.push(Wanted {
                kind: SYNCED,
                status: "Unknown",
                line: line.clone(),
            });
            wanted.push(Wanted {
                kind: RECONCILING,
                status: "True",
                line,
            });
        }
        Verdict::Paused(line) => {
            kept.extend([READY, SYNCED]);
            wanted.push(Wanted {
                kind: PAUSED,
                status: "True",
                line: line.clone(),
            });
        }
        Verdict::Unread { line, was_in_sync } => {
            kept.extend([READY, SYNCED, STALLED]);
            // Stalled and Reconciling are never there together.
            if !was_in_sync && !is_true(previous, STALLED) {
                wanted.push(Wanted {
                    kind: RECONCILING,
                    status: "True",
                    line: line.clone(),
                });
            }
        }
        Verdict::Planned(planned) => from_plan(previous, planned, &mut wanted, &mut kept),
    }
    assemble(previous, &wanted, &kept, generation, now)
}

fn from_plan(previous: &[Condition], planned: &Planned, wanted: &mut Vec<Wanted>, kept: &mut Vec<&str>) {
    let joined = [&planned.progress, &planned.blocked, &planned.held]
        .into_iter()
        .flatten()
        .fold(Vec::<&Line>::new(), |mut lines, line| {
            if !lines.contains(&line) {
                lines.push(line);
            }
            lines
        });
    // What was not looked at this time counts as it was.
    let usable = !planned.deleting
        && planned
            .readiness
            .as_ref()
            .map_or_else(|| is_true(previous, READY), |readiness| readiness.usable);
    let Some(first) = joined.first() else {
        return converged(planned, wanted);
    };
    let line = Line::new(
        first.reason,
        joined
            .iter()
            .map(|line| line.message.as_str())
            .collect::<Vec<_>>()
            .join(" "),
    );
    wanted.push(Wanted {
        kind: SYNCED,
        status: "False",
        line: line.clone(),
    });
    if planned.observing {
        wanted.extend(ready(planned));
    } else if usable && is_true(previous, READY) {
        kept.push(READY);
    } else if usable {
        // It was not usable before and is now, whatever else is still to be done.
        wanted.extend(ready(planned));
        kept.push(READY);
    } else {
        let not_ready = planned
            .readiness
            .as_ref()
            .filter(|readiness| !readiness.usable && !planned.deleting && planned.blocked.is_empty())
            .map_or_else(|| line.clone(), |readiness| readiness.line.clone());
        wanted.push(Wanted {
            kind: READY,
            status: "False",
            line: not_ready,
        });
    }
    if !planned.progress.is_empty() {
        wanted.push(Wanted {
            kind: RECONCILING,
            status: "True",
            line,
        });
    } else if !planned.blocked.is_empty() {
        wanted.push(Wanted {
            kind: STALLED,
            status: "True",
            line,
        });
    }
}

fn converged(planned: &Planned, wanted: &mut Vec<Wanted>) {
    wanted.extend(ready(planned));
    wanted.push(Wanted {
        kind: SYNCED,
        status: "True",
        line: Line::new(Reason::InSync, "AWS equals the spec"),
    });
}

fn ready(planned: &Planned) -> Option<Wanted> {
    let readiness = planned.readiness.as_ref()?;
    Some(Wanted {
        kind: READY,
        status: if readiness.usable { "True" } else { "False" },
        line: readiness.line.clone(),
    })
}

fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == kind && condition.status == "True")
}

/// Whether a condition is there and true.
#[must_use]
pub fn holds(conditions: &[Condition], kind: &str) -> bool {
    is_true(conditions, kind)
}

fn assemble(
    previous: &[Condition],
    wanted: &[Wanted],
    kept: &[&str],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut result = Vec::new();
    for kind in [READY, SYNCED, RECONCILING, STALLED, PAUSED] {
        let before = previous.iter().find(|condition| condition.type_ == kind);
        let want = wanted.iter().find(|want| want.kind == kind);
        match (want, before) {
            (Some(want), before) => result.push(condition(want, before, generation, now)),
            (None, Some(before)) if kept.contains(&kind) => result.push(before.clone()),
            // Ready and Synced are always there: a tool takes their absence for success.
            (None, None) if kind == READY || kind == SYNCED => {
                let line = Line::new(Reason::Initializing, "Not known yet");
                let unknown = Wanted {
                    kind,
                    status: "Unknown",
                    line,
                };
                result.push(condition(&unknown, None, generation, now));
            }
            (None, Some(before)) if kind == READY || kind == SYNCED => result.push(before.clone()),
            (None, Some(_) | None) => {}
        }
    }
    result
}

fn condition(want: &Wanted, before: Option<&Condition>, generation: i64, now: Timestamp) -> Condition {
    let last_transition_time = match before {
        Some(before) if before.status == want.status => before.last_transition_time.clone(),
        Some(_) | None => Time(whole_second(now)),
    };
    Condition {
        type_: want.kind.to_owned(),
        status: want.status.to_owned(),
        reason: want.line.reason.name().to_owned(),
        message: shortened(&want.line.message),
        observed_generation: Some(generation),
        last_transition_time,
    }
}

/// The API server allows 32,768 characters in a message; people read two sentences.
fn shortened(message: &str) -> String {
    match message.char_indices().nth(2000) {
        Some((cut, _)) => message.get(..cut).unwrap_or(message).to_owned() + "…",
        None => message.to_owned(),
    }
}

/// Kubernetes stores condition times in whole seconds; ours must read back as it was written.
#[must_use]
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[expect(clippy::unnecessary_wraps, reason = "as `Planned` has it")]
    fn usable(usable: bool) -> Option<Readiness> {
        let line = if usable {
            Line::new(Reason::Running, "i-1 is running")
        } else {
            Line::new(Reason::NotReady, "i-1 is pending")
        };
        Some(Readiness { usable, line })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready_and_synced() -> Vec<Condition> {
        let planned = Planned {
            readiness: usable(true),
            ..Planned::default()
        };
        conditions(&[], &Verdict::Planned(planned), 1, at(100))
    }

    fn shown(conditions: &[Condition]) -> String {
        conditions
            .iter()
            .map(|c| {
                format!(
                    "{}={} {} gen {} since {}: {}\n",
                    c.type_,
                    c.status,
                    c.reason,
                    c.observed_generation.unwrap(),
                    c.last_transition_time.0.as_second(),
                    c.message
                )
            })
            .collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write `expect!` without more")]
    fn check(previous: &[Condition], verdict: Verdict, expected: Expect) {
        expected.assert_eq(&shown(&conditions(previous, &verdict, 2, at(200))));
    }

    fn waiting() -> Vec<Line> {
        vec![Line::new(Reason::Settling, "AWS is starting i-1.")]
    }

    #[test]
    fn first_sight_is_unknown_and_in_progress() {
        check(
            &[],
            Verdict::FirstSight,
            expect![[r"
                Ready=Unknown Initializing gen 2 since 200: Seen for the first time
                Synced=Unknown Initializing gen 2 since 200: Seen for the first time
                Reconciling=True Initializing gen 2 since 200: Seen for the first time
            "]],
        );
    }

    #[test]
    fn while_it_is_not_usable_ready_is_false() {
        let planned = Planned {
            readiness: usable(false),
            progress: waiting(),
            ..Planned::default()
        };
        check(
            &ready_and_synced(),
            Verdict::Planned(planned),
            expect![[r"
                Ready=False NotReady gen 2 since 200: i-1 is pending
                Synced=False Settling gen 2 since 200: AWS is starting i-1.
                Reconciling=True Settling gen 2 since 200: AWS is starting i-1.
            "]],
        );
    }

    #[test]
    fn what_becomes_usable_is_ready_although_something_else_stalls() {
        let planned = Planned {
            readiness: usable(false),
            progress: waiting(),
            ..Planned::default()
        };
        let down = conditions(&ready_and_synced(), &Verdict::Planned(planned), 2, at(150));
        let blocked = vec![Line::new(Reason::NoCapacity, "Refused.")];
        let planned = Planned {
            readiness: usable(true),
            blocked,
            ..Planned::default()
        };
        check(
            &down,
            Verdict::Planned(planned),
            expect![[r"
            Ready=True Running gen 2 since 200: i-1 is running
            Synced=False NoCapacity gen 2 since 150: Refused.
            Stalled=True NoCapacity gen 2 since 200: Refused.
        "]],
        );
    }

    #[test]
    fn a_change_in_place_keeps_ready_with_its_generation() {
        let planned = Planned {
            readiness: usable(true),
            progress: waiting(),
            ..Planned::default()
        };
        check(
            &ready_and_synced(),
            Verdict::Planned(planned),
            expect![[r"
                Ready=True Running gen 1 since 100: i-1 is running
                Synced=False Settling gen 2 since 200: AWS is starting i-1.
                Reconciling=True Settling gen 2 since 200: AWS is starting i-1.
            "]],
        );
    }

    #[test]
    fn unreadable_keeps_everything_of_what_was_converged() {
        let line = Line::new(Reason::Throttled, "later");
        check(
            &ready_and_synced(),
            Verdict::Unread {
                line,
                was_in_sync: true,
            },
            expect![[r"
                Ready=True Running gen 1 since 100: i-1 is running
                Synced=True InSync gen 1 since 100: AWS equals the spec
            "]],
        );
    }

    #[test]
    fn a_refusal_stalls_and_keeps_ready_only_if_usable() {
        let blocked = vec![Line::new(Reason::Denied, "AWS denied ec2:RunInstances.")];
        let planned = Planned {
            readiness: usable(false),
            blocked: blocked.clone(),
            ..Planned::default()
        };
        check(
            &ready_and_synced(),
            Verdict::Planned(planned),
            expect![[r"
                Ready=False Denied gen 2 since 200: AWS denied ec2:RunInstances.
                Synced=False Denied gen 2 since 200: AWS denied ec2:RunInstances.
                Stalled=True Denied gen 2 since 200: AWS denied ec2:RunInstances.
            "]],
        );
        let planned = Planned {
            readiness: usable(true),
            blocked,
            ..Planned::default()
        };
        check(
            &ready_and_synced(),
            Verdict::Planned(planned),
            expect![[r"
                Ready=True Running gen 1 since 100: i-1 is running
                Synced=False Denied gen 2 since 200: AWS denied ec2:RunInstances.
                Stalled=True Denied gen 2 since 200: AWS denied ec2:RunInstances.
            "]],
        );
    }

    #[test]
    fn several_at_once_join_their_messages_with_progress_first() {
        let planned = Planned {
            readiness: usable(true),
            progress: waiting(),
            blocked: vec![Line::new(Reason::Denied, "Denied.")],
            held: vec![Line::new(Reason::HeldBack, "Held.")],
            ..Planned::default()
        };
        check(
            &ready_and_synced(),
            Verdict::Planned(planned),
            expect![[r"
                Ready=True Running gen 1 since 100: i-1 is running
                Synced=False Settling gen 2 since 200: AWS is starting i-1. Denied. Held.
                Reconciling=True Settling gen 2 since 200: AWS is starting i-1. Denied. Held.
            "]],
        );
    }

    #[test]
    fn converged_and_paused_and_held_back() {
        let planned = Planned {
            readiness: usable(true),
            ..Planned::default()
        };
        check(
            &ready_and_synced(),
            Verdict::Planned(planned),
            expect![[r"
                Ready=True Running gen 2 since 100: i-1 is running
                Synced=True InSync gen 2 since 100: AWS equals the spec
            "]],
        );
        check(
            &ready_and_synced(),
            Verdict::Paused(Line::new(Reason::Paused, "Hands off.")),
            expect![[r"
                Ready=True Running gen 1 since 100: i-1 is running
                Synced=True InSync gen 1 since 100: AWS equals the spec
                Paused=True Paused gen 2 since 200: Hands off.
            "]],
        );
        let held = vec![Line::new(Reason::HeldBack, "Held.")];
        let planned = Planned {
            readiness: usable(true),
            held,
            ..Planned::default()
        };
        check(
            &ready_and_synced(),
            Verdict::Planned(planned),
            expect![[r"
                Ready=True Running gen 1 since 100: i-1 is running
                Synced=False HeldBack gen 2 since 200: Held.
            "]],
        );
    }
}
