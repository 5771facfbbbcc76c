//! What a run will need, told from its configuration before anything is made: parameters, memory, tokens. How long it takes depends on
//! the machine and is nobody's to guess.

use std::str::FromStr;

use crate::backend::Part;
use crate::config::Config;
use crate::error::Result;
use crate::graph;
use crate::tokenizers::{GPT2_VOCAB, Kind};
use model::tensors::{TensorId, TensorKind};

/// Codes and scales of a ternary weight, and the two layouts products read, in bytes.
const PREPARED_TERNARY: u64 = 3;
/// Logits of a pass that a shard holds at a time, in bytes; see the cross-entropy's blocks.
const LOGITS: u64 = 8 << 20;

/// See the top of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Trained values.
    pub parameters: u64,
    /// Those of ternary matrices.
    pub ternary: u64,
    /// Memory while training, roughly: latent values, optimiser, gradients and activations of every shard. The text, its tokens
    /// and a model that writes a sample come on top: 728 MiB were measured where this says 661 (`shakespeare`), and 403 where it
    /// says 397 (`bytes`).
    pub memory_bytes: u64,
    /// Tokens of a step.
    pub step_tokens: u64,
    /// Tokens of the whole run, repeats counted.
    pub tokens: u64,
}

/// How large a vocabulary will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocab {
    /// So many ids.
    Exactly(usize),
    /// At most so many: unused ones are left out.
    AtMost(usize),
    /// That is in a file.
    InFile,
}

impl Config {
    /// How large this configuration's vocabulary will be.
    ///
    /// # Errors
    /// A tokenizer that there is none of.
    pub fn vocab(&self) -> Result<Vocab> {
        let ids = match Kind::from_str(&self.tokenizer.kind)? {
            Kind::Gpt2 => GPT2_VOCAB,
            Kind::Bpe(ids) => ids,
            Kind::Bytes => 256 + usize::from(!self.data.separator.is_empty()),
            Kind::File(_) => return Ok(Vocab::InFile),
        };
        Ok(if self.tokenizer.compact { Vocab::AtMost(ids) } else { Vocab::Exactly(ids) })
    }

    /// What a valid configuration needs with a vocabulary of `vocab` ids.
    pub fn needs(&self, vocab: usize) -> Needs {
        let program = graph::build(&self.model_config(vocab), self.recipe());
        let t = &self.train;
        let shards = t.shards().max(1) as u64;
        let (mut parameters, mut ternary, mut bytes) = (0u64, 0u64, 0u64);
        for (i, spec) in program.params.iter().enumerate() {
            let n = spec.len() as u64;
            parameters += n;
            let arrays = Part::ALL.map(|part| 4 * program.part_len(TensorId(i), part) as u64);
            let prepared = match spec.kind {
                TensorKind::Ternary { .. } => {
                    ternary += n;
                    if self.model.float { 0 } else { PREPARED_TERNARY }
                }
                TensorKind::Table { .. } => 4,
                TensorKind::Plain(_) => 0,
            };
            bytes += arrays.iter().sum::<u64>() + n * (prepared + 4 * shards);
        }
        let context = self.model.context;
        let pass = t.pass_tokens.max(context).next_multiple_of(context) as u64;
        let rows: u64 = program.buffers.rows.iter().map(|&w| 4 * w as u64).sum();
        let quant = if self.model.float { 4 } else { 1 };
        let quants: u64 = program.buffers.quants.iter().map(|&w| quant * w as u64 + 4).sum();
        bytes += shards * (pass * (rows + quants) + LOGITS);
        let step_tokens = (t.batch * context) as u64;
        Needs {
            parameters,
            ternary,
            memory_bytes: bytes,
            step_tokens,
            tokens: step_tokens.saturating_mul(t.steps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;
    use crate::run::CPU;
    use model::tensors::TensorSpec;

    #[test]
    fn needs_count_the_parameters_a_trainer_has() {
        for (name, _) in preset::PRESETS {
            let config = preset::named(name).unwrap();
            let vocab = match config.vocab().unwrap() {
                Vocab::Exactly(n) | Vocab::AtMost(n) => n,
                Vocab::InFile => unreachable!("no preset has one"),
            };
            let needs = config.needs(vocab);
            if name == "showcase" {
                assert_eq!(needs.parameters / 100_000, 155);
                continue;
            }
            let trainer = (CPU.make)(&config, &config.model_config(vocab)).unwrap();
            let values: usize = trainer.specs().iter().map(TensorSpec::len).sum();
            assert_eq!(needs.parameters, values as u64, "{name}");
            assert!(needs.ternary < needs.parameters && needs.memory_bytes > 12 * needs.parameters);
        }
        let tiny = preset::tiny();
        assert_eq!(tiny.needs(256).tokens, 40 * 4 * 32);
    }

    #[test]
    fn needs_know_what_a_vocabulary_will_be() {
        let vocab = |kind: &str, compact| {
            let mut config = preset::tiny();
            (config.tokenizer.kind, config.tokenizer.compact) = (kind.into(), compact);
            config.vocab()
        };
        assert_eq!(vocab("bytes", false).unwrap(), Vocab::Exactly(256));
        assert_eq!(vocab("bpe:2048", true).unwrap(), Vocab::AtMost(2048));
        assert_eq!(vocab("some/tokenizer.json", false).unwrap(), Vocab::InFile);
        assert!(vocab("bpe:x", false).is_err());
        let mut documents = preset::tiny();
        documents.data.separator = "<|endoftext|>".into();
        assert_eq!(documents.vocab().unwrap(), Vocab::Exactly(257));
    }
}
