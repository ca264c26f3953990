//! Client tokens.

use super::nuvem_core::aws::ec2::{InstanceState, SelectInstances, StopInstances, TerminateInstances};
use super::stage::{AT_ONCE, Stage, assert_refused};

pub async fn e01_a_repeated_token_gives_the_same_instance_as_it_is_now(stage: &Stage) {
    let spec = stage.spec();
    let first = stage.ask(spec.clone()).await.expect("launched");
    assert_eq!(first.client_token.as_ref(), Some(&spec.client_token));
    stage
        .ask(StopInstances {
            instance_id: stage.instance(&first.id).await.expect("found").id,
        })
        .await
        .expect("stopped");
    let again = stage.ask(spec.clone()).await.expect("repeated");
    assert_eq!(again.id, first.id);
    assert_eq!(again.state, InstanceState::Stopped);
    let made = stage.instances(SelectInstances::ClientToken(spec.client_token)).await;
    assert_eq!(made.len(), 1);
}

pub async fn e02_a_repeated_token_with_another_parameter_is_a_mismatch(stage: &Stage) {
    let spec = stage.spec();
    stage.ask(spec.clone()).await.expect("launched");
    let mut other_type = spec.clone();
    "t3.small".clone_into(&mut other_type.instance_type);
    let mut other_tags = spec;
    other_tags.tags.insert("one".to_owned(), "more".to_owned());
    for other in [other_type, other_tags] {
        assert_refused(
            stage.ask(other).await,
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        );
    }
}

pub async fn e02_a_token_used_in_another_zone_launches_there(stage: &Stage) {
    let here = stage.spec();
    let mut there = here.clone();
    there.subnet_id = stage.grounds.default_subnets.get(1).cloned();
    let first = stage.ask(here).await.expect("launched");
    let second = stage.ask(there).await.expect("launched in the other zone");
    assert_ne!(first.id, second.id);
    assert_ne!(first.availability_zone, second.availability_zone);
}

pub async fn e03_the_token_of_a_terminated_instance_is_refused(stage: &Stage) {
    let spec = stage.spec();
    let id = stage.running_as(spec.clone()).await.id;
    stage
        .ask(TerminateInstances {
            instance_id: id.clone(),
        })
        .await
        .expect("terminated");
    assert_eq!(
        stage.instance(&id).await.expect("readable").state,
        InstanceState::Terminated
    );
    let refused = "IdempotentInstanceTerminated";
    let words = "The client token you have provided is associated with a terminated instance.";
    assert_refused(stage.ask(spec.clone()).await, refused, words);
    // The token outlives the instance.
    stage.turn(|dials| dials.terminated = AT_ONCE).await;
    assert_eq!(stage.instance(&id).await, None);
    assert_refused(stage.ask(spec).await, refused, words);
}

pub async fn e04_a_token_is_at_most_64_ascii_characters(stage: &Stage) {
    let mut spec = stage.spec();
    spec.client_token = format!("{:x<65}", stage.name());
    let (_, code, _) = super::stage::refusal(stage.ask(spec.clone()).await);
    assert_eq!(code, "InvalidParameterValue");
    spec.client_token.pop();
    stage.ask(spec).await.expect("64 are fine");
}

pub async fn e05_the_filter_client_token_finds_what_a_token_made(stage: &Stage) {
    let spec = stage.spec();
    let select = SelectInstances::ClientToken(spec.client_token.clone());
    assert_eq!(stage.instances(select.clone()).await, []);
    let id = stage.ask(spec).await.expect("launched").id;
    let found = stage.instances(select).await;
    assert_eq!(found.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id]);
}

pub async fn e06_a_group_that_is_created_again_meets_its_name(stage: &Stage) {
    let spec = stage.group_spec(&stage.grounds.default_vpc);
    stage.ask(spec.clone()).await.expect("created");
    let words = format!(
        "The security group '{}' already exists for VPC '{}'",
        spec.name, spec.vpc_id
    );
    assert_refused(stage.ask(spec).await, "InvalidGroup.Duplicate", &words);
}
