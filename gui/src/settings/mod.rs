//! What is kept from one start to the next, as a TOML file that is written whole. A file that cannot be read costs its settings
//! and nothing else; few things are kept, so that no stale state can break a start.

mod following;
mod plan;
mod preset;
mod serving;
mod writing;

pub use following::Following;
pub use plan::{BenchmarkPlan, PlanField};
pub use preset::{BenchmarkPreset, SamplingPreset};
pub use serving::{ExampleKind, Serving};
pub use writing::Writing;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cpu::Kernels;
use formats::atomic::write_private;
use formats::{Error, sentence, shown, utf8};
use serde::{Deserialize, Serialize};

use crate::env::Env;
use crate::open::Device;
use crate::page::Page;

/// They take some kilobytes; what is much longer is something else.
const BYTES_MAX: u64 = 1 << 20;
/// Recent models that are kept.
const RECENTS: usize = 10;
/// More threads than this are a slip of the finger.
pub const THREADS_MAX: usize = 256;
/// Fewer tokens in sight are of no use.
pub const CONTEXT_MIN: usize = 16;

/// More texts than this at once are a slip of the finger.
pub const TEXTS_MAX: usize = 1024;

/// Light, dark, or as the system is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    /// As the system is; dark where it does not tell.
    #[default]
    System,
    /// Dark at any time of day.
    Dark,
    /// Light likewise.
    Light,
}

/// Everything that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Which colours are on.
    pub theme: ThemeChoice,
    /// Size of everything, 0.5 to 3; 1 is as designed.
    pub zoom: f32,
    /// The page that was open.
    pub page: Page,
    /// Size of the window, in points as they are without zoom.
    pub window: Option<[f32; 2]>,
    /// Whether the window filled the screen.
    pub maximized: bool,
    /// Models that were open, the last first.
    pub recents: Vec<PathBuf>,
    /// Where models run.
    #[serde(rename = "backend")]
    pub device: Device,
    /// Threads they take on the processor; `None` leaves it to the engine.
    pub threads: Option<usize>,
    /// Tokens they have in sight; `None` is as many as they were made for.
    pub context: Option<usize>,
    /// How the generate page writes text.
    pub writing: Writing,
    /// What the benchmark page measures.
    pub measuring: BenchmarkPlan,
    /// How the training page shows its runs.
    pub following: Following,
    /// How the server page serves.
    pub serving: Serving,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            theme: ThemeChoice::default(),
            zoom: 1.0,
            page: Page::default(),
            window: None,
            maximized: false,
            recents: Vec::new(),
            device: Device::default(),
            threads: None,
            context: None,
            writing: Writing::default(),
            measuring: BenchmarkPlan::default(),
            following: Following { smoothing: 0.9, ..Following::default() },
            serving: Serving::default(),
        }
    }
}

impl Settings {
    /// Those kept in these surroundings.
    pub fn of(env: &Env) -> (Settings, Option<String>) {
        env.config_dir.as_deref().map_or_else(Default::default, Settings::load)
    }

    /// Reads the settings of a folder: the defaults where there are none, and a sentence where there are some that cannot be read.
    pub fn load(folder: &Path) -> (Settings, Option<String>) {
        let path = file(folder);
        let text = match utf8::read(&path, BYTES_MAX) {
            Ok(text) => text,
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return (Settings::default(), None);
            }
            Err(e) => {
                let aside = put_aside(&path);
                let problem = format!("Settings are not read: {}{aside}", sentence(&e));
                return (Settings::default(), Some(problem));
            }
        };
        match toml::from_str::<Settings>(&text) {
            Ok(settings) => (settings.within_bounds(), None),
            Err(e) => {
                let aside = put_aside(&path);
                let problem =
                    format!("Settings start anew: {} ({}){aside}", shown(e.message()), path.display());
                (Settings::default(), Some(problem))
            }
        }
    }

    /// Writes them to a folder, which is made if need be.
    ///
    /// # Errors
    /// A sentence saying why not.
    pub fn save(&self, folder: &Path) -> Result<(), String> {
        let path = file(folder);
        let why = |e: &dyn std::fmt::Display| format!("Settings cannot be kept: {e} ({})", path.display());
        let text = toml::to_string(self).map_err(|e| why(&e))?;
        std::fs::create_dir_all(folder).map_err(|e| why(&e))?;
        // There may be a key in it.
        write_private(&path, |w| w.write_all(text.as_bytes())).map_err(|e| why(&e))
    }

    /// Puts a model at the head of the recent ones.
    pub fn remember(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.recents.retain(|p| *p != path);
        self.recents.insert(0, path);
        self.recents.truncate(RECENTS);
    }

    /// The same with every number where a slider could have put it.
    fn within_bounds(mut self) -> Self {
        let clamp =
            |v: f32, low: f32, high: f32, usual: f32| if v.is_finite() { v.clamp(low, high) } else { usual };
        self.zoom = clamp(self.zoom, 0.5, 3.0, 1.0);
        self.window = self.window.filter(|w| w.iter().all(|s| (200.0..=20_000.0).contains(s)));
        self.recents.truncate(RECENTS);
        if matches!(&self.device, Device::Kernels(name) if Kernels::named(name).is_none()) {
            self.device = Device::Cpu;
        }
        self.threads = self.threads.map(|n| n.clamp(1, THREADS_MAX));
        self.context = self.context.map(|n| n.max(CONTEXT_MIN));
        let (w, usual) = (&mut self.writing, Writing::default());
        w.temperature = clamp(w.temperature, 0.0, 5.0, usual.temperature);
        w.top_p = clamp(w.top_p, 0.01, 1.0, usual.top_p);
        w.min_p = clamp(w.min_p, 0.0, 1.0, usual.min_p);
        w.repetition_penalty = clamp(w.repetition_penalty, 0.1, 10.0, 1.0);
        w.max_tokens = w.max_tokens.clamp(1, 1 << 20);
        self.following.smoothing = clamp(self.following.smoothing, 0.0, 0.999, 0.9);
        self.serving.texts = self.serving.texts.clamp(1, TEXTS_MAX);
        self.serving.context = self.serving.context.map(|n| n.max(CONTEXT_MIN));
        self
    }
}

/// Gives a file that cannot be read another name, so that nothing is written over it; answers with the end of a sentence about that.
pub fn put_aside(path: &Path) -> String {
    let mut to = path.as_os_str().to_owned();
    to.push(".bad");
    match std::fs::rename(path, &to) {
        Ok(()) => format!(". It is kept as {}", PathBuf::from(to).display()),
        Err(_) => String::new(),
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("settings.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("made/on/the/way");
        let mut settings = Settings { zoom: 1.25, page: Page::Training, ..Settings::default() };
        settings.writing.stop = vec!["\n\n".into()];
        settings.writing.seed = Some(7);
        settings.remember(Path::new("/models/a.gguf"));
        settings.remember(Path::new("/models/b.gguf"));
        settings.remember(Path::new("/models/a.gguf"));
        settings.save(&inner).unwrap();
        assert_eq!(Settings::load(&inner), (settings.clone(), None));
        assert_eq!(settings.recents, ["/models/a.gguf", "/models/b.gguf"].map(PathBuf::from));
    }

    #[test]
    fn settings_that_cannot_be_read_cost_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::load(folder.path()), (Settings::default(), None));
        std::fs::write(file(folder.path()), "zoom = \"wide\"").unwrap();
        let (settings, problem) = Settings::load(folder.path());
        assert_eq!(settings, Settings::default());
        assert!(problem.unwrap().contains("settings.toml.bad"));
        // Names and notes of runs may be in it: it is put aside, not written over.
        let aside = folder.path().join("settings.toml.bad");
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "zoom = \"wide\"");
        std::fs::write(
            file(folder.path()),
            "zoom = nan\nbackend = { kernels = \"avx9\" }\n[writing]\ntemperature = 1e9\nunknown = 1\n",
        )
        .unwrap();
        let (settings, problem) = Settings::load(folder.path());
        assert_eq!((settings.zoom, settings.writing.temperature, problem), (1.0, 5.0, None));
        assert_eq!(settings.device, Device::Cpu);
        // A folder that cannot be made.
        std::fs::write(folder.path().join("in the way"), "").unwrap();
        let error = Settings::default().save(&folder.path().join("in the way")).unwrap_err();
        assert!(error.starts_with("Settings cannot be kept"), "{error}");
    }
}
