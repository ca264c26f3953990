//! Attributes of an instance.

use super::nuvem_core::aws::AwsError;
use super::nuvem_core::aws::ec2::{
    DescribeProtection, DescribeUserData, HttpTokens, InstanceAttribute, InstanceState, MetadataOptions,
    ModifyInstanceAttribute, ModifyInstanceMetadataOptions, MonitorInstances, Monitoring, ProtectedAction,
    StartInstances, UnmonitorInstances,
};
use super::nuvem_core::secret::Secret;
use super::stage::{Stage, assert_refused};

async fn modify(stage: &Stage, id: &str, attribute: InstanceAttribute) -> Result<(), AwsError> {
    stage
        .ask(ModifyInstanceAttribute {
            instance_id: id.to_owned(),
            attribute,
        })
        .await
}

async fn user_data(stage: &Stage, id: &str) -> Option<Vec<u8>> {
    let secret = stage
        .ask(DescribeUserData {
            instance_id: id.to_owned(),
        })
        .await
        .expect("read");
    secret.map(|secret| secret.reveal().clone())
}

async fn is_protected(stage: &Stage, id: &str, action: ProtectedAction) -> bool {
    stage
        .ask(DescribeProtection {
            instance_id: id.to_owned(),
            action,
        })
        .await
        .expect("read")
}

fn not_stopped(id: &str) -> String {
    format!("The instance '{id}' is not in the 'stopped' state.")
}

pub async fn e17_the_type_is_changed_while_stopped_only(stage: &Stage) {
    let wanted = || InstanceAttribute::InstanceType("t3.small".to_owned());
    let running = stage.running().await.id;
    assert_refused(
        modify(stage, &running, wanted()).await,
        "IncorrectInstanceState",
        &not_stopped(&running),
    );
    let stopped = stage.stopped().await.id;
    modify(stage, &stopped, wanted()).await.expect("changed");
    stage
        .ask(StartInstances {
            instance_id: stopped.clone(),
        })
        .await
        .expect("started");
    let started = stage.instance(&stopped).await.expect("found");
    assert_eq!(
        (started.instance_type.as_str(), started.state),
        ("t3.small", InstanceState::Running)
    );
}

pub async fn e17_an_unknown_type_is_refused(stage: &Stage) {
    let id = stage.stopped().await.id;
    let wanted = InstanceAttribute::InstanceType("zz.huge".to_owned());
    assert_refused(
        modify(stage, &id, wanted).await,
        "InvalidInstanceAttributeValue",
        "zz.huge",
    );
    assert_eq!(stage.instance(&id).await.expect("found").instance_type, "t3.micro");
}

pub async fn e18_user_data_is_changed_while_stopped_and_read_apart(stage: &Stage) {
    let raw = b"#!/bin/sh\necho \xff\x00 hello\n".to_vec();
    let mut spec = stage.spec();
    spec.user_data = Some(Secret::new(raw.clone()));
    let running = stage.running_as(spec).await.id;
    assert_eq!(user_data(stage, &running).await, Some(raw.clone()));
    let wanted = |raw: &[u8]| InstanceAttribute::UserData(Secret::new(raw.to_vec()));
    assert_refused(
        modify(stage, &running, wanted(b"new")).await,
        "IncorrectInstanceState",
        &not_stopped(&running),
    );

    let stopped = stage.stopped().await.id;
    assert_eq!(user_data(stage, &stopped).await, None);
    modify(stage, &stopped, wanted(&raw)).await.expect("changed");
    assert_eq!(user_data(stage, &stopped).await, Some(raw));
    modify(stage, &stopped, wanted(b"")).await.expect("emptied");
    assert_eq!(user_data(stage, &stopped).await, None);
}

pub async fn e18_user_data_has_at_most_16384_raw_bytes(stage: &Stage) {
    let words = "User data is limited to 16384 bytes";
    let mut spec = stage.spec();
    spec.user_data = Some(Secret::new(vec![b'x'; 16_385]));
    assert_refused(stage.ask(spec.clone()).await, "InvalidParameterValue", words);
    spec.user_data = Some(Secret::new(vec![b'x'; 16_384]));
    stage.running_as(spec).await;
    let stopped = stage.stopped().await.id;
    let too_long = InstanceAttribute::UserData(Secret::new(vec![b'x'; 16_385]));
    assert_refused(modify(stage, &stopped, too_long).await, "InvalidParameterValue", words);
}

pub async fn e19_groups_are_replaced_while_running(stage: &Stage) {
    let (first, second) = (stage.group().await, stage.group().await);
    let mut spec = stage.spec();
    spec.security_group_ids = vec![first.clone()];
    let instance = stage.running_as(spec).await;
    assert_eq!(instance.security_groups, [first].into());
    let wanted = |ids: &[&String]| InstanceAttribute::SecurityGroups(ids.iter().map(|id| (*id).clone()).collect());
    modify(stage, &instance.id, wanted(&[&second])).await.expect("replaced");
    assert_eq!(
        stage.instance(&instance.id).await.expect("found").security_groups,
        [second.clone()].into()
    );

    let unknown = "sg-0fffffffffffffff1".to_owned();
    assert_refused(
        modify(stage, &instance.id, wanted(&[&second, &unknown])).await,
        "InvalidGroup.NotFound",
        "The security group 'sg-0fffffffffffffff1' does not exist",
    );
    assert_eq!(
        stage.instance(&instance.id).await.expect("found").security_groups,
        [second].into()
    );
}

pub async fn e19_protections_are_set_while_running(stage: &Stage) {
    let mut spec = stage.spec();
    spec.disable_api_termination = true;
    let id = stage.running_as(spec).await.id;
    assert!(is_protected(stage, &id, ProtectedAction::Termination).await);
    assert!(!is_protected(stage, &id, ProtectedAction::Stop).await);
    for (action, enabled) in [(ProtectedAction::Termination, false), (ProtectedAction::Stop, true)] {
        modify(stage, &id, InstanceAttribute::Protection { action, enabled })
            .await
            .expect("set");
    }
    assert!(!is_protected(stage, &id, ProtectedAction::Termination).await);
    assert!(is_protected(stage, &id, ProtectedAction::Stop).await);
}

pub async fn e24_metadata_options_are_changed_while_running(stage: &Stage) {
    let instance = stage.running().await;
    let launched = MetadataOptions {
        http_tokens: HttpTokens::Required,
        hop_limit: 1,
    };
    assert_eq!(instance.metadata_options, Some(launched));
    let modify = |options| ModifyInstanceMetadataOptions {
        instance_id: instance.id.clone(),
        options,
    };
    let wanted = MetadataOptions {
        http_tokens: HttpTokens::Optional,
        hop_limit: 64,
    };
    stage.ask(modify(wanted)).await.expect("changed");
    assert_eq!(
        stage.instance(&instance.id).await.expect("found").metadata_options,
        Some(wanted)
    );
    for hop_limit in [0, 65] {
        let refused = stage.ask(modify(MetadataOptions { hop_limit, ..wanted })).await;
        assert_refused(refused, "InvalidParameterValue", &hop_limit.to_string());
    }
}

pub async fn monitoring_is_turned_on_and_off(stage: &Stage) {
    let mut spec = stage.spec();
    spec.monitoring = Monitoring::Detailed;
    let instance = stage.running_as(spec).await;
    assert_eq!(instance.monitoring, Monitoring::Detailed);
    let instance_id = || instance.id.clone();
    stage
        .ask(UnmonitorInstances {
            instance_id: instance_id(),
        })
        .await
        .expect("off");
    assert_eq!(
        stage.instance(&instance.id).await.expect("found").monitoring,
        Monitoring::Basic
    );
    stage
        .ask(MonitorInstances {
            instance_id: instance_id(),
        })
        .await
        .expect("on");
    assert_eq!(
        stage.instance(&instance.id).await.expect("found").monitoring,
        Monitoring::Detailed
    );
}

pub async fn e19_at_least_one_group_remains_and_all_are_of_its_network(stage: &Stage) {
    let instance = stage.running().await;
    let none = InstanceAttribute::SecurityGroups(Vec::new());
    let nothing = "No attributes specified.";
    assert_refused(
        modify(stage, &instance.id, none).await,
        "InvalidParameterCombination",
        nothing,
    );
    let other = stage.group_in(&stage.grounds.other_vpc).await;
    assert_refused(
        modify(stage, &instance.id, InstanceAttribute::SecurityGroups(vec![other])).await,
        "InvalidGroup.NotFound",
        "You have specified two resources that belong to different networks.",
    );
    let now = stage.instance(&instance.id).await.expect("found");
    assert_eq!(now.security_groups, instance.security_groups);
}
