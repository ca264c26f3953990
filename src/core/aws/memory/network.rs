//! VPCs, subnets, addresses and keys. VPCs and subnets are there from the beginning, and stay.

use super::super::AwsError;
use super::super::ec2::Subnet;
use super::ACCOUNT;
use super::catalogue::Marks;
use super::refusals::Named;

/// A default VPC with a subnet in each of three zones, and another VPC with one.
#[derive(Debug)]
pub(super) struct Network {
    region: String,
    /// `vpc-…` and `sg-…` of its group `default`; the default VPC is the first.
    default: (String, String),
    other: (String, String),
    subnets: Vec<Subnet>,
    prefix_list: String,
    /// Addresses that were given away, private and public: the next is one on.
    given: u32,
}

/// The zones of every Region.
const ZONES: [&str; 3] = ["a", "b", "c"];

impl Network {
    pub(super) fn of(region: &str, marks: Marks) -> Self {
        let vpc = |number| marks.id(Named::Vpc.prefix(), number);
        let group = |number| marks.id(Named::Group.prefix(), number);
        let subnet = |number, vpc_id: String, zone: &str, default_for_az| Subnet {
            id: marks.id(Named::Subnet.prefix(), number),
            vpc_id,
            availability_zone: format!("{region}{zone}"),
            default_for_az,
        };
        let mut subnets: Vec<Subnet> = ZONES
            .iter()
            .enumerate()
            .map(|(number, zone)| subnet(number, vpc(0), zone, true))
            .collect();
        subnets.push(subnet(ZONES.len(), vpc(1), "a", false));
        Self {
            region: region.to_owned(),
            default: (vpc(0), group(0)),
            other: (vpc(1), group(1)),
            subnets,
            prefix_list: marks.id(Named::PrefixList.prefix(), 0),
            given: 0,
        }
    }

    pub(super) fn default_vpc(&self) -> &str {
        &self.default.0
    }

    pub(super) fn other_vpc(&self) -> &str {
        &self.other.0
    }

    /// `vpc-…` and `sg-…`.
    pub(super) fn default_groups(&self) -> impl Iterator<Item = &(String, String)> {
        [&self.default, &self.other].into_iter()
    }

    pub(super) fn default_group_of(&self, vpc_id: &str) -> Option<&str> {
        self.default_groups()
            .find_map(|(vpc, group)| (vpc == vpc_id).then_some(group.as_str()))
    }

    pub(super) fn check_vpc(&self, vpc_id: &str) -> Result<(), AwsError> {
        self.default_group_of(vpc_id)
            .map(|_| ())
            .ok_or_else(|| Named::Vpc.unknown(vpc_id))
    }

    pub(super) fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.id == id)
    }

    pub(super) fn default_subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.iter().filter(|subnet| subnet.default_for_az)
    }

    pub(super) fn other_subnet(&self) -> &str {
        self.subnets.last().map_or("", |subnet| &subnet.id)
    }

    /// The subnet of a launch: the one that it names, or one that AWS chooses in the default VPC.
    pub(super) fn subnet_of_launch(&self, wanted: Option<&str>) -> Result<&Subnet, AwsError> {
        match wanted {
            Some(id) => self.subnet(id).ok_or_else(|| Named::Subnet.unknown(id)),
            None => self.default_subnets().next().ok_or_else(|| Named::Subnet.unknown("")),
        }
    }

    pub(super) fn prefix_list(&self) -> &str {
        &self.prefix_list
    }

    pub(super) fn new_private_ip(&mut self, subnet: &Subnet) -> String {
        let number = self
            .subnets
            .iter()
            .position(|one| one.id == subnet.id)
            .unwrap_or_default();
        let (high, low) = self.next_bytes();
        let network = if subnet.default_for_az { "172.31" } else { "10.0" };
        // A /20 for each subnet, as AWS cuts the default VPC.
        format!("{network}.{}.{low}", number * 16 + usize::from(high % 16))
    }

    pub(super) fn new_public_ip(&mut self) -> String {
        let (high, low) = self.next_bytes();
        format!("54.64.{high}.{low}")
    }

    pub(super) fn public_dns_name(&self, public_ip: &str) -> String {
        let domain = if self.region == "us-east-1" {
            "compute-1.amazonaws.com".to_owned()
        } else {
            format!("{}.compute.amazonaws.com", self.region)
        };
        format!("ec2-{}.{domain}", public_ip.replace('.', "-"))
    }

    /// The key that a volume is encrypted with, which AWS shows by its ARN however it was named.
    pub(super) fn key_arn(&self, key: Option<&str>) -> String {
        let prefix = format!("arn:aws:kms:{}:{ACCOUNT}:", self.region);
        match key {
            None => format!("{prefix}alias/aws/ebs"),
            Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
            Some(name) if name.contains('/') => format!("{prefix}{name}"),
            Some(id) => format!("{prefix}key/{id}"),
        }
    }

    /// The next address within a network, as its last two bytes; the last is between 4 and 253.
    fn next_bytes(&mut self) -> (u8, u8) {
        let number = self.given;
        self.given = self.given.wrapping_add(1);
        let high = u8::try_from(number / 250 % 256).unwrap_or_default();
        let low = u8::try_from(number % 250).unwrap_or_default();
        (high, low + 4)
    }
}
