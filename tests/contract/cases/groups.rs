//! Security groups.

use super::nuvem_core::aws::AwsError;
use super::nuvem_core::aws::ec2::{
    AuthorizeSecurityGroupIngress, DeleteSecurityGroup, DescribeSecurityGroups, Peer, RevokeSecurityGroupIngress, Rule,
    Rules, SelectGroups, TerminateInstances,
};
use super::stage::{FOR_EVER, Stage, assert_refused, network, refusal, rules, tags, tcp};

async fn delete(stage: &Stage, id: &str) -> Result<(), AwsError> {
    stage
        .ask(DeleteSecurityGroup {
            group_id: id.to_owned(),
        })
        .await
}

fn dependent(id: &str) -> String {
    format!("resource {id} has a dependent object")
}

pub async fn e49_a_name_is_unique_in_its_vpc_whatever_the_case(stage: &Stage) {
    let spec = stage.group_spec(&stage.grounds.default_vpc);
    stage.ask(spec.clone()).await.expect("created");
    let mut upper = spec.clone();
    upper.name = upper.name.to_uppercase();
    let words = format!(
        "The security group '{}' already exists for VPC '{}'",
        upper.name, upper.vpc_id
    );
    assert_refused(stage.ask(upper).await, "InvalidGroup.Duplicate", &words);
    let mut elsewhere = spec;
    elsewhere.vpc_id.clone_from(&stage.grounds.other_vpc);
    stage.ask(elsewhere).await.expect("another VPC has other names");
}

pub async fn e49_some_names_are_refused(stage: &Stage) {
    let named = |name: &str| {
        let mut spec = stage.group_spec(&stage.grounds.default_vpc);
        name.clone_into(&mut spec.name);
        spec
    };
    let words = "Group names may not be in the format sg-*.";
    assert_refused(stage.ask(named("sg-mine")).await, "InvalidParameterValue", words);
    for name in ["default", "Default", "tabs\tinside", "ünïcode", ""] {
        stage.ask(named(name)).await.expect_err(name);
    }
    let mut nowhere = named(&stage.name());
    "vpc-0ffffffffffffffff".clone_into(&mut nowhere.vpc_id);
    let words = "The vpc ID 'vpc-0ffffffffffffffff' does not exist";
    assert_refused(stage.ask(nowhere).await, "InvalidVpcID.NotFound", words);
}

pub async fn e49_a_new_group_lets_everything_out_and_nothing_in(stage: &Stage) {
    let mut spec = stage.group_spec(&stage.grounds.default_vpc);
    spec.tags = tags([("Name", "web")]);
    let id = stage.ask(spec.clone()).await.expect("created");
    let group = stage.seen_group(&id).await.expect("found");
    assert_eq!(
        (group.name, group.vpc_id, group.tags),
        (spec.name, spec.vpc_id, spec.tags)
    );
    assert_eq!(group.ingress, Rules::new());
    let everything = Rule {
        protocol: "-1".to_owned(),
        from_port: None,
        to_port: None,
        peer: network("0.0.0.0/0"),
    };
    assert_eq!(group.egress, Rules::from([(everything, None)]));
}

pub async fn e52_a_group_is_not_deleted_while_an_interface_has_it(stage: &Stage) {
    let group = stage.group().await;
    let mut spec = stage.spec();
    spec.security_group_ids = vec![group.clone()];
    let instance_id = stage.running_as(spec).await.id;
    assert_refused(delete(stage, &group).await, "DependencyViolation", &dependent(&group));
    // While the instance goes, its interface is still there.
    stage.turn(|dials| dials.transition = FOR_EVER).await;
    stage.ask(TerminateInstances { instance_id }).await.expect("terminated");
    assert_refused(delete(stage, &group).await, "DependencyViolation", &dependent(&group));
    stage.calm().await;
    delete(stage, &group).await.expect("deleted");
    assert_eq!(stage.seen_group(&group).await, None);
    assert_refused(
        delete(stage, &group).await,
        "InvalidGroup.NotFound",
        &format!("The security group '{group}' does not exist"),
    );
}

pub async fn e52_a_group_is_not_deleted_while_another_groups_rule_names_it(stage: &Stage) {
    let (named, naming) = (stage.group().await, stage.group().await);
    let wanted = rules(&naming, [tcp(5432, Peer::Group(named.clone()))]);
    stage
        .ask(AuthorizeSecurityGroupIngress(wanted.clone()))
        .await
        .expect("allowed");
    assert_refused(delete(stage, &named).await, "DependencyViolation", &dependent(&named));
    stage.ask(RevokeSecurityGroupIngress(wanted)).await.expect("revoked");
    // Its own rule about itself is no hindrance.
    let own = rules(&named, [tcp(5432, Peer::Group(named.clone()))]);
    stage.ask(AuthorizeSecurityGroupIngress(own)).await.expect("allowed");
    delete(stage, &named).await.expect("deleted");
}

pub async fn e52_the_default_group_is_not_deleted(stage: &Stage) {
    let vpc_id = stage.grounds.other_vpc.clone();
    let select = SelectGroups::Named {
        name: "default".to_owned(),
        vpc_id,
    };
    let found = stage
        .ask(DescribeSecurityGroups { select, page: None })
        .await
        .expect("listed")
        .items;
    let id = found.first().expect("every VPC has one").id.clone();
    let (_, code, _) = refusal(delete(stage, &id).await);
    assert_eq!(code, "CannotDelete");
}

pub async fn a_group_is_found_by_name_in_its_vpc_only(stage: &Stage) {
    let spec = stage.group_spec(&stage.grounds.default_vpc);
    let id = stage.ask(spec.clone()).await.expect("created");
    let named = async |name: &str, vpc_id: &str| {
        let select = SelectGroups::Named {
            name: name.to_owned(),
            vpc_id: vpc_id.to_owned(),
        };
        let found = stage
            .ask(DescribeSecurityGroups { select, page: None })
            .await
            .expect("listed")
            .items;
        found.into_iter().map(|group| group.id).collect::<Vec<_>>()
    };
    assert_eq!(named(&spec.name, &spec.vpc_id).await, [id]);
    assert_eq!(named(&spec.name, &stage.grounds.other_vpc).await, Vec::<String>::new());
    assert_eq!(
        named(&spec.name.to_uppercase(), &spec.vpc_id).await,
        Vec::<String>::new()
    );
}
