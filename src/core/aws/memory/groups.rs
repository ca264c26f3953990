//! Security groups (E49, E52). Their rules are in `rules.rs`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::ec2::{
    CreateSecurityGroup, DeleteSecurityGroup, DescribeSecurityGroups, Peer, Rule, Rules, SecurityGroup, SelectGroups,
    Tags,
};
use super::super::{AwsError, Page};
use super::lists::{self, Listed};
use super::refusals::{Named, invalid_value, refused};
use super::tags::{self, Tagged};
use super::world::{Act, Region, Site};

/// How many groups an interface may have (E52).
const MOST_OF_AN_INTERFACE: usize = 5;
const LONGEST: usize = 255;

/// A security group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) vpc_id: String,
    is_default: bool,
    pub(super) created: Timestamp,
    pub(super) ingress: Rules,
    pub(super) egress: Rules,
    pub(super) tagged: Tagged,
}

fn everything(peer: Peer) -> Rules {
    let rule = Rule {
        protocol: "-1".to_owned(),
        from_port: None,
        to_port: None,
        peer,
    };
    Rules::from([(rule, None)])
}

impl Group {
    /// A VPC's group `default`: everything in from itself, and everything out. It is as old as the
    /// VPC, so nothing hides it.
    pub(super) fn default_of(vpc_id: &str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: "default".to_owned(),
            vpc_id: vpc_id.to_owned(),
            is_default: true,
            created: Timestamp::UNIX_EPOCH,
            ingress: everything(Peer::Group(id.to_owned())),
            egress: everything(Peer::Ipv4("0.0.0.0/0".to_owned())),
            tagged: Tagged::new(&Tags::new(), Timestamp::UNIX_EPOCH),
        }
    }

    pub(super) const fn is_default(&self) -> bool {
        self.is_default
    }

    pub(super) fn describe(&self) -> SecurityGroup {
        SecurityGroup {
            id: self.id.clone(),
            name: self.name.clone(),
            vpc_id: self.vpc_id.clone(),
            ingress: self.ingress.clone(),
            egress: self.egress.clone(),
            tags: self.tagged.tags(),
        }
    }

    fn names(&self, group_id: &str) -> bool {
        self.ingress
            .keys()
            .chain(self.egress.keys())
            .any(|rule| matches!(&rule.peer, Peer::Group(id) if id == group_id))
    }
}

impl Listed for Group {
    fn created(&self) -> Timestamp {
        self.created
    }

    fn tagged(&self) -> &Tagged {
        &self.tagged
    }
}

impl Site<'_> {
    /// A group that is there, and old enough to be seen (E7).
    pub(super) fn group(&self, id: &str) -> Result<&Group, AwsError> {
        self.region
            .groups
            .get(id)
            .filter(|group| self.sees(group.created))
            .ok_or_else(|| Named::Group.unknown(id))
    }

    pub(super) fn group_mut(&mut self, id: &str) -> Result<&mut Group, AwsError> {
        self.group(id)?;
        self.region.groups.get_mut(id).ok_or_else(|| Named::Group.unknown(id))
    }

    /// E52: what an interface may have: at most five groups, all of its own VPC.
    pub(super) fn groups_of_interface(
        &self,
        ids: &[String],
        vpc_id: &str,
        of_another_network: impl Fn(&str) -> AwsError,
    ) -> Result<BTreeSet<String>, AwsError> {
        let mut groups = BTreeSet::new();
        for id in ids {
            if self.group(id)?.vpc_id != vpc_id {
                return Err(of_another_network(id));
            }
            groups.insert(id.clone());
        }
        if groups.len() > MOST_OF_AN_INTERFACE {
            return Err(refused(
                "SecurityGroupsPerInterfaceLimitExceeded",
                "The maximum number of security groups per interface has been reached.",
            ));
        }
        Ok(groups)
    }
}

/// A group of another VPC than what it is put together with.
pub(super) fn different_networks() -> AwsError {
    refused(
        "InvalidGroup.NotFound",
        "You have specified two resources that belong to different networks.",
    )
}

impl Act for DescribeSecurityGroups {
    fn act(self, site: &mut Site<'_>) -> Result<Page<SecurityGroup>, AwsError> {
        let groups = &site.region.groups;
        let found = match &self.select {
            SelectGroups::By(select) => lists::selected(site, groups, select)?,
            SelectGroups::Named { name, vpc_id } => groups
                .iter()
                .filter(|(_, group)| group.name == *name && group.vpc_id == *vpc_id && site.sees(group.created))
                .collect(),
        };
        lists::page(site, found, self.page, Group::describe)
    }
}

impl Act for CreateSecurityGroup {
    fn subject(&self) -> String {
        self.name.clone()
    }

    /// E6, E49: the name is what makes a repeat fail, whether or not the group is visible yet.
    fn act(self, site: &mut Site<'_>) -> Result<String, AwsError> {
        check_texts(&self.name, &self.description)?;
        site.region.catalogue.network.check_vpc(&self.vpc_id)?;
        tags::check(&self.tags)?;
        let lower = self.name.to_lowercase();
        let is_taken = |group: &Group| group.vpc_id == self.vpc_id && group.name.to_lowercase() == lower;
        if site.region.groups.values().any(is_taken) {
            return Err(refused(
                "InvalidGroup.Duplicate",
                format!(
                    "The security group '{}' already exists for VPC '{}'",
                    self.name, self.vpc_id
                ),
            ));
        }
        let id = site.numbers.id(Named::Group);
        let group = Group {
            id: id.clone(),
            name: self.name,
            vpc_id: self.vpc_id,
            is_default: false,
            created: site.now,
            ingress: Rules::new(),
            egress: everything(Peer::Ipv4("0.0.0.0/0".to_owned())),
            tagged: Tagged::new(&self.tags, site.now),
        };
        site.region.groups.insert(id.clone(), group);
        Ok(id)
    }
}

fn check_texts(name: &str, description: &str) -> Result<(), AwsError> {
    if name.to_lowercase() == "default" {
        return Err(refused(
            "InvalidGroup.Reserved",
            "The security group 'default' is reserved",
        ));
    }
    if name.starts_with("sg-") {
        return Err(invalid_value(format!(
            "Value ({name}) for parameter groupName is invalid. Group names may not be in the format sg-*."
        )));
    }
    for (parameter, text) in [("groupName", name), ("GroupDescription", description)] {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
        if text.is_empty() || text.len() > LONGEST || !text.chars().all(is_allowed) {
            return Err(invalid_value(format!(
                "Value ({text}) for parameter {parameter} is invalid. Up to {LONGEST} characters of \
                 a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{{}}!$* are supported."
            )));
        }
    }
    Ok(())
}

impl Act for DeleteSecurityGroup {
    fn subject(&self) -> String {
        self.group_id.clone()
    }

    /// E52: not while an interface has it or another group's rule names it; those may be invisible.
    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        let group = site.group(&self.group_id)?;
        if group.is_default {
            return Err(refused(
                "CannotDelete",
                format!(
                    "the specified group: \"{}\" name: \"{}\" cannot be deleted by a user",
                    group.id, group.name
                ),
            ));
        }
        if site.region.depends_on(&self.group_id) {
            return Err(refused(
                "DependencyViolation",
                format!("resource {} has a dependent object", self.group_id),
            ));
        }
        site.region.groups.remove(&self.group_id);
        Ok(())
    }
}

impl Region {
    fn depends_on(&self, group_id: &str) -> bool {
        self.instances.values().any(|instance| instance.has_group(group_id))
            || self
                .groups
                .values()
                .any(|group| group.id != group_id && group.names(group_id))
    }
}
