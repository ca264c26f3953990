//! What comes from a Secret shows nowhere.

use serde_json::json;

use super::support::{Scene, web};

const SECRET: &str = "correct-horse-battery-staple";
/// The same as AWS gets it.
const ENCODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ==";

#[test]
fn user_data_from_a_secret_is_in_no_log_status_or_event() {
    let scene = Scene::new("secret");
    scene.kubectl.ok(&[
        "create",
        "secret",
        "generic",
        "boot",
        "--from-literal",
        &format!("script={SECRET}"),
    ]);
    let from_secret = json!({"userData": {"secretRef": {"name": "boot", "key": "script"}, "onChange": "StopStart"}});
    scene.converge(&web().spec(from_secret));
    let id = scene.instance("web").id;
    assert_eq!(scene.aws.attribute(&id, "userData"), ENCODED, "AWS has it");

    // A change of it goes another way than a launch.
    let changed = format!("{SECRET}-2");
    let patch = json!({"stringData": {"script": changed}}).to_string();
    scene
        .kubectl
        .ok(&["patch", "secret", "boot", "--type", "merge", "--patch", &patch]);
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    scene.eventually(std::time::Duration::from_secs(75), "AWS has the change", || match scene
        .aws
        .attribute(&id, "userData")
    {
        now if now == ENCODED => Err(now),
        _ => Ok(()),
    });
    scene.until_converged("web");

    let shown = [
        ("the log", scene.env.operator_log(0)),
        (
            "the object",
            scene.kubectl.ok(&["get", "ec2", "web", "--output", "yaml"]),
        ),
        ("the events", scene.kubectl.ok(&["get", "events", "--output", "yaml"])),
    ];
    for (place, text) in shown {
        assert!(!text.is_empty(), "{place} is empty");
        for secret in [SECRET, ENCODED.trim_end_matches('='), "Y29ycmVjdC1ob3JzZS"] {
            assert!(!text.contains(secret), "{place} shows the user data");
        }
    }
}

#[test]
fn the_chart_lets_the_operator_read_secrets_by_name_only() {
    let scene = Scene::new("rbac");
    let operator = "--as=system:serviceaccount:nuvem-system:nuvem";
    let may = |verb: &str, what: &str| {
        scene
            .kubectl
            .tried(&["auth", "can-i", verb, what, operator], "")
            .stdout
            .trim()
            == "yes"
    };
    assert!(may("get", "secrets"));
    assert!(!may("list", "secrets") && !may("watch", "secrets"));
    for (verb, what) in [
        ("create", "pods"),
        ("delete", "ec2instances.nuvem.dev"),
        ("create", "ec2instances.nuvem.dev"),
        ("update", "secrets"),
    ] {
        assert!(!may(verb, what), "{verb} {what}");
    }
}
