//! When nothing happens, nothing is done.

use jiff::SignedDuration;

use super::cluster::NAMESPACE;
use super::stage::{Stage, minutes, web};

fn day() -> SignedDuration {
    SignedDuration::from_hours(24)
}

/// Calls other than the listings of the sweep, of which there are three every half minute.
fn calls_beside_the_sweep(stage: &Stage, time: SignedDuration) -> usize {
    let sweeps = usize::try_from(time.as_secs() / 30).unwrap() + 1;
    stage.memory.calls().len().saturating_sub(3 * sweeps)
}

#[test]
fn a_virtual_day_without_any_write() {
    let mut stage = Stage::converged(web());
    let before = stage.object();
    stage.pass(day());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.cluster.writes(), 0, "{}", stage.story());
    assert_eq!(stage.object(), before);
    assert!(stage.cluster.events().is_empty());
    let calls = calls_beside_the_sweep(&stage, day());
    assert!(
        (1..=40).contains(&calls),
        "read deeply about twice a day: {calls} calls"
    );
}

#[test]
fn an_instance_that_is_to_rest_rests_for_a_day() {
    let mut spec = web();
    spec["power"] = serde_json::json!({"state": "Stopped"});
    let mut stage = Stage::converged(spec);
    assert_eq!(stage.reason("Ready"), "Stopped");
    stage.pass(day());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.cluster.writes(), 0, "{}", stage.story());
}

#[test]
fn a_restart_with_300_converged_instances_writes_nothing_and_reads_in_batches() {
    let mut stage = Stage::new();
    for number in 0..300 {
        stage.cluster.create(&format!("web-{number}"), web());
    }
    stage.pass(minutes(30));
    assert_eq!(stage.living().len(), 300, "in {NAMESPACE}");
    stage.forget();
    stage.restart();
    stage.pass(minutes(2));
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.cluster.writes(), 0);
    let calls = calls_beside_the_sweep(&stage, minutes(2));
    assert!(calls <= 25, "{calls} calls");
}

#[test]
fn the_sweep_of_what_nobody_changed_wakes_nobody() {
    let mut stage = Stage::converged(web());
    stage.pass(minutes(60));
    assert_eq!(stage.reconciles, 0);
}

fn actions(stage: &Stage) -> Vec<&'static str> {
    stage.memory.calls().iter().map(|call| call.action).collect()
}

#[test]
fn a_create_costs_three_writes_and_sixteen_reads_at_most() {
    let mut stage = Stage::new();
    stage.apply(web());
    stage.until(minutes(2), "converged", Stage::is_converged);
    let reads = stage.memory.calls().len() - stage.writes().len();
    assert_eq!(stage.writes().len(), 3);
    assert!(reads <= 16, "{reads} reads, one sweep included: {:?}", actions(&stage));
}
