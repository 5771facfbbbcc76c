//! `tercet bench`: what this machine can do and what kernels and models get of it. The `bench` library measures; this shows its
//! rows as they come and writes them down.

mod output;
mod serving;
pub mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use ::bench::{Cell, ModelOptions, Options, Outcome, ProductOptions, Row, Shape, Source, Watch};
use anyhow::bail;
use cpu::Kernels;
use indicatif::{ProgressBar, ProgressDrawTarget};
use runtime::synthetic;

use crate::device::{DeviceArg, devices};
use crate::exit::{self, usage};
use crate::terminal::{move_by_itself, note, stderr_is_terminal};
use output::Output;
use table::Table;

/// What `tercet bench` was asked.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Without a model: the machine and every kernel, each held against the scalar one before it is timed. With a model: prompts (pp) and single tokens (tg), as llama-bench counts them. docs/bench/README.md says how each figure is measured."
)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE", conflicts_with = "synthetic")]
    file: Option<PathBuf>,
    /// A model of random weights of this shape: bitnet-2b, bonsai-1.7b, showcase or shakespeare
    #[arg(long, value_name = "NAME")]
    synthetic: Option<String>,
    /// Fewer shapes and batches, and only memory's bandwidth
    #[arg(long)]
    quick: bool,
    /// A matrix, outputs x inputs
    #[arg(long = "shape", value_name = "RxC", value_delimiter = ',')]
    shapes: Vec<String>,
    /// A kernel: plain, scalar, or any that this processor runs
    #[arg(long = "kernel", value_name = "NAME", value_delimiter = ',')]
    kernels: Vec<String>,
    /// Tokens at once
    #[arg(long = "batch", value_name = "N", value_delimiter = ',')]
    batches: Vec<usize>,
    /// Only matrices that caches may hold, none from memory
    #[arg(long)]
    hot: bool,
    /// Threads [default: 1 and all; of a model, as many as it would run on]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    threads: Vec<usize>,
    /// Tokens of a prompt
    #[arg(short = 'p', long = "prompt", value_name = "N", value_delimiter = ',', default_value = "512")]
    prompts: Vec<usize>,
    /// Tokens to write
    #[arg(short = 'n', long = "tokens", value_name = "N", value_delimiter = ',', default_value = "128")]
    tokens: Vec<usize>,
    /// Tokens that the model holds before
    #[arg(short = 'd', long = "depth", value_name = "N", value_delimiter = ',', default_value = "0")]
    depths: Vec<usize>,
    /// Repetitions of each test of a model
    #[arg(short = 'r', long, value_name = "N", default_value_t = 5)]
    repetitions: usize,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else can be measured.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Measure a server: this program's or any other with OpenAI's API
    Serve(serving::Args),
}

/// Runs `tercet bench`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Other::Serve(args)) = &args.other {
        return serving::run(args);
    }
    let mut options = options(args)?;
    if let Some(gpu) = devices().open(&args.device.device)? {
        // Beside the device: what the CPU does best, and without the cold rows that a device has none of.
        if let Some(products) = options.products.as_mut().filter(|_| args.kernels.is_empty()) {
            products.kernels = vec![Kernels::best().name.to_owned()];
            products.cold_batches.clear();
        }
        options.gpus = vec![gpu];
    }
    let format = args.output.format()?;
    let cancel = crate::signals::stop_flag("stopping after this row");
    // Rows on stdout as they come, unless it is to hold the export.
    let table = args.output.leaves_stdout().then(Table::default);
    let spinner = spinner();
    let mut shown = Shown { table, spinner: &spinner, cancel: &cancel, rows: Vec::new(), written: Ok(()) };
    let outcome = ::bench::run(&options, &mut shown, &cancel);
    spinner.finish_and_clear();
    let Shown { rows, written, .. } = shown;
    let outcome = outcome.map_err(|error| match error {
        ::bench::Error::Option { .. } => usage(error.to_string()),
        other => other.into(),
    })?;
    written?;
    args.output.write(&rows, format)?;
    ending(outcome)
}

/// Shows rows as they come, and keeps them.
struct Shown<'a> {
    table: Option<Table>,
    spinner: &'a ProgressBar,
    cancel: &'a AtomicBool,
    rows: Vec<Row>,
    written: std::io::Result<()>,
}

impl Watch for Shown<'_> {
    fn next(&mut self, cell: Cell) {
        self.spinner.set_message(cell.name);
    }

    fn row(&mut self, row: Row) {
        if let Some(table) = &mut self.table {
            let lines = table.lines(&row);
            self.spinner.suspend(|| self.written = std::io::stdout().lock().write_all(lines.as_bytes()));
            if self.written.is_err() {
                self.cancel.store(true, Ordering::Relaxed);
            }
        }
        self.rows.push(row);
    }
}

fn options(args: &Args) -> anyhow::Result<Options> {
    let source = match (&args.file, &args.synthetic) {
        (Some(file), _) => Some(Source::File(file.clone())),
        (None, Some(name)) if synthetic::config(name).is_none() => {
            let known = synthetic::SHAPES.map(|(name, _)| name).join(", ");
            return Err(usage(format!("--synthetic is \"{}\"; expected {known}", name.escape_debug())));
        }
        (None, Some(name)) => Some(Source::Synthetic(name.clone())),
        (None, None) => None,
    };
    let mut options = Options { commit: env!("TERCET_COMMIT").to_owned(), ..Options::default() };
    if let Some(source) = source {
        if args.quick || args.hot || !args.shapes.is_empty() || !args.batches.is_empty() {
            return Err(usage(
                "--quick, --hot, --shape and --batch measure kernels; a model has its own shapes",
            ));
        }
        options.threads = vec![runtime::default_threads()];
        options.whole_machine = false;
        options.products = None;
        options.model = Some(ModelOptions {
            source,
            kernels: model_kernels(&args.kernels)?,
            pairs: Vec::new(),
            matmuls: true,
            sha256: None,
            prompts: args.prompts.clone(),
            generate: args.tokens.clone(),
            depths: args.depths.clone(),
            repetitions: args.repetitions,
        });
    } else {
        options.whole_machine = !args.quick;
        let mut products = if args.quick { ProductOptions::quick() } else { ProductOptions::default() };
        if !args.shapes.is_empty() {
            let shapes = args.shapes.iter().map(|text| text.parse::<Shape>());
            products.shapes = shapes.collect::<Result<_, _>>().map_err(|e| usage(e.to_string()))?;
        }
        if !args.kernels.is_empty() {
            products.kernels = args.kernels.clone();
        }
        if !args.batches.is_empty() {
            products.batches = args.batches.clone();
            products.cold_batches = args.batches.clone();
        }
        if args.hot {
            products.cold_batches.clear();
        }
        options.products = Some(products);
    }
    if !args.threads.is_empty() {
        options.threads = args.threads.clone();
    }
    Ok(options)
}

/// A model is laid out for one row of the table after the other.
fn model_kernels(names: &[String]) -> anyhow::Result<Vec<&'static Kernels>> {
    if names.is_empty() {
        return Ok(vec![Kernels::chosen().map_err(anyhow::Error::msg)?]);
    }
    let named = |name: &String| {
        Kernels::named(name).ok_or_else(|| {
            let known: Vec<_> = Kernels::available().iter().map(|row| row.name).collect();
            usage(format!("--kernel is \"{}\"; expected {}", name.escape_debug(), known.join(", ")))
        })
    };
    names.iter().map(named).collect()
}

/// Something that moves while a slow row is measured, if a person is watching.
fn spinner() -> ProgressBar {
    if !stderr_is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let spinner = ProgressBar::new_spinner().with_message("starting");
    move_by_itself(&spinner);
    spinner
}

fn ending(outcome: Outcome) -> anyhow::Result<ExitCode> {
    match outcome {
        Outcome { mismatches: 1.., .. } => {
            bail!(
                "{} rows differ from the scalar kernel's results, or from the CPU's text",
                outcome.mismatches
            )
        }
        Outcome { cancelled: true, .. } => {
            note(format_args!("interrupted"));
            Ok(ExitCode::from(exit::INTERRUPTED))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_results_are_a_failure_and_interruption_is_130() {
        let end = |mismatches, cancelled| ending(Outcome { mismatches, cancelled });
        assert_eq!(end(0, false).unwrap(), ExitCode::SUCCESS);
        assert_eq!(end(0, true).unwrap(), ExitCode::from(130));
        assert!(end(2, false).unwrap_err().to_string().starts_with("2 rows differ"));
        assert!(end(1, true).is_err());
    }
}
