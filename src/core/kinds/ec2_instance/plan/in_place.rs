//! Changes of a living instance that take nothing down: tags, protections, metadata options,
//! monitoring.

use std::collections::BTreeSet;

use super::super::act::{Step, options};
use super::super::desired::Desired;
use super::super::observe::Observed;
use super::super::{Ec2, INSTANCE, View};
use super::in_place_change;
use crate::aws::ec2::{
    Instance, InstanceAttribute, MetadataOptions, ModifyInstanceAttribute, ModifyInstanceMetadataOptions, Monitoring,
    ProtectedAction, Tags,
};
use crate::engine::ownership::{Owner, tag};
use crate::engine::plan::{Change, Plan};
use crate::parts::tags::{self, Tagged};

/// Plans them all.
pub fn plan(view: &View<Ec2>, desired: &Desired, observed: &Observed, instance: &Instance, plan: &mut Plan<Step>) {
    plan.changes.extend(tags_of(view, desired, observed, instance));
    let protections = [
        (
            ProtectedAction::Termination,
            "protection.termination",
            observed.termination_protection,
            desired.termination_protection,
        ),
        (
            ProtectedAction::Stop,
            "protection.stop",
            observed.stop_protection,
            desired.stop_protection,
        ),
    ];
    for (action, field, is, wanted) in protections {
        if let (Some(is), Some(wanted)) = (is, wanted) {
            plan.changes
                .extend((is != wanted).then(|| protection(&instance.id, action, field, wanted)));
        }
    }
    plan.changes.extend(metadata(desired, instance));
    plan.changes.extend(monitoring(desired, instance));
}

/// Our own tags and the user's, on the instance and its root volume.
fn tags_of(view: &View<Ec2>, desired: &Desired, observed: &Observed, instance: &Instance) -> Option<Change<Step>> {
    let mut wanted = desired.tags.clone();
    if !view.observing {
        let part = view.ledger.current(INSTANCE);
        wanted.extend(view.owner.tags(INSTANCE, part.map_or(0, |part| part.incarnation)));
        // An instance that an earlier life of this object launched keeps the uid of that life: its token
        // was made from it, and proves whose it is should the status be lost again.
        if let Some(uid) = proving_uid(instance) {
            wanted.insert(tag::UID.to_owned(), uid);
        }
        if part.is_some_and(|part| part.adopted) {
            wanted.insert(tag::ADOPTED.to_owned(), "true".to_owned());
        }
    }
    let mut things = vec![Tagged {
        id: &instance.id,
        tags: &instance.tags,
        wanted: &wanted,
    }];
    if let Some(volume) = &observed.root_volume {
        things.push(Tagged {
            id: &volume.id,
            tags: &volume.tags,
            wanted: &wanted,
        });
    }
    let mut no_longer: BTreeSet<String> = view.pins.tag_keys.iter().cloned().collect();
    // What was kept by an earlier owner and is adopted now is not "kept" any more.
    if !view.observing {
        no_longer.extend([tag::KEPT_FROM.to_owned(), tag::KEPT_AT.to_owned()]);
    }
    let steps = tags::steps(&things, &no_longer);
    let missing: Tags = things
        .iter()
        .flat_map(|thing| tags::missing(thing.tags, &wanted))
        .collect();
    let now = missing
        .keys()
        .filter_map(|key| Some((key.clone(), instance.tags.get(key)?.clone())))
        .collect();
    (!steps.is_empty()).then(|| {
        in_place_change(
            "tags",
            tags::pairs(&now),
            tags::pairs(&missing),
            "SettingTags",
            tags::summary(&steps),
            steps.into_iter().map(Step::Tags).collect(),
        )
    })
}

fn proving_uid(instance: &Instance) -> Option<String> {
    let proved = Owner::token_fits(INSTANCE, &instance.tags, instance.client_token.as_deref());
    instance.tags.get(tag::UID).filter(|_| proved).cloned()
}

/// Switches a protection.
#[must_use]
pub fn protection(id: &str, action: ProtectedAction, field: &str, wanted: bool) -> Change<Step> {
    let word = |on: bool| if on { "Enabled" } else { "Disabled" }.to_owned();
    in_place_change(
        field,
        word(!wanted),
        word(wanted),
        "SettingProtection",
        format!("Setting {field} of {id} to {}", word(wanted)),
        vec![Step::Modify {
            change: ModifyInstanceAttribute {
                instance_id: id.to_owned(),
                attribute: InstanceAttribute::Protection {
                    action,
                    enabled: wanted,
                },
            },
            source: None,
        }],
    )
}

fn metadata(desired: &Desired, instance: &Instance) -> Option<Change<Step>> {
    let is = instance.metadata_options?;
    let wanted = MetadataOptions {
        http_tokens: desired.http_tokens.unwrap_or(is.http_tokens),
        hop_limit: desired.hop_limit.unwrap_or(is.hop_limit),
    };
    (is != wanted).then(|| {
        in_place_change(
            "metadataOptions",
            options(is),
            options(wanted),
            "SettingMetadataOptions",
            format!(
                "Setting the metadata options of {}: {} → {}",
                instance.id,
                options(is),
                options(wanted)
            ),
            vec![Step::Metadata(ModifyInstanceMetadataOptions {
                instance_id: instance.id.clone(),
                options: wanted,
            })],
        )
    })
}

fn monitoring(desired: &Desired, instance: &Instance) -> Option<Change<Step>> {
    let wanted = desired.monitoring.filter(|wanted| *wanted != instance.monitoring)?;
    let word = |monitoring: Monitoring| match monitoring {
        Monitoring::Basic => "Basic".to_owned(),
        Monitoring::Detailed => "Detailed".to_owned(),
    };
    Some(in_place_change(
        "monitoring",
        word(instance.monitoring),
        word(wanted),
        "SettingMonitoring",
        format!("Setting monitoring of {} to {}", instance.id, word(wanted)),
        vec![Step::Monitor(instance.id.clone(), wanted)],
    ))
}
