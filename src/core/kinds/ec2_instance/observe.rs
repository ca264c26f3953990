//! Reads AWS into plain data. It asks only for what the planner can use now: while the instance
//! settles nothing but the instance is read, and what lists do not show is read when it may have
//! changed.

use futures_util::future::try_join;
use jiff::Timestamp;

use super::Ec2;
use super::desired::{Desired, ImageSource};
use super::plan::launch;
use super::{INSTANCE, View};
use crate::aws::ec2::{
    DescribeImages, DescribeInstances, DescribeProtection, DescribeSecurityGroups, DescribeSubnets, DescribeUserData,
    DescribeVolumesModifications, Image, Instance, ProtectedAction, SecurityGroup, Select, SelectGroups, SelectImages,
    SelectInstances, Volume, VolumeModification,
};
use crate::aws::ssm::GetParameter;
use crate::aws::{Class, Failure};
use crate::engine::gate::Aws;
use crate::engine::kind::{Goal, Sighting};
use crate::engine::ledger::{Part, PartState};
use crate::engine::sweep::{Listing, digest};
use crate::parts::security_group::PART as GROUP;
use crate::secret::Secret;

/// What is known of the instance.
#[derive(Clone, Debug, Default)]
pub enum Sight {
    /// There is none that we know of.
    #[default]
    None,
    /// AWS does not show what the ledger knows. That proves nothing yet (E7).
    Hidden,
    /// The ledger's own.
    Known(Box<Instance>),
    /// Not in the ledger: found by our tags, or named by `nuvem.dev/adopt`.
    Found(Box<Instance>),
}

/// What spec.image came to.
#[derive(Clone, Debug, Default)]
pub enum ImageSight {
    /// Not asked for.
    #[default]
    NotAsked,
    /// This one.
    Found(Box<Image>),
    /// There is none, in words.
    Missing(String),
}

/// Where the instance is, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkSight {
    /// Not asked for.
    NotAsked,
    /// In this VPC.
    Vpc(String),
    /// There is no such place, in words.
    Missing(String),
}

/// AWS as plain data.
#[derive(Clone, Debug)]
pub struct Observed {
    /// When reading began.
    pub at: Timestamp,
    /// The instance.
    pub instance: Sight,
    /// Others that claim to be this instance.
    pub others: Vec<String>,
    /// The group of its own.
    pub group: Option<SecurityGroup>,
    /// The default group of the VPC, where it must take the place of our own.
    pub default_group: Option<SecurityGroup>,
    /// The VPC.
    pub network: NetworkSight,
    /// The image.
    pub image: ImageSight,
    /// The root volume.
    pub root_volume: Option<Volume>,
    /// The root volume's latest modification, where it differs from the spec.
    pub modification: Option<VolumeModification>,
    /// The user data, where it was read.
    pub user_data: Option<Option<Secret<Vec<u8>>>>,
    /// Protection from termination, where it was read.
    pub termination_protection: Option<bool>,
    /// Protection from being stopped, where it was read.
    pub stop_protection: Option<bool>,
}

impl Observed {
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            at,
            instance: Sight::None,
            others: Vec::new(),
            group: None,
            default_group: None,
            network: NetworkSight::NotAsked,
            image: ImageSight::NotAsked,
            root_volume: None,
            modification: None,
            user_data: None,
            termination_protection: None,
            stop_protection: None,
        }
    }

    /// The instance, whether known or just found.
    #[must_use]
    pub fn seen(&self) -> Option<&Instance> {
        match &self.instance {
            Sight::Known(instance) | Sight::Found(instance) => Some(instance),
            Sight::None | Sight::Hidden => None,
        }
    }

    /// The instance, while it can run.
    #[must_use]
    pub fn living(&self) -> Option<&Instance> {
        self.seen().filter(|instance| instance.state.is_living())
    }
}

/// Reads what the goal needs.
///
/// # Errors
///
/// Whatever AWS refuses to show.
pub async fn observe(aws: &Aws, view: &View<Ec2>) -> Result<Observed, Failure> {
    let mut observed = Observed::new(aws.gate().now());
    (observed.instance, observed.others) = instance(aws, view).await?;
    match &view.goal {
        Goal::Present(desired) => present(aws, view, desired, &mut observed).await?,
        Goal::Absent(_) => absent(aws, view, &mut observed).await?,
    }
    Ok(observed)
}

/// What the sweep will see of it.
#[must_use]
pub fn sightings(observed: &Observed) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    if let Sight::Known(instance) = &observed.instance {
        sightings.push(Sighting {
            listing: Listing::Instances,
            id: instance.id.clone(),
            digest: digest(instance),
        });
    }
    if let Some(group) = &observed.group {
        sightings.push(Sighting {
            listing: Listing::SecurityGroups,
            id: group.id.clone(),
            digest: digest(group),
        });
    }
    if let Some(volume) = &observed.root_volume {
        sightings.push(Sighting {
            listing: Listing::Volumes,
            id: volume.id.clone(),
            digest: digest(volume),
        });
    }
    sightings
}

async fn instance(aws: &Aws, view: &View<Ec2>) -> Result<(Sight, Vec<String>), Failure> {
    let known = |instance: Option<Instance>| match instance {
        Some(instance) => Sight::Known(Box::new(instance)),
        None => Sight::Hidden,
    };
    let found = |instance: Option<Instance>| match instance {
        Some(instance) => Sight::Found(Box::new(instance)),
        None => Sight::None,
    };
    match view.ledger.newest(INSTANCE) {
        Some(part) if part.state == PartState::Gone => Ok((Sight::None, Vec::new())),
        Some(Part { id: Some(id), .. }) => Ok((known(aws.instance(id).await?), Vec::new())),
        Some(Part { token: Some(token), .. }) if launch::must_look_by_token(view) => {
            let select = SelectInstances::ClientToken(token.clone());
            Ok((known(newest(listed(aws, select).await?)), Vec::new()))
        }
        Some(_) => Ok((Sight::Hidden, Vec::new())),
        None => match &view.annotations.adopt {
            Some(id) => Ok((found(aws.instance(id).await?), Vec::new())),
            None if view.ledger.parts().is_empty() => by_tags(aws, view).await,
            None => Ok((Sight::None, Vec::new())),
        },
    }
}

/// With an empty ledger the tags lead to what an earlier life of this object made.
async fn by_tags(aws: &Aws, view: &View<Ec2>) -> Result<(Sight, Vec<String>), Failure> {
    let select = SelectInstances::By(Select::Tags(view.owner.search()));
    let mut all = listed(aws, select).await?;
    all.retain(|instance| instance.state.is_living());
    all.sort_by_key(|instance| std::cmp::Reverse(instance.launch_time));
    let mut all = all.into_iter();
    let sight = all
        .next()
        .map_or(Sight::None, |instance| Sight::Found(Box::new(instance)));
    Ok((sight, all.map(|instance| instance.id).collect()))
}

fn newest(instances: Vec<Instance>) -> Option<Instance> {
    instances
        .into_iter()
        .max_by_key(|instance| (instance.state.is_living(), instance.launch_time))
}

async fn listed(aws: &Aws, select: SelectInstances) -> Result<Vec<Instance>, Failure> {
    let mut all = Vec::new();
    let mut page = None;
    loop {
        let answer = aws
            .call(DescribeInstances {
                select: select.clone(),
                page,
            })
            .await?;
        all.extend(answer.items);
        page = answer.next;
        if page.is_none() {
            return Ok(all);
        }
    }
}

async fn present(aws: &Aws, view: &View<Ec2>, desired: &Desired, observed: &mut Observed) -> Result<(), Failure> {
    match observed.seen().cloned() {
        Some(instance) if instance.state.is_living() => {
            if !instance.state.is_settling() {
                living(aws, view, desired, &instance, observed).await?;
            }
        }
        Some(_) => {}
        None => to_be_launched(aws, view, desired, observed).await?,
    }
    // Where the spec asks for no group, an earlier life of this object may have had one.
    let may_be_lost = view.ledger.parts().is_empty() && desired.group.is_none();
    if may_be_lost && !view.observing && view.annotations.adopt.is_none() {
        observed.group = tagged_group(aws, view).await?;
    }
    Ok(())
}

async fn living(
    aws: &Aws,
    view: &View<Ec2>,
    desired: &Desired,
    instance: &Instance,
    observed: &mut Observed,
) -> Result<(), Failure> {
    if let Some(vpc_id) = &instance.vpc_id {
        observed.network = NetworkSight::Vpc(vpc_id.clone());
    }
    let root = async {
        match instance.root_volume() {
            Some(root) => aws.volume(&root.volume_id).await,
            None => Ok(None),
        }
    };
    (observed.root_volume, observed.group) = try_join(root, group(aws, view, Some(desired), &observed.network)).await?;
    if let Some(volume) = observed
        .root_volume
        .as_ref()
        .filter(|volume| super::plan::volume_differs(desired, volume))
    {
        let volume_id = volume.id.clone();
        observed.modification = aws.call(DescribeVolumesModifications { volume_id }).await?;
    }
    let replaces_own_group = desired.group.is_none() && desired.security_group_ids.is_empty();
    if let (true, Some(group), Some(vpc_id)) = (replaces_own_group, &observed.group, &instance.vpc_id)
        && instance.security_groups.contains(&group.id)
    {
        observed.default_group = named_group(aws, "default", vpc_id).await?;
    }
    attributes(aws, view, Some(desired), instance, observed).await
}

/// What `DescribeInstances` does not show.
async fn attributes(
    aws: &Aws,
    view: &View<Ec2>,
    desired: Option<&Desired>,
    instance: &Instance,
    observed: &mut Observed,
) -> Result<(), Failure> {
    let deep = view.deep && !desired.is_some_and(|desired| launch::is_as_launched(view, desired));
    let source = view.ledger.newest(INSTANCE).and_then(|part| part.source.as_deref());
    let wanted = desired.and_then(|desired| desired.user_data.as_ref());
    if wanted.is_some_and(|user_data| deep || source != Some(user_data.source.as_str())) {
        let instance_id = instance.id.clone();
        observed.user_data = Some(aws.call(DescribeUserData { instance_id }).await?);
    }
    if !deep {
        return Ok(());
    }
    let protection = |action| {
        let instance_id = instance.id.clone();
        aws.call(DescribeProtection { instance_id, action })
    };
    let (termination, stop) = try_join(
        protection(ProtectedAction::Termination),
        protection(ProtectedAction::Stop),
    )
    .await?;
    observed.termination_protection = Some(termination);
    observed.stop_protection = Some(stop);
    Ok(())
}

async fn to_be_launched(
    aws: &Aws,
    view: &View<Ec2>,
    desired: &Desired,
    observed: &mut Observed,
) -> Result<(), Failure> {
    if view.observing || view.annotations.adopt.is_some() {
        return Ok(());
    }
    observed.network = network(aws, view, desired).await?;
    observed.group = group(aws, view, Some(desired), &observed.network).await?;
    let group_is_ready = desired.group.is_none() || observed.group.is_some();
    if group_is_ready && !launch::image_is_pinned(view, desired) {
        observed.image = image(aws, desired).await?;
    }
    Ok(())
}

async fn network(aws: &Aws, view: &View<Ec2>, desired: &Desired) -> Result<NetworkSight, Failure> {
    let same_subnet = desired.subnet_id.is_none() || desired.subnet_id == view.pins.subnet_id;
    if let (true, Some(vpc_id)) = (same_subnet, &view.pins.vpc_id) {
        return Ok(NetworkSight::Vpc(vpc_id.clone()));
    }
    let (query, missing) = match &desired.subnet_id {
        Some(id) => (
            DescribeSubnets::Id(id.clone()),
            format!("spec.network.subnet.id: {id} does not exist in {}", view.region),
        ),
        None if desired.group.is_none() => return Ok(NetworkSight::NotAsked),
        None => (
            DescribeSubnets::DefaultForAz,
            format!("{} has no default VPC: write spec.network.subnet.id", view.region),
        ),
    };
    let subnets = aws.call(query).await?;
    Ok(subnets
        .into_iter()
        .next()
        .map_or(NetworkSight::Missing(missing), |subnet| {
            NetworkSight::Vpc(subnet.vpc_id)
        }))
}

/// The group of its own: by id when that is known; by its deterministic name when it may exist.
async fn group(
    aws: &Aws,
    view: &View<Ec2>,
    desired: Option<&Desired>,
    network: &NetworkSight,
) -> Result<Option<SecurityGroup>, Failure> {
    let wanted = desired.is_none_or(|desired| desired.group.is_some());
    match (view.ledger.current(GROUP), network) {
        (Some(Part { id: Some(id), .. }), _) => aws.security_group(id).await,
        // A record without a refused name is a create that was never sent, or whose answer was
        // lost; sending it (again) tells which: the name is unique.
        (Some(Part { last_failure: None, .. }), _) if desired.is_some() => Ok(None),
        (Some(Part { name: Some(name), .. }), NetworkSight::Vpc(vpc_id)) => named_group(aws, name, vpc_id).await,
        (None, NetworkSight::Vpc(vpc_id)) if wanted => named_group(aws, &launch::group_name(view), vpc_id).await,
        (Some(_) | None, _) => Ok(None),
    }
}

async fn named_group(aws: &Aws, name: &str, vpc_id: &str) -> Result<Option<SecurityGroup>, Failure> {
    let select = SelectGroups::Named {
        name: name.to_owned(),
        vpc_id: vpc_id.to_owned(),
    };
    let page = aws.call(DescribeSecurityGroups { select, page: None }).await?;
    Ok(page.items.into_iter().next())
}

async fn image(aws: &Aws, desired: &Desired) -> Result<ImageSight, Failure> {
    let (select, what) = match &desired.image {
        None => return Ok(ImageSight::NotAsked),
        Some(ImageSource::Id(id)) => (SelectImages::Id(id.clone()), format!("spec.image.id: image {id}")),
        Some(ImageSource::SsmParameter(name)) => match aws.call(GetParameter { name: name.clone() }).await {
            Ok(id) => {
                let what = format!("spec.image.ssmParameter: {name} names image {id}, which");
                (SelectImages::Id(id), what)
            }
            Err(failure) if failure.class == Class::NotFound => {
                return Ok(ImageSight::Missing(format!(
                    "spec.image.ssmParameter: there is no parameter {name}"
                )));
            }
            Err(failure) => return Err(failure),
        },
        Some(ImageSource::Filter { owner, name }) => (
            SelectImages::Named {
                owner: owner.clone(),
                name: name.clone(),
            },
            format!("spec.image.filter: an available image of {owner} named {name}"),
        ),
    };
    let images = aws.call(DescribeImages { select }).await?;
    let newest = images
        .into_iter()
        .filter(|image| image.state == "available")
        .max_by(|a, b| a.creation_date.cmp(&b.creation_date));
    Ok(newest.map_or_else(
        || {
            ImageSight::Missing(format!(
                "{what} does not exist in this Region, or is not shared with this account"
            ))
        },
        |image| ImageSight::Found(Box::new(image)),
    ))
}

async fn absent(aws: &Aws, view: &View<Ec2>, observed: &mut Observed) -> Result<(), Failure> {
    if let Some(vpc_id) = &view.pins.vpc_id {
        observed.network = NetworkSight::Vpc(vpc_id.clone());
    }
    let living = observed.living().cloned();
    if let Some(instance) = &living {
        if let Some(root) = instance.root_volume() {
            observed.root_volume = aws.volume(&root.volume_id).await?;
        }
        attributes(aws, view, None, instance, observed).await?;
    }
    observed.group = group(aws, view, None, &observed.network).await?;
    // With the ledger the VPC was lost, too: before the object goes, the tags are asked.
    if living.is_none() && observed.group.is_none() && view.ledger.newest(GROUP).is_none() {
        observed.group = tagged_group(aws, view).await?;
    }
    Ok(())
}

async fn tagged_group(aws: &Aws, view: &View<Ec2>) -> Result<Option<SecurityGroup>, Failure> {
    let name = launch::group_name(view);
    let select = SelectGroups::By(Select::Tags(view.owner.search()));
    let page = aws.call(DescribeSecurityGroups { select, page: None }).await?;
    Ok(page.items.into_iter().find(|group| group.name == name))
}
