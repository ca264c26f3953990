//! User data from a Secret: waited for, woken by, and never shown.

use serde_json::{Value, json};

use super::stage::{Stage, minutes, seconds, web};

const SECRET: &str = "s3cr3t-p4ssw0rd";

fn from_secret(on_change: &str) -> Value {
    let mut spec = web();
    spec["userData"] = json!({"secretRef": {"name": "boot", "key": "script"}, "onChange": on_change});
    spec
}

fn converged(on_change: &str) -> Stage {
    let mut stage = Stage::new();
    stage.cluster.put_secret("boot", SECRET);
    stage.apply(from_secret(on_change));
    stage.rest();
    stage.must_be_converged();
    stage.forget();
    stage
}

/// It is in no object, no event and no record of calls.
#[track_caller]
fn must_stay_secret(stage: &Stage) {
    let shown = format!(
        "{}{:?}{:?}",
        stage.story(),
        stage.cluster.events(),
        stage.memory.calls()
    );
    let encoded = "czNjcjN0LXA0c3N3MHJk";
    assert!(!shown.contains(SECRET) && !shown.contains(encoded), "{shown}");
}

#[test]
fn a_missing_secret_is_waited_for_by_name_and_wakes_whoever_waits() {
    let mut stage = Stage::new();
    stage.apply(from_secret("Ignore"));
    stage.pass(minutes(10));
    assert_eq!(stage.reason("Reconciling"), "WaitingForReference", "{}", stage.story());
    assert!(
        stage.condition("Reconciling").2.contains("shop/boot"),
        "{}",
        stage.story()
    );
    assert!(!stage.is("Stalled"));
    assert_eq!(stage.writes(), Vec::<&str>::new());
    stage.cluster.put_secret("boot", SECRET);
    stage.until(seconds(5), "launched", |stage| !stage.living().is_empty());
    stage.rest();
    stage.must_be_converged();
    let id = stage.instance().id;
    assert_eq!(stage.outside().user_data(&id).unwrap(), SECRET.as_bytes());
    must_stay_secret(&stage);
}

#[test]
fn with_on_change_ignore_a_change_is_listed_and_nothing_happens() {
    let mut stage = converged("Ignore");
    stage.cluster.put_secret("boot", "another");
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.writes(), Vec::<&str>::new());
    let drift = stage.status()["drift"][0].clone();
    assert_eq!(
        (&drift["field"], &drift["desired"]),
        (&json!("userData"), &json!("changed")),
        "{}",
        stage.story()
    );
    let statuses = stage.cluster.writes();
    stage.pass(minutes(60 * 24));
    assert_eq!(stage.cluster.writes(), statuses, "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    must_stay_secret(&stage);
    stage.cluster.put_secret("boot", SECRET);
    stage.rest();
    assert_eq!(stage.status()["drift"], Value::Null, "{}", stage.story());
}

#[test]
fn with_on_change_stop_start_a_change_takes_one_stop() {
    let mut stage = converged("StopStart");
    stage.cluster.put_secret("boot", "another");
    stage.rest();
    stage.must_be_converged();
    let id = stage.instance().id;
    assert_eq!(stage.outside().user_data(&id).unwrap(), b"another");
    assert_eq!(
        stage.writes(),
        ["ec2.StopInstances", "ec2.ModifyInstanceAttribute", "ec2.StartInstances"]
    );
    must_stay_secret(&stage);
    stage.forget();
    stage.pass(minutes(60 * 24));
    assert_eq!(stage.writes(), Vec::<&str>::new());
}

#[test]
fn a_secret_written_anew_with_the_same_contents_changes_nothing() {
    for on_change in ["Ignore", "StopStart"] {
        let mut stage = converged(on_change);
        stage.cluster.put_secret("boot", SECRET);
        stage.rest();
        stage.must_be_converged();
        assert_eq!(stage.writes(), Vec::<&str>::new());
        assert_eq!(stage.status()["drift"], Value::Null);
    }
}

#[test]
fn a_secret_that_vanishes_later_leaves_the_instance_running() {
    let mut stage = converged("StopStart");
    stage.cluster.remove_secret("boot");
    stage.pass(minutes(10));
    assert!(stage.is("Ready"), "{}", stage.story());
    assert_eq!(stage.reason("Synced"), "WaitingForReference");
    assert_eq!(stage.writes(), Vec::<&str>::new());
    stage.cluster.put_secret("boot", SECRET);
    stage.pass(minutes(1));
    stage.must_be_converged();
}

#[test]
fn a_secret_that_changes_while_its_launch_has_no_answer_makes_no_second_instance() {
    let mut stage = Stage::new();
    stage.cluster.put_secret("boot", SECRET);
    stage
        .memory
        .fail_next("ec2.RunInstances", crate::aws::memory::Fault::LoseReply);
    stage.apply(from_secret("StopStart"));
    stage.until(minutes(1), "sent", |stage| stage.calls("ec2.RunInstances") > 0);
    stage.cluster.put_secret("boot", "another");
    stage.rest();
    stage.must_be_converged();
    let id = stage.instance().id;
    assert_eq!(stage.outside().user_data(&id).unwrap(), b"another");
    must_stay_secret(&stage);
}

#[test]
fn what_is_refused_about_it_shows_nothing_of_it() {
    let mut stage = converged("StopStart");
    let deny = crate::aws::memory::FaultPlan::on("ec2.ModifyInstanceAttribute", crate::aws::memory::Fault::deny());
    stage.memory.fail(deny.forever());
    stage.cluster.put_secret("boot", "another-s3cr3t-p4ssw0rd");
    stage.pass(minutes(10));
    assert!(stage.is("Stalled"), "{}", stage.story());
    must_stay_secret(&stage);
}
