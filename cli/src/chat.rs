//! `tercet chat`: a conversation in the terminal, line by line. What is said and answered becomes a conversation in `text`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use text::{Conversation, Manner, Names, Opened, Running};

use crate::device::DeviceArg;
use crate::exit::INTERRUPTED;
use crate::generate::{Show, write};
use crate::lines::{Line, Lines};
use crate::opened::{how_it_runs, start};
use crate::sampling::SamplingArgs;
use crate::signals;
use crate::terminal::note;
use crate::threads::Threads;

/// What `tercet chat` was asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A file with a chat template is talked to as that says. A model without one continues text: it is given a play, in which you and it have names, and so is one with a template if there are --user or --reply.\n\nIn the conversation: /reset forgets it, /quit or end of input leaves, Ctrl-C cuts an answer short."
)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The name over your speeches in a play [default: ROMEO]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The name over the model's speeches in a play [default: JULIET]
    #[arg(long, value_name = "NAME")]
    pub reply: Option<String>,
    /// Longest answer, in tokens [default: 120 in a play, else 1024 or half of the context]
    #[arg(long, short = 'n', value_name = "N")]
    pub tokens: Option<NonZeroUsize>,
    /// End an answer also before this text; may be repeated
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
    let names = names(args, &opened);
    if names.is_none() {
        // A template that cannot be used is no surprise for the first line.
        text::chat::check(&opened)?;
    }
    let running = start(opened, &args.device, args.context, args.threads.map(usize::from))?;
    signals::for_writing()?;
    let mut lines = Lines::open()?;
    if lines.are_a_persons() {
        note(format_args!("{}", how_it_runs(&running)));
        match &names {
            Some(Names { user, reply }) => {
                note(format_args!("You are {user}, the model is {reply}. /quit or Ctrl-D leaves."));
            }
            None => note(format_args!("/quit or Ctrl-D leaves.")),
        }
    }
    let tokens = args.tokens.map(NonZeroUsize::get);
    let manner = Manner { sampling, tokens, stop: args.stop.clone(), play: names };
    let mut talk = running.conversation(manner);
    let mut interrupted = false;
    loop {
        let line = match lines.next()? {
            Line::Said(line) => line,
            // The key that cut an answer short is often pressed twice.
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
            "/reset" => talk.reset(),
            command if command.starts_with('/') => note(format_args!("commands: /reset, /quit")),
            said => {
                let cut = match turn(&mut talk, &running, said) {
                    // A template may refuse something that is said; a person can say it otherwise.
                    Err(error) if lines.are_a_persons() && error.is::<text::Error>() => {
                        note(format_args!("{error}"));
                        continue;
                    }
                    turn => turn?,
                };
                // A person who cuts an answer short wants the next turn; a script wants the end.
                if cut && (!lines.are_a_persons() || signals::asked_to_leave()) {
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            }
        }
    }
}

/// Something that a person says, and the model's answer; whether somebody cut that one short.
///
/// # Errors
/// What the file's template says to it, which is then as if it had not been said; the engine's own.
fn turn(talk: &mut Conversation<'_>, running: &Running, said: &str) -> anyhow::Result<bool> {
    let ask = talk.say(said)?;
    let mut show = Show::new(true);
    if let Some(name) = talk.reply() {
        show.text(&format!("{name}:\n"))?;
    }
    let written = write(running, ask, &mut show)?;
    show.text(if written.text.ends_with('\n') { "\n" } else { "\n\n" })?;
    talk.answered(&written.text);
    Ok(written.interrupted())
}

/// The names of a play, where there is to be one.
fn names(args: &Args, opened: &Opened) -> Option<Names> {
    let named = args.user.is_some() || args.reply.is_some();
    let usual = Names::default();
    (named || opened.chat_template.is_none()).then(|| Names {
        user: args.user.clone().unwrap_or(usual.user),
        reply: args.reply.clone().unwrap_or(usual.reply),
    })
}
