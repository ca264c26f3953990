//! Deletion ends when AWS says that everything is gone.

use serde_json::json;

use super::support::control::{Dials, Fault};
use super::support::scene::SOON;
use super::support::{Scene, firewalled, web};

#[test]
fn the_group_goes_only_after_the_instance() {
    let scene = Scene::new("order");
    scene.converge(&firewalled());
    scene.proxy.dial(Dials {
        transition_seconds: Some(2.0),
        ..Dials::default()
    });
    scene.proxy.count_anew();
    scene.begin_deletion("web");
    let object = scene.until("web", SOON, "being deleted", |object| {
        object.reason("Reconciling") == "Deleting"
    });
    assert!(object.is("Ready", "False") && object.is("Synced", "False"), "{object}");
    scene.until_gone("web", SOON);
    scene.assert_nothing_left();
    // AWS lets go of the interface some time after it says that the instance is terminated. Until
    // then it refuses, which is no failure, and is not asked all the time.
    let calls = scene.proxy.calls();
    let writes: Vec<(&str, u16)> = calls.mutating().map(|call| (call.call.as_str(), call.status)).collect();
    let (first, rest) = writes.split_first().expect("writes");
    let (last, refused) = rest.split_last().expect("a deletion of the group");
    assert_eq!(
        (*first, *last),
        (("ec2.TerminateInstances", 200), ("ec2.DeleteSecurityGroup", 200))
    );
    assert!(
        refused.iter().all(|write| *write == ("ec2.DeleteSecurityGroup", 400)),
        "{writes:?}"
    );
    assert!(refused.len() <= 5, "{writes:?}");
    assert!(
        scene.events("web").iter().all(|event| !event.warning),
        "{:?}",
        scene.events("web")
    );
}

#[test]
fn a_protected_instance_blocks_its_deletion_until_the_spec_drops_the_protection() {
    let scene = Scene::new("protected");
    for (protection, attribute) in [("termination", "disableApiTermination"), ("stop", "disableApiStop")] {
        scene.converge(&firewalled().spec(json!({"protection": {protection: "Enabled"}})));
        let id = scene.instance("web").id;
        assert_eq!(scene.aws.attribute(&id, attribute), "true");
        scene.begin_deletion("web");
        let object = scene.until_stalled("web", "DeletionBlocked");
        assert!(object.message("Stalled").contains(attribute), "AWS's words: {object}");
        assert!(object.is("Ready", "False"), "{object}");
        assert_eq!(scene.instance("web").state, "running");
        scene.patch("web", &json!({"spec": {"protection": {protection: "Disabled"}}}));
        scene.until_gone("web", SOON);
        scene.assert_nothing_left();
    }
}

#[test]
fn a_denied_deletion_is_blocked_and_goes_on_when_it_is_allowed() {
    let scene = Scene::new("denied-deletion");
    scene.converge(&web());
    scene.proxy.faults(vec![Fault::deny("ec2.TerminateInstances").always()]);
    scene.begin_deletion("web");
    let object = scene.until_stalled("web", "DeletionBlocked");
    assert!(object.message("Stalled").contains("TerminateInstances"), "{object}");
    scene.proxy.faults(Vec::new());
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    scene.until_gone("web", SOON);
}

#[test]
fn deleting_the_namespace_empties_aws() {
    let scene = Scene::new("namespace");
    scene
        .kubectl
        .ok(&["create", "secret", "generic", "boot", "--from-literal", "script=hello"]);
    let from_secret = json!({"userData": {"secretRef": {"name": "boot", "key": "script"}}});
    let manifests = [
        firewalled(),
        web().named("bare").spec(from_secret),
        web().named("stopped").spec(json!({"power": {"state": "Stopped"}})),
    ];
    for manifest in &manifests {
        scene.apply(manifest);
    }
    for manifest in &manifests {
        scene.until_converged(manifest.name());
    }
    // One that is only being made.
    scene.apply(&firewalled().named("young"));
    scene.delete_namespace();
    scene.assert_nothing_left();
}

#[test]
fn with_retain_the_instance_stays_and_says_where_it_came_from() {
    let scene = Scene::new("retain");
    scene.converge(&firewalled().spec(json!({"deletionPolicy": "Retain", "tags": {"team": "shop"}})));
    let (instance, group) = (scene.instance("web"), scene.group("web"));
    scene.delete("web");
    let kept = scene.aws.instance(&instance.id);
    assert_eq!(kept.state, "running");
    let cluster = &instance.tags["nuvem.dev/cluster"];
    for tags in [&kept.tags, &scene.aws.groups("group-id", &group.id)[0].tags] {
        assert_eq!(tags["nuvem.dev/kept-from"], scene.resource("web"));
        assert!(tags["nuvem.dev/kept-at"].starts_with("20"), "{tags:?}");
        assert_eq!(tags["nuvem.dev/adoptable-by"], format!("{cluster}/{}", scene.namespace));
        assert_eq!(tags["team"], "shop");
        assert!(
            !tags.contains_key("nuvem.dev/uid") && !tags.contains_key("nuvem.dev/resource"),
            "{tags:?}"
        );
    }

    // What was kept can be adopted again, and deleted where that is written out.
    scene.apply(&web().annotated("nuvem.dev/adopt", &instance.id).spec(json!({
        "deletionPolicy": "Delete",
        "network": {"securityGroupIds": [group.id]},
    })));
    scene.until_converged("web");
    assert_eq!(scene.instance("web").id, instance.id);
    assert!(
        !scene.instance("web").tags.contains_key("nuvem.dev/kept-from"),
        "it is not kept any more"
    );
    scene.delete("web");
    assert!(!scene.aws.instance(&instance.id).lives());
    scene.aws.delete_group(&group.id);
}

#[test]
fn with_abandon_the_object_goes_and_aws_is_left_as_it_is() {
    let scene = Scene::new("abandon");
    scene.converge(&web());
    let id = scene.instance("web").id;
    scene.proxy.faults(vec![Fault::deny(".*").always()]);
    scene.begin_deletion("web");
    scene.until_stalled("web", "DeletionBlocked");
    scene.annotate("web", "nuvem.dev/abandon=true");
    scene.until_gone("web", SOON);
    scene.proxy.faults(Vec::new());
    assert_eq!(scene.aws.instance(&id).state, "running");
    scene.aws.terminate(&id);
}

#[test]
fn an_object_that_never_got_anything_is_deleted_at_once() {
    let scene = Scene::new("nothing");
    scene.apply(&web().spec(json!({"userData": {"secretRef": {"name": "never", "key": "made"}}})));
    scene.until("web", SOON, "waiting", |object| {
        object.reason("Reconciling") == "WaitingForReference"
    });
    scene.delete("web");
}
