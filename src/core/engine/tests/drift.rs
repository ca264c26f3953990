//! What somebody changes outside is put back, and told once.

use super::stage::{Stage, minutes, seconds, web};
use crate::aws::ec2::{Direction, InstanceAttribute, InstanceState, MonitorInstances, Peer, ProtectedAction, Rule};
use crate::engine::ownership::tag;

fn https() -> Rule {
    Rule {
        protocol: "tcp".to_owned(),
        from_port: Some(443),
        to_port: Some(443),
        peer: Peer::Ipv4("0.0.0.0/0".to_owned()),
    }
}

/// Changes something outside of a converged stage: it is mended within a sweep and what AWS itself
/// takes, with one event that says what was found.
#[track_caller]
fn mended(change: impl FnOnce(&Stage)) -> Stage {
    let mut spec = web();
    spec["tags"] = serde_json::json!({"team": "shop"});
    let mut stage = Stage::converged(spec);
    let ids = (stage.instance().id, stage.group());
    change(&stage);
    stage.pass(minutes(3));
    stage.must_be_converged();
    let told = stage.events("DriftFound");
    assert_eq!(told.len(), 1, "told once: {told:?}\n{}", stage.story());
    assert_eq!(stage.instance().id, ids.0, "the same instance");
    assert_eq!(stage.group().ingress, ids.1.ingress, "the same rules");
    assert_eq!(stage.instance().state, InstanceState::Running);
    stage
}

#[test]
fn stopped_by_hand_it_is_started() {
    let stage = mended(|stage| stage.outside().stop(&stage.instance().id).unwrap());
    assert_eq!(stage.writes(), ["ec2.StartInstances"]);
}

#[test]
fn a_rule_added_by_hand_is_taken_away_within_a_sweep() {
    let mut stage = Stage::converged(web());
    stage
        .outside()
        .allow(&stage.group().id, Direction::Ingress, https())
        .unwrap();
    stage.pass(seconds(35));
    assert!(!stage.group().ingress.contains_key(&https()), "{}", stage.story());
    let told = stage.events("DriftFound");
    assert_eq!(told.len(), 1, "{}", stage.story());
    assert!(told[0].contains("443"), "it says what was found: {}", told[0]);
}

#[test]
fn rules_added_and_removed_by_hand_are_put_back() {
    mended(|stage| {
        stage
            .outside()
            .allow(&stage.group().id, Direction::Ingress, https())
            .unwrap();
    });
    mended(|stage| {
        let group = stage.group();
        let (rule, _) = group.ingress.first_key_value().unwrap();
        stage
            .outside()
            .forbid(&group.id, Direction::Ingress, rule.clone())
            .unwrap();
    });
    let stage = mended(|stage| {
        let group = stage.group();
        let (rule, _) = group.egress.first_key_value().unwrap();
        stage
            .outside()
            .forbid(&group.id, Direction::Egress, rule.clone())
            .unwrap();
    });
    assert_eq!(stage.group().egress.len(), 1);
}

#[test]
fn tags_removed_or_changed_by_hand_are_put_back() {
    let stage = mended(|stage| stage.outside().untag(&stage.instance().id, "team").unwrap());
    assert_eq!(stage.instance().tags["team"], "shop");
    let stage = mended(|stage| stage.outside().tag(&stage.instance().id, "team", "theirs").unwrap());
    assert_eq!(stage.instance().tags["team"], "shop");
    let stage = mended(|stage| stage.outside().untag(&stage.group().id, "team").unwrap());
    assert_eq!(stage.group().tags["team"], "shop");
    let stage = mended(|stage| stage.outside().untag(&stage.outside().volumes()[0].id, "team").unwrap());
    assert_eq!(stage.outside().volumes()[0].tags["team"], "shop");
}

#[test]
fn owner_tags_stripped_by_hand_are_put_back() {
    for key in [tag::UID, tag::RESOURCE, tag::CLUSTER, tag::HOME, tag::PART] {
        let stage = mended(|stage| stage.outside().untag(&stage.instance().id, key).unwrap());
        assert!(stage.instance().tags.contains_key(key), "{key}");
        let stage = mended(|stage| stage.outside().untag(&stage.group().id, key).unwrap());
        assert!(stage.group().tags.contains_key(key), "{key}");
    }
}

#[test]
fn a_tag_that_somebody_else_has_set_stays() {
    let mut stage = Stage::converged(web());
    stage.outside().tag(&stage.instance().id, "scanner", "seen").unwrap();
    stage.pass(minutes(2));
    assert_eq!(stage.instance().tags["scanner"], "seen");
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.events("DriftFound"), Vec::<String>::new());
}

#[test]
fn the_type_changed_by_hand_while_stopped_is_put_back_in_the_same_stop() {
    let mut stage = Stage::converged(web());
    let (outside, id) = (stage.outside(), stage.instance().id);
    // Somebody is quicker than the sweep.
    outside.stop(&id).unwrap();
    stage.memory.advance(seconds(11));
    outside
        .modify(&id, InstanceAttribute::InstanceType("t3.large".to_owned()))
        .unwrap();
    stage.pass(minutes(3));
    stage.must_be_converged();
    assert_eq!(stage.instance().instance_type, "t3.micro");
    assert_eq!(stage.events("DriftFound").len(), 1, "{}", stage.story());
    assert_eq!(stage.calls("ec2.StopInstances"), 0);
}

#[test]
fn the_type_changed_and_started_by_hand_takes_one_stop() {
    let stage = mended(|stage| {
        let (outside, id) = (stage.outside(), stage.instance().id);
        outside.stop(&id).unwrap();
        stage.memory.advance(seconds(11));
        outside
            .modify(&id, InstanceAttribute::InstanceType("t3.large".to_owned()))
            .unwrap();
        outside.start(&id).unwrap();
        stage.memory.advance(seconds(11));
    });
    assert_eq!(stage.instance().instance_type, "t3.micro");
    assert_eq!(stage.calls("ec2.StopInstances"), 1);
}

#[test]
fn protections_switched_by_hand_are_switched_back_when_they_are_next_read() {
    for action in [ProtectedAction::Termination, ProtectedAction::Stop] {
        let stage = mended(|stage| {
            let id = stage.instance().id;
            let enabled = InstanceAttribute::Protection { action, enabled: true };
            stage.outside().modify(&id, enabled).unwrap();
            // Lists do not show it: somebody asks for a fresh look.
            stage.annotate("reconcile-at", Some("now"));
        });
        assert!(!stage.outside().is_protected(&stage.instance().id, action));
    }
}

#[test]
fn what_lists_do_not_show_is_found_within_half_a_day() {
    let mut stage = Stage::converged(web());
    let enabled = InstanceAttribute::Protection {
        action: ProtectedAction::Termination,
        enabled: true,
    };
    stage.outside().modify(&stage.instance().id, enabled).unwrap();
    stage.pass(minutes(60 * 15));
    assert!(
        !stage
            .outside()
            .is_protected(&stage.instance().id, ProtectedAction::Termination)
    );
    assert_eq!(stage.events("DriftFound").len(), 1);
}

#[test]
fn detailed_monitoring_switched_on_by_hand_is_switched_off() {
    mended(|stage| {
        let instance_id = stage.instance().id;
        stage.outside().perform(MonitorInstances { instance_id }).unwrap();
    });
}

#[test]
fn other_groups_given_by_hand_are_taken_away() {
    let stage = mended(|stage| {
        let default = stage.memory.facts(super::stage::REGION).default_group;
        let groups = InstanceAttribute::SecurityGroups(vec![default]);
        stage.outside().modify(&stage.instance().id, groups).unwrap();
    });
    assert_eq!(stage.instance().security_groups, [stage.group().id].into());
}

#[test]
fn terminated_by_hand_it_is_launched_anew_in_the_same_group() {
    let mut stage = Stage::converged(web());
    let (id, group) = (stage.instance().id, stage.group().id);
    stage.outside().terminate(&id).unwrap();
    stage.pass(minutes(5));
    stage.must_be_converged();
    assert_ne!(stage.instance().id, id);
    assert_eq!(stage.group().id, group);
    assert_eq!(stage.writes(), ["ec2.RunInstances"]);
    assert_eq!(stage.events("DriftFound").len(), 1, "{}", stage.story());
}

#[test]
fn a_group_that_was_deleted_by_hand_is_made_anew() {
    let mut stage = Stage::converged(web());
    let default = stage.memory.facts(super::stage::REGION).default_group;
    let id = stage.instance().id;
    let (outside, group) = (stage.outside(), stage.group().id);
    outside
        .modify(&id, InstanceAttribute::SecurityGroups(vec![default]))
        .unwrap();
    outside
        .perform(crate::aws::ec2::DeleteSecurityGroup {
            group_id: group.clone(),
        })
        .unwrap();
    stage.rest();
    stage.must_be_converged();
    assert_ne!(stage.group().id, group);
    assert_eq!(stage.instance().security_groups, [stage.group().id].into());
    assert_eq!(stage.instance().id, id);
}

#[test]
fn drift_that_somebody_makes_again_and_again_is_mended_every_time() {
    let mut stage = Stage::converged(web());
    for _ in 0..5 {
        stage
            .outside()
            .allow(&stage.group().id, Direction::Ingress, https())
            .unwrap();
        stage.pass(minutes(1));
        stage.must_be_converged();
        assert!(!stage.group().ingress.contains_key(&https()));
    }
    assert_eq!(stage.events("DriftFound").len(), 5);
}
