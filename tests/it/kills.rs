//! kill -9 at every write: whatever AWS has done by then is found again.

use std::time::Duration;

use serde_json::json;

use super::support::control::Fault;
use super::support::object::Object;
use super::support::proxy::mutating;
use super::support::{Scene, firewalled};

const WITH_RESTARTS: Duration = Duration::from_secs(90);

/// Kills the operator at every write in turn, before or after AWS has acted, while `phase` goes on
/// until `wanted`. Returns how often it was killed.
fn killed_at_every_write(scene: &Scene, fault: Fault, phase: impl FnOnce(), done: impl FnOnce()) -> u64 {
    scene.proxy.faults(vec![fault]);
    phase();
    done();
    let killed = scene.proxy.hits()[0];
    scene.proxy.faults(Vec::new());
    killed
}

fn one_of_each(scene: &Scene) -> (String, String) {
    (scene.instance("web").id, scene.group("web").id)
}

#[test]
fn killed_after_every_write_it_creates_resizes_and_deletes_exactly_once() {
    let scene = Scene::new("killed-after");
    let after_each = || Fault::kill(".*").mutating().always();
    let converged = || {
        scene.until("web", WITH_RESTARTS, "Ready and Synced", Object::is_converged);
    };

    let killed = killed_at_every_write(&scene, after_each(), || scene.apply(&firewalled()), converged);
    assert_eq!(
        killed,
        3,
        "after each write of a create: {:?}",
        mutating(&scene.proxy.calls())
    );
    let made = one_of_each(&scene);

    let resize = || scene.patch("web", &json!({"spec": {"instanceType": "t3.small"}}));
    let killed = killed_at_every_write(&scene, after_each(), resize, converged);
    assert!(
        killed >= 3,
        "after each write of a resize: {:?}",
        mutating(&scene.proxy.calls())
    );
    assert_eq!(one_of_each(&scene), made);
    assert_eq!(scene.instance("web").instance_type, "t3.small");

    let delete = || scene.begin_deletion("web");
    let killed = killed_at_every_write(&scene, after_each(), delete, || scene.until_gone("web", WITH_RESTARTS));
    assert!(
        killed >= 2,
        "after each write of a deletion: {:?}",
        mutating(&scene.proxy.calls())
    );
    assert!(scene.left_in_aws().is_empty(), "{:?}", scene.left_in_aws());
}

#[test]
fn killed_once_after_the_nth_write_of_a_create_it_goes_on() {
    let scene = Scene::new("killed-once");
    for writes_before in 0..3 {
        let fault = Fault::kill(".*").mutating().skip(writes_before);
        let converged = || {
            scene.until("web", WITH_RESTARTS, "Ready and Synced", Object::is_converged);
        };
        let killed = killed_at_every_write(&scene, fault, || scene.apply(&firewalled()), converged);
        assert_eq!(killed, 1, "after {writes_before} writes");
        one_of_each(&scene);
        scene.delete("web");
        assert!(scene.left_in_aws().is_empty(), "{:?}", scene.left_in_aws());
    }
}

#[test]
fn killed_before_a_write_it_does_it_after_the_restart() {
    let scene = Scene::new("killed-before");
    let before_three = || Fault::kill_before(".*").mutating().every(2).times(3);
    let converged = || {
        scene.until("web", WITH_RESTARTS, "Ready and Synced", Object::is_converged);
    };
    let killed = killed_at_every_write(&scene, before_three(), || scene.apply(&firewalled()), converged);
    assert!(killed >= 1, "{:?}", mutating(&scene.proxy.calls()));
    one_of_each(&scene);
    let delete = || scene.begin_deletion("web");
    killed_at_every_write(&scene, before_three(), delete, || {
        scene.until_gone("web", WITH_RESTARTS);
    });
    assert!(scene.left_in_aws().is_empty(), "{:?}", scene.left_in_aws());
}
