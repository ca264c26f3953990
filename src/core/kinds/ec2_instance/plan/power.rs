//! Running or stopped, and what can only change while it is stopped. All that is due happens in
//! one stop; what AWS refuses is undone, so that the instance never stays down for it.

use super::super::act::Step;
use super::super::desired::Desired;
use super::super::observe::Observed;
use super::super::spec::{OnChange, PowerState};
use super::super::{Ec2, INSTANCE, View};
use super::in_place_change;
use crate::aws::ec2::{Instance, InstanceAttribute, InstanceState, ModifyInstanceAttribute};
use crate::engine::conditions::Reason;
use crate::engine::ledger::{LastFailure, Part};
use crate::engine::ownership::hash;
use crate::engine::plan::{Change, Class, Plan};
use crate::engine::resource::Drift;

/// Something that changes only while the instance is stopped.
struct Due {
    field: &'static str,
    from: String,
    to: String,
    attribute: InstanceAttribute,
    source: Option<String>,
}

/// Plans power, type and user data.
pub fn plan(view: &View<Ec2>, desired: &Desired, observed: &Observed, instance: &Instance, plan: &mut Plan<Step>) {
    let part = view.ledger.current(INSTANCE);
    let mut due: Vec<Due> = resize(desired, instance).into_iter().collect();
    due.extend(user_data(desired, observed, part, plan));
    // Whatever came of it, what runs with nothing due is as it is wanted.
    let refused = refused(view, desired, part).filter(|_| !due.is_empty() || instance.state != InstanceState::Running);
    if let Some(failure) = refused {
        back_to_what_it_had(view, desired, instance, part, &due, failure, plan);
        due.clear();
    }
    match instance.state {
        InstanceState::Running => running(desired, instance, &due, plan),
        InstanceState::Stopped => stopped(view, desired, instance, part, due, plan),
        InstanceState::Pending | InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated => {}
    }
    if refused.is_none() && plan.records.is_empty() {
        settled(desired, instance, part, plan);
    }
}

/// What AWS has refused of this attempt, as long as nobody asks for another one.
fn refused<'a>(view: &View<Ec2>, desired: &Desired, part: Option<&'a Part>) -> Option<&'a LastFailure> {
    let failure = part?.last_failure.as_ref()?;
    (failure.params_hash == attempt(view, desired)).then_some(failure)
}

/// Stands for all that is to be changed in one stop, and for the attempt: an edit, `reconcile-at`
/// and the next window are new attempts. What was refused of it is refused as a whole, since a
/// stop for the rest would be followed by another one.
fn attempt(view: &View<Ec2>, desired: &Desired) -> String {
    let wanted = desired.instance_type.as_deref().unwrap_or_default();
    let user_data = desired
        .user_data
        .as_ref()
        .filter(|user_data| user_data.on_change == OnChange::StopStart);
    let source = user_data.map_or("", |user_data| &user_data.source);
    hash(&["stop", wanted, source, &view.attempt()])
        .chars()
        .take(16)
        .collect()
}

fn resize(desired: &Desired, instance: &Instance) -> Option<Due> {
    let wanted = desired
        .instance_type
        .as_ref()
        .filter(|wanted| **wanted != instance.instance_type)?;
    Some(Due {
        field: "instanceType",
        from: instance.instance_type.clone(),
        to: wanted.clone(),
        attribute: InstanceAttribute::InstanceType(wanted.clone()),
        source: None,
    })
}

/// AWS has no room for the new type, or refuses something of what is due: the old type is put
/// back, and it is said.
fn back_to_what_it_had(
    view: &View<Ec2>,
    desired: &Desired,
    instance: &Instance,
    part: Option<&Part>,
    due: &[Due],
    failure: &LastFailure,
    plan: &mut Plan<Step>,
) {
    let old = part.and_then(|part| part.fallback.clone());
    let wanted = match (&old, &desired.instance_type) {
        (Some(old), Some(wanted)) if old != wanted => wanted.as_str(),
        _ => "the new user data",
    };
    let reason = if failure.code.contains("Capacity") {
        Reason::NoCapacity
    } else {
        Reason::RefusedByAws
    };
    plan.block(
        reason,
        format!(
            "AWS refused {wanted}: {}: {} The instance keeps {}. It is tried again on an edit, when \
             nuvem.dev/reconcile-at changes, or in the next disruption window.",
            failure.code,
            failure.message,
            old.as_deref().unwrap_or("what it has")
        ),
    );
    plan.ignored.extend(due.iter().map(|due| Drift {
        field: due.field.to_owned(),
        desired: due.to.clone(),
        observed: due.from.clone(),
        class: Class::StopStart.name().to_owned(),
        reason: format!("AWS refused it: {}", failure.code),
    }));
    let Some(old) = old.filter(|old| instance.state == InstanceState::Stopped && instance.instance_type != *old) else {
        return;
    };
    let id = &instance.id;
    plan.changes.push(Change {
        params_hash: Some(attempt(view, desired)),
        ..in_place_change(
            "instanceType",
            instance.instance_type.clone(),
            old.clone(),
            "PuttingTypeBack",
            format!("AWS refused {wanted} ({}); putting {id} back to {old}", failure.code),
            vec![modify(instance, InstanceAttribute::InstanceType(old), None)],
        )
    });
}

fn user_data(desired: &Desired, observed: &Observed, part: Option<&Part>, plan: &mut Plan<Step>) -> Option<Due> {
    let wanted = desired.user_data.as_ref()?;
    let is = observed.user_data.as_ref()?;
    let same = is
        .as_ref()
        .map_or(wanted.bytes.reveal().is_empty(), |is| is == &wanted.bytes);
    if same {
        // The contents are right, whatever they were made from: remember that, so that they need
        // not be read again.
        if let Some(part) = part.filter(|part| part.source.as_ref() != Some(&wanted.source)) {
            remember(
                Part {
                    source: Some(wanted.source.clone()),
                    ..part.clone()
                },
                plan,
            );
        }
        return None;
    }
    match wanted.on_change {
        OnChange::Ignore => {
            plan.ignored.push(Drift {
                field: "userData".to_owned(),
                desired: "changed".to_owned(),
                observed: "changed".to_owned(),
                class: Class::StopStart.name().to_owned(),
                reason: "Ignored: userData.onChange is Ignore, so it counts for the next launch".to_owned(),
            });
            // As long as the source differs, every look reads the contents, and this stays listed.
            if let Some(part) = part.filter(|part| part.source.as_ref() == Some(&wanted.source)) {
                remember(
                    Part {
                        source: None,
                        ..part.clone()
                    },
                    plan,
                );
            }
            None
        }
        OnChange::StopStart => Some(Due {
            field: "userData",
            from: "changed".to_owned(),
            to: "changed".to_owned(),
            attribute: InstanceAttribute::UserData(wanted.bytes.clone()),
            source: Some(wanted.source.clone()),
        }),
    }
}

/// Puts a record in, over one of the same part that is planned already.
fn remember(part: Part, plan: &mut Plan<Step>) {
    match plan.records.iter_mut().find(|record| record.part == part.part) {
        Some(record) => record.source = part.source,
        None => plan.records.push(part),
    }
}

fn running(desired: &Desired, instance: &Instance, due: &[Due], plan: &mut Plan<Step>) {
    let id = &instance.id;
    if desired.power == Some(PowerState::Stopped) {
        plan.changes.push(in_place_change(
            "power.state",
            "Running".to_owned(),
            "Stopped".to_owned(),
            "StoppingInstance",
            format!("Stopping {id}: spec.power.state is Stopped"),
            vec![Step::Stop(id.clone())],
        ));
        // The rest follows once it is stopped; it is a difference already.
        return plan.changes.extend(due.iter().map(told));
    }
    let what = due
        .iter()
        .map(|due| {
            if due.from == due.to {
                due.field.to_owned()
            } else {
                format!("{} {} → {}", due.field, due.from, due.to)
            }
        })
        .collect::<Vec<_>>()
        .join(", ");
    for (index, due) in due.iter().enumerate() {
        // One stop serves all: the first change has it, the others go along.
        let steps = if index == 0 {
            vec![Step::Stop(id.clone())]
        } else {
            Vec::new()
        };
        plan.changes.push(Change {
            class: Class::StopStart,
            ..in_place_change(
                due.field,
                due.from.clone(),
                due.to.clone(),
                "StoppingInstance",
                format!("Stopping {id} to change {what}"),
                steps,
            )
        });
    }
}

/// What is due as a change that is only told of, because something else must come first.
fn told(due: &Due) -> Change<Step> {
    in_place_change(
        due.field,
        due.from.clone(),
        due.to.clone(),
        "ChangingStoppedInstance",
        format!("{} changes once the instance is ready for it", due.field),
        Vec::new(),
    )
}

fn stopped(
    view: &View<Ec2>,
    desired: &Desired,
    instance: &Instance,
    part: Option<&Part>,
    due: Vec<Due>,
    plan: &mut Plan<Step>,
) {
    let resizes = due.iter().any(|due| due.field == "instanceType");
    let fallback_known = part.is_some_and(|part| part.fallback.as_ref() == Some(&instance.instance_type));
    if let Some(part) = part.filter(|_| resizes && !fallback_known && !view.observing) {
        // What to go back to is written down before it is overwritten in AWS.
        plan.records.push(Part {
            fallback: Some(instance.instance_type.clone()),
            last_failure: None,
            ..part.clone()
        });
        plan.changes.extend(due.iter().map(told));
        plan.wait(Reason::Changing, format!("{} is about to be resized.", instance.id));
        return;
    }
    let nothing_due = due.is_empty();
    for due in due {
        let summary = if due.from == due.to {
            format!("Setting {} of {}", due.field, instance.id)
        } else {
            format!("Setting {} of {}: {} → {}", due.field, instance.id, due.from, due.to)
        };
        plan.changes.push(Change {
            params_hash: Some(attempt(view, desired)),
            ..in_place_change(
                due.field,
                due.from,
                due.to,
                "ChangingStoppedInstance",
                summary,
                vec![modify(instance, due.attribute, due.source)],
            )
        });
    }
    let puts_back = plan.changes.iter().any(|change| change.reason == "PuttingTypeBack");
    if nothing_due && !puts_back && desired.power == Some(PowerState::Running) {
        start(view, desired, instance, part, plan);
    }
}

fn start(view: &View<Ec2>, desired: &Desired, instance: &Instance, part: Option<&Part>, plan: &mut Plan<Step>) {
    let id = &instance.id;
    // A refused start counts against the new type; without one there is nothing to go back to.
    let resized = part.is_some_and(|part| part.fallback.is_some());
    plan.changes.push(Change {
        params_hash: resized.then(|| attempt(view, desired)),
        ends_downtime: true,
        ..in_place_change(
            "power.state",
            "Stopped".to_owned(),
            "Running".to_owned(),
            "StartingInstance",
            format!("Starting {id} ({})", instance.instance_type),
            vec![Step::Start(id.clone())],
        )
    });
}

/// It runs (or rests) with the wanted type: what was remembered for going back is not needed.
fn settled(desired: &Desired, instance: &Instance, part: Option<&Part>, plan: &mut Plan<Step>) {
    let as_wanted = desired
        .instance_type
        .as_ref()
        .is_none_or(|wanted| *wanted == instance.instance_type);
    let at_rest = match instance.state {
        InstanceState::Running => true,
        InstanceState::Stopped => desired.power == Some(PowerState::Stopped),
        InstanceState::Pending | InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated => {
            false
        }
    };
    let Some(part) = part.filter(|part| part.fallback.is_some() || part.last_failure.is_some()) else {
        return;
    };
    // A type that was put into a stopped instance has not proved itself: what to go back to stays
    // known until it has run.
    if as_wanted && at_rest && (instance.state == InstanceState::Running || part.fallback.is_none()) {
        plan.records.push(Part {
            fallback: None,
            last_failure: None,
            ..part.clone()
        });
    }
}

fn modify(instance: &Instance, attribute: InstanceAttribute, source: Option<String>) -> Step {
    let instance_id = instance.id.clone();
    Step::Modify {
        change: ModifyInstanceAttribute { instance_id, attribute },
        source,
    }
}
