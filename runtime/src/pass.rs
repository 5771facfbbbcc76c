//! What a worker is asked: one pass over tokens of several texts, and what is wanted of each. A worker has threads or a device and
//! keeps what it remembers of every text; what to ask next is a generation's business, and whom to serve a scheduler's.

use model::config::ModelConfig;

use crate::error::{Error, Result};
use crate::kv::KvMemory;
use crate::sampler::Sampling;

/// A text that a worker keeps, from [`Worker::open`] to [`Worker::close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub(crate) usize);

/// What is wanted of some tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Want {
    /// That they are read.
    Nothing,
    /// The logits that follow the last of them.
    Last,
    /// The logits that follow each of them.
    All,
    /// The likeliest id after the last; its logits will do.
    Likeliest,
    /// An id drawn after the last, by these settings without penalties and this uniform number in `[0, 1)`; its logits will do.
    Draw(Sampling, f64),
}

impl Want {
    /// After how many of `tokens` tokens something is wanted.
    pub fn count(self, tokens: usize) -> usize {
        match self {
            Want::Nothing => 0,
            Want::Last | Want::Likeliest | Want::Draw(..) => tokens.min(1),
            Want::All => tokens,
        }
    }
}

/// The next tokens of one text.
#[derive(Clone, Copy, Debug)]
pub struct Span<'t> {
    /// Which text.
    pub text: TextId,
    /// They follow what the text holds.
    pub tokens: &'t [u32],
    /// What is wanted of them.
    pub want: Want,
}

/// What came of a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'w> {
    /// Its tokens were read.
    Nothing,
    /// Logits, (wanted tokens, vocab).
    Logits(&'w [f32]),
    /// The id asked for, chosen where its logits were computed.
    Id(u32),
    /// An id was asked for, and the logits to choose it by are not finite.
    NotFinite,
    /// The pass was given up, or what kept the text was lost: the text holds what it says it holds, and is to be asked again.
    Unread,
}

/// Says whether a pass is to be given up. It is asked often, and by several threads.
pub type GiveUp<'a> = &'a (dyn Fn() -> bool + Sync);

/// What runs texts, wherever it runs. No answer depends on which texts share a pass.
pub trait Worker {
    /// The model's shape.
    fn config(&self) -> &ModelConfig;

    /// Begins an empty text of up to `context` tokens.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's; no memory for another text.
    fn open(&mut self, context: usize) -> Result<TextId>;

    /// Forgets a text.
    fn close(&mut self, text: TextId);

    /// The tokens that a text holds.
    fn tokens(&self, text: TextId) -> &[u32];

    /// Most tokens that it may hold.
    fn context(&self, text: TextId) -> usize;

    /// Forgets all but the first `len` tokens of a text.
    fn truncate(&mut self, text: TextId, len: usize);

    /// From how many tokens on a beginning is worth sharing with [`fork`](Self::fork).
    fn page_tokens(&self) -> usize;

    /// Begins a text, of a context like that of `text`, with its first `len` tokens, or all if there are fewer: what they take is shared
    /// as far as can be. `text` stays as it is, and neither hears of what becomes of the other.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn fork(&mut self, text: TextId, len: usize) -> Result<TextId>;

    /// How many tokens are best read in one pass where somebody may lose interest in between.
    fn step_tokens(&self) -> usize;

    /// Reads the tokens of every span, each text at most once. `give_up` is asked now and then, every few milliseconds of a long
    /// pass; if it says so, every text is as before and every answer is [`Answer::Unread`].
    ///
    /// # Errors
    /// An id outside the vocabulary, more than a context holds, no tokens where something is wanted after them; no room for keys and
    /// values; or a device that fails. Every text is then as before.
    fn pass(&mut self, spans: &[Span<'_>], give_up: GiveUp<'_>) -> Result<()>;

    /// What came of span `i` of the last pass.
    fn answer(&self, i: usize) -> Answer<'_>;

    /// What the keys and values of all texts take.
    fn kv_memory(&self) -> KvMemory;
}

impl<W: Worker + ?Sized> Worker for Box<W> {
    fn config(&self) -> &ModelConfig {
        (**self).config()
    }

    fn open(&mut self, context: usize) -> Result<TextId> {
        (**self).open(context)
    }

    fn close(&mut self, text: TextId) {
        (**self).close(text);
    }

    fn tokens(&self, text: TextId) -> &[u32] {
        (**self).tokens(text)
    }

    fn context(&self, text: TextId) -> usize {
        (**self).context(text)
    }

    fn truncate(&mut self, text: TextId, len: usize) {
        (**self).truncate(text, len);
    }

    fn page_tokens(&self) -> usize {
        (**self).page_tokens()
    }

    fn fork(&mut self, text: TextId, len: usize) -> Result<TextId> {
        (**self).fork(text, len)
    }

    fn step_tokens(&self) -> usize {
        (**self).step_tokens()
    }

    fn pass(&mut self, spans: &[Span<'_>], give_up: GiveUp<'_>) -> Result<()> {
        (**self).pass(spans, give_up)
    }

    fn answer(&self, i: usize) -> Answer<'_> {
        (**self).answer(i)
    }

    fn kv_memory(&self) -> KvMemory {
        (**self).kv_memory()
    }
}

/// How many tokens two texts begin with alike.
pub(crate) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Refuses a text that a model of this shape cannot hold.
///
/// # Errors
/// A context of 0 or beyond the model's.
pub(crate) fn check_context(asked: usize, c: &ModelConfig) -> Result<()> {
    let trained = c.context;
    if (1..=trained).contains(&asked) { Ok(()) } else { Err(Error::Context { asked, trained }) }
}

/// Refuses a span that its text, `held` tokens long now, cannot take.
///
/// # Errors
/// As [`Worker::pass`] says.
pub(crate) fn check(span: &Span<'_>, vocab: usize, held: usize, context: usize) -> Result<()> {
    if let Some(&id) = span.tokens.iter().find(|&&id| id as usize >= vocab) {
        return Err(Error::Token { id, vocab });
    }
    let total = held + span.tokens.len();
    if total > context {
        return Err(Error::ContextFull { tokens: total, context });
    }
    if span.tokens.is_empty() && !matches!(span.want, Want::Nothing | Want::All) {
        return Err(Error::PromptEmpty);
    }
    Ok(())
}
