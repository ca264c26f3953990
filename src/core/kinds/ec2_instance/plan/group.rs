//! The group of the instance's own: made before the instance, kept exactly as the spec says,
//! deleted after it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::act::Step;
use super::super::desired::Desired;
use super::super::observe::{NetworkSight, Observed};
use super::super::{Ec2, View};
use super::{GRACE, changed, in_place_change, launch};
use crate::aws::ec2::{CreateSecurityGroup, Instance, InstanceAttribute, ModifyInstanceAttribute, SecurityGroup, Tags};
use crate::engine::conditions::Reason;
use crate::engine::ledger::{Part, PartState};
use crate::engine::ownership::Claim;
use crate::engine::plan::{Change, Class, Plan};
use crate::parts::security_group::{self, PART, Wanted, differences};
use crate::parts::tags::{self, Tagged};

/// Plans the group up to being usable by a launch; says whether it is.
pub fn ready_for_launch(
    view: &View<Ec2>,
    desired: &Desired,
    observed: &Observed,
    now: Timestamp,
    plan: &mut Plan<Step>,
) -> bool {
    let Some(wanted) = &desired.group else {
        return true;
    };
    let NetworkSight::Vpc(vpc_id) = &observed.network else {
        plan.wait(Reason::Creating, "The VPC is being looked up.");
        return false;
    };
    match &observed.group {
        Some(group) if group.vpc_id != *vpc_id && view.ledger.id(PART) == Some(group.id.as_str()) => {
            plan.changes.push(deletion(group));
            false
        }
        Some(group) => {
            let usable = existing(view, desired, wanted, group, now, plan);
            usable && view.ledger.id(PART) == Some(group.id.as_str())
        }
        None => {
            absent(view, vpc_id, now, plan);
            false
        }
    }
}

/// Plans the group of a living instance, and which groups the instance is in.
pub fn plan_of_living(
    view: &View<Ec2>,
    desired: &Desired,
    observed: &Observed,
    instance: &Instance,
    now: Timestamp,
    plan: &mut Plan<Step>,
) {
    match (&desired.group, &observed.group, &instance.vpc_id) {
        (Some(wanted), Some(group), _) => {
            existing(view, desired, wanted, group, now, plan);
        }
        (Some(_), None, Some(vpc_id)) if !view.observing => absent(view, vpc_id, now, plan),
        (Some(_), None, _) => {
            // Under Observe a group that is not there is a difference like any other.
            plan.changes
                .push(creation(view, instance.vpc_id.as_deref().unwrap_or_default()));
        }
        (None, _, _) => {}
    }
    membership(view, desired, observed, instance, plan);
    if let (None, Some(part)) = (&desired.group, view.ledger.current(PART)) {
        no_longer_wanted(part, observed, instance, now, plan);
    }
}

/// The group that the spec does not ask for any more goes once the instance is out of it.
fn no_longer_wanted(part: &Part, observed: &Observed, instance: &Instance, now: Timestamp, plan: &mut Plan<Step>) {
    match &observed.group {
        Some(group) if instance.security_groups.contains(&group.id) => {}
        Some(group) => plan.changes.push(deletion(group)),
        None => gone_after_grace(part, now, plan),
    }
}

/// A group that AWS does not show counts as gone a minute after it was last known (E7).
pub fn gone_after_grace(part: &Part, now: Timestamp, plan: &mut Plan<Step>) {
    let until = part.since.saturating_add(GRACE).unwrap_or(now);
    let never_made = part.id.is_none() && part.last_failure.is_some();
    if part.state == PartState::Leaving || never_made || now >= until {
        plan.records.push(changed(part, PartState::Gone, now));
        plan.wait(Reason::Settling, format!("{} is gone.", named(part)));
    } else {
        plan.wait(Reason::Settling, format!("AWS does not show {} (yet).", named(part)));
        plan.wake(until);
    }
}

fn named(part: &Part) -> &str {
    part.id
        .as_deref()
        .or(part.name.as_deref())
        .unwrap_or("the security group")
}

/// A group that AWS shows: taken over if that is proved, refused if it is somebody else's, mended
/// if it is ours. Says whether it may be used.
fn existing(
    view: &View<Ec2>,
    desired: &Desired,
    wanted: &Wanted,
    group: &SecurityGroup,
    now: Timestamp,
    plan: &mut Plan<Step>,
) -> bool {
    let part = view.ledger.current(PART);
    let ours_by_id = part.is_some_and(|part| part.id.as_deref() == Some(group.id.as_str()));
    if !ours_by_id && !view.observing {
        return take_over(view, part, group, now, plan);
    }
    if let Some(who) = view.owner.somebody_elses(PART, &group.tags).filter(|_| !view.observing) {
        plan.block(
            Reason::NotOwned,
            format!(
                "{} is tagged as belonging to {who}; it is left alone. Correct its nuvem.dev/ tags.",
                group.id
            ),
        );
        return false;
    }
    if let Some(part) = part.filter(|part| part.state != PartState::Living) {
        plan.records.push(Part {
            last_failure: None,
            ..changed(part, PartState::Living, now)
        });
    }
    mend(view, desired, wanted, group, part, plan);
    true
}

fn mend(
    view: &View<Ec2>,
    desired: &Desired,
    wanted: &Wanted,
    group: &SecurityGroup,
    part: Option<&Part>,
    plan: &mut Plan<Step>,
) {
    for difference in differences(group, wanted) {
        let field = match difference.direction {
            crate::aws::ec2::Direction::Ingress => "network.securityGroup.ingress",
            crate::aws::ec2::Direction::Egress => "network.securityGroup.egress",
        };
        plan.changes.push(Change {
            part: PART,
            field: field.to_owned(),
            summary: format!(
                "Setting the rules of {}: {}",
                group.id,
                steps_as_text(&difference.steps)
            ),
            from: difference.from,
            to: difference.to,
            class: Class::InPlace,
            reason: "SettingSecurityGroupRules",
            steps: difference.steps.into_iter().map(Step::Group).collect(),
            params_hash: None,
            ends_downtime: false,
        });
    }
    if view.observing {
        return;
    }
    let wanted_tags = wanted_tags(view, desired, part.map_or(0, |part| part.incarnation));
    let no_longer: BTreeSet<String> = view.pins.tag_keys.iter().cloned().collect();
    let tagged = Tagged {
        id: &group.id,
        tags: &group.tags,
        wanted: &wanted_tags,
    };
    let steps = tags::steps(&[tagged], &no_longer);
    if !steps.is_empty() {
        plan.changes.push(Change {
            part: PART,
            field: "tags".to_owned(),
            from: tags::pairs(&group.tags),
            to: tags::pairs(&wanted_tags),
            class: Class::InPlace,
            reason: "SettingTags",
            summary: tags::summary(&steps),
            steps: steps.into_iter().map(Step::Tags).collect(),
            params_hash: None,
            ends_downtime: false,
        });
    }
}

fn steps_as_text(steps: &[security_group::Step]) -> String {
    steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn wanted_tags(view: &View<Ec2>, desired: &Desired, incarnation: u32) -> Tags {
    let mut wanted = desired.tags.clone();
    wanted.extend(view.owner.tags(PART, incarnation));
    wanted
}

/// A group of our deterministic name that the ledger does not know by id. The name is the second
/// proof beside the tags.
fn take_over(
    view: &View<Ec2>,
    part: Option<&Part>,
    group: &SecurityGroup,
    now: Timestamp,
    plan: &mut Plan<Step>,
) -> bool {
    match view.owner.claim(PART, &group.tags) {
        Claim::Ours { incarnation, .. } if group.name == launch::group_name(view) => {
            let incarnation = part.map_or(incarnation, |part| part.incarnation);
            plan.note(
                "TookOver",
                format!("Found security group {} by its name and tags.", group.id),
            );
            plan.records.push(found(view, group, incarnation, now));
            plan.wait(
                Reason::Creating,
                format!("Found security group {}; it is this object's.", group.id),
            );
        }
        Claim::Ours { .. } | Claim::Nobody => plan.block(Reason::NotOwned, taken(group, "nobody that nuvem knows")),
        Claim::Other(who) => plan.block(Reason::NotOwned, taken(group, &who)),
    }
    false
}

/// The record of a group that the ledger never knew or has lost, and that is ours by name and tags.
#[must_use]
pub fn lost(view: &View<Ec2>, observed: &Observed, now: Timestamp) -> Option<Part> {
    let never_known = view.ledger.newest(PART).is_none();
    let group = observed.group.as_ref().filter(|_| never_known)?;
    match view.owner.claim(PART, &group.tags) {
        Claim::Ours { incarnation, .. } if group.name == launch::group_name(view) => {
            Some(found(view, group, incarnation, now))
        }
        Claim::Ours { .. } | Claim::Nobody | Claim::Other(_) => None,
    }
}

/// The record of a group that was found to be ours.
fn found(view: &View<Ec2>, group: &SecurityGroup, incarnation: u32, now: Timestamp) -> Part {
    Part {
        id: Some(group.id.clone()),
        state: PartState::Living,
        ..record(view, incarnation, now)
    }
}

fn taken(group: &SecurityGroup, who: &str) -> String {
    format!(
        "A security group named {} exists in {} already ({}) and belongs to {who}; it is left alone. Delete or rename \
         what uses the name, or use it through spec.network.securityGroupIds instead of securityGroup.",
        group.name, group.vpc_id, group.id
    )
}

/// No group yet: recorded first, created by the next reconcile.
fn absent(view: &View<Ec2>, vpc_id: &str, now: Timestamp, plan: &mut Plan<Step>) {
    match view.ledger.current(PART) {
        None => {
            plan.records.push(record(view, view.ledger.next_incarnation(PART), now));
            plan.wait(Reason::Creating, "The security group is about to be created.");
        }
        Some(part @ Part { id: Some(_), .. }) => gone_after_grace(part, now, plan),
        Some(part)
            if part
                .last_failure
                .as_ref()
                .is_some_and(|failure| failure.code == "InvalidGroup.Duplicate") =>
        {
            plan.wait(
                Reason::Creating,
                format!(
                    "A security group named {} exists already; AWS does not show it yet.",
                    named(part)
                ),
            );
        }
        Some(_) => plan.changes.push(creation(view, vpc_id)),
    }
}

fn record(view: &View<Ec2>, incarnation: u32, now: Timestamp) -> Part {
    Part {
        part: PART.to_owned(),
        incarnation,
        region: view.region.clone(),
        name: Some(launch::group_name(view)),
        id: None,
        state: PartState::Recorded,
        since: now,
        token: None,
        params_hash: None,
        adopted: false,
        fallback: None,
        source: None,
        last_failure: None,
    }
}

fn creation(view: &View<Ec2>, vpc_id: &str) -> Change<Step> {
    let name = launch::group_name(view);
    let incarnation = view.ledger.current(PART).map_or(0, |part| part.incarnation);
    let mut tags = match &view.goal {
        crate::engine::kind::Goal::Present(desired) => desired.tags.clone(),
        crate::engine::kind::Goal::Absent(_) => Tags::new(),
    };
    tags.extend(view.owner.tags(PART, incarnation));
    Change {
        part: PART,
        field: "network.securityGroup".to_owned(),
        from: "none".to_owned(),
        to: name.clone(),
        class: Class::Create,
        reason: "CreatingSecurityGroup",
        summary: format!("Creating security group {name} in {vpc_id}"),
        params_hash: Some("name".to_owned()),
        steps: vec![Step::Group(security_group::Step::Create(CreateSecurityGroup {
            description: format!("Managed by nuvem for {}", view.owner.key),
            name,
            vpc_id: vpc_id.to_owned(),
            tags,
        }))],
        ends_downtime: false,
    }
}

/// Deletes a group of ours.
#[must_use]
pub fn deletion(group: &SecurityGroup) -> Change<Step> {
    Change {
        part: PART,
        field: "network.securityGroup".to_owned(),
        from: group.name.clone(),
        to: "none".to_owned(),
        class: Class::Delete,
        reason: "DeletingSecurityGroup",
        summary: format!("Deleting security group {}", group.id),
        steps: vec![Step::Group(security_group::Step::Delete {
            group_id: group.id.clone(),
        })],
        params_hash: None,
        ends_downtime: false,
    }
}

/// Which groups the instance is in. With nothing in the spec it is left where it is, except that
/// the VPC's default group takes the place of a group that is to go: AWS demands one (E19).
fn membership(view: &View<Ec2>, desired: &Desired, observed: &Observed, instance: &Instance, plan: &mut Plan<Step>) {
    let Some(mut wanted) = launch::security_group_ids(view, desired) else {
        return;
    };
    if wanted.is_empty() {
        let Some(default) = &observed.default_group else {
            return;
        };
        wanted.push(default.id.clone());
    }
    let wanted: BTreeSet<String> = wanted.into_iter().collect();
    if wanted == instance.security_groups {
        return;
    }
    let shown = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(", ");
    let (from, to) = (shown(&instance.security_groups), shown(&wanted));
    plan.changes.push(in_place_change(
        "network.securityGroupIds",
        from.clone(),
        to.clone(),
        "SettingSecurityGroups",
        format!("Setting the security groups of {}: {from} → {to}", instance.id),
        vec![Step::Modify {
            change: ModifyInstanceAttribute {
                instance_id: instance.id.clone(),
                attribute: InstanceAttribute::SecurityGroups(wanted.into_iter().collect()),
            },
            source: None,
        }],
    ));
}
