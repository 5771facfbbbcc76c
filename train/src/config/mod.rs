//! A run's configuration: everything that decides what a run computes, as a TOML file spells it.
//!
//! Values come in layers (preset, file, `key=value` settings), each checked key by key so that a
//! typing error gets a sentence with the nearest keys. What a preset contains is `preset`'s business.

mod difference;
mod layers;
mod limits;
mod model;
mod sections;

use serde::{Deserialize, Serialize};

pub use difference::Difference;
pub(crate) use limits::CONTEXT_MIN;
pub use model::{Activation, Model, Stored};
pub use sections::{Data, Optimiser, Report, Schedule, Tokenizer, Train};

use crate::cpu::CpuOptions;
use crate::optim::{self, adamw, muon};
use crate::recipe::Recipe;

/// Everything that decides what a run computes. Each section is a table of the TOML file.
///
/// Runs are kept for long: a key added here later gets a `serde` default that means what runs without it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Shape of the model.
    pub model: Model,
    /// How text becomes token ids.
    pub tokenizer: Tokenizer,
    /// What it reads.
    pub data: Data,
    /// How long, how much at a time, on how many threads.
    pub train: Train,
    /// Muon or AdamW for the ternary matrices, AdamW for the rest.
    pub optimiser: Optimiser,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// What is written down, and when.
    pub report: Report,
}

impl Config {
    /// How a step is taken, whatever the device.
    pub fn recipe(&self) -> Recipe {
        let (t, o) = (&self.train, &self.optimiser);
        Recipe {
            sequences: t.batch,
            tokens: self.model.context,
            seed: t.seed,
            dropout: t.dropout as f32,
            float: self.model.float,
            optimiser: optim::Settings {
                matrices: o.matrices,
                muon: muon::Settings {
                    momentum: o.muon_momentum as f32,
                    ns_steps: o.muon_ns_steps,
                    weight_decay: o.muon_weight_decay as f32,
                },
                adam: adamw::Settings {
                    beta1: o.adam_beta1 as f32,
                    beta2: o.adam_beta2 as f32,
                    eps: o.adam_eps as f32,
                    weight_decay: o.adam_weight_decay as f32,
                },
                clip_norm: o.clip_norm as f32,
                moments: o.moments,
            },
        }
    }

    /// How the CPU goes about it.
    pub fn cpu_options(&self) -> CpuOptions {
        let t = &self.train;
        CpuOptions { shards: t.shards(), threads: t.threads(), pass_tokens: t.pass_tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::preset;

    fn set(settings: &[&str]) -> Result<Config> {
        let settings: Vec<String> = settings.iter().map(|s| s.to_string()).collect();
        preset::named("tiny").unwrap().with(None, &settings)
    }

    #[test]
    fn config_settings_take_dotted_keys_and_bare_words() {
        let c = set(&[
            "model.width=256",
            "optimiser.muon_lr = 1",
            "tokenizer.kind=bpe:512",
            "data.text=a b.txt",
            "model.activation=relu2_gated",
        ])
        .unwrap();
        assert_eq!(c.model.width, 256);
        assert_eq!(c.optimiser.muon_lr, 1.0);
        assert_eq!(c.tokenizer.kind, "bpe:512");
        assert_eq!(c.data.text, ["a b.txt"]);
        assert_eq!(c.model.activation, Activation::Relu2Gated);
    }

    /// Runs that were begun before there was a choice kept f32.
    #[test]
    fn config_without_moments_means_f32() {
        let c = set(&["optimiser.moments=bf16"]).unwrap();
        assert_eq!(c.optimiser.moments, optim::Moments::Bf16);
        assert_eq!(c.recipe().optimiser.moments, optim::Moments::Bf16);
        let text = toml::to_string(&c).unwrap();
        let old = text.replace("moments = \"bf16\"\n", "");
        assert!(old.len() < text.len());
        assert_eq!(toml::from_str::<Config>(&old).unwrap(), set(&[]).unwrap());
    }

    #[test]
    fn config_unknown_key_names_the_nearest() {
        for wrong in ["model.widht=256", "width=256", "modle.width=256"] {
            let message = set(&[wrong]).unwrap_err().to_string();
            assert!(message.contains("model.width"), "{message}");
        }
    }

    #[test]
    fn config_wrong_values_are_one_sentence() {
        for (wrong, part) in [
            ("model.width=250", "multiple of 128"),
            ("model.width=wide", "model.width"),
            ("model.width=99999999999", "1 to 262144"),
            ("model.width=-1", "invalid value"),
            ("model.streams=3", "1, 2 or 4"),
            ("model.activation=gelu", "swiglu"),
            ("optimiser.moments=f16", "bf16"),
            ("train.dropout=1.0", "below 1"),
            ("train.steps=0", "at least 1"),
            ("model.heads=0", "at least 1"),
            ("model=3", "model"),
            ("width", "section.key=value"),
        ] {
            let message = set(&[wrong]).unwrap_err().to_string();
            assert!(message.contains(part), "{wrong}: {message}");
            assert!(!message.contains('\n'), "{wrong}: {message}");
        }
    }

    #[test]
    fn config_survives_toml() {
        let c = set(&["model.streams=4", "optimiser.adam_lr=0.003"]).unwrap();
        let text = toml::to_string(&c).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), c);
    }

    #[test]
    fn config_differences_ignore_what_changes_no_weight() {
        let a = set(&[]).unwrap();
        let b = set(&["train.threads=7", "report.eval_every=3", "data.text=elsewhere"]).unwrap();
        assert!(a.differences(&b).is_empty());
        let b = set(&["optimiser.muon_lr=0.5"]).unwrap();
        assert_eq!(a.differences(&b).len(), 1);
    }
}
