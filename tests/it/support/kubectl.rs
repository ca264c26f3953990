//! kubectl and the other tools, as people use them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::env::{Env, root};

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub const fn succeeded(&self) -> bool {
        matches!(self.code, Some(0))
    }
}

/// Runs a command with something on its stdin.
pub fn run(command: &mut Command, stdin: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    // Who does not read its stdin closes it: that is no failure.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let Output { status, stdout, stderr } = child.wait_with_output().expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// The environment's kubectl, in a namespace.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: String,
    cache: PathBuf,
    namespace: String,
}

impl Kubectl {
    pub fn new(env: &Env, namespace: &str) -> Self {
        Self {
            program: env.tool("kubectl"),
            kubeconfig: env.get("KUBECONFIG"),
            // A cache of this environment's own: what a cluster serves is remembered by its port.
            cache: env.state.join("helm").join("kubectl"),
            namespace: namespace.to_owned(),
        }
    }

    /// Whatever comes of it.
    pub fn tried(&self, arguments: &[&str], stdin: &str) -> Ran {
        let mut command = Command::new(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", &self.cache)
            .args(["--namespace", &self.namespace])
            .args(arguments)
            .current_dir(root());
        run(&mut command, stdin)
    }

    /// Its stdout; it must succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, "")
    }

    /// The same with something on stdin.
    pub fn ok_with(&self, arguments: &[&str], stdin: &str) -> String {
        let ran = self.tried(arguments, stdin);
        assert!(
            ran.succeeded(),
            "kubectl {}: {}{}\n{stdin}",
            arguments.join(" "),
            ran.stdout,
            ran.stderr
        );
        ran.stdout
    }
}
