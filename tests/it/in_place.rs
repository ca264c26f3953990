//! Edits that take nothing down.

use serde_json::json;

use super::support::proxy::mutating;
use super::support::{Scene, firewalled};

#[test]
fn tags_monitoring_metadata_and_protection_change_while_it_runs() {
    let scene = Scene::new("in-place");
    scene.converge(&firewalled().spec(json!({"tags": {"team": "shop"}})));
    let before = scene.instance("web");
    scene.proxy.count_anew();
    let changed = json!({
        "tags": {"team": "stock", "stage": "test"},
        "monitoring": "Detailed",
        "metadataOptions": {"httpTokens": "optional", "httpPutResponseHopLimit": 2},
        "protection": {"termination": "Enabled"},
    });
    scene.converge(&firewalled().spec(changed));
    let instance = scene.instance("web");
    assert_eq!(
        (instance.tags["team"].as_str(), instance.tags["stage"].as_str()),
        ("stock", "test")
    );
    assert_ne!(
        instance.all["monitoring"]["state"], "disabled",
        "pending at first, then enabled"
    );
    assert_eq!(instance.all["metadataOptions"]["httpTokens"], "optional");
    assert_eq!(instance.all["metadataOptions"]["httpPutResponseHopLimit"], "2");
    assert_eq!(scene.aws.attribute(&instance.id, "disableApiTermination"), "true");
    assert_eq!(scene.group("web").tags["team"], "stock");

    // What leaves the spec goes back to its default.
    scene.converge(&firewalled());
    let instance = scene.instance("web");
    assert!(
        !instance.tags.contains_key("team") && !instance.tags.contains_key("stage"),
        "{:?}",
        instance.tags
    );
    assert_ne!(
        instance.all["monitoring"]["state"], "enabled",
        "disabling at first, then disabled"
    );
    assert_eq!(instance.all["metadataOptions"]["httpTokens"], "required");
    assert_eq!(scene.aws.attribute(&instance.id, "disableApiTermination"), "false");

    let downtime = ["ec2.StopInstances", "ec2.StartInstances", "ec2.RebootInstances"];
    let writes = mutating(&scene.proxy.calls());
    assert!(
        writes.iter().all(|call| !downtime.contains(&call.as_str())),
        "{writes:?}"
    );
    assert_eq!((instance.id, instance.state), (before.id, before.state));
    assert!(
        scene.notes("web", "DriftFound").is_empty(),
        "an edit is no drift: {:?}",
        scene.events("web")
    );
}

#[test]
fn rules_of_the_firewall_change_while_it_runs() {
    let scene = Scene::new("rules");
    scene.converge(&firewalled());
    let group = scene.group("web").id;
    let edited = json!({"network": {"securityGroup": {
        "ingress": [
            {"port": 22, "cidrs": ["203.0.113.0/24"], "description": "SSH from the office"},
            {"port": 443, "cidrs": ["0.0.0.0/0"], "ipv6Cidrs": ["::/0"]},
            {"protocol": "icmp", "cidrs": ["10.0.0.0/8"]},
        ],
        "egress": [{"protocol": "all", "cidrs": ["10.0.0.0/8"], "description": "inside"}],
    }}});
    scene.converge(&firewalled().spec(edited.clone()));
    let now = scene.group("web");
    let rules = [
        "tcp 22-22 203.0.113.0/24",
        "tcp 443-443 0.0.0.0/0",
        "tcp 443-443 ::/0",
        "icmp -1--1 10.0.0.0/8",
    ];
    assert_eq!(now.ingress, rules.map(str::to_owned).into());
    assert_eq!(now.egress, ["-1 all 10.0.0.0/8".to_owned()].into());
    assert_eq!(now.id, group, "the same group");

    // A description is no other rule: nothing is closed for it.
    scene.proxy.count_anew();
    let mut described = edited;
    described["network"]["securityGroup"]["ingress"][0]["description"] = json!("SSH");
    described["network"]["securityGroup"]["egress"][0]["description"] = json!("within");
    scene.converge(&firewalled().spec(described));
    let mut writes = mutating(&scene.proxy.calls());
    writes.sort();
    let descriptions = [
        "ec2.UpdateSecurityGroupRuleDescriptionsEgress",
        "ec2.UpdateSecurityGroupRuleDescriptionsIngress",
    ];
    assert_eq!(writes, descriptions);

    // Nothing in, and nothing out.
    scene.converge(&firewalled().spec(json!({"network": {"securityGroup": {"ingress": [], "egress": []}}})));
    assert!(
        scene.group("web").ingress.is_empty() && scene.group("web").egress.is_empty(),
        "{:?}",
        scene.group("web")
    );
}

#[test]
fn a_firewall_is_added_and_taken_away_while_it_runs() {
    let scene = Scene::new("regroup");
    let without = json!({"network": null});
    scene.converge(&firewalled().spec(without.clone()));
    let before = scene.instance("web");
    scene.converge(&firewalled());
    assert_eq!(scene.instance("web").groups, [scene.group("web").id].into());
    scene.converge(&firewalled().spec(without));
    assert_eq!(scene.instance("web").groups, before.groups, "the default group is back");
    scene.eventually(super::support::scene::SOON, "the group is gone", || {
        let left = scene.groups("web");
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    assert_eq!(scene.instance("web").id, before.id);
}
