//! Everything up to a running instance: the group, the image, the record, the launch.

use jiff::Timestamp;

use super::super::act::Step;
use super::super::desired::{Desired, ImageSource};
use super::super::observe::{ImageSight, NetworkSight, Observed};
use super::super::{Ec2, INSTANCE, View};
use super::{GRACE, HIDDEN_FOR, changed, group, unusable};
use crate::aws::ec2::{HttpTokens, MetadataOptions, Monitoring, RootVolumeLaunch, RunInstances, Tags};
use crate::engine::conditions::Reason;
use crate::engine::kind::Goal;
use crate::engine::ledger::{Part, PartState};
use crate::engine::ownership::hash;
use crate::engine::plan::{Change, Class, Plan};
use crate::engine::resource::Toggle;
use crate::kinds::ec2_instance::spec::VolumeType;
use crate::parts::security_group::PART as GROUP;

/// The longest name that EC2 takes for a security group.
const GROUP_NAME_LIMIT: usize = 255;

/// The deterministic name of the group.
#[must_use]
pub fn group_name(view: &View<Ec2>) -> String {
    view.owner.name(GROUP_NAME_LIMIT)
}

/// Whether `status.imageId` still stands for what the spec says.
#[must_use]
pub fn image_is_pinned(view: &View<Ec2>, desired: &Desired) -> bool {
    let source = desired.image.as_ref().map(ToString::to_string);
    source.is_some() && view.pins.image_id.is_some() && view.pins.image_source == source
}

/// Whether what the token made must be looked for before anything else: AWS has said that it is
/// used, or the parameters are not those of the record any more, or the object is to go.
#[must_use]
pub fn must_look_by_token(view: &View<Ec2>) -> bool {
    let Some(part) = view.ledger.newest(INSTANCE) else {
        return false;
    };
    match &view.goal {
        Goal::Absent(_) => true,
        Goal::Present(desired) => {
            token_used(part) || params_hash(view, desired).is_none_or(|hash| part.params_hash.as_ref() != Some(&hash))
        }
    }
}

/// Whether it was launched with all that the spec says now, and has not been seen running since:
/// then what lists do not show is as the spec says.
#[must_use]
pub fn is_as_launched(view: &View<Ec2>, desired: &Desired) -> bool {
    let part = view
        .ledger
        .newest(INSTANCE)
        .filter(|part| part.state == PartState::Recorded);
    let launched_with = part.and_then(|part| part.params_hash.as_ref());
    launched_with.is_some() && launched_with == params_hash(view, desired).as_ref()
}

fn token_used(part: &Part) -> bool {
    part.last_failure
        .as_ref()
        .is_some_and(|failure| failure.code.starts_with("Idempotent"))
}

/// Plans up to the launch.
pub fn plan(view: &View<Ec2>, desired: &Desired, observed: &Observed, now: Timestamp, plan: &mut Plan<Step>) {
    plan.readiness = Some(unusable("There is no instance yet.".to_owned()));
    if let Some(part) = view
        .ledger
        .newest(INSTANCE)
        .filter(|part| part.state == PartState::Gone)
        && let Some(failure) = part
            .last_failure
            .as_ref()
            .filter(|failure| failure.params_hash == view.attempt())
    {
        return plan.block(
            Reason::LaunchFailed,
            format!(
                "The last instance was terminated by AWS before it ran: {}: {}. It is tried again on an edit or \
                     when nuvem.dev/reconcile-at changes.",
                failure.code, failure.message
            ),
        );
    }
    if desired.image.is_none() || desired.instance_type.is_none() {
        return plan.block(
            Reason::InvalidSpec,
            "spec.image and spec.instanceType are needed to launch an instance. (They may be absent only where \
             nuvem.dev/adopt names one that exists.)",
        );
    }
    match &observed.network {
        NetworkSight::Missing(why) => return plan.block(Reason::InvalidSpec, why.clone()),
        NetworkSight::Vpc(_) | NetworkSight::NotAsked => {}
    }
    if !group::ready_for_launch(view, desired, observed, now, plan) {
        return;
    }
    if let ImageSight::Missing(why) = &observed.image {
        return plan.block(Reason::InvalidSpec, format!("{why}."));
    }
    record_or_launch(view, desired, observed, now, plan);
}

fn record_or_launch(view: &View<Ec2>, desired: &Desired, observed: &Observed, now: Timestamp, plan: &mut Plan<Step>) {
    let Some(params_hash) = params_hash_with(view, desired, observed) else {
        return plan.wait(Reason::Creating, "The image is being looked up.");
    };
    let Some(part) = view.ledger.current(INSTANCE) else {
        return record(view, desired, &params_hash, now, plan);
    };
    let until = part.since.saturating_add(HIDDEN_FOR).unwrap_or(now);
    if part
        .last_failure
        .as_ref()
        .is_some_and(|failure| failure.code == "IdempotentInstanceTerminated")
    {
        // The token's instance is dead (E3), whoever killed it: count on.
        plan.records.push(changed(part, PartState::Gone, now));
        return plan.wait(
            Reason::Creating,
            "The instance of an earlier launch is terminated; another one is launched.",
        );
    }
    if token_used(part) {
        if now >= until {
            plan.records.push(changed(part, PartState::Gone, now));
            return plan.wait(
                Reason::Creating,
                "An earlier launch has left nothing; another one follows.",
            );
        }
        plan.wake(until);
        return plan.wait(
            Reason::Creating,
            "An earlier launch is waited for until AWS shows its instance.",
        );
    }
    if part.params_hash.as_ref() == Some(&params_hash) {
        return launch(view, desired, part, plan);
    }
    let refused = part
        .last_failure
        .as_ref()
        .is_some_and(|failure| Some(&failure.params_hash) == part.params_hash.as_ref());
    let until = part.since.saturating_add(GRACE).unwrap_or(now);
    if refused || now >= until {
        // Nothing came of the recorded parameters. The token stays: should something have come of
        // them all the same, AWS tells by refusing it with other parameters (E2).
        let part = Part {
            params_hash: Some(params_hash),
            source: source(desired),
            last_failure: None,
            ..changed(part, PartState::Recorded, now)
        };
        plan.records.push(part);
        return plan.wait(Reason::Creating, "The launch is prepared with the edited spec.");
    }
    plan.wake(until);
    plan.wait(
        Reason::Creating,
        format!("The spec was edited while a launch was under way; until {until} its instance may still show up."),
    );
}

fn record(view: &View<Ec2>, desired: &Desired, params_hash: &str, now: Timestamp, plan: &mut Plan<Step>) {
    let incarnation = view.ledger.next_incarnation(INSTANCE);
    plan.records.push(Part {
        part: INSTANCE.to_owned(),
        incarnation,
        region: view.region.clone(),
        name: None,
        id: None,
        state: PartState::Recorded,
        since: now,
        token: Some(view.owner.token(INSTANCE, incarnation)),
        params_hash: Some(params_hash.to_owned()),
        adopted: false,
        fallback: None,
        source: source(desired),
        last_failure: None,
    });
    plan.wait(Reason::Creating, "The instance is about to be launched.");
}

fn source(desired: &Desired) -> Option<String> {
    desired.user_data.as_ref().map(|user_data| user_data.source.clone())
}

fn launch(view: &View<Ec2>, desired: &Desired, part: &Part, plan: &mut Plan<Step>) {
    let Some(run) = params(view, desired, part) else {
        return plan.wait(Reason::Creating, "The image is being looked up.");
    };
    let summary = format!("Launching an instance: {} from {}", run.instance_type, run.image_id);
    plan.changes.push(Change {
        part: INSTANCE,
        field: "instance".to_owned(),
        from: "none".to_owned(),
        to: run.instance_type.clone(),
        class: Class::Create,
        reason: "LaunchingInstance",
        summary,
        params_hash: part.params_hash.clone(),
        steps: vec![Step::Launch(Box::new(run))],
        ends_downtime: false,
    });
}

/// Everything that `RunInstances` is told, from what the spec says and the status has pinned.
/// `None` while something of it is not known yet.
fn params(view: &View<Ec2>, desired: &Desired, part: &Part) -> Option<RunInstances> {
    if !image_is_pinned(view, desired) {
        return None;
    }
    let mut tags = desired.tags.clone();
    tags.extend(view.owner.tags(INSTANCE, part.incarnation));
    Some(RunInstances {
        client_token: part.token.clone()?,
        image_id: view.pins.image_id.clone()?,
        instance_type: desired.instance_type.clone()?,
        key_name: desired.key_name.clone(),
        subnet_id: desired.subnet_id.clone(),
        security_group_ids: security_group_ids(view, desired)?,
        user_data: desired.user_data.as_ref().map(|user_data| user_data.bytes.clone()),
        root_volume: root_volume(view.pins.root_device_name.clone()?, desired),
        metadata_options: MetadataOptions {
            http_tokens: desired.http_tokens.unwrap_or(HttpTokens::Required),
            hop_limit: desired.hop_limit.unwrap_or(1),
        },
        monitoring: desired.monitoring.unwrap_or(Monitoring::Basic),
        disable_api_termination: desired.termination_protection.unwrap_or(false),
        disable_api_stop: desired.stop_protection.unwrap_or(false),
        tags,
    })
}

/// The groups that the instance is to be in; `None` while its own is not there yet.
#[must_use]
pub fn security_group_ids(view: &View<Ec2>, desired: &Desired) -> Option<Vec<String>> {
    let mut ids: Vec<String> = desired.security_group_ids.iter().cloned().collect();
    if desired.group.is_some() {
        ids.push(view.ledger.id(GROUP)?.to_owned());
    }
    ids.sort();
    ids.dedup();
    Some(ids)
}

/// At launch the root volume is gp3 and encrypted unless the spec says otherwise.
fn root_volume(device: String, desired: &Desired) -> RootVolumeLaunch {
    let spec = &desired.root_volume;
    RootVolumeLaunch {
        device,
        size_gib: spec.size_gib,
        volume_type: Some(spec.volume_type.unwrap_or(VolumeType::Gp3).name().to_owned()),
        iops: spec.iops,
        throughput: spec.throughput,
        encrypted: match spec.encryption.unwrap_or(Toggle::Enabled) {
            Toggle::Enabled => Some(true),
            // Absent leaves it to the account: with "encryption by default" AWS refuses `false`.
            Toggle::Disabled => None,
        },
        kms_key_id: spec.kms_key_id.clone(),
    }
}

/// The hash of the launch parameters as the status has them pinned.
fn params_hash(view: &View<Ec2>, desired: &Desired) -> Option<String> {
    let image_id = view
        .pins
        .image_id
        .as_deref()
        .filter(|_| image_is_pinned(view, desired))?;
    hashed(view, desired, image_id)
}

/// The same with an image that was looked up just now, before it is pinned.
fn params_hash_with(view: &View<Ec2>, desired: &Desired, observed: &Observed) -> Option<String> {
    match &observed.image {
        ImageSight::Found(image) => hashed(view, desired, &image.id),
        ImageSight::NotAsked | ImageSight::Missing(_) => params_hash(view, desired),
    }
}

/// A Secret counts by its uid and version: the status holds no hash of a secret.
fn hashed(view: &View<Ec2>, desired: &Desired, image_id: &str) -> Option<String> {
    let tags: &Tags = &desired.tags;
    let text = format!(
        "{:?}",
        (
            image_id,
            &desired.instance_type,
            &desired.key_name,
            &desired.subnet_id,
            security_group_ids(view, desired)?,
            desired.user_data.as_ref().map(|user_data| &user_data.source),
            &desired.root_volume,
            (desired.http_tokens, desired.hop_limit, desired.monitoring),
            (desired.termination_protection, desired.stop_protection),
            tags,
        )
    );
    Some(hash(&[&text]).chars().take(16).collect())
}

impl ImageSource {
    /// Whether the running image can be compared with the spec without looking anything up.
    #[must_use]
    pub fn names(&self, image_id: &str) -> Option<bool> {
        match self {
            Self::Id(id) => Some(id == image_id),
            Self::SsmParameter(_) | Self::Filter { .. } => None,
        }
    }
}
