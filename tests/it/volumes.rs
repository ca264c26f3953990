//! The root volume.

use serde_json::json;

use super::support::proxy::mutating;
use super::support::{Scene, web};

#[test]
fn a_root_volume_grows_while_the_instance_runs() {
    let scene = Scene::new("volume");
    scene.converge(&web().spec(json!({"rootVolume": {"sizeGiB": 20}})));
    let volume = || {
        let id = scene.instance("web").volumes.remove(0);
        scene.aws.volumes("volume-id", &id).remove(0)
    };
    assert_eq!(
        (
            volume().size.as_str(),
            volume().volume_type.as_str(),
            volume().encrypted
        ),
        ("20", "gp3", true)
    );
    scene.proxy.count_anew();
    scene.patch("web", &json!({"spec": {"rootVolume": {"sizeGiB": 30}}}));
    let object = scene.until_converged("web");
    assert_eq!(volume().size, "30");
    assert_eq!(mutating(&scene.proxy.calls()), ["ec2.ModifyVolume"]);
    assert_eq!(object.0["status"]["volumes"][0]["sizeGiB"], 30);
    assert!(
        object.condition("Ready").is_some_and(|ready| ready.status == "True"),
        "{object}"
    );
}

#[test]
fn a_volume_that_is_larger_than_the_spec_is_never_shrunk() {
    let scene = Scene::new("shrink");
    scene.converge(&web().spec(json!({"rootVolume": {"sizeGiB": 20}})));
    let id = scene.instance("web").volumes.remove(0);
    scene.aws.must("ModifyVolume", &[("VolumeId", &id), ("Size", "40")]);
    scene.proxy.count_anew();
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    let object = scene.until_stalled("web", "ForbiddenChange");
    assert!(
        object.message("Stalled").contains("rootVolume.sizeGiB: 40"),
        "says what to write: {object}"
    );
    assert!(
        object.condition("Ready").is_some_and(|ready| ready.status == "True"),
        "{object}"
    );
    assert_eq!(object.drift()[0].class, "Forbidden");
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    scene.patch("web", &json!({"spec": {"rootVolume": {"sizeGiB": 40}}}));
    scene.until_converged("web");
}
