//! kill -9 at every write: whatever AWS has done by then is found again.

use std::time::Duration;

use serde_json::json;

use super::support::control::Fault;
use super::support::object::Object;
use super::support::{Scene, firewalled};

/// AWS may hide for a minute what is young: so long the operator does not take a group for deleted
/// whose deletion it has not heard of.
const WITH_A_RESTART: Duration = Duration::from_secs(80);
/// `CreateSecurityGroup`, `AuthorizeSecurityGroupIngress`, `RunInstances`.
const WRITES_OF_A_CREATE: u64 = 3;
/// `StopInstances`, `ModifyInstanceAttribute`, `StartInstances`.
const WRITES_OF_A_RESIZE: u64 = 3;
/// `TerminateInstances`, `DeleteSecurityGroup`.
const WRITES_OF_A_DELETION: u64 = 2;

/// With the fault in force, goes through `phase` to its end; the fault must have struck.
fn with(scene: &Scene, fault: Fault, what: &str, phase: impl FnOnce()) {
    scene.proxy.faults(vec![fault]);
    phase();
    assert_eq!(scene.proxy.hits(), [1], "killed once: {what}");
    scene.proxy.faults(Vec::new());
}

fn converge(scene: &Scene) {
    scene.until("web", WITH_A_RESTART, "Ready and Synced", Object::is_converged);
}

fn create(scene: &Scene) {
    scene.apply(&firewalled());
    converge(scene);
    one_of_each(scene);
}

fn resize(scene: &Scene, instance_type: &str) {
    let before = one_of_each(scene);
    scene.patch("web", &json!({"spec": {"instanceType": instance_type}}));
    converge(scene);
    assert_eq!(one_of_each(scene), before);
    assert_eq!(scene.instance("web").instance_type, instance_type);
}

fn delete(scene: &Scene) {
    scene.begin_deletion("web");
    scene.until_gone("web", WITH_A_RESTART);
    scene.assert_nothing_left();
}

fn one_of_each(scene: &Scene) -> (String, String) {
    (scene.instance("web").id, scene.group("web").id)
}

#[test]
fn killed_after_the_nth_write_of_a_create_it_makes_exactly_one_of_each() {
    let scene = Scene::new("killed-creating");
    for n in 0..WRITES_OF_A_CREATE {
        with(
            &scene,
            Fault::kill(".*").mutating().skip(n),
            &format!("after {n} writes"),
            || create(&scene),
        );
        delete(&scene);
    }
}

#[test]
fn killed_after_the_nth_write_of_a_resize_it_ends_with_the_new_type_running() {
    let scene = Scene::new("killed-resizing");
    create(&scene);
    for n in 0..WRITES_OF_A_RESIZE {
        let instance_type = if n % 2 == 0 { "t3.small" } else { "t3.medium" };
        with(
            &scene,
            Fault::kill(".*").mutating().skip(n),
            &format!("after {n} writes"),
            || {
                resize(&scene, instance_type);
            },
        );
    }
}

#[test]
fn killed_after_the_nth_write_of_a_deletion_it_leaves_nothing() {
    let scene = Scene::new("killed-deleting");
    for n in 0..WRITES_OF_A_DELETION {
        create(&scene);
        with(
            &scene,
            Fault::kill(".*").mutating().skip(n),
            &format!("after {n} writes"),
            || delete(&scene),
        );
    }
}

#[test]
fn killed_before_a_write_it_does_it_after_the_restart() {
    let scene = Scene::new("killed-before");
    let before = || Fault::kill_before(".*").mutating().skip(1);
    with(&scene, before(), "in a create", || create(&scene));
    with(&scene, before(), "in a resize", || resize(&scene, "t3.small"));
    with(&scene, before(), "in a deletion", || delete(&scene));
}
