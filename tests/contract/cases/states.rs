//! The states of an instance.

use super::nuvem_core::aws::ec2::{
    DeleteSecurityGroup, Instance, InstanceState, ModifyVolume, Select, SelectInstances, StartInstances, StopInstances,
    TerminateInstances,
};
use super::stage::{AT_ONCE, FOR_EVER, Stage, assert_refused, refusal};

async fn start(stage: &Stage, id: &str) -> Result<(), super::nuvem_core::aws::AwsError> {
    stage
        .ask(StartInstances {
            instance_id: id.to_owned(),
        })
        .await
}

async fn stop(stage: &Stage, id: &str) -> Result<(), super::nuvem_core::aws::AwsError> {
    stage
        .ask(StopInstances {
            instance_id: id.to_owned(),
        })
        .await
}

async fn terminate(stage: &Stage, id: &str) -> Result<(), super::nuvem_core::aws::AwsError> {
    stage
        .ask(TerminateInstances {
            instance_id: id.to_owned(),
        })
        .await
}

async fn state(stage: &Stage, id: &str) -> InstanceState {
    seen(stage, id).await.state
}

async fn seen(stage: &Stage, id: &str) -> Instance {
    stage.instance(id).await.expect("shown")
}

async fn slow(stage: &Stage) {
    stage.turn(|dials| dials.transition = FOR_EVER).await;
}

pub async fn e08_a_launched_instance_is_pending_and_then_running(stage: &Stage) {
    slow(stage).await;
    let launched = stage.ask(stage.spec()).await.expect("launched");
    assert_eq!(launched.state, InstanceState::Pending);
    assert_eq!(state(stage, &launched.id).await, InstanceState::Pending);
    stage.calm().await;
    let running = seen(stage, &launched.id).await;
    assert_eq!(running.state, InstanceState::Running);
    assert_eq!(running.state_reason, None);
    assert!(running.launch_time.is_some());
    assert!(running.private_ip.is_some() && running.public_ip.is_some() && running.public_dns_name.is_some());
}

pub async fn e08_a_launch_may_die_after_its_answer(stage: &Stage) {
    let mut spec = stage.spec();
    "t3.nano".clone_into(&mut spec.instance_type);
    stage
        .turn(|dials| {
            dials.transition = FOR_EVER;
            dials.die_from_pending.insert("t3.nano".to_owned());
        })
        .await;
    let launched = stage.ask(spec).await.expect("AWS answers 200");
    assert_eq!(launched.state, InstanceState::Pending);
    stage.calm().await;
    let dead = seen(stage, &launched.id).await;
    assert_eq!(dead.state, InstanceState::Terminated);
    assert_eq!(dead.state_reason.expect("a reason").code, "Server.InternalError");
}

pub async fn e09_a_stopped_instance_says_who_stopped_it_and_starts_again(stage: &Stage) {
    let id = stage.running().await.id;
    slow(stage).await;
    stop(stage, &id).await.expect("stopped");
    assert_eq!(state(stage, &id).await, InstanceState::Stopping);
    stage.calm().await;
    let stopped = seen(stage, &id).await;
    assert_eq!(stopped.state, InstanceState::Stopped);
    assert_eq!(
        stopped.state_reason.expect("a reason").code,
        "Client.UserInitiatedShutdown"
    );
    slow(stage).await;
    start(stage, &id).await.expect("started");
    assert_eq!(state(stage, &id).await, InstanceState::Pending);
    stage.calm().await;
    let running = seen(stage, &id).await;
    assert_eq!((running.state, running.state_reason), (InstanceState::Running, None));
    assert!(
        running.launch_time >= stopped.launch_time,
        "the launch time is that of the last start"
    );
}

pub async fn e09_stop_of_stopped_and_start_of_running_change_nothing(stage: &Stage) {
    let running = stage.running().await.id;
    start(stage, &running).await.expect("200");
    assert_eq!(state(stage, &running).await, InstanceState::Running);
    stop(stage, &running).await.expect("stopped");
    let before = seen(stage, &running).await;
    stop(stage, &running).await.expect("200");
    assert_eq!(seen(stage, &running).await, before);
}

pub async fn e10_an_instance_that_never_ran_cannot_be_stopped(stage: &Stage) {
    slow(stage).await;
    let id = stage.ask(stage.spec()).await.expect("launched").id;
    let words = format!("Instance '{id}' cannot be stopped as it has never reached the 'running' state.");
    assert_refused(stop(stage, &id).await, "IncorrectInstanceState", &words);
}

pub async fn e10_a_stopping_or_terminated_instance_cannot_be_started_or_stopped(stage: &Stage) {
    let id = stage.running().await.id;
    let unstartable = format!("The instance '{id}' is not in a state from which it can be started.");
    let unstoppable = format!("This instance '{id}' is not in a state from which it can be stopped.");
    slow(stage).await;
    stop(stage, &id).await.expect("stopped");
    assert_refused(start(stage, &id).await, "IncorrectInstanceState", &unstartable);
    stage.calm().await;
    terminate(stage, &id).await.expect("terminated");
    assert_eq!(state(stage, &id).await, InstanceState::Terminated);
    assert_refused(start(stage, &id).await, "IncorrectInstanceState", &unstartable);
    assert_refused(stop(stage, &id).await, "IncorrectInstanceState", &unstoppable);
}

pub async fn e12_a_terminated_instance_stays_readable_and_then_vanishes(stage: &Stage) {
    let spec = stage.spec();
    let (key, value) = spec.tags.clone().pop_first().expect("a tag");
    let id = stage.running_as(spec).await.id;
    slow(stage).await;
    terminate(stage, &id).await.expect("terminated");
    assert_eq!(state(stage, &id).await, InstanceState::ShuttingDown);
    stage.calm().await;
    let dead = seen(stage, &id).await;
    assert_eq!(dead.state, InstanceState::Terminated);
    assert_eq!(
        dead.state_reason.expect("a reason").code,
        "Client.UserInitiatedShutdown"
    );
    assert_eq!(
        (dead.subnet_id, dead.vpc_id, dead.private_ip, dead.public_ip),
        (None, None, None, None)
    );
    assert!(dead.security_groups.is_empty() && dead.volumes.is_empty());
    // In the end its tags have gone.
    assert!(seen(stage, &id).await.tags.is_empty());
    assert_eq!(stage.ids_with_tag(&key, &value).await, Vec::<String>::new());

    stage.turn(|dials| dials.terminated = AT_ONCE).await;
    assert_eq!(stage.instance(&id).await, None);
    let words = format!("The instance ID '{id}' does not exist");
    assert_refused(terminate(stage, &id).await, "InvalidInstanceID.NotFound", &words);
}

pub async fn e12_terminating_again_is_harmless(stage: &Stage) {
    let id = stage.running().await.id;
    terminate(stage, &id).await.expect("terminated");
    terminate(stage, &id).await.expect("200");
    assert_eq!(state(stage, &id).await, InstanceState::Terminated);
    terminate(stage, &id).await.expect("200");
    assert_eq!(state(stage, &id).await, InstanceState::Terminated);
}

pub async fn e13_an_unknown_id_fails_a_call_and_is_dropped_by_a_filter(stage: &Stage) {
    let unknown = "i-0fffffffffffffff1";
    let words = format!("The instance ID '{unknown}' does not exist");
    assert_refused(stop(stage, unknown).await, "InvalidInstanceID.NotFound", &words);
    let known = stage.running().await.id;
    let select = Select::Ids(vec![unknown.to_owned(), known.clone()]);
    let found = stage.instances(SelectInstances::By(select)).await;
    assert_eq!(found.into_iter().map(|one| one.id).collect::<Vec<_>>(), [known]);
}

pub async fn e14_a_malformed_id_is_told_apart_from_an_unknown_one(stage: &Stage) {
    assert_refused(
        stop(stage, "foo").await,
        "InvalidInstanceID.Malformed",
        "Invalid id: \"foo\"",
    );
    let group = stage
        .ask(DeleteSecurityGroup {
            group_id: "foo".to_owned(),
        })
        .await;
    assert_refused(
        group,
        "InvalidGroupId.Malformed",
        "Invalid id: \"foo\" (expecting \"sg-...\")",
    );
    let mut launch = stage.spec();
    "foo".clone_into(&mut launch.image_id);
    assert_refused(
        stage.ask(launch).await,
        "InvalidAMIID.Malformed",
        "Invalid id: \"foo\" (expecting \"ami-...\")",
    );
    let volume_id = "foo".to_owned();
    let volume = ModifyVolume {
        volume_id,
        size_gib: Some(9),
        volume_type: None,
        iops: None,
        throughput: None,
    };
    let words = "Value (foo) for parameter volumeId is invalid. Expected: 'vol-...'.";
    assert_refused(stage.ask(volume).await, "InvalidParameterValue", words);
}

pub async fn e22_termination_protection_refuses_to_terminate(stage: &Stage) {
    let mut spec = stage.spec();
    spec.disable_api_termination = true;
    let id = stage.running_as(spec).await.id;
    let words = format!(
        "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
    );
    assert_refused(terminate(stage, &id).await, "OperationNotPermitted", &words);
    assert_eq!(state(stage, &id).await, InstanceState::Running);
    stop(stage, &id).await.expect("it may be stopped");
    assert_refused(terminate(stage, &id).await, "OperationNotPermitted", &words);
}

pub async fn e23_stop_protection_refuses_to_stop_and_to_terminate(stage: &Stage) {
    let mut spec = stage.spec();
    spec.disable_api_stop = true;
    let id = stage.running_as(spec).await.id;
    for (answer, deed) in [
        (stop(stage, &id).await, "stopped"),
        (terminate(stage, &id).await, "terminated"),
    ] {
        let words = format!("The instance '{id}' may not be {deed}. Modify its 'disableApiStop' ");
        assert_refused(answer, "OperationNotPermitted", &words);
    }
    assert_eq!(state(stage, &id).await, InstanceState::Running);
}

pub async fn e27_without_capacity_a_stopped_instance_stays_stopped(stage: &Stage) {
    let id = stage.stopped().await.id;
    stage
        .turn(|dials| {
            dials.insufficient_capacity.insert("t3.micro".to_owned());
        })
        .await;
    let (status, code, message) = refusal(start(stage, &id).await);
    assert_eq!(
        (status, code.as_str()),
        (500, "InsufficientInstanceCapacity"),
        "{message}"
    );
    assert!(message.contains("Insufficient capacity."), "{message}");
    assert_eq!(state(stage, &id).await, InstanceState::Stopped);
    stage.calm().await;
    start(stage, &id).await.expect("started");
    assert_eq!(state(stage, &id).await, InstanceState::Running);
}

pub async fn e54_a_public_address_goes_at_stop_and_is_new_at_start(stage: &Stage) {
    let before = stage.running().await;
    stop(stage, &before.id).await.expect("stopped");
    let stopped = seen(stage, &before.id).await;
    assert_eq!((stopped.public_ip, stopped.public_dns_name), (None, None));
    assert_eq!(stopped.private_ip, before.private_ip);
    start(stage, &before.id).await.expect("started");
    let after = seen(stage, &before.id).await;
    assert!(
        after.public_ip.is_some() && after.public_ip != before.public_ip,
        "{after:?}"
    );
    assert_eq!(after.private_ip, before.private_ip);
}

pub async fn e10_an_instance_that_ran_before_can_be_stopped_while_it_starts(stage: &Stage) {
    let id = stage.stopped().await.id;
    slow(stage).await;
    start(stage, &id).await.expect("started");
    assert_eq!(state(stage, &id).await, InstanceState::Pending);
    stop(stage, &id).await.expect("stopped");
    assert_eq!(state(stage, &id).await, InstanceState::Stopping);
    stage.calm().await;
    assert_eq!(state(stage, &id).await, InstanceState::Stopped);
}

pub async fn e12_an_instance_is_terminated_from_any_state(stage: &Stage) {
    let (stopping, stopped) = (stage.running().await.id, stage.stopped().await.id);
    slow(stage).await;
    stop(stage, &stopping).await.expect("stopped");
    let pending = stage.ask(stage.spec()).await.expect("launched").id;
    for id in [&pending, &stopping, &stopped] {
        terminate(stage, id).await.expect("terminated");
        assert_eq!(state(stage, id).await, InstanceState::ShuttingDown);
    }
    stage.calm().await;
    for id in [&pending, &stopping, &stopped] {
        assert_eq!(state(stage, id).await, InstanceState::Terminated);
    }
}
