//! The generate page: a text that the model goes on with. The text is the page; everything about how it is drawn, kept and saved has a
//! file of its own.

mod chat;
mod column;
mod command;
mod draft;
mod engine;
mod history;
mod manuscript;
mod panel;
mod preset;
mod save;
mod status;
mod strip;
mod surprise;
mod ui;
mod view;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

pub use command::GenerateCommand;

use eframe::egui;
use formats::tokenizer::Tokenizer;
use runtime::generate::{GenerateRequest, WhenFull};
use runtime::sampler::Sampling;

use crate::jobs::{self, Job};
use crate::open::Loaded;
use crate::shared::Shared;
use chat::Chat;
use draft::Draft;
use history::History;
use manuscript::Manuscript;
use preset::{Preset, sampling, set};
use save::Record;
use view::Card;
use writer::{Ended, Figures, Writer};

/// Alternatives that are asked for with each token.
const ALTERNATIVES: usize = 10;
/// Vocabularies up to this size have them at hand for next to nothing, whether they are looked at or not.
const VOCAB_CHEAP: usize = 1 << 13;
/// What the shipped model is given to begin with.
const PROMPT: &str = "ROMEO:\n";

/// The page's state.
#[derive(Debug)]
pub struct Generate {
    text: Manuscript,
    chat: Chat,
    /// A model that converses continues text all the same.
    notebook: bool,
    /// What is being written is the answer of a conversation.
    answering: bool,
    history: History,
    writer: Option<Writer>,
    /// Figures of the last text, until the next one.
    figures: Option<Figures>,
    /// How the last part was drawn.
    sampled: Sampling,
    /// Where the last part began.
    from: usize,
    /// How it ended.
    ended: Option<Ended>,
    card: Option<Card>,
    /// What the pointer is on in the strip of surprise.
    pointed: surprise::Pointed,
    /// What is being written is another try of the last part.
    beside: bool,
    /// Tries that are still to follow by themselves, and how many did: a fixed seed goes up by one with each.
    to_try: usize,
    tried: u64,
    strip: bool,
    /// The caret goes behind the text, once.
    focus: bool,
    draft: Draft,
    saving: Option<Job<Option<Result<PathBuf, String>>>>,
    begun: bool,
    /// Whose ids the text's tokens are.
    tokenizer: Option<Arc<Tokenizer>>,
}

impl Default for Generate {
    fn default() -> Self {
        Generate {
            text: Manuscript::default(),
            chat: Chat::default(),
            notebook: false,
            answering: false,
            history: History::default(),
            writer: None,
            figures: None,
            sampled: Sampling::default(),
            from: 0,
            ended: None,
            card: None,
            pointed: surprise::Pointed::default(),
            beside: false,
            to_try: 0,
            tried: 0,
            strip: false,
            focus: true,
            draft: Draft::default(),
            saving: None,
            begun: false,
            tokenizer: None,
        }
    }
}

/// A seed that is new every time and short enough to type again.
pub fn new_seed() -> u64 {
    use rand::RngExt;
    rand::rng().random_range(0..1_000_000)
}

impl Generate {
    /// Whether a text is being written.
    pub fn is_writing(&self) -> bool {
        self.writer.is_some()
    }

    /// The text on the page.
    pub fn text(&self) -> &str {
        &self.text.buffer
    }

    /// How many of its tokens the model wrote.
    pub fn written_tokens(&self) -> usize {
        self.text.tokens().len()
    }

    /// The app ends: what is on the page is kept.
    pub fn leave(&mut self, shared: &Shared) {
        if self.begun {
            self.draft.keep_now(&self.text, &self.chat.turns, shared.env.config_dir.as_deref());
        }
    }

    /// Whether the page is a conversation.
    pub fn is_chat(&self, shared: &Shared) -> bool {
        let converses = shared.model.get().is_some_and(|m| m.opened.chat_template.is_some());
        converses && !self.notebook
    }

    /// What has been said, and by whom: true for the model.
    pub fn said(&self) -> Vec<(bool, &str)> {
        self.chat.turns.iter().map(|t| (t.by_model, t.text.buffer.as_str())).collect()
    }

    /// Another model is open: its settings, unless a person has their own, and its prompt on an empty page.
    pub fn model_opened(&mut self, model: &Loaded, shared: &mut Shared) {
        self.writer = None;
        (self.answering, self.beside, self.to_try) = (false, false, 0);
        if !shared.settings.writing.own {
            set(&mut shared.settings.writing, &model.opened.sampling);
        }
        if !self.begun {
            self.begun = true;
            let kept = shared.env.config_dir.as_deref().and_then(Draft::load);
            match kept {
                Some(kept) => (self.text, self.chat.turns) = (kept.text, kept.chat),
                None if model.shipped => self.text = Manuscript::typed(PROMPT),
                None => {}
            }
            self.draft.is_kept(&self.text, &self.chat.turns);
            self.focus = true;
        } else if self.tokenizer.as_ref() != Some(&model.opened.tokenizer) {
            // Another vocabulary: the ids mean something else.
            self.text.forget_tokens();
            self.chat.turns.iter_mut().for_each(|t| t.text.forget_tokens());
        }
        self.tokenizer = Some(Arc::clone(&model.opened.tokenizer));
        self.history.keep(&self.text, None, 0);
    }

    /// Takes in what the engine wrote.
    pub fn logic(&mut self, shared: &mut Shared) {
        if let Some(writer) = &mut self.writer {
            let text = if self.answering { self.chat.answer() } else { &mut self.text };
            let ended = writer.take(text);
            self.figures = Some(writer.figures.clone());
            if let Some(ended) = ended {
                self.writer = None;
                let whole = matches!(ended, Ended::Length | Ended::Model | Ended::Stop(_));
                self.to_try = if whole { self.to_try } else { 0 };
                self.ended = Some(ended);
                let figures = self.figures.clone();
                if std::mem::take(&mut self.answering) {
                    // The conversation is its own history.
                } else if std::mem::take(&mut self.beside) {
                    self.history.keep_beside(&self.text, figures, self.from);
                } else {
                    self.history.keep(&self.text, figures, self.from);
                }
                if let Some(fault) = shared.model.get().and_then(|m| m.engine.fault()) {
                    shared.notices.warn(format!("{fault}. The CPU went on."));
                }
            }
        }
        if self.to_try > 0 && self.writer.is_none() {
            self.to_try -= 1;
            self.tried += 1;
            self.again(shared);
        }
        if let Some(result) = jobs::take(&mut self.saving) {
            match result {
                Ok(Some(Ok(path))) => shared.notices.good(format!("Saved {}", path.display())),
                Ok(Some(Err(why))) | Err(why) => shared.notices.bad(format!("The text was not saved: {why}")),
                Ok(None) => {}
            }
        }
        if self.begun && self.writer.is_none() {
            self.draft.keep(&self.text, &self.chat.turns, shared);
        }
    }

    fn can_again(&self) -> bool {
        self.from < self.text.buffer.len()
            && self.history.versions().get(self.history.cursor()).is_some_and(|v| v.figures.is_some())
    }

    /// Whether the page differs from the version that it came from, or that has one before it.
    fn can_undo(&self) -> bool {
        self.history.before().is_some() || self.is_edited()
    }

    fn is_edited(&self) -> bool {
        let kept = self.history.versions().get(self.history.cursor());
        kept.is_some_and(|v| v.text.buffer != self.text.buffer)
    }

    /// Carries out a command.
    pub fn run(&mut self, command: GenerateCommand, shared: &mut Shared) {
        let idle = self.writer.is_none();
        let chat = self.is_chat(shared);
        match command {
            GenerateCommand::Say(words) if idle && chat => {
                self.chat.say(words);
                self.answer(shared);
            }
            GenerateCommand::Again if idle && chat && self.chat.take_back() => self.answer(shared),
            GenerateCommand::Clear if idle && chat => self.chat.turns.clear(),
            GenerateCommand::Notebook if idle => self.notebook ^= true,
            GenerateCommand::Write if idle => {
                self.tried = 0;
                self.history.keep(&self.text, None, self.from);
                self.write(shared);
            }
            GenerateCommand::Stop => {
                self.to_try = 0;
                if let Some(writer) = &self.writer {
                    writer.cancel();
                }
            }
            GenerateCommand::Again if idle && !chat && self.can_again() => {
                self.tried = 0;
                self.again(shared);
            }
            GenerateCommand::Several(tries) if idle && !chat && self.can_again() => {
                (self.to_try, self.tried) = (tries, 0);
                shared.ctx.request_repaint();
            }
            GenerateCommand::Undo if idle => {
                if self.is_edited() {
                    let to = self.history.cursor();
                    self.history.keep(&self.text, None, self.from);
                    self.show(to);
                } else if let Some(before) = self.history.before() {
                    self.show(before);
                }
            }
            GenerateCommand::Redo if idle => {
                if let Some(after) = self.history.after() {
                    self.show(after);
                }
            }
            GenerateCommand::Version(index) if idle => {
                self.history.keep(&self.text, None, self.from);
                self.show(index);
            }
            GenerateCommand::Branch { token, id } if idle => self.branch(token, id, shared),
            GenerateCommand::Text(text) if idle => {
                self.history.keep(&self.text, None, self.from);
                self.text = Manuscript::typed(text);
                (self.figures, self.ended, self.card) = (None, None, None);
                self.history.keep(&self.text, None, 0);
            }
            GenerateCommand::Clear if idle => {
                self.focus = true;
                self.run(GenerateCommand::Text(String::new()), shared);
            }
            GenerateCommand::Preset(preset) => {
                let usual = shared.model.get().map_or_else(Sampling::default, |m| m.opened.sampling);
                set(&mut shared.settings.writing, &preset.sampling(&usual));
                shared.settings.writing.own = preset != Preset::Balanced;
            }
            GenerateCommand::NewSeed => shared.settings.writing.seed = Some(new_seed()),
            GenerateCommand::Seed(seed) => shared.settings.writing.seed = Some(seed),
            GenerateCommand::Probabilities => shared.settings.writing.probabilities ^= true,
            GenerateCommand::Panel => shared.settings.writing.panel ^= true,
            GenerateCommand::Strip => self.strip ^= true,
            GenerateCommand::Copy => {
                let text = if chat { self.chat.transcript() } else { self.text.buffer.clone() };
                shared.ctx.copy_text(text);
                shared.notices.good("The text is on the clipboard");
            }
            GenerateCommand::Save => {
                let (record, dialogs) = (self.record(shared), shared.env.dialogs.clone());
                self.save(shared, move |_| {
                    let path = dialogs.save_file("Save the text", "text.txt", None)?;
                    Some(record.save(&path).map(|()| path))
                });
            }
            GenerateCommand::SaveTo(path) => {
                let record = self.record(shared);
                self.save(shared, move |_| Some(record.save(&path).map(|()| path)));
            }
            // While a text is being written the rest can wait.
            _ => {}
        }
    }

    fn record(&self, shared: &Shared) -> Record {
        Record::new(&self.text, self.sampled, self.figures.clone(), shared.model.get().map(|m| &**m))
    }

    fn save(
        &mut self,
        shared: &mut Shared,
        work: impl FnOnce(&jobs::JobContext) -> Option<Result<PathBuf, String>> + Send + 'static,
    ) {
        if let Some(job) = shared.jobs.start("Saving the text", work) {
            self.saving = Some(job);
        }
    }

    fn show(&mut self, index: usize) {
        if let Some(version) = self.history.go(index) {
            self.text = version.text.clone();
            self.from = version.from;
            self.figures = version.figures.clone();
            (self.ended, self.card) = (None, None);
        }
    }

    fn branch(&mut self, token: usize, id: u32, shared: &mut Shared) {
        let (Some(old), Some(model)) = (self.text.tokens().get(token).cloned(), shared.model.get()) else {
            return;
        };
        self.history.keep(&self.text, None, self.from);
        let piece = model.opened.tokenizer.decode(&[id]);
        self.text.cut(old.range.start);
        let log_prob = old.likeliest.iter().find(|(i, _)| *i == id).map(|(_, p)| f64::from(*p));
        self.text.push(id, &piece, log_prob, old.likeliest);
        self.card = None;
        let from = old.range.start;
        self.write(shared);
        self.from = from;
    }

    /// Writes the last part again.
    fn again(&mut self, shared: &mut Shared) {
        self.history.keep(&self.text, None, self.from);
        self.text.cut(self.from);
        self.beside = true;
        self.write(shared);
    }

    /// Hands the text to the engine.
    fn write(&mut self, shared: &mut Shared) {
        let Some(model) = shared.model.get().map(Arc::clone) else { return };
        self.from = self.text.buffer.len();
        let prompt = self.text.ids(&model.opened);
        self.begin(&model, prompt, shared);
    }

    /// Hands the conversation to the engine.
    fn answer(&mut self, shared: &mut Shared) {
        let Some(model) = shared.model.get().map(Arc::clone) else { return };
        let turns = self.chat.for_template(&shared.settings.writing.system);
        match text::chat::prompt_ids(&model.opened, &turns) {
            Ok(prompt) => {
                self.answering = true;
                self.begin(&model, prompt, shared);
                self.answering = self.writer.is_some();
            }
            Err(why) => self.ended = Some(Ended::Failed(why.to_string())),
        }
    }

    fn begin(&mut self, model: &Loaded, mut prompt: Vec<u32>, shared: &Shared) {
        let w = &shared.settings.writing;
        let seed = w.seed.map_or_else(new_seed, |seed| seed.wrapping_add(self.tried));
        // The beginning of a long text is out of sight; room is left to write.
        let context = model.engine.context();
        let most = if prompt.len() > context { (context * 3 / 4).max(1) } else { context };
        let prompt = prompt.split_off(prompt.len().saturating_sub(most));
        let cheap = model.engine.gpu().is_none() && model.opened.model.config().vocab <= VOCAB_CHEAP;
        self.sampled = sampling(w, seed);
        let request = GenerateRequest {
            prompt,
            max_tokens: w.max_tokens,
            sampling: self.sampled,
            stop: model.opened.stop_ids(),
            when_full: WhenFull::Slide,
            log_probs: (cheap || w.probabilities).then_some(ALTERNATIVES),
        };
        (self.ended, self.figures, self.card) = (None, None, None);
        let stop = w.stop.iter().filter(|s| !s.is_empty()).cloned().collect();
        let from = if self.answering { 0 } else { self.from };
        let ctx: &egui::Context = &shared.ctx;
        match Writer::start(&model.engine, &model.opened.tokenizer, request, stop, from, ctx) {
            Ok(writer) => self.writer = Some(writer),
            Err(why) => self.ended = Some(Ended::Failed(why)),
        }
    }
}
