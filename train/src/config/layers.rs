//! Layers of a configuration: a file's table and `key=value` settings laid over what is there, each key checked, so that a typing
//! error gets a sentence with the nearest keys.

use std::path::Path;

use formats::utf8;
use toml::{Table, Value};

use super::Config;
use super::difference::flatten;
use crate::error::{Error, Result};
use crate::preset;

/// Longest configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;

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
