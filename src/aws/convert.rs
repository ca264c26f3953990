//! What several subjects share: filters, pages, tags, and fields that must be there.

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use nuvem_core::aws::ec2::{Select, Tags};
use nuvem_core::aws::{AwsError, Page};

use super::error::strange;

/// The most items on a page. AWS forbids it beside a list of ids, but not beside a filter on them.
pub(super) const PAGE_SIZE: i32 = 1000;

/// A field that AWS always sends.
pub(super) fn required<T>(value: Option<T>, field: &str) -> Result<T, AwsError> {
    value.ok_or_else(|| strange(format!("the answer lacks {field}")))
}

/// A text that AWS may leave out, or send empty, which means the same.
pub(super) fn text(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

/// A moment.
pub(super) fn timestamp(moment: DateTime) -> Result<Timestamp, AwsError> {
    Timestamp::from_nanosecond(moment.as_nanos()).map_err(|_| strange("the answer has a time beyond the calendar"))
}

/// What has exactly one of these values.
pub(super) fn filter(name: impl Into<String>, values: impl IntoIterator<Item: AsRef<str>>) -> Filter {
    let values = values.into_iter().map(|value| literal(value.as_ref())).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// What matches a pattern with `*` and `?`.
pub(super) fn pattern(name: impl Into<String>, pattern: String) -> Filter {
    Filter::builder().name(name).values(pattern).build()
}

/// A value that AWS takes as it is, since a tag or a name may have a `*` in it (E58).
fn literal(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// What is selected, where `id` names the filter on ids.
pub(super) fn filters(select: Select, id: &str) -> Vec<Filter> {
    match select {
        Select::Ids(ids) => vec![filter(id, ids)],
        Select::Tags(tags) => tags
            .into_iter()
            .map(|(key, value)| filter(format!("tag:{key}"), [value]))
            .collect(),
    }
}

/// Converts every item of a list.
pub(super) fn items<S, T>(
    items: Option<Vec<S>>,
    convert: impl FnMut(S) -> Result<T, AwsError>,
) -> Result<Vec<T>, AwsError> {
    items.unwrap_or_default().into_iter().map(convert).collect()
}

/// Converts every item of a page.
pub(super) fn page<S, T>(
    list: Option<Vec<S>>,
    next: Option<String>,
    convert: impl FnMut(S) -> Result<T, AwsError>,
) -> Result<Page<T>, AwsError> {
    Ok(Page {
        items: items(list, convert)?,
        next: text(next),
    })
}

/// Tags as we keep them.
pub(super) fn from_sdk_tags(tags: Option<Vec<Tag>>) -> Result<Tags, AwsError> {
    tags.unwrap_or_default()
        .into_iter()
        .map(|tag| Ok((required(tag.key, "a tag's key")?, tag.value.unwrap_or_default())))
        .collect()
}

/// Tags as AWS takes them.
pub(super) fn to_sdk_tags(tags: Tags) -> Vec<Tag> {
    tags.into_iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// Tags for what a request creates; none without tags, since AWS refuses an empty list.
pub(super) fn tag_specifications(created: &[ResourceType], tags: Tags) -> Option<Vec<TagSpecification>> {
    if tags.is_empty() {
        return None;
    }
    let tags = to_sdk_tags(tags);
    let specification = |kind: &ResourceType| {
        TagSpecification::builder()
            .resource_type(kind.clone())
            .set_tags(Some(tags.clone()))
            .build()
    };
    Some(created.iter().map(specification).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_the_same_after_there_and_back() {
        let tags = Tags::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        assert_eq!(from_sdk_tags(Some(to_sdk_tags(tags.clone()))), Ok(tags));
    }

    #[test]
    fn a_selection_by_tags_asks_for_all_of_them() {
        let pairs = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        let expected = vec![filter("tag:a", ["1"]), filter("tag:b", ["2"])];
        assert_eq!(filters(Select::Tags(pairs), "volume-id"), expected);
    }

    #[test]
    fn only_a_pattern_has_wildcards() {
        let values = |filter: Filter| filter.values.unwrap_or_default();
        assert_eq!(values(filter("tag:a", [r"*?\b"])), [r"\*\?\\b"]);
        assert_eq!(values(pattern("name", "al2023-*".to_owned())), ["al2023-*"]);
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = required(None::<String>, "instanceId");
        assert_eq!(error, Err(AwsError::NoAnswer("the answer lacks instanceId".to_owned())));
    }

    #[test]
    fn an_empty_token_ends_a_listing() {
        let last = page(Some(vec![1]), Some(String::new()), Ok);
        assert_eq!(last, Ok(Page::whole(vec![1])));
    }
}
