//! What is changed behind our back is put back within one sweep, with one event that says what was
//! found.

use std::time::Duration;

use serde_json::json;

use super::support::control::Dials;
use super::support::object::Object;
use super::support::scene::SOON;
use super::support::{Scene, firewalled, web};

/// Does something behind the operator's back, and waits until it is as it was, and the one event is
/// there that tells of it.
fn repaired(scene: &Scene, tells: &str, cause: impl FnOnce(), again: impl FnMut() -> Result<(), String>) {
    let (history, told) = (scene.get("web").history(), scene.notes("web", "DriftFound").len());
    cause();
    scene.eventually(scene.a_sweep(), &format!("{tells} is put back"), again);
    let converged = |object: &Object| object.is_converged() && object.history() != history;
    scene.until("web", SOON, "Ready and Synced again", converged);
    let notes = scene.eventually(Duration::from_secs(5), "an event tells of it", || {
        let notes = scene.notes("web", "DriftFound");
        if notes.len() > told {
            Ok(notes)
        } else {
            Err(format!("{notes:?}"))
        }
    });
    assert_eq!(notes.len(), told + 1, "one event: {notes:?}");
    assert!(notes[told].contains(tells), "{notes:?}");
}

fn or(holds: bool, otherwise: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{otherwise:?}")) }
}

#[test]
fn a_stop_a_rule_and_a_tag_from_outside_are_put_back() {
    let scene = Scene::new("drift");
    scene.converge(&firewalled().spec(json!({"tags": {"team": "shop"}})));
    let (id, group) = (scene.instance("web").id, scene.group("web"));
    let (aws, instance) = (&scene.aws, || scene.instance("web"));

    repaired(
        &scene,
        "power",
        || aws.stop(&id),
        || or(instance().state == "running", instance().state),
    );

    let rules = || scene.group("web").ingress;
    repaired(
        &scene,
        "3389",
        || aws.open_port(&group.id, "3389"),
        || or(rules() == group.ingress, rules()),
    );

    let tags = || instance().tags;
    repaired(
        &scene,
        "tags",
        || aws.untag(&id, "team"),
        || or(tags().contains_key("team"), tags()),
    );

    // Tags of ours that were stripped; the object is known by its id all the same.
    let tags = || aws.instance(&id).tags;
    let stripped = || aws.untag(&id, "nuvem.dev/resource");
    repaired(&scene, "tags", stripped, || {
        or(tags().contains_key("nuvem.dev/resource"), tags())
    });

    // What others add is theirs.
    aws.tag(&id, "owner", "somebody");
    scene.until_swept(2);
    assert_eq!(instance().tags["owner"], "somebody");
    assert_eq!(scene.notes("web", "DriftFound").len(), 4);
    assert_eq!(instance().id, id);
}

#[test]
fn a_stop_that_is_seen_while_it_goes_on_is_told_all_the_same() {
    let scene = Scene::new("drift-stopping");
    scene.converge(&web());
    let stop_slowly = || {
        slow(&scene, 60.0);
        scene.aws.stop(&scene.instance("web").id);
        scene.until("web", scene.a_sweep(), "seen while it is stopping", |object| {
            object.status("state") == "stopping"
        });
        slow(&scene, 0.5);
    };
    let state = || scene.instance("web").state;
    repaired(&scene, "stopped", stop_slowly, || or(state() == "running", state()));
}

/// How long AWS takes for each change of state, also for one that is under way.
fn slow(scene: &Scene, seconds: f64) {
    scene.proxy.dial(Dials {
        transition_seconds: Some(seconds),
        ..Dials::default()
    });
}

#[test]
fn a_type_that_was_changed_while_stopped_is_put_back() {
    let scene = Scene::new("drift-type");
    scene.converge(&web().spec(json!({"power": {"state": "Stopped"}})));
    let id = scene.instance("web").id;
    let larger = [("InstanceId", id.as_str()), ("InstanceType.Value", "t3.large")];
    let change = || {
        scene.aws.must("ModifyInstanceAttribute", &larger);
    };
    let now = || scene.instance("web").instance_type;
    repaired(&scene, "instanceType", change, || or(now() == "t3.micro", now()));
    assert_eq!(scene.instance("web").state, "stopped");
}

#[test]
fn an_instance_that_was_terminated_by_hand_is_launched_anew_once() {
    let scene = Scene::new("terminated");
    scene.converge(&firewalled());
    let (old, image) = (scene.instance("web").id, scene.instance("web").image_id);
    let group = scene.group("web").id;
    let again = || {
        let living = scene.instances("web");
        or(living.len() == 1 && living[0].id != old, living)
    };
    repaired(&scene, &old, || scene.aws.terminate(&old), again);
    let new = scene.instance("web");
    assert_eq!(scene.get("web").status("instanceId"), new.id);
    assert_eq!(new.image_id, image, "the image is pinned");
    assert_eq!(new.groups, [group].into(), "the group is the same");
}

#[test]
fn an_instance_that_was_taken_out_of_its_group_is_put_back() {
    let scene = Scene::new("drift-group");
    scene.converge(&firewalled());
    let (id, ours) = (scene.instance("web").id, scene.group("web").id);
    let default = scene.aws.groups("group-name", "default").remove(0).id;
    let move_out = || {
        scene.aws.must(
            "ModifyInstanceAttribute",
            &[("InstanceId", &id), ("GroupId.1", &default)],
        );
    };
    let groups = || scene.instance("web").groups;
    repaired(&scene, "securityGroup", move_out, || {
        or(groups() == [ours.clone()].into(), groups())
    });
}

#[test]
fn metadata_options_and_protection_from_outside_are_put_back() {
    let scene = Scene::new("drift-attributes");
    scene.converge(&web());
    let id = scene.instance("web").id;
    let version_1 = || {
        scene.aws.must(
            "ModifyInstanceMetadataOptions",
            &[("InstanceId", &id), ("HttpTokens", "optional")],
        );
    };
    let tokens = || scene.instance("web").all["metadataOptions"]["httpTokens"].clone();
    repaired(&scene, "metadataOptions", version_1, || {
        or(tokens() == "required", tokens())
    });

    // Lists do not show protections: they are read when somebody asks for fresh reads.
    let protect = || {
        let parameters = [("InstanceId", id.as_str()), ("DisableApiTermination.Value", "true")];
        scene.aws.must("ModifyInstanceAttribute", &parameters);
        scene.annotate("web", "nuvem.dev/reconcile-at=now");
    };
    let protection = || scene.aws.attribute(&id, "disableApiTermination");
    repaired(&scene, "protection.termination", protect, || {
        or(protection() == "false", protection())
    });
    assert_eq!(scene.get("web").status("lastHandledReconcileAt"), "now");
}
