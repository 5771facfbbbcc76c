//! A run's configuration: everything that decides what a run computes, as a TOML file spells it.
//!
//! Values come in layers (preset, file, `key=value` settings), each checked key by key so that a
//! typing error gets a sentence with the nearest keys. What a preset contains is `preset`'s business.

use std::fmt;
use std::path::Path;

use cpu::{Pool, THREADS_MAX};
use formats::{shown, utf8};
use model::config::{self as shape, ModelConfig, RopeKind};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::cpu::CpuOptions;
use crate::error::{Error, Result};
use crate::optim::{self, Matrices, adamw, muon};
use crate::preset;

/// Most weights in the blocks: sixteen bytes each while training make sixteen gigabytes, and a slip of the
/// keyboard should get a sentence rather than an exhausted machine.
const WEIGHTS_MAX: u64 = 1 << 30;
/// Longest configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Least tokens a training sequence holds.
pub(crate) const CONTEXT_MIN: usize = 2;
/// Most sequences a step.
const BATCH_MAX: usize = 1 << 16;

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

/// Shape of the model; the vocabulary comes from the tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Residual width, a multiple of 128.
    pub width: usize,
    /// Blocks, each attention then feed-forward.
    pub blocks: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads, a divisor of `heads`; 0: as many as `heads`.
    pub kv_heads: usize,
    /// Width of one head, a multiple of 8; 0: `width / heads`.
    pub head_dim: usize,
    /// Feed-forward width, a multiple of 128.
    pub ffn: usize,
    /// Feed-forward non-linearity.
    pub activation: Activation,
    /// Residual streams: 1, 2 or 4.
    pub streams: usize,
    /// Tokens a training sequence holds, and the model's context.
    pub context: usize,
    /// Epsilon of every RMS norm.
    pub norm_eps: f64,
    /// Rotary base.
    pub rope_base: f64,
    /// RMS norm (with gain) of each query and key head.
    pub qk_norm: bool,
    /// RMS norm before the attention output projection.
    pub attn_sub_norm: bool,
    /// RMS norm before the down projection.
    pub ffn_sub_norm: bool,
    /// Multiplies the embedding as it enters the streams.
    pub embedding_scale: f64,
    /// The head reads the embedding table.
    pub tied: bool,
    /// Stored, and trained, precision of the embedding table.
    pub embedding: Stored,
    /// The same for an untied head.
    pub head: Stored,
    /// The head reads int8 activations rather than f32.
    pub head_int8: bool,
    /// Trains the same network in plain f32, to compare; such a run cannot be exported.
    pub float: bool,
}

/// `model::config::Activation`, as the file spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Activation {
    Swiglu,
    Relu2,
    Relu2Gated,
}

/// `model::config::StoredType`, as the file spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Stored {
    #[serde(rename = "f16")]
    F16,
    #[serde(rename = "q8_0")]
    Q8_0,
    #[serde(rename = "q1_58")]
    Q1_58,
}

/// How text becomes token ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokenizer {
    /// `gpt2`, `bpe:N` (trained on the training part), `bytes`, or the path of a `tokenizer.json`.
    pub kind: String,
    /// Keep only the ids that the training part uses, and the bytes.
    pub compact: bool,
}

/// What it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Text files, joined in this order with nothing between.
    pub text: Vec<String>,
    /// What stands between documents, `<|endoftext|>` say; empty: the text is one document. Each place where it stands becomes the
    /// tokenizer's end-of-text token, two in a row two of them, and the model learns to stop there. No other token is learnt from it or
    /// reaches across it. It counts as its bytes in bits per byte.
    #[serde(default)]
    pub separator: String,
}

/// How long, how much at a time, on how many threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Optimiser steps of the whole run; the schedule is laid out over them.
    pub steps: u64,
    /// Sequences of `model.context` tokens a step.
    pub batch: usize,
    /// Parts a batch is cut into, summed in a fixed order: results depend on this and not on `threads`. 0: 4. Never more than sequences.
    pub shards: usize,
    /// Threads; 0: as many as the machine has.
    pub threads: usize,
    /// Tokens a part takes through the model at a time, whole sequences: bounds memory, and results depend on it.
    pub pass_tokens: usize,
    /// Decides the first weights, the order of the data and dropout.
    pub seed: u64,
    /// Share of sub-layer outputs dropped, 0 to below 1.
    pub dropout: f64,
    /// Share of input ids replaced by ids drawn from the training part, targets untouched, 0 to below 1.
    #[serde(default)]
    pub token_noise: f64,
}

/// Muon or AdamW for the ternary matrices, AdamW for the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// What updates the ternary matrices; the keys of the other do nothing for them.
    #[serde(default)]
    pub matrices: Matrices,
    /// Learning rate of the ternary matrices under Muon.
    pub muon_lr: f64,
    /// Nesterov momentum.
    pub muon_momentum: f64,
    /// Newton-Schulz steps.
    pub muon_ns_steps: usize,
    /// Weight decay of the latent ternary weights under Muon.
    pub muon_weight_decay: f64,
    /// Learning rate of embeddings, head, norms, hyper-connections and whatever else AdamW updates.
    pub adam_lr: f64,
    /// Decay of the mean of gradients.
    pub adam_beta1: f64,
    /// Decay of the mean of their squares.
    pub adam_beta2: f64,
    /// Keeps the division finite.
    pub adam_eps: f64,
    /// Weight decay of embeddings and head, and of the latent ternary weights under AdamW.
    pub adam_weight_decay: f64,
    /// Largest gradient norm that AdamW sees; 0: no limit.
    pub clip_norm: f64,
}

/// The learning rate over the steps: a rise, a plain, a fall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Steps of the linear rise.
    pub warmup_steps: u64,
    /// Share of the steps, at the end, over which it falls.
    pub warmdown: f64,
    /// Where the fall ends, as a share of the full rate.
    pub floor: f64,
}

/// What is written down, and when. A zero interval means never.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Steps between validations; the last step is always validated.
    pub eval_every: u64,
    /// Steps between looks at the ternary codes: zeros, flips, scales.
    pub codes_every: u64,
    /// Steps between samples; the last step always has one unless `sample_tokens` is 0.
    pub sample_every: u64,
    /// Tokens of a sample.
    pub sample_tokens: usize,
    /// What a sample continues.
    pub sample_prompt: String,
    /// Steps between checkpoints; the last and the best are always kept.
    pub checkpoint_every: u64,
}

impl Config {
    /// This configuration with `file` and then `settings` (each `section.key=value`) over it.
    ///
    /// # Errors
    /// An unknown key (with the nearest ones), a value of the wrong kind, an unreadable file, or
    /// values that do not make a model together.
    pub fn with(self, file: Option<&Path>, settings: &[String]) -> Result<Config> {
        let mut table = Table::try_from(self).expect("a config is a table");
        if let Some(path) = file {
            let text = utf8::read(path, FILE_BYTES_MAX)?;
            let layer: Table = text.parse().map_err(|e: toml::de::Error| Error::ConfigSyntax {
                place: format!("{}{}", path.display(), line_of(&text, &e)),
                problem: one_line(e.message()),
            })?;
            overlay(&mut table, layer, "")?;
        }
        for setting in settings {
            let (key, value) = setting.split_once('=').ok_or_else(|| Error::ConfigSyntax {
                place: format!("setting {setting:?}"),
                problem: "expected section.key=value".into(),
            })?;
            overlay(&mut table, nested(key.trim(), parse_value(value.trim())), "")?;
        }
        let config: Config = table.try_into().map_err(|e: toml::de::Error| Error::ConfigSyntax {
            place: "config".into(),
            problem: one_line(&e.to_string()),
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what no single key can know.
    ///
    /// # Errors
    /// The first key whose value cannot be used, with what was expected.
    pub fn validate(&self) -> Result<()> {
        let (m, t, o, s) = (&self.model, &self.train, &self.optimiser, &self.schedule);
        let group = formats::ternary::GROUP;
        for (key, value) in [
            ("model.width", m.width),
            ("model.blocks", m.blocks),
            ("model.heads", m.heads),
            ("model.ffn", m.ffn),
            ("model.context", m.context),
            ("train.batch", t.batch),
            ("train.steps", t.steps as usize),
        ] {
            need(value > 0, key, value, "at least 1")?;
        }
        for (key, value, limit) in [
            ("model.width", m.width, shape::WIDTH_MAX),
            ("model.ffn", m.ffn, shape::WIDTH_MAX),
            ("model.blocks", m.blocks, shape::BLOCKS_MAX),
            ("model.heads", m.heads, shape::HEADS_MAX),
            ("model.head_dim", m.head_dim, shape::HEAD_DIM_MAX),
            ("model.context", m.context, shape::CONTEXT_MAX),
            ("train.batch", t.batch, BATCH_MAX),
            ("train.pass_tokens", t.pass_tokens, shape::CONTEXT_MAX),
        ] {
            need(value <= limit, key, value, format_args!("at most {limit}"))?;
        }
        let (head_dim, kv_heads) = (m.head_dim(), m.kv_heads());
        need(m.width % group == 0, "model.width", m.width, "a multiple of 128, the ternary group")?;
        need(m.ffn % group == 0, "model.ffn", m.ffn, "a multiple of 128, the ternary group")?;
        need(
            m.head_dim > 0 || m.width % m.heads == 0,
            "model.heads",
            m.heads,
            format_args!("a divisor of model.width ({}), or set model.head_dim", m.width),
        )?;
        need(head_dim % 8 == 0, "model.head_dim", head_dim, "a multiple of 8")?;
        need(
            (m.heads * head_dim) % group == 0,
            "model.head_dim",
            head_dim,
            format_args!("heads x head_dim ({} x {head_dim}) a multiple of 128, the ternary group", m.heads),
        )?;
        need(
            m.heads % kv_heads == 0,
            "model.kv_heads",
            kv_heads,
            format_args!("a divisor of model.heads ({})", m.heads),
        )?;
        need([1, 2, 4].contains(&m.streams), "model.streams", m.streams, "1, 2 or 4")?;
        need(
            m.context >= CONTEXT_MIN,
            "model.context",
            m.context,
            format_args!("at least {CONTEXT_MIN} tokens"),
        )?;
        need(t.shards <= BATCH_MAX, "train.shards", t.shards, format_args!("at most {BATCH_MAX}"))?;
        need(t.threads <= THREADS_MAX, "train.threads", t.threads, format_args!("at most {THREADS_MAX}"))?;
        need(t.seed <= i64::MAX as u64, "train.seed", t.seed, "at most 2^63 - 1")?;
        need((0.0..1.0).contains(&t.dropout), "train.dropout", t.dropout, "from 0 to below 1")?;
        need((0.0..1.0).contains(&t.token_noise), "train.token_noise", t.token_noise, "from 0 to below 1")?;
        need((1..=20).contains(&o.muon_ns_steps), "optimiser.muon_ns_steps", o.muon_ns_steps, "1 to 20")?;
        let matrices = [m.width * (2 * m.heads + 2 * kv_heads) * head_dim, 3 * m.width * m.ffn];
        let weights = matrices.map(|n| n as u64).iter().sum::<u64>() * m.blocks as u64;
        need(
            weights <= WEIGHTS_MAX,
            "model",
            format_args!("a net of {weights} weights"),
            format_args!("at most {WEIGHTS_MAX}"),
        )?;
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
        for (key, value) in [
            ("optimiser.adam_eps", o.adam_eps),
            ("model.norm_eps", m.norm_eps),
            ("model.embedding_scale", m.embedding_scale),
        ] {
            need(value > 0.0 && (value as f32).is_normal(), key, value, "a positive number")?;
        }
        for (key, value) in [("schedule.warmdown", s.warmdown), ("schedule.floor", s.floor)] {
            need((0.0..=1.0).contains(&value), key, value, "from 0 to 1")?;
        }
        Ok(())
    }

    /// The model's shape for a tokenizer of `vocab` ids.
    pub fn model_config(&self, vocab: usize) -> ModelConfig {
        let m = &self.model;
        ModelConfig {
            vocab,
            context: m.context,
            width: m.width,
            blocks: m.blocks,
            heads: m.heads,
            kv_heads: m.kv_heads(),
            head_dim: m.head_dim(),
            ffn: m.ffn,
            streams: m.streams,
            activation: m.activation.into(),
            norm_eps: m.norm_eps as f32,
            rope_base: m.rope_base as f32,
            rope: RopeKind::HalfSplit,
            qk_norm: m.qk_norm,
            attn_sub_norm: m.attn_sub_norm,
            ffn_sub_norm: m.ffn_sub_norm,
            embedding_scale: m.embedding_scale as f32,
            tied: m.tied,
            embedding: m.embedding.into(),
            head: if m.tied { m.embedding } else { m.head }.into(),
            head_int8: m.head_int8,
        }
    }

    /// How the CPU trains this.
    pub fn cpu_options(&self) -> CpuOptions {
        let (t, o) = (&self.train, &self.optimiser);
        CpuOptions {
            shards: t.shards(),
            threads: t.threads(),
            pass_tokens: t.pass_tokens,
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
            },
        }
    }

    /// The keys whose values differ and would change what is computed.
    ///
    /// Threads and intervals of reports change no weight; a different number of steps is the
    /// caller's to allow, since it moves the schedule.
    pub fn differences(&self, other: &Config) -> Vec<Difference> {
        let pairs = flatten(self).into_iter().zip(flatten(other));
        pairs
            .filter(|((key, a), (_, b))| {
                a != b && !key.starts_with("report.") && key != "train.threads" && key != "data.text"
            })
            .map(|((key, this), (_, other))| Difference { key, this, other })
            .collect()
    }
}

/// A key whose value is not the same in two configurations; shown as `key: this, other`.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// Its value in the one.
    pub this: Value,
    /// And in the other.
    pub other: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { key, this, other } = self;
        write!(f, "{key}: {}, {}", shown(&this.to_string()), shown(&other.to_string()))
    }
}

impl Model {
    /// Key-value heads, the default resolved.
    pub fn kv_heads(&self) -> usize {
        if self.kv_heads == 0 { self.heads } else { self.kv_heads }
    }

    /// Width of one head, the default resolved.
    pub fn head_dim(&self) -> usize {
        if self.head_dim == 0 { self.width / self.heads } else { self.head_dim }
    }
}

impl Train {
    /// Parts of a batch, the default resolved.
    pub fn shards(&self) -> usize {
        self.batch.min(if self.shards == 0 { 4 } else { self.shards })
    }

    /// Threads, the default resolved.
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => Pool::threads_available(),
            n => n,
        }
    }
}

impl From<Activation> for model::config::Activation {
    fn from(a: Activation) -> Self {
        match a {
            Activation::Swiglu => Self::SwiGlu,
            Activation::Relu2 => Self::Relu2,
            Activation::Relu2Gated => Self::Relu2Gated,
        }
    }
}

impl From<Stored> for model::config::StoredType {
    fn from(s: Stored) -> Self {
        match s {
            Stored::F16 => Self::F16,
            Stored::Q8_0 => Self::Q8_0,
            Stored::Q1_58 => Self::Q1_58,
        }
    }
}

fn need(ok: bool, key: &str, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> Result<()> {
    if ok {
        return Ok(());
    }
    Err(Error::ConfigValue { key: key.into(), found: found.to_string(), expected: expected.to_string() })
}

/// `a.b.c` and a value as nested tables.
fn nested(key: &str, value: Value) -> Table {
    let (head, rest) = match key.split_once('.') {
        Some((head, rest)) => (head, Value::Table(nested(rest, value))),
        None => (key, value),
    };
    Table::from_iter([(head.to_string(), rest)])
}

/// A TOML value, or else the text itself: `--set tokenizer.kind=bpe:2048` needs no quotes.
fn parse_value(text: &str) -> Value {
    let parsed = format!("v = {text}").parse::<Table>().ok();
    match parsed.map(|mut t| (t.len(), t.remove("v"))) {
        Some((1, Some(value))) => value,
        _ => Value::String(text.to_string()),
    }
}

/// Replaces values of `base` by those of `layer`. Every key must exist already, with the same kind of value.
fn overlay(base: &mut Table, layer: Table, prefix: &str) -> Result<()> {
    for (key, value) in layer {
        let path = format!("{prefix}{key}");
        let Some(slot) = base.get_mut(&key) else {
            return Err(Error::ConfigUnknownKey { near: nearest(&path), key: path });
        };
        match (slot, value) {
            (Value::Table(inner), Value::Table(layer)) => overlay(inner, layer, &format!("{path}."))?,
            (slot @ Value::Float(_), Value::Integer(n)) => *slot = Value::Float(n as f64),
            // One file needs no brackets.
            (slot @ Value::Array(_), Value::String(one)) => {
                *slot = Value::Array(vec![Value::String(one)]);
            }
            // A number can be a name: `--set report.sample_prompt=1`.
            (slot @ Value::String(_), Value::Integer(n)) => *slot = Value::String(n.to_string()),
            (slot, value) if slot.same_type(&value) => *slot = value,
            (slot, value) => {
                return Err(Error::ConfigValue {
                    key: path,
                    found: one_line(&value.to_string()),
                    expected: format!("a {}, such as {}", slot.type_str(), one_line(&slot.to_string())),
                });
            }
        }
    }
    Ok(())
}

/// Every key with its value, dotted, in a fixed order.
fn flatten(config: &Config) -> Vec<(String, Value)> {
    fn walk(table: Table, prefix: &str, out: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            match value {
                Value::Table(inner) => walk(inner, &format!("{prefix}{key}."), out),
                value => out.push((format!("{prefix}{key}"), value)),
            }
        }
    }
    let mut out = Vec::new();
    walk(Table::try_from(config).expect("a config is a table"), "", &mut out);
    out
}

/// The three known keys nearest to a mistaken one; the last part alone counts too, for a forgotten section.
fn nearest(wrong: &str) -> String {
    let tail = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let mut keys: Vec<(usize, String)> = flatten(&preset::tiny())
        .into_iter()
        .map(|(key, _)| (edit_distance(&key, wrong).min(edit_distance(&tail(&key), &tail(wrong))), key))
        .collect();
    keys.sort();
    let near: Vec<String> = keys.into_iter().take(3).map(|(_, key)| key).collect();
    near.join(", ")
}

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(80).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn line_of(text: &str, error: &toml::de::Error) -> String {
    error.span().map_or(String::new(), |span| {
        let line = text.bytes().take(span.start).filter(|&b| b == b'\n').count() + 1;
        format!(", line {line}")
    })
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("model.width=99999999999", "at most"),
            ("model.width=-1", "invalid value"),
            ("model.streams=3", "1, 2 or 4"),
            ("model.activation=gelu", "swiglu"),
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
