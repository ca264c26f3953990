//! Status is a text: the same for the same story, with times that mean something.

use serde_json::{Value, json};

use super::stage::{Stage, minutes, seconds, web};

/// Everything that a status said in the course of a story.
fn statuses() -> Vec<Value> {
    let mut stage = Stage::new();
    stage.apply(web());
    let mut all = Vec::new();
    for second in 0..240 {
        if second == 60 {
            stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
        }
        if second == 120 {
            stage.outside().stop(&stage.instance().id).unwrap();
        }
        stage.pass(seconds(1));
        all.push(stage.status());
    }
    stage.must_be_converged();
    all
}

#[test]
fn the_same_story_gives_the_same_statuses() {
    assert_eq!(statuses(), statuses());
}

#[test]
fn a_conditions_time_changes_with_its_status_only() {
    let all = statuses();
    let find = |status: &Value, kind: &str| {
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == kind)
    };
    let mut turns = 0;
    for pair in all.windows(2) {
        for kind in ["Ready", "Synced", "Reconciling", "Stalled", "Paused"] {
            let (Some(before), Some(after)) = (find(&pair[0], kind), find(&pair[1], kind)) else {
                continue;
            };
            let same = before["status"] == after["status"];
            let time = "lastTransitionTime";
            turns += usize::from(!same);
            assert!(!same || before[time] == after[time], "{kind}: {before} → {after}");
        }
    }
    assert!(turns >= 4, "{turns}");
}

#[test]
fn ready_and_synced_are_always_there_and_generations_never_run_ahead() {
    for status in statuses() {
        let kinds: Vec<&str> = status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|condition| condition["type"].as_str())
            .collect();
        assert!(kinds.contains(&"Ready") && kinds.contains(&"Synced"), "{status}");
        assert!(status["observedGeneration"].as_i64().unwrap() <= 2);
    }
}

#[test]
fn a_wait_for_synced_never_passes_on_an_edit_that_nobody_has_looked_at() {
    let mut stage = Stage::converged(web());
    stage.lag = seconds(10);
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    for _ in 0..120 {
        stage.pass(seconds(1));
        let status = stage.status();
        let conditions = status["conditions"].as_array().unwrap();
        let synced = conditions
            .iter()
            .find(|condition| condition["type"] == "Synced")
            .unwrap();
        if synced["status"] == "True" && synced["observedGeneration"] == stage.generation() {
            assert_eq!(stage.instance().instance_type, "t3.small", "{}", stage.story());
        }
    }
    stage.must_be_converged();
}

#[test]
fn a_status_is_written_a_few_times_only() {
    let mut stage = Stage::new();
    stage.apply(web());
    stage.pass(minutes(10));
    stage.must_be_converged();
    assert!(
        stage.cluster.writes() <= 12,
        "{} writes of a create",
        stage.cluster.writes()
    );
}

#[test]
fn events_tell_the_story_once() {
    let mut stage = Stage::new();
    stage.apply(web());
    stage.rest();
    let told: Vec<String> = stage.cluster.events().into_iter().map(|event| event.reason).collect();
    assert_eq!(
        told,
        [
            "CreatingSecurityGroup",
            "SettingSecurityGroupRules",
            "LaunchingInstance",
            "Ready"
        ],
        "{}",
        stage.story()
    );
}
