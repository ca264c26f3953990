//! Where the environment is: the file that `make up` writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `.local/env` says, and the folder that it lies in.
#[derive(Clone, Debug)]
pub struct Env {
    file: PathBuf,
    /// The folder with the logs, the tools and the state of everything that runs.
    pub state: PathBuf,
}

impl Env {
    /// The environments that this run was started for. `NUVEM_ENV_FILE` names one file, or several
    /// with colons between them, as PATH does.
    pub fn of_this_run() -> Vec<Self> {
        let Some(files) = std::env::var_os("NUVEM_ENV_FILE").filter(|files| !files.is_empty()) else {
            panic!(
                "NUVEM_ENV_FILE is not set: these tests need an environment. Run `make test`, which brings one up; \
                 or `make up`, and set NUVEM_ENV_FILE=.local/env."
            );
        };
        std::env::split_paths(&files).map(|file| Self::of_file(&file)).collect()
    }

    /// The file lies in the environment's state folder. A relative path counts from the checkout,
    /// where `make` runs.
    fn of_file(file: &Path) -> Self {
        let file = root().join(file);
        Self {
            state: file.parent().expect("a folder").to_owned(),
            file,
        }
    }

    /// The environment whose state folder this is.
    pub fn of_state(state: &Path) -> Self {
        Self::of_file(&state.join("env"))
    }

    /// A variable, read anew: the process ids change.
    pub fn get(&self, name: &str) -> String {
        let text = std::fs::read_to_string(&self.file)
            .unwrap_or_else(|error| panic!("{}: {error}. Run `make test`, or `make up` first.", self.file.display()));
        variables(&text)
            .remove(name)
            .unwrap_or_else(|| panic!("{} does not export {name}", self.file.display()))
    }

    /// A tool of the environment's own.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.state.join("bin").join(name)
    }

    /// A replica's log.
    pub fn operator_log(&self, replica: usize) -> String {
        let path = self.state.join(format!("operator-{replica}.log"));
        std::fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The exports of a file for a shell. Values are written as Python's `shlex.quote` does.
fn variables(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("export "))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

#[test]
fn the_exports_of_an_env_file_are_read() {
    let read =
        variables("# x\nunset A\nexport KUBECONFIG=/tmp/k\nexport NUVEM_OPERATOR_PIDS='12 13'\nexport EMPTY=''\n");
    assert_eq!(read["KUBECONFIG"], "/tmp/k");
    assert_eq!(read["NUVEM_OPERATOR_PIDS"], "12 13");
    assert_eq!(read["EMPTY"], "");
}
