//! Bad YAML is refused by the API server, in words that say what to write.

use serde_json::{Value, json};

use super::support::{Scene, web};

/// The spec's patch, and what the refusal must say.
type Case = (&'static str, Value, &'static [&'static str]);

#[expect(clippy::needless_pass_by_value, reason = "callers write `json!` without more")]
fn rule(rule: Value) -> Value {
    json!({"network": {"securityGroup": {"ingress": [rule]}}})
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let window = json!({"timeZone": "Etc/UTC", "start": "0 3 * * 0", "durationMinutes": 0});
    vec![
        (
            "two images",
            json!({"image": {"id": "ami-0123456789abcdef0"}}),
            &["exactly one of id, ssmParameter, filter"],
        ),
        (
            "no image",
            json!({"image": {"ssmParameter": null}}),
            &["exactly one of id, ssmParameter, filter", "ssmParameter: /aws/service/"],
        ),
        (
            "an unknown kind of image",
            json!({"image": {"ssmParameter": null, "name": "ubuntu"}}),
            &["unknown field \"spec.image.name\""],
        ),
        (
            "an image that is no id",
            json!({"image": {"ssmParameter": null, "id": "ubuntu"}}),
            &["spec.image.id", "ami-"],
        ),
        (
            "a type that is none",
            json!({"instanceType": "big"}),
            &["spec.instanceType"],
        ),
        (
            "cidr nonsense",
            rule(json!({"port": 22, "cidrs": ["10.0.0.0/99"]})),
            &["IPv4 networks", "203.0.113.7/32"],
        ),
        (
            "an address without a length",
            rule(json!({"port": 22, "cidrs": ["10.0.0.1"]})),
            &["203.0.113.7/32 for one address"],
        ),
        (
            "IPv6 among IPv4",
            rule(json!({"port": 22, "cidrs": ["2001:db8::/32"]})),
            &["cidrs holds IPv4 networks"],
        ),
        (
            "a rule without a peer",
            rule(json!({"port": 22})),
            &["at least one of cidrs", "cidrs: [0.0.0.0/0]"],
        ),
        (
            "port 70000",
            rule(json!({"port": 70_000, "cidrs": ["0.0.0.0/0"]})),
            &["ingress[0].port", "65535"],
        ),
        (
            "a port and a range",
            rule(json!({"port": 22, "fromPort": 1, "toPort": 2, "cidrs": ["0.0.0.0/0"]})),
            &["either port, or both fromPort and toPort"],
        ),
        (
            "half a range",
            rule(json!({"fromPort": 1, "cidrs": ["0.0.0.0/0"]})),
            &["either port, or both fromPort and toPort"],
        ),
        (
            "a range backwards",
            rule(json!({"fromPort": 90, "toPort": 80, "cidrs": ["0.0.0.0/0"]})),
            &["fromPort must not be greater than toPort"],
        ),
        (
            "tcp without a port",
            rule(json!({"cidrs": ["0.0.0.0/0"]})),
            &["tcp and udp need port"],
        ),
        (
            "icmp with a port",
            rule(json!({"protocol": "icmp", "port": 1, "cidrs": ["0.0.0.0/0"]})),
            &["icmp and all have none"],
        ),
        (
            "an unknown protocol",
            rule(json!({"protocol": "sctp", "port": 1, "cidrs": ["0.0.0.0/0"]})),
            &["\"tcp\", \"udp\", \"icmp\", \"all\""],
        ),
        (
            "Window without a window",
            json!({"disruption": {"policy": "Window"}}),
            &["needs disruption.window", "durationMinutes: 120"],
        ),
        (
            "a window of no length",
            json!({"disruption": {"policy": "Window", "window": window}}),
            &["durationMinutes"],
        ),
        (
            "an unknown policy",
            json!({"disruption": {"policy": "Sometimes"}}),
            &["\"Immediate\", \"Window\", \"Never\""],
        ),
        (
            "two sources of user data",
            json!({"userData": {"inline": "#!/bin/sh", "secretRef": {"name": "a", "key": "b"}}}),
            &["exactly one of inline, secretRef, configMapRef"],
        ),
        (
            "no source of user data",
            json!({"userData": {"onChange": "Ignore"}}),
            &["exactly one of inline, secretRef, configMapRef"],
        ),
        (
            "user data that is too long",
            json!({"userData": {"inline": "x".repeat(16_385)}}),
            &["spec.userData.inline", "16384"],
        ),
        (
            "an unknown power state",
            json!({"power": {"state": "On"}}),
            &["\"Running\", \"Stopped\""],
        ),
        (
            "a reserved tag",
            json!({"tags": {"nuvem.dev/uid": "mine"}}),
            &["does not begin with aws: or nuvem.dev/"],
        ),
        (
            "41 tags",
            json!({"tags": (0..41).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>()}),
            &["spec.tags", "40"],
        ),
        ("a Region that is none", json!({"region": "Virginia"}), &["spec.region"]),
        (
            "a hop limit of 65",
            json!({"metadataOptions": {"httpPutResponseHopLimit": 65}}),
            &["httpPutResponseHopLimit", "64"],
        ),
        (
            "a boolean for protection",
            json!({"protection": {"termination": true}}),
            &["spec.protection.termination"],
        ),
        (
            "a volume of no size",
            json!({"rootVolume": {"sizeGiB": 0}}),
            &["rootVolume.sizeGiB"],
        ),
    ]
}

#[test]
fn bad_yaml_is_refused_with_a_message_that_says_what_to_write() {
    let scene = Scene::new("bad-yaml");
    for (what, patch, words) in cases() {
        let ran = scene.judged(&web().spec(patch));
        assert!(!ran.succeeded(), "{what} was accepted");
        for word in words {
            assert!(
                ran.stderr.contains(word),
                "{what}: the refusal lacks {word:?}:\n{}",
                ran.stderr
            );
        }
    }
    assert!(scene.judged(&web()).succeeded(), "good YAML is accepted");
}

#[test]
fn a_field_that_does_not_exist_is_refused() {
    let scene = Scene::new("misspelt");
    let ran = scene.judged(&web().spec(json!({"instancetype": "t3.micro"})));
    assert!(!ran.succeeded());
    assert!(
        ran.stderr.contains("unknown field \"spec.instancetype\""),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_name_of_64_characters_is_refused() {
    let scene = Scene::new("long-name");
    let ran = scene.judged(&web().named(&"a".repeat(64)));
    assert!(!ran.succeeded());
    assert!(ran.stderr.contains("at most 63 characters"), "{}", ran.stderr);
    assert!(scene.judged(&web().named(&"a".repeat(63))).succeeded());
}

#[test]
fn what_cannot_change_is_refused_on_an_edit() {
    let scene = Scene::new("edits");
    scene.converge(&web().spec(json!({"region": "us-east-1", "rootVolume": {"sizeGiB": 20}})));
    for (patch, words) in [
        (json!({"rootVolume": {"sizeGiB": 19}}), "a volume cannot shrink"),
        (json!({"region": "eu-west-1"}), "spec.region cannot change"),
    ] {
        let ran = scene.kubectl.tried(
            &[
                "patch",
                "ec2",
                "web",
                "--type",
                "merge",
                "--dry-run=server",
                "--patch",
                &json!({"spec": patch}).to_string(),
            ],
            "",
        );
        assert!(!ran.succeeded());
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    // Taking the Region away and writing another is no way round it.
    scene.patch("web", &json!({"spec": {"region": null}}));
    let ran = scene.judged(&web().spec(json!({"region": "eu-west-1", "rootVolume": {"sizeGiB": 20}})));
    assert!(ran.stderr.contains("status.region"), "{}", ran.stderr);
}
