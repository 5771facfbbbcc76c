//! The `tercet` binary: a shell around the library crates. Each sub-command is a file with an `Args`
//! and a `run`; this one only reads the command line and passes the word on.

mod app;
mod arenas;
mod bench;
mod chat;
mod check;
mod command_line;
mod convert;
mod data;
mod device;
mod devices;
mod eval;
mod exit;
mod export;
mod generate;
mod info;
mod lines;
mod opened;
mod progress;
mod sampling;
mod serve;
mod shell;
mod signals;
mod terminal;
mod threads;
mod train;
mod verse;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

/// Train, shrink and run 1.58-bit language models.
///
/// With no arguments, or with just a model file, Tercet opens the app; where there is no display it writes to the terminal.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, arg_required_else_help = false)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 left at once (what was not saved is lost), 130 interrupted (work saved)."
)]
struct Cli {
    /// A model to open in the app, as a GGUF file; the last one, or the shipped one, if absent
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the app on a page, or draw one into a picture
    App(app::Args),
    /// Train a model on a text, or continue a run
    Train(train::Args),
    /// Write a trained model as one GGUF file
    Export(export::Args),
    /// Store a model in another format or in other types
    Convert(convert::Args),
    /// Continue a prompt
    Generate(generate::Args),
    /// Talk with a model in the terminal
    Chat(chat::Args),
    /// Serve models over HTTP, as OpenAI's clients expect it
    Serve(serve::Args),
    /// Measure a model on a text: nats per token and bits per byte
    Eval(eval::Args),
    /// Measure this machine, its kernels, or a model's speed
    Bench(Box<bench::Args>),
    /// List what models can run and train on here
    Devices,
    /// Show what a model file holds: sizes, types, metadata, checks
    Info(info::Args),
    /// Verify a run: its checkpoints' hashes and its log
    Check(check::Args),
    /// Fetch a training text, verified by its hash
    Data(data::Args),
}

fn main() -> ExitCode {
    let began = Instant::now();
    exit::quiet_panics();
    let matches = match command_line::with_plain_values(Cli::command()).try_get_matches() {
        Ok(matches) => matches,
        // The list of devices needs nothing else, no model for one.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument && device::list_is_asked() => {
            return exit::report(device::list());
        }
        Err(error) => error.exit(),
    };
    let device = |(_, args): (_, &ArgMatches)| args.try_get_one::<String>("device").ok().flatten().cloned();
    if matches.subcommand().and_then(device).as_deref() == Some("list") {
        return exit::report(device::list());
    }
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    exit::report(match &cli.command {
        None => app::open(cli.file.as_deref()),
        Some(Command::App(args)) => app::run(args, began),
        Some(Command::Train(args)) => train::run(args),
        Some(Command::Export(args)) => export::run(args),
        Some(Command::Convert(args)) => convert::run(args),
        Some(Command::Check(args)) => check::run(args),
        Some(Command::Data(args)) => data::run(args),
        Some(Command::Generate(args)) => generate::run(args),
        Some(Command::Chat(args)) => chat::run(args),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Eval(args)) => eval::run(args),
        Some(Command::Bench(args)) => bench::run(args),
        Some(Command::Devices) => devices::run(),
        Some(Command::Info(args)) => info::run(args),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        command_line::with_plain_values(Cli::command()).debug_assert();
    }
}
