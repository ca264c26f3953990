//! What tools read: conditions that say the truth at every moment.

use serde_json::json;

use super::support::control::Dials;
use super::support::scene::SOON;
use super::support::{Scene, web};

#[test]
fn an_object_never_counts_as_done_before_it_is() {
    let scene = Scene::new("first-sight");
    scene.proxy.dial(Dials {
        transition_seconds: Some(3.0),
        ..Dials::default()
    });
    scene.apply(&web());
    scene.eventually(SOON, "Ready", || {
        let object = scene.get("web");
        let running = scene
            .instances("web")
            .first()
            .is_some_and(|instance| instance.state == "running");
        let ready = object.is("Ready", "True");
        assert!(running || !ready, "Ready although it does not run: {object}");
        assert!(
            ready || object.condition("Ready").is_none() || object.is("Reconciling", "True"),
            "in progress: {object}"
        );
        if ready { Ok(()) } else { Err(object.to_string()) }
    });
}

#[test]
fn an_edit_that_nobody_has_looked_at_passes_no_wait() {
    let scene = Scene::new("generations");
    let object = scene.converge(&web());
    scene.annotate("web", "nuvem.dev/paused=true");
    scene.until("web", SOON, "Paused", |object| object.is("Paused", "True"));
    scene.patch("web", &json!({"spec": {"tags": {"team": "shop"}}}));
    scene.until("web", SOON, "Paused for the new generation", |object| {
        object.is("Paused", "True") && object.generation() == 2
    });
    let paused = scene.get("web");
    assert_eq!(paused.observed_generation(), object.generation(), "{paused}");
    for kind in ["Ready", "Synced"] {
        let condition = paused.condition(kind).expect("there");
        assert_eq!(
            (condition.status.as_str(), condition.generation),
            ("True", object.generation()),
            "{kind} keeps: {paused}"
        );
    }
    let waited = scene
        .kubectl
        .tried(&["wait", "--for=condition=Synced", "ec2/web", "--timeout=1s"], "");
    assert!(!waited.succeeded(), "{}", waited.stdout);
    scene.annotate("web", "nuvem.dev/paused-");
    scene.until_converged("web");
    assert_eq!(scene.instance("web").tags["team"], "shop");
}
