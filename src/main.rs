//! `nuvem`: the operator, and the generator of its CRDs.

use std::process::ExitCode;

use clap::Parser;
use nuvem::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nuvem: {error:#}");
            ExitCode::FAILURE
        }
    }
}
