//! Only what is ours is touched, and what is ours is found again.

use serde_json::json;

use super::support::proxy::mutating;
use super::support::scene::SOON;
use super::support::{Scene, firewalled, web};

#[test]
fn somebody_elses_group_with_our_name_is_left_untouched() {
    let scene = Scene::new("taken");
    scene.converge(&firewalled());
    let name = scene.group("web").name;
    scene.delete("web");
    let group = scene.aws.create_group(&name);
    scene.aws.open_port(&group, "443");
    let before = scene.aws.groups("group-id", &group);
    scene.proxy.count_anew();

    scene.apply(&firewalled());
    let object = scene.until_stalled("web", "NotOwned");
    assert!(object.message("Stalled").contains(&group), "{object}");
    assert!(
        object.message("Stalled").contains("securityGroupIds"),
        "says how to use it: {object}"
    );
    scene.until_swept(1);
    let writes = mutating(&scene.proxy.calls());
    assert!(
        writes.iter().all(|call| call == "ec2.CreateSecurityGroup"),
        "at most AWS was asked: {writes:?}"
    );
    assert_eq!(
        format!("{before:?}"),
        format!("{:?}", scene.aws.groups("group-id", &group))
    );

    // Deleting the object leaves it, too.
    scene.delete("web");
    assert_eq!(scene.aws.groups("group-id", &group).len(), 1);
    scene.aws.delete_group(&group);
}

fn wipe_status(scene: &Scene) {
    let wipe = r#"[{"op": "remove", "path": "/status"}]"#;
    let arguments = [
        "patch",
        "ec2",
        "web",
        "--subresource=status",
        "--type",
        "json",
        "--patch",
        wipe,
    ];
    scene.kubectl.ok(&arguments);
}

#[test]
fn a_wiped_status_leads_to_the_same_instance() {
    let scene = Scene::new("wiped");
    scene.converge(&firewalled());
    let (instance, group) = (scene.instance("web").id, scene.group("web").id);
    wipe_status(&scene);
    let object = scene.until("web", SOON, "found again", |object| {
        object.is_converged() && object.status("instanceId") == instance
    });
    assert_eq!(object.status("securityGroupId"), group);
    assert_eq!(
        (scene.instance("web").id, scene.group("web").id),
        (instance.clone(), group.clone())
    );
    assert!(
        scene
            .notes("web", "TookOver")
            .iter()
            .any(|note| note.contains(&instance)),
        "{:?}",
        scene.events("web")
    );
}

#[test]
fn an_object_that_is_made_again_finds_the_instance_of_the_one_before() {
    let scene = Scene::new("again");
    let old = scene.converge(&firewalled());
    let (instance, group) = (scene.instance("web").id, scene.group("web").id);
    scene.annotate("web", "nuvem.dev/paused=true");
    scene.until("web", SOON, "Paused", |object| object.is("Paused", "True"));
    scene.begin_deletion("web");
    scene.patch("web", &json!({"metadata": {"finalizers": null}}));
    scene.until_gone("web", SOON);
    assert_eq!(
        scene.instance("web").state,
        "running",
        "a paused deletion touches nothing"
    );

    let new = scene.converge(&firewalled());
    assert_ne!(new.uid(), old.uid());
    assert_eq!(
        (scene.instance("web").id, scene.group("web").id),
        (instance.clone(), group.clone())
    );
    assert!(
        scene
            .notes("web", "TookOver")
            .iter()
            .any(|note| note.contains(&instance)),
        "{:?}",
        scene.events("web")
    );

    // What proves that the instance was launched for this object still proves it now.
    wipe_status(&scene);
    scene.until("web", SOON, "found once more", |object| {
        object.is_converged() && object.status("instanceId") == instance
    });
    assert_eq!((scene.instance("web").id, scene.group("web").id), (instance, group));
}

#[test]
fn an_instance_with_copied_tags_is_not_taken_over() {
    let scene = Scene::new("copied");
    scene.converge(&web());
    let original = scene.instance("web");
    let copy = scene.aws.launch("t3.micro").id;
    for (key, value) in original.tags.iter().filter(|(key, _)| key.starts_with("nuvem.dev/")) {
        scene.aws.tag(&copy, key, value);
    }
    scene.until_swept(2);
    assert_eq!(scene.get("web").status("instanceId"), original.id);
    scene.delete("web");
    assert_eq!(
        scene.aws.instance(&copy).state,
        "running",
        "what was copied is not ours to terminate"
    );

    // And a new object of that name, which knows no id, is told of it.
    scene.apply(&web());
    let object = scene.until_stalled("web", "NotOwned");
    assert!(object.message("Stalled").contains(&copy), "{object}");
    scene.aws.terminate(&copy);
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    scene.until_converged("web");
    scene.instance("web");
}

#[test]
fn what_was_tagged_as_another_clusters_is_left_alone() {
    let scene = Scene::new("other-home");
    scene.converge(&web());
    let id = scene.instance("web").id;
    let home = scene.instance("web").tags["nuvem.dev/home"].clone();
    scene
        .aws
        .tag(&id, "nuvem.dev/home", "11111111-2222-3333-4444-555555555555");
    scene.annotate("web", "nuvem.dev/reconcile-at=1");
    scene.until_stalled("web", "NotOwned");
    assert_eq!(scene.aws.instance(&id).state, "running");
    scene.aws.tag(&id, "nuvem.dev/home", &home);
    scene.annotate("web", "nuvem.dev/reconcile-at=2");
    scene.until_converged("web");
}
