//! Deletion: the instance first, its group once AWS lets go of it; or, where it is to be kept,
//! taking our name off it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::act::Step;
use super::super::desired::Parting;
use super::super::observe::{Observed, Sight};
use super::super::{Ec2, INSTANCE, View};
use super::{GRACE, HIDDEN_FOR, changed, group, in_place, in_place_change, taken};
use crate::aws::ec2::{CreateTags, DeleteTags, Instance, InstanceState, ProtectedAction, SecurityGroup, Tags};
use crate::engine::conditions::Reason;
use crate::engine::ledger::{Part, PartState};
use crate::engine::ownership::{Claim, OWNER_TAGS, Owner, tag};
use crate::engine::plan::{Change, Class, Plan};
use crate::engine::resource::DeletionPolicy;
use crate::parts::security_group::PART as GROUP;
use crate::parts::tags;

/// Plans what is left to do until nothing of ours is there.
pub fn plan(view: &View<Ec2>, parting: &Parting, observed: &Observed, now: Timestamp, plan: &mut Plan<Step>) {
    let adopted = view.ledger.current(INSTANCE).is_some_and(|part| part.adopted);
    let keep = match parting.deletion_policy {
        Some(DeletionPolicy::Retain) => true,
        Some(DeletionPolicy::Delete) => false,
        // What was not made here is deleted only where that is written out.
        None => adopted,
    };
    let instance_is_gone = instance(view, parting, observed, keep, now, plan);
    let group_is_gone = instance_is_gone && group_of(view, observed, keep, now, plan);
    plan.gone = group_is_gone && plan.records.is_empty() && plan.changes.is_empty();
    if plan.waiting.is_empty() && !plan.gone {
        plan.wait(Reason::Deleting, "What is owned in AWS is being deleted.");
    }
}

fn instance(
    view: &View<Ec2>,
    parting: &Parting,
    observed: &Observed,
    keep: bool,
    now: Timestamp,
    plan: &mut Plan<Step>,
) -> bool {
    let part = view.ledger.current(INSTANCE);
    match (&observed.instance, part) {
        (Sight::Known(instance), Some(part)) => {
            if let Some(who) = view.owner.somebody_elses(INSTANCE, &instance.tags) {
                plan.note(
                    "LeftAlone",
                    format!("{} is tagged as belonging to {who}; it is left alone.", instance.id),
                );
                plan.records.push(changed(part, PartState::Gone, now));
                return false;
            }
            if instance.state == InstanceState::Terminated {
                plan.records.push(changed(part, PartState::Gone, now));
                return false;
            }
            if part.id.is_none() {
                plan.records.push(Part {
                    id: Some(instance.id.clone()),
                    ..part.clone()
                });
            }
            if keep {
                keep_instance(view, observed, instance, part, now, plan);
            } else {
                terminate(parting, observed, instance, plan);
            }
            false
        }
        (Sight::Hidden, Some(part)) => hidden(part, now, plan),
        (Sight::Found(instance), _) => found(view, instance, now, plan),
        (Sight::None | Sight::Hidden | Sight::Known(_), _) => true,
    }
}

/// The ledger was lost: what the tags lead to is ours with a second proof only. What was to be
/// adopted and was not yet is nobody's business.
fn found(view: &View<Ec2>, instance: &Instance, now: Timestamp, plan: &mut Plan<Step>) -> bool {
    let ours = matches!(view.owner.claim(INSTANCE, &instance.tags), Claim::Ours { .. });
    if ours && Owner::token_fits(INSTANCE, &instance.tags, instance.client_token.as_deref()) {
        plan.records
            .push(taken(view, instance, now, instance.tags.contains_key(tag::ADOPTED)));
        return false;
    }
    plan.warn(
        "LeftAlone",
        format!("{} stays in AWS: it is not proved to be this object's.", instance.id),
    );
    true
}

fn hidden(part: &Part, now: Timestamp, plan: &mut Plan<Step>) -> bool {
    let patience = match (part.state, &part.id, &part.last_failure) {
        // AWS has accepted the termination, or has refused the launch: there is nothing to wait for.
        (PartState::Leaving, _, _) | (PartState::Recorded, None, Some(_)) => None,
        // The launch may have been sent.
        (_, None, _) => Some(GRACE),
        (_, Some(_), _) => Some(HIDDEN_FOR),
    };
    let since = part.since;
    let Some(until) = patience
        .and_then(|patience| since.saturating_add(patience).ok())
        .filter(|until| now < *until)
    else {
        plan.records.push(changed(part, PartState::Gone, now));
        return false;
    };
    if part.state == PartState::Living {
        plan.records.push(changed(part, PartState::Missing, now));
    }
    let what = part
        .id
        .as_deref()
        .unwrap_or("the instance of a launch that may have been sent");
    plan.wait(
        Reason::Settling,
        format!("AWS does not show {what}; from {until} on it counts as gone."),
    );
    plan.wake(until);
    false
}

fn terminate(parting: &Parting, observed: &Observed, instance: &Instance, plan: &mut Plan<Step>) {
    let id = &instance.id;
    if instance.state == InstanceState::ShuttingDown {
        return plan.wait(Reason::Deleting, format!("AWS is terminating {id}."));
    }
    let protections = [
        (
            ProtectedAction::Termination,
            "protection.termination",
            parting.protected,
            observed.termination_protection,
        ),
        (
            ProtectedAction::Stop,
            "protection.stop",
            parting.stop_protected,
            observed.stop_protection,
        ),
    ];
    for (action, field, wanted, is) in protections {
        match (wanted, is) {
            (false, Some(true)) => plan.changes.push(in_place::protection(id, action, field, false)),
            (true, Some(false)) => {
                return plan.block(
                    Reason::DeletionBlocked,
                    format!("spec.{field} is Enabled. Set it to Disabled to let {id} be terminated."),
                );
            }
            // AWS is asked all the same: it says in its own words what stands against it.
            (true, Some(true) | None) => plan.block(
                Reason::DeletionBlocked,
                format!("spec.{field} is Enabled. Set it to Disabled to let {id} be terminated."),
            ),
            (false, Some(false) | None) => {}
        }
    }
    plan.changes.push(Change {
        class: Class::Delete,
        ..in_place_change(
            "instance",
            instance.state.name().to_owned(),
            "terminated".to_owned(),
            "TerminatingInstance",
            format!("Terminating {id}"),
            vec![Step::Terminate(id.clone())],
        )
    });
}

/// Retain: the owner tags go, and where it came from stays.
fn keep_instance(
    view: &View<Ec2>,
    observed: &Observed,
    instance: &Instance,
    part: &Part,
    now: Timestamp,
    plan: &mut Plan<Step>,
) {
    let mut things: Vec<(&str, &Tags)> = vec![(&instance.id, &instance.tags)];
    if let Some(volume) = &observed.root_volume {
        things.push((&volume.id, &volume.tags));
    }
    let of_ledger = |group: &&SecurityGroup| view.ledger.id(GROUP) == Some(group.id.as_str());
    if let Some(group) = observed.group.as_ref().filter(of_ledger) {
        things.push((&group.id, &group.tags));
    }
    if things.iter().all(|(_, tags)| is_released(view, tags)) {
        plan.note(
            "Kept",
            format!("{} stays in AWS, tagged {}.", instance.id, tag::KEPT_FROM),
        );
        plan.records.push(changed(part, PartState::Gone, now));
        if let Some(group) = view.ledger.current(GROUP) {
            plan.records.push(changed(group, PartState::Gone, now));
        }
        return;
    }
    let ids: Vec<String> = things.iter().map(|(id, _)| (*id).to_owned()).collect();
    plan.changes.push(release(view, ids, now));
}

fn is_released(view: &View<Ec2>, tags: &Tags) -> bool {
    tags.contains_key(tag::KEPT_FROM)
        && OWNER_TAGS.iter().all(|key| !tags.contains_key(*key))
        && view.owner.consents(tags)
}

fn release(view: &View<Ec2>, ids: Vec<String>, now: Timestamp) -> Change<Step> {
    let resource = view.owner.key.resource();
    let kept: Tags = [
        (tag::KEPT_FROM, resource.clone()),
        (tag::KEPT_AT, crate::engine::conditions::whole_second(now).to_string()),
        (
            tag::ADOPTABLE_BY,
            format!("{}/{}", view.owner.cluster.id, view.owner.key.namespace),
        ),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    let mut keys: BTreeSet<String> = OWNER_TAGS.iter().map(|key| (*key).to_owned()).collect();
    keys.insert(tag::ADOPTED.to_owned());
    let shown = ids.join(", ");
    Change {
        class: Class::Delete,
        ..in_place_change(
            "tags",
            resource,
            "kept".to_owned(),
            "KeepingInAws",
            format!("Keeping {shown} in AWS: deletionPolicy is Retain, or it was adopted"),
            vec![
                Step::Tags(tags::Step::Create(CreateTags {
                    ids: ids.clone(),
                    tags: kept,
                })),
                Step::Tags(tags::Step::Delete(DeleteTags { ids, keys })),
            ],
        )
    }
}

/// Deletes (or keeps) the group once the instance is gone; says whether nothing of it is left.
fn group_of(view: &View<Ec2>, observed: &Observed, keep: bool, now: Timestamp, plan: &mut Plan<Step>) -> bool {
    let Some(part) = view.ledger.current(GROUP) else {
        return lost_group(view, observed, now, plan);
    };
    match &observed.group {
        None => {
            group::gone_after_grace(part, now, plan);
            false
        }
        Some(found) if view.owner.somebody_elses(GROUP, &found.tags).is_some() => {
            plan.note(
                "LeftAlone",
                format!("{} is tagged as somebody else's; it is left alone.", found.id),
            );
            plan.records.push(changed(part, PartState::Gone, now));
            false
        }
        Some(found) if part.id.is_none() => {
            let ours = matches!(view.owner.claim(GROUP, &found.tags), Claim::Ours { .. });
            let state = if ours { PartState::Living } else { PartState::Gone };
            let id = ours.then(|| found.id.clone());
            plan.records.push(Part {
                id,
                ..changed(part, state, now)
            });
            false
        }
        Some(found) if keep && is_released(view, &found.tags) => {
            plan.records.push(changed(part, PartState::Gone, now));
            false
        }
        Some(found) if keep => {
            plan.changes.push(release(view, vec![found.id.clone()], now));
            false
        }
        Some(found) => {
            plan.changes.push(group::deletion(found));
            false
        }
    }
}

/// The ledger may have been lost: says whether no group was.
fn lost_group(view: &View<Ec2>, observed: &Observed, now: Timestamp, plan: &mut Plan<Step>) -> bool {
    let lost = group::lost(view, observed, now);
    let nothing_lost = lost.is_none();
    plan.records.extend(lost);
    nothing_lost
}
