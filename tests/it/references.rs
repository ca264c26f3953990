//! What the spec refers to and is not there yet.

use std::time::Duration;

use serde_json::json;

use super::support::scene::SOON;
use super::support::{Scene, web};

/// Secrets are read by name, again and again, where nobody allows to watch them.
const WHERE_POLLED: Duration = Duration::from_mins(1);
const WHERE_WATCHED: Duration = Duration::from_secs(5);

#[test]
fn a_missing_secret_is_named_and_creating_it_wakes_the_instance() {
    let scene = Scene::new("no-secret");
    scene.apply(&web().spec(json!({"userData": {"secretRef": {"name": "boot", "key": "script"}}})));
    let waiting = |what: &'static [&'static str]| {
        scene.until("web", SOON, &format!("waiting for {what:?}"), |object| {
            let message = object.message("Reconciling");
            object.reason("Reconciling") == "WaitingForReference" && what.iter().all(|word| message.contains(word))
        })
    };
    let object = waiting(&["boot"]);
    assert!(object.condition("Stalled").is_none(), "{object}");
    assert!(object.is("Ready", "False") && object.is("Synced", "False"), "{object}");
    assert!(scene.left_in_aws().is_empty());

    scene
        .kubectl
        .ok(&["create", "secret", "generic", "boot", "--from-literal", "wrong=1"]);
    waiting(&["boot", "script"]);
    scene.kubectl.ok(&[
        "patch",
        "secret",
        "boot",
        "--type",
        "merge",
        "--patch",
        r#"{"stringData": {"script": "hello"}}"#,
    ]);
    scene.until(
        "web",
        WHERE_POLLED,
        "Ready and Synced",
        super::support::object::Object::is_converged,
    );
    assert_eq!(scene.aws.attribute(&scene.instance("web").id, "userData"), "aGVsbG8=");
}

#[test]
fn a_missing_config_map_wakes_the_instance_within_seconds() {
    let scene = Scene::new("no-config-map");
    scene.apply(&web().spec(json!({"userData": {"configMapRef": {"name": "boot", "key": "script"}}})));
    scene.until("web", SOON, "waiting for it", |object| {
        object.reason("Reconciling") == "WaitingForReference"
    });
    scene
        .kubectl
        .ok(&["create", "configmap", "boot", "--from-literal", "script=hello"]);
    scene.until("web", WHERE_WATCHED, "not waiting any more", |object| {
        object.reason("Reconciling") != "WaitingForReference"
    });
    scene.until_converged("web");
}

#[test]
fn a_reference_that_vanishes_later_takes_nothing_down_and_blocks_no_deletion() {
    let scene = Scene::new("vanishing");
    scene
        .kubectl
        .ok(&["create", "configmap", "boot", "--from-literal", "script=hello"]);
    scene.converge(&web().spec(json!({"userData": {"configMapRef": {"name": "boot", "key": "script"}}})));
    scene.kubectl.ok(&["delete", "configmap", "boot"]);
    let object = scene.until("web", SOON, "it is said", |object| {
        object.reason("Reconciling") == "WaitingForReference"
    });
    assert!(
        object.condition("Ready").is_some_and(|ready| ready.status == "True"),
        "{object}"
    );
    assert_eq!(scene.instance("web").state, "running");
    scene.delete("web");
}
