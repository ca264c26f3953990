//! Edits that come at a bad moment, and copies of the object that are behind.

use serde_json::{Value, json};

use super::stage::{REGION, Stage, minutes, seconds, web};
use crate::aws::ec2::ProtectedAction;
use crate::aws::memory::Fault;
use crate::engine::cluster::ClusterError;

type Edit = fn(&mut Value, &[String]);

const EDITS: [(&str, Edit); 5] = [
    ("another type", |spec, _| spec["instanceType"] = json!("t3.small")),
    ("another subnet in another zone", |spec, subnets| {
        spec["network"]["subnet"] = json!({"id": subnets[1]});
    }),
    ("other tags", |spec, _| spec["tags"] = json!({"team": "shop"})),
    ("other rules", |spec, _| {
        spec["network"]["securityGroup"]["ingress"] = json!([]);
    }),
    ("no group", |spec, _| {
        spec.as_object_mut().unwrap().remove("network");
    }),
];

/// A launch that gets no answer, and an edit right behind it.
fn edited_during_a_launch(fault: Fault, late: i64, edit: Edit) -> Stage {
    let mut stage = Stage::new();
    stage.memory.turn(|dials| {
        dials.visibility = seconds(late);
        dials.tag_visibility = seconds(late);
    });
    stage.memory.fail_next("ec2.RunInstances", fault);
    stage.apply(web());
    stage.until(minutes(3), "sent", |stage| stage.calls("ec2.RunInstances") > 0);
    let subnets = stage.memory.facts(REGION).default_subnets;
    stage.edit(|spec| edit(spec, &subnets));
    stage.pass(minutes(25));
    stage
}

#[test]
fn an_edit_during_a_launch_without_an_answer_makes_no_second_instance() {
    for fault in [Fault::LoseReply, Fault::Drop] {
        for late in [0, 10, 50] {
            for (what, edit) in EDITS {
                let stage = edited_during_a_launch(fault.clone(), late, edit);
                assert_eq!(
                    stage.outside().instances().len(),
                    1,
                    "{what} {fault:?} {late}\n{}",
                    stage.story()
                );
                assert!(
                    stage.is("Ready") && !stage.is("Stalled"),
                    "{what} {fault:?} {late}\n{}",
                    stage.story()
                );
                let held = stage.reason("Synced") == "HeldBack" && what.contains("subnet");
                assert!(
                    stage.is_converged() || held,
                    "{what} {fault:?} {late}\n{}",
                    stage.story()
                );
            }
        }
    }
}

#[test]
fn an_edit_at_any_moment_of_a_create_is_honoured_with_one_instance() {
    for (what, edit) in EDITS {
        for quarter in 0..48 {
            let mut stage = Stage::new();
            stage.apply(web());
            stage.pass(jiff::SignedDuration::from_millis(quarter * 250));
            let subnets = stage.memory.facts(REGION).default_subnets;
            stage.edit(|spec| edit(spec, &subnets));
            stage.rest();
            assert_eq!(
                stage.outside().instances().len(),
                1,
                "{what} {quarter}\n{}",
                stage.story()
            );
            let held = stage.reason("Synced") == "HeldBack" && what.contains("subnet");
            assert!(stage.is_converged() || held, "{what} {quarter}\n{}", stage.story());
        }
    }
}

#[test]
fn an_edit_of_an_edit_leads_to_the_last_one() {
    for gap in 0..25 {
        let mut stage = Stage::converged(web());
        stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
        stage.pass(seconds(gap));
        stage.edit(|spec| spec["instanceType"] = json!("t3.medium"));
        stage.rest();
        stage.must_be_converged();
        assert_eq!(stage.instance().instance_type, "t3.medium", "{gap}");
        assert!(stage.calls("ec2.StopInstances") <= 2);
    }
}

#[test]
fn a_watch_that_lags_behind_our_own_writes_makes_nothing_twice() {
    for lag in [100, 1_000, 4_000, 20_000] {
        let mut stage = Stage::new();
        stage.lag = jiff::SignedDuration::from_millis(lag);
        stage.apply(web());
        stage.pass(minutes(30));
        stage.must_be_converged();
        assert_eq!(
            stage.writes(),
            [
                "ec2.CreateSecurityGroup",
                "ec2.AuthorizeSecurityGroupIngress",
                "ec2.RunInstances"
            ],
            "{lag}"
        );
        stage.forget();
        stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
        stage.pass(minutes(30));
        stage.must_be_converged();
        assert_eq!(stage.writes().len(), 3, "{lag}\n{}", stage.story());
        stage.delete();
        stage.pass(minutes(30));
        stage.must_be_gone();
    }
}

#[test]
fn started_with_a_cache_that_is_behind_it_makes_nothing_twice() {
    for behind in 1..12 {
        let mut stage = Stage::new();
        stage.apply(web());
        stage.until(minutes(1), "launched", |stage| !stage.living().is_empty());
        stage.restart_behind(behind);
        stage.pass(minutes(20));
        stage.must_be_converged();
        assert_eq!(stage.outside().instances().len(), 1, "{behind}\n{}", stage.story());
    }
}

#[test]
fn started_with_a_cache_from_before_its_deletion_nothing_is_launched() {
    for behind in 1..12 {
        let mut stage = Stage::converged(web());
        stage.delete();
        stage.rest();
        stage.must_be_gone();
        stage.forget();
        stage.restart_behind(behind);
        stage.pass(minutes(5));
        stage.must_be_gone();
        assert_eq!(
            stage.calls("ec2.RunInstances") + stage.calls("ec2.CreateSecurityGroup"),
            0
        );
    }
}

#[test]
fn a_cache_that_still_shows_a_deleted_object_whose_launch_is_due_launches_nothing() {
    for behind in 1..8 {
        let mut stage = Stage::new();
        stage.memory.turn(|dials| {
            dials.insufficient_capacity.insert("t3.micro".to_owned());
        });
        let mut spec = web();
        spec.as_object_mut().unwrap().remove("network");
        stage.apply(spec);
        stage.pass(minutes(5));
        stage.delete();
        stage.rest();
        stage.must_be_gone();
        stage.memory.turn(|dials| dials.insufficient_capacity.clear());
        stage.forget();
        stage.restart_behind(behind);
        stage.pass(minutes(5));
        assert_eq!(stage.calls("ec2.RunInstances"), 0, "{behind}\n{}", stage.story());
        stage.must_be_gone();
    }
}

#[test]
fn conflicts_and_an_api_server_that_does_not_answer_are_overcome() {
    for nth in 0..8 {
        for error in [ClusterError::Conflict, ClusterError::Unavailable("timeout".to_owned())] {
            let mut stage = Stage::new();
            stage.apply(web());
            let base = stage.cluster.writes();
            stage.until(minutes(2), "so far", |stage| {
                stage.cluster.writes() >= base + nth || stage.is_converged()
            });
            stage.cluster.fail_next_write(error.clone());
            stage.rest();
            stage.must_be_converged();
            assert_eq!(
                stage.outside().instances().len(),
                1,
                "{nth} {error:?}\n{}",
                stage.story()
            );
        }
    }
}

#[test]
fn an_edit_is_seen_at_once_even_when_what_was_before_is_stalled() {
    let mut stage = Stage::new();
    let mut spec = web();
    spec["instanceType"] = json!("t3.huge");
    stage.apply(spec);
    stage.pass(minutes(60));
    assert!(stage.is("Stalled"), "{}", stage.story());
    let tries = stage.calls("ec2.RunInstances");
    assert!(tries <= 10, "{tries} launches in an hour");
    stage.edit(|spec| spec["instanceType"] = json!("t3.micro"));
    stage.pass(minutes(2));
    stage.must_be_converged();
}

#[test]
fn a_group_that_is_taken_out_of_the_spec_goes_and_one_that_is_put_in_comes() {
    let mut stage = Stage::converged(web());
    stage.edit(|spec| {
        spec.as_object_mut().unwrap().remove("network");
    });
    stage.rest();
    stage.must_be_converged();
    assert!(stage.outside().groups().is_empty(), "{}", stage.story());
    assert_eq!(
        stage.instance().security_groups,
        [stage.memory.facts(REGION).default_group].into()
    );
    stage.edit(|spec| spec["network"] = web()["network"].clone());
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().security_groups, [stage.group().id].into());
    assert_eq!(stage.calls("ec2.RunInstances"), 0);
}

#[test]
fn a_protection_that_is_edited_while_aws_is_busy_is_not_forgotten() {
    let protected = |stage: &Stage| {
        stage
            .outside()
            .is_protected(&stage.instance().id, ProtectedAction::Termination)
    };
    for enabled in [false, true] {
        let mut spec = web();
        spec["protection"] = json!({"termination": toggle(enabled)});
        let mut stage = Stage::new();
        stage.apply(spec);
        stage.until(minutes(1), "launched", |stage| !stage.living().is_empty());
        assert_eq!(protected(&stage), enabled);
        stage.edit(|spec| spec["protection"] = json!({"termination": toggle(!enabled)}));
        stage.pass(seconds(2));
        stage.restart();
        stage.pass(minutes(2));
        stage.must_be_converged();
        assert_eq!(protected(&stage), !enabled, "{}", stage.story());
    }
}

fn toggle(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}
