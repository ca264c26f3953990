//! What was just created is late to be seen.

use super::nuvem_core::aws::ec2::DescribeSecurityGroups;
use super::nuvem_core::aws::ec2::{
    AuthorizeSecurityGroupIngress, CreateTags, DeleteSecurityGroup, DescribeProtection, DescribeUserData,
    InstanceAttribute, ModifyInstanceAttribute, ProtectedAction, SelectGroups, SelectInstances, StartInstances,
    StopInstances, TerminateInstances,
};
use super::stage::{AT_ONCE, FOR_EVER, Stage, assert_refused, network, rules, tags, tcp};

pub async fn e07_a_fresh_instance_is_unknown_to_every_call(stage: &Stage) {
    stage.turn(|dials| dials.visibility = FOR_EVER).await;
    let spec = stage.spec();
    let tag = spec.tags.clone().pop_first().expect("a tag");
    let id = stage.ask(spec.clone()).await.expect("launched").id;

    assert_eq!(stage.instance(&id).await, None);
    assert_eq!(stage.ids_with_tag(&tag.0, &tag.1).await, Vec::<String>::new());
    assert_eq!(
        stage.instances(SelectInstances::ClientToken(spec.client_token)).await,
        []
    );
    let (code, words) = (
        "InvalidInstanceID.NotFound",
        format!("The instance ID '{id}' does not exist"),
    );
    let instance_id = || id.clone();
    assert_refused(
        stage
            .ask(StartInstances {
                instance_id: instance_id(),
            })
            .await,
        code,
        &words,
    );
    assert_refused(
        stage
            .ask(StopInstances {
                instance_id: instance_id(),
            })
            .await,
        code,
        &words,
    );
    assert_refused(
        stage
            .ask(TerminateInstances {
                instance_id: instance_id(),
            })
            .await,
        code,
        &words,
    );
    assert_refused(
        stage
            .ask(DescribeUserData {
                instance_id: instance_id(),
            })
            .await,
        code,
        &words,
    );
    let action = ProtectedAction::Stop;
    assert_refused(
        stage
            .ask(DescribeProtection {
                instance_id: instance_id(),
                action,
            })
            .await,
        code,
        &words,
    );
    let attribute = InstanceAttribute::Protection { action, enabled: true };
    assert_refused(
        stage
            .ask(ModifyInstanceAttribute {
                instance_id: instance_id(),
                attribute,
            })
            .await,
        code,
        &words,
    );
    let set = CreateTags {
        ids: vec![instance_id()],
        tags: tags([("a", "b")]),
    };
    assert_refused(stage.ask(set).await, code, &words);

    stage.calm().await;
    assert!(stage.instance(&id).await.is_some(), "and then it is there");
}

pub async fn e07_the_token_of_an_invisible_instance_gives_it_nevertheless(stage: &Stage) {
    stage.turn(|dials| dials.visibility = FOR_EVER).await;
    let spec = stage.spec();
    let first = stage.ask(spec.clone()).await.expect("launched");
    let again = stage.ask(spec).await.expect("repeated");
    assert_eq!(again.id, first.id);
}

pub async fn e07_a_fresh_group_is_unknown_and_yet_its_name_is_taken(stage: &Stage) {
    stage.turn(|dials| dials.visibility = FOR_EVER).await;
    let spec = stage.group_spec(&stage.grounds.default_vpc);
    let id = stage.ask(spec.clone()).await.expect("created");

    assert_eq!(stage.seen_group(&id).await, None);
    let select = SelectGroups::Named {
        name: spec.name.clone(),
        vpc_id: spec.vpc_id.clone(),
    };
    let by_name = stage
        .ask(DescribeSecurityGroups { select, page: None })
        .await
        .expect("listed");
    assert_eq!(by_name.items, []);
    let (code, words) = (
        "InvalidGroup.NotFound",
        format!("The security group '{id}' does not exist"),
    );
    let wanted = rules(&id, [tcp(22, network("10.0.0.0/8"))]);
    assert_refused(stage.ask(AuthorizeSecurityGroupIngress(wanted)).await, code, &words);
    assert_refused(
        stage.ask(DeleteSecurityGroup { group_id: id.clone() }).await,
        code,
        &words,
    );
    let mut launch = stage.spec();
    launch.security_group_ids = vec![id.clone()];
    assert_refused(stage.ask(launch).await, code, &words);
    let (_, again, _) = super::stage::refusal(stage.ask(spec).await);
    assert_eq!(again, "InvalidGroup.Duplicate");

    stage.calm().await;
    assert!(stage.seen_group(&id).await.is_some(), "and then it is there");
}

pub async fn e07_a_tag_filter_may_lag_behind_the_id(stage: &Stage) {
    stage.turn(|dials| dials.tag_visibility = FOR_EVER).await;
    let spec = stage.spec();
    let (key, value) = spec.tags.clone().pop_first().expect("a tag");
    let id = stage.ask(spec).await.expect("launched").id;
    let by_id = stage.instance(&id).await.expect("found by id");
    assert_eq!(by_id.tags.get(&key), Some(&value), "the tag is shown");
    assert_eq!(
        stage.ids_with_tag(&key, &value).await,
        Vec::<String>::new(),
        "and not found"
    );

    stage.turn(|dials| dials.tag_visibility = AT_ONCE).await;
    assert_eq!(stage.ids_with_tag(&key, &value).await, [id.as_str()]);

    // A tag that is set later is as late.
    let name = stage.name();
    stage.turn(|dials| dials.tag_visibility = FOR_EVER).await;
    stage
        .ask(CreateTags {
            ids: vec![id.clone()],
            tags: tags([("later", &name)]),
        })
        .await
        .expect("tagged");
    assert_eq!(stage.ids_with_tag("later", &name).await, Vec::<String>::new());
    stage.calm().await;
    assert_eq!(stage.ids_with_tag("later", &name).await, [id]);
}
