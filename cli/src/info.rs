//! `tercet info`.

use std::path::PathBuf;
use std::process::ExitCode;

/// What `tercet info` was asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs `tercet info`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("info {} is not built yet", args.file.display())
}
