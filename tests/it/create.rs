//! From YAML to a running instance, and what that costs in calls.

use serde_json::json;

use super::support::proxy::{mutating, reads};
use super::support::{AL2023, Scene, firewalled, web};

#[test]
fn creating_with_a_firewall_takes_three_writes_and_at_most_sixteen_reads() {
    let scene = Scene::new("budget");
    scene.apply(&firewalled());
    scene.until_converged("web");
    let calls = scene.proxy.calls();
    assert_eq!(
        mutating(&calls),
        [
            "ec2.CreateSecurityGroup",
            "ec2.AuthorizeSecurityGroupIngress",
            "ec2.RunInstances"
        ],
        "tags travel with the creates"
    );
    assert!(reads(&calls) <= 16, "{} reads: {:?}", reads(&calls), calls.by);
}

#[test]
fn what_is_launched_is_what_the_spec_says() {
    let scene = Scene::new("launched");
    scene.kubectl.ok(&[
        "create",
        "configmap",
        "boot",
        "--from-literal",
        "script=#!/bin/sh\necho from a ConfigMap\n",
    ]);
    let subnet = scene.aws.subnets().pop().expect("a subnet");
    let _ = scene.aws.call("CreateKeyPair", &[("KeyName", "ops")]);
    let object = scene.converge(&firewalled().spec(json!({
        "keyName": "ops",
        "tags": {"team": "shop"},
        "network": {"subnet": {"id": subnet}, "securityGroup": {"egress": [{"protocol": "udp", "fromPort": 53, "toPort": 54, "cidrs": ["10.0.0.0/8"]}]}},
        "userData": {"configMapRef": {"name": "boot", "key": "script"}},
        "rootVolume": {"sizeGiB": 20, "type": "gp3"},
        "metadataOptions": {"httpPutResponseHopLimit": 2},
        "protection": {"stop": "Disabled"},
        "monitoring": "Detailed",
    })));

    let instance = scene.instance("web");
    assert_eq!(instance.state, "running");
    assert_eq!(instance.instance_type, "t3.micro");
    assert_eq!(instance.all["keyName"], "ops");
    assert_eq!(instance.all["subnetId"], subnet.as_str());
    assert!(instance.is_monitored());
    assert_eq!(instance.all["metadataOptions"]["httpTokens"], "required");
    assert_eq!(instance.all["metadataOptions"]["httpPutResponseHopLimit"], "2");
    let script = "IyEvYmluL3NoCmVjaG8gZnJvbSBhIENvbmZpZ01hcAo=";
    assert_eq!(scene.aws.attribute(&instance.id, "userData"), script);

    let group = scene.group("web");
    assert_eq!(instance.groups, [group.id.clone()].into());
    assert_eq!(
        group.ingress,
        ["tcp 22-22 203.0.113.0/24".to_owned(), "tcp 80-80 0.0.0.0/0".to_owned()].into()
    );
    assert_eq!(group.egress, ["udp 53-54 10.0.0.0/8".to_owned()].into());

    let volume = scene.aws.volumes("volume-id", &instance.volumes[0]).remove(0);
    assert_eq!(
        (volume.size.as_str(), volume.volume_type.as_str(), volume.encrypted),
        ("20", "gp3", true)
    );
    for tags in [&instance.tags, &group.tags, &volume.tags] {
        assert_eq!(tags["team"], "shop");
        assert_eq!(tags["nuvem.dev/resource"], scene.resource("web"));
        assert_eq!(tags["nuvem.dev/uid"], object.uid());
    }
    assert_eq!(instance.tags["Name"], format!("{}/web", scene.namespace));

    for (field, value) in [
        ("instanceId", instance.id.as_str()),
        ("state", "running"),
        ("instanceType", "t3.micro"),
        ("imageId", instance.image_id.as_str()),
        ("subnetId", subnet.as_str()),
        ("securityGroupId", group.id.as_str()),
        ("region", "us-east-1"),
        ("account", "123456789012"),
    ] {
        assert_eq!(object.status(field), value, "status.{field}");
    }
    assert_eq!(object.0["metadata"]["finalizers"], json!(["nuvem.dev/aws"]));
}

#[test]
fn an_image_is_found_by_id_by_parameter_and_by_filter() {
    let scene = Scene::new("images");
    let by_id = scene.aws.newest_image();
    let filter = json!({"filter": {"owner": "amazon", "name": "al2023-ami-2023.*-x86_64"}});
    let manifests = [
        web().named("by-id").image(json!({"id": by_id})),
        web().named("by-parameter").image(json!({"ssmParameter": AL2023})),
        web().named("by-filter").image(filter),
    ];
    for manifest in &manifests {
        scene.apply(manifest);
    }
    for manifest in &manifests {
        let object = scene.until_converged(manifest.name());
        assert_eq!(object.status("imageId"), scene.instance(manifest.name()).image_id);
    }
    assert_eq!(scene.get("by-id").status("imageId"), by_id);
    assert_eq!(scene.get("by-filter").status("imageId"), by_id, "the newest match");
}

#[test]
fn a_converged_instance_is_left_in_peace() {
    let scene = Scene::new("peace");
    scene.converge(&firewalled());
    scene.converge(&web().named("bare"));
    scene.until_swept(1);
    let before = [scene.get("web"), scene.get("bare")];
    scene.proxy.count_anew();
    scene.until_swept(2);
    let calls = scene.proxy.calls();
    assert_eq!(mutating(&calls), [] as [&str; 0]);
    // Two sweeps, and perhaps the beginning of a third.
    assert!(reads(&calls) <= 18, "at most six listings a sweep: {:?}", calls.by);
    for object in before {
        let name = object.0["metadata"]["name"].as_str().expect("a name");
        assert_eq!(scene.get(name).version(), object.version(), "nobody has written {name}");
    }
}

#[test]
fn an_image_that_does_not_exist_stalls_and_an_edit_heals_it() {
    let scene = Scene::new("no-image");
    scene.apply(&web().image(json!({"ssmParameter": "/no/such/image"})));
    let object = scene.until_stalled("web", "InvalidSpec");
    assert!(object.message("Stalled").contains("/no/such/image"), "{object}");
    assert!(scene.left_in_aws().is_empty());
    scene.apply(&web());
    scene.until_converged("web");
}

#[test]
fn an_instance_that_is_to_be_stopped_is_ready_when_it_is() {
    let scene = Scene::new("power");
    scene.converge(&web());
    scene.patch("web", &json!({"spec": {"power": {"state": "Stopped"}}}));
    let object = scene.until_converged("web");
    assert_eq!(object.reason("Ready"), "Stopped");
    assert_eq!(scene.instance("web").state, "stopped");
    scene.patch("web", &json!({"spec": {"power": {"state": "Running"}}}));
    scene.until_converged("web");
    assert_eq!(scene.instance("web").state, "running");
}
