//! AWS shows late what it has made (E7): by id, and later still by tag.

use serde_json::json;

use super::fate::{Moment, To};
use super::stage::{Stage, minutes, seconds, web};
use crate::aws::memory::{Fault, FaultPlan};

/// A stage on which what is new stays hidden for so many seconds by id and by tag.
fn late(by_id: i64, by_tag: i64) -> Stage {
    let stage = Stage::new();
    stage.memory.turn(|dials| {
        dials.visibility = seconds(by_id);
        dials.tag_visibility = seconds(by_tag);
    });
    stage.apply(web());
    stage
}

/// Lets it converge, and watches all the way that nothing is called an error.
#[track_caller]
fn must_converge_without_a_complaint(stage: &mut Stage) {
    for _ in 0..180 {
        stage.pass(seconds(5));
        assert!(!stage.is("Stalled"), "never stalled\n{}", stage.story());
    }
    stage.must_be_converged();
    assert_eq!(stage.instance().security_groups, [stage.group().id].into());
    assert_eq!(stage.warnings(), Vec::<String>::new(), "{}", stage.story());
}

const LATE: [(i64, i64); 4] = [(2, 2), (2, 10), (0, 10), (60, 60)];

#[test]
fn late_visibility_makes_no_duplicate_and_no_complaint() {
    for (by_id, by_tag) in LATE {
        must_converge_without_a_complaint(&mut late(by_id, by_tag));
    }
}

#[test]
fn lost_answers_make_no_duplicate_when_visibility_is_late_too() {
    for (by_id, by_tag) in LATE {
        for nth in 0..3 {
            let mut stage = late(by_id, by_tag);
            stage.memory.fail(FaultPlan::on_any_write(Fault::LoseReply).after(nth));
            must_converge_without_a_complaint(&mut stage);
        }
    }
}

#[test]
fn crashes_make_no_duplicate_when_visibility_is_late_too() {
    for (by_id, by_tag) in LATE {
        for nth in 0..3 {
            let mut stage = late(by_id, by_tag);
            stage.dies(Moment::After, To::Aws, nth);
            must_converge_without_a_complaint(&mut stage);
            assert_eq!(stage.deaths, 1);
        }
    }
}

#[test]
fn a_launch_whose_answer_was_lost_is_repeated_with_its_token_and_found_at_once() {
    let mut stage = late(60, 60);
    stage.edit(|spec| {
        spec.as_object_mut().unwrap().remove("network");
    });
    stage.memory.fail_next("ec2.RunInstances", Fault::LoseReply);
    let id_is_known = |stage: &Stage| {
        let parts = stage.status()["parts"].as_array().cloned().unwrap_or_default();
        parts
            .iter()
            .any(|part| part["part"] == "instance" && part["id"].is_string())
    };
    stage.until(seconds(10), "the id is known", id_is_known);
    assert_eq!(stage.living().len(), 1);
    assert_eq!(stage.calls("ec2.RunInstances"), 2);
}

#[test]
fn an_instance_that_aws_hides_for_a_while_is_waited_for_and_not_replaced() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    // AWS forgets for five minutes what it has made in the last hour.
    stage.memory.turn(|dials| dials.visibility = minutes(20));
    stage.annotate("reconcile-at", Some("now"));
    stage.pass(minutes(4));
    assert!(!stage.is("Ready"), "{}", stage.story());
    stage.memory.turn(|dials| dials.visibility = seconds(0));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().id, id);
    assert_eq!(stage.calls("ec2.RunInstances"), 0);
}

#[test]
fn an_instance_that_aws_does_not_know_for_ten_minutes_is_launched_anew() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    // Terminated and forgotten before anybody looked.
    stage.memory.turn(|dials| dials.terminated = seconds(0));
    stage.outside().terminate(&id).unwrap();
    stage.memory.advance(seconds(25));
    stage.pass(minutes(9));
    assert_eq!(stage.calls("ec2.RunInstances"), 0, "{}", stage.story());
    stage.rest();
    stage.must_be_converged();
    assert_ne!(stage.instance().id, id);
    assert_eq!(stage.calls("ec2.RunInstances"), 1);
}

#[test]
fn deleting_what_is_still_hidden_leaves_nothing_behind() {
    for (by_id, by_tag) in LATE {
        for lost in [false, true] {
            let mut stage = late(by_id, by_tag);
            if lost {
                stage.memory.fail_next("ec2.RunInstances", Fault::LoseReply);
            }
            stage.until(minutes(3), "launched", |stage| !stage.living().is_empty());
            stage.delete();
            stage.pass(minutes(30));
            stage.must_be_gone();
        }
    }
}

#[test]
fn a_group_that_is_hidden_when_it_is_to_go_is_not_forgotten() {
    let mut stage = late(30, 30);
    stage.edit(|spec| spec["instanceType"] = json!("no.such"));
    stage.until(minutes(1), "a group", |stage| !stage.outside().groups().is_empty());
    stage.delete();
    stage.pass(minutes(30));
    stage.must_be_gone();
}
