//! The operator's processes, and the commands that end and begin them.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::env::{Env, root};
use super::kubectl::{Ran, run};

/// The replicas of one environment.
#[derive(Clone, Debug)]
pub struct Operator {
    env: Env,
}

impl Operator {
    pub const fn new(env: Env) -> Self {
        Self { env }
    }

    /// One of `make`'s commands, in this environment.
    pub fn make(&self, command: &str, variables: &[(&str, &str)]) -> Ran {
        let mut python = Command::new("python3");
        python
            .arg(root().join("tests/env/env.py"))
            .arg(command)
            .env("NUVEM_STATE", &self.env.state)
            .envs(variables.iter().copied())
            .current_dir(root());
        run(&mut python, "")
    }

    fn must(&self, command: &str) {
        let ran = self.make(command, &[]);
        assert!(ran.succeeded(), "make {command}: {}{}", ran.stdout, ran.stderr);
    }

    /// SIGTERM, and a new one.
    pub fn restart(&self) {
        self.must("restart");
    }

    /// kill -9, and a new one.
    pub fn kill(&self) {
        self.must("kill");
    }

    /// The replicas' process ids, by number.
    pub fn pids(&self) -> Vec<i32> {
        self.env
            .get("NUVEM_OPERATOR_PIDS")
            .split_whitespace()
            .map(|pid| pid.parse().expect("a process id"))
            .collect()
    }

    /// How often AWS is swept.
    pub fn sweep_interval(&self) -> Duration {
        const FLAG: &str = "--sweep-interval-seconds";
        let path = self.env.state.join("operator-launch.json");
        let launch: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("a launch file")).expect("JSON");
        let arguments: Vec<&str> = launch["replicas"][0]["argv"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_str())
            .collect();
        let joined = arguments
            .iter()
            .filter_map(|one| one.strip_prefix(FLAG)?.strip_prefix('='));
        let apart = arguments.windows(2).filter(|pair| pair[0] == FLAG).map(|pair| pair[1]);
        // The last one counts: what NUVEM_ARGS says stands behind what the chart renders.
        let seconds = apart
            .chain(joined)
            .last()
            .map_or(30, |seconds| seconds.parse().expect("seconds"));
        Duration::from_secs(seconds)
    }
}

/// Freezes a process: it neither runs nor ends.
pub fn freeze(pid: i32) {
    signal(pid, Signal::STOP);
}

/// Lets a frozen process go on.
pub fn thaw(pid: i32) {
    signal(pid, Signal::CONT);
}

/// Asks a process to end.
pub fn terminate(pid: i32) {
    signal(pid, Signal::TERM);
}

fn signal(pid: i32, signal: Signal) {
    let process = Pid::from_raw(pid).expect("a process id");
    kill_process(process, signal).unwrap_or_else(|error| panic!("{signal:?} to {pid}: {error}"));
}
