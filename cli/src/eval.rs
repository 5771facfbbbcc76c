//! `tercet eval`: how well a model predicts a text, in nats per token and bits per byte.
//!
//! **Method.** The text is tokenised whole. By default it is cut into windows of the training context that do not overlap,
//! the way training validates: a window of `T` inputs scores the `T` tokens that follow them, each seeing only what stands before
//! it in its window. The first token of the text is never scored, for nothing precedes it; the last window may be shorter.
//! With `--stride S` windows start every `S` tokens and each scores only what the one before it did not, so that all but the first
//! `T` tokens see at least `T - S` others. Bits per byte divide the nats by `ln 2` and by the bytes of the scored tokens, as
//! training does. Of a model that was trained on documents the separator between them is in the file: it is the end-of-text token here
//! too, and counts as its bytes.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ::train::data::Text;
use ::train::watch::Watch;
use anyhow::ensure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runtime::default_threads;
use runtime::gpu::{Fault, GpuOrCpu};
use runtime::pass::Worker;
use runtime::sampler::log_sum_exp;
use runtime::{CpuWorker, Sequence};
use serde_json::json;
use text::{Opened, Placed, unwatched};

use crate::device::{DeviceArg, devices};
use crate::exit::usage;
use crate::opened::{context_refused, tell};
use crate::terminal::{note, stderr_is_terminal};
use crate::threads::Threads;

/// Logits held at once, in floats: 16 MiB.
const LOGITS_MAX: usize = 4 << 20;

/// What `tercet eval` was asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Windows of the training context that do not overlap, unless --stride says otherwise; the first token of the text is not scored; bits per byte = nats / (ln 2 * bytes of the scored tokens)."
)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The text to predict
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Which part of the text: all of it, its first nine tenths (train) or its last tenth (validation)
    #[arg(long, value_enum, default_value = "all")]
    part: Part,
    /// Start a window every N tokens, so that windows overlap and tokens see more
    #[arg(long, value_name = "N")]
    stride: Option<usize>,
    /// Tokens of a window; the training context if absent
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// One JSON object with the result
    #[arg(long)]
    json: bool,
    /// One JSON line for each scored token: id, text, log-probability
    #[arg(long)]
    per_token: bool,
    /// Most threads, of which the fastest number works; results do not depend on it [default: all, at most 16]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
    #[command(flatten)]
    device: DeviceArg,
}

/// A part of a text.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    /// The whole text
    All,
    /// The first nine tenths
    Train,
    /// The last tenth
    Validation,
}

/// Sums over the scored tokens.
#[derive(Default)]
struct Total {
    tokens: usize,
    bytes: usize,
    nats: f64,
    windows: usize,
}

/// Runs `tercet eval`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let opened = Opened::open(&args.file)?;
    let Placed { gpu: on_gpu, remarks } =
        devices().place(&opened.model, &args.device.device, &mut unwatched)?;
    tell(&remarks);
    // Ctrl-C ends this at once: there is nothing to save.
    let unwatched = &mut Watch::nobody();
    let text = Text::load(std::slice::from_ref(&args.text), &opened.separator, unwatched)?;
    let part = match args.part {
        Part::All => &text.whole[..],
        Part::Train => text.train(),
        Part::Validation => text.validation(),
    };
    let trained = opened.model.config().context;
    let window = args.context.unwrap_or(trained);
    if !(1..=trained).contains(&window) {
        return Err(context_refused(window, trained));
    }
    let stride = args.stride.unwrap_or(window);
    if !(1..=window).contains(&stride) {
        return Err(usage(format!("--stride is {stride}; windows of {window} tokens take 1 to {window}")));
    }
    let ids = text.encode(part, &opened.tokenizer, unwatched)?;
    ensure!(ids.len() >= 2, "the text has {} tokens; scoring needs at least 2", ids.len());

    let threads = args.threads.map_or_else(default_threads, usize::from);
    let fault = Fault::default();
    let worker: Box<dyn Worker> = match &on_gpu {
        Some(on_gpu) => Box::new(GpuOrCpu::new(on_gpu, &opened.model, threads, Arc::clone(&fault))),
        None => Box::new(CpuWorker::up_to_threads(&opened.model, threads)?),
    };
    let mut session = Sequence::on(worker, window)?;
    let mut lines = args.per_token.then(|| BufWriter::new(std::io::stdout().lock()));
    let bar = progress_bar(ids.len() - 1);
    let start = Instant::now();
    let mut total = Total::default();
    each_window(&mut session, &ids, stride, &mut total, &mut |id, log_prob| {
        if let Some(lines) = &mut lines {
            let text = opened.tokenizer.token_name(id);
            writeln!(lines, "{}", json!({ "id": id, "text": text, "log_prob": log_prob }))?;
        }
        bar.inc(1);
        Ok(text.bytes_of(id, &opened.tokenizer))
    })?;
    let time = start.elapsed();
    bar.finish_and_clear();
    if let Some(fault) = &*fault.lock().unwrap_or_else(PoisonError::into_inner) {
        note(format_args!("{fault}; the CPU went on"));
    }
    if let Some(mut lines) = lines {
        lines.flush()?;
    }
    let used = on_gpu.as_ref().filter(|_| fault.lock().is_ok_and(|fault| fault.is_none()));
    let device = used.map_or("cpu".to_owned(), |m| m.gpu().info().name.clone());
    report(args, &opened, &device, part.len(), (window, stride), &total, time)
}

/// Predicts every token of `ids` but the first and tells `score` of each, with its log-probability; it answers with the token's bytes.
fn each_window(
    session: &mut Sequence<Box<dyn Worker + '_>>,
    ids: &[u32],
    stride: usize,
    total: &mut Total,
    score: &mut dyn FnMut(u32, f64) -> anyhow::Result<usize>,
) -> anyhow::Result<()> {
    let vocab = session.config().vocab;
    let inputs = &ids[..ids.len() - 1];
    let (mut start, mut scored) = (0, 0);
    loop {
        let end = (start + session.context()).min(inputs.len());
        session.reset();
        session.advance(&inputs[start..scored.max(start)])?;
        while scored < end {
            let piece = (LOGITS_MAX / vocab).clamp(1, end - scored);
            let logits = session.forward_all(&inputs[scored..scored + piece])?;
            for (logits, &id) in logits.chunks_exact(vocab).zip(&ids[scored + 1..]) {
                let log_prob = f64::from(logits[id as usize]) - log_sum_exp(logits);
                ensure!(log_prob.is_finite(), runtime::Error::Logits);
                total.bytes += score(id, log_prob)?;
                total.nats -= log_prob;
                total.tokens += 1;
            }
            scored += piece;
        }
        total.windows += 1;
        if end == inputs.len() {
            return Ok(());
        }
        start += stride;
    }
}

fn progress_bar(tokens: usize) -> ProgressBar {
    if !stderr_is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} tokens, {eta} left");
    ProgressBar::new(tokens as u64).with_style(style.expect("the template is valid"))
}

fn report(
    args: &Args,
    opened: &Opened,
    device: &str,
    text_bytes: usize,
    (window, stride): (usize, usize),
    total: &Total,
    time: Duration,
) -> anyhow::Result<ExitCode> {
    let nats_per_token = total.nats / total.tokens as f64;
    let bits_per_byte = total.nats / std::f64::consts::LN_2 / total.bytes as f64;
    let tokens_per_sec = total.tokens as f64 / time.as_secs_f64();
    let mut out = std::io::stdout().lock();
    if args.json {
        let result = json!({
            "model": opened.path.display().to_string(),
            "text": args.text.display().to_string(),
            "nats_per_token": nats_per_token,
            "bits_per_byte": bits_per_byte,
            "perplexity": nats_per_token.exp(),
            "tokens_scored": total.tokens,
            "bytes_scored": total.bytes,
            "bytes_text": text_bytes,
            "window": window,
            "stride": stride,
            "windows": total.windows,
            "tokens_per_sec": tokens_per_sec,
            "device": device,
            "kernels": opened.model.kernels().name,
        });
        writeln!(out, "{result}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let how = format!(
        "{} tokens ({} bytes) in {} windows of {window}, one every {stride}",
        total.tokens, total.bytes, total.windows
    );
    let figures = format!(
        "{nats_per_token:.4} nats per token, {bits_per_byte:.4} bits per byte, {tokens_per_sec:.0} tokens/s"
    );
    if args.per_token {
        // Stdout holds one kind of line.
        note(format_args!("{how}\n{figures}"));
    } else {
        writeln!(out, "{how}\n{figures}")?;
    }
    Ok(ExitCode::SUCCESS)
}
