//! How a text is to be written: what chat and completions have in common, over the defaults that a model's file carries.

use rand::Rng;
use runtime::sampler::Sampling;
use serde_json::{Value, json};

use super::fields::{Fields, first, whole, wrong};
use super::refusal::Refusal;

/// Most answers to one prompt.
pub const ANSWERS_MAX: usize = 128;
/// Most strings that end a text.
const STOPS_MAX: usize = 16;
/// Most of the likeliest tokens that are told of.
pub const LIKELIEST_MAX: usize = 20;
/// Most tokens of a text: more than any context.
const TOKENS_MAX: usize = 1 << 30;

/// Settings of a text.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How tokens are chosen. Each further answer to a prompt takes the next seed.
    pub sampling: Sampling,
    /// What is added to logits.
    pub bias: Vec<(u32, f32)>,
    /// Strings that end it.
    pub stops: Vec<String>,
    /// Ids that end it beside the model's own.
    pub stop_ids: Vec<u32>,
    /// The model's own ends do not end it.
    pub endless: bool,
    /// Answers to a prompt.
    pub answers: usize,
}

/// Whether and how an answer comes piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Piece by piece.
    pub on: bool,
    /// The figures come last, in a piece of their own.
    pub usage: bool,
}

impl Settings {
    /// From the fields of a request to a model with these defaults, this context and so many ids.
    ///
    /// # Errors
    /// A field of another type or out of its range, or one that asks for what is not done here.
    pub fn read(
        fields: &Fields,
        defaults: Sampling,
        context: usize,
        vocab: usize,
    ) -> Result<Settings, Refusal> {
        refuse_unsupported(fields)?;
        let d = defaults;
        let ranged = |names: &[&str], ok: &dyn Fn(f32) -> bool, expected: &str| {
            first(names, |name| match fields.float(name)? {
                Some(v) if !ok(v) => Err(wrong(&fields.name(name), &json!(v), expected)),
                v => Ok(v),
            })
        };
        let penalty = |name: &str| ranged(&[name], &|v| (-2.0..=2.0).contains(&v), "a number from -2 to 2");
        let share = |v: f32| (0.0..=1.0).contains(&v);
        let repetition = ["repetition_penalty", "repeat_penalty"];
        let sampling = Sampling {
            temperature: ranged(&["temperature"], &|v| (0.0..=100.0).contains(&v), "a number from 0 to 100")?
                .unwrap_or(d.temperature),
            // -1 is a way to say all.
            top_k: fields
                .int("top_k", -1..=i64::MAX)?
                .map_or(d.top_k, |k| usize::try_from(k.max(0)).unwrap_or(0)),
            // The least share there is still keeps one.
            top_p: ranged(&["top_p"], &share, "a number from 0 to 1")?
                .unwrap_or(d.top_p)
                .max(f32::MIN_POSITIVE),
            min_p: ranged(&["min_p"], &share, "a number from 0 to 1")?.unwrap_or(d.min_p),
            repetition_penalty: ranged(
                &repetition,
                &|v| (0.1..=10.0).contains(&v),
                "a number from 0.1 to 10",
            )?
            .unwrap_or(d.repetition_penalty),
            presence_penalty: penalty("presence_penalty")?.unwrap_or(d.presence_penalty),
            frequency_penalty: penalty("frequency_penalty")?.unwrap_or(d.frequency_penalty),
            repetition_window: match fields.int("repeat_last_n", -1..=TOKENS_MAX as i64)? {
                None => d.repetition_window,
                Some(-1) => context,
                Some(count) => count as usize,
            },
            seed: match fields.int("seed", i64::MIN..=i64::MAX)? {
                // Any bits are a seed.
                Some(seed) => seed as u64,
                // Short enough to be written down.
                None => rand::rng().next_u64() % 1_000_000,
            },
        };
        Ok(Settings {
            sampling,
            bias: bias(fields, vocab)?,
            stops: stops(fields)?,
            stop_ids: stop_ids(fields, vocab)?,
            endless: fields.bool("ignore_eos")?.unwrap_or(false),
            answers: fields.count("n", 1..=ANSWERS_MAX)?.unwrap_or(1),
        })
    }
}

impl Stream {
    /// From the fields of a request.
    ///
    /// # Errors
    /// A field of another type, or options for pieces where there are none.
    pub fn read(fields: &Fields) -> Result<Stream, Refusal> {
        let on = fields.bool("stream")?.unwrap_or(false);
        let options = fields.object("stream_options")?;
        if options.is_some() && !on {
            let message = "`stream_options` is for answers that come piece by piece; set `stream` to true";
            return Err(Refusal::invalid("stream_options", message));
        }
        let usage = options.map(|options| options.bool("include_usage")).transpose()?.flatten();
        Ok(Stream { on, usage: usage.unwrap_or(false) })
    }
}

/// Most tokens of an answer, under the first of these names that is there.
///
/// # Errors
/// Another type, or out of range.
pub fn max_tokens(fields: &Fields, names: &[&str], least: usize) -> Result<Option<usize>, Refusal> {
    first(names, |name| fields.count(name, least..=TOKENS_MAX))
}

/// What other servers do and this one does not. What would be done otherwise than asked is refused rather than done.
fn refuse_unsupported(fields: &Fields) -> Result<(), Refusal> {
    if let Some(format) = fields.object("response_format")? {
        let name = format.name("type");
        match format.str("type")? {
            Some("text") => {}
            Some(kind @ ("json_object" | "json_schema")) => {
                let message = format!("answers of the form `{kind}` are not supported; only text is");
                return Err(Refusal::unsupported(name, message));
            }
            _ => return Err(Refusal::invalid(name, "`response_format.type` must be \"text\"")),
        }
    }
    let no_rules = "answers cannot be held to a grammar, a schema or a list of choices";
    for name in ["grammar", "json_schema", "guided_json", "guided_regex", "guided_choice", "guided_grammar"] {
        fields.refuse_unless(name, &[json!("")], no_rules)?;
    }
    fields.refuse_unless("structured_outputs", &[json!({})], no_rules)?;
    fields.refuse_unless("use_beam_search", &[json!(false)], "there is no beam search; texts are sampled")?;
    fields.refuse_unless("min_tokens", &[json!(0)], "a least length is not supported")?;
    fields.refuse_unless(
        "bad_words",
        &[json!([])],
        "words cannot be forbidden; `logit_bias` can forbid tokens",
    )
}

fn bias(fields: &Fields, vocab: usize) -> Result<Vec<(u32, f32)>, Refusal> {
    let Some(map) = fields.object("logit_bias")? else { return Ok(Vec::new()) };
    let of = |(key, value): (&str, &Value)| {
        let name = map.name(key);
        let Some(id) = key.parse::<u32>().ok().filter(|&id| (id as usize) < vocab) else {
            let message =
                format!("`{}` names no token; ids go from 0 to {}", formats::shown(&name), vocab - 1);
            return Err(Refusal::invalid(fields.name("logit_bias"), message));
        };
        match value.as_f64().filter(|v| (-100.0..=100.0).contains(v)) {
            Some(bias) => Ok((id, bias as f32)),
            None => Err(wrong(&name, value, "a number from -100 to 100")),
        }
    };
    map.iter().map(of).collect()
}

fn stops(fields: &Fields) -> Result<Vec<String>, Refusal> {
    let (field, expected) = ("stop", format!("a string, or a list of up to {STOPS_MAX} of them"));
    match fields.get(field) {
        None => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop.clone()]),
        Some(Value::Array(list)) if list.len() <= STOPS_MAX => list
            .iter()
            .map(|stop| stop.as_str().map(str::to_owned).ok_or_else(|| wrong(field, stop, &expected)))
            .collect(),
        Some(Value::Array(list)) => {
            let message = format!("`{field}` has {} strings; expected {expected}", list.len());
            Err(Refusal::invalid(field, message))
        }
        Some(other) => Err(wrong(field, other, &expected)),
    }
}

fn stop_ids(fields: &Fields, vocab: usize) -> Result<Vec<u32>, Refusal> {
    let field = "stop_token_ids";
    let list = fields.list(field)?.unwrap_or_default();
    list.iter().map(|id| token(field, id, vocab)).collect()
}

/// A token's id.
///
/// # Errors
/// Anything else.
pub fn token(field: &str, value: &Value, vocab: usize) -> Result<u32, Refusal> {
    let id = whole(value).and_then(|id| u32::try_from(id).ok()).filter(|&id| (id as usize) < vocab);
    id.ok_or_else(|| wrong(field, value, &format!("ids of tokens, from 0 to {}", vocab - 1)))
}
