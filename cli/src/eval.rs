//! `tercet eval`.

use std::path::PathBuf;
use std::process::ExitCode;

/// What `tercet eval` was asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs `tercet eval`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("eval {} is not built yet", args.file.display())
}
