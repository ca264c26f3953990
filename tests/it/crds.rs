//! The CRDs in the repository are those that the binary's types say.

use std::fs;
use std::process::Command;

use super::support::env::root;
use super::support::kubectl::run;

#[test]
fn the_crds_in_the_repository_are_up_to_date() {
    let ran = run(Command::new(env!("CARGO_BIN_EXE_nuvem")).arg("crds"), "");
    assert!(ran.succeeded(), "{}", ran.stderr);
    for folder in ["crds", "charts/nuvem/files/crds"] {
        let mut files: Vec<_> = fs::read_dir(root().join(folder))
            .expect(folder)
            .map(|file| file.expect("a file").path())
            .collect();
        files.sort();
        let written: String = files
            .iter()
            .map(|file| format!("---\n{}", fs::read_to_string(file).expect("a CRD")))
            .collect();
        assert_eq!(written, ran.stdout, "{folder} is stale: run `make crds`");
    }
}

#[test]
fn every_crd_stays_under_120_kilobytes_and_says_what_each_field_is() {
    let ran = run(Command::new(env!("CARGO_BIN_EXE_nuvem")).arg("crds"), "");
    for crd in ran.stdout.split("---\n").filter(|crd| !crd.is_empty()) {
        assert!(crd.len() < 120_000, "{} bytes", crd.len());
        let read: serde_json::Value = serde_yaml_ng::from_str(crd).expect("YAML");
        let schema = &read["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        assert_eq!(undescribed("spec", schema), [] as [String; 0]);
        assert!(!crd.contains("nullable: true"), "an absent field is absent, not null");
    }
}

/// The paths of all properties that have no description.
fn undescribed(path: &str, schema: &serde_json::Value) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if property["description"].as_str().is_none_or(str::is_empty) {
            missing.push(path.clone());
        }
        missing.extend(undescribed(&path, property));
        missing.extend(undescribed(&path, &property["items"]));
    }
    missing
}
