//! What a person at the console sees and does. It needs no permission, meets no planned fault, is
//! not recorded, and sees what is too young for others.

use std::sync::Arc;

use super::super::AwsError;
use super::super::ec2::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, CreateTags, DeleteTags, DescribeProtection,
    DescribeUserData, Direction, GroupRules, Instance, InstanceAttribute, ModifyInstanceAttribute, ProtectedAction,
    RevokeSecurityGroupEgress, RevokeSecurityGroupIngress, Rule, Rules, SecurityGroup, StartInstances, StopInstances,
    Tags, TerminateInstances, Volume,
};
use super::Memory;
use super::world::{Act, Site};

/// A person at the console of one Region.
#[derive(Clone, Debug)]
pub struct Outside {
    memory: Memory,
    region: Arc<str>,
}

impl Outside {
    pub(super) const fn new(memory: Memory, region: Arc<str>) -> Self {
        Self { memory, region }
    }

    fn see<T>(&self, look: impl FnOnce(&mut Site<'_>) -> T) -> T {
        self.memory.world().at(&self.region, true, look)
    }

    /// Performs any operation.
    ///
    /// # Errors
    ///
    /// What AWS refuses, it refuses to a person, too.
    #[allow(private_bounds, reason = "nobody outside needs to know how an operation acts")]
    pub fn perform<O: Act>(&self, operation: O) -> Result<O::Output, AwsError> {
        self.memory.world().act(&self.region, true, operation)
    }

    /// Every instance that AWS still shows, by id.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        self.see(|site| {
            site.region
                .instances
                .values()
                .map(super::instances::Instance::describe)
                .collect()
        })
    }

    /// The instances that are neither terminated nor on the way to it.
    #[must_use]
    pub fn living(&self) -> Vec<Instance> {
        let mut instances = self.instances();
        instances.retain(|instance| instance.state.is_living());
        instances
    }

    /// One instance, while AWS shows it.
    #[must_use]
    pub fn instance(&self, id: &str) -> Option<Instance> {
        self.see(|site| site.region.instances.get(id).map(super::instances::Instance::describe))
    }

    /// Every volume.
    #[must_use]
    pub fn volumes(&self) -> Vec<Volume> {
        self.see(|site| {
            site.region
                .volumes
                .values()
                .map(super::volumes::Volume::describe)
                .collect()
        })
    }

    /// One volume.
    #[must_use]
    pub fn volume(&self, id: &str) -> Option<Volume> {
        self.see(|site| site.region.volumes.get(id).map(super::volumes::Volume::describe))
    }

    /// Every security group that somebody made: the VPCs' own groups `default` are left out.
    #[must_use]
    pub fn groups(&self) -> Vec<SecurityGroup> {
        self.see(|site| {
            let made = site.region.groups.values().filter(|group| !group.is_default());
            made.map(super::groups::Group::describe).collect()
        })
    }

    /// One security group.
    #[must_use]
    pub fn group(&self, id: &str) -> Option<SecurityGroup> {
        self.see(|site| site.region.groups.get(id).map(super::groups::Group::describe))
    }

    /// The tags of an instance, a volume or a group; none if it is not there.
    #[must_use]
    pub fn tags(&self, id: &str) -> Tags {
        self.see(|site| site.tagged_mut(id).map(|tagged| tagged.tags()).unwrap_or_default())
    }

    /// An instance's user data, if it has any.
    #[must_use]
    pub fn user_data(&self, instance_id: &str) -> Option<Vec<u8>> {
        let instance_id = instance_id.to_owned();
        let secret = self.perform(DescribeUserData { instance_id }).ok()??;
        Some(secret.reveal().clone())
    }

    /// Whether an instance is there and protected from an action.
    #[must_use]
    pub fn is_protected(&self, instance_id: &str, action: ProtectedAction) -> bool {
        let instance_id = instance_id.to_owned();
        self.perform(DescribeProtection { instance_id, action })
            .unwrap_or(false)
    }

    /// Starts an instance.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn start(&self, instance_id: &str) -> Result<(), AwsError> {
        self.perform(StartInstances {
            instance_id: instance_id.to_owned(),
        })
    }

    /// Stops an instance.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn stop(&self, instance_id: &str) -> Result<(), AwsError> {
        self.perform(StopInstances {
            instance_id: instance_id.to_owned(),
        })
    }

    /// Terminates an instance.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn terminate(&self, instance_id: &str) -> Result<(), AwsError> {
        self.perform(TerminateInstances {
            instance_id: instance_id.to_owned(),
        })
    }

    /// Changes one attribute of an instance: its type or user data while it is stopped, its groups,
    /// its protections.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn modify(&self, instance_id: &str, attribute: InstanceAttribute) -> Result<(), AwsError> {
        self.perform(ModifyInstanceAttribute {
            instance_id: instance_id.to_owned(),
            attribute,
        })
    }

    /// Adds a rule to a group.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn allow(&self, group_id: &str, direction: Direction, rule: Rule) -> Result<(), AwsError> {
        let rules = one_rule(group_id, rule);
        match direction {
            Direction::Ingress => self.perform(AuthorizeSecurityGroupIngress(rules)),
            Direction::Egress => self.perform(AuthorizeSecurityGroupEgress(rules)),
        }
    }

    /// Takes a rule from a group.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn forbid(&self, group_id: &str, direction: Direction, rule: Rule) -> Result<(), AwsError> {
        let rules = one_rule(group_id, rule);
        match direction {
            Direction::Ingress => self.perform(RevokeSecurityGroupIngress(rules)),
            Direction::Egress => self.perform(RevokeSecurityGroupEgress(rules)),
        }
    }

    /// Sets a tag.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn tag(&self, id: &str, key: &str, value: &str) -> Result<(), AwsError> {
        self.perform(CreateTags {
            ids: vec![id.to_owned()],
            tags: Tags::from([(key.to_owned(), value.to_owned())]),
        })
    }

    /// Takes a tag away.
    ///
    /// # Errors
    ///
    /// As AWS refuses it.
    pub fn untag(&self, id: &str, key: &str) -> Result<(), AwsError> {
        self.perform(DeleteTags {
            ids: vec![id.to_owned()],
            keys: [key.to_owned()].into(),
        })
    }
}

fn one_rule(group_id: &str, rule: Rule) -> GroupRules {
    GroupRules {
        group_id: group_id.to_owned(),
        rules: Rules::from([(rule, None)]),
    }
}
