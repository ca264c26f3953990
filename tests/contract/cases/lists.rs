//! Lists: filters, pages, Regions.

use std::collections::BTreeSet;

use super::nuvem_core::aws::ec2::{
    CreateTags, DescribeInstances, DescribeSecurityGroups, Select, SelectGroups, SelectInstances, StopInstances,
};
use super::stage::{Stage, assert_refused, refusal, tags};

pub async fn e57_a_long_list_comes_in_pages_without_gap_or_repeat(stage: &Stage) {
    let mut spec = stage.spec();
    let tag = stage.name();
    spec.tags = tags([("crowd", &tag)]);
    stage.world.crowd(&spec, 1005).await;
    let select = SelectInstances::By(Select::Tags(vec![("crowd".to_owned(), tag)]));
    let mut ids = BTreeSet::new();
    let mut pages = Vec::new();
    let mut page = None;
    loop {
        let found = stage
            .ask(DescribeInstances {
                select: select.clone(),
                page,
            })
            .await
            .expect("listed");
        pages.push(found.items.len());
        ids.extend(found.items.into_iter().map(|one| one.id));
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((pages, ids.len()), (vec![1000, 5], 1005));
}

pub async fn e57_a_token_of_no_page_is_refused(stage: &Stage) {
    let select = SelectInstances::By(Select::Tags(vec![("crowd".to_owned(), "none".to_owned())]));
    let answer = stage
        .ask(DescribeInstances {
            select,
            page: Some("nonsense".to_owned()),
        })
        .await;
    assert_refused(answer, "InvalidParameterValue", "Unable to parse pagination token");
}

pub async fn e58_a_filter_takes_200_values_and_no_more(stage: &Stage) {
    let known = stage.running().await.id;
    let among = |number: u32| {
        let mut ids: Vec<String> = (1..number).map(|n| format!("i-0fffffffff{n:07x}")).collect();
        ids.push(known.clone());
        SelectInstances::By(Select::Ids(ids))
    };
    assert_eq!(stage.instances(among(200)).await.len(), 1);
    let (_, code, _) = refusal(
        stage
            .ask(DescribeInstances {
                select: among(201),
                page: None,
            })
            .await,
    );
    assert_eq!(code, "FilterLimitExceeded");
}

pub async fn e58_a_tag_value_means_itself_whatever_its_characters(stage: &Stage) {
    for special in ["*", "?", "\\"] {
        let name = stage.name();
        let (wanted, other) = (stage.group().await, stage.group().await);
        let value = format!("{name}{special}b");
        for (id, value) in [(&wanted, value.clone()), (&other, format!("{name}ab"))] {
            let ids = vec![id.clone()];
            stage
                .ask(CreateTags {
                    ids,
                    tags: tags([("value", &value)]),
                })
                .await
                .expect("tagged");
        }
        let select = SelectGroups::By(Select::Tags(vec![("value".to_owned(), value)]));
        let found = stage
            .ask(DescribeSecurityGroups { select, page: None })
            .await
            .expect("listed")
            .items;
        assert_eq!(
            found.into_iter().map(|one| one.id).collect::<Vec<_>>(),
            [wanted],
            "{special}"
        );
    }
}

pub async fn e58_several_tags_must_all_be_there(stage: &Stage) {
    let name = stage.name();
    let (both, one) = (stage.running().await.id, stage.running().await.id);
    let tag = |id: &str, key: &str| CreateTags {
        ids: vec![id.to_owned()],
        tags: tags([(key, &name)]),
    };
    for (id, key) in [(&both, "first"), (&both, "second"), (&one, "first")] {
        stage.ask(tag(id, key)).await.expect("tagged");
    }
    let pairs = ["first", "second"].map(|key| (key.to_owned(), name.clone()));
    let found = stage.instances(SelectInstances::By(Select::Tags(pairs.to_vec()))).await;
    assert_eq!(found.into_iter().map(|one| one.id).collect::<Vec<_>>(), [both]);
    // The case of a value counts.
    assert_eq!(
        stage.ids_with_tag("first", &name.to_uppercase()).await,
        Vec::<String>::new()
    );
}

pub async fn e60_an_id_is_unknown_in_another_region(stage: &Stage) {
    let id = stage.running().await.id;
    let select = SelectInstances::By(Select::Ids(vec![id.clone()]));
    let listed = stage
        .elsewhere
        .perform(DescribeInstances { select, page: None })
        .await
        .expect("listed");
    assert_eq!(listed.items, []);
    let words = format!("The instance ID '{id}' does not exist");
    let stopped = stage.elsewhere.perform(StopInstances { instance_id: id }).await;
    assert_refused(stopped, "InvalidInstanceID.NotFound", &words);
}
