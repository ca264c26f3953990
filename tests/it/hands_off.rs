//! When nothing may be touched.

use serde_json::json;

use super::support::proxy::mutating;
use super::support::scene::SOON;
use super::support::{Scene, firewalled, web};

#[test]
fn while_it_is_paused_nothing_is_touched_its_deletion_included() {
    let scene = Scene::new("paused");
    let object = scene.converge(&firewalled());
    scene.annotate("web", "nuvem.dev/paused=true");
    scene.until("web", SOON, "Paused", |object| object.is("Paused", "True"));
    let id = scene.instance("web").id;
    scene.proxy.count_anew();
    scene.aws.stop(&id);
    scene.patch("web", &json!({"spec": {"instanceType": "t3.small"}}));
    scene.until_swept(2);
    let paused = scene.get("web");
    assert_eq!(
        paused.observed_generation(),
        object.observed_generation(),
        "the edit has not been looked at"
    );
    scene.begin_deletion("web");
    scene.until_swept(1);
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    assert_eq!(scene.aws.instance(&id).state, "stopped");
    scene.annotate("web", "nuvem.dev/paused-");
    scene.until_gone("web", SOON);
}

#[test]
fn a_hold_from_the_side_of_aws_is_respected_until_it_is_removed() {
    let scene = Scene::new("hold");
    scene.converge(&firewalled());
    let id = scene.instance("web").id;
    scene
        .aws
        .tag(&id, "nuvem.dev/hold", "quarantined by security, ticket 4711");
    let object = scene.until("web", scene.a_sweep(), "Paused", |object| object.is("Paused", "True"));
    assert_eq!(object.reason("Paused"), "HeldInAws");
    assert!(object.message("Paused").contains("ticket 4711"), "{object}");
    scene.proxy.count_anew();
    scene.aws.stop(&id);
    scene.until_swept(2);
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    scene.begin_deletion("web");
    scene.until_swept(1);
    assert_eq!(scene.aws.instance(&id).state, "stopped");
    scene.aws.untag(&id, "nuvem.dev/hold");
    scene.until_gone("web", scene.a_sweep() + SOON);
}

#[test]
fn observe_writes_nothing_and_lists_what_differs() {
    let scene = Scene::new("observe");
    let found = scene.aws.launch("t3.large");
    scene.until_running(&found.id);
    scene.apply(
        &web()
            .annotated("nuvem.dev/adopt", &found.id)
            .spec(json!({"management": "Observe", "tags": {"team": "shop"}})),
    );
    let object = scene.until("web", SOON, "Observing", |object| {
        object.is("Synced", "False") && object.reason("Synced") == "Observing"
    });
    let fields: Vec<String> = object.drift().into_iter().map(|drift| drift.field).collect();
    for field in ["instanceType", "tags"] {
        assert!(
            fields.iter().any(|one| one == field),
            "{field} differs: {:?}",
            object.drift()
        );
    }
    assert!(object.is("Ready", "True"), "as seen: {object}");
    assert!(
        object.condition("Stalled").is_none() && object.condition("Reconciling").is_none(),
        "{object}"
    );
    assert!(object.0["metadata"]["finalizers"].is_null(), "no finalizer");
    assert_eq!(object.status("instanceId"), found.id);

    scene.patch(
        "web",
        &json!({"spec": {"instanceType": "t3.large", "tags": null, "metadataOptions": {"httpTokens": "optional"}}}),
    );
    let object = scene.eventually(SOON, "nothing differs that Observe could not have", || {
        let object = scene.get("web");
        let left: Vec<String> = object.drift().into_iter().map(|drift| drift.field).collect();
        let gone = !left.iter().any(|field| field == "instanceType" || field == "tags");
        if gone && object.observed_generation() == object.generation() {
            Ok(object)
        } else {
            Err(format!("{left:?}"))
        }
    });
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0], "{object}");
    scene.delete("web");
    assert_eq!(scene.aws.instance(&found.id).state, "running");
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    scene.aws.terminate(&found.id);
}

#[test]
fn observe_without_anything_to_observe_says_so() {
    let scene = Scene::new("observe-nothing");
    scene.apply(&web().spec(json!({"management": "Observe"})));
    let object = scene.until_stalled("web", "NothingToObserve");
    assert!(object.message("Stalled").contains("nuvem.dev/adopt"), "{object}");
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
}
