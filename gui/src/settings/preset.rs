//! Settings that go together under a name: of the sampler, and of a benchmark. Which one is on is not kept, but seen from the settings.

use runtime::sampler::Sampling;

use super::plan::BenchmarkPlan;
use super::writing::Writing;

/// Settings of the sampler that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplingPreset {
    /// Always the likeliest token.
    Greedy,
    /// What the model's file asks for.
    Balanced,
    /// A higher temperature, the least likely tokens left out.
    Creative,
}

impl SamplingPreset {
    /// All three, as the panel shows them.
    pub const ALL: [SamplingPreset; 3] =
        [SamplingPreset::Greedy, SamplingPreset::Balanced, SamplingPreset::Creative];

    /// As a button says it.
    pub fn name(self) -> &'static str {
        match self {
            SamplingPreset::Greedy => "Greedy",
            SamplingPreset::Balanced => "Balanced",
            SamplingPreset::Creative => "Creative",
        }
    }

    /// What the button says when it is pointed at.
    pub fn about(self) -> &'static str {
        match self {
            SamplingPreset::Greedy => "Always the likeliest token: the same text every time",
            SamplingPreset::Balanced => "What the model's file asks for",
            SamplingPreset::Creative => "A higher temperature, with the least likely tokens left out",
        }
    }

    /// Its settings, given those of the model's file.
    pub fn sampling(self, usual: &Sampling) -> Sampling {
        match self {
            SamplingPreset::Greedy => Sampling { temperature: 0.0, ..*usual },
            SamplingPreset::Balanced => *usual,
            SamplingPreset::Creative => {
                Sampling { temperature: 1.1, top_k: 0, top_p: 1.0, min_p: 0.05, ..*usual }
            }
        }
    }

    /// The one whose settings these are.
    pub fn of(writing: &Writing, usual: &Sampling) -> Option<SamplingPreset> {
        let now = writing.sampling(0);
        SamplingPreset::ALL.into_iter().find(|p| Sampling { seed: 0, ..p.sampling(usual) } == now)
    }
}

/// A plan that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchmarkPreset {
    /// See [`BenchmarkPlan::quick`].
    Quick,
    /// See [`BenchmarkPlan::full`].
    Full,
}

impl BenchmarkPreset {
    /// Both, as the panel shows them.
    pub const ALL: [BenchmarkPreset; 2] = [BenchmarkPreset::Quick, BenchmarkPreset::Full];

    /// As a button says it.
    pub fn name(self) -> &'static str {
        match self {
            BenchmarkPreset::Quick => "Quick",
            BenchmarkPreset::Full => "Full",
        }
    }

    /// What the button says when it is pointed at.
    pub fn about(self) -> &'static str {
        match self {
            BenchmarkPreset::Quick => "A few tests that show the whole picture",
            BenchmarkPreset::Full => {
                "Every shape, batch and cache, longer prompts and texts; minutes to much more, by the model"
            }
        }
    }

    /// Its tests, on the usual backends.
    pub fn plan(self) -> BenchmarkPlan {
        match self {
            BenchmarkPreset::Quick => BenchmarkPlan::quick(),
            BenchmarkPreset::Full => BenchmarkPlan::full(),
        }
    }

    /// The one whose tests these are.
    pub fn of(plan: &BenchmarkPlan) -> Option<BenchmarkPreset> {
        BenchmarkPreset::ALL.into_iter().find(|p| plan.with_tests_of(p.plan()) == *plan)
    }
}
