//! What a configuration may be: what no single key can know, checked before anything is made by it. The model's shape is held to the
//! rule that every file is held to, `ModelConfig::validate`.

use cpu::THREADS_MAX;
use model::config::{self as shape, Field, ModelConfig, Refusal};

use super::Config;
use crate::error::{Error, Result};

/// Most weights in the blocks: sixteen bytes each while training make sixteen gigabytes, and a slip of the
/// keyboard should get a sentence rather than an exhausted machine.
const WEIGHTS_MAX: u64 = 1 << 30;
/// Least tokens a training sequence holds.
pub(crate) const CONTEXT_MIN: usize = 2;
/// Most sequences a step.
const BATCH_MAX: usize = 1 << 16;

impl Config {
    /// Checks what no single key can know. The vocabulary, which the text decides, is [`Config::shape`]'s to check.
    ///
    /// # Errors
    /// The first key whose value cannot be used, with what was expected.
    pub fn validate(&self) -> Result<()> {
        let (m, t, o, s) = (&self.model, &self.train, &self.optimiser, &self.schedule);
        for (key, value) in
            [("model.heads", m.heads), ("train.batch", t.batch), ("train.steps", usize::from(t.steps > 0))]
        {
            need(value > 0, key, value, "at least 1")?;
        }
        // Where the head's width is a quotient, the heads are to blame for a wrong one.
        let divided = m.head_dim > 0 || m.width.is_multiple_of(m.heads);
        match self.model_config(1).validate_ternary() {
            Err(refusal) if divided || refusal.field != Field::HeadDim => return Err(self.refused(refusal)),
            _ => need(
                divided,
                "model.heads",
                m.heads,
                format_args!("a divisor of model.width ({}), or set model.head_dim", m.width),
            )?,
        }
        need(
            m.context >= CONTEXT_MIN,
            "model.context",
            m.context,
            format_args!("at least {CONTEXT_MIN} tokens"),
        )?;
        let matrices = [m.width * (2 * m.heads + 2 * m.kv_heads()) * m.head_dim(), 3 * m.width * m.ffn];
        let weights = matrices.map(|n| n as u64).iter().sum::<u64>() * m.blocks as u64;
        need(
            weights <= WEIGHTS_MAX,
            "model",
            format_args!("a net of {weights} weights"),
            format_args!("at most {WEIGHTS_MAX}"),
        )?;
        for (key, value, limit) in [
            ("train.batch", t.batch, BATCH_MAX),
            ("train.pass_tokens", t.pass_tokens, shape::CONTEXT_MAX),
            ("train.shards", t.shards, BATCH_MAX),
            ("train.threads", t.threads, THREADS_MAX),
        ] {
            need(value <= limit, key, value, format_args!("at most {limit}"))?;
        }
        need(t.seed <= i64::MAX as u64, "train.seed", t.seed, "at most 2^63 - 1")?;
        need((0.0..1.0).contains(&t.dropout), "train.dropout", t.dropout, "from 0 to below 1")?;
        need((0.0..1.0).contains(&t.token_noise), "train.token_noise", t.token_noise, "from 0 to below 1")?;
        need((1..=20).contains(&o.muon_ns_steps), "optimiser.muon_ns_steps", o.muon_ns_steps, "1 to 20")?;
        for (key, value) in [
            ("optimiser.muon_lr", o.muon_lr),
            ("optimiser.adam_lr", o.adam_lr),
            ("optimiser.muon_weight_decay", o.muon_weight_decay),
            ("optimiser.adam_weight_decay", o.adam_weight_decay),
            ("optimiser.clip_norm", o.clip_norm),
        ] {
            need((0.0..1e30).contains(&value), key, value, "zero or a positive number below 1e30")?;
        }
        for (key, value) in [
            ("optimiser.muon_momentum", o.muon_momentum),
            ("optimiser.adam_beta1", o.adam_beta1),
            ("optimiser.adam_beta2", o.adam_beta2),
        ] {
            need((0.0..1.0).contains(&value), key, value, "from 0 to below 1")?;
        }
        let eps = o.adam_eps;
        need(eps > 0.0 && (eps as f32).is_normal(), "optimiser.adam_eps", eps, "a positive number")?;
        for (key, value) in [("schedule.warmdown", s.warmdown), ("schedule.floor", s.floor)] {
            need((0.0..=1.0).contains(&value), key, value, "from 0 to 1")?;
        }
        Ok(())
    }

    /// The model's shape for a tokenizer of `vocab` ids.
    ///
    /// # Errors
    /// One that no loader would take, by the key of this configuration that is to blame.
    pub fn shape(&self, vocab: usize) -> Result<ModelConfig> {
        let shape = self.model_config(vocab);
        match shape.validate_ternary() {
            Ok(()) => Ok(shape),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// A refusal in the words of a configuration: its key, and the value as it is written there.
    fn refused(&self, Refusal { field, found, expected }: Refusal) -> Error {
        let m = &self.model;
        let (key, found) = match field {
            Field::Vocab => ("tokenizer.kind", format!("a vocabulary of {found} ids")),
            Field::Context => ("model.context", found),
            Field::Width => ("model.width", found),
            Field::Blocks => ("model.blocks", found),
            Field::Heads => ("model.heads", found),
            Field::KvHeads => ("model.kv_heads", found),
            Field::HeadDim => ("model.head_dim", found),
            Field::Ffn => ("model.ffn", found),
            Field::Streams => ("model.streams", found),
            // The shape has them as f32, which may be another number.
            Field::NormEps => ("model.norm_eps", m.norm_eps.to_string()),
            Field::RopeBase => ("model.rope_base", m.rope_base.to_string()),
            Field::RopeDims
            | Field::RopeFactor
            | Field::RopeOriginalContext
            | Field::RopeMagnitude
            | Field::YarnExtrapolation
            | Field::YarnBetaFast
            | Field::YarnBetaSlow => unreachable!("what trains has plain rotary embedding"),
            Field::EmbeddingScale => ("model.embedding_scale", m.embedding_scale.to_string()),
            Field::HeadInt8 => ("model.head_int8", found),
        };
        Error::ConfigValue { key: key.into(), found, expected }
    }
}

fn need(ok: bool, key: &str, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> Result<()> {
    if ok {
        return Ok(());
    }
    Err(Error::ConfigValue { key: key.into(), found: found.to_string(), expected: expected.to_string() })
}
