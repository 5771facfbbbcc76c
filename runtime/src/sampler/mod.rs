//! Choosing the next token from logits: greedy, or drawn after penalty and truncation. It sees ids and
//! numbers only; what the ids spell is the caller's business.
//!
//! The order is fixed and part of the promise that one seed gives one text:
//! 1. what the request adds to the logits of single ids ([`Sampler::biased`]); then penalties over the last `repetition_window` tokens (prompt included). The repetition penalty, each distinct id once: a
//!    positive logit is divided by it, a negative one multiplied (CTRL, arXiv 1909.05858). Then the presence penalty is taken
//!    off once, and the frequency penalty as often as the id is there (as OpenAI's interface defines them);
//! 2. `temperature` 0: the largest logit, the lowest id among equals. Otherwise:
//! 3. top-k keeps the `k` largest (the lowest ids among equals);
//! 4. softmax of `logit / temperature` over what is left;
//! 5. top-p keeps the fewest, most likely first, whose probabilities reach `p` (arXiv 1904.09751);
//! 6. min-p drops those below `min_p` times the most likely one (arXiv 2407.01082);
//! 7. one uniform number from [`Xoshiro256`] picks by cumulative probability.

mod candidates;
mod logits;
mod sampling;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::pass::Want;
use candidates::{
    Candidate, collect_from, count_from, keep_top_p, likelier, lower_bound, select_by_weight, weight_from,
    weight_of,
};
use cpu::Kernels;
use cpu::ops::exp;
use logits::largest;
use model::xoshiro::Xoshiro256;

pub use logits::{argmax, log_sum_exp};
pub use sampling::Sampling;

/// A sampler and its memory of recent tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: Sampling,
    /// What is added to the logits of ids.
    bias: Vec<(u32, f32)>,
    rng: Xoshiro256,
    recent: VecDeque<u32>,
    /// `recent`, in the order of ids.
    sorted: Vec<u32>,
    /// Logits after bias and penalties.
    penalised: Vec<f32>,
    /// `exp((logit - max) / temperature)` of every id.
    weights: Vec<f32>,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler at the start of its random sequence.
    ///
    /// # Errors
    /// What [`Sampling::validate`] refuses.
    pub fn new(settings: Sampling) -> Result<Self> {
        settings.validate()?;
        Ok(Sampler {
            settings,
            bias: Vec::new(),
            rng: Xoshiro256::from_seed(settings.seed),
            recent: VecDeque::new(),
            sorted: Vec::new(),
            penalised: Vec::new(),
            weights: Vec::new(),
            candidates: Vec::new(),
        })
    }

    /// The same with `bias` added to the logits of ids.
    ///
    /// # Errors
    /// [`Error::Sampling`] for a number outside -100 to 100.
    pub fn biased(mut self, bias: &[(u32, f32)]) -> Result<Self> {
        if let Some(&(_, found)) = bias.iter().find(|(_, bias)| !(-100.0..=100.0).contains(bias)) {
            let (name, expected) = ("logit bias", "-100 to 100 (0 does nothing)");
            return Err(Error::Sampling { name, found: f64::from(found), expected });
        }
        self.bias = bias.to_vec();
        Ok(self)
    }

    /// Remembers a token of the text so far, for the penalties.
    pub fn accept(&mut self, id: u32) {
        if !self.settings.penalises() {
            return;
        }
        if self.recent.len() >= self.settings.repetition_window {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }

    /// What is to be known of the next token: its logits, or an id if it may be chosen without showing them here. If it is, [`chosen`](Self::chosen) wants to know.
    pub fn want(&self) -> Want {
        let s = &self.settings;
        if s.penalises() || !self.bias.is_empty() {
            return Want::Last;
        }
        if s.temperature == 0.0 { Want::Likeliest } else { Want::Draw(*s, self.rng.clone().next_f64()) }
    }

    /// Takes note that a token was chosen as [`want`](Self::want) said.
    pub fn chosen(&mut self) {
        if self.settings.temperature != 0.0 {
            self.rng.next_f64();
        }
    }

    /// Chooses the next token. `logits`: one per id of the vocabulary.
    ///
    /// # Errors
    /// [`Error::Logits`] if they are not all finite.
    pub fn sample(&mut self, logits: &[f32]) -> Result<u32> {
        // Looking at all of them, rather than up to the first bad one, is what becomes vector code.
        let finite = Kernels::best().vectorise(|| logits.iter().fold(true, |ok, l| ok & l.is_finite()));
        if !finite || logits.is_empty() {
            return Err(Error::Logits);
        }
        self.penalised.clear();
        self.penalised.extend_from_slice(logits);
        for &(id, bias) in &self.bias {
            if let Some(l) = self.penalised.get_mut(id as usize) {
                *l += bias;
            }
        }
        self.sorted.clear();
        self.sorted.extend(&self.recent);
        self.sorted.sort_unstable();
        for times in self.sorted.chunk_by(|a, b| a == b) {
            if let Some(l) = self.penalised.get_mut(times[0] as usize) {
                let s = &self.settings;
                *l = if *l > 0.0 { *l / s.repetition_penalty } else { *l * s.repetition_penalty };
                *l -= s.presence_penalty + s.frequency_penalty * times.len() as f32;
            }
        }
        if self.settings.temperature == 0.0 {
            return Ok(argmax(&self.penalised));
        }
        Ok(self.draw())
    }

    fn draw(&mut self) -> u32 {
        let s = &self.settings;
        let (logits, weights, c) = (&self.penalised[..], &mut self.weights, &mut self.candidates);
        weights.resize(logits.len(), 0.0);
        let max = largest(logits);
        Kernels::best().vectorise(|| {
            for (w, l) in weights.iter_mut().zip(logits) {
                // A tiny temperature may overflow the quotient; exp then gives its smallest value.
                *w = exp((l - max) / s.temperature);
            }
        });
        let top_k = if s.top_k == 0 { logits.len() } else { s.top_k.min(logits.len()) };
        let cut = top_k < logits.len() || s.top_p < 1.0;
        if top_k < logits.len() {
            let bound = lower_bound(max, s.temperature, |b| count_from(logits, b) >= top_k);
            collect_from(logits, weights, bound, c);
            c.select_nth_unstable_by(top_k - 1, likelier);
            c.truncate(top_k);
            if s.top_p < 1.0 {
                keep_top_p(c, weight_of(c) * f64::from(s.top_p));
            }
        } else if s.top_p < 1.0 {
            let enough = weight_from(logits, weights, f32::NEG_INFINITY) * f64::from(s.top_p);
            let bound = lower_bound(max, s.temperature, |b| weight_from(logits, weights, b) >= enough);
            collect_from(logits, weights, bound, c);
            keep_top_p(c, enough);
        } else {
            collect_from(logits, weights, f32::NEG_INFINITY, c);
        }
        if s.min_p > 0.0 {
            c.retain(|c| c.weight >= s.min_p);
        }
        let mut left = self.rng.next_f64() * weight_of(c);
        if cut {
            let i = select_by_weight(c, |sum| sum > left);
            return c[i].id;
        }
        for candidate in c.iter() {
            left -= f64::from(candidate.weight);
            if left < 0.0 {
                return candidate.id;
            }
        }
        // Rounding may leave a crumb at the end; the last candidate takes it.
        c.last().map_or(0, |c| c.id)
    }
}
