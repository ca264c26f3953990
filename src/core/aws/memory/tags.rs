//! Tags (E55).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::AwsError;
use super::super::ec2::{CreateTags, DeleteTags, Tags};
use super::refusals::{Named, invalid_value, missing, refused};
use super::world::{Act, Region, Site};

const MOST: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// The tags of one thing, each with the moment since which it has its value (E7).
#[derive(Clone, Debug, Default)]
pub(super) struct Tagged(BTreeMap<String, (String, Timestamp)>);

impl Tagged {
    pub(super) fn new(tags: &Tags, since: Timestamp) -> Self {
        let mut tagged = Self::default();
        tagged.set(tags, since);
        tagged
    }

    pub(super) fn tags(&self) -> Tags {
        self.0
            .iter()
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect()
    }

    /// Since when the key has this value.
    pub(super) fn since(&self, key: &str, value: &str) -> Option<Timestamp> {
        let (present, since) = self.0.get(key)?;
        (present == value).then_some(*since)
    }

    fn set(&mut self, tags: &Tags, now: Timestamp) {
        for (key, value) in tags {
            if self.since(key, value).is_none() {
                self.0.insert(key.clone(), (value.clone(), now));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn would_have(&self, tags: &Tags) -> usize {
        self.0.len() + tags.keys().filter(|key| !self.0.contains_key(*key)).count()
    }
}

/// What may be set as tags, by a call of its own or by one that makes something.
pub(super) fn check(tags: &Tags) -> Result<(), AwsError> {
    for (key, value) in tags {
        check_key(key)?;
        if value.chars().count() > LONGEST_VALUE {
            return Err(invalid_value(format!(
                "Tag value exceeds the maximum length of {LONGEST_VALUE} characters"
            )));
        }
    }
    check_number(tags.len())
}

fn check_key(key: &str) -> Result<(), AwsError> {
    if key.is_empty() {
        return Err(invalid_value("Tag key cannot be empty"));
    }
    if key.chars().count() > LONGEST_KEY {
        return Err(invalid_value(format!(
            "Tag key exceeds the maximum length of {LONGEST_KEY} characters"
        )));
    }
    if key.to_lowercase().starts_with("aws:") {
        return Err(invalid_value(
            "Tag keys starting with 'aws:' are reserved for internal use",
        ));
    }
    Ok(())
}

fn check_number(number: usize) -> Result<(), AwsError> {
    if number > MOST {
        return Err(refused("TagLimitExceeded", format!("More than {MOST} tags specified")));
    }
    Ok(())
}

impl Region {
    /// The tags of an instance, a volume or a group.
    fn tagged_mut(&mut self, id: &str) -> Option<(&mut Tagged, Timestamp)> {
        if let Some(instance) = self.instances.get_mut(id) {
            let created = instance.created;
            return Some((&mut instance.tagged, created));
        }
        if let Some(volume) = self.volumes.get_mut(id) {
            let created = volume.created;
            return Some((&mut volume.tagged, created));
        }
        self.groups.get_mut(id).map(|group| (&mut group.tagged, group.created))
    }
}

impl Site<'_> {
    /// The tags of what an id names, unless it is too young to be seen (E7).
    pub(super) fn tagged_mut(&mut self, id: &str) -> Result<&mut Tagged, AwsError> {
        let seen = self
            .region
            .tagged_mut(id)
            .map(|(_, created)| created)
            .is_some_and(|created| self.sees(created));
        self.region
            .tagged_mut(id)
            .filter(|_| seen)
            .map(|(tagged, _)| tagged)
            .ok_or_else(|| unknown(id))
    }
}

fn unknown(id: &str) -> AwsError {
    [Named::Instance, Named::Volume, Named::Group]
        .into_iter()
        .find(|named| id.starts_with(named.prefix()))
        .map_or_else(
            || refused("InvalidID", format!("The ID '{id}' is not valid")),
            |named| named.unknown(id),
        )
}

impl Act for CreateTags {
    fn subject(&self) -> String {
        self.ids.join(" ")
    }

    /// E55: an unknown id, or one that would have too many, fails all.
    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        if self.ids.is_empty() {
            return Err(missing("resourceIdSet"));
        }
        if self.tags.is_empty() {
            return Err(missing("tagSet"));
        }
        check(&self.tags)?;
        for id in &self.ids {
            check_number(site.tagged_mut(id)?.would_have(&self.tags))?;
        }
        let now = site.now;
        for id in &self.ids {
            site.tagged_mut(id)?.set(&self.tags, now);
        }
        Ok(())
    }
}

impl Act for DeleteTags {
    fn subject(&self) -> String {
        self.ids.join(" ")
    }

    /// E55: to AWS, no keys at all are all of them; so such a call is never sent.
    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        if self.ids.is_empty() {
            return Err(missing("resourceIdSet"));
        }
        for key in &self.keys {
            check_key(key)?;
        }
        for id in &self.ids {
            site.tagged_mut(id)?;
        }
        for id in &self.ids {
            let tagged = site.tagged_mut(id)?;
            tagged.0.retain(|key, _| !self.keys.contains(key));
        }
        Ok(())
    }
}
