//! The Helm chart. That an installation works is what all the other tests stand on: `make up` is
//! one, and the operator runs with the chart's `ServiceAccount`, arguments and environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::env::root;
use super::support::kubectl::{Ran, run};
use super::support::{Scene, firewalled};

const CRD: &str = "ec2instances.nuvem.dev";

struct Helm<'a>(&'a Scene);

impl Helm<'_> {
    fn tried(&self, arguments: &[&str]) -> Ran {
        let mut helm = Command::new(self.0.env.tool("helm"));
        helm.env("KUBECONFIG", self.0.env.get("KUBECONFIG"))
            .env("HELM_CACHE_HOME", self.0.env.state.join("helm/it"))
            .env("KUBECACHEDIR", self.0.env.state.join("helm/it"))
            .args(["--namespace", "nuvem-system"])
            .args(arguments);
        run(&mut helm, "")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.tried(arguments);
        assert!(
            ran.succeeded(),
            "helm {}: {}{}",
            arguments.join(" "),
            ran.stdout,
            ran.stderr
        );
        ran.stdout
    }
}

/// A copy of the chart that a test may change; it goes with the value.
struct Copy(PathBuf);

impl Copy {
    fn of_the_chart(scene: &Scene) -> Self {
        let target = scene.env.state.join(format!("chart-{}", scene.namespace));
        let _ = fs::remove_dir_all(&target);
        copy(&root().join("charts/nuvem"), &target);
        Self(target)
    }

    fn crd(&self) -> PathBuf {
        self.0.join("files/crds/nuvem.dev_ec2instances.yaml")
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
    {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).expect("a copy");
        }
    }
}

fn crd_description(scene: &Scene) -> String {
    let path = "jsonpath={.spec.versions[0].schema.openAPIV3Schema.description}";
    scene.kubectl.ok(&["get", "crd", CRD, "--output", path])
}

#[test]
fn an_upgrade_changes_the_crds_and_an_uninstall_keeps_them_and_all_that_is_in_aws() {
    let scene = Scene::new("chart");
    let helm = Helm(&scene);
    let object = scene.converge(&firewalled());
    let (instance, group) = (scene.instance("web").id, scene.group("web").id);
    let before = crd_description(&scene);

    let changed = Copy::of_the_chart(&scene);
    let crd = fs::read_to_string(changed.crd()).expect("the CRD");
    fs::write(changed.crd(), crd.replacen(&before, "Changed by an upgrade", 1)).expect("the CRD");
    helm.ok(&["upgrade", "nuvem", changed.path(), "--reuse-values"]);
    assert_eq!(crd_description(&scene), "Changed by an upgrade");
    assert_eq!(scene.get("web").uid(), object.uid());

    helm.ok(&["uninstall", "nuvem"]);
    assert!(
        !scene
            .kubectl
            .tried(&["get", "deployment", "nuvem", "--namespace", "nuvem-system"], "")
            .succeeded()
    );
    assert_eq!(crd_description(&scene), "Changed by an upgrade", "the CRDs stay");
    assert_eq!(scene.get("web").uid(), object.uid(), "and the resources");
    assert_eq!(
        (scene.instance("web").id, scene.group("web").id),
        (instance.clone(), group)
    );

    // Installed again, with a new ServiceAccount, it takes everything up where it was.
    scene.operator.restart();
    assert_eq!(crd_description(&scene), before);
    scene.annotate("web", "nuvem.dev/reconcile-at=again");
    scene.until("web", super::support::scene::SOON, "looked at", |object| {
        object.status("lastHandledReconcileAt") == "again"
    });
    scene.until_converged("web");
    assert_eq!(scene.instance("web").id, instance);
}

#[test]
fn a_misspelt_value_is_refused() {
    let scene = Scene::new("values");
    let chart = root().join("charts/nuvem");
    let render = |set: &str| {
        Helm(&scene).tried(&[
            "template",
            "nuvem",
            chart.to_str().expect("text"),
            "--set",
            "region=us-east-1",
            "--set",
            set,
        ])
    };
    assert!(render("replicaCount=3").succeeded());
    for set in [
        "replicaCuont=3",
        "sweepIntervalSeconds=often",
        "log.level=loud",
        "region=",
    ] {
        assert!(!render(set).succeeded(), "{set} was accepted");
    }
}

#[test]
fn the_pod_meets_the_restricted_profile() {
    let scene = Scene::new("restricted");
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    scene.kubectl.ok(&["label", "namespace", &scene.namespace, enforce]);
    let rendered = scene.kubectl.ok(&[
        "get",
        "deployment",
        "nuvem",
        "--namespace",
        "nuvem-system",
        "--output",
        "json",
    ]);
    let deployment: serde_json::Value = serde_json::from_str(&rendered).expect("JSON");
    let mut spec = deployment["spec"]["template"]["spec"].clone();
    spec["serviceAccountName"] = serde_json::json!("default");
    let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nuvem"}, "spec": spec});
    scene
        .kubectl
        .ok_with(&["apply", "--dry-run=server", "--filename", "-"], &pod.to_string());
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
}
