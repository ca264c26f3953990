//! What only another instance could have: it is listed as drift and held back.

use super::super::act::Step;
use super::super::desired::Desired;
use super::super::observe::Observed;
use super::super::{Ec2, View};
use super::in_place_change;
use crate::aws::ec2::Instance;
use crate::engine::plan::{Change, Class, Plan};
use crate::engine::resource::Toggle;

/// Plans what needs a replacement.
pub fn plan(view: &View<Ec2>, desired: &Desired, observed: &Observed, instance: &Instance, plan: &mut Plan<Step>) {
    let mut push = |field: &str, from: String, to: String| {
        let summary = format!("{field}: {from} → {to} needs another instance");
        plan.changes.push(Change {
            class: Class::Replacement,
            ..in_place_change(field, from, to, "Replacement", summary, Vec::new())
        });
    };
    if let Some((from, to)) = image(view, desired, instance) {
        push("image", from, to);
    }
    if let Some(wanted) = desired
        .key_name
        .as_ref()
        .filter(|wanted| instance.key_name.as_ref() != Some(wanted))
    {
        push(
            "keyName",
            instance.key_name.clone().unwrap_or_else(|| "none".to_owned()),
            wanted.clone(),
        );
    }
    if let Some(wanted) = desired
        .subnet_id
        .as_ref()
        .filter(|wanted| instance.subnet_id.as_ref() != Some(wanted))
    {
        push(
            "network.subnet",
            instance.subnet_id.clone().unwrap_or_default(),
            wanted.clone(),
        );
    }
    let encrypted = observed.root_volume.as_ref().map(|volume| volume.encrypted);
    if let (Some(Toggle::Enabled), Some(false)) = (desired.root_volume.encryption, encrypted) {
        push("rootVolume.encryption", "Disabled".to_owned(), "Enabled".to_owned());
    }
}

/// An image by id is compared with the instance's own; for the others, what counts is whether the
/// spec still says what it said at the launch: a newer image under the same name is no change.
fn image(view: &View<Ec2>, desired: &Desired, instance: &Instance) -> Option<(String, String)> {
    let wanted = desired.image.as_ref()?;
    let text = wanted.to_string();
    let same = wanted
        .names(&instance.image_id)
        .unwrap_or_else(|| view.pins.image_source.as_ref().is_none_or(|source| *source == text));
    (!same).then(|| (instance.image_id.clone(), text))
}
