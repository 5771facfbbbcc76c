//! `tercet check`: whether a run could go on from here. Every checkpoint is read and its hashes compared; the log has each step once.

use std::path::PathBuf;
use std::process::ExitCode;

use ::train::run::check;
use anyhow::bail;

use crate::terminal::{note, say};

/// What `tercet check` was asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's folder
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
}

/// Runs `tercet check`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = check(&args.run)?;
    for (path, result) in &report.checkpoints {
        match result {
            Ok(tensors) => say(format_args!("{}: {tensors} tensors, hashes hold", path.display())),
            Err(problem) => note(format_args!("{problem}")),
        }
    }
    say(format_args!("log: up to step {}, each step once", report.logged));
    let damaged = report.checkpoints.iter().filter(|c| c.1.is_err()).count();
    match report.resumable {
        None => bail!("{} has no checkpoint that loads", args.run.display()),
        Some(step) if damaged > 0 => bail!("{damaged} damaged; training would continue after step {step}"),
        Some(step) => say(format_args!("ok: training can continue after step {step} of {}", report.steps)),
    }
    Ok(ExitCode::SUCCESS)
}
