//! Changes that take an instance down: when they may happen, what is told, and how they fail.

use serde_json::json;

use super::support::control::Dials;
use super::support::object::Object;
use super::support::proxy::mutating;
use super::support::scene::SOON;
use super::support::{Scene, firewalled, web};

fn of_type(instance_type: &str) -> serde_json::Value {
    json!({"spec": {"instanceType": instance_type}})
}

#[test]
fn a_resize_is_one_stop_one_change_one_start_and_its_events_tell_so() {
    let scene = Scene::new("resize");
    scene.converge(&firewalled());
    let id = scene.instance("web").id;
    scene.proxy.count_anew();
    scene.patch("web", &of_type("t3.small"));
    scene.until("web", SOON, "down for it", |object| {
        object.condition("Ready").is_some_and(|ready| ready.status == "False")
    });
    let object = scene.until_converged("web");

    let instance = scene.instance("web");
    assert_eq!(
        (instance.id, instance.instance_type.as_str(), instance.state.as_str()),
        (id.clone(), "t3.small", "running")
    );
    assert_eq!(
        mutating(&scene.proxy.calls()),
        ["ec2.StopInstances", "ec2.ModifyInstanceAttribute", "ec2.StartInstances"],
        "one downtime"
    );
    let told: Vec<String> = scene
        .events("web")
        .into_iter()
        .map(|event| event.reason)
        .filter(|reason| ["StoppingInstance", "ChangingStoppedInstance", "StartingInstance"].contains(&reason.as_str()))
        .collect();
    assert_eq!(
        told,
        ["StoppingInstance", "ChangingStoppedInstance", "StartingInstance"]
    );
    assert!(
        scene.notes("web", "StoppingInstance")[0].contains("t3.micro → t3.small"),
        "{:?}",
        scene.events("web")
    );
    assert!(
        scene.notes("web", "DriftFound").is_empty(),
        "an edit is no drift: {:?}",
        scene.events("web")
    );
    let down: Vec<_> = object
        .history()
        .into_iter()
        .filter(|entry| entry["downtimeSeconds"].is_number())
        .collect();
    assert_eq!(down.len(), 1, "one downtime in status.history: {:?}", object.history());
    assert_eq!(object.status("instanceType"), "t3.small");
}

#[test]
fn with_policy_never_a_resize_is_held_back_until_apply_now() {
    let scene = Scene::new("never");
    scene.converge(&web().spec(json!({"disruption": {"policy": "Never"}})));
    let before = scene.instance("web");
    scene.proxy.count_anew();
    scene.patch("web", &of_type("t3.small"));
    let object = scene.until("web", SOON, "HeldBack", |object| {
        object.is("Synced", "False") && object.reason("Synced") == "HeldBack"
    });
    assert!(
        object.condition("Ready").is_some_and(|ready| ready.status == "True"),
        "{object}"
    );
    assert!(
        object.condition("Stalled").is_none() && object.condition("Reconciling").is_none(),
        "{object}"
    );
    assert_eq!(object.observed_generation(), object.generation());
    let drift = object.drift();
    assert_eq!(drift.len(), 1, "{drift:?}");
    assert_eq!(
        (drift[0].field.as_str(), drift[0].class.as_str()),
        ("instanceType", "StopStart")
    );
    assert_eq!(
        (drift[0].observed.as_str(), drift[0].desired.as_str()),
        ("t3.micro", "t3.small")
    );
    assert!(drift[0].reason.contains("nuvem.dev/apply-now"), "{drift:?}");
    scene.until_swept(2);
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    assert_eq!(scene.instance("web").state, before.state);

    // Consent to an earlier generation is none to this one.
    scene.annotate("web", &format!("nuvem.dev/apply-now={}", object.generation() - 1));
    scene.until_swept(1);
    assert_eq!(scene.instance("web").instance_type, "t3.micro");
    scene.annotate("web", &format!("nuvem.dev/apply-now={}", object.generation()));
    let object = scene.until_converged("web");
    assert_eq!(scene.instance("web").instance_type, "t3.small");
    assert!(object.drift().is_empty(), "{:?}", object.drift());
}

#[test]
fn outside_of_its_window_a_resize_waits_and_says_until_when() {
    let scene = Scene::new("window");
    // A minute a year.
    let window = json!({"timeZone": "Etc/UTC", "start": "0 3 1 1 *", "durationMinutes": 1});
    scene.converge(&web().spec(json!({"disruption": {"policy": "Window", "window": window}})));
    scene.patch("web", &of_type("t3.small"));
    let object = scene.until("web", SOON, "HeldBack", |object| object.reason("Synced") == "HeldBack");
    assert!(object.drift()[0].reason.contains("opens at"), "{:?}", object.drift());
    assert!(
        object.drift()[0].reason.contains("-01-01T03:00:00Z"),
        "{:?}",
        object.drift()
    );
    // A window that is open all the time lets it happen.
    let window = json!({"start": "* * * * *", "durationMinutes": 60});
    scene.patch("web", &json!({"spec": {"disruption": {"window": window}}}));
    scene.until_converged("web");
    assert_eq!(scene.instance("web").instance_type, "t3.small");
}

#[test]
fn without_capacity_for_the_new_type_the_old_one_runs_again() {
    let scene = Scene::new("capacity");
    scene.converge(&web());
    let id = scene.instance("web").id;
    scene.proxy.dial(Dials {
        insufficient_capacity: Some(vec!["t3.large".to_owned()]),
        ..Dials::default()
    });
    scene.patch("web", &of_type("t3.large"));
    let object = scene.until("web", SOON, "Stalled, and running again", |object| {
        object.reason("Stalled") == "NoCapacity"
            && object.condition("Ready").is_some_and(|ready| ready.status == "True")
    });
    assert!(
        object.message("Stalled").contains("InsufficientInstanceCapacity"),
        "AWS's words: {object}"
    );
    let instance = scene.instance("web");
    assert_eq!(
        (instance.id, instance.instance_type.as_str(), instance.state.as_str()),
        (id, "t3.micro", "running")
    );
    scene.proxy.count_anew();
    scene.until_swept(2);
    assert_eq!(
        mutating(&scene.proxy.calls()),
        [] as [&str; 0],
        "it is not tried again and again"
    );

    scene.proxy.dial(Dials {
        insufficient_capacity: Some(Vec::new()),
        ..Dials::default()
    });
    scene.annotate("web", "nuvem.dev/reconcile-at=again");
    scene.until_converged("web");
    assert_eq!(scene.instance("web").instance_type, "t3.large");
}

#[test]
fn a_type_that_aws_does_not_know_stalls_and_the_old_one_runs_again() {
    let scene = Scene::new("no-type");
    scene.converge(&web());
    scene.patch("web", &of_type("t3.gigantic"));
    let object = scene.until("web", SOON, "Stalled, and running again", |object| {
        object.reason("Stalled") == "RefusedByAws"
            && object.condition("Ready").is_some_and(|ready| ready.status == "True")
    });
    assert!(object.message("Stalled").contains("t3.gigantic"), "{object}");
    assert_eq!(scene.instance("web").instance_type, "t3.micro");
    scene.patch("web", &of_type("t3.micro"));
    scene.until_converged("web");
}

#[test]
fn a_stopped_instance_is_resized_without_a_downtime() {
    let scene = Scene::new("resize-stopped");
    scene.converge(&web().spec(json!({"power": {"state": "Stopped"}, "disruption": {"policy": "Never"}})));
    scene.proxy.count_anew();
    scene.patch("web", &of_type("t3.small"));
    scene.until_converged("web");
    assert_eq!(mutating(&scene.proxy.calls()), ["ec2.ModifyInstanceAttribute"]);
    assert_eq!(scene.instance("web").instance_type, "t3.small");
}

#[test]
fn new_user_data_is_ignored_or_put_in_by_a_stop_as_the_spec_says() {
    let scene = Scene::new("user-data");
    let id = {
        scene.converge(&web().spec(json!({"userData": {"inline": "one"}})));
        scene.instance("web").id
    };
    scene.proxy.count_anew();
    scene.patch("web", &json!({"spec": {"userData": {"inline": "two"}}}));
    let object = scene.until_converged("web");
    let ignored = object.drift();
    assert_eq!(
        (ignored.len(), ignored[0].field.as_str()),
        (1, "userData"),
        "{ignored:?}"
    );
    assert!(ignored[0].reason.contains("Ignored"), "{ignored:?}");
    assert_eq!(
        (ignored[0].desired.as_str(), ignored[0].observed.as_str()),
        ("changed", "changed")
    );
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    assert_eq!(scene.aws.attribute(&id, "userData"), "b25l");

    scene.patch("web", &json!({"spec": {"userData": {"onChange": "StopStart"}}}));
    let object = scene.until_converged("web");
    assert_eq!(scene.aws.attribute(&id, "userData"), "dHdv");
    assert_eq!(scene.instance("web").state, "running");
    assert!(object.drift().is_empty(), "{:?}", object.drift());
    assert_eq!(
        mutating(&scene.proxy.calls()),
        ["ec2.StopInstances", "ec2.ModifyInstanceAttribute", "ec2.StartInstances"]
    );
}

#[test]
fn what_needs_another_instance_is_held_back_and_said() {
    let scene = Scene::new("replacement");
    scene.converge(&web().image(json!({"id": scene.aws.newest_image()})));
    let before = scene.instance("web");
    let other = scene
        .aws
        .subnets()
        .into_iter()
        .find(|subnet| before.all["subnetId"] != subnet.as_str())
        .expect("another subnet");
    scene.proxy.count_anew();
    let image = "ami-00000000000000001";
    scene.patch(
        "web",
        &json!({"spec": {"image": {"id": image}, "keyName": "other", "network": {"subnet": {"id": other}}}}),
    );
    let object = scene.until("web", SOON, "HeldBack", |object| {
        object.is("Synced", "False") && object.reason("Synced") == "HeldBack"
    });
    let mut fields: Vec<String> = object.drift().into_iter().map(|drift| drift.field).collect();
    fields.sort();
    assert_eq!(fields, ["image", "keyName", "network.subnet"]);
    assert!(
        object
            .drift()
            .iter()
            .all(|drift| drift.class == "Replacement" && !drift.reason.is_empty()),
        "{:?}",
        object.drift()
    );
    assert!(
        object.condition("Ready").is_some_and(|ready| ready.status == "True"),
        "{object}"
    );
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    assert_eq!(scene.instance("web").id, before.id);
    scene.patch(
        "web",
        &json!({"spec": {"image": {"id": before.image_id}, "keyName": null, "network": null}}),
    );
    let object: Object = scene.until_converged("web");
    assert!(object.drift().is_empty(), "{:?}", object.drift());
}
