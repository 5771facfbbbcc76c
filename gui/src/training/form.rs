//! A run to be: its name, its texts and its configuration, by fields or as a whole in TOML, checked as it is typed. Drawing is
//! `form_ui`'s business, beginning it `child`'s.

use std::path::{Path, PathBuf};

use train::config::Config;
use train::needs::{Needs, Vocab};
use train::preset::{self, PRESETS};
use train_cuda::choice::Choice;

use super::cards::Place;
use super::child::Start;
use super::fitting::{Fit, Fitting};
use super::run::RunView;
use crate::jobs::{self, Job};
use crate::shared::Shared;

/// A run that was trained before: what decides its speed, and the speed.
#[derive(Clone, Debug, PartialEq)]
struct Earlier {
    name: String,
    device: String,
    config: Vec<(String, String)>,
    speed: f64,
}

/// What is wrong, and with which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// `name`, `text`, `device`, `toml`, or a key.
    pub field: String,
    /// A sentence.
    pub why: String,
}

/// Bytes of a text, or why there are none.
type Size = Result<u64, String>;

/// See the top of this file.
#[derive(Debug)]
pub struct Form {
    /// The folder's name.
    pub name: String,
    /// Whether a person chose it.
    pub named: bool,
    /// The preset that the fields began with.
    pub preset: &'static str,
    /// What the fields say.
    pub config: Config,
    /// All keys as text, while they are edited so.
    pub toml: Option<String>,
    toml_wrong: Option<String>,
    /// The field for a text's path.
    pub path: String,
    /// The run that is being started.
    pub starting: Option<String>,
    /// Why the last start did not work.
    pub failed: Option<String>,
    /// Why a text could not be had.
    pub text_wrong: Option<String>,
    /// Where the run will be.
    pub folder: PathBuf,
    device: Choice,
    place: Place,
    fitting: Fitting,
    taken: Vec<String>,
    earlier: Vec<Earlier>,
    texts: Vec<(String, Size)>,
    looking: Option<Job<Vec<(String, Size)>>>,
}

impl Form {
    /// The first preset, in a folder that holds these runs.
    pub fn new(runs: &[RunView], folder: PathBuf) -> Form {
        let (name, _) = PRESETS[0];
        let mut form = Form {
            name: String::new(),
            named: false,
            preset: name,
            config: preset::named(name).expect("the presets are there"),
            toml: None,
            toml_wrong: None,
            path: String::new(),
            starting: None,
            failed: None,
            text_wrong: None,
            folder,
            device: Choice::Auto,
            place: Place::Unknown,
            fitting: Fitting::default(),
            taken: Vec::new(),
            earlier: Vec::new(),
            texts: Vec::new(),
            looking: None,
        };
        form.take_runs(runs);
        form
    }

    /// The folder holds these runs.
    pub fn take_runs(&mut self, runs: &[RunView]) {
        if self.starting.is_some() {
            return;
        }
        self.taken = runs.iter().map(|r| r.found.name.clone()).collect();
        let earlier = runs.iter().map(|r| &r.found).filter_map(|found| {
            let device = found.device().to_owned();
            let config = shape(found.config.iter().cloned(), &device);
            Some(Earlier { name: found.name.clone(), device, config, speed: f64::from(found.speed?) })
        });
        self.earlier = earlier.collect();
        self.suggest();
    }

    /// What the trainer will be told of where to train, and where that is.
    pub fn take_place(&mut self, device: Choice, place: Place) {
        (self.device, self.place) = (device, place);
    }

    /// What the trainer will be told of where to train.
    pub fn device(&self) -> Choice {
        self.device
    }

    /// Where the run will be trained.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What a card will take of it, if it goes on one.
    pub fn fit(&self) -> Option<&Fit> {
        self.fitting.fit()
    }

    /// A name that is free, unless a person chose one.
    fn suggest(&mut self) {
        if !self.named {
            let free = |name: &String| !self.taken.contains(name);
            let numbered = (2..).map(|i| format!("{}-{i}", self.preset));
            self.name =
                std::iter::once(self.preset.to_owned()).chain(numbered).find(free).unwrap_or_default();
        }
    }

    /// The run will be in another folder.
    pub fn move_to(&mut self, folder: PathBuf) {
        (self.folder, self.taken) = (folder, Vec::new());
        self.suggest();
    }

    /// Begins again with a preset; the texts stay.
    pub fn take_preset(&mut self, name: &'static str) {
        let Ok(mut config) = preset::named(name) else { return };
        config.data.text = std::mem::take(&mut self.config.data.text);
        (self.config, self.preset) = (config, name);
        if self.toml.is_some() {
            self.edit_all();
        }
        self.suggest();
    }

    /// Adds a text, by its whole path.
    pub fn add_text(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let text = path.to_string_lossy().into_owned();
        if self.toml.is_some() && self.toml_wrong.is_some() {
            self.text_wrong = Some(format!("All keys have to be right before {text} can be added to them."));
            return;
        }
        if !self.config.data.text.contains(&text) {
            self.config.data.text.push(text);
        }
        if self.toml.is_some() {
            self.edit_all();
        }
    }

    /// Turns to all keys as text.
    pub fn edit_all(&mut self) {
        self.toml_wrong = None;
        self.toml = toml::to_string(&self.config).ok();
    }

    /// Turns back to the fields.
    pub fn edit_fields(&mut self) {
        (self.toml, self.toml_wrong) = (None, None);
    }

    /// The text of all keys changed.
    pub fn typed(&mut self) {
        let Some(text) = &self.toml else { return };
        self.toml_wrong = match toml::from_str::<Config>(text) {
            Ok(config) => {
                self.config = config;
                None
            }
            Err(e) => {
                let line = e.span().map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
                Some(format!(
                    "Line {line}: {}",
                    formats::shown(e.message().lines().next().unwrap_or_default())
                ))
            }
        };
    }

    /// Looks at the texts when they are other ones, and has a card's memory counted.
    pub fn logic(&mut self, shared: &mut Shared) {
        if let Some(Ok(texts)) = jobs::take(&mut self.looking) {
            self.texts = texts;
        }
        let cards = match &self.place {
            Place::Cards(card, count) if self.config.validate().is_ok() => Some((card, *count)),
            _ => None,
        };
        self.fitting.logic(cards.map(|(card, count)| (&self.config, card, count)), shared);
        let wanted = &self.config.data.text;
        let known = self.texts.iter().map(|(path, _)| path);
        if self.looking.is_none() && !known.eq(wanted) {
            let wanted = wanted.clone();
            self.looking = shared.jobs.start("Looking at texts", move |_| {
                let size = |path: &String| match std::fs::metadata(path) {
                    Ok(meta) if meta.is_file() => Ok(meta.len()),
                    Ok(_) => Err("it is not a file".to_owned()),
                    Err(e) => Err(e.to_string()),
                };
                wanted.iter().map(|path| (path.clone(), size(path))).collect()
            });
        }
    }

    /// A text's size, once it was looked at.
    pub fn size_of(&self, text: &str) -> Option<&Size> {
        self.texts.iter().find(|(path, _)| path == text).map(|(_, size)| size)
    }

    /// Bytes of all texts.
    pub fn text_bytes(&self) -> u64 {
        self.texts.iter().filter_map(|(_, size)| size.as_ref().ok()).sum()
    }

    /// The first thing that is wrong.
    pub fn wrong(&self) -> Option<Wrong> {
        let wrong = |field: &str, why: String| Some(Wrong { field: field.into(), why });
        if let Some(why) = &self.toml_wrong {
            return wrong("toml", why.clone());
        }
        let name = self.name.trim();
        if name.is_empty() {
            return wrong("name", "A run needs a name: its folder is called so".into());
        }
        if name.starts_with('.') || name.contains(['/', '\\', ':', '\0']) {
            return wrong(
                "name",
                "A folder cannot be called so: no / \\ : in the name, and no dot in front".into(),
            );
        }
        if self.taken.iter().any(|taken| taken == name) {
            return wrong(
                "name",
                format!("There is a run called {name} already; choose another name, or go on with that one"),
            );
        }
        if let Err(e) = self.config.validate().and_then(|()| self.config.vocab().map(drop)) {
            let why = e.to_string();
            let field = match &e {
                train::Error::ConfigValue { key, .. } => key.clone(),
                _ => "toml".to_owned(),
            };
            return wrong(&field, why);
        }
        if let Some(Err(why)) = self.fit() {
            return wrong("device", why.clone());
        }
        if self.config.data.text.is_empty() {
            return wrong("text", "Add a text to learn from".into());
        }
        for text in &self.config.data.text {
            if let Some(Err(why)) = self.size_of(text) {
                return wrong("text", format!("{text} cannot be read: {why}"));
            }
        }
        None
    }

    /// What the run will need, with how large a vocabulary; `None` while that cannot be told.
    pub fn needs(&self) -> Option<(Needs, Vocab)> {
        self.config.validate().ok()?;
        let vocab = self.config.vocab().ok()?;
        let ids = match vocab {
            Vocab::Exactly(n) | Vocab::AtMost(n) => n,
            Vocab::InFile => return None,
        };
        Some((self.config.needs(ids), vocab))
    }

    /// Seconds of the whole run at the speed of an earlier one of the same shape on the same device, and that one's name.
    pub fn time(&self, needs: &Needs) -> Option<(f64, &str)> {
        let mine = toml::Table::try_from(&self.config).ok()?;
        let device = self.place.name()?;
        let mine = shape(flat(&mine), &device);
        let earlier = self.earlier.iter().find(|e| e.device == device && e.config == mine)?;
        Some((needs.tokens as f64 / earlier.speed.max(1e-9), &earlier.name))
    }

    /// What is to be begun, if all is right.
    pub fn start(&mut self) -> Option<Start> {
        if self.wrong().is_some() || self.starting.is_some() {
            return None;
        }
        let config = toml::to_string(&self.config).ok()?;
        let name = self.name.trim().to_owned();
        (self.starting, self.failed) = (Some(name.clone()), None);
        Some(Start { name, folder: self.folder.clone(), config: Some(config), device: self.device })
    }
}

/// What decides how fast a run is on a device: the model, and how a step is cut up.
fn shape(config: impl Iterator<Item = (String, String)>, device: &str) -> Vec<(String, String)> {
    let decides = |key: &str| {
        key.starts_with("model.")
            || matches!(key, "tokenizer.kind" | "train.batch")
            || (device == "cpu" && matches!(key, "train.shards" | "train.threads"))
    };
    let mut keys: Vec<_> = config.filter(|(key, _)| decides(key)).collect();
    keys.sort();
    keys
}

fn flat(table: &toml::Table) -> impl Iterator<Item = (String, String)> {
    let mut out = Vec::new();
    super::found::flatten(table, "", &mut out);
    out.into_iter()
}

#[cfg(test)]
mod tests {
    use train_cuda::driver::Card;

    use super::*;

    fn form() -> Form {
        Form::new(&[], "runs".into())
    }

    fn card() -> Card {
        Card { name: "Card".to_owned(), ..Card::rtx_4090() }
    }

    #[test]
    fn form_says_what_is_wrong_as_it_is_typed() {
        let mut f = form();
        assert_eq!(f.name, PRESETS[0].0);
        assert_eq!(f.wrong().unwrap().field, "text");
        assert!(f.start().is_none());
        f.add_text(Path::new("/texts/a.txt"));
        assert_eq!(f.wrong(), None);
        f.config.model.width = 192;
        let wrong = f.wrong().unwrap();
        assert_eq!(wrong.field, "model.width");
        assert!(wrong.why.contains("multiple of 128"), "{}", wrong.why);
        f.config.model.width = 384;
        f.config.tokenizer.kind = "bpe:x".into();
        assert_eq!(f.wrong().unwrap().field, "tokenizer.kind");
        f.take_preset("tiny");
        assert_eq!((f.name.as_str(), f.config.data.text.len()), ("tiny", 1));
        for name in ["", " ", "../up", ".hidden", "a/b"] {
            f.name = name.into();
            assert_eq!(f.wrong().unwrap().field, "name", "{name:?}");
        }
    }

    #[test]
    fn form_as_text_is_the_same_form() {
        let mut f = form();
        f.add_text(Path::new("/texts/a.txt"));
        f.edit_all();
        let text = f.toml.clone().unwrap();
        f.toml = Some(text.replace("steps = 1000", "steps = 77"));
        f.typed();
        assert_eq!((f.config.train.steps, f.wrong()), (77, None));
        f.toml = Some(text.replace("steps = 1000", "stepps = 1000"));
        f.typed();
        let wrong = f.wrong().unwrap();
        assert!(
            wrong.field == "toml" && wrong.why.starts_with("Line ") && wrong.why.contains("stepps"),
            "{}",
            wrong.why
        );
        f.edit_fields();
        assert_eq!((f.config.train.steps, f.wrong()), (77, None));
        let start = f.start().unwrap();
        assert_eq!(toml::from_str::<Config>(&start.config.unwrap()).unwrap(), f.config);
        assert!(f.start().is_none(), "it is being started");
    }

    #[test]
    fn form_tells_time_only_from_a_run_of_the_same_shape() {
        let mut f = form();
        f.take_place(Choice::Auto, Place::Processor);
        let (needs, vocab) = f.needs().unwrap();
        assert_eq!((needs.tokens, vocab), (1000 * 8 * 512, Vocab::Exactly(2048)));
        assert_eq!(f.time(&needs), None);
        let config = toml::Table::try_from(&f.config).unwrap();
        for (device, speed) in [("cuda", 40960.0), ("cpu", 4096.0)] {
            let config = shape(flat(&config), device);
            f.earlier.push(Earlier {
                name: format!("{device} before"),
                device: device.into(),
                config,
                speed,
            });
        }
        f.config.train.steps = 10;
        let (needs, _) = f.needs().unwrap();
        assert_eq!(f.time(&needs), Some((10.0, "cpu before")));
        f.take_place(Choice::Auto, Place::Unknown);
        assert_eq!(f.time(&needs), None);
        f.take_place(Choice::Auto, Place::Cards(card(), 1));
        f.config.train.threads = 3;
        assert_eq!(f.time(&needs), Some((1.0, "cuda before")));
        f.take_place(Choice::Cpu, Place::Processor);
        assert_eq!(f.time(&needs), None, "other threads");
        f.take_place(Choice::Auto, Place::Cards(card(), 1));
        f.config.model.blocks += 1;
        assert_eq!(f.time(&f.needs().unwrap().0), None);
    }
}
