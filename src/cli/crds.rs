//! `nuvem crds`: the CRDs as they are committed and installed.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

/// Prints the CRDs, or writes them to folders.
#[derive(Debug, Args)]
pub struct Crds {
    /// A folder to write one file a kind to; several may be given. Without one they are printed.
    #[arg(long)]
    out: Vec<PathBuf>,
}

impl Crds {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        for (name, text) in files()? {
            if self.out.is_empty() {
                print!("---\n{text}");
            }
            for folder in &self.out {
                let path = folder.join(&name);
                std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
                std::fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Each CRD's file name and text.
fn files() -> anyhow::Result<Vec<(String, String)>> {
    nuvem_core::kinds::crds()
        .into_iter()
        .map(|crd| {
            let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
            Ok((name, serde_yaml_ng::to_string(&crd)?))
        })
        .collect()
}
