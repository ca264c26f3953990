//! When what takes the instance down may happen, and that it happens once.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::stage::{Stage, minutes, web};
use crate::aws::ec2::InstanceState;

fn with_policy(disruption: Value) -> Stage {
    let mut spec = web();
    spec["disruption"] = disruption;
    spec["userData"] = json!({"inline": "#!/bin/sh\n", "onChange": "StopStart"});
    Stage::converged(spec)
}

fn in_the_night() -> Value {
    json!({"policy": "Window", "window": {"timeZone": "Etc/UTC", "start": "0 3 * * *", "durationMinutes": 60}})
}

fn resize(stage: &Stage) {
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
}

#[track_caller]
fn must_be_held_back(stage: &Stage) {
    assert_eq!(stage.instance().state, InstanceState::Running);
    assert_eq!(stage.instance().instance_type, "t3.micro");
    assert!(
        stage.is("Ready") && !stage.is("Stalled") && !stage.is("Reconciling"),
        "{}",
        stage.story()
    );
    assert_eq!(stage.reason("Synced"), "HeldBack", "{}", stage.story());
    let drift = stage.status()["drift"].clone();
    assert_eq!(drift[0]["field"], "instanceType", "{drift}");
    assert_eq!(
        (&drift[0]["observed"], &drift[0]["desired"]),
        (&json!("t3.micro"), &json!("t3.small"))
    );
    assert_eq!(stage.status()["observedGeneration"], stage.generation());
    assert_eq!(stage.writes(), Vec::<&str>::new());
}

const RESIZE: [&str; 3] = ["ec2.StopInstances", "ec2.ModifyInstanceAttribute", "ec2.StartInstances"];

#[test]
fn with_policy_never_it_is_held_back_listed_and_left_running() {
    let mut stage = with_policy(json!({"policy": "Never"}));
    resize(&stage);
    stage.pass(minutes(60 * 30));
    must_be_held_back(&stage);
    assert_eq!(stage.events("HeldBack").len(), 1);
}

#[test]
fn apply_now_lets_it_happen_for_that_generation_only() {
    let mut stage = with_policy(json!({"policy": "Never"}));
    resize(&stage);
    stage.pass(minutes(5));
    must_be_held_back(&stage);
    stage.annotate("apply-now", Some("1"));
    stage.pass(minutes(5));
    must_be_held_back(&stage);
    let generation = stage.generation().to_string();
    stage.annotate("apply-now", Some(&generation));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.writes(), RESIZE);
    stage.edit(|spec| spec["instanceType"] = json!("t3.medium"));
    stage.rest();
    assert_eq!(
        stage.instance().instance_type,
        "t3.small",
        "another generation needs another word"
    );
}

#[test]
fn a_window_that_opens_later_is_waited_for_and_then_used_once() {
    let mut stage = with_policy(in_the_night());
    resize(&stage);
    stage.pass(minutes(60));
    must_be_held_back(&stage);
    let opens: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
    assert!(
        stage.status()["drift"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("2026-11-24T03:00:00Z")
    );
    stage.pass(minutes(60 * 24));
    stage.must_be_converged();
    assert_eq!(stage.writes(), RESIZE);
    for call in stage.memory.calls().iter().filter(|call| call.is_write()) {
        assert!(call.at >= opens && call.at < opens + minutes(60), "{}", call.at);
    }
    let history = stage.status()["history"].clone();
    let downtimes = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["class"] == "StopStart")
        .count();
    assert_eq!(downtimes, 1, "{history}");
    assert_eq!(stage.status()["drift"], Value::Null);
}

#[test]
fn a_window_that_closes_midway_strands_nothing() {
    let mut spec = web();
    spec["disruption"] = in_the_night();
    spec["disruption"]["window"]["durationMinutes"] = json!(1);
    let mut stage = Stage::converged(spec);
    stage.memory.turn(|dials| dials.transition = minutes(3));
    resize(&stage);
    stage.pass(minutes(60 * 24));
    stage.must_be_converged();
    assert_eq!(stage.instance().instance_type, "t3.small");
    assert_eq!(stage.instance().state, InstanceState::Running);
    assert_eq!(stage.writes(), RESIZE);
}

#[test]
fn all_that_is_due_happens_in_one_stop() {
    for policy in [json!({"policy": "Immediate"}), in_the_night()] {
        let mut stage = with_policy(policy);
        stage.edit(|spec| {
            spec["instanceType"] = json!("t3.small");
            spec["userData"]["inline"] = json!("#!/bin/sh\necho new\n");
        });
        stage.pass(minutes(60 * 24));
        stage.must_be_converged();
        assert_eq!(stage.calls("ec2.StopInstances"), 1, "{}", stage.story());
        assert_eq!(stage.calls("ec2.StartInstances"), 1);
        assert_eq!(stage.calls("ec2.ModifyInstanceAttribute"), 2);
        let id = stage.instance().id;
        assert_eq!(stage.outside().user_data(&id).unwrap(), b"#!/bin/sh\necho new\n");
    }
}

#[test]
fn events_tell_of_stop_change_and_start() {
    let mut stage = Stage::converged(web());
    resize(&stage);
    stage.rest();
    for reason in ["StoppingInstance", "ChangingStoppedInstance", "StartingInstance"] {
        assert_eq!(stage.events(reason).len(), 1, "{reason}\n{}", stage.story());
    }
    assert_eq!(stage.events("DriftFound"), Vec::<String>::new(), "an edit is no drift");
    let history = stage.status()["history"].clone();
    let down = history
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["class"] == "StopStart")
        .unwrap();
    let took = down["downtimeSeconds"].as_i64().unwrap_or_default();
    assert!((10..60).contains(&took), "{history}");
}

#[test]
fn what_is_in_place_happens_while_the_rest_is_held_back() {
    let mut stage = with_policy(json!({"policy": "Never"}));
    resize(&stage);
    stage.edit(|spec| spec["tags"] = json!({"team": "shop"}));
    stage.pass(minutes(5));
    assert_eq!(stage.instance().tags["team"], "shop", "{}", stage.story());
    assert_eq!(stage.instance().instance_type, "t3.micro");
    assert_eq!(stage.reason("Synced"), "HeldBack");
}

#[test]
fn what_another_instance_alone_could_have_is_held_back() {
    let mut stage = Stage::converged(web());
    let facts = stage.memory.facts(super::stage::REGION);
    let edits: [fn(&mut Value, &str); 3] = [
        |spec, _| spec["keyName"] = json!("ops"),
        |spec, image| spec["image"] = json!({"id": image}),
        |spec, _| spec["rootVolume"] = json!({"sizeGiB": 1}),
    ];
    for edit in edits {
        stage.edit(|spec| edit(spec, &facts.older_image));
        stage.pass(minutes(3));
        assert!(stage.is("Ready"), "{}", stage.story());
        assert_eq!(stage.condition("Synced").0, "False");
    }
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(
        stage.status()["drift"].as_array().unwrap().len(),
        3,
        "{}",
        stage.story()
    );
}

#[test]
fn stopping_for_good_is_the_users_word_and_no_disruption() {
    let mut stage = with_policy(json!({"policy": "Never"}));
    stage.edit(|spec| spec["power"] = json!({"state": "Stopped"}));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.reason("Ready"), "Stopped");
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(
        stage.instance().instance_type,
        "t3.small",
        "a stopped one is retyped at no cost"
    );
    assert_eq!(stage.calls("ec2.StartInstances"), 0);
    stage.edit(|spec| spec["power"] = json!({"state": "Running"}));
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.reason("Ready"), "Running");
}
