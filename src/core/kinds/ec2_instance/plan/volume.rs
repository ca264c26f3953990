//! The root volume: it grows and changes its type while the instance runs, and never shrinks.

use super::super::act::Step;
use super::super::desired::Desired;
use super::super::observe::Observed;
use super::in_place_change;
use crate::aws::ec2::{ModifyVolume, Volume};
use crate::engine::conditions::Reason;
use crate::engine::plan::{Change, Class, Plan};

/// Whether the volume is not as the spec wants it.
#[must_use]
pub fn differs(desired: &Desired, volume: &Volume) -> bool {
    let spec = &desired.root_volume;
    spec.size_gib.is_some_and(|size| size > volume.size_gib)
        || modification(desired, volume)
            .is_some_and(|change| change.volume_type.is_some() || change.iops.is_some() || change.throughput.is_some())
}

/// Plans the root volume.
pub fn plan(desired: &Desired, observed: &Observed, plan: &mut Plan<Step>) {
    let Some(volume) = &observed.root_volume else {
        return;
    };
    if let Some(wanted) = desired.root_volume.size_gib.filter(|wanted| *wanted < volume.size_gib) {
        plan.changes.push(Change {
            class: Class::Forbidden,
            ..in_place_change(
                "rootVolume.sizeGiB",
                volume.size_gib.to_string(),
                wanted.to_string(),
                "ForbiddenChange",
                format!(
                    "a volume cannot shrink: {} has {} GiB. Write rootVolume.sizeGiB: {} or more",
                    volume.id, volume.size_gib, volume.size_gib
                ),
                Vec::new(),
            )
        });
    }
    let Some(change) = modification(desired, volume).filter(|_| differs(desired, volume)) else {
        return;
    };
    match &observed.modification {
        Some(latest) if latest.state == "modifying" || latest.state == "optimizing" => plan.wait(
            Reason::Settling,
            format!(
                "AWS is still {} {}; the next modification waits for its end.",
                latest.state, volume.id
            ),
        ),
        Some(_) | None => plan.changes.push(in_place_change(
            "rootVolume",
            shown(volume),
            wanted(volume, &change),
            "ModifyingVolume",
            format!(
                "Modifying {}: {} → {}",
                volume.id,
                shown(volume),
                wanted(volume, &change)
            ),
            vec![Step::Volume(change)],
        )),
    }
}

/// What `ModifyVolume` must be told; `None` when nothing differs.
fn modification(desired: &Desired, volume: &Volume) -> Option<ModifyVolume> {
    let spec = &desired.root_volume;
    let change = ModifyVolume {
        volume_id: volume.id.clone(),
        size_gib: spec.size_gib.filter(|size| *size > volume.size_gib),
        volume_type: spec
            .volume_type
            .map(|wanted| wanted.name().to_owned())
            .filter(|wanted| *wanted != volume.volume_type),
        iops: spec.iops.filter(|wanted| Some(*wanted) != volume.iops),
        throughput: spec.throughput.filter(|wanted| Some(*wanted) != volume.throughput),
    };
    let nothing = ModifyVolume {
        volume_id: volume.id.clone(),
        size_gib: None,
        volume_type: None,
        iops: None,
        throughput: None,
    };
    (change != nothing).then_some(change)
}

fn shown(volume: &Volume) -> String {
    described(volume.size_gib, &volume.volume_type, volume.iops, volume.throughput)
}

fn wanted(volume: &Volume, change: &ModifyVolume) -> String {
    described(
        change.size_gib.unwrap_or(volume.size_gib),
        change.volume_type.as_deref().unwrap_or(&volume.volume_type),
        change.iops.or(volume.iops),
        change.throughput.or(volume.throughput),
    )
}

fn described(size: i32, volume_type: &str, iops: Option<i32>, throughput: Option<i32>) -> String {
    let iops = iops.map(|iops| format!(", {iops} IOPS")).unwrap_or_default();
    let throughput = throughput.map(|rate| format!(", {rate} MiB/s")).unwrap_or_default();
    format!("{size} GiB {volume_type}{iops}{throughput}")
}
