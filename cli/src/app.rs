//! `tercet app`, and `tercet` without a sub-command: opens the window, or draws a page of it into a picture. The app itself is the
//! `gui` crate's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use gui::{Command, Env, GenerateCommand, Page, Picture, Start};

use crate::device::cache_folder;
use crate::terminal::note;
use crate::verse::shipped_model;

/// What `tercet app` was asked.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// A model to open, as a GGUF file [default: the last one, or the shipped one]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The page to begin with: generate, model, benchmark, training or server
    #[arg(long, value_name = "PAGE", value_parser = page)]
    tab: Option<Page>,
    /// Print how long it takes to the first frame and to the model's first token, and end
    #[arg(long, conflicts_with = "screenshot")]
    time: bool,
    /// Draw the page into a PNG file and end; no display is needed
    #[arg(long, value_name = "FILE.png")]
    screenshot: Option<PathBuf>,
    /// Width and height of the picture in points
    #[arg(long, value_name = "WxH", default_value = "1280x800", value_parser = size, requires = "screenshot")]
    size: Option<[f32; 2]>,
    /// Pixels of a point of the picture
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "screenshot")]
    scale: f32,
    /// Draw the picture in the light theme
    #[arg(long, requires = "screenshot")]
    light: bool,
    /// Have the model write with this seed before the picture is taken
    #[arg(long, value_name = "SEED", requires = "screenshot")]
    write: Option<u64>,
    /// Carry out a command of the palette before the picture is taken; may be repeated
    #[arg(long = "do", value_name = "NAME", requires = "screenshot")]
    named: Vec<String>,
    /// Folder of training runs to show in the picture
    #[arg(long, value_name = "DIR", requires = "screenshot")]
    runs: Option<PathBuf>,
}

fn page(name: &str) -> Result<Page, String> {
    let names = Page::ALL.map(|p| p.title().to_lowercase()).join(", ");
    Page::named(name).ok_or_else(|| format!("there are {names}"))
}

fn size(text: &str) -> Result<[f32; 2], String> {
    let side = |s: &str| s.parse::<f32>().ok().filter(|s| (200.0..=8000.0).contains(s));
    let sides = text.split_once('x').and_then(|(w, h)| Some([side(w)?, side(h)?]));
    sides.ok_or_else(|| "expected width x height, each 200 to 8000, as in 1280x800".to_owned())
}

/// Runs `tercet app`; the program began at `began`.
pub fn run(args: &Args, began: Instant) -> anyhow::Result<ExitCode> {
    text::spare_thread()?;
    let timed_from = args.time.then_some(began);
    let mut env = surroundings();
    let start = Start { file: args.file.clone(), page: args.tab, timed_from, ..Start::default() };
    if args.time || args.screenshot.is_some() {
        // What is measured or drawn is what was asked for, and leaves a person's text and settings alone.
        env.config_dir = None;
    }
    let Some(to) = &args.screenshot else {
        gui::run(env, start)?;
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(runs) = &args.runs {
        env.runs_dir = std::path::absolute(runs)?;
    }
    let commands = match args.write {
        Some(seed) => {
            vec![Command::Generate(GenerateCommand::Seed(seed)), Command::Generate(GenerateCommand::Write)]
        }
        None => Vec::new(),
    };
    let picture = Picture {
        page: args.tab.unwrap_or_default(),
        size: args.size.unwrap_or([1280.0, 800.0]),
        scale: args.scale,
        dark: !args.light,
        commands,
        named: args.named.clone(),
    };
    gui::screenshot(env, start, &picture, to)?;
    Ok(ExitCode::SUCCESS)
}

/// Opens a model, the last one, or the shipped one, where a person can see it: in a window, or in the terminal if there is none.
pub fn open(file: Option<&Path>) -> anyhow::Result<ExitCode> {
    if let Some(path) = file.filter(|p| !p.exists()) {
        anyhow::bail!(
            "there is no file and no command named {}; `tercet --help` lists the commands",
            path.display().to_string().escape_debug()
        );
    }
    if !has_display() {
        note(format_args!("there is no display to open a window on; writing here instead"));
        return crate::verse::run(file);
    }
    text::spare_thread()?;
    match gui::run(surroundings(), Start { file: file.map(Path::to_owned), ..Start::default() }) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            note(format_args!("{error}; writing here instead"));
            crate::verse::run(file)
        }
    }
}

fn surroundings() -> Env {
    let program = std::env::current_exe().unwrap_or_else(|_| "tercet".into());
    let env = Env::system(program, shipped_model(), env!("TERCET_COMMIT"));
    Env { cache_dir: cache_folder(), ..env }
}

/// Whether there is a screen to draw on, as far as can be told without asking for one.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    cfg!(not(all(unix, not(target_os = "macos"))))
        || set("DISPLAY")
        || set("WAYLAND_DISPLAY")
        || set("WAYLAND_SOCKET")
}
