//! What `tercet` does without a display when it is given nothing but, perhaps, a model: finds one and writes verse to the
//! terminal.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use runtime::request::{GenerateRequest, WhenFull};
use text::{Ask, Running, Setup, Stops};

use crate::device::devices;
use crate::exit::INTERRUPTED;
use crate::generate::{Show, speed, write};
use crate::opened::how_it_runs;
use crate::sampling::SamplingArgs;
use crate::shell;
use crate::terminal::note;

/// The model that ships with the program.
const SHIPPED: &str = "shakespeare.gguf";
/// A page of verse.
const TOKENS: usize = 400;

/// Opens `file`, or the model that ships with the program, and writes a page of verse.
pub fn run(file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let path = match file {
        Some(path) => path.to_owned(),
        None => match shipped_model() {
            Some(path) => path,
            None => bail!(
                "no model to open: there is no models/{SHIPPED} beside the program, here, or in a folder above; give a file, or make one with `tercet train`"
            ),
        },
    };
    on_terminal(&path)
}

/// Writes a page of verse to stdout.
fn on_terminal(path: &Path) -> anyhow::Result<ExitCode> {
    let running = Running::open(path, &Setup::default(), &devices())?;
    let opened = &running.opened;
    let sampling = SamplingArgs::default().resolve(opened.sampling)?;
    note(format_args!("{}", how_it_runs(&running)));
    let request = GenerateRequest {
        prompt: opened.prompt_ids(""),
        max_tokens: TOKENS,
        sampling,
        stop: opened.stop_ids(),
        when_full: WhenFull::Slide,
        log_probs: None,
        ..GenerateRequest::default()
    };
    let mut show = Show::new(true);
    let written = write(&running, Ask { request, stops: Stops::default() }, &mut show)?;
    show.end()?;
    note(format_args!("{}", speed(&written, &running.engine, &sampling)));
    note(format_args!(
        "next: tercet chat {0}; tercet generate {0} --prompt ROMEO:; tercet --help",
        shell::path(path)
    ));
    Ok(if written.interrupted() { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// The shipped model, or else the first other one, in a `models` folder beside the program, where a package installs it
/// (`share/tercet` beside the program's `bin`), in the current folder or one above it, or in the source tree that the program was
/// built from.
pub fn shipped_model() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    if let Ok(program) = std::env::current_exe() {
        let bin = program.parent();
        places.extend(bin.map(Path::to_owned));
        places.extend(bin.and_then(Path::parent).map(|prefix| prefix.join("share").join("tercet")));
    }
    if let Ok(here) = std::env::current_dir() {
        places.extend(here.ancestors().map(Path::to_owned));
    }
    places.extend(Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned));
    places.iter().find_map(|place| model_in(&place.join("models")))
}

fn model_in(folder: &Path) -> Option<PathBuf> {
    let shipped = folder.join(SHIPPED);
    if shipped.is_file() {
        return Some(shipped);
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path());
    entries.filter(|p| p.extension() == Some(OsStr::new("gguf")) && p.is_file()).min()
}
