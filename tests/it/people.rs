//! What people see who use kubectl.

use serde_json::json;

use super::support::{Scene, firewalled, web};

/// The column's titles and the first row under them.
fn table(text: &str) -> (Vec<String>, Vec<String>) {
    let mut rows = text
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    (rows.next().unwrap_or_default(), rows.next().unwrap_or_default())
}

#[test]
fn kubectl_get_shows_what_counts() {
    let scene = Scene::new("columns");
    scene.converge(&firewalled());
    let instance = scene.instance("web");
    let address = scene.get("web").status("address").to_owned();
    assert!(!address.is_empty());
    for what in ["ec2", "ec2instances", "ec2instance", "nuvem"] {
        let (titles, row) = table(&scene.kubectl.ok(&["get", what]));
        assert_eq!(
            titles,
            ["NAME", "READY", "STATE", "TYPE", "ADDRESS", "AGE"],
            "get {what}"
        );
        let name = row[0].trim_start_matches("ec2instance.nuvem.dev/").to_owned();
        assert_eq!(
            (name.as_str(), &row[1..5]),
            (
                "web",
                ["True", "running", "t3.micro", &address].map(str::to_owned).as_slice()
            )
        );
    }
    let (titles, row) = table(&scene.kubectl.ok(&["get", "ec2", "--output", "wide"]));
    assert_eq!(
        titles,
        [
            "NAME", "READY", "STATE", "TYPE", "ADDRESS", "SYNCED", "REASON", "ID", "ZONE", "AGE"
        ]
    );
    let zone = instance.all["placement"]["availabilityZone"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert_eq!(row[5..9], ["True".to_owned(), "InSync".to_owned(), instance.id, zone]);
}

#[test]
fn kubectl_describe_tells_the_story_with_ids() {
    let scene = Scene::new("describe");
    scene.converge(&firewalled());
    let id = scene.instance("web").id;
    scene.eventually(super::support::scene::SOON, "the events are there", || {
        let text = scene.kubectl.ok(&["describe", "ec2", "web"]);
        let events = text
            .split_once("Events:")
            .map(|(_, events)| events.to_owned())
            .unwrap_or_default();
        let missing: Vec<&str> = ["CreatingSecurityGroup", "LaunchingInstance", "t3.micro", "Ready", &id]
            .into_iter()
            .filter(|word| !events.contains(word))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("lacks {missing:?}:\n{events}"))
        }
    });
}

#[test]
fn kubectl_wait_works_for_ready_and_for_synced_and_for_delete() {
    let scene = Scene::new("wait");
    scene.apply(&web());
    for condition in ["Ready", "Synced"] {
        scene.kubectl.ok(&[
            "wait",
            &format!("--for=condition={condition}"),
            "ec2/web",
            "--timeout=30s",
        ]);
    }
    scene.patch("web", &json!({"spec": {"instanceType": "t3.small"}}));
    scene
        .kubectl
        .ok(&["wait", "--for=condition=Synced", "ec2/web", "--timeout=30s"]);
    assert_eq!(
        scene.instance("web").instance_type,
        "t3.small",
        "waiting has not passed on the old type"
    );
    scene.kubectl.ok(&["delete", "ec2/web", "--wait=false"]);
    scene.kubectl.ok(&["wait", "--for=delete", "ec2/web", "--timeout=30s"]);
}

#[test]
fn kubectl_diff_shows_what_an_apply_would_change_and_nothing_else() {
    let scene = Scene::new("diff");
    scene.converge(&firewalled());
    let diff =
        |manifest: &super::support::Manifest| scene.kubectl.tried(&["diff", "--filename", "-"], &manifest.text());
    let same = diff(&firewalled());
    assert_eq!(
        (same.code, same.stdout.as_str()),
        (Some(0), ""),
        "the operator writes nothing into the spec: {}",
        same.stderr
    );
    let other = diff(&firewalled().spec(json!({"instanceType": "t3.small"})));
    assert_eq!(other.code, Some(1), "{}", other.stderr);
    assert!(
        other.stdout.contains("-  instanceType: t3.micro") && other.stdout.contains("+  instanceType: t3.small"),
        "{}",
        other.stdout
    );
}

#[test]
fn kubectl_explain_reads_like_a_manual() {
    let scene = Scene::new("explain");
    for (path, words) in [
        ("ec2", "An EC2 instance"),
        ("ec2.spec", "The instance type, for example t3.micro"),
        ("ec2.spec.image", "exactly one"),
        (
            "ec2.spec.network.securityGroup.egress",
            "Absent: everything, as AWS has it. Empty: nothing",
        ),
        ("ec2.spec.userData.onChange", "Ignore (default)"),
        ("ec2.spec.deletionPolicy", "Retain"),
        ("ec2.status.conditions", "Ready, Synced"),
    ] {
        let text = scene.kubectl.ok(&["explain", path]);
        let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(words), "explain {path} lacks {words:?}:\n{text}");
    }
    let all = scene.kubectl.ok(&["explain", "ec2", "--recursive"]);
    assert!(all.contains("sizeGiB"), "{all}");
    assert!(!scene.kubectl.ok(&["explain", "ec2.spec"]).contains("<no description>"));
}

#[test]
fn two_applies_of_different_people_do_not_fight() {
    let scene = Scene::new("fields");
    let side = ["apply", "--server-side", "--field-manager", "team", "--filename", "-"];
    scene.kubectl.ok_with(&side, &web().text());
    let object = scene.until_converged("web");
    let managers = scene.kubectl.ok(&[
        "get",
        "ec2",
        "web",
        "--show-managed-fields",
        "--output",
        "jsonpath={range .metadata.managedFields[*]}{.manager}:{.subresource}:{.fieldsV1}{\"\\n\"}{end}",
    ]);
    for line in managers.lines().filter(|line| !line.starts_with("team:")) {
        assert!(!line.contains("f:spec"), "the spec is the user's: {line}");
    }
    scene
        .kubectl
        .ok_with(&side, &web().spec(json!({"tags": {"team": "shop"}})).text());
    scene.until_converged("web");
    assert_eq!(scene.instance("web").tags["team"], "shop");
    scene.kubectl.ok_with(&side, &web().text());
    scene.until_converged("web");
    assert!(
        !scene.instance("web").tags.contains_key("team"),
        "a tag that leaves the spec leaves AWS"
    );
    assert_eq!(scene.get("web").uid(), object.uid());
}
