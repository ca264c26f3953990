//! What is changed behind our back is put back within one sweep, with one event that says what was
//! found.

use std::time::Duration;

use serde_json::json;

use super::support::control::Dials;
use super::support::{Scene, firewalled, web};

/// Waits until something is as it was, and until there is the one event that tells of it.
fn repaired(scene: &Scene, name: &str, before: usize, mentions: &str, mut again: impl FnMut() -> Result<(), String>) {
    scene.eventually(scene.a_sweep(), &format!("{mentions} is put back"), &mut again);
    // What AWS needs for a start or a stop is not the operator's.
    let notes = scene.eventually(Duration::from_secs(5), "an event tells of it", || {
        let notes = scene.notes(name, "DriftFound");
        if notes.len() > before {
            Ok(notes)
        } else {
            Err(format!("{notes:?}"))
        }
    });
    scene.until_converged(name);
    assert_eq!(
        scene.notes(name, "DriftFound").len(),
        before + 1,
        "one event: {notes:?}"
    );
    assert!(notes[before].contains(mentions), "{notes:?}");
}

fn or(holds: bool, otherwise: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{otherwise:?}")) }
}

#[test]
fn a_stop_a_rule_and_a_tag_from_outside_are_put_back() {
    let scene = Scene::new("drift");
    scene.converge(&firewalled().spec(json!({"tags": {"team": "shop"}})));
    let (id, group) = (scene.instance("web").id, scene.group("web"));

    scene.aws.stop(&id);
    repaired(&scene, "web", 0, "power", || {
        or(scene.instance("web").state == "running", scene.instance("web").state)
    });

    scene.aws.open_port(&group.id, "3389");
    repaired(&scene, "web", 1, "3389", || {
        or(scene.group("web").ingress == group.ingress, scene.group("web").ingress)
    });

    scene.aws.untag(&id, "team");
    repaired(&scene, "web", 2, "tags", || {
        or(
            scene.instance("web").tags.contains_key("team"),
            scene.instance("web").tags,
        )
    });

    // Tags of ours that were stripped; the object is known by its id all the same.
    scene.aws.untag(&id, "nuvem.dev/uid");
    let uid = || scene.aws.instance(&id).tags.get("nuvem.dev/uid").cloned();
    repaired(&scene, "web", 3, "tags", || or(uid().is_some(), uid()));

    // What others add is theirs.
    scene.aws.tag(&id, "owner", "somebody");
    scene.until_swept(2);
    assert_eq!(scene.instance("web").tags["owner"], "somebody");
    assert_eq!(scene.notes("web", "DriftFound").len(), 4);
    assert_eq!(scene.instance("web").id, id);
}

#[test]
fn a_stop_that_is_seen_while_it_goes_on_is_told_all_the_same() {
    let scene = Scene::new("drift-stopping");
    scene.converge(&web());
    slow(&scene, 60.0);
    scene.aws.stop(&scene.instance("web").id);
    scene.until("web", scene.a_sweep(), "seen while it is stopping", |object| {
        object.status("state") == "stopping"
    });
    slow(&scene, 0.5);
    repaired(&scene, "web", 0, "stopped", || {
        or(scene.instance("web").state == "running", scene.instance("web").state)
    });
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
    scene.aws.must(
        "ModifyInstanceAttribute",
        &[("InstanceId", &id), ("InstanceType.Value", "t3.large")],
    );
    repaired(&scene, "web", 0, "instanceType", || {
        or(
            scene.instance("web").instance_type == "t3.micro",
            scene.instance("web").instance_type,
        )
    });
    assert_eq!(scene.instance("web").state, "stopped");
}

#[test]
fn an_instance_that_was_terminated_by_hand_is_launched_anew_once() {
    let scene = Scene::new("terminated");
    scene.converge(&firewalled());
    let (old, image) = (scene.instance("web").id, scene.instance("web").image_id);
    let group = scene.group("web").id;
    scene.aws.terminate(&old);
    repaired(&scene, "web", 0, &old, || {
        let living = scene.instances("web");
        or(living.len() == 1 && living[0].id != old, living)
    });
    let new = scene.instance("web");
    assert_eq!(scene.get("web").status("instanceId"), new.id);
    assert_eq!(new.image_id, image, "the image is pinned");
    assert_eq!(new.groups, [group].into(), "the group is the same");
}

#[test]
fn a_group_that_was_deleted_by_hand_is_made_anew() {
    let scene = Scene::new("drift-group");
    scene.converge(&firewalled());
    let (id, old) = (scene.instance("web").id, scene.group("web").id);
    let default = scene.aws.groups("group-name", "default").remove(0).id;
    scene.aws.must(
        "ModifyInstanceAttribute",
        &[("InstanceId", &id), ("GroupId.1", &default)],
    );
    repaired(&scene, "web", 0, "securityGroup", || {
        or(
            scene.instance("web").groups == [old.clone()].into(),
            scene.instance("web").groups,
        )
    });
}

#[test]
fn metadata_options_and_protection_from_outside_are_put_back() {
    let scene = Scene::new("drift-attributes");
    scene.converge(&web());
    let id = scene.instance("web").id;
    scene.aws.must(
        "ModifyInstanceMetadataOptions",
        &[("InstanceId", &id), ("HttpTokens", "optional")],
    );
    repaired(&scene, "web", 0, "metadataOptions", || {
        or(
            scene.instance("web").all["metadataOptions"]["httpTokens"] == "required",
            scene.instance("web").all,
        )
    });
    // Lists do not show protections: they are read when somebody asks for fresh reads.
    scene.aws.must(
        "ModifyInstanceAttribute",
        &[("InstanceId", &id), ("DisableApiTermination.Value", "true")],
    );
    scene.annotate("web", "nuvem.dev/reconcile-at=now");
    repaired(&scene, "web", 1, "protection.termination", || {
        let protection = scene.aws.attribute(&id, "disableApiTermination");
        or(protection == "false", protection)
    });
    assert_eq!(scene.get("web").status("lastHandledReconcileAt"), "now");
}
