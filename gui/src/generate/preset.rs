//! The sampler's settings: those of the page, and those that go together under a name.

use runtime::sampler::Sampling;

use crate::settings::Writing;

/// Settings of the sampler that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Always the likeliest token.
    Greedy,
    /// What the model's file asks for.
    Balanced,
    /// Bolder.
    Creative,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 3] = [Preset::Greedy, Preset::Balanced, Preset::Creative];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Greedy => "Greedy",
            Preset::Balanced => "Balanced",
            Preset::Creative => "Creative",
        }
    }

    /// What it does.
    pub fn about(self) -> &'static str {
        match self {
            Preset::Greedy => "Always the likeliest token: the same text every time",
            Preset::Balanced => "What the model's file asks for",
            Preset::Creative => "A higher temperature, with the least likely tokens left out",
        }
    }

    /// Its settings, given those of the model's file.
    pub fn sampling(self, usual: &Sampling) -> Sampling {
        match self {
            Preset::Greedy => Sampling { temperature: 0.0, ..*usual },
            Preset::Balanced => *usual,
            Preset::Creative => Sampling { temperature: 1.1, top_k: 0, top_p: 1.0, min_p: 0.05, ..*usual },
        }
    }

    /// The one whose settings these are.
    pub fn of(writing: &Writing, usual: &Sampling) -> Option<Preset> {
        let now = sampling(writing, 0);
        Preset::ALL.into_iter().find(|p| Sampling { seed: 0, ..p.sampling(usual) } == now)
    }
}

/// The sampler's settings out of the page's.
pub fn sampling(w: &Writing, seed: u64) -> Sampling {
    Sampling {
        temperature: w.temperature,
        top_k: w.top_k,
        top_p: w.top_p,
        min_p: w.min_p,
        repetition_penalty: w.repetition_penalty,
        repetition_window: w.repetition_window,
        seed,
        ..Sampling::default()
    }
}

/// Makes these the page's.
pub fn set(w: &mut Writing, s: &Sampling) {
    w.temperature = s.temperature;
    w.top_k = s.top_k;
    w.top_p = s.top_p;
    w.min_p = s.min_p;
    w.repetition_penalty = s.repetition_penalty;
    w.repetition_window = s.repetition_window;
}
