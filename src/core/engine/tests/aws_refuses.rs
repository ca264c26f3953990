//! No capacity, bad types, launches that die, missing permissions.

use serde_json::json;

use super::stage::{Stage, minutes, seconds, web};
use crate::aws::ec2::{InstanceAttribute, InstanceState};
use crate::aws::memory::{Fault, FaultPlan};

fn resized(to: &str, prepare: impl FnOnce(&Stage)) -> Stage {
    let mut stage = Stage::converged(web());
    prepare(&stage);
    stage.edit(|spec| spec["instanceType"] = json!(to));
    stage.rest();
    stage
}

/// The old type is back and runs, the reason is told, and it is not tried again and again.
#[track_caller]
fn must_keep_the_old_type(stage: &mut Stage, code: &str) {
    assert_eq!(stage.instance().instance_type, "t3.micro", "{}", stage.story());
    assert_eq!(stage.instance().state, InstanceState::Running, "{}", stage.story());
    assert!(stage.is("Stalled") && stage.is("Ready"), "{}", stage.story());
    assert!(stage.condition("Stalled").2.contains(code), "{}", stage.story());
    assert_eq!(stage.status()["observedGeneration"], stage.generation());
    stage.forget();
    stage.pass(minutes(60 * 6));
    assert_eq!(stage.writes(), Vec::<&str>::new(), "no loop\n{}", stage.story());
    assert_eq!(stage.cluster.writes(), 0, "no loop\n{}", stage.story());
}

fn no_capacity(stage: &Stage, instance_type: &str) {
    stage.memory.turn(|dials| {
        dials.insufficient_capacity.insert(instance_type.to_owned());
    });
}

#[test]
fn without_capacity_for_the_new_type_the_old_one_is_put_back() {
    let mut stage = resized("t3.large", |stage| no_capacity(stage, "t3.large"));
    must_keep_the_old_type(&mut stage, "InsufficientInstanceCapacity");
    stage.memory.turn(|dials| dials.insufficient_capacity.clear());
    stage.annotate("reconcile-at", Some("again"));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().instance_type, "t3.large");
}

#[test]
fn a_type_that_does_not_exist_is_tried_again_on_an_edit_only() {
    for bad in ["t3.huge", "m9z.large", "t4g.micro"] {
        let mut stage = resized(bad, |_| {});
        must_keep_the_old_type(&mut stage, "Inval");
        stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
        stage.rest();
        stage.must_be_converged();
        assert_eq!(stage.instance().instance_type, "t3.small");
    }
}

#[test]
fn back_to_the_old_type_in_the_spec_heals_it_without_a_stop() {
    let mut stage = resized("t3.huge", |_| {});
    stage.forget();
    stage.edit(|spec| spec["instanceType"] = json!("t3.micro"));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.writes(), Vec::<&str>::new());
}

#[test]
fn a_stopped_instance_with_a_type_without_capacity_is_started_with_its_old_one() {
    let mut spec = web();
    spec["power"] = json!({"state": "Stopped"});
    let mut stage = Stage::converged(spec);
    stage.edit(|spec| spec["instanceType"] = json!("t3.large"));
    stage.rest();
    stage.must_be_converged();
    no_capacity(&stage, "t3.large");
    stage.edit(|spec| spec["power"] = json!({"state": "Running"}));
    stage.rest();
    assert_eq!(stage.instance().instance_type, "t3.micro", "{}", stage.story());
    assert_eq!(stage.instance().state, InstanceState::Running);
    assert_eq!(stage.reason("Stalled"), "NoCapacity");
}

#[test]
fn an_instance_stopped_by_hand_whose_type_has_no_capacity_is_waited_for() {
    let mut stage = Stage::converged(web());
    no_capacity(&stage, "t3.micro");
    stage.outside().stop(&stage.instance().id).unwrap();
    stage.pass(minutes(10));
    assert!(!stage.is("Ready"), "{}", stage.story());
    assert_eq!(stage.reason("Reconciling"), "NoCapacity", "{}", stage.story());
    stage.memory.turn(|dials| dials.insufficient_capacity.clear());
    stage.rest();
    stage.must_be_converged();
}

#[test]
fn no_capacity_at_launch_is_waited_for_with_patience() {
    let mut stage = Stage::new();
    no_capacity(&stage, "t3.micro");
    stage.apply(web());
    stage.pass(minutes(60));
    assert_eq!(stage.reason("Reconciling"), "NoCapacity", "{}", stage.story());
    assert!(!stage.is("Stalled"));
    let tries = stage.calls("ec2.RunInstances");
    assert!((5..60).contains(&tries), "{tries} launches in an hour");
    stage.memory.turn(|dials| dials.insufficient_capacity.clear());
    stage.rest();
    stage.must_be_converged();
}

#[test]
fn another_type_after_a_launch_without_capacity_needs_no_luck_with_the_token() {
    for burned in [false, true] {
        let mut stage = Stage::new();
        no_capacity(&stage, "t3.micro");
        stage.memory.turn(|dials| dials.burned_tokens = burned);
        stage.apply(web());
        stage.pass(minutes(5));
        stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
        stage.rest();
        stage.must_be_converged();
        assert_eq!(stage.instance().instance_type, "t3.small");
    }
}

#[test]
fn a_launch_that_dies_from_pending_is_no_loop() {
    let mut stage = Stage::new();
    stage.memory.turn(|dials| {
        dials.die_from_pending.insert("t3.micro".to_owned());
    });
    stage.apply(web());
    stage.pass(minutes(60 * 3));
    assert_eq!(stage.calls("ec2.RunInstances"), 1, "{}", stage.story());
    assert_eq!(stage.reason("Stalled"), "LaunchFailed", "{}", stage.story());
    assert!(
        stage.condition("Stalled").2.contains("Server.InternalError"),
        "{}",
        stage.story()
    );
    stage.memory.turn(|dials| dials.die_from_pending.clear());
    stage.annotate("reconcile-at", Some("again"));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.calls("ec2.RunInstances"), 2);
}

#[test]
fn an_instance_terminated_by_hand_while_pending_is_launched_anew() {
    let mut stage = Stage::new();
    stage.apply(web());
    stage.until(seconds(20), "launched", |stage| !stage.living().is_empty());
    stage.outside().terminate(&stage.instance().id).unwrap();
    stage.rest();
    stage.must_be_converged();
}

/// What is asked for, and the action that is denied on the way to it.
fn denied(action: &str, prepared: bool, ask: impl Fn(&Stage)) {
    let mut spec = web();
    spec["tags"] = json!({"team": "shop"});
    let mut stage = if prepared { Stage::converged(spec) } else { Stage::new() };
    stage.memory.fail(FaultPlan::on(action, Fault::deny()).forever());
    ask(&stage);
    stage.pass(minutes(2));
    let iam = action.replace('.', ":");
    let (status, _, message) = stage.condition("Stalled");
    assert_eq!(status, "True", "{action}\n{}", stage.story());
    assert!(message.contains(&iam), "it names {iam}: {message}");
    assert!(!message.contains("Encoded"), "{message}");
    let before = stage.calls(action);
    let statuses = stage.cluster.writes();
    stage.pass(minutes(60));
    let tries = stage.calls(action) - before;
    assert!(
        (1..=12).contains(&tries),
        "{action}: {tries} tries in an hour\n{}",
        stage.story()
    );
    assert_eq!(
        stage.cluster.writes(),
        statuses,
        "{action}: the same text every time\n{}",
        stage.story()
    );
    stage.memory.clear_faults();
    stage.pass(minutes(45));
    if stage.exists() {
        stage.must_be_converged();
    } else {
        stage.must_be_gone();
    }
}

#[test]
fn every_write_that_is_denied_stalls_with_its_name_is_tried_slowly_and_heals() {
    let create = |stage: &Stage| stage.apply(web());
    for action in [
        "ec2.CreateSecurityGroup",
        "ec2.AuthorizeSecurityGroupIngress",
        "ec2.RunInstances",
    ] {
        denied(action, false, create);
    }
    denied("ec2.StopInstances", true, |stage| {
        stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    });
    for action in ["ec2.TerminateInstances", "ec2.DeleteSecurityGroup"] {
        denied(action, true, Stage::delete);
    }
    denied("ec2.CreateTags", true, |stage| {
        stage.edit(|spec| spec["tags"] = json!({"team": "other"}));
    });
    denied("ec2.DeleteTags", true, |stage| {
        stage.edit(|spec| spec["tags"] = json!({}));
    });
    denied("ec2.MonitorInstances", true, |stage| {
        stage.edit(|spec| spec["monitoring"] = json!("Detailed"));
    });
    denied("ec2.ModifyVolume", true, |stage| {
        stage.edit(|spec| spec["rootVolume"] = json!({"sizeGiB": 30}));
    });
    denied("ec2.ModifyInstanceMetadataOptions", true, |stage| {
        stage.edit(|spec| spec["metadataOptions"] = json!({"httpTokens": "optional"}));
    });
    denied("ec2.RevokeSecurityGroupIngress", true, |stage| {
        stage.edit(|spec| spec["network"]["securityGroup"]["ingress"] = json!([]));
    });
    denied("ec2.RevokeSecurityGroupEgress", true, |stage| {
        stage.edit(|spec| spec["network"]["securityGroup"]["egress"] = json!([]));
    });
}

#[test]
fn what_is_denied_while_it_is_stopped_costs_one_downtime_and_not_one_for_every_try() {
    let edits: [fn(&mut serde_json::Value); 3] = [
        |spec| spec["instanceType"] = json!("t3.small"),
        |spec| spec["userData"]["inline"] = json!("new"),
        |spec| {
            spec["instanceType"] = json!("t3.small");
            spec["userData"]["inline"] = json!("new");
        },
    ];
    for edit in edits {
        let mut spec = web();
        spec["userData"] = json!({"inline": "old", "onChange": "StopStart"});
        let mut stage = Stage::converged(spec);
        stage
            .memory
            .fail(FaultPlan::on("ec2.ModifyInstanceAttribute", Fault::deny()).forever());
        stage.edit(edit);
        stage.pass(minutes(5));
        assert!(
            stage.condition("Stalled").2.contains("ec2:ModifyInstanceAttribute"),
            "{}",
            stage.story()
        );
        must_keep_the_old_type(&mut stage, "UnauthorizedOperation");
        stage.memory.clear_faults();
        stage.annotate("reconcile-at", Some("again"));
        stage.rest();
        stage.must_be_converged();
    }
}

#[test]
fn a_start_that_is_denied_after_a_resize_is_healed_when_it_is_allowed() {
    let mut stage = Stage::converged(web());
    stage
        .memory
        .fail(FaultPlan::on("ec2.StartInstances", Fault::deny()).forever());
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    stage.pass(minutes(60));
    assert!(stage.is("Stalled") && !stage.is("Ready"), "{}", stage.story());
    assert!(
        stage.condition("Stalled").2.contains("ec2:StartInstances"),
        "{}",
        stage.story()
    );
    assert!(stage.calls("ec2.StartInstances") <= 12, "{}", stage.story());
    stage.memory.clear_faults();
    stage.pass(minutes(40));
    assert_eq!(stage.instance().state, InstanceState::Running, "{}", stage.story());
    stage.annotate("reconcile-at", Some("again"));
    stage.rest();
    stage.must_be_converged();
}

#[test]
fn a_read_that_is_denied_stalls_and_keeps_what_is_known() {
    let mut stage = Stage::converged(web());
    stage
        .memory
        .fail(FaultPlan::on("ec2.DescribeVolumes", Fault::deny()).forever());
    stage.annotate("reconcile-at", Some("now"));
    stage.pass(minutes(5));
    assert_eq!(stage.reason("Stalled"), "Denied", "{}", stage.story());
    assert!(stage.is("Ready"), "{}", stage.story());
    stage.memory.clear_faults();
    stage.pass(minutes(45));
    stage.must_be_converged();
    assert_eq!(stage.writes(), Vec::<&str>::new());
}

#[test]
fn passing_trouble_with_reads_leaves_a_converged_instance_ready_and_in_sync() {
    for fault in [Fault::Throttle, Fault::Drop] {
        let mut stage = Stage::converged(web());
        let before = stage.status()["conditions"].clone();
        stage.memory.fail(FaultPlan::on_any(fault).forever());
        stage.restart();
        stage.pass(minutes(10));
        assert_eq!(stage.status()["conditions"], before, "{}", stage.story());
        stage.memory.clear_faults();
        stage.rest();
        stage.must_be_converged();
        assert_eq!(stage.status()["conditions"], before);
    }
}

#[test]
fn a_volume_that_grows_again_while_aws_is_at_it_waits_its_turn() {
    let mut stage = Stage::converged(web());
    stage.edit(|spec| spec["rootVolume"] = json!({"sizeGiB": 20}));
    stage.pass(seconds(5));
    stage.edit(|spec| spec["rootVolume"] = json!({"sizeGiB": 30}));
    stage.pass(minutes(60 * 8));
    stage.must_be_converged();
    assert_eq!(stage.outside().volumes()[0].size_gib, 30);
    assert!(stage.is("Ready"));
}

#[test]
fn stop_protection_against_a_resize_is_said_and_healed() {
    let mut spec = web();
    spec["protection"] = json!({"stop": "Enabled"});
    let mut stage = Stage::converged(spec);
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    stage.pass(minutes(5));
    assert!(stage.is("Stalled") && stage.is("Ready"), "{}", stage.story());
    stage.edit(|spec| spec["protection"] = json!({"stop": "Disabled"}));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().instance_type, "t3.small");
}

#[test]
fn a_type_set_by_hand_to_what_is_wanted_needs_nothing_more() {
    let mut stage = resized("t3.large", |stage| no_capacity(stage, "t3.large"));
    assert!(stage.is("Stalled"));
    stage.memory.turn(|dials| dials.insufficient_capacity.clear());
    let (outside, id) = (stage.outside(), stage.instance().id);
    outside.stop(&id).unwrap();
    stage.memory.advance(seconds(11));
    outside
        .modify(&id, InstanceAttribute::InstanceType("t3.large".to_owned()))
        .unwrap();
    outside.start(&id).unwrap();
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().instance_type, "t3.large");
}
