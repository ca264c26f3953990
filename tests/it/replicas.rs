//! Two replicas, of which one acts. They have an environment of their own.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::support::env::Env;
use super::support::operator::{Operator, freeze, terminate, thaw};
use super::support::pool;
use super::support::wait::seconds;
use super::support::{Scene, firewalled, web};

/// The lease is 30 s; who waits for it looks every 5 s.
const A_LEASE: Duration = seconds(45);

/// An environment that goes down with the value.
struct Environment {
    env: Env,
}

impl Environment {
    fn with_two_replicas() -> Self {
        let state = pool::folder("two-replicas");
        let environment = Self {
            env: Env::of_state(&state),
        };
        let ran = Operator::new(environment.env.clone()).make(
            "up",
            &[
                ("NUVEM_REPLICAS", "2"),
                ("NUVEM_ARGS", "--sweep-interval-seconds 5"),
                ("NUVEM_UPSTREAM", ""),
            ],
        );
        assert!(ran.succeeded(), "make up: {}{}", ran.stdout, ran.stderr);
        environment
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let ran = Operator::new(self.env.clone()).make("down", &[]);
        assert!(
            ran.succeeded() || std::thread::panicking(),
            "make down: {}{}",
            ran.stdout,
            ran.stderr
        );
        let _: Result<(), std::io::Error> = std::fs::remove_dir_all(PathBuf::from(&self.env.state));
    }
}

fn lease(scene: &Scene, path: &str) -> String {
    let output = format!("jsonpath={path}");
    let arguments = [
        "get",
        "lease",
        "nuvem",
        "--namespace",
        "nuvem-system",
        "--output",
        &output,
    ];
    scene.kubectl.tried(&arguments, "").stdout
}

/// The replica that holds the lease.
fn leader(scene: &Scene) -> String {
    lease(scene, "{.spec.holderIdentity}")
}

/// How often the lease has changed hands.
fn transitions(scene: &Scene) -> u32 {
    lease(scene, "{.spec.leaseTransitions}").parse().unwrap_or_default()
}

/// A replica's number, which is the end of its pod's name.
fn number(leader: &str) -> usize {
    leader
        .rsplit('-')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{leader:?} is no replica"))
}

/// The access key with which a replica calls AWS.
fn key(number: usize) -> String {
    format!("AKIANUVEMREPLICA{number:04}")
}

#[test]
fn a_leader_that_was_frozen_for_longer_than_its_lease_writes_nothing_more() {
    let environment = Environment::with_two_replicas();
    let scene = Scene::of(environment.env.clone(), "frozen");
    scene.begin();
    scene.converge(&firewalled());
    let (instance, group) = (scene.instance("web").id, scene.group("web").id);
    let old = number(&leader(&scene));
    let writers = |since: usize| -> Vec<String> {
        let mut keys: Vec<String> = scene
            .proxy
            .calls()
            .log
            .into_iter()
            .skip(since)
            .filter(|call| call.mutating)
            .map(|call| call.key)
            .collect();
        keys.sort();
        keys.dedup();
        keys
    };
    assert_eq!(writers(0), [key(old)], "one of them acts");

    // Frozen with work before it, so that it would write as soon as it goes on.
    let pid = scene.operator.pids()[old];
    freeze(pid);
    scene.patch("web", &json!({"spec": {"instanceType": "t3.small"}}));
    scene.apply(&web().named("new"));
    let new = scene.eventually(A_LEASE, "another replica leads", || match leader(&scene) {
        name if number(&name) == old => Err(name),
        name => Ok(number(&name)),
    });
    let taken_over = scene.proxy.calls().log.len();
    scene.until_converged("new");
    scene.until_converged("web");
    thaw(pid);
    scene.eventually(seconds(20), "the old leader has ended", || {
        let pids = scene.operator.pids();
        if pids.contains(&pid) {
            Err(format!("{pids:?}"))
        } else {
            Ok(())
        }
    });
    scene.apply(&web().named("newer"));
    scene.until_converged("newer");
    scene.until_swept(2);

    assert_eq!(writers(taken_over), [key(new)], "nobody else has written since");
    assert_eq!((scene.instance("web").id, scene.group("web").id), (instance, group));
    assert_eq!(scene.instance("web").instance_type, "t3.small");
    scene.instance("new");

    // Asked to end, a leader gives the lease back: whoever takes it up, itself under its old name
    // included, takes it from nobody.
    let before = transitions(&scene);
    terminate(scene.operator.pids()[new]);
    scene.eventually(
        seconds(12),
        "the lease was given back and taken up",
        || match transitions(&scene) {
            now if now > before => Ok(()),
            now => Err(format!("{now} transitions, {before} before; {} leads", leader(&scene))),
        },
    );
    scene.delete("newer");
    drop(scene);
    drop(environment);
}
