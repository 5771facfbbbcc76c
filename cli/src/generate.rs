//! `tercet generate`: continues a prompt. Text goes to stdout as it is made, figures to stderr; with `--json` one object
//! with everything goes to stdout at the end.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use formats::utf8;
use runtime::engine::Engine;
use runtime::request::{GenerateRequest, Stats, WhenFull};
use runtime::sampler::Sampling;
use serde_json::json;
use text::{Ask, End, Ending, Opened, Piece, Running, Stops};

use crate::device::DeviceArg;
use crate::exit::{INTERRUPTED, usage};
use crate::opened::{how_it_runs, start};
use crate::sampling::SamplingArgs;
use crate::signals;
use crate::terminal::{note, printable, stdout_is_terminal, write_now};
use crate::threads::Threads;

/// Longest prompt: more than any context holds.
const PROMPT_BYTES_MAX: u64 = 64 << 20;

/// What `tercet generate` was asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "When the context is full, the last half of it is read again and writing goes on; --when-full stop ends there instead."
)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The text to continue; what comes in through a pipe, or else the start of a text, if absent
    #[arg(long, short, value_name = "P", conflicts_with = "prompt_file")]
    pub prompt: Option<String>,
    /// Read the text to continue from a file, - for stdin
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Option<PathBuf>,
    /// Most tokens to write; 0 only repeats the prompt
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
    pub tokens: usize,
    /// Tokens of text that the model sees at a time; the model's own if absent
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,
    /// What to do when the context is full
    #[arg(long, value_enum, default_value = "slide")]
    pub when_full: WhenFullArg,
    /// End before this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// Go on after the model has ended its text
    #[arg(long)]
    pub ignore_end: bool,
    /// One JSON object: text, ids, log-probabilities, settings, speed
    #[arg(long)]
    pub json: bool,
    /// Most threads, of which the fastest number works; results do not depend on it [default: all, at most 16]
    #[arg(long, value_name = "N")]
    pub threads: Option<Threads>,
    /// Say which kernels run and how long loading took
    #[arg(long, short)]
    pub verbose: bool,
    #[command(flatten)]
    pub device: DeviceArg,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// [`WhenFull`] on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum WhenFullArg {
    /// End
    Stop,
    /// Read the last half again and go on
    Slide,
}

impl From<WhenFullArg> for WhenFull {
    fn from(arg: WhenFullArg) -> Self {
        match arg {
            WhenFullArg::Stop => WhenFull::Stop,
            WhenFullArg::Slide => WhenFull::Slide,
        }
    }
}

/// Runs `tercet generate`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let prompt = match (&args.prompt, &args.prompt_file) {
        (Some(prompt), _) => prompt.clone(),
        (None, Some(path)) if path == Path::new("-") => prompt_from_stdin()?,
        (None, Some(path)) => utf8::read(path, PROMPT_BYTES_MAX)?,
        (None, None) if std::io::stdin().is_terminal() => String::new(),
        (None, None) => prompt_from_stdin()?,
    };
    let opened = Opened::open(&args.file)?;
    let sampling = args.sampling.resolve(opened.sampling)?;
    let running = start(opened, &args.device, args.context, args.threads.map(usize::from))?;
    let Running { opened, engine, .. } = &running;
    if args.verbose {
        note(format_args!("{}", how_it_runs(&running)));
    }
    let request = GenerateRequest {
        prompt: opened.prompt_ids(&prompt),
        max_tokens: args.tokens,
        sampling,
        stop: if args.ignore_end { Vec::new() } else { opened.stop_ids() },
        when_full: args.when_full.into(),
        log_probs: args.json.then_some(0),
        ..GenerateRequest::default()
    };
    if request.prompt.len() > engine.context() {
        return Err(usage(format!(
            "the prompt has {} tokens and the context holds {}; shorten the prompt{}",
            request.prompt.len(),
            engine.context(),
            if engine.context() < opened.model.config().context { " or raise --context" } else { "" }
        )));
    }
    let prompt_ids = request.prompt.clone();
    let mut show = Show::new(!args.json);
    show.text(&prompt)?;
    let ask = Ask { request, stops: Stops::new(&args.stop) };
    let written = write(&running, ask, &mut show)?;
    show.end()?;
    if args.json {
        let result = as_json(opened, engine, &prompt, &prompt_ids, &sampling, &written);
        writeln!(std::io::stdout().lock(), "{result}")?;
    } else if args.tokens > 0 {
        note(format_args!("{}", speed(&written, engine, &sampling)));
    }
    Ok(if written.interrupted() { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

fn prompt_from_stdin() -> formats::Result<String> {
    utf8::read_stream(std::io::stdin().lock(), PROMPT_BYTES_MAX, "standard input")
}

/// What a generation wrote.
pub struct Written {
    pub text: String,
    pub ids: Vec<u32>,
    pub log_probs: Vec<f64>,
    pub ending: Ending,
    pub stats: Stats,
}

impl Written {
    /// Whether somebody ended it.
    pub fn interrupted(&self) -> bool {
        self.ending == Ending::Cancelled
    }
}

/// Text on its way to stdout.
pub struct Show {
    visible: bool,
    terminal: bool,
    at_line_start: bool,
    /// A carriage return that a line feed may follow.
    returned: bool,
}

impl Show {
    /// Shows text, or does not.
    pub fn new(visible: bool) -> Self {
        Show { visible, terminal: stdout_is_terminal(), at_line_start: true, returned: false }
    }

    /// Shows a piece at once; a terminal gets no control characters.
    pub fn text(&mut self, text: &str) -> std::io::Result<()> {
        if !self.visible || text.is_empty() {
            return Ok(());
        }
        self.at_line_start = text.ends_with('\n');
        if !self.terminal {
            return write_now(text);
        }
        // Windows' line ends may come in two pieces.
        let mut whole = String::from(if self.returned { "\r" } else { "" });
        whole.push_str(text);
        self.returned = whole.ends_with('\r');
        let certain = whole.len() - usize::from(self.returned);
        write_now(&printable(&whole[..certain]))
    }

    /// Ends an unfinished line.
    pub fn end(&mut self) -> std::io::Result<()> {
        if self.at_line_start { Ok(()) } else { self.text("\n") }
    }
}

/// Has a text written, showing it as it comes. A stop string ends it, and so does Ctrl-C.
pub fn write(running: &Running, ask: Ask, show: &mut Show) -> anyhow::Result<Written> {
    signals::for_writing()?;
    let stream = running.write(ask)?;
    signals::watch(stream.canceller());
    let (mut text, mut ids, mut log_probs, mut end) = (String::new(), Vec::new(), Vec::new(), None);
    for piece in stream {
        let growth = match piece {
            Piece::Prefill { .. } | Piece::Scored { .. } => continue,
            Piece::Token { id, text, log_probs: found } => {
                ids.push(id);
                log_probs.extend(found.map(|l| l.chosen));
                text
            }
            Piece::End(End { text, how, fault }) => {
                end = Some((how, fault));
                text
            }
        };
        show.text(&growth.certain)?;
        text.push_str(&growth.certain);
    }
    signals::unwatch();
    let (how, fault) = end.expect("a stream gives its end");
    if let Some(fault) = fault {
        note(format_args!("{fault}; the CPU went on"));
    }
    let (ending, stats) = how?;
    Ok(Written { text, ids, log_probs, ending, stats })
}

/// One line of figures.
pub fn speed(written: &Written, engine: &Engine, sampling: &Sampling) -> String {
    let s = &written.stats;
    let rate = |r: Option<f64>| r.map_or("-".into(), |r| format!("{r:.0}"));
    let why = match written.ending {
        Ending::Length => "",
        Ending::Model => "; the model ended its text",
        Ending::Context => "; the context is full",
        Ending::Stop(_) => "; ended at a stop text",
        Ending::Cancelled => "; interrupted",
    };
    let on = match engine.gpu() {
        Some(model) => model.gpu().info().name.clone(),
        None => format!("{} on {} threads", engine.model().kernels().name, engine.threads()),
    };
    format!(
        "prompt {} tokens at {} tokens/s; written {} at {} tokens/s; seed {}; {on}{why}",
        s.prompt_tokens,
        rate(s.prefill_tokens_per_sec()),
        s.generated_tokens,
        rate(s.decode_tokens_per_sec()),
        sampling.seed,
    )
}

fn as_json(
    opened: &Opened,
    engine: &Engine,
    prompt: &str,
    prompt_ids: &[u32],
    sampling: &Sampling,
    written: &Written,
) -> serde_json::Value {
    let s = &written.stats;
    let (finish, stopped_at) = match &written.ending {
        Ending::Length => ("length", None),
        Ending::Model => ("stop", None),
        Ending::Stop(at) => ("stop", Some(at)),
        Ending::Context => ("context", None),
        Ending::Cancelled => ("cancelled", None),
    };
    json!({
        "model": opened.path.display().to_string(),
        "prompt": prompt,
        "prompt_ids": prompt_ids,
        "text": written.text,
        "ids": written.ids,
        "log_probs": written.log_probs,
        "finish": finish,
        "stopped_at": stopped_at,
        "sampling": {
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "repetition_penalty": sampling.repetition_penalty,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "repetition_window": sampling.repetition_window,
            "seed": sampling.seed,
        },
        "stats": {
            "load_ms": (opened.load_time + opened.model.lay_out_time()).as_secs_f64() * 1e3,
            "prompt_tokens": s.prompt_tokens,
            "generated_tokens": s.generated_tokens,
            "prefill_tokens_per_sec": s.prefill_tokens_per_sec(),
            "decode_tokens_per_sec": s.decode_tokens_per_sec(),
            "context": engine.context(),
            "context_slides": s.slides,
            "device": engine.gpu().map_or("cpu", |model| &model.gpu().info().name),
            "kernels": engine.model().kernels().name,
            "threads": engine.threads(),
        },
    })
}
