//! What a Region has before anybody makes anything: networks, images, key pairs, instance types.

use std::collections::BTreeMap;

use super::super::AwsError;
use super::super::ec2::{DescribeImages, DescribeSubnets, Image, SelectImages, Subnet};
use super::super::identity::GetCallerIdentity;
use super::super::ssm::GetParameter;
use super::ACCOUNT;
use super::groups::Group;
use super::network::Network;
use super::refusals::{Named, refused};
use super::world::{Act, Site};

/// The key pair that exists.
pub(super) const KEY_PAIR: &str = "ops";

const AMAZON: &str = "137112412989";
const CANONICAL: &str = "099720109477";

/// Name, day of creation, owner, alias of the owner, architecture, root device.
type Published = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// The public images, oldest first.
const IMAGES: [Published; 5] = [
    (
        "al2023-ami-2023.11.20260817.0-kernel-6.1-x86_64",
        "2026-08-17T01:00:00.000Z",
        AMAZON,
        "amazon",
        "x86_64",
        "/dev/xvda",
    ),
    (
        "al2023-ami-2023.11.20260817.0-kernel-6.1-arm64",
        "2026-08-17T01:00:00.000Z",
        AMAZON,
        "amazon",
        "arm64",
        "/dev/xvda",
    ),
    (
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261015",
        "2026-10-15T01:00:00.000Z",
        CANONICAL,
        "",
        "x86_64",
        "/dev/sda1",
    ),
    (
        "al2023-ami-2023.12.20261109.0-kernel-6.12-x86_64",
        "2026-11-09T01:00:00.000Z",
        AMAZON,
        "amazon",
        "x86_64",
        "/dev/xvda",
    ),
    (
        "al2023-ami-2023.12.20261109.0-kernel-6.12-arm64",
        "2026-11-09T01:00:00.000Z",
        AMAZON,
        "amazon",
        "arm64",
        "/dev/xvda",
    ),
];

/// Where AWS publishes its newest images: parameter and place in [`IMAGES`].
const PARAMETERS: [(&str, usize); 3] = [
    (
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        3,
    ),
    (
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
        4,
    ),
    (
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        2,
    ),
];

/// The size of every image's root snapshot.
const ROOT_GIB: i32 = 8;

/// Families of instance types with their architecture.
const FAMILIES: [(&str, &str); 18] = [
    ("c5", "x86_64"),
    ("c6i", "x86_64"),
    ("c7g", "arm64"),
    ("c7i", "x86_64"),
    ("m5", "x86_64"),
    ("m6g", "arm64"),
    ("m6i", "x86_64"),
    ("m7g", "arm64"),
    ("m7i", "x86_64"),
    ("r5", "x86_64"),
    ("r6g", "arm64"),
    ("r6i", "x86_64"),
    ("r7g", "arm64"),
    ("r7i", "x86_64"),
    ("t2", "x86_64"),
    ("t3", "x86_64"),
    ("t3a", "x86_64"),
    ("t4g", "arm64"),
];
const BURSTABLE_SIZES: [&str; 7] = ["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"];
const SIZES: [&str; 5] = ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge"];

/// The architecture of an instance type, if there is such a type.
pub(super) fn architecture_of(instance_type: &str) -> Option<&'static str> {
    let (family, size) = instance_type.split_once('.')?;
    let (_, architecture) = FAMILIES.iter().find(|(known, _)| *known == family)?;
    let sizes: &[&str] = if family.starts_with('t') {
        &BURSTABLE_SIZES
    } else {
        &SIZES
    };
    sizes.contains(&size).then_some(architecture)
}

/// An image with whom it belongs to.
#[derive(Debug)]
pub(super) struct PublicImage {
    pub(super) image: Image,
    pub(super) snapshot_id: String,
    owner: &'static str,
    alias: &'static str,
}

/// What one Region has.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) network: Network,
    images: Vec<PublicImage>,
    marks: Marks,
}

/// Makes ids that are the same in every world and different in every Region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks(u32);

impl Marks {
    fn of(region: &str) -> Self {
        // FNV-1a.
        Self(region.bytes().fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        }))
    }

    pub(super) fn id(self, prefix: &str, number: usize) -> String {
        format!("{prefix}{:08x}{number:09x}", self.0)
    }
}

/// What a Region has from the beginning, for tests that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `vpc-…` of the default VPC.
    pub default_vpc: String,
    /// The default subnets of the zones a, b and c.
    pub default_subnets: Vec<String>,
    /// `sg-…` of the default VPC's group `default`.
    pub default_group: String,
    /// Another VPC, which is not the default.
    pub other_vpc: String,
    /// Its only subnet, in zone a.
    pub other_subnet: String,
    /// `sg-…` of its group `default`.
    pub other_group: String,
    /// A prefix list of AWS's own.
    pub prefix_list: String,
    /// Amazon Linux 2023 for `x86_64`, the one that the parameter names.
    pub newest_image: String,
    /// The one before.
    pub older_image: String,
    /// The newest for `arm64`.
    pub arm_image: String,
}

impl Catalogue {
    pub(super) fn of(region: &str) -> Self {
        let marks = Marks::of(region);
        let images = IMAGES
            .iter()
            .enumerate()
            .map(
                |(number, (name, created, owner, alias, architecture, root))| PublicImage {
                    image: Image {
                        id: marks.id(Named::Image.prefix(), number),
                        name: Some((*name).to_owned()),
                        state: "available".to_owned(),
                        creation_date: (*created).to_owned(),
                        architecture: (*architecture).to_owned(),
                        root_device_name: Some((*root).to_owned()),
                        root_volume_gib: Some(ROOT_GIB),
                    },
                    snapshot_id: marks.id("snap-", number),
                    owner,
                    alias,
                },
            )
            .collect();
        Self {
            network: Network::of(region, marks),
            images,
            marks,
        }
    }

    pub(super) fn image(&self, id: &str) -> Result<&PublicImage, AwsError> {
        self.images
            .iter()
            .find(|public| public.image.id == id)
            .ok_or_else(|| Named::Image.unknown(id))
    }

    /// Every VPC has a group `default`.
    pub(super) fn default_groups(&self) -> BTreeMap<String, Group> {
        self.network
            .default_groups()
            .map(|(vpc_id, group_id)| (group_id.clone(), Group::default_of(vpc_id, group_id)))
            .collect()
    }
}

impl super::world::Region {
    pub(super) fn facts(&self) -> Facts {
        let marks = self.catalogue.marks;
        let network = &self.catalogue.network;
        let image = |number| marks.id(Named::Image.prefix(), number);
        Facts {
            default_vpc: network.default_vpc().to_owned(),
            default_subnets: network.default_subnets().map(|subnet| subnet.id.clone()).collect(),
            default_group: network
                .default_group_of(network.default_vpc())
                .unwrap_or_default()
                .to_owned(),
            other_vpc: network.other_vpc().to_owned(),
            other_subnet: network.other_subnet().to_owned(),
            other_group: network
                .default_group_of(network.other_vpc())
                .unwrap_or_default()
                .to_owned(),
            prefix_list: network.prefix_list().to_owned(),
            newest_image: image(3),
            older_image: image(0),
            arm_image: image(4),
        }
    }
}

impl Act for DescribeImages {
    fn act(self, site: &mut Site<'_>) -> Result<Vec<Image>, AwsError> {
        let fits = |public: &&PublicImage| match &self.select {
            SelectImages::Id(id) => public.image.id == *id,
            SelectImages::Named { owner, name } => {
                (public.owner == owner || (public.alias == owner && !owner.is_empty()))
                    && public
                        .image
                        .name
                        .as_deref()
                        .is_some_and(|text| matches_pattern(name, text))
            }
        };
        Ok(site
            .region
            .catalogue
            .images
            .iter()
            .filter(fits)
            .map(|public| public.image.clone())
            .collect())
    }
}

/// E58: `*` stands for any characters, `?` for one or none, a backslash takes the meaning from what
/// follows, and case counts.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    let first = pattern_chars.next();
    let rest = pattern_chars.as_str();
    match first {
        None => text.is_empty(),
        Some('*') => matches_pattern(rest, text) || after_any(text).is_some_and(|tail| matches_pattern(pattern, tail)),
        Some('?') => matches_pattern(rest, text) || after_any(text).is_some_and(|tail| matches_pattern(rest, tail)),
        Some('\\') => match pattern_chars.next() {
            None => text == "\\",
            Some(literal) => text
                .strip_prefix(literal)
                .is_some_and(|tail| matches_pattern(pattern_chars.as_str(), tail)),
        },
        Some(literal) => text
            .strip_prefix(literal)
            .is_some_and(|tail| matches_pattern(rest, tail)),
    }
}

/// The text without its first character, if it has one.
fn after_any(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

impl Act for DescribeSubnets {
    fn act(self, site: &mut Site<'_>) -> Result<Vec<Subnet>, AwsError> {
        let network = &site.region.catalogue.network;
        Ok(match self {
            Self::Id(id) => network.subnet(&id).cloned().into_iter().collect(),
            Self::DefaultForAz => network.default_subnets().cloned().collect(),
        })
    }
}

impl Act for GetParameter {
    fn subject(&self) -> String {
        self.name.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<String, AwsError> {
        PARAMETERS
            .iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, number)| site.region.catalogue.marks.id(Named::Image.prefix(), *number))
            .ok_or_else(|| refused("ParameterNotFound", format!("Parameter {} not found.", self.name)))
    }
}

impl Act for GetCallerIdentity {
    fn act(self, _: &mut Site<'_>) -> Result<String, AwsError> {
        Ok(ACCOUNT.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_ec2_filters_do() {
        let name = "al2023-ami-2023.11.20260817.0-kernel-6.1-x86_64";
        for (pattern, matches) in [
            ("al2023-ami-2023.*-x86_64", true),
            ("*", true),
            ("al2023-ami-????.*", true),
            ("AL2023*", false),
            ("al2023-ami-2023.*-arm64", false),
            ("al2023?-ami-*", true),
            ("al20?23-ami-*", true),
            ("al2023??ami-*-x86?64", true),
            ("al2023-ami-\\*", false),
            ("al2023\\-ami-*", true),
            ("", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), matches, "{pattern}");
        }
    }
}
