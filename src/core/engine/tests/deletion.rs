//! Deletion: what AWS refuses, what is still on its way, what does not matter any more.

use serde_json::json;

use super::stage::{Stage, minutes, seconds, web};
use crate::aws::ec2::{Direction, Peer, Rule};
use crate::aws::memory::Fault;

#[test]
fn protection_blocks_the_deletion_until_the_spec_drops_it() {
    for protection in ["termination", "stop"] {
        let mut spec = web();
        spec["protection"] = json!({protection: "Enabled"});
        let mut stage = Stage::converged(spec);
        stage.delete();
        stage.pass(minutes(10));
        assert!(stage.exists());
        assert_eq!(stage.reason("Stalled"), "DeletionBlocked", "{}", stage.story());
        assert!(
            stage.condition("Stalled").2.contains("OperationNotPermitted"),
            "{}",
            stage.story()
        );
        assert_eq!(stage.reason("Ready"), "DeletionBlocked", "{}", stage.story());
        stage.edit(|spec| spec["protection"] = json!({protection: "Disabled"}));
        stage.rest();
        stage.must_be_gone();
    }
}

#[test]
fn a_group_that_something_still_uses_is_waited_for() {
    let mut stage = Stage::converged(web());
    let (theirs, ours) = {
        let facts = stage.memory.facts(super::stage::REGION);
        (facts.default_group, stage.group().id)
    };
    let rule = Rule {
        protocol: "tcp".to_owned(),
        from_port: Some(5432),
        to_port: Some(5432),
        peer: Peer::Group(ours),
    };
    stage
        .outside()
        .allow(&theirs, Direction::Ingress, rule.clone())
        .unwrap();
    stage.delete();
    stage.pass(minutes(30));
    assert!(
        stage.exists() && !stage.is("Stalled"),
        "waiting is no refusal\n{}",
        stage.story()
    );
    assert!(stage.is("Reconciling"));
    assert!(
        stage.condition("Reconciling").2.contains("DependencyViolation"),
        "{}",
        stage.story()
    );
    stage.outside().forbid(&theirs, Direction::Ingress, rule).unwrap();
    stage.rest();
    stage.must_be_gone();
}

#[test]
fn deleted_at_any_moment_of_its_creation_nothing_is_left() {
    for half_seconds in 0..40 {
        let mut stage = Stage::new();
        stage.apply(web());
        stage.pass(jiff::SignedDuration::from_millis(half_seconds * 250));
        stage.delete();
        stage.pass(minutes(20));
        stage.must_be_gone();
    }
}

#[test]
fn deleted_while_its_launch_has_no_answer_nothing_is_left() {
    for fault in [Fault::LoseReply, Fault::Drop] {
        for action in ["ec2.CreateSecurityGroup", "ec2.RunInstances"] {
            for late in [0, 10, 60] {
                let mut stage = Stage::new();
                stage.memory.turn(|dials| {
                    dials.visibility = seconds(late);
                    dials.tag_visibility = seconds(late);
                });
                stage.memory.fail_next(action, fault.clone());
                stage.apply(web());
                stage.until(minutes(5), "called", |stage| stage.calls(action) > 0);
                stage.delete();
                stage.pass(minutes(30));
                stage.must_be_gone();
            }
        }
    }
}

#[test]
fn deleted_in_the_middle_of_a_resize_nothing_is_left() {
    for after in 0..30 {
        let mut stage = Stage::converged(web());
        stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
        stage.pass(seconds(after));
        stage.delete();
        stage.pass(minutes(20));
        stage.must_be_gone();
    }
}

#[test]
fn a_secret_that_is_gone_does_not_hold_a_deletion_up() {
    let stage = Stage::new();
    stage.cluster.put_secret("boot", "#!/bin/sh\n");
    let mut spec = web();
    spec["userData"] = json!({"secretRef": {"name": "boot", "key": "script"}});
    stage.apply(spec);
    let mut stage = stage;
    stage.rest();
    stage.must_be_converged();
    stage.cluster.remove_secret("boot");
    stage.delete();
    stage.rest();
    stage.must_be_gone();
}

#[test]
fn a_spec_that_was_never_possible_is_deleted_at_once() {
    let mut stage = Stage::new();
    let mut spec = web();
    spec["image"] = json!({"id": "ami-00000000000000000"});
    stage.apply(spec);
    stage.pass(minutes(5));
    assert!(stage.is("Stalled"), "{}", stage.story());
    stage.delete();
    stage.pass(minutes(5));
    stage.must_be_gone();
}

#[test]
fn when_the_crd_goes_nothing_is_deleted_unless_it_is_written_out() {
    let mut stage = Stage::converged(web());
    stage.cluster.set_crd_is_deleting(true);
    stage.delete();
    stage.pass(minutes(30));
    assert!(stage.exists());
    assert_eq!(stage.reason("Stalled"), "DeletionBlocked", "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    stage.edit(|spec| spec["deletionPolicy"] = json!("Delete"));
    stage.rest();
    stage.must_be_gone();
}

#[test]
fn terminated_by_hand_before_it_is_deleted_nothing_is_left() {
    for after in [0, 5, 15, 60, 4000] {
        let mut stage = Stage::converged(web());
        stage.annotate("paused", Some("true"));
        stage.pass(seconds(1));
        stage.outside().terminate(&stage.instance().id).unwrap();
        stage.pass(seconds(after));
        stage.annotate("paused", None);
        stage.delete();
        stage.pass(minutes(30));
        stage.must_be_gone();
        assert_eq!(stage.calls("ec2.RunInstances"), 0);
    }
}

#[test]
fn a_deleted_object_launches_nothing_anew() {
    let mut stage = Stage::converged(web());
    stage.outside().terminate(&stage.instance().id).unwrap();
    stage.delete();
    stage.rest();
    stage.must_be_gone();
    assert_eq!(stage.calls("ec2.RunInstances"), 0);
}

#[test]
fn made_again_right_after_its_deletion_it_is_another_instance() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    stage.delete();
    stage.until(minutes(5), "gone", |stage| !stage.exists());
    stage.apply(web());
    stage.rest();
    stage.must_be_converged();
    assert_ne!(stage.instance().id, id);
}
