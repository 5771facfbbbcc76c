//! `tercet train`: reads the command line into a configuration, watches the run, and says how it went.
//! The run itself is the `train` crate's.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, sync_channel};

use ::train::config::Config;
use ::train::preset::{self, PRESETS};
use ::train::run::{
    CPU, Control, Device, Opening, Options, Order, Outcome, Resume, Run, Summary, config_at, stored_config,
};
use ::train::sample;
use anyhow::Context;
use clap::builder::TypedValueParser;
use formats::gguf::Gguf;
use model::config::ModelConfig;
use runtime::request::{GenerateRequest, WhenFull};
use runtime::sampler::Sampling;
use train_cuda::choice::{CardSet, Choice, candidates};
use train_cuda::run::{Taking, trainer};
use train_cuda::several::Cluster;

#[cfg(unix)]
use signal_hook::consts::SIGXFSZ;

use crate::exit;
use crate::progress::Progress;
use crate::shell;
use crate::signals::stop_flag_and_save;
use crate::terminal::{note, say};
use crate::threads::Threads;

/// What `tercet train` was asked.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct Args {
    /// A named configuration to start from [default: that of the run, or shakespeare]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Text to learn from; several are joined in order
    #[arg(long, value_name = "FILE", num_args = 1..)]
    text: Vec<PathBuf>,
    /// A TOML file whose keys replace those of the preset, or of the run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replace one key, such as model.width=128; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Folder of the run: configuration, logs, checkpoints
    #[arg(long, value_name = "RUN_DIR", required_unless_present = "show_config")]
    out: Option<PathBuf>,
    /// Steps of the whole run; the learning rate falls towards the last
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Save and stop after this many steps; the same command without it goes on as if never stopped
    #[arg(long, value_name = "N")]
    pause_after: Option<u64>,
    /// Decides first weights, order of the data and dropout
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Threads; results do not depend on it [default: all]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
    /// auto: continue the run in RUN_DIR if there is one. never: refuse if there is one. PATH: start from this checkpoint or run;
    /// the same text goes on with its steps, with other rates or another seed if you like, another text begins at step 0 with its weights
    #[arg(long, value_name = "auto|never|PATH", default_value = "auto", value_parser = resume())]
    resume: Resume,
    /// Where to train: auto (the first NVIDIA card that can, or else the processor), cpu, cuda, cuda:N or cuda:N,M. A run may move from one to
    /// another: the same command with another device goes on there
    #[arg(long, value_name = "DEVICE", default_value_t = Choice::Auto)]
    device: Choice,
    /// Train on several NVIDIA cards, such as 0,1: each takes a share of every batch. torchrun or srun start it on several machines, a
    /// process a card
    #[arg(long, value_name = "N,M", conflicts_with = "device")]
    devices: Option<CardSet>,
    /// stdin: take orders from there while training, a word a line: pause, resume, save, sample, stop. Its end stops nothing
    #[arg(long, value_name = "stdin")]
    control: Option<Orders>,
    /// Print the configuration as TOML and stop
    #[arg(long)]
    show_config: bool,
}

/// Where orders come from.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Orders {
    Stdin,
}

fn after_help() -> String {
    let mut text = String::from("Presets:\n");
    for (name, what) in PRESETS {
        text.push_str(&format!("  {name:<12} {what}\n"));
    }
    text.push_str("\nCtrl-C, SIGTERM or SIGHUP saves a checkpoint and exits 130; the same command continues. SIGUSR1 saves and goes on.");
    text
}

/// Runs `tercet train`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let choice = args.devices.map_or(args.device, Choice::Cards);
    let cluster = if args.show_config { None } else { Cluster::from_env()? };
    if let Some(cluster) = &cluster {
        fits_cluster(choice)?;
        // It hears from the first one what there is to do.
        if cluster.rank > 0 {
            return follow(cluster);
        }
    }
    let config = config(args)?;
    if args.show_config {
        crate::terminal::write_now(&toml::to_string(&config).context("cannot print the configuration")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listener = cluster.as_ref().map(Cluster::listen).transpose()?;
    let others = cluster.as_ref().zip(listener.as_ref());
    let out = args.out.clone().expect("clap requires it");
    let (give, orders) = sync_channel(16);
    let order = give.clone();
    let cancel = stop_flag_and_save("saving and stopping", move || {
        // Sixteen orders are waiting: one of them will do.
        let _ = order.try_send(Order::Save);
    });
    let options = Options {
        config,
        out: out.clone(),
        resume: args.resume.clone(),
        pause_after: args.pause_after,
        commit: env!("TERCET_COMMIT").to_string(),
        write: write_sample,
    };
    survive_file_size_limit();
    let mut progress = Progress::new();
    if let Some(Orders::Stdin) = args.control {
        orders_from_stdin(give)?;
    }
    let opened = match others {
        Some((cluster, at)) => {
            let opened = open_on(Taking::Cluster(cluster, at, &cancel), options, &mut progress, &cancel);
            if matches!(opened, Ok(Opening::Complete(_) | Opening::Interrupted { .. })) {
                cluster.dismiss(at);
            }
            opened
        }
        None => open(options, &mut progress, &cancel, choice),
    };
    let summary = match opened {
        Ok(Opening::Ready(run)) => run.train(&mut progress, Control::new(&cancel, &orders)),
        Ok(Opening::Complete(summary)) => Ok(summary),
        Ok(Opening::Interrupted { saved }) => {
            progress.finish();
            let (what, code) = match saved {
                true => ("everything was saved before", exit::INTERRUPTED),
                false => ("there was nothing to save", exit::LEFT_AT_ONCE),
            };
            note(format_args!("stopped before the first step; {what}"));
            return Ok(ExitCode::from(code));
        }
        Err(error) => Err(error),
    };
    progress.finish();
    let summary = summary?;
    report(&summary, &out);
    Ok(match summary.outcome {
        Outcome::Interrupted => ExitCode::from(exit::INTERRUPTED),
        _ => ExitCode::SUCCESS,
    })
}

/// Opens the run on the device that was asked for. Where any will do, the first card that takes it, and else the processor.
fn open(
    options: Options,
    progress: &mut Progress,
    cancel: &AtomicBool,
    choice: Choice,
) -> ::train::Result<Opening> {
    match choice.for_network(options.config.model.float) {
        Choice::Cpu => return Run::open(options, progress, cancel, CPU),
        Choice::Cards(cards) => return open_on(Taking::Here(cards), options, progress, cancel),
        Choice::Auto => {}
    }
    let cards = candidates().unwrap_or_else(|why| {
        note(format_args!("{why}"));
        Vec::new()
    });
    for card in cards {
        let Some(only) = CardSet::new([card.index]) else { break };
        match open_on(Taking::Here(only), options.clone(), progress, cancel) {
            Err(::train::Error::NoDevice { problem }) => {
                note(format_args!("not on cuda:{}: {problem}", card.index))
            }
            opened => return opened,
        }
    }
    Run::open(options, progress, cancel, CPU)
}

/// Opens the run on one card or several.
fn open_on(
    taking: Taking<'_>,
    options: Options,
    progress: &mut Progress,
    cancel: &AtomicBool,
) -> ::train::Result<Opening> {
    let tell = |what: &str| note(format_args!("{what}"));
    let make = |config: &Config, model: &ModelConfig| trainer(config, model, taking, &tell);
    Run::open(options, progress, cancel, Device { name: &taking.name(), make: &make })
}

/// Several processes train on a card each, which the environment chooses.
fn fits_cluster(choice: Choice) -> anyhow::Result<()> {
    if choice == Choice::Cpu {
        return Err(exit::usage(
            "several processes (WORLD_SIZE or SLURM_STEP_NUM_TASKS) train on NVIDIA cards alone; start one process to train on the processor",
        ));
    }
    if choice != Choice::Auto && Choice::card(0) != Some(choice) {
        return Err(exit::usage(format!(
            "each of several processes (WORLD_SIZE or SLURM_STEP_NUM_TASKS) takes the card of its number on its machine; leave out {choice}"
        )));
    }
    Ok(())
}

/// A process that is not the first takes part in its run. It leaves when that one does: signals reach all at once, and the first one has something
/// to save before.
fn follow(cluster: &Cluster) -> anyhow::Result<ExitCode> {
    let cancel = stop_flag_and_save("leaving when the first process does", || {});
    cluster.follow(&cancel, &|what| note(format_args!("{what}")))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a sample with the model in training, as `tercet generate` would with its file.
fn write_sample(file: &Gguf, request: &sample::Request) -> Result<Vec<u32>, String> {
    let sample::Request { prompt, max_tokens, temperature, seed, stop } = request.clone();
    let sampling = Sampling { temperature, seed, ..Sampling::default() };
    let when_full = WhenFull::Slide;
    let request =
        GenerateRequest { prompt, max_tokens, sampling, stop, when_full, ..GenerateRequest::default() };
    text::sample(file, &request).map_err(|e| e.to_string())
}

/// Passes orders on until there are no more: then nobody can let a waiting run go on, so it goes on. The thread ends with
/// the program.
///
/// # Errors
/// The system gives no thread.
fn orders_from_stdin(give: SyncSender<Order>) -> anyhow::Result<()> {
    let read = move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match line.parse() {
                Ok(order) if give.send(order).is_ok() => {}
                Ok(_) => return,
                Err(why) => note(format_args!("{why}")),
            }
        }
        let _ = give.send(Order::Resume);
    };
    std::thread::Builder::new()
        .name("tercet-orders".into())
        .spawn(read)
        .context("cannot start a thread that reads orders")?;
    Ok(())
}

/// What there is before the command line says anything: the preset it names, or else the run's own configuration, or that of
/// what it begins from.
fn base(args: &Args) -> anyhow::Result<Config> {
    if let Some(preset) = &args.preset {
        return Ok(preset::named(preset)?);
    }
    if let (Some(out), true) = (&args.out, args.resume != Resume::Never)
        && let Some(config) = stored_config(out)?
    {
        return Ok(config);
    }
    match &args.resume {
        Resume::From(path) => Ok(config_at(path)?),
        Resume::Auto | Resume::Never => Ok(preset::named(PRESETS[0].0)?),
    }
}

/// [`base`], then file, settings and flags over it.
fn config(args: &Args) -> anyhow::Result<Config> {
    let mut config = base(args)?.with(args.config.as_deref(), &args.settings)?;
    if !args.text.is_empty() {
        config.data.text = args.text.iter().map(absolute).collect::<anyhow::Result<_>>()?;
    }
    if let Some(steps) = args.steps {
        config.train.steps = steps;
    }
    if let Some(seed) = args.seed {
        config.train.seed = seed;
    }
    if let Some(threads) = args.threads {
        config.train.threads = threads.into();
    }
    config.validate()?;
    if config.data.text.is_empty() && !args.show_config {
        return Err(exit::usage(
            "no text to learn from; give one with --text FILE (tercet data shakespeare --out FILE fetches one)",
        ));
    }
    Ok(config)
}

/// A word, or a path of any bytes.
fn resume() -> impl TypedValueParser<Value = Resume> {
    crate::command_line::path().map(|path| Resume::from(path.into_os_string()))
}

/// A run may be continued from another folder, so its text is written down in full.
fn absolute(path: &PathBuf) -> anyhow::Result<String> {
    let path =
        std::path::absolute(path).with_context(|| format!("cannot use the path {}", path.display()))?;
    path.into_os_string()
        .into_string()
        .map_err(|p| exit::usage(format!("{} is not UTF-8, which a run's configuration needs", p.display())))
}

/// Past `ulimit -f` the system kills a program that does not handle SIGXFSZ; handled, the write fails and is reported
/// like any full disk.
fn survive_file_size_limit() {
    #[cfg(unix)]
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))) {
        note(format_args!("a file size limit will end this without a word: {error}"));
    }
}

fn report(summary: &Summary, out: &std::path::Path) {
    let Summary { outcome, step, steps, .. } = summary;
    match outcome {
        Outcome::AlreadyComplete => say(format_args!("{} is complete: {step} steps", out.display())),
        Outcome::Complete => say(format_args!("done: {step} steps in {}", out.display())),
        Outcome::Interrupted => {
            say(format_args!("interrupted after step {step} of {steps}; saved, the same command continues"))
        }
        Outcome::Paused => say(format_args!(
            "paused after step {step} of {steps}; saved, the same command without --pause-after continues"
        )),
    }
    if summary.tokens > 0 {
        say(format_args!(
            "speed: {:.0} tokens/s over {} tokens; time {}, of which training steps {}",
            summary.tokens as f64 / summary.step_seconds.max(1e-9),
            summary.tokens,
            crate::progress::duration(summary.seconds),
            crate::progress::duration(summary.step_seconds),
        ));
    }
    match summary.best {
        Some(best) => say(format_args!(
            "best validation: {:.4} bits per byte, after step {}",
            best.bits_per_byte, best.step
        )),
        None => say(format_args!("best validation: none yet")),
    }
    if matches!(outcome, Outcome::Complete | Outcome::AlreadyComplete) {
        say(format_args!("next: tercet export {} --out model.gguf", shell::path(out)));
    }
}
