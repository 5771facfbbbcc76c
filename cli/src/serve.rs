//! `tercet serve`: models over HTTP, until it is told to end. What is asked and answered there is `serve`'s business.

use std::env::{self, VarError};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use formats::utf8;
use runtime::kv_page_bytes;
use serve::{Example, Limits, ModelOptions, Options, QUEUE, Served, Server, TEXTS};
use text::{Devices, Opened, unwatched};

use crate::device::{DeviceArg, devices};
use crate::exit::{LEFT_AT_ONCE, usage};
use crate::opened::{context_refused, how_it_runs, tell};
use crate::signals::{Heard, Patience, listen};
use crate::terminal::{note, say};
use crate::threads::Threads;

/// A key, where none is given otherwise: arguments can be seen by everybody on the machine.
const KEY_VARIABLE: &str = "TERCET_API_KEY";
/// Most bytes of a file of keys.
const KEYS_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of a template: more than one may have.
const TEMPLATE_BYTES_MAX: u64 = 1 << 20;

/// What `tercet serve` was asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Clients of OpenAI's API find it at http://HOST:PORT/v1. The first SIGTERM or Ctrl-C takes no more requests and ends when those that are there are answered; a second one, a second later, ends at once.\n\nA key can also come from the variable TERCET_API_KEY."
)]
pub struct Args {
    /// Models, as GGUF files; a request that names none means the first
    #[arg(value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// The name or address to listen at; 0.0.0.0 for other machines too
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The port; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8082)]
    port: u16,
    /// Ask for this key; may be repeated
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Ask for the keys in this file, one a line
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Listen for other machines without asking for a key
    #[arg(long)]
    insecure: bool,
    /// Let pages of this origin ask, beside those of this machine; * for any; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// A name that this machine is called by, beside localhost and its addresses; may be repeated
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Texts that a model reads and writes at once
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(TEXTS).expect("it serves some"))]
    parallel: NonZeroUsize,
    /// Requests that may wait for a model; one more is told to come back later
    #[arg(long, value_name = "N", default_value_t = QUEUE)]
    queue: usize,
    /// Longest time of a request, in seconds, waiting included
    #[arg(long, value_name = "S", default_value = "600")]
    timeout: Seconds,
    /// Tokens of text that a model sees at a time; its own if absent
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Memory for keys and values of a model, as 512M or 4G [default: for all texts at their longest, at most half of what is free]
    #[arg(long, value_name = "SIZE")]
    kv_memory: Option<Size>,
    /// Most threads of a model, of which the fastest number works; results do not depend on it [default: all, at most 16]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
    /// Have conversations written down as this Jinja template says, whatever a model's file says
    #[arg(long, value_name = "FILE")]
    chat_template: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `tercet serve`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    crate::arenas::share_one();
    let options = Options {
        host: args.host.clone(),
        port: args.port,
        keys: keys(args)?,
        insecure: args.insecure,
        origins: args.cors.clone(),
        names: args.name.clone(),
        limits: Limits { request: args.timeout.duration(), ..Limits::default() },
    };
    // A model may take long to start.
    options.check().map_err(refused)?;
    let devices = Arc::new(devices());
    let models = args.files.iter().map(|file| model(args, file, &devices)).collect::<Result<Vec<_>, _>>()?;
    let server = Arc::new(Server::start(&options, models).map_err(refused)?);
    if options.keys.is_empty() && !server.address().ip().is_loopback() {
        note(format_args!("WARNING: everybody who reaches {} can use this, without a key", server.address()));
    }
    let (of_signals, mut patience) = (Arc::clone(&server), Patience::new());
    listen(false, move |signal| {
        let now = Instant::now();
        match patience.hear(signal, now) {
            Heard::Stop => {
                let waiting = of_signals.requests().len();
                note(format_args!("no more requests; {waiting} are being answered; once more ends at once"));
                of_signals.drain();
            }
            // What asked first may have asked twice.
            _ if patience.is_echo(now) => {}
            _ => of_signals.stop(),
        }
    })?;
    let (url, first) = (server.url(), &server.models()[0]);
    say(format_args!("listening at {url}"));
    let key = (!options.keys.is_empty()).then_some("KEY");
    let converses = first.opened().chat_template.is_some();
    let example = Example { url: &url, model: first.name(), key, converses };
    note(format_args!("{}", example.curl()));
    server.wait();
    Ok(if server.was_stopped() { LEFT_AT_ONCE.into() } else { ExitCode::SUCCESS })
}

/// What is wrong with the arguments is told as such.
fn refused(error: serve::Error) -> anyhow::Error {
    match error {
        serve::Error::Insecure { .. } | serve::Error::Origin { .. } | serve::Error::Key { .. } => {
            usage(format!("{error} (--key, --insecure, --cors)"))
        }
        error => error.into(),
    }
}

/// Starts one model, and says how it runs.
fn model(args: &Args, file: &std::path::Path, devices: &Arc<Devices>) -> anyhow::Result<Served> {
    let mut opened = Opened::open(file)?;
    if let Some(template) = &args.chat_template {
        opened.chat_template = Some(utf8::read(template, TEMPLATE_BYTES_MAX)?);
    }
    if opened.chat_template.is_some() {
        // A template that cannot be used is no surprise for the first client.
        text::chat::check(&opened)?;
    }
    let texts = args.parallel.get();
    let page = kv_page_bytes(opened.model.config());
    let mut options =
        ModelOptions { queue: args.queue, ..ModelOptions::new(args.device.device.clone(), texts) };
    let engine = &mut options.setup.engine;
    (engine.context, engine.threads) = (args.context, args.threads.map(usize::from));
    engine.kv_pages = args.kv_memory.map(|size| size.0 / page);
    let served = match Served::start(opened, options, Arc::clone(devices), &mut unwatched) {
        Err(serve::Error::Text(text::Error::Model(runtime::Error::Context { asked, trained }))) => {
            return Err(context_refused(asked, trained));
        }
        served => served?,
    };
    tell(&served.remarks());
    let running = served.running();
    let context = running.engine.context();
    note(format_args!("{}: {}; {texts} texts of {context} tokens", served.name(), how_it_runs(&running)));
    Ok(served)
}

fn keys(args: &Args) -> anyhow::Result<Vec<String>> {
    let mut keys = args.key.clone();
    if let Some(file) = &args.key_file {
        let lines = utf8::read(file, KEYS_BYTES_MAX)?;
        keys.extend(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        anyhow::ensure!(!keys.is_empty(), "there is no key in {}", file.display());
    }
    keys.extend(key_of_environment()?);
    Ok(keys)
}

/// The key that the environment names, for a server to ask for or for a client to carry.
pub fn key_of_environment() -> anyhow::Result<Option<String>> {
    match env::var(KEY_VARIABLE) {
        Ok(key) => Ok(Some(key).filter(|key| !key.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(error @ VarError::NotUnicode(_)) => Err(error).context(KEY_VARIABLE),
    }
}

/// Seconds of a time that can be waited for.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(Duration);

impl Seconds {
    /// The time.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse().ok().filter(|s: &f64| (0.001..=1e6).contains(s));
        let expected = || "expected seconds from 0.001 to 1000000".to_owned();
        seconds.map(|s| Seconds(Duration::from_secs_f64(s))).ok_or_else(expected)
    }
}

/// Bytes, with a letter for a thousand and 24 of them, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, shift) = match text.char_indices().last() {
            Some((at, 'k' | 'K')) => (&text[..at], 10),
            Some((at, 'm' | 'M')) => (&text[..at], 20),
            Some((at, 'g' | 'G')) => (&text[..at], 30),
            _ => (text, 0),
        };
        let bytes = digits.parse().ok().and_then(|n: usize| n.checked_mul(1 << shift)).filter(|&n| n > 0);
        bytes.map(Size).ok_or_else(|| "expected bytes, as 512M or 4G".to_owned())
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_with_a_letter() {
        let parse = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(["7", "2k", "512M", "4G"].map(parse), [Ok(7), Ok(2048), Ok(512 << 20), Ok(4 << 30)]);
        for bad in ["", "G", "0", "-1M", "1.5G", "4T", "99999999999999999999", "18446744073709551615G"] {
            assert!(parse(bad).unwrap_err().contains("512M"), "{bad}");
        }
    }
}
