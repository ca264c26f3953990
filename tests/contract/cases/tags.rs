//! Tags.

use super::nuvem_core::aws::AwsError;
use super::nuvem_core::aws::ec2::{CreateTags, DeleteTags, Tags};
use super::stage::{Stage, assert_refused, refusal, tags};

async fn set(stage: &Stage, ids: &[&str], tags: Tags) -> Result<(), AwsError> {
    stage
        .ask(CreateTags {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            tags,
        })
        .await
}

async fn tags_of(stage: &Stage, group_id: &str) -> Tags {
    stage.seen_group(group_id).await.expect("found").tags
}

pub async fn e55_one_unknown_id_fails_all(stage: &Stage) {
    let group = stage.group().await;
    for (unknown, code) in [
        ("i-0ffffffffffffffff", "InvalidInstanceID.NotFound"),
        ("vol-0ffffffffffffffff", "InvalidVolume.NotFound"),
        ("sg-0ffffffffffffffff", "InvalidGroup.NotFound"),
    ] {
        let (_, found, _) = refusal(set(stage, &[&group, unknown], tags([("a", "b")])).await);
        assert_eq!(found, code);
    }
    assert_eq!(tags_of(stage, &group).await, Tags::new());
}

pub async fn e55_a_thing_has_at_most_50_tags(stage: &Stage) {
    let group = stage.group().await;
    let many = |range: std::ops::Range<u32>| range.map(|n| (format!("key-{n}"), String::new())).collect::<Tags>();
    let (_, code, _) = refusal(set(stage, &[&group], many(0..51)).await);
    assert_eq!(code, "TagLimitExceeded");
    set(stage, &[&group], many(0..50)).await.expect("50 are fine");
    let (_, code, _) = refusal(set(stage, &[&group], many(50..51)).await);
    assert_eq!(code, "TagLimitExceeded");
    set(stage, &[&group], tags([("key-0", "changed")]))
        .await
        .expect("a change adds none");
    assert_eq!(tags_of(stage, &group).await.len(), 50);
}

pub async fn e55_keys_and_values_have_limits(stage: &Stage) {
    let group = stage.group().await;
    let words = "Tag keys starting with 'aws:' are reserved for internal use";
    assert_refused(
        set(stage, &[&group], tags([("aws:mine", "x")])).await,
        "InvalidParameterValue",
        words,
    );
    let (key, value) = ("k".repeat(128), "v".repeat(256));
    set(stage, &[&group], tags([(&key, &value)]))
        .await
        .expect("as long as may be");
    for (key, value) in [
        (format!("{key}k"), String::new()),
        ("k".to_owned(), format!("{value}v")),
    ] {
        let (_, code, _) = refusal(set(stage, &[&group], tags([(&key, &value)])).await);
        assert_eq!(code, "InvalidParameterValue");
    }
    let mut launch = stage.spec();
    launch.tags.insert("aws:mine".to_owned(), "x".to_owned());
    assert_refused(stage.ask(launch).await, "InvalidParameterValue", words);
}

pub async fn e55_tags_are_set_changed_and_taken_away(stage: &Stage) {
    let instance = stage.running().await;
    let volume = stage.root_volume(&instance).await.id;
    let group = stage.group().await;
    let ids = [instance.id.as_str(), volume.as_str(), group.as_str()];
    set(stage, &ids, tags([("one", "1"), ("two", "2")])).await.expect("set");
    set(stage, &ids, tags([("two", "changed"), ("three", "")]))
        .await
        .expect("set");
    let delete = DeleteTags {
        ids: ids.map(str::to_owned).to_vec(),
        keys: ["one".to_owned(), "missing".to_owned()].into(),
    };
    stage.ask(delete).await.expect("deleted");
    let expected = tags([("two", "changed"), ("three", "")]);
    assert_eq!(tags_of(stage, &group).await, expected);
    let own = instance.tags.into_iter().chain(expected).collect::<Tags>();
    assert_eq!(stage.instance(&instance.id).await.expect("found").tags, own);
    assert_eq!(stage.volume(&volume).await.expect("found").tags, own);
}

pub async fn e55_no_keys_take_no_tags_away(stage: &Stage) {
    let group = stage.group().await;
    set(stage, &[&group], tags([("one", "1")])).await.expect("set");
    let none = DeleteTags {
        ids: vec![group.clone()],
        keys: [].into(),
    };
    stage.ask(none).await.expect("nothing to do");
    assert_eq!(tags_of(stage, &group).await, tags([("one", "1")]));
}
