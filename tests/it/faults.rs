//! AWS on a bad day: answers that are lost, things that show late, limits, refusals.

use std::time::Duration;

use serde_json::json;

use super::support::control::{Dials, Fault};
use super::support::proxy::mutating;
use super::support::scene::SOON;
use super::support::{Scene, firewalled, web};

const ON_A_BAD_DAY: Duration = Duration::from_secs(75);

fn converges_to_one_of_each(scene: &Scene) {
    scene.until(
        "web",
        ON_A_BAD_DAY,
        "Ready and Synced",
        super::support::object::Object::is_converged,
    );
    scene.instance("web");
    scene.group("web");
}

#[test]
fn a_lost_reply_of_any_create_makes_no_second_one() {
    let scene = Scene::new("lost");
    for call in [
        "ec2.RunInstances",
        "ec2.CreateSecurityGroup",
        "ec2.AuthorizeSecurityGroupIngress",
    ] {
        scene.proxy.faults(vec![Fault::lost_reply(call)]);
        scene.apply(&firewalled());
        converges_to_one_of_each(&scene);
        assert_eq!(scene.proxy.hits(), [1], "{call}");
        scene.delete("web");
        scene.assert_nothing_left();
    }
}

#[test]
fn an_error_a_cut_or_silence_on_a_create_makes_no_second_one() {
    let scene = Scene::new("failing");
    for fault in [
        Fault::error("ec2.RunInstances").times(2),
        Fault::unavailable("ec2.CreateSecurityGroup").times(2),
        Fault::drop(".*").mutating().times(2),
    ] {
        scene.proxy.faults(vec![fault]);
        scene.apply(&firewalled());
        converges_to_one_of_each(&scene);
        scene.delete("web");
        scene.assert_nothing_left();
    }
}

#[test]
fn what_shows_late_makes_no_second_one_and_no_error() {
    let scene = Scene::new("late");
    scene.proxy.dial(Dials {
        visibility_seconds: Some(2.0),
        tag_visibility_seconds: Some(10.0),
        ..Dials::default()
    });
    scene.apply(&firewalled());
    scene.eventually(
        ON_A_BAD_DAY,
        "it converges, and never shows an error on the way",
        || {
            let object = scene.get("web");
            assert!(object.condition("Stalled").is_none(), "no error is shown: {object}");
            if object.is_converged() {
                Ok(())
            } else {
                Err(object.to_string())
            }
        },
    );
    assert!(
        scene.events("web").iter().all(|event| !event.warning),
        "{:?}",
        scene.events("web")
    );
    scene.proxy.dial(Dials {
        visibility_seconds: Some(0.0),
        tag_visibility_seconds: Some(0.0),
        ..Dials::default()
    });
    scene.until_swept(1);
    scene.instance("web");
    scene.group("web");
    let writes = mutating(&scene.proxy.calls());
    assert_eq!(
        writes.iter().filter(|call| *call == "ec2.RunInstances").count(),
        1,
        "{writes:?}"
    );
    assert_eq!(
        writes.iter().filter(|call| *call == "ec2.CreateSecurityGroup").count(),
        1,
        "{writes:?}"
    );
}

#[test]
fn with_every_third_call_throttled_it_converges_and_stays_ready() {
    let scene = Scene::new("throttled");
    scene.converge(&web().named("before"));
    scene.proxy.faults(vec![Fault::throttle(".*").every(3)]);
    scene.apply(&firewalled());
    converges_to_one_of_each(&scene);
    let before = scene.get("before");
    scene.annotate("before", "nuvem.dev/reconcile-at=1");
    scene.until("before", ON_A_BAD_DAY, "looked at, Ready throughout", |object| {
        assert!(
            object.condition("Ready").is_some_and(|ready| ready.status == "True"),
            "{object}"
        );
        object.status("lastHandledReconcileAt") == "1"
    });
    assert_eq!(
        scene.get("before").condition("Ready").map(|ready| ready.since),
        before.condition("Ready").map(|ready| ready.since)
    );
}

#[test]
fn a_denied_launch_stalls_and_heals_by_itself() {
    let scene = Scene::new("denied");
    scene.proxy.faults(vec![Fault::deny("ec2.RunInstances").always()]);
    scene.apply(&web());
    let object = scene.until("web", Duration::from_secs(10), "Stalled within seconds", |object| {
        object.reason("Stalled") == "Denied"
    });
    assert!(object.message("Stalled").contains("RunInstances"), "{object}");
    let encoded = "Encoded authorization failure message";
    assert!(
        !object.message("Stalled").contains(encoded),
        "AWS encodes it anew each time: {object}"
    );

    scene.proxy.count_anew();
    scene.until_swept(2);
    assert!(scene.proxy.calls().count("ec2.RunInstances") <= 1, "retried slowly");
    assert_eq!(scene.get("web").version(), object.version(), "and told once");
    scene.proxy.faults(Vec::new());
    scene.until(
        "web",
        Duration::from_secs(100),
        "healed by itself",
        super::support::object::Object::is_converged,
    );
    scene.instance("web");
}

#[test]
fn a_denied_read_stalls_and_keeps_ready() {
    let scene = Scene::new("unread");
    scene.converge(&firewalled());
    scene.proxy.faults(vec![Fault::deny("ec2.DescribeInstances").always()]);
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    let object = scene.until_stalled("web", "Denied");
    assert!(object.message("Stalled").contains("DescribeInstances"), "{object}");
    assert_eq!(
        object.condition("Ready").map(|ready| ready.status),
        Some("True".to_owned())
    );
    scene.proxy.faults(Vec::new());
    scene.annotate("web", "nuvem.dev/reconcile-at=2");
    scene.until_converged("web");
}

#[test]
fn unreadable_aws_leaves_a_converged_instance_as_it_was() {
    let scene = Scene::new("unavailable");
    let before = scene.converge(&firewalled());
    scene.proxy.faults(vec![Fault::unavailable(".*").reading().always()]);
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    scene.eventually(SOON, "it was tried", || {
        let tried = scene.proxy.hits()[0];
        if tried >= 4 {
            Ok(())
        } else {
            Err(format!("{tried} calls were hit"))
        }
    });
    let object = scene.get("web");
    assert!(object.is("Ready", "True") && object.is("Synced", "True"), "{object}");
    assert_eq!(object.0["status"]["conditions"], before.0["status"]["conditions"]);
    scene.proxy.faults(Vec::new());
    scene.until("web", SOON, "looked at", |object| {
        object.status("lastHandledReconcileAt") == "1"
    });
}

#[test]
fn a_launch_that_dies_is_told_and_not_repeated_for_ever() {
    let scene = Scene::new("dies");
    let mut dials = Dials::default();
    dials.other.insert("dieFromPending".to_owned(), json!(["t3.nano"]));
    scene.proxy.dial(dials);
    scene.apply(&web().spec(json!({"instanceType": "t3.nano"})));
    let object = scene.until_stalled("web", "LaunchFailed");
    scene.proxy.count_anew();
    scene.until_swept(2);
    assert_eq!(
        mutating(&scene.proxy.calls()),
        [] as [&str; 0],
        "no relaunch loop: {object}"
    );
    scene.proxy.dial(Dials {
        other: [("dieFromPending".to_owned(), json!([]))].into_iter().collect(),
        ..Dials::default()
    });
    scene.patch("web", &json!({"spec": {"instanceType": "t3.micro"}}));
    scene.until_converged("web");
}
