//! Killing the operator: every process of the file that its supervisor keeps.

use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_process};

/// Sends SIGKILL to every process named in the file, read anew each time because the supervisor
/// restarts what was killed. Says what was done.
pub fn kill_all(path: &Path) -> String {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return report(&format!("killed nobody: {}: {error}", path.display())),
    };
    let outcomes: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(kill)
        .collect();
    if outcomes.is_empty() {
        return report(&format!("killed nobody: {} is empty", path.display()));
    }
    report(&outcomes.join(", "))
}

fn kill(line: &str) -> String {
    // 0 and negative numbers mean whole groups of processes, and 1 is the machine's first one.
    let pid = line.parse().ok().filter(|number| *number > 1).and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|pid| *pid != getpid()) else {
        return format!("{line:?} is no process that could be killed");
    };
    match kill_process(pid, Signal::KILL) {
        Ok(()) => format!("killed {line}"),
        Err(Errno::SRCH) => format!("{line} was dead already"),
        Err(error) => format!("{line} cannot be killed: {error}"),
    }
}

fn report(outcome: &str) -> String {
    eprintln!("fault-proxy: {outcome}");
    outcome.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_others_are_killed() {
        for line in ["0", "1", "-1", "x", "99999999999", &std::process::id().to_string()] {
            assert!(kill(line).contains("no process that could be killed"), "{line}");
        }
    }

    #[test]
    fn a_missing_file_kills_nobody() {
        assert!(kill_all(Path::new("/nonexistent/pids")).starts_with("killed nobody"));
    }
}
