//! What two configurations do not have in common, key by key: whether one run may go on as another.

use std::fmt;

use formats::shown;
use toml::{Table, Value};

use super::Config;

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

impl Config {
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

/// Every key with its value, dotted, in a fixed order.
pub(super) fn flatten(config: &Config) -> Vec<(String, Value)> {
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
