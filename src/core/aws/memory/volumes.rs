//! EBS volumes, as far as the volumes that a launch makes need them (E31, E36–E38).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::ec2::{
    self, DescribeVolumes, DescribeVolumesModifications, ModifyVolume, RootVolumeLaunch, Tags, VolumeModification,
};
use super::super::{AwsError, Page};
use super::catalogue::PublicImage;
use super::dials::{Dials, later};
use super::lists::{self, Listed};
use super::refusals::{Named, invalid_combination, invalid_value, missing, refused};
use super::tags::Tagged;
use super::world::{Act, Region, Site};

/// E38.
const MODIFICATIONS_A_DAY: usize = 4;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What of a volume can be modified.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    size_gib: i32,
    volume_type: String,
    iops: Option<i32>,
    throughput: Option<i32>,
}

/// One change of a volume (E37).
#[derive(Clone, Debug)]
struct Modification {
    started: Timestamp,
    target: Shape,
    state: ModificationState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ModificationState {
    Modifying,
    Optimizing,
    Completed,
}

impl ModificationState {
    const fn name(self) -> &'static str {
        match self {
            Self::Modifying => "modifying",
            Self::Optimizing => "optimizing",
            Self::Completed => "completed",
        }
    }
}

/// A volume of an instance.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    id: String,
    pub(super) created: Timestamp,
    shape: Shape,
    encrypted: bool,
    kms_key_id: Option<String>,
    modifications: Vec<Modification>,
    pub(super) tagged: Tagged,
}

impl Listed for Volume {
    fn created(&self) -> Timestamp {
        self.created
    }

    fn tagged(&self) -> &Tagged {
        &self.tagged
    }
}

impl Volume {
    /// E37: the new values count from `optimizing` on, although AWS still works on the volume.
    pub(super) fn settle(&mut self, now: Timestamp, dials: &Dials) {
        let Some(latest) = self.modifications.last_mut() else {
            return;
        };
        let optimizing = later(latest.started, dials.transition);
        if latest.state == ModificationState::Modifying && optimizing <= now {
            latest.state = ModificationState::Optimizing;
            self.shape = latest.target.clone();
        }
        if latest.state == ModificationState::Optimizing && later(optimizing, dials.transition) <= now {
            latest.state = ModificationState::Completed;
        }
    }

    pub(super) fn describe(&self) -> ec2::Volume {
        ec2::Volume {
            id: self.id.clone(),
            state: "in-use".to_owned(),
            size_gib: self.shape.size_gib,
            volume_type: self.shape.volume_type.clone(),
            iops: self.shape.iops,
            throughput: self.shape.throughput,
            encrypted: self.encrypted,
            kms_key_id: self.kms_key_id.clone(),
            tags: self.tagged.tags(),
        }
    }

    /// E37, E38.
    fn check_may_be_modified(&self, now: Timestamp) -> Result<(), AwsError> {
        if let Some(latest) = self.modifications.last()
            && latest.state != ModificationState::Completed
        {
            return Err(refused(
                "IncorrectModificationState",
                format!(
                    "The volume '{}' cannot be modified in modification state {}",
                    self.id,
                    latest.state.name().to_uppercase()
                ),
            ));
        }
        let of_a_day = self
            .modifications
            .iter()
            .filter(|one| later(one.started, DAY) > now)
            .count();
        if of_a_day >= MODIFICATIONS_A_DAY {
            return Err(refused(
                "VolumeModificationRateExceeded",
                "You've reached the maximum modification rate per volume limit. \
                 Wait at least 6 hours between modifications per EBS volume.",
            ));
        }
        Ok(())
    }

    /// What a modification asks for, with the rest as it is.
    fn target(&self, wanted: &ModifyVolume) -> Result<Shape, AwsError> {
        let size_gib = wanted.size_gib.unwrap_or(self.shape.size_gib);
        if size_gib < self.shape.size_gib {
            return Err(invalid_value("New size cannot be smaller than existing size"));
        }
        let volume_type = wanted
            .volume_type
            .clone()
            .unwrap_or_else(|| self.shape.volume_type.clone());
        let had_iops = self.shape.volume_type != "gp2" && matches!(volume_type.as_str(), "gp3" | "io1" | "io2");
        let iops = wanted.iops.or_else(|| self.shape.iops.filter(|_| had_iops));
        check_shape(size_gib, &volume_type, iops, wanted.throughput)?;
        let is_same_type = volume_type == self.shape.volume_type;
        let throughput = wanted
            .throughput
            .or_else(|| self.shape.throughput.filter(|_| is_same_type));
        Ok(shaped(size_gib, volume_type, iops, throughput))
    }
}

/// The limits of a volume type: GiB; IOPS and IOPS for each GiB; MiB/s. Absent where a caller has
/// no say.
struct Limits {
    sizes: (i32, i32),
    iops: Option<((i32, i32), i32)>,
    throughput: Option<(i32, i32)>,
}

fn limits_of(volume_type: &str) -> Option<Limits> {
    let plain = |sizes| Limits {
        sizes,
        iops: None,
        throughput: None,
    };
    Some(match volume_type {
        "gp2" => plain((1, 16_384)),
        "gp3" => Limits {
            sizes: (1, 65_536),
            iops: Some(((3000, 80_000), 500)),
            throughput: Some((125, 2000)),
        },
        "io1" => Limits {
            iops: Some(((100, 64_000), 50)),
            ..plain((4, 16_384))
        },
        "io2" => Limits {
            iops: Some(((100, 256_000), 1000)),
            ..plain((4, 65_536))
        },
        "st1" | "sc1" => plain((125, 16_384)),
        "standard" => plain((1, 1024)),
        _ => return None,
    })
}

fn check_shape(size_gib: i32, volume_type: &str, iops: Option<i32>, throughput: Option<i32>) -> Result<(), AwsError> {
    let limits = limits_of(volume_type)
        .ok_or_else(|| invalid_value(format!("Invalid value '{volume_type}' for VolumeType.")))?;
    check_range("Volume size", "GiB", size_gib, limits.sizes, volume_type)?;
    match (iops, limits.iops) {
        (Some(_), None) => {
            return Err(invalid_combination(format!(
                "The parameter iops is not supported for {volume_type} volumes."
            )));
        }
        (Some(iops), Some((range, for_each_gib))) => {
            check_range("Volume iops", "IOPS", iops, range, volume_type)?;
            if iops > size_gib.saturating_mul(for_each_gib).max(range.0) {
                return Err(invalid_combination(format!(
                    "Iops to volume size ratio is too high; maximum is {for_each_gib} for {volume_type}."
                )));
            }
        }
        (None, Some(_)) if volume_type != "gp3" => return Err(missing("iops")),
        (None, _) => {}
    }
    match (throughput, limits.throughput) {
        (Some(_), None) => Err(invalid_combination(format!(
            "The parameter throughput is not supported for {volume_type} volumes."
        ))),
        (Some(throughput), Some(range)) => {
            check_range("Volume throughput", "MiB/s", throughput, range, volume_type)?;
            if throughput > iops.unwrap_or(GP3_IOPS) / 4 {
                return Err(invalid_combination(
                    "Throughput (MiB/s) to iops ratio is too high; maximum is 0.250000 MiB/s per iops.",
                ));
            }
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

fn check_range(what: &str, unit: &str, value: i32, (low, high): (i32, i32), kind: &str) -> Result<(), AwsError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(invalid_value(format!(
        "{what} of {value} {unit} is invalid for volume type {kind}; expected {low} to {high} {unit}."
    )))
}

/// What every gp3 volume has.
const GP3_IOPS: i32 = 3000;
const GP3_THROUGHPUT: i32 = 125;

/// What a volume of a type really has: what was asked for, or the type's own.
fn shaped(size_gib: i32, volume_type: String, iops: Option<i32>, throughput: Option<i32>) -> Shape {
    let (iops, throughput) = match volume_type.as_str() {
        "gp2" => (Some(size_gib.saturating_mul(3).clamp(100, 16_000)), None),
        "gp3" => (
            Some(iops.unwrap_or(GP3_IOPS)),
            Some(throughput.unwrap_or(GP3_THROUGHPUT)),
        ),
        _ => (iops, None),
    };
    Shape {
        size_gib,
        volume_type,
        iops,
        throughput,
    }
}

// ---------------------------------------------------------------- with their instances

/// A volume that a launch will make.
pub(super) struct Planned {
    device: String,
    shape: Shape,
    encrypted: bool,
    kms_key_id: Option<String>,
}

/// E31: the volumes of a launch: the image's root, changed or added to by the call's mapping.
pub(super) fn planned(public: &PublicImage, mapping: &RootVolumeLaunch) -> Result<Vec<Planned>, AwsError> {
    let image_root = public.image.root_device_name.clone().unwrap_or_default();
    let smallest = public.image.root_volume_gib.unwrap_or(1);
    if mapping.device == image_root || asks_for_nothing(mapping) {
        let mapping = &RootVolumeLaunch {
            device: image_root,
            ..mapping.clone()
        };
        return Ok(vec![plan(mapping, "gp3", Some((smallest, &public.snapshot_id)))?]);
    }
    let root = Planned {
        device: image_root,
        shape: shaped(smallest, "gp3".to_owned(), None, None),
        encrypted: false,
        kms_key_id: None,
    };
    Ok(vec![root, plan(mapping, "gp2", None)?])
}

/// What asks for nothing is not sent at all, so the device that it names counts for nothing.
fn asks_for_nothing(mapping: &RootVolumeLaunch) -> bool {
    mapping.size_gib.is_none()
        && mapping.volume_type.is_none()
        && mapping.iops.is_none()
        && mapping.throughput.is_none()
        && mapping.encrypted.is_none()
        && mapping.kms_key_id.is_none()
}

fn plan(mapping: &RootVolumeLaunch, default_type: &str, snapshot: Option<(i32, &str)>) -> Result<Planned, AwsError> {
    let size_gib = mapping
        .size_gib
        .or(snapshot.map(|(gib, _)| gib))
        .ok_or_else(|| missing("BlockDeviceMapping.1.Ebs.VolumeSize"))?;
    if let Some((smallest, id)) = snapshot
        && size_gib < smallest
    {
        return Err(refused(
            "InvalidBlockDeviceMapping",
            format!("Volume of size {size_gib}GB is smaller than snapshot '{id}', expect size >= {smallest}GB"),
        ));
    }
    let volume_type = mapping.volume_type.clone().unwrap_or_else(|| default_type.to_owned());
    check_shape(size_gib, &volume_type, mapping.iops, mapping.throughput)?;
    Ok(Planned {
        device: mapping.device.clone(),
        shape: shaped(size_gib, volume_type, mapping.iops, mapping.throughput),
        encrypted: mapping.encrypted.unwrap_or(mapping.kms_key_id.is_some()),
        kms_key_id: mapping.kms_key_id.clone(),
    })
}

impl Site<'_> {
    /// The volumes of a new instance by device. E36: they go with it, since the launch mapped them.
    pub(super) fn make_volumes(&mut self, planned: Vec<Planned>, tags: &Tags) -> BTreeMap<String, (String, bool)> {
        let mut volumes = BTreeMap::new();
        for one in planned {
            let id = self.numbers.id(Named::Volume);
            let volume = Volume {
                id: id.clone(),
                created: self.now,
                shape: one.shape,
                encrypted: one.encrypted,
                kms_key_id: one
                    .encrypted
                    .then(|| self.region.catalogue.network.key_arn(one.kms_key_id.as_deref())),
                modifications: Vec::new(),
                tagged: Tagged::new(tags, self.now),
            };
            self.region.volumes.insert(id.clone(), volume);
            volumes.insert(one.device, (id, true));
        }
        volumes
    }

    fn volume_mut(&mut self, id: &str) -> Result<&mut Volume, AwsError> {
        let seen = self
            .region
            .volumes
            .get(id)
            .is_some_and(|volume| self.sees(volume.created));
        self.region
            .volumes
            .get_mut(id)
            .filter(|_| seen)
            .ok_or_else(|| Named::Volume.unknown(id))
    }
}

impl Region {
    /// A volume whose instance has ended, and which goes with it.
    pub(super) fn let_go(&mut self, volume_id: &str) {
        self.volumes.remove(volume_id);
    }
}

// ---------------------------------------------------------------- operations

impl Act for DescribeVolumes {
    fn act(self, site: &mut Site<'_>) -> Result<Page<ec2::Volume>, AwsError> {
        let found = lists::selected(site, &site.region.volumes, &self.select)?;
        lists::page(site, found, self.page, Volume::describe)
    }
}

impl Act for ModifyVolume {
    fn subject(&self) -> String {
        self.volume_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        let now = site.now;
        let volume = site.volume_mut(&self.volume_id)?;
        let target = volume.target(&self)?;
        volume.check_may_be_modified(now)?;
        volume.modifications.push(Modification {
            started: now,
            target,
            state: ModificationState::Modifying,
        });
        Ok(())
    }
}

impl Act for DescribeVolumesModifications {
    fn subject(&self) -> String {
        self.volume_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<Option<VolumeModification>, AwsError> {
        // The id is a filter, which drops what is unknown (E13).
        let latest = site
            .region
            .volumes
            .get(&self.volume_id)
            .and_then(|volume| volume.modifications.last());
        Ok(latest.map(|latest| VolumeModification {
            state: latest.state.name().to_owned(),
            volume_id: self.volume_id,
            status_message: None,
        }))
    }
}
