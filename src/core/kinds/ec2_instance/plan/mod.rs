//! Decides what to do next about one instance. Never looks at a clock, a client or the cluster.

pub mod group;
pub mod in_place;
pub mod launch;
pub mod parting;
pub mod power;
pub mod replacement;
pub mod volume;

use jiff::{SignedDuration, Timestamp};

use super::act::Step;
use super::desired::Desired;
use super::observe::{Observed, Sight};
use super::spec::PowerState;
use super::{Ec2, INSTANCE, View};
use crate::aws::ec2::{Instance, InstanceState};
use crate::engine::conditions::Reason;
use crate::engine::kind::Goal;
use crate::engine::ledger::{LastFailure, Part, PartState};
use crate::engine::ownership::{Claim, Owner, tag};
use crate::engine::plan::{Change, Class, Line, Plan, Readiness};

pub use volume::differs as volume_differs;

/// How long AWS may hide an instance that it has (E7) before it counts as gone.
const HIDDEN_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How long a create that may have happened is waited for before it counts as not having happened.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// The plan for one instance.
#[must_use]
pub fn plan(view: &View<Ec2>, observed: &Observed, now: Timestamp) -> Plan<Step> {
    let mut plan = Plan::default();
    if let Some(why) = observed.seen().and_then(|instance| instance.tags.get(tag::HOLD)) {
        plan.hold = Some(why.clone());
    }
    match &view.goal {
        Goal::Present(desired) => present(view, desired, observed, now, &mut plan),
        Goal::Absent(parting) => parting::plan(view, parting, observed, now, &mut plan),
    }
    plan
}

fn present(view: &View<Ec2>, desired: &Desired, observed: &Observed, now: Timestamp, plan: &mut Plan<Step>) {
    if desired.group.is_none() && !view.observing {
        // It is not wanted any more: known again, it is deleted.
        plan.records.extend(group::lost(view, observed, now));
    }
    match &observed.instance {
        Sight::None => {
            if view.observing || view.annotations.adopt.is_some() && view.ledger.newest(INSTANCE).is_none() {
                nothing_to_take(view, plan);
            } else {
                launch::plan(view, desired, observed, now, plan);
            }
        }
        Sight::Hidden => hidden(view, desired, observed, now, plan),
        Sight::Found(instance) => found(view, desired, observed, instance, now, plan),
        Sight::Known(instance) => known(view, desired, observed, instance, now, plan),
    }
}

fn nothing_to_take(view: &View<Ec2>, plan: &mut Plan<Step>) {
    plan.nothing_there = true;
    match &view.annotations.adopt {
        Some(id) => plan.block(
            Reason::NothingToObserve,
            format!(
                "nuvem.dev/adopt names {id}, which AWS does not show in {}. Correct the id or the Region.",
                view.region
            ),
        ),
        None => plan.block(
            Reason::NothingToObserve,
            "There is no instance to observe. Name one in the annotation nuvem.dev/adopt, or set management to Full.",
        ),
    }
}

/// AWS does not show what the ledger knows.
fn hidden(view: &View<Ec2>, desired: &Desired, observed: &Observed, now: Timestamp, plan: &mut Plan<Step>) {
    let Some(part) = view.ledger.newest(INSTANCE) else {
        return;
    };
    let Some(id) = &part.id else {
        return launch::plan(view, desired, observed, now, plan);
    };
    plan.readiness = Some(unusable(format!("AWS does not show {id}.")));
    match part.state {
        PartState::Living => {
            plan.records.push(changed(part, PartState::Missing, now));
            plan.wait(
                Reason::Settling,
                format!("AWS does not show {id}; that proves nothing yet."),
            );
        }
        PartState::Leaving => gone(part, now, plan, &format!("{id} is gone.")),
        PartState::Recorded | PartState::Missing | PartState::Gone => {
            let until = part.since.saturating_add(HIDDEN_FOR).unwrap_or(now);
            if now >= until {
                gone(
                    part,
                    now,
                    plan,
                    &format!("AWS has not shown {id} for ten minutes: it is gone. Another one is launched."),
                );
            } else {
                plan.wait(
                    Reason::Settling,
                    format!("AWS does not show {id} (yet). From {until} on it counts as gone."),
                );
                plan.wake(until);
            }
        }
    }
}

fn gone(part: &Part, now: Timestamp, plan: &mut Plan<Step>, text: &str) {
    plan.records.push(changed(part, PartState::Gone, now));
    plan.warn("InstanceGone", text);
    plan.wait(Reason::Creating, text);
}

/// The same part in another state from now on.
fn changed(part: &Part, state: PartState, now: Timestamp) -> Part {
    Part {
        state,
        since: now,
        ..part.clone()
    }
}

/// An instance that the ledger does not know: it is taken over only with a second proof, or by an
/// adoption to which AWS's side consents.
fn found(
    view: &View<Ec2>,
    desired: &Desired,
    observed: &Observed,
    instance: &Instance,
    now: Timestamp,
    plan: &mut Plan<Step>,
) {
    if view.observing {
        return known(view, desired, observed, instance, now, plan);
    }
    let id = &instance.id;
    let adopting = view.annotations.adopt.as_deref() == Some(id.as_str());
    match view.owner.claim(INSTANCE, &instance.tags) {
        Claim::Ours { incarnation, uid }
            if Owner::token_fits(INSTANCE, &instance.tags, instance.client_token.as_deref()) =>
        {
            if !observed.others.is_empty() {
                plan.warn(
                    "SeveralInstances",
                    format!(
                        "{} claim to be this instance too. Terminate those that are not needed.",
                        observed.others.join(", ")
                    ),
                );
            }
            plan.note(
                "TookOver",
                format!("Found {id} by its tags and its token; it was made for this object (uid {uid})."),
            );
            plan.records.push(Part {
                incarnation,
                ..taken(view, instance, now, false)
            });
            plan.wait(Reason::Changing, format!("Found {id}; it is this object's."));
        }
        Claim::Ours { .. } | Claim::Nobody if adopting => adopt(view, instance, now, plan),
        Claim::Ours { .. } => plan.block(
            Reason::NotOwned,
            format!(
                "{id} has this object's tags, but was not launched by it: tags are copied easily. \
                 Remove its nuvem.dev/ tags, or name it in the annotation nuvem.dev/adopt."
            ),
        ),
        Claim::Nobody => plan.block(Reason::NotOwned, format!("{id} has no owner tags.")),
        Claim::Other(who) => plan.block(
            Reason::NotOwned,
            format!(
                "{id} belongs to {who}; it is left alone. Take its nuvem.dev/ tags away first, if that owner is gone."
            ),
        ),
    }
}

fn adopt(view: &View<Ec2>, instance: &Instance, now: Timestamp, plan: &mut Plan<Step>) {
    let id = &instance.id;
    if !instance.state.is_living() {
        return plan.block(
            Reason::NotOwned,
            format!("{id} is {}; it cannot be adopted.", instance.state.name()),
        );
    }
    if view.adoption_requires_tag && !view.owner.consents(&instance.tags) {
        return plan.block(
            Reason::NotOwned,
            format!(
                "{id} may not be adopted until AWS's side consents. Somebody with access to it must run: {}",
                view.owner.consent_command(id)
            ),
        );
    }
    plan.note("Adopted", format!("Adopted {id}."));
    plan.records.push(taken(view, instance, now, true));
    plan.wait(Reason::Changing, format!("Adopted {id}."));
}

fn taken(view: &View<Ec2>, instance: &Instance, now: Timestamp, adopted: bool) -> Part {
    Part {
        part: INSTANCE.to_owned(),
        incarnation: view.ledger.next_incarnation(INSTANCE),
        region: view.region.clone(),
        name: None,
        id: Some(instance.id.clone()),
        state: PartState::Living,
        since: now,
        token: instance.client_token.clone(),
        params_hash: None,
        adopted,
        fallback: None,
        source: None,
        last_failure: None,
    }
}

/// The ledger's own instance (or, under Observe, the one to compare with).
fn known(
    view: &View<Ec2>,
    desired: &Desired,
    observed: &Observed,
    instance: &Instance,
    now: Timestamp,
    plan: &mut Plan<Step>,
) {
    let part = view.ledger.current(INSTANCE);
    if let Some(who) = view
        .owner
        .somebody_elses(INSTANCE, &instance.tags)
        .filter(|_| !view.observing)
    {
        plan.readiness = Some(readiness(desired, instance));
        return plan.block(
            Reason::NotOwned,
            format!(
                "{} is tagged as belonging to {who}; it is left alone. Correct its nuvem.dev/ tags.",
                instance.id
            ),
        );
    }
    if !instance.state.is_living() {
        return dead(view, part, instance, now, plan);
    }
    plan.readiness = Some(readiness(desired, instance));
    if let Some(part) = part {
        recognise(part, instance, now, plan);
    }
    if instance.state.is_settling() {
        if instance.state == InstanceState::Stopping && desired.power == Some(PowerState::Running) {
            plan.drift(format!(
                "{} is being stopped outside of Kubernetes although power.state is to be Running; it is started again after that.",
                instance.id
            ));
        }
        plan.wait(
            Reason::Settling,
            format!("{} is {}.", instance.id, instance.state.name()),
        );
        return;
    }
    in_place::plan(view, desired, observed, instance, plan);
    group::plan_of_living(view, desired, observed, instance, now, plan);
    volume::plan(desired, observed, plan);
    replacement::plan(view, desired, observed, instance, plan);
    power::plan(view, desired, observed, instance, plan);
}

/// Writes down what was learned by looking: the id, and that it has run.
fn recognise(part: &Part, instance: &Instance, now: Timestamp, plan: &mut Plan<Step>) {
    let has_run = instance.state != InstanceState::Pending;
    let state = if has_run { PartState::Living } else { part.state };
    if part.id.as_deref() != Some(instance.id.as_str()) || part.state != state {
        plan.records.push(Part {
            id: Some(instance.id.clone()),
            last_failure: None,
            ..changed(part, state, now)
        });
    }
}

/// Shutting down or terminated: launched anew, unless it died before it ever ran.
fn dead(view: &View<Ec2>, part: Option<&Part>, instance: &Instance, now: Timestamp, plan: &mut Plan<Step>) {
    let id = &instance.id;
    plan.readiness = Some(unusable(format!("{id} is {}.", instance.state.name())));
    let Some(part) = part else {
        plan.nothing_there = true;
        return plan.block(Reason::NothingToObserve, format!("{id} is {}.", instance.state.name()));
    };
    if instance.state == InstanceState::ShuttingDown {
        let text = format!("{id} is being terminated outside of Kubernetes; another one is launched after it.");
        plan.drift(text.clone());
        return plan.wait(Reason::Settling, text);
    }
    let reason = instance.state_reason.as_ref();
    let by_hand = reason.is_some_and(|reason| reason.code.starts_with("Client.User"));
    if part.state == PartState::Recorded && !by_hand {
        let failure = LastFailure {
            code: reason.map_or_else(|| "Terminated".to_owned(), |reason| reason.code.clone()),
            message: reason.map_or_else(|| "AWS gives no reason".to_owned(), |reason| reason.message.clone()),
            params_hash: view.attempt(),
        };
        plan.warn(
            "LaunchFailed",
            format!(
                "{id} was terminated by AWS before it ran: {}: {}",
                failure.code, failure.message
            ),
        );
        plan.wait(
            Reason::LaunchFailed,
            format!("{id} was terminated by AWS before it ran."),
        );
        plan.records.push(Part {
            last_failure: Some(failure),
            ..changed(part, PartState::Gone, now)
        });
        return;
    }
    let text = format!("{id} was terminated outside of Kubernetes; another one is launched.");
    plan.drift(text.clone());
    plan.wait(Reason::Creating, text);
    plan.records.push(Part {
        last_failure: None,
        ..changed(part, PartState::Gone, now)
    });
}

/// Whether the instance is in the power state that is wanted.
fn readiness(desired: &Desired, instance: &Instance) -> Readiness {
    let id = &instance.id;
    let state = instance.state;
    let (usable, line) = match (state, desired.power) {
        (InstanceState::Running, Some(PowerState::Running) | None) => {
            (true, Line::new(Reason::Running, format!("{id} is running")))
        }
        (InstanceState::Stopped, Some(PowerState::Stopped) | None) => (
            true,
            Line::new(
                Reason::Stopped,
                format!("{id} is stopped, as spec.power.state wants it"),
            ),
        ),
        (_, _) => (false, Line::new(Reason::NotReady, format!("{id} is {}", state.name()))),
    };
    Readiness { usable, line }
}

fn unusable(message: String) -> Readiness {
    Readiness {
        usable: false,
        line: Line::new(Reason::NotReady, message),
    }
}

/// A change of the instance that needs nothing to go down.
fn in_place_change(
    field: &str,
    from: String,
    to: String,
    reason: &'static str,
    summary: String,
    steps: Vec<Step>,
) -> Change<Step> {
    Change {
        part: INSTANCE,
        field: field.to_owned(),
        from,
        to,
        class: Class::InPlace,
        reason,
        summary,
        steps,
        params_hash: None,
        ends_downtime: false,
    }
}

#[cfg(test)]
mod tests;
