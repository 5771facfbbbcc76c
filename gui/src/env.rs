//! What the app is told of its surroundings: which program it is, where to keep things, how to ask for a file. Everything
//! a test wants to replace.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the app finds around itself: tests give it folders of their own.
#[derive(Clone, Debug)]
pub struct Env {
    /// The `tercet` program, to start trainings with.
    pub program: PathBuf,
    /// Where settings live; `None` keeps none.
    pub config_dir: Option<PathBuf>,
    /// Where new runs go, unless the settings say otherwise.
    pub runs_dir: PathBuf,
    /// Where what is fetched or can be made again lives; `None` keeps none.
    pub cache_dir: Option<PathBuf>,
    /// The model that ships with the program.
    pub shipped_model: Option<PathBuf>,
    /// The commit this program was built from, for what it records.
    pub commit: String,
    /// How a person is asked for a file.
    pub dialogs: Arc<dyn Dialogs>,
    /// Puts a folder where a person would look for what they threw away.
    pub discard: fn(&Path) -> Result<(), String>,
    /// Asks the driver for the cards that training could run on; it may take long to answer.
    pub cards: fn() -> train_cuda::Result<Vec<train_cuda::driver::Card>>,
}

impl Env {
    /// Those of a person's machine.
    pub fn system(program: PathBuf, shipped_model: Option<PathBuf>, commit: &str) -> Env {
        let dirs = directories::ProjectDirs::from("", "", "tercet");
        let home = directories::UserDirs::new().map(|d| d.home_dir().to_owned());
        Env {
            program,
            config_dir: dirs.as_ref().map(|d| d.config_dir().to_owned()),
            cache_dir: dirs.as_ref().map(|d| d.cache_dir().to_owned()),
            runs_dir: home.unwrap_or_default().join("tercet").join("runs"),
            shipped_model,
            commit: commit.to_owned(),
            dialogs: Arc::new(SystemDialogs),
            discard: |path| trash::delete(path).map_err(|e| e.to_string()),
            cards: train_cuda::driver::cards,
        }
    }

    /// Where texts go that are fetched: beside the runs.
    pub fn texts_dir(&self) -> PathBuf {
        self.runs_dir.with_file_name("texts")
    }
}

/// Kinds of files that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What a person calls them.
    pub name: &'static str,
    /// How their names end, without the dot.
    pub extensions: &'static [&'static str],
}

const fn filter(name: &'static str, extensions: &'static [&'static str]) -> Filter {
    Filter { name, extensions }
}

/// What is opened as a model.
pub const GGUF: [Filter; 1] = [filter("Model (GGUF)", &["gguf"])];
/// What a training learns from.
pub const TEXT: [Filter; 1] = [filter("Text", &["txt", "md"])];
/// What a written text is saved as.
pub const WRITTEN: [Filter; 4] = [
    filter("Text", &["txt"]),
    filter("Markdown", &["md"]),
    filter("JSON with all that it takes to write it again", &["json"]),
    filter("Tokens and their probabilities (TSV)", &["tsv"]),
];
/// What a picture of weights is saved as.
pub const PNG: [Filter; 1] = [filter("Picture (PNG)", &["png"])];
/// What the charts of a training are saved as.
pub const CHARTS: [Filter; 2] = [filter("Picture (PNG)", &["png"]), filter("Drawing (SVG)", &["svg"])];
/// What their values are saved as.
pub const CSV: [Filter; 1] = [filter("Table (CSV)", &["csv"])];
/// What the results of a benchmark are saved as.
pub const RESULTS: [Filter; 5] = [
    filter("JSON, to be laid over others", &["json"]),
    filter("JSON lines", &["jsonl"]),
    filter("Markdown", &["md"]),
    filter("Table (CSV)", &["csv"]),
    filter("Picture (PNG)", &["png"]),
];
/// Which of those can be laid over others.
pub const EARLIER: [Filter; 1] = [filter("Benchmark results", &["json", "jsonl"])];

/// Asks a person for a file. Each call waits for the answer, so it is made on a thread of its own; `None` where there is no answer.
pub trait Dialogs: fmt::Debug + Send + Sync {
    /// Asks for a file that exists.
    fn open_file(&self, title: &str, kinds: &[Filter]) -> Option<PathBuf>;
    /// Asks where to write, with a name to begin with.
    fn save_file(&self, title: &str, name: &str, kinds: &[Filter]) -> Option<PathBuf>;
    /// Asks for a folder.
    fn open_folder(&self, title: &str) -> Option<PathBuf>;
}

/// The system's own dialogs.
#[derive(Debug)]
struct SystemDialogs;

impl SystemDialogs {
    fn dialog(title: &str, kinds: &[Filter]) -> rfd::FileDialog {
        let dialog = rfd::FileDialog::new().set_title(title);
        kinds.iter().fold(dialog, |dialog, kind| dialog.add_filter(kind.name, kind.extensions))
    }
}

impl Dialogs for SystemDialogs {
    fn open_file(&self, title: &str, kinds: &[Filter]) -> Option<PathBuf> {
        Self::dialog(title, kinds).pick_file()
    }

    fn save_file(&self, title: &str, name: &str, kinds: &[Filter]) -> Option<PathBuf> {
        Self::dialog(title, kinds).set_file_name(name).save_file()
    }

    fn open_folder(&self, title: &str) -> Option<PathBuf> {
        Self::dialog(title, &[]).pick_folder()
    }
}

/// Dialogs that answer at once with what they were made with, for tests and pictures.
#[derive(Debug, Default)]
pub struct Answers {
    /// To every question for a file that exists, or a folder.
    pub open: Option<PathBuf>,
    /// To every question where to write.
    pub save: Option<PathBuf>,
}

impl Dialogs for Answers {
    fn open_file(&self, _: &str, _: &[Filter]) -> Option<PathBuf> {
        self.open.clone()
    }

    fn save_file(&self, _: &str, _: &str, _: &[Filter]) -> Option<PathBuf> {
        self.save.clone()
    }

    fn open_folder(&self, _: &str) -> Option<PathBuf> {
        self.open.clone()
    }
}
