//! How text is written, as the generate page keeps it; the sampler's settings are made of it, and may be put into it.

use runtime::sampler::Sampling;
use serde::{Deserialize, Serialize};

/// How text is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Writing {
    /// See `runtime::sampler::Sampling`; these are a person's own, once one was touched, else the model's.
    pub temperature: f32,
    /// So many likeliest tokens are drawn from; 0 is all.
    pub top_k: usize,
    /// The likeliest tokens that together have this share are drawn from; 1 is all.
    pub top_p: f32,
    /// Tokens below this share of the likeliest one are left out; 0 is none.
    pub min_p: f32,
    /// How much less likely recent tokens are made; 1 changes nothing.
    pub repetition_penalty: f32,
    /// How many of the last tokens are recent.
    pub repetition_window: usize,
    /// Whether the values above are a person's choice.
    pub own: bool,
    /// The seed of every text, or a new one each time.
    pub seed: Option<u64>,
    /// Most tokens that are written at a time.
    pub max_tokens: usize,
    /// Strings that end a text.
    pub stop: Vec<String>,
    /// What holds for a whole conversation.
    pub system: String,
    /// Whether the panel of settings is shown.
    pub panel: bool,
    /// Whether tokens are coloured by their probability.
    pub probabilities: bool,
}

impl Default for Writing {
    fn default() -> Self {
        Writing {
            temperature: 0.8,
            top_k: 0,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            repetition_window: 64,
            own: false,
            seed: None,
            max_tokens: 400,
            stop: Vec::new(),
            system: String::new(),
            panel: true,
            probabilities: false,
        }
    }
}

impl Writing {
    /// The sampler's settings out of these.
    pub fn sampling(&self, seed: u64) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            repetition_window: self.repetition_window,
            seed,
            ..Sampling::default()
        }
    }

    /// Takes the sampler's settings over; its seed stays out.
    pub fn set_sampling(&mut self, s: &Sampling) {
        self.temperature = s.temperature;
        self.top_k = s.top_k;
        self.top_p = s.top_p;
        self.min_p = s.min_p;
        self.repetition_penalty = s.repetition_penalty;
        self.repetition_window = s.repetition_window;
    }
}
