//! What can be judged only when all the other tests have run. Tests begin in the order of their
//! names, this module's last; and it waits for the others' environments.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::support::env::root;
use super::support::pool;
use super::support::proxy::Proxy;

/// What IAM checks besides the call itself: tags that travel with a create.
const IMPLIED: [&str; 1] = ["ec2:CreateTags"];
/// IAM lets everybody ask this.
const NEEDS_NO_PERMISSION: [&str; 1] = ["sts:GetCallerIdentity"];

/// `ec2.RunInstances` as IAM writes it.
fn action(call: &str) -> String {
    call.replacen('.', ":", 1)
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

#[test]
fn the_iam_policy_allows_every_call_that_was_made_and_no_other() {
    let mut made = BTreeSet::new();
    for env in pool::take_all() {
        let proxy = Proxy::new(&env);
        proxy.note();
        made.extend(proxy.made_in_this_run().iter().map(|call| action(call)));
    }
    assert!(
        made.contains("ec2:RunInstances"),
        "run all tests, not this one alone: {made:?}"
    );

    let text = fs::read_to_string(root().join("docs/iam-policy.json")).expect("docs/iam-policy.json");
    let policy: Value = serde_json::from_str(&text).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    assert!(
        statements
            .iter()
            .all(|statement| statement["Effect"] == "Allow" && statement["NotAction"].is_null())
    );
    let allowed: BTreeSet<String> = statements
        .iter()
        .flat_map(|statement| strings(&statement["Action"]))
        .collect();
    assert!(
        allowed.iter().all(|one| !one.contains('*')),
        "each action by its name: {allowed:?}"
    );

    let needed = |one: &&String| !NEEDS_NO_PERMISSION.contains(&one.as_str());
    let missing: Vec<_> = made.difference(&allowed).filter(needed).collect();
    assert!(
        missing.is_empty(),
        "called, but not in docs/iam-policy.json: {missing:?}"
    );
    let unused: Vec<_> = allowed
        .difference(&made)
        .filter(needed)
        .filter(|one| !IMPLIED.contains(&one.as_str()))
        .collect();
    assert!(
        unused.is_empty(),
        "in docs/iam-policy.json, but never called: {unused:?}"
    );
}
