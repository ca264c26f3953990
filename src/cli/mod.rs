//! The command line: parses arguments and starts things.

mod crds;
mod run;

use clap::{Parser, Subcommand};

/// Run AWS from Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "nuvem", version, about, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator.
    Run(Box<run::Run>),
    /// Prints the CRDs, or writes them to a folder.
    Crds(crds::Crds),
}

impl Cli {
    /// Does what the arguments ask for.
    ///
    /// # Errors
    ///
    /// What went wrong, for people.
    pub fn execute(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(run) => run.execute(),
            Command::Crds(crds) => crds.execute(),
        }
    }
}
