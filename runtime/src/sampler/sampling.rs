//! How the next token is chosen: settings, their ranges, and the defaults that a file may carry.

use formats::gguf::Metadata;

use crate::error::{Error, Result};

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 is greedy. 0 to 100.
    pub temperature: f32,
    /// Keeps this many candidates; 0 keeps all.
    pub top_k: usize,
    /// Keeps this share of probability; 1 keeps all.
    pub top_p: f32,
    /// Drops candidates this much less likely than the best; 0 drops none.
    pub min_p: f32,
    /// Makes recent tokens less likely; 1 does nothing.
    pub repetition_penalty: f32,
    /// Taken off the logits of recent tokens; 0 does nothing. -2 to 2.
    pub presence_penalty: f32,
    /// Taken off the logits of recent tokens for each time they are there; 0 does nothing. -2 to 2.
    pub frequency_penalty: f32,
    /// How many tokens are recent.
    pub repetition_window: usize,
    /// Seed of the random generator.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 0.8,
            top_k: 0,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_window: 64,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Always the most likely token.
    pub fn greedy() -> Self {
        Sampling { temperature: 0.0, ..Sampling::default() }
    }

    /// The defaults that travel in a model file (`general.sampling.*`), else our own.
    ///
    /// # Errors
    /// A key of another type, or a value that [`validate`](Self::validate) refuses.
    pub fn from_gguf(meta: &Metadata) -> Result<Self> {
        let mut s = Sampling::default();
        if let Some(v) = meta.f32("general.sampling.temp")? {
            s.temperature = v;
        }
        if let Some(v) = meta.u32("general.sampling.top_k")? {
            s.top_k = v as usize;
        }
        if let Some(v) = meta.f32("general.sampling.top_p")? {
            s.top_p = v;
        }
        if let Some(v) = meta.f32("general.sampling.min_p")? {
            s.min_p = v;
        }
        if let Some(v) = meta.f32("general.sampling.penalty_repeat")? {
            s.repetition_penalty = v;
        }
        if let Some(v) = meta.u32("general.sampling.penalty_last_n")? {
            s.repetition_window = v as usize;
        }
        s.validate()?;
        Ok(s)
    }

    /// Refuses values without a meaning.
    ///
    /// # Errors
    /// [`Error::Sampling`] naming the setting and its range.
    pub fn validate(&self) -> Result<()> {
        let check = |name, v: f32, ok: bool, expected| {
            if ok { Ok(()) } else { Err(Error::Sampling { name, found: f64::from(v), expected }) }
        };
        let t = self.temperature;
        check("temperature", t, (0.0..=100.0).contains(&t), "0 (greedy) to 100")?;
        let p = self.top_p;
        check("top-p", p, p > 0.0 && p <= 1.0, "above 0, at most 1")?;
        check("min-p", self.min_p, (0.0..=1.0).contains(&self.min_p), "0 to 1")?;
        let r = self.repetition_penalty;
        check("repetition penalty", r, (0.1..=10.0).contains(&r), "0.1 to 10 (1 does nothing)")?;
        for (name, v) in
            [("presence penalty", self.presence_penalty), ("frequency penalty", self.frequency_penalty)]
        {
            check(name, v, (-2.0..=2.0).contains(&v), "-2 to 2 (0 does nothing)")?;
        }
        Ok(())
    }

    /// Whether recent tokens count.
    pub(super) fn penalises(&self) -> bool {
        let neutral =
            self.repetition_penalty == 1.0 && self.presence_penalty == 0.0 && self.frequency_penalty == 0.0;
        !neutral && self.repetition_window > 0
    }
}
