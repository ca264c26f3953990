//! Paused, held from AWS's side, only observed; another account, another Region.

use serde_json::{Value, json};

use super::stage::{Stage, minutes, web};
use crate::aws::ec2::{Direction, InstanceState, Peer, Rule};
use crate::engine::ownership::tag;

fn rule() -> Rule {
    Rule {
        protocol: "tcp".to_owned(),
        from_port: Some(443),
        to_port: Some(443),
        peer: Peer::Ipv4("0.0.0.0/0".to_owned()),
    }
}

#[test]
fn paused_nothing_is_written_whatever_happens_and_all_is_caught_up_afterwards() {
    let mut stage = Stage::converged(web());
    stage.annotate("paused", Some("true"));
    stage.pass(minutes(1));
    assert!(stage.is("Paused"), "{}", stage.story());
    let observed = stage.status()["observedGeneration"].clone();
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    stage
        .outside()
        .allow(&stage.group().id, Direction::Ingress, rule())
        .unwrap();
    stage.outside().stop(&stage.instance().id).unwrap();
    stage.pass(minutes(60));
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(
        stage.status()["observedGeneration"],
        observed,
        "nobody has planned the edit"
    );
    assert!(
        stage.is("Ready") && stage.is("Synced"),
        "they keep their value\n{}",
        stage.story()
    );
    stage.annotate("paused", None);
    stage.rest();
    stage.must_be_converged();
    assert!(!stage.is("Paused"));
    assert_eq!(stage.instance().instance_type, "t3.small");
    assert!(!stage.group().ingress.contains_key(&rule()));
}

#[test]
fn paused_from_the_beginning_nothing_is_made() {
    let mut stage = Stage::new();
    stage.apply(web());
    stage.annotate("paused", Some("true"));
    stage.pass(minutes(60));
    assert_eq!(stage.writes(), Vec::<&str>::new());
    stage.annotate("paused", None);
    stage.rest();
    stage.must_be_converged();
}

#[test]
fn paused_a_deletion_waits_too_and_abandon_works() {
    let mut stage = Stage::converged(web());
    stage.annotate("paused", Some("true"));
    stage.delete();
    stage.pass(minutes(60));
    assert!(stage.exists());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    stage.annotate("abandon", Some("true"));
    stage.pass(minutes(1));
    assert!(!stage.exists(), "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.living().len(), 1, "what is in AWS stays");
}

#[test]
fn held_from_awss_side_nothing_is_written_until_the_tag_is_gone() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    stage.outside().tag(&id, tag::HOLD, "quarantine, ticket 42").unwrap();
    stage
        .outside()
        .allow(&stage.group().id, Direction::Ingress, rule())
        .unwrap();
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    stage.pass(minutes(30));
    assert_eq!(stage.writes(), Vec::<&str>::new(), "{}", stage.story());
    assert_eq!(stage.reason("Paused"), "HeldInAws", "{}", stage.story());
    assert!(stage.condition("Paused").2.contains("ticket 42"));
    stage.outside().untag(&id, tag::HOLD).unwrap();
    stage.pass(minutes(5));
    stage.must_be_converged();
    assert_eq!(stage.instance().instance_type, "t3.small");
}

#[test]
fn held_from_awss_side_a_deletion_waits() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    stage.outside().tag(&id, tag::HOLD, "evidence").unwrap();
    stage.delete();
    stage.pass(minutes(30));
    assert_eq!(stage.writes(), Vec::<&str>::new(), "{}", stage.story());
    stage.outside().untag(&id, tag::HOLD).unwrap();
    stage.pass(minutes(40));
    stage.must_be_gone();
}

/// An instance that somebody else has made, and an object that observes it.
fn observing(spec: impl FnOnce(&mut Value)) -> Stage {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    // Its object goes, it stays: from now on it is nobody's.
    stage.edit(|spec| spec["deletionPolicy"] = json!("Retain"));
    stage.delete();
    stage.rest();
    assert!(!stage.exists(), "{}", stage.story());
    let mut wanted = web();
    wanted["management"] = json!("Observe");
    spec(&mut wanted);
    stage.apply(wanted);
    stage.annotate("adopt", Some(&id));
    stage.forget();
    stage
}

#[test]
fn observing_what_is_equal_is_ready_and_in_sync_and_writes_nothing() {
    let mut stage = observing(|spec| {
        spec.as_object_mut().unwrap().remove("network");
    });
    stage.pass(minutes(60));
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert!(stage.is("Ready") && stage.is("Synced"), "{}", stage.story());
    assert_eq!(stage.object()["metadata"]["finalizers"], Value::Null);
    stage.delete();
    stage.pass(minutes(5));
    assert!(!stage.exists());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.instance().state, InstanceState::Running);
}

#[test]
fn observing_what_differs_lists_it_and_writes_nothing() {
    let mut stage = observing(|spec| {
        spec.as_object_mut().unwrap().remove("network");
        spec["instanceType"] = json!("t3.large");
        spec["tags"] = json!({"team": "shop"});
        spec["power"] = json!({"state": "Stopped"});
    });
    stage.pass(minutes(60));
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.condition("Synced").0, "False");
    assert_eq!(stage.reason("Synced"), "Observing", "{}", stage.story());
    let drift = stage.status()["drift"].clone();
    let fields: Vec<&str> = drift
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    for field in ["instanceType", "tags", "power.state"] {
        assert!(fields.contains(&field), "{field} in {fields:?}");
    }
    let statuses = stage.cluster.writes();
    stage.pass(minutes(60 * 24));
    assert_eq!(
        stage.cluster.writes(),
        statuses,
        "the same text every time\n{}",
        stage.story()
    );
}

#[test]
fn observing_nothing_is_said() {
    let mut stage = Stage::new();
    let mut spec = web();
    spec["management"] = json!("Observe");
    stage.apply(spec);
    stage.pass(minutes(5));
    assert_eq!(stage.reason("Stalled"), "NothingToObserve", "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
}

#[test]
fn switched_from_full_to_observe_and_back_it_stays_the_same_instance() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    stage.edit(|spec| spec["management"] = json!("Observe"));
    stage.pass(minutes(2));
    stage.outside().stop(&id).unwrap();
    stage.pass(minutes(60));
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.reason("Synced"), "Observing", "{}", stage.story());
    stage.edit(|spec| spec["management"] = json!("Full"));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().id, id);
}

#[test]
fn switched_to_observe_and_deleted_it_leaves_aws_alone() {
    let mut stage = Stage::converged(web());
    stage.edit(|spec| spec["management"] = json!("Observe"));
    stage.pass(minutes(2));
    stage.delete();
    stage.pass(minutes(5));
    assert!(!stage.exists(), "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.living().len(), 1);
}

/// Says that account or Region differ, and does not ask AWS anything.
#[track_caller]
fn must_not_touch_aws(stage: &mut Stage) {
    stage.pass(minutes(3));
    stage.forget();
    stage.annotate("reconcile-at", Some("now"));
    stage.pass(minutes(60));
    assert_eq!(stage.reason("Stalled"), "AccountOrRegionChanged", "{}", stage.story());
    let elsewhere = |call: &&crate::aws::memory::Call| !call.subject.is_empty() || call.is_write();
    assert_eq!(
        stage.memory.calls().iter().filter(elsewhere).count(),
        0,
        "{}",
        stage.story()
    );
    stage.delete();
    stage.pass(minutes(60));
    assert!(stage.exists(), "a deletion neither\n{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
}

#[test]
fn in_another_region_nothing_is_asked_and_nothing_done() {
    let mut stage = Stage::converged(web());
    stage.cluster.set_region_of_namespace("eu-west-1");
    must_not_touch_aws(&mut stage);
    stage.cluster.set_region_of_namespace(super::stage::REGION);
    stage.pass(minutes(40));
    stage.must_be_gone();
}

#[test]
fn in_another_account_nothing_is_asked_and_nothing_done() {
    let mut stage = Stage::converged(web());
    *stage.account.lock().unwrap() = "999999999999".to_owned();
    must_not_touch_aws(&mut stage);
    *stage.account.lock().unwrap() = crate::aws::memory::ACCOUNT.to_owned();
    stage.pass(minutes(40));
    stage.must_be_gone();
}
