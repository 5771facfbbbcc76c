//! The generate page: a text that the model goes on with. The text is the page; everything about how it is drawn, kept and saved has a
//! file of its own.

mod chat;
mod chat_ui;
mod column;
mod draft;
mod engine;
mod entries;
mod history;
mod made;
mod manuscript;
mod panel;
mod prompt;
mod save;
mod status;
mod strip;
mod surprise;
mod ui;
mod view;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use runtime::generate::{GenerateRequest, WhenFull};
use runtime::sampler::Sampling;

use crate::command::{Command, GenerateCommand};
use crate::env::WRITTEN;
use crate::jobs::{self, Job};
use crate::open::Loaded;
use crate::question::Question;
use crate::settings::SamplingPreset;
use crate::shared::Shared;
use chat::{Chat, transcript};
use draft::Draft;
use history::History;
use made::Made;
use manuscript::Manuscript;
use save::Record;
use view::Card;
use writer::{Ended, Order, Prompt, Writer};

/// Alternatives that are asked for with each token.
const ALTERNATIVES: usize = 10;
/// Vocabularies up to this size have them at hand for next to nothing, whether they are looked at or not.
const VOCAB_CHEAP: usize = 1 << 13;
/// The name of the text's field.
const MANUSCRIPT: &str = "manuscript";
/// What the shipped model is given to begin with.
const PROMPT: &str = "ROMEO:\n";

/// The page's state.
#[derive(Debug, Default)]
pub struct Generate {
    text: Manuscript,
    chat: Chat,
    /// A model that converses continues text all the same.
    notebook: bool,
    /// What is being written is the answer of a conversation.
    answering: bool,
    history: History,
    writer: Option<Writer>,
    /// How the text's last part is made, or was; and the conversation's last answer.
    made: Option<Made>,
    answered: Option<Made>,
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
    /// The text is another one, and nobody typed it: what its field would take back is of the one before.
    rebased: bool,
    stops: panel::Stops,
    draft: Draft,
    saving: Option<Job<Result<PathBuf, String>>>,
    /// There was a text to begin with: the page of last time, or a first prompt.
    begun: bool,
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

    /// The app begins: what was on the page is there again.
    pub fn restore(&mut self, shared: &mut Shared) {
        self.focus = true;
        let Some(folder) = shared.env.config_dir.clone() else { return };
        match self.draft.open(&folder) {
            Ok(Some(kept)) => {
                (self.text, self.made, self.begun) = (kept.text, kept.made, true);
                (self.chat.turns, self.chat.input) = (kept.chat, kept.saying);
            }
            Ok(None) => {}
            Err(why) => shared.notices.warn(why),
        }
        self.draft.is_kept(&self.text, &self.chat);
    }

    /// The app ends: what is on the page is kept.
    pub fn leave(&mut self) {
        self.draft.keep_now(&self.text, &self.chat, self.made.as_ref());
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

    /// Another model is open: its settings, unless a person has their own, and a prompt for the shipped one on a page that was never used.
    pub fn model_opened(&mut self, model: &Loaded, shared: &mut Shared) {
        self.writer = None;
        (self.answering, self.beside, self.to_try) = (false, false, 0);
        self.chat.drop_empty_answer();
        if !shared.settings.writing.own {
            shared.settings.writing.set_sampling(&model.opened.sampling);
        }
        if !std::mem::replace(&mut self.begun, true) && self.text.buffer.is_empty() && model.shipped {
            self.text = Manuscript::typed(PROMPT);
            self.draft.is_kept(&self.text, &self.chat);
            self.focus = true;
        }
        self.text.belongs_to(model.vocabulary);
        self.chat.turns.iter_mut().for_each(|t| t.text.belongs_to(model.vocabulary));
        self.history.keep(&self.text, self.made.clone());
    }

    /// Takes in what the engine wrote.
    pub fn logic(&mut self, shared: &mut Shared) {
        if let Some(writer) = &mut self.writer {
            let (text, made) = if self.answering {
                (&mut self.chat.answer().text, &mut self.answered)
            } else {
                (&mut self.text, &mut self.made)
            };
            let ended = writer.take(text);
            if let Some(made) = made {
                made.figures = writer.figures.clone();
            }
            if let Some(ended) = ended {
                self.ended(ended, shared);
            }
        }
        if self.to_try > 0 && self.writer.is_none() {
            self.to_try -= 1;
            self.tried += 1;
            self.again(shared);
        }
        if let Some(result) = jobs::take(&mut self.saving) {
            match result {
                Ok(Ok(path)) => shared.notices.good(format!("Saved {}", path.display())),
                Ok(Err(why)) | Err(why) => shared.notices.bad(format!("The text was not saved: {why}")),
            }
        }
        self.draft.keep(&self.text, &self.chat, self.made.as_ref(), shared);
    }

    /// The text is written, or will not be.
    fn ended(&mut self, ended: Ended, shared: &mut Shared) {
        (self.writer, self.rebased) = (None, true);
        let whole = matches!(ended, Ended::Length | Ended::Model | Ended::Stop(_));
        self.to_try = if whole { self.to_try } else { 0 };
        let failed = matches!(ended, Ended::Failed(_));
        self.ended = Some(ended);
        let made = self.made.clone();
        if std::mem::take(&mut self.answering) {
            // The conversation is its own history. Nothing was answered: the words are in the field again.
            self.chat.answer().made = self.answered.clone();
            self.chat.drop_empty_answer();
            if failed && !self.chat.can_go_on() {
                self.chat.undo();
            }
        } else if std::mem::take(&mut self.beside) {
            self.history.keep_beside(&self.text, made);
        } else {
            self.history.keep(&self.text, made);
        }
        if let Some(fault) = shared.model.get().and_then(|m| m.engine.fault()) {
            shared.notices.warn(format!("{fault}. The CPU went on."));
        }
    }

    /// Whether the last part, or the last answer, can be written again.
    fn can_again(&self, chat: bool) -> bool {
        if chat { !self.chat.turns.is_empty() } else { self.text.part().is_some() }
    }

    /// Whether there is a version to go back to, and one to go forward to.
    fn can_undo(&self, chat: bool) -> [bool; 2] {
        if chat {
            return self.chat.can_undo();
        }
        [self.history.before().is_some() || self.is_edited(), self.history.after().is_some()]
    }

    /// Whether the page differs from the version that it came from.
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
            GenerateCommand::Write if idle && chat && self.chat.can_go_on() => {
                self.chat.remember();
                self.answer(shared);
            }
            GenerateCommand::Undo if idle && chat => self.chat.undo(),
            GenerateCommand::Redo if idle && chat => self.chat.redo(),
            GenerateCommand::Clear if idle && chat => {
                self.chat.clear();
                (self.ended, self.answered) = (None, None);
            }
            GenerateCommand::Notebook if idle => {
                self.notebook ^= true;
                self.ended = None;
            }
            GenerateCommand::Write if idle && !chat => {
                self.tried = 0;
                self.keep();
                self.write(shared);
            }
            GenerateCommand::Stop => {
                self.to_try = 0;
                if let Some(writer) = &self.writer {
                    writer.cancel();
                }
            }
            GenerateCommand::Again if idle && !chat => {
                self.tried = 0;
                self.again(shared);
            }
            GenerateCommand::Several(tries) if idle && !chat && self.can_again(false) => {
                (self.to_try, self.tried) = (tries, 0);
                shared.ctx.request_repaint();
            }
            GenerateCommand::Undo if idle => {
                self.keep();
                if let Some(before) = self.history.before() {
                    self.show(before, shared);
                }
            }
            GenerateCommand::Redo if idle => {
                if let Some(after) = self.history.after() {
                    self.show(after, shared);
                }
            }
            GenerateCommand::Version(index) if idle => {
                // The oldest may have to go for what is on the page now.
                if let Some(index) = index.checked_sub(self.keep()) {
                    self.show(index, shared);
                }
            }
            GenerateCommand::Branch { token, id } if idle => self.branch(token, id, shared),
            GenerateCommand::Text(text) if idle => {
                self.keep();
                (self.text, self.rebased) = (Manuscript::typed(text), true);
                if let Some(model) = shared.model.get() {
                    self.text.belongs_to(model.vocabulary);
                }
                (self.made, self.ended, self.card) = (None, None, None);
                self.keep();
            }
            GenerateCommand::Clear if idle => {
                self.focus = true;
                self.run(GenerateCommand::Text(String::new()), shared);
            }
            GenerateCommand::Preset(preset) => {
                let usual = shared.model.get().map_or_else(Sampling::default, |m| m.opened.sampling);
                shared.settings.writing.set_sampling(&preset.sampling(&usual));
                shared.settings.writing.own = preset != SamplingPreset::Balanced;
            }
            GenerateCommand::NewSeed => shared.settings.writing.seed = Some(new_seed()),
            GenerateCommand::Seed(seed) => shared.settings.writing.seed = Some(seed),
            GenerateCommand::Probabilities => shared.settings.writing.probabilities ^= true,
            GenerateCommand::Panel => shared.settings.writing.panel ^= true,
            GenerateCommand::Strip => self.strip ^= true,
            GenerateCommand::Copy => {
                let text = if chat { transcript(&self.chat.turns) } else { self.text.buffer.clone() };
                shared.ctx.copy_text(text);
                shared.notices.good("The text is on the clipboard");
            }
            GenerateCommand::Save => {
                let then = |path| Command::Generate(GenerateCommand::SaveTo(path));
                shared.send(Command::Ask(Question::save("Save the text", "text.txt", &WRITTEN, then)));
            }
            GenerateCommand::SaveTo(path) => {
                let record = self.record(shared);
                let work = move |_: &jobs::JobContext| record.save(&path).map(|()| path);
                self.saving = shared.jobs.start("Saving the text", work).or(self.saving.take());
            }
            // While a text is being written the rest can wait.
            _ => {}
        }
    }

    fn record(&self, shared: &Shared) -> Record {
        if self.is_chat(shared) {
            return Record::talk(&self.chat.turns, &shared.settings.writing.system);
        }
        Record::text(&self.text, self.made.as_ref())
    }

    /// Keeps what a person changed as a version of its own; answers how many of the oldest had to go for it.
    fn keep(&mut self) -> usize {
        self.history.keep(&self.text, None)
    }

    fn show(&mut self, index: usize, shared: &Shared) {
        let Some(version) = self.history.go(index) else { return };
        (self.text, self.made) = (version.text.clone(), version.made.clone());
        self.rebased = true;
        // It may be from before another model was opened.
        if let Some(model) = shared.model.get() {
            self.text.belongs_to(model.vocabulary);
        }
        (self.ended, self.card) = (None, None);
    }

    fn branch(&mut self, token: usize, id: u32, shared: &mut Shared) {
        let (Some(old), Some(model)) = (self.text.tokens().get(token).cloned(), shared.model.get()) else {
            return;
        };
        self.tried = 0;
        self.keep();
        let piece = model.opened.tokenizer.decode(&[id]);
        let at = old.range.start;
        self.text.cut(at);
        let log_prob = old.likeliest.iter().find(|(i, _)| *i == id).map(|(_, p)| f64::from(*p));
        self.text.push(id, &piece, log_prob, old.likeliest);
        self.card = None;
        self.write(shared);
        self.text.begin_part(Some(at));
    }

    /// Writes the last part again.
    fn again(&mut self, shared: &mut Shared) {
        let Some(at) = self.text.part() else { return };
        self.keep();
        self.text.cut(at);
        self.beside = true;
        self.write(shared);
    }

    /// Hands the text to the engine.
    fn write(&mut self, shared: &mut Shared) {
        self.text.begin_part(None);
        let (text, from) = (self.text.clone(), self.text.buffer.len());
        let made = self.begin(from, shared, move |model| {
            Ok(prompt::of_text(&text, &model.opened, model.engine.context()))
        });
        self.made = made.or(self.made.take());
    }

    /// Hands the conversation to the engine.
    fn answer(&mut self, shared: &mut Shared) {
        self.tried = 0;
        let (turns, system) = (self.chat.turns.clone(), shared.settings.writing.system.clone());
        // An answer that is gone on with has its stop strings looked for in what is new.
        let from = turns.last().filter(|t| t.by_model).map_or(0, |t| t.text.buffer.len());
        let made = self.begin(from, shared, move |model| {
            prompt::of_turns(&turns, &system, &model.opened, model.engine.context())
        });
        self.answering = made.is_some();
        self.answered = made.or(self.answered.take());
    }

    /// Hands a prompt to the engine; answers how what follows is made.
    fn begin(
        &mut self,
        from: usize,
        shared: &Shared,
        prompt: impl FnOnce(&Loaded) -> Result<Prompt, String> + Send + 'static,
    ) -> Option<Made> {
        let model = shared.model.get().map(Arc::clone)?;
        let w = &shared.settings.writing;
        let seed = w.seed.map_or_else(new_seed, |seed| seed.wrapping_add(self.tried));
        let cheap = model.engine.gpu().is_none() && model.opened.model.config().vocab <= VOCAB_CHEAP;
        let request = GenerateRequest {
            prompt: Vec::new(),
            max_tokens: w.max_tokens,
            sampling: w.sampling(seed),
            stop: model.opened.stop_ids(),
            when_full: WhenFull::Slide,
            log_probs: (cheap || w.probabilities).then_some(ALTERNATIVES),
        };
        let made = Made::new(&model, w, seed);
        (self.ended, self.card) = (None, None);
        let stop = w.stop.iter().filter(|s| !s.is_empty()).cloned().collect();
        let order = Order { model, prompt: Box::new(prompt), request, stop, from };
        match Writer::start(order, &shared.ctx) {
            Ok(writer) => {
                self.writer = Some(writer);
                Some(made)
            }
            Err(why) => {
                self.ended = Some(Ended::Failed(why));
                None
            }
        }
    }
}
