//! Taking over what exists.

use serde_json::json;

use super::support::proxy::mutating;
use super::support::{Scene, web};

#[test]
fn without_consent_an_adoption_is_refused_and_prints_the_command_that_gives_it() {
    let scene = Scene::new("adopt");
    let found = scene.aws.launch("t3.micro");
    scene.until_running(&found.id);
    scene.apply(
        &web()
            .annotated("nuvem.dev/adopt", &found.id)
            .image(json!({"id": found.image_id})),
    );
    let object = scene.until_stalled("web", "NotOwned");
    let message = object.message("Stalled");
    let command = format!(
        "aws ec2 create-tags --resources {} --tags Key=nuvem.dev/adoptable-by,Value=",
        found.id
    );
    let (_, consent) = message
        .split_once(&command)
        .unwrap_or_else(|| panic!("no command: {message}"));
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
    assert!(scene.aws.instance(&found.id).tags.is_empty());

    let consent = consent
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    assert!(consent.ends_with(&format!("/{}", scene.namespace)), "{consent}");
    scene.aws.tag(&found.id, "nuvem.dev/adoptable-by", consent);
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    let object = scene.until_converged("web");
    assert_eq!(object.status("instanceId"), found.id);
    let adopted = scene.instance("web");
    assert_eq!(adopted.id, found.id);
    assert_eq!(adopted.tags["nuvem.dev/adopted"], "true");
    assert_eq!(object.part("instance")["adopted"], true);
    assert_eq!(adopted.state, "running", "nothing was taken down for it");

    // What was not made here is deleted only where that is written out.
    scene.delete("web");
    let kept = scene.aws.instance(&found.id);
    assert_eq!(kept.state, "running");
    assert_eq!(kept.tags["nuvem.dev/kept-from"], scene.resource("web"));
    assert!(!kept.tags.contains_key("nuvem.dev/resource"));
    scene.aws.terminate(&found.id);
}

#[test]
fn of_an_adopted_instance_absent_fields_stay_as_they_were_found() {
    let scene = Scene::new("as-found");
    let found = scene.aws.launch("t3.large");
    scene.until_running(&found.id);
    let cluster = scene.cluster_id();
    scene.aws.tag(
        &found.id,
        "nuvem.dev/adoptable-by",
        &format!("{cluster}/{}", scene.namespace),
    );
    scene.aws.must(
        "ModifyInstanceMetadataOptions",
        &[("InstanceId", &found.id), ("HttpTokens", "optional")],
    );
    scene.aws.must("MonitorInstances", &[("InstanceId.1", &found.id)]);
    scene.apply(
        &web()
            .annotated("nuvem.dev/adopt", &found.id)
            .spec(json!({"image": null, "instanceType": null, "deletionPolicy": "Delete"})),
    );
    scene.until_converged("web");
    let adopted = scene.instance("web");
    assert_eq!(
        (adopted.id.as_str(), adopted.instance_type.as_str()),
        (found.id.as_str(), "t3.large")
    );
    assert_eq!(adopted.all["metadataOptions"]["httpTokens"], "optional");
    assert_ne!(
        adopted.all["monitoring"]["state"], "disabled",
        "pending at first, then enabled"
    );
    scene.delete("web");
    assert!(
        !scene.aws.instance(&found.id).lives(),
        "deletionPolicy: Delete is written out"
    );
}

#[test]
fn an_instance_of_another_object_is_not_adopted() {
    let scene = Scene::new("adopt-other");
    scene.converge(&web());
    let id = scene.instance("web").id;
    scene.apply(&web().named("thief").annotated("nuvem.dev/adopt", &id));
    let object = scene.until_stalled("thief", "NotOwned");
    assert!(
        object.message("Stalled").contains(&scene.resource("web")),
        "names the owner: {object}"
    );
    assert_eq!(scene.instance("web").id, id);
}

#[test]
fn an_id_that_aws_does_not_show_is_said() {
    let scene = Scene::new("adopt-nothing");
    scene.apply(&web().annotated("nuvem.dev/adopt", "i-0123456789abcdef0"));
    let object = scene.until_stalled("web", "NothingToObserve");
    assert!(object.message("Stalled").contains("i-0123456789abcdef0"), "{object}");
    assert_eq!(mutating(&scene.proxy.calls()), [] as [&str; 0]);
}
