//! What a user writes for an `Ec2Instance`, and what they get back. The comments on the fields
//! are what `kubectl explain` shows; the CEL rules are what the API server refuses.

#![allow(
    clippy::doc_markdown,
    reason = "the comments are the CRD's descriptions, where backticks would be shown"
)]

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::resource::{CommonSpec, CommonStatus, Resource, Toggle};
use crate::words::words;

/// What the instance is to be. Absent fields without a default are left as AWS has them.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "nuvem.dev",
    version = "v1alpha1",
    kind = "Ec2Instance",
    plural = "ec2instances",
    singular = "ec2instance",
    shortname = "ec2",
    category = "nuvem",
    namespaced,
    status = "Ec2InstanceStatus",
    derive = "PartialEq",
    doc = "An EC2 instance, with its root volume and, where spec.network.securityGroup is given, a security group of its own.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name has at most 63 characters, since it becomes part of AWS tags and names"),
    validation = Rule::new("!has(self.status) || !has(self.status.region) || !has(self.spec.region) || self.spec.region == self.status.region").message("spec.region cannot change: this object lives in the Region in status.region. Create another object for another Region"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "STATE", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "TYPE", type_ = "string", json_path = ".status.instanceType"),
    printcolumn(name = "ADDRESS", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "SYNCED", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status", priority = 1),
    printcolumn(name = "REASON", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].reason", priority = 1),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.instanceId", priority = 1),
    printcolumn(name = "ZONE", type_ = "string", json_path = ".status.availabilityZone", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("!has(self.region) || !has(oldSelf.region) || self.region == oldSelf.region").message("spec.region cannot change. Create another object for another Region"),
    validation = Rule::new("!has(self.rootVolume) || !has(self.rootVolume.sizeGiB) || !has(oldSelf.rootVolume) || !has(oldSelf.rootVolume.sizeGiB) || self.rootVolume.sizeGiB >= oldSelf.rootVolume.sizeGiB").message("a volume cannot shrink: write the old rootVolume.sizeGiB or a larger one")
)]
pub struct Ec2InstanceSpec {
    /// The fields that every kind has.
    #[serde(flatten)]
    pub common: CommonSpec,
    /// What to launch from: exactly one of id, ssmParameter, filter. It is resolved once, at launch, and pinned in
    /// status.imageId; a later change would need another instance and is held back. Absent only where nuvem.dev/adopt names an instance that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The instance type, for example t3.micro. Changing it stops and starts the instance, when spec.disruption allows.
    /// Absent only where nuvem.dev/adopt names an instance that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^[a-z][a-z0-9-]*\\.[a-z0-9-]+$')",
        "message": "write an EC2 instance type, for example t3.micro"
    }]))]
    pub instance_type: Option<String>,
    /// The EC2 key pair for SSH. It counts at launch; a later change would need another instance and is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub key_name: Option<String>,
    /// Whether the instance runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// When a change may happen that takes the instance down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruption: Option<DisruptionSpec>,
    /// Where the instance is in the network, and its firewall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// What cloud-init gets at the first boot: exactly one of inline, secretRef, configMapRef.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<UserData>,
    /// The volume that the instance boots from. It is deleted with the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_volume: Option<RootVolume>,
    /// The instance metadata service. IMDSv2 is demanded unless httpTokens says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_options: Option<MetadataOptionsSpec>,
    /// AWS's own protections. With termination or stop Enabled the object can be deleted only after it is Disabled again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection: Option<Protection>,
    /// How often CloudWatch gets metrics: Basic (default, every five minutes, free) or Detailed (every minute, billed).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringSpec>,
}

/// What to launch from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.id) ? 1 : 0) + (has(self.ssmParameter) ? 1 : 0) + (has(self.filter) ? 1 : 0) == 1").message("image needs exactly one of id, ssmParameter, filter; for example image: {ssmParameter: /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64}"))]
pub struct Image {
    /// An AMI's id, for example ami-0123456789abcdef0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^ami-[0-9a-f]{8,17}$')",
        "message": "write the id of an AMI, for example ami-0123456789abcdef0"
    }]))]
    pub id: Option<String>,
    /// An SSM parameter whose value is an AMI's id; AWS publishes its newest images so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1011))]
    pub ssm_parameter: Option<String>,
    /// The newest image that matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<ImageFilter>,
}

/// The newest available image that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageFilter {
    /// Whose: an account's id, amazon, aws-marketplace or self.
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^([0-9]{12}|amazon|aws-marketplace|aws-backup-vault|self)$')",
        "message": "write an account id of twelve digits, amazon, aws-marketplace or self"
    }]))]
    pub owner: String,
    /// Its name, with * and ? as wildcards, for example al2023-ami-2023.*-x86_64.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
}

/// Whether the instance runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Power {
    /// Running (default) or Stopped. A stopped instance costs only its disks. Stopped or started from outside, it is put back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PowerState>,
}

words! {
    /// A power state that can be asked for.
    PowerState {
        /// Up.
        Running = "Running",
        /// Down.
        Stopped = "Stopped",
    }
}

/// When a change may happen that takes the instance down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.policy) || self.policy != 'Window' || has(self.window)").message("disruption.policy Window needs disruption.window; for example window: {timeZone: Etc/UTC, start: \"0 3 * * 0\", durationMinutes: 120}"))]
pub struct DisruptionSpec {
    /// Immediate (default): at once. Window: only in the window. Never: it is held back and listed in status.drift; the
    /// annotation nuvem.dev/apply-now with the current generation lets it happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<DisruptionPolicy>,
    /// When the window opens, and for how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpec>,
}

words! {
    /// When a change may happen that takes the instance down.
    DisruptionPolicy {
        /// At once.
        Immediate = "Immediate",
        /// In the window.
        Window = "Window",
        /// Not at all.
        Never = "Never",
    }
}

/// A window that opens again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowSpec {
    /// An IANA time zone, for example America/Sao_Paulo or Etc/UTC.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: String,
    /// When it opens: a cron expression of five fields, for example "0 3 * * 0" for Sundays at three.
    #[schemars(length(min = 9, max = 128))]
    pub start: String,
    /// How long it stays open.
    #[schemars(range(min = 1, max = 10080))]
    pub duration_minutes: i32,
}

/// Where the instance is in the network, and its firewall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// The subnet. Default: one of the default VPC, chosen by AWS. It counts at launch; a later change would need
    /// another instance and is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Subnet>,
    /// Security groups that exist. With neither these nor securityGroup the instance is in the VPC's default group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub security_group_ids: Option<Vec<SecurityGroupId>>,
    /// A security group of this instance's own: created, kept exactly like this, and deleted with the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group: Option<SecurityGroup>,
}

/// A subnet that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subnet {
    /// The subnet's id, for example subnet-0123456789abcdef0.
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^subnet-[0-9a-f]{8,17}$')",
        "message": "write the id of a subnet, for example subnet-0123456789abcdef0"
    }]))]
    pub id: String,
}

/// The id of a security group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct SecurityGroupId(
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^sg-[0-9a-f]{8,17}$')",
        "message": "write the id of a security group, for example sg-0123456789abcdef0"
    }]))]
    pub String,
);

/// A security group of the instance's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroup {
    /// What may come in. Absent or empty: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    pub ingress: Option<Vec<RuleSpec>>,
    /// What may go out. Absent: everything, as AWS has it. Empty: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    pub egress: Option<Vec<RuleSpec>>,
}

/// What is let through, and to or from whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.cidrs) && size(self.cidrs) > 0) || (has(self.ipv6Cidrs) && size(self.ipv6Cidrs) > 0) || (has(self.securityGroupIds) && size(self.securityGroupIds) > 0) || (has(self.prefixListIds) && size(self.prefixListIds) > 0)").message("a rule needs at least one of cidrs, ipv6Cidrs, securityGroupIds, prefixListIds; for everybody write cidrs: [0.0.0.0/0]"),
    validation = Rule::new("has(self.port) ? !has(self.fromPort) && !has(self.toPort) : has(self.fromPort) == has(self.toPort)").message("write either port, or both fromPort and toPort"),
    validation = Rule::new("!has(self.fromPort) || !has(self.toPort) || self.fromPort <= self.toPort").message("fromPort must not be greater than toPort"),
    validation = Rule::new("has(self.protocol) && self.protocol in ['icmp', 'all'] ? !has(self.port) && !has(self.fromPort) : has(self.port) || has(self.fromPort)").message("tcp and udp need port, or fromPort and toPort; icmp and all have none")
)]
pub struct RuleSpec {
    /// What the rule is for; shown in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), regex(pattern = r"^[a-zA-Z0-9. _:/()#,@\[\]+=&;{}!$*-]*$"))]
    pub description: Option<String>,
    /// tcp (default), udp, icmp (every type) or all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// One port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub port: Option<i32>,
    /// The first of several ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub from_port: Option<i32>,
    /// The last of several ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub to_port: Option<i32>,
    /// IPv4 networks, for example 203.0.113.0/24; one address is 203.0.113.7/32.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60), inner(length(max = 18)), extend("x-kubernetes-validations" = [{
        "rule": "self.all(c, isCIDR(c) && cidr(c).ip().family() == 4)",
        "message": "cidrs holds IPv4 networks; write for example 203.0.113.0/24, or 203.0.113.7/32 for one address"
    }]))]
    pub cidrs: Option<Vec<String>>,
    /// IPv6 networks, for example 2001:db8::/32.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60), inner(length(max = 43)), extend("x-kubernetes-validations" = [{
        "rule": "self.all(c, isCIDR(c) && cidr(c).ip().family() == 6)",
        "message": "ipv6Cidrs holds IPv6 networks; write for example 2001:db8::/32, or ::/0 for everybody"
    }]))]
    pub ipv6_cidrs: Option<Vec<String>>,
    /// Other security groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    pub security_group_ids: Option<Vec<SecurityGroupId>>,
    /// Managed prefix lists, for example pl-63a5400a.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    pub prefix_list_ids: Option<Vec<PrefixListId>>,
}

/// The id of a prefix list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct PrefixListId(
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^pl-[0-9a-f]{8,17}$')",
        "message": "write the id of a prefix list, for example pl-63a5400a"
    }]))]
    pub String,
);

words! {
    /// What kind of traffic.
    Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// ICMP, every type.
        Icmp = "icmp",
        /// Everything.
        All = "all",
    }
}

/// What cloud-init gets at the first boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.inline) ? 1 : 0) + (has(self.secretRef) ? 1 : 0) + (has(self.configMapRef) ? 1 : 0) == 1").message("userData needs exactly one of inline, secretRef, configMapRef"))]
pub struct UserData {
    /// The text itself, at most 16,384 bytes. It is no place for secrets: use secretRef.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub inline: Option<String>,
    /// A key of a Secret in this namespace. Its contents appear in no log, status or event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<KeyRef>,
    /// A key of a ConfigMap in this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<KeyRef>,
    /// What a change does to an instance that exists. Ignore (default): nothing, it counts for the next launch.
    /// StopStart: it is put in by stopping and starting the instance, when spec.disruption allows. Note that
    /// cloud-init runs scripts at an instance's first boot only, not again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_change: Option<OnChange>,
}

/// One key of a Secret or ConfigMap in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

words! {
    /// What a change of the user data does.
    OnChange {
        /// Nothing until the next launch.
        Ignore = "Ignore",
        /// Stop, change, start.
        StopStart = "StopStart",
    }
}

/// The volume that the instance boots from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootVolume {
    /// Its size; it can only grow. Default: the image's. The file system inside must be grown by the instance itself,
    /// which cloud-init does at boot.
    #[serde(rename = "sizeGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub size_gib: Option<i32>,
    /// Its type: gp2, gp3, io1, io2 or standard; gp3 at launch unless something else is written.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<VolumeType>,
    /// Provisioned operations per second, for gp3, io1 and io2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 256_000))]
    pub iops: Option<i32>,
    /// Provisioned MiB per second, for gp3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 125, max = 2000))]
    pub throughput: Option<i32>,
    /// Whether it is encrypted, at launch. Enabled unless something else is written; Disabled leaves it to the account,
    /// which may encrypt by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Toggle>,
    /// The KMS key (id, ARN or alias). It counts at launch only: a later change is neither applied nor listed as drift.
    /// Default: the account's key for EBS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
}

words! {
    /// EBS volume types that an instance can boot from.
    VolumeType {
        /// General purpose SSD, previous generation.
        Gp2 = "gp2",
        /// General purpose SSD.
        Gp3 = "gp3",
        /// Provisioned IOPS SSD, previous generation.
        Io1 = "io1",
        /// Provisioned IOPS SSD.
        Io2 = "io2",
        /// Magnetic, previous generation.
        Standard = "standard",
    }
}

/// The instance metadata service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataOptionsSpec {
    /// required (default): IMDSv2 only. optional: IMDSv1 too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_tokens: Option<HttpTokensSpec>,
    /// How many network hops an answer may travel; 2 lets containers reach it. 1 at launch unless something else is
    /// written; left as it is afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub http_put_response_hop_limit: Option<i32>,
}

words! {
    /// Whether a session token is demanded.
    HttpTokensSpec {
        /// `IMDSv2` only.
        Required = "required",
        /// `IMDSv1` too.
        Optional = "optional",
    }
}

/// AWS's own protections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Protection {
    /// Whether AWS refuses to terminate the instance. Default Disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination: Option<Toggle>,
    /// Whether AWS refuses to stop the instance (and to terminate it). Default Disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Toggle>,
}

words! {
    /// How often CloudWatch gets metrics.
    MonitoringSpec {
        /// Every five minutes.
        Basic = "Basic",
        /// Every minute.
        Detailed = "Detailed",
    }
}

/// What is there in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ec2InstanceStatus {
    /// The fields that every kind has.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// The fields of this kind.
    #[serde(flatten)]
    pub pins: InstancePins,
}

/// The kind's own part of the status: what is pinned at launch, and what is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstancePins {
    /// The instance's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// AWS's word: pending, running, stopping, stopped, shutting-down, terminated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The type that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// The image that it was, or is to be, launched from: spec.image resolved once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// What spec.image said when imageId was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_source: Option<String>,
    /// The image's root device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_device_name: Option<String>,
    /// Its subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// The VPC of the instance and of its security group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
    /// The public address, else the private one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its private IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
    /// Its public IPv4 address, while it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<String>,
    /// Its public DNS name, while it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_dns_name: Option<String>,
    /// Its zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// When it was last launched or started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub launch_time: Option<Timestamp>,
    /// The security group of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group_id: Option<String>,
    /// The keys of the tags that the spec has set: one that leaves the spec is taken away in AWS too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub tag_keys: Vec<String>,
    /// Its volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub volumes: Vec<VolumeStatus>,
}

/// One volume as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// The device name.
    pub device: String,
    /// The volume's id.
    pub volume_id: String,
    /// Its size, where it was read.
    #[serde(rename = "sizeGiB", skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<i32>,
    /// AWS's word for its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

impl Resource for Ec2Instance {
    const KIND: &'static str = "Ec2Instance";
    const CRD: &'static str = "ec2instances.nuvem.dev";

    fn common(&self) -> &CommonSpec {
        &self.spec.common
    }

    fn common_status(&self) -> Option<&CommonStatus> {
        self.status.as_ref().map(|status| &status.common)
    }

    fn status_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.status).unwrap_or_default()
    }
}
