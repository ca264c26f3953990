//! EC2 in our own words: what instances, volumes and security groups look like, and the
//! operations on them. Field names follow AWS's; every collection has one order, so that two
//! readings of the same thing are equal and have the same digest.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::{Page, Perform, operation};
use crate::secret::Secret;

/// AWS tags, by key.
pub type Tags = BTreeMap<String, String>;

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Launching or starting.
    Pending,
    /// Up, and billed.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Down; its disks remain.
    Stopped,
    /// On its way to terminated.
    ShuttingDown,
    /// Gone; shown for about an hour.
    Terminated,
}

impl InstanceState {
    /// AWS's own word, as the console and the CLI show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    /// Whether the instance still exists as something that can run.
    #[must_use]
    pub const fn is_living(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Stopping | Self::Stopped => true,
            Self::ShuttingDown | Self::Terminated => false,
        }
    }

    /// Whether AWS is moving it to another state, so that it must be looked at again soon.
    #[must_use]
    pub const fn is_settling(self) -> bool {
        match self {
            Self::Pending | Self::Stopping | Self::ShuttingDown => true,
            Self::Running | Self::Stopped | Self::Terminated => false,
        }
    }
}

/// Why AWS moved an instance to its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateReason {
    /// For example `Client.VolumeLimitExceeded`.
    pub code: String,
    /// AWS's sentence.
    pub message: String,
}

/// How often CloudWatch gets an instance's metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Monitoring {
    /// Every five minutes, free.
    Basic,
    /// Every minute, billed.
    Detailed,
}

/// Whether the instance metadata service demands a session token (`IMDSv2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpTokens {
    /// `IMDSv2` only.
    Required,
    /// `IMDSv1` too.
    Optional,
}

/// An instance's metadata options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MetadataOptions {
    /// Whether a session token is demanded.
    pub http_tokens: HttpTokens,
    /// How many network hops an answer may travel, 1 to 64.
    pub hop_limit: i32,
}

/// A volume as an instance has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttachedVolume {
    /// The device name, for example `/dev/xvda`.
    pub device: String,
    /// `vol-…`.
    pub volume_id: String,
    /// Whether AWS deletes it together with the instance.
    pub delete_on_termination: bool,
}

/// An instance as `DescribeInstances` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Why, where AWS tells.
    pub state_reason: Option<StateReason>,
    /// `ami-…`, what it was launched from.
    pub image_id: String,
    /// For example `t3.micro`.
    pub instance_type: String,
    /// The key pair it was launched with.
    pub key_name: Option<String>,
    /// `subnet-…`; AWS drops it once the instance is terminated.
    pub subnet_id: Option<String>,
    /// `vpc-…`; AWS drops it once the instance is terminated.
    pub vpc_id: Option<String>,
    /// For example `eu-west-1a`.
    pub availability_zone: String,
    /// The primary private IPv4 address.
    pub private_ip: Option<String>,
    /// The public IPv4 address, while it has one.
    pub public_ip: Option<String>,
    /// The public DNS name, while it has one.
    pub public_dns_name: Option<String>,
    /// When it was last launched or started.
    pub launch_time: Option<Timestamp>,
    /// The token it was launched with.
    pub client_token: Option<String>,
    /// `sg-…` of its primary interface.
    pub security_groups: BTreeSet<String>,
    /// How often CloudWatch gets its metrics.
    pub monitoring: Monitoring,
    /// Its metadata options; AWS drops them once the instance is terminated.
    pub metadata_options: Option<MetadataOptions>,
    /// The device of its root volume.
    pub root_device_name: Option<String>,
    /// Its volumes, by device.
    pub volumes: Vec<AttachedVolume>,
    /// Its tags.
    pub tags: Tags,
}

impl Instance {
    /// The volume it boots from, while it is attached.
    #[must_use]
    pub fn root_volume(&self) -> Option<&AttachedVolume> {
        let root = self.root_device_name.as_deref()?;
        self.volumes.iter().find(|volume| volume.device == root)
    }
}

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// `vol-…`.
    pub id: String,
    /// AWS's own word: `creating`, `available`, `in-use`, `deleting`, `error`.
    pub state: String,
    /// Its size in GiB.
    pub size_gib: i32,
    /// For example `gp3`.
    pub volume_type: String,
    /// Provisioned operations per second, where the type has them.
    pub iops: Option<i32>,
    /// Provisioned MiB per second, where the type has them.
    pub throughput: Option<i32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key it is encrypted with.
    pub kms_key_id: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// How far the latest modification of a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeModification {
    /// `vol-…`.
    pub volume_id: String,
    /// AWS's own word: `modifying`, `optimizing`, `completed`, `failed`.
    pub state: String,
    /// Why it failed, where AWS tells.
    pub status_message: Option<String>,
}

/// Which way a rule lets traffic through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Direction {
    /// To the instance.
    Ingress,
    /// From the instance.
    Egress,
}

/// Who is at the other end of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Peer {
    /// An IPv4 network in canonical form, for example `10.0.0.0/8`.
    Ipv4(String),
    /// An IPv6 network in canonical form.
    Ipv6(String),
    /// Another security group, `sg-…`.
    Group(String),
    /// A prefix list, `pl-…`.
    PrefixList(String),
}

/// What a rule lets through, and to whom: one peer each, as AWS counts them.
///
/// The description is apart, since AWS compares rules without it (E50).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` for all, or a protocol number.
    pub protocol: String,
    /// The first port, or the ICMP type; absent for all protocols.
    pub from_port: Option<i32>,
    /// The last port, or the ICMP code; absent for all protocols.
    pub to_port: Option<i32>,
    /// Who is at the other end.
    pub peer: Peer,
}

/// Rules and their descriptions; an absent description is `None`.
pub type Rules = BTreeMap<Rule, Option<String>>;

/// A security group with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its name, unique in its VPC whatever the case.
    pub name: String,
    /// `vpc-…`.
    pub vpc_id: String,
    /// What it lets in.
    #[serde(serialize_with = "as_pairs")]
    pub ingress: Rules,
    /// What it lets out.
    #[serde(serialize_with = "as_pairs")]
    pub egress: Rules,
    /// Its tags.
    pub tags: Tags,
}

fn as_pairs<S: serde::Serializer>(rules: &Rules, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rules.iter())
}

/// A machine image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// AWS's own word: `pending`, `available`, `failed`, …
    pub state: String,
    /// When it was made, ISO 8601, so that text order is time order.
    pub creation_date: String,
    /// For example `x86_64`.
    pub architecture: String,
    /// The device of the root volume.
    pub root_device_name: Option<String>,
    /// The size of the root volume's snapshot in GiB, where the image has one.
    pub root_volume_gib: Option<i32>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// `vpc-…`.
    pub vpc_id: String,
    /// For example `eu-west-1a`.
    pub availability_zone: String,
    /// Whether it is its zone's subnet of the default VPC.
    pub default_for_az: bool,
}

/// Which things a listing shows. Ids and tags are filters: what is unknown is left out (E13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// At most 200, the limit of a filter.
    Ids(Vec<String>),
    /// What all these tags are on, key and value.
    Tags(Vec<(String, String)>),
}

/// Which instances a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectInstances {
    /// By id or tag.
    By(Select),
    /// What a client token made (E5).
    ClientToken(String),
}

/// Which security groups a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectGroups {
    /// By id or tag.
    By(Select),
    /// The one of this name in this VPC.
    Named {
        /// The group's name.
        name: String,
        /// `vpc-…`.
        vpc_id: String,
    },
}

/// Which images a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectImages {
    /// One image, as a filter: absent when unknown.
    Id(String),
    /// By owner (an account id or `amazon`, `self`, …) and name with `*` and `?`.
    Named {
        /// The owner.
        owner: String,
        /// The name, with `*` and `?`.
        name: String,
    },
}

/// Lists instances, 1,000 a page.
#[derive(Clone, Debug)]
pub struct DescribeInstances {
    /// Which.
    pub select: SelectInstances,
    /// Where the page begins.
    pub page: Option<String>,
}
operation!(DescribeInstances, "ec2.DescribeInstances", Read, Page<Instance>);

/// Lists volumes, 1,000 a page.
#[derive(Clone, Debug)]
pub struct DescribeVolumes {
    /// Which.
    pub select: Select,
    /// Where the page begins.
    pub page: Option<String>,
}
operation!(DescribeVolumes, "ec2.DescribeVolumes", Read, Page<Volume>);

/// Lists security groups, 1,000 a page.
#[derive(Clone, Debug)]
pub struct DescribeSecurityGroups {
    /// Which.
    pub select: SelectGroups,
    /// Where the page begins.
    pub page: Option<String>,
}
operation!(
    DescribeSecurityGroups,
    "ec2.DescribeSecurityGroups",
    Read,
    Page<SecurityGroup>
);

/// The latest modification of one volume; absent when it was never modified (E38).
#[derive(Clone, Debug)]
pub struct DescribeVolumesModifications {
    /// `vol-…`.
    pub volume_id: String,
}
operation!(
    DescribeVolumesModifications,
    "ec2.DescribeVolumesModifications",
    Read,
    Option<VolumeModification>
);

/// An instance's user data, decoded; `None` when it has none. Lists do not show it.
#[derive(Clone, Debug)]
pub struct DescribeUserData {
    /// `i-…`.
    pub instance_id: String,
}
operation!(
    DescribeUserData,
    "ec2.DescribeInstanceAttribute",
    Read,
    Option<Secret<Vec<u8>>>
);

/// The two protections, which lists do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProtectedAction {
    /// `disableApiTermination`.
    Termination,
    /// `disableApiStop`.
    Stop,
}

/// Whether an instance is protected from an action.
#[derive(Clone, Debug)]
pub struct DescribeProtection {
    /// `i-…`.
    pub instance_id: String,
    /// From what.
    pub action: ProtectedAction,
}
operation!(DescribeProtection, "ec2.DescribeInstanceAttribute", Read, bool);

/// Lists images, all pages.
#[derive(Clone, Debug)]
pub struct DescribeImages {
    /// Which.
    pub select: SelectImages,
}
operation!(DescribeImages, "ec2.DescribeImages", Read, Vec<Image>);

/// Lists subnets: one by id, or those of the default VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DescribeSubnets {
    /// One, as a filter: absent when unknown.
    Id(String),
    /// The default subnet of each zone.
    DefaultForAz,
}
operation!(DescribeSubnets, "ec2.DescribeSubnets", Read, Vec<Subnet>);

/// The root volume of an instance to be launched; what is absent comes from the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootVolumeLaunch {
    /// The image's root device.
    pub device: String,
    /// In GiB.
    pub size_gib: Option<i32>,
    /// For example `gp3`.
    pub volume_type: Option<String>,
    /// Operations per second.
    pub iops: Option<i32>,
    /// MiB per second.
    pub throughput: Option<i32>,
    /// Whether to encrypt; absent: the image's and the account's own setting.
    pub encrypted: Option<bool>,
    /// The key; absent: the account's default key.
    pub kms_key_id: Option<String>,
}

/// Launches one instance. Equal parameters with the same token give the same instance (E1).
#[derive(Clone, Debug)]
pub struct RunInstances {
    /// At most 64 ASCII characters.
    pub client_token: String,
    /// `ami-…`.
    pub image_id: String,
    /// For example `t3.micro`.
    pub instance_type: String,
    /// The key pair.
    pub key_name: Option<String>,
    /// `subnet-…`; absent: AWS chooses in the default VPC.
    pub subnet_id: Option<String>,
    /// `sg-…`; empty: the VPC's default group.
    pub security_group_ids: Vec<String>,
    /// Raw, at most 16,384 bytes (E18).
    pub user_data: Option<Secret<Vec<u8>>>,
    /// The root volume.
    pub root_volume: RootVolumeLaunch,
    /// The metadata options.
    pub metadata_options: MetadataOptions,
    /// How often CloudWatch gets its metrics.
    pub monitoring: Monitoring,
    /// Protection from termination.
    pub disable_api_termination: bool,
    /// Protection from being stopped.
    pub disable_api_stop: bool,
    /// For the instance, its volumes and its interface alike.
    pub tags: Tags,
}
operation!(RunInstances, "ec2.RunInstances", Write, Instance);

/// Starts a stopped instance; a running one is left alone (E9).
#[derive(Clone, Debug)]
pub struct StartInstances {
    /// `i-…`.
    pub instance_id: String,
}
operation!(StartInstances, "ec2.StartInstances", Write, ());

/// Stops a running instance; a stopped one is left alone (E9).
#[derive(Clone, Debug)]
pub struct StopInstances {
    /// `i-…`.
    pub instance_id: String,
}
operation!(StopInstances, "ec2.StopInstances", Write, ());

/// Terminates an instance; repeating is harmless (E12).
#[derive(Clone, Debug)]
pub struct TerminateInstances {
    /// `i-…`.
    pub instance_id: String,
}
operation!(TerminateInstances, "ec2.TerminateInstances", Write, ());

/// One attribute of an instance: AWS takes one a call (E16).
#[derive(Clone, Debug)]
pub enum InstanceAttribute {
    /// Only while stopped (E17).
    InstanceType(String),
    /// Raw; only while stopped (E17). Empty: none.
    UserData(Secret<Vec<u8>>),
    /// Replaces all of the primary interface's groups (E19).
    SecurityGroups(Vec<String>),
    /// Protection from an action.
    Protection {
        /// From what.
        action: ProtectedAction,
        /// On or off.
        enabled: bool,
    },
}

/// Changes one attribute of an instance.
#[derive(Clone, Debug)]
pub struct ModifyInstanceAttribute {
    /// `i-…`.
    pub instance_id: String,
    /// Which, and its new value.
    pub attribute: InstanceAttribute,
}
operation!(ModifyInstanceAttribute, "ec2.ModifyInstanceAttribute", Write, ());

/// Changes an instance's metadata options.
#[derive(Clone, Debug)]
pub struct ModifyInstanceMetadataOptions {
    /// `i-…`.
    pub instance_id: String,
    /// Both, so that none falls back to a default.
    pub options: MetadataOptions,
}
operation!(
    ModifyInstanceMetadataOptions,
    "ec2.ModifyInstanceMetadataOptions",
    Write,
    ()
);

/// Turns detailed monitoring on.
#[derive(Clone, Debug)]
pub struct MonitorInstances {
    /// `i-…`.
    pub instance_id: String,
}
operation!(MonitorInstances, "ec2.MonitorInstances", Write, ());

/// Turns detailed monitoring off.
#[derive(Clone, Debug)]
pub struct UnmonitorInstances {
    /// `i-…`.
    pub instance_id: String,
}
operation!(UnmonitorInstances, "ec2.UnmonitorInstances", Write, ());

/// Grows or retypes a volume; what is absent stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyVolume {
    /// `vol-…`.
    pub volume_id: String,
    /// In GiB; never smaller than now.
    pub size_gib: Option<i32>,
    /// For example `gp3`.
    pub volume_type: Option<String>,
    /// Operations per second.
    pub iops: Option<i32>,
    /// MiB per second.
    pub throughput: Option<i32>,
}
operation!(ModifyVolume, "ec2.ModifyVolume", Write, ());

/// Creates a security group; answers with its `sg-…`. It begins with AWS's egress rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSecurityGroup {
    /// Unique in the VPC, whatever the case.
    pub name: String,
    /// At most 255 characters; immutable.
    pub description: String,
    /// `vpc-…`.
    pub vpc_id: String,
    /// Its tags.
    pub tags: Tags,
}
operation!(CreateSecurityGroup, "ec2.CreateSecurityGroup", Write, String);

/// Deletes a security group that nothing uses (E52).
#[derive(Clone, Debug)]
pub struct DeleteSecurityGroup {
    /// `sg-…`.
    pub group_id: String,
}
operation!(DeleteSecurityGroup, "ec2.DeleteSecurityGroup", Write, ());

/// Rules of one direction of one group: the parameters of six operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRules {
    /// `sg-…`.
    pub group_id: String,
    /// The rules.
    pub rules: Rules,
}

/// Lets traffic in.
#[derive(Clone, Debug)]
pub struct AuthorizeSecurityGroupIngress(pub GroupRules);
operation!(
    AuthorizeSecurityGroupIngress,
    "ec2.AuthorizeSecurityGroupIngress",
    Write,
    ()
);

/// Lets traffic out.
#[derive(Clone, Debug)]
pub struct AuthorizeSecurityGroupEgress(pub GroupRules);
operation!(
    AuthorizeSecurityGroupEgress,
    "ec2.AuthorizeSecurityGroupEgress",
    Write,
    ()
);

/// Lets traffic in no longer.
#[derive(Clone, Debug)]
pub struct RevokeSecurityGroupIngress(pub GroupRules);
operation!(RevokeSecurityGroupIngress, "ec2.RevokeSecurityGroupIngress", Write, ());

/// Lets traffic out no longer.
#[derive(Clone, Debug)]
pub struct RevokeSecurityGroupEgress(pub GroupRules);
operation!(RevokeSecurityGroupEgress, "ec2.RevokeSecurityGroupEgress", Write, ());

/// Changes descriptions of rules that let traffic in.
#[derive(Clone, Debug)]
pub struct UpdateSecurityGroupRuleDescriptionsIngress(pub GroupRules);
operation!(
    UpdateSecurityGroupRuleDescriptionsIngress,
    "ec2.UpdateSecurityGroupRuleDescriptionsIngress",
    Write,
    ()
);

/// Changes descriptions of rules that let traffic out.
#[derive(Clone, Debug)]
pub struct UpdateSecurityGroupRuleDescriptionsEgress(pub GroupRules);
operation!(
    UpdateSecurityGroupRuleDescriptionsEgress,
    "ec2.UpdateSecurityGroupRuleDescriptionsEgress",
    Write,
    ()
);

/// Sets tags; others stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTags {
    /// Ids of any kind; one unknown id fails all (E55).
    pub ids: Vec<String>,
    /// The tags.
    pub tags: Tags,
}
operation!(CreateTags, "ec2.CreateTags", Write, ());

/// Takes tags away, whatever their value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTags {
    /// Ids of any kind.
    pub ids: Vec<String>,
    /// Their keys; never empty, since that would mean all of them (E55).
    pub keys: BTreeSet<String>,
}
operation!(DeleteTags, "ec2.DeleteTags", Write, ());

/// Names the operations of EC2 once, for the trait and its blanket implementation.
macro_rules! service {
    ($(#[$doc:meta])* $name:ident: $($operation:ty),+ $(,)?) => {
        $(#[$doc])*
        pub trait $name: $(Perform<$operation> +)+ Send + Sync {}
        impl<T: $(Perform<$operation> +)+ Send + Sync> $name for T {}
    };
}

service! {
    /// The operations of EC2 that nuvem uses.
    Ec2: DescribeInstances, DescribeVolumes, DescribeSecurityGroups, DescribeVolumesModifications,
    DescribeUserData, DescribeProtection, DescribeImages, DescribeSubnets, RunInstances,
    StartInstances, StopInstances, TerminateInstances, ModifyInstanceAttribute,
    ModifyInstanceMetadataOptions, MonitorInstances, UnmonitorInstances, ModifyVolume,
    CreateSecurityGroup, DeleteSecurityGroup, AuthorizeSecurityGroupIngress,
    AuthorizeSecurityGroupEgress, RevokeSecurityGroupIngress, RevokeSecurityGroupEgress,
    UpdateSecurityGroupRuleDescriptionsIngress, UpdateSecurityGroupRuleDescriptionsEgress,
    CreateTags, DeleteTags,
}
