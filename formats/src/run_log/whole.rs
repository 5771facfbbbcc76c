//! Which part of a log can be trusted after a crash: its whole lines. What follows them was torn, and is skipped by readers and cut off by
//! writers.

use crate::{Error, Result, shown};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::path::Path;

/// Length of the part of a log up to the end of its last whole line. What follows was
/// torn by a crash: a line without its end, or the zeros some file systems leave.
pub fn whole_lines(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    loop {
        end = bytes[..end].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        if end == 0 {
            return 0;
        }
        let from = bytes[..end - 1].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        if serde_json::from_slice::<IgnoredAny>(&bytes[from..end]).is_ok() {
            return end;
        }
        end = from;
    }
}

/// Parses the whole lines of a log. A bad one among them is damage, and named.
pub fn records<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<Vec<T>> {
    let whole = &bytes[..whole_lines(bytes)];
    let lines = whole.split(|&b| b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty());
    lines
        .map(|(i, line)| {
            serde_json::from_slice(line).map_err(|e| Error::Run {
                path: path.to_owned(),
                problem: format!("line {} is not a record: {}", i + 1, shown(&e.to_string())),
            })
        })
        .collect()
}
