//! What a file says or holds that the forward pass would not heed, although it changes what the model computes: refused by name, since a
//! model that runs without it is another model.

use std::collections::HashSet;

use formats::gguf::{Gguf, Metadata, Value};

use crate::architecture::Architecture;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::forward::Forward;

/// When a key changes nothing.
#[derive(Clone, Copy)]
enum Neutral {
    /// With one of these numbers.
    Numbers(&'static [f64]),
    /// With this.
    Bool(bool),
    /// With 0, or from the context on.
    Window,
    /// With 0, or the usual scale of attention.
    AttentionScale,
    /// Only where it is absent.
    Never,
}

/// Keys behind the prefix that llama.cpp has for what is not computed here, and how their neutral values are said.
const KEYS: [(&str, Neutral, &str); 22] = [
    ("expert_count", Neutral::Numbers(&[0.0]), "0, as experts are not run"),
    (
        "nextn_predict_layers",
        Neutral::Numbers(&[0.0]),
        "0, as blocks that predict further tokens are not run",
    ),
    ("attention.causal", Neutral::Bool(true), "true, as texts are read from their beginning"),
    ("attention.sliding_window", Neutral::Window, "0 or the context, as attention has no window"),
    ("attention.scale", Neutral::AttentionScale, "0, or one over the root of a head's width"),
    ("attention.output_scale", Neutral::Numbers(&[0.0, 1.0]), "1, as attention's output is not scaled"),
    ("attention.value_scale", Neutral::Numbers(&[0.0, 1.0]), "1, as values are not scaled"),
    ("attention.temperature_scale", Neutral::Numbers(&[0.0]), "0, as queries are not scaled by position"),
    ("attention.temperature_length", Neutral::Numbers(&[0.0]), "0, as queries are not scaled by position"),
    ("attention.clamp_kqv", Neutral::Numbers(&[0.0]), "0, as queries, keys and values are not clamped"),
    ("attention.max_alibi_bias", Neutral::Numbers(&[0.0]), "0, as scores have no bias by distance"),
    ("attention.shared_kv_layers", Neutral::Numbers(&[0.0]), "0, as blocks share no keys"),
    ("attn_logit_softcapping", Neutral::Numbers(&[0.0]), "0, as scores are not capped"),
    ("final_logit_softcapping", Neutral::Numbers(&[0.0]), "0, as logits are not capped"),
    ("logit_scale", Neutral::Numbers(&[0.0, 1.0]), "1, as logits are not scaled"),
    ("residual_scale", Neutral::Numbers(&[0.0, 1.0]), "1, as sub-layers are not scaled"),
    ("use_parallel_residual", Neutral::Bool(false), "false, as sub-layers follow each other"),
    ("rope.dimension_sections", Neutral::Never, "none, as positions are single numbers"),
    ("rope.freq_base_per_layer", Neutral::Never, "none, as all blocks have one rotary base"),
    ("rope.scaling.alpha", Neutral::Numbers(&[0.0]), "0, as the rotary base is not stretched"),
    ("rope.scaling.yarn_attn_factor", Neutral::Numbers(&[1.0]), "1, as YaRN's own is computed"),
    ("rope.scaling.yarn_log_multiplier", Neutral::Numbers(&[0.0]), "0, as YaRN's own is computed"),
];

/// Keys that begin so are of weights that were rotated before they were rounded, as Bonsai 2 has them.
const ROTATED: &str = "prism.hadamard.";

/// Ends of names of tensors that compute nothing: what old converters left of the rotary embedding.
const HARMLESS: [&str; 2] = [".attn_rot_embd.weight", ".attn.rotary_emb.inv_freq"];

/// Refuses metadata that call for something that is not computed.
pub(crate) fn check_keys(meta: &Metadata, row: &Architecture, c: &ModelConfig) -> Result<()> {
    let refused = |key: String, value: &Value, expected: &str| {
        let found = match value {
            Value::Str(text) => format!("\"{}\"", formats::shown(text)),
            value => value.scalar_text().unwrap_or_else(|| format!("an {}", value.type_name())),
        };
        Err(Error::Config { key, found, expected: expected.to_owned() })
    };
    for (key, neutral, expected) in KEYS {
        let key = row.key(key);
        let Some(value) = meta.get(&key) else { continue };
        let number = || number(meta, &key);
        let fine = match neutral {
            Neutral::Numbers(those) => number().is_some_and(|v| those.contains(&v)),
            Neutral::Bool(neutral) => *value == Value::Bool(neutral),
            Neutral::Window => number().is_some_and(|v| v == 0.0 || v >= c.context as f64),
            Neutral::AttentionScale => {
                let usual = 1.0 / (c.head_dim as f64).sqrt();
                number().is_some_and(|v| v == 0.0 || (v - usual).abs() <= 1e-6 * usual)
            }
            Neutral::Never => false,
        };
        if !fine {
            return refused(key, value, expected);
        }
    }
    match meta.iter().find(|(key, _)| key.starts_with(ROTATED)) {
        Some((key, value)) => refused(formats::shown(key), value, "none, as activations are not rotated"),
        None => Ok(()),
    }
}

/// A value as a number, if it is one.
fn number(meta: &Metadata, key: &str) -> Option<f64> {
    meta.f64(key).ok().flatten().or_else(|| meta.i64(key).ok().flatten().map(|v| v as f64))
}

/// Refuses tensors that a forward pass does not read.
pub(crate) fn check_tensors(gguf: &Gguf, forward: &Forward) -> Result<()> {
    let read: HashSet<&str> = forward.tensors.iter().map(|spec| spec.name.as_str()).collect();
    let unread = |name: &str| !read.contains(name) && !HARMLESS.iter().any(|end| name.ends_with(end));
    match gguf.tensors().iter().find(|tensor| unread(&tensor.name)) {
        Some(tensor) => Err(Error::Unread {
            name: tensor.name.clone(),
            architecture: Architecture::of(gguf.metadata())?.name,
        }),
        None => Ok(()),
    }
}
