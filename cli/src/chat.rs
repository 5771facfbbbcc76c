//! `tercet chat`: a conversation in the terminal, as a play. A model that continues text has no turns of its own, so
//! each line is set as a speech and the model writes the answer up to the blank line that ends it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use runtime::engine::Engine;
use runtime::request::{GenerateRequest, WhenFull};
use runtime::sampler::Sampling;
use text::{Opened, Stops};

use crate::device::DeviceArg;
use crate::exit::INTERRUPTED;
use crate::generate::{Show, write};
use crate::lines::{Line, Lines};
use crate::opened::{engine, how_it_runs};
use crate::sampling::SamplingArgs;
use crate::signals;
use crate::terminal::note;
use crate::threads::Threads;

/// What `tercet chat` was asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In the conversation: /reset forgets it, /quit or end of input leaves, Ctrl-C cuts a speech short."
)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The name over your speeches
    #[arg(long, value_name = "NAME", default_value = "ROMEO")]
    pub user: String,
    /// The name over the model's speeches
    #[arg(long, value_name = "NAME", default_value = "JULIET")]
    pub reply: String,
    /// Longest speech, in tokens
    #[arg(long, short = 'n', value_name = "N", default_value = "120")]
    pub tokens: NonZeroUsize,
    /// End a speech also before this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// Tokens of text that the model sees at a time; the model's own if absent
    #[arg(long, value_name = "N")]
    pub context: Option<usize>,
    /// Most threads, of which the fastest number works; results do not depend on it [default: all, at most 16]
    #[arg(long, value_name = "N")]
    pub threads: Option<Threads>,
    #[command(flatten)]
    pub device: DeviceArg,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// Runs `tercet chat`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let opened = Opened::open(&args.file)?;
    let sampling = args.sampling.resolve(opened.sampling)?;
    let engine = engine(&opened, &args.device, args.context, args.threads.map(usize::from))?;
    signals::for_writing()?;
    let mut lines = Lines::open()?;
    if lines.are_a_persons() {
        note(format_args!("{}", how_it_runs(&opened, &engine)));
        note(format_args!("You are {}, the model is {}. /quit or Ctrl-D leaves.", args.user, args.reply));
    }
    let mut talk = Talk { args, opened: &opened, engine: &engine, sampling, transcript: String::new() };
    let mut interrupted = false;
    loop {
        let line = match lines.next()? {
            Line::Said(line) => line,
            // The key that cut a speech short is often pressed twice.
            Line::Interrupted if !interrupted => {
                note(format_args!("Ctrl-C again leaves, as /quit does"));
                interrupted = true;
                continue;
            }
            Line::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
            Line::End => return Ok(ExitCode::SUCCESS),
        };
        interrupted = false;
        match line.trim() {
            "" => {}
            "/quit" | "/exit" => return Ok(ExitCode::SUCCESS),
            "/reset" => talk.transcript.clear(),
            command if command.starts_with('/') => note(format_args!("commands: /reset, /quit")),
            speech => {
                // A person who cuts a speech short wants the next turn; a script wants the end.
                let cut = talk.turn(speech)?;
                if cut && (!lines.are_a_persons() || signals::asked_to_leave()) {
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            }
        }
    }
}

/// A conversation so far.
struct Talk<'a> {
    args: &'a Args,
    opened: &'a Opened,
    engine: &'a Engine,
    sampling: Sampling,
    transcript: String,
}

impl Talk<'_> {
    /// One speech of the user and one of the model; whether somebody cut that one short.
    fn turn(&mut self, speech: &str) -> anyhow::Result<bool> {
        self.transcript.push_str(&format!("{}:\n{speech}\n\n{}:\n", self.args.user, self.args.reply));
        let request = GenerateRequest {
            prompt: self.recent(),
            max_tokens: self.args.tokens.get(),
            sampling: self.sampling,
            stop: self.opened.stop_ids(),
            when_full: WhenFull::Slide,
            log_probs: None,
        };
        // Another turn, another draw, but the same seed still gives the same conversation.
        self.sampling.seed = self.sampling.seed.wrapping_add(1);
        let mut show = Show::new(true);
        show.text(&format!("{}:\n", self.args.reply))?;
        // A speech ends at the first blank line.
        let stops = Stops::new(["\n\n"].into_iter().chain(self.args.stop.iter().map(String::as_str)));
        let written = write(self.opened, self.engine, request, stops, &mut show)?;
        show.text(if written.text.ends_with('\n') { "\n" } else { "\n\n" })?;
        self.transcript.push_str(written.text.trim_end());
        self.transcript.push_str("\n\n");
        Ok(written.interrupted())
    }

    /// The end of the transcript, from the start of a speech on, that leaves room for a reply; at worst a bare tail of it.
    fn recent(&self) -> Vec<u32> {
        let context = self.engine.context();
        let room = context.saturating_sub(self.args.tokens.get()).max(context.div_ceil(2));
        let mut text = &self.transcript[..];
        loop {
            let mut ids = self.opened.prompt_ids(text);
            if ids.len() <= room {
                return ids;
            }
            match text.find("\n\n") {
                Some(at) => text = &text[at + 2..],
                None => return ids.split_off(ids.len() - room),
            }
        }
    }
}
