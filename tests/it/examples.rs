//! The examples do what their comments say.

use std::fs;

use serde_json::json;

use super::support::Scene;
use super::support::env::root;
use super::support::scene::SOON;

/// What each file makes, and what its own test looks at.
const COVERED: [&str; 3] = ["ec2-minimal.yaml", "ec2-web.yaml", "ec2-window.yaml"];

fn applied(scene: &Scene, file: &str) {
    scene.kubectl.ok(&["apply", "--filename", &format!("examples/{file}")]);
}

#[test]
fn every_example_has_a_test() {
    let folder = fs::read_dir(root().join("examples")).expect("the examples");
    let mut files: Vec<String> = folder
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, COVERED);
}

#[test]
fn the_minimal_example_runs() {
    let scene = Scene::new("example-minimal");
    applied(&scene, "ec2-minimal.yaml");
    scene
        .kubectl
        .ok(&["wait", "--for=condition=Ready", "ec2/minimal", "--timeout=30s"]);
    let instance = scene.instance("minimal");
    assert_eq!(instance.state, "running");
    let default = scene.aws.groups("group-name", "default").remove(0).id;
    assert_eq!(instance.groups, [default].into());
    scene.kubectl.ok(&["delete", "ec2", "minimal", "--timeout=30s"]);
    assert!(!scene.aws.instance(&instance.id).lives());
}

#[test]
fn the_web_example_lets_in_ssh_and_http_only() {
    let scene = Scene::new("example-web");
    applied(&scene, "ec2-web.yaml");
    scene.until_converged("web");
    let group = scene.group("web");
    assert_eq!(
        group.ingress,
        ["tcp 22-22 203.0.113.0/24".to_owned(), "tcp 80-80 0.0.0.0/0".to_owned()].into()
    );
    assert_eq!(scene.instance("web").groups, [group.id].into());
    scene.until("web", SOON, "its volume is shown", |object| {
        object.0["status"]["volumes"][0]["sizeGiB"] == 20
    });
    assert!(
        scene
            .aws
            .attribute(&scene.instance("web").id, "userData")
            .starts_with("IyEvYmluL2Jhc2g")
    );
}

#[test]
fn the_window_example_waits_for_its_window_and_is_protected() {
    let scene = Scene::new("example-window");
    applied(&scene, "ec2-window.yaml");
    scene.until_converged("ledger");
    assert_eq!(
        scene
            .aws
            .attribute(&scene.instance("ledger").id, "disableApiTermination"),
        "true"
    );
    scene.patch("ledger", &json!({"spec": {"instanceType": "t3.medium"}}));
    // On a Sunday between three and five in São Paulo the window is open.
    let object = scene.until("ledger", SOON, "held back, or resized in the window", |object| {
        object.reason("Synced") == "HeldBack" || object.is_converged()
    });
    if let Some(drift) = object.drift().first() {
        assert!(drift.reason.contains("opens at"), "{drift:?}");
        scene.annotate("ledger", &format!("nuvem.dev/apply-now={}", object.generation()));
        scene.until_converged("ledger");
    }
    assert_eq!(scene.instance("ledger").instance_type, "t3.medium");
    scene.patch("ledger", &json!({"spec": {"protection": {"termination": "Disabled"}}}));
    scene.delete("ledger");
}
