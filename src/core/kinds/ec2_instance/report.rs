//! The kind's own part of the status, from what was seen. What was not read this time stays.

use super::Ec2;
use super::desired::Desired;
use super::observe::{ImageSight, NetworkSight, Observed, Sight};
use super::spec::{InstancePins, VolumeStatus};
use super::{INSTANCE, View};
use crate::aws::ec2::Instance;
use crate::engine::kind::Goal;
use crate::engine::ledger::PartState;
use crate::parts::security_group::PART as GROUP;

/// What the status says about the instance.
#[must_use]
pub fn report(view: &View<Ec2>, observed: &Observed) -> InstancePins {
    let mut pins = view.pins.clone();
    if let NetworkSight::Vpc(vpc_id) = &observed.network {
        pins.vpc_id = Some(vpc_id.clone());
    }
    pins.security_group_id = view.ledger.id(GROUP).map(str::to_owned);
    if let (ImageSight::Found(image), Goal::Present(desired)) = (&observed.image, &view.goal) {
        pins.image_id = Some(image.id.clone());
        pins.image_source = desired.image.as_ref().map(ToString::to_string);
        pins.root_device_name.clone_from(&image.root_device_name);
    }
    match (&observed.instance, &view.goal) {
        (Sight::Known(instance), goal) => {
            of_instance(&mut pins, observed, instance);
            if let Goal::Present(desired) = goal {
                pins.tag_keys = tag_keys(&pins, desired, instance);
            }
        }
        (Sight::Found(instance), Goal::Present(_)) if view.observing => of_instance(&mut pins, observed, instance),
        (Sight::None, _) => forget_instance(&mut pins, view),
        (Sight::Found(_) | Sight::Hidden, _) => {}
    }
    pins
}

fn of_instance(pins: &mut InstancePins, observed: &Observed, instance: &Instance) {
    pins.instance_id = Some(instance.id.clone());
    pins.state = Some(instance.state.name().to_owned());
    pins.instance_type = Some(instance.instance_type.clone());
    pins.image_id = Some(instance.image_id.clone());
    pins.availability_zone = Some(instance.availability_zone.clone());
    pins.private_ip.clone_from(&instance.private_ip);
    pins.public_ip.clone_from(&instance.public_ip);
    pins.public_dns_name.clone_from(&instance.public_dns_name);
    pins.address = instance.public_ip.clone().or_else(|| instance.private_ip.clone());
    pins.launch_time = instance.launch_time;
    // AWS drops these once the instance is terminated; what it was stays known.
    pins.subnet_id = instance.subnet_id.clone().or_else(|| pins.subnet_id.take());
    pins.vpc_id = instance.vpc_id.clone().or_else(|| pins.vpc_id.take());
    let known = std::mem::take(&mut pins.volumes);
    pins.volumes = instance
        .volumes
        .iter()
        .map(|attached| {
            let read = observed
                .root_volume
                .as_ref()
                .filter(|volume| volume.id == attached.volume_id);
            let before = known.iter().find(|volume| volume.volume_id == attached.volume_id);
            VolumeStatus {
                device: attached.device.clone(),
                volume_id: attached.volume_id.clone(),
                size_gib: read.map(|volume| volume.size_gib).or_else(|| before?.size_gib),
                state: read
                    .map(|volume| volume.state.clone())
                    .or_else(|| before?.state.clone()),
            }
        })
        .collect();
}

/// Between two instances, what belonged to the last one alone is not true any more. The image
/// stays: a successor is launched from the same one.
fn forget_instance(pins: &mut InstancePins, view: &View<Ec2>) {
    let gone = view
        .ledger
        .newest(INSTANCE)
        .is_none_or(|part| part.state == PartState::Gone);
    if !gone {
        return;
    }
    let kept = InstancePins {
        image_id: pins.image_id.take(),
        image_source: pins.image_source.take(),
        root_device_name: pins.root_device_name.take(),
        vpc_id: pins.vpc_id.take(),
        subnet_id: pins.subnet_id.take(),
        security_group_id: pins.security_group_id.take(),
        ..InstancePins::default()
    };
    *pins = kept;
}

/// The keys that we have set, so that a tag that leaves the spec leaves AWS too.
fn tag_keys(pins: &InstancePins, desired: &Desired, instance: &Instance) -> Vec<String> {
    let earlier = pins.tag_keys.iter().filter(|key| instance.tags.contains_key(*key));
    let mut keys: Vec<String> = desired.tags.keys().chain(earlier).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}
