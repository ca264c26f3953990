//! Listings: which items, and in which pages (E13, E57, E58).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::ec2::Select;
use super::super::{AwsError, Page};
use super::refusals::{invalid_value, refused};
use super::tags::Tagged;
use super::world::Site;

/// How many values a filter takes (E58).
const MOST_VALUES: usize = 200;
/// How many filters a call takes.
const MOST_FILTERS: usize = 50;
/// What the token of a page begins with; the id at which the page before it ended follows.
const AFTER: &str = "after:";

/// What can be listed by id and by tag.
pub(super) trait Listed {
    fn created(&self) -> Timestamp;
    fn tagged(&self) -> &Tagged;
}

/// The things that a selection shows, in order of creation, without those that are too young to be
/// seen (E7).
pub(super) fn selected<'a, T: Listed>(
    site: &Site<'_>,
    things: &'a BTreeMap<String, T>,
    select: &Select,
) -> Result<Vec<(&'a String, &'a T)>, AwsError> {
    let mut found: Vec<_> = match select {
        Select::Ids(ids) => {
            check_values(ids.len())?;
            ids.iter().filter_map(|id| things.get_key_value(id)).collect()
        }
        Select::Tags(wanted) => {
            if wanted.len() > MOST_FILTERS {
                return Err(refused(
                    "FilterLimitExceeded",
                    format!("The maximum number of filters is {MOST_FILTERS}"),
                ));
            }
            let has = |tagged: &Tagged, (key, value): &(String, String)| {
                tagged.since(key, value).is_some_and(|since| site.finds_tag(since))
            };
            things
                .iter()
                .filter(|(_, thing)| wanted.iter().all(|tag| has(thing.tagged(), tag)))
                .collect()
        }
    };
    found.retain(|(_, thing)| site.sees(thing.created()));
    found.sort_by_key(|(id, _)| *id);
    found.dedup_by_key(|(id, _)| *id);
    Ok(found)
}

/// E58.
fn check_values(count: usize) -> Result<(), AwsError> {
    match count {
        0 => Err(invalid_value("The filter must have at least one value")),
        1..=MOST_VALUES => Ok(()),
        _ => Err(refused(
            "FilterLimitExceeded",
            format!("The maximum number of filter values specified on a single call is {MOST_VALUES}"),
        )),
    }
}

/// E57: one page. A token tells where the page before it ended, so what comes or goes meanwhile
/// neither shifts nor repeats the rest.
pub(super) fn page<T, U>(
    site: &Site<'_>,
    found: Vec<(&String, &T)>,
    token: Option<String>,
    describe: impl Fn(&T) -> U,
) -> Result<Page<U>, AwsError> {
    let after = match token {
        None => String::new(),
        Some(token) => token
            .strip_prefix(AFTER)
            .ok_or_else(|| invalid_value("Unable to parse pagination token"))?
            .to_owned(),
    };
    let most = site.dials.page_size.max(1);
    let mut items = Vec::new();
    let mut last = None;
    let mut next = None;
    for (id, thing) in found.into_iter().filter(|(id, _)| **id > after) {
        if items.len() == most {
            next = last.map(|id| format!("{AFTER}{id}"));
            break;
        }
        items.push(describe(thing));
        last = Some(id);
    }
    Ok(Page { items, next })
}
