//! Handing what is on the page to the engine: the text, another try of its last part, a branch off it, or the conversation.

use std::sync::Arc;

use runtime::request::{GenerateRequest, WhenFull};
use text::{Recent, Stops};

use super::Generate;
use super::made::Made;
use super::prompt;
use super::writer::{Ended, WriteRequest, Writer};
use crate::open::Loaded;
use crate::shared::Shared;

/// Alternatives that are asked for with each token.
const ALTERNATIVES: usize = 10;
/// Vocabularies up to this size have them at hand for next to nothing, whether they are looked at or not.
const VOCAB_CHEAP: usize = 1 << 13;

/// A seed that is new every time and short enough to type again.
pub fn new_seed() -> u64 {
    use rand::RngExt;
    rand::rng().random_range(0..1_000_000)
}

impl Generate {
    /// Hands the text to the engine.
    pub(super) fn write(&mut self, shared: &mut Shared) {
        self.text.begin_part(None);
        let text = self.text.clone();
        let made = self
            .begin(shared, move |model| Ok(prompt::of_text(&text, &model.opened, model.engine.context())));
        self.made = made.or(self.made.take());
    }

    /// Writes the last part again.
    pub(super) fn again(&mut self, shared: &mut Shared) {
        let Some(at) = self.text.part() else { return };
        self.keep();
        self.text.cut(at);
        self.beside = true;
        self.write(shared);
    }

    /// Puts another id in the place of a token, and goes on from there.
    pub(super) fn branch(&mut self, token: usize, id: u32, shared: &mut Shared) {
        let (Some(old), Some(model)) = (self.text.tokens().get(token).cloned(), shared.model.get()) else {
            return;
        };
        self.tried = 0;
        self.keep();
        let begun = self.text.cut_before(token);
        let piece = model.opened.tokenizer.decode(&[&begun[..], &[id]].concat());
        let at = old.range.start;
        let log_prob = old.likeliest.iter().find(|(i, _)| *i == id).map(|(_, p)| f64::from(*p));
        self.text.push(id, &piece, log_prob, old.likeliest);
        self.card = None;
        self.write(shared);
        self.text.begin_part(Some(at));
    }

    /// Hands the conversation to the engine.
    pub(super) fn answer(&mut self, shared: &mut Shared) {
        self.tried = 0;
        let writing = &shared.settings.writing;
        let (turns, system, most) = (self.chat.turns.clone(), writing.system.clone(), writing.max_tokens);
        let made = self.begin(shared, move |model| {
            prompt::of_turns(&turns, &system, &model.opened, model.engine.context(), most)
        });
        self.answering = made.is_some();
        self.answered = made.or(self.answered.take());
    }

    /// Hands a prompt to the engine; answers how what follows is made.
    fn begin(
        &mut self,
        shared: &Shared,
        prompt: impl FnOnce(&Loaded) -> Result<Recent, String> + Send + 'static,
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
            ..GenerateRequest::default()
        };
        let made = Made::new(&model, w, seed);
        (self.ended, self.card) = (None, None);
        let wanted = WriteRequest { model, prompt: Box::new(prompt), request, stops: Stops::new(&w.stop) };
        match Writer::start(wanted, &shared.ctx) {
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
