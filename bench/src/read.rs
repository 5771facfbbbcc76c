//! Rows read back from a file, as the objects they were written as: whoever wrote it may have had kernels and adapters that this
//! program does not know.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A file of a whole run is a few megabytes; more than this is something else.
const BYTES_MAX: u64 = 64 << 20;

/// The rows of a file in [`Format::Json`](crate::Format::Json) or [`Format::JsonLines`](crate::Format::JsonLines).
///
/// # Errors
/// A file that cannot be read, or that holds something else.
pub fn read(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let (file, _) = formats::ordinary::open(path)?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|source| formats::Error::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let not = |problem: String| Error::NotResults { problem, path: path.to_owned() };
    if bytes.len() as u64 > BYTES_MAX {
        return Err(not(format!("it is larger than {} MiB", BYTES_MAX >> 20)));
    }
    parse(&bytes).map_err(not)
}

/// The rows, or what is wrong.
fn parse(bytes: &[u8]) -> std::result::Result<Vec<Map<String, Value>>, String> {
    let values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let mut rows = values
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| format!("it is no JSON: {}", formats::shown(&e.to_string())))?;
    // A list of rows, or a row a line.
    if let [Value::Array(list)] = &mut rows[..] {
        rows = std::mem::take(list);
    } else if rows.is_empty() {
        return Err("it is no JSON: it is empty".into());
    }
    let mut objects = Vec::new();
    for (i, row) in rows.into_iter().enumerate() {
        match row {
            Value::Object(row) if row.get("test").is_some_and(Value::is_string) => objects.push(row),
            _ => return Err(format!("row {} has no \"test\"", i + 1)),
        }
    }
    if !objects.iter().any(|row| row["test"] == "machine") {
        return Err("no row says which machine it was".into());
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_anything_else_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for (text, problem) in [
            ("", "no JSON"),
            ("[{\"test\":\"mach", "no JSON"),
            ("{}", "row 1 has no"),
            ("[1]", "row 1 has no"),
            ("[{\"test\":\"machine\"},{\"test\":1}]", "row 2 has no"),
            ("[]", "which machine"),
            (&"[".repeat(100_000), "no JSON"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("a.json"), "{text:.20}: {error}");
        }
        let text = r#"[{"test":"machine","cpu":"x"},{"test":"product","kernel":"avx9","us":1.5}]"#;
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path).unwrap()[1]["kernel"], "avx9");
        std::fs::write(&path, text[1..text.len() - 1].replace("},", "}\n")).unwrap();
        assert_eq!(read(&path).unwrap()[1]["kernel"], "avx9", "a row a line");
        assert!(read(&folder.path().join("none.json")).unwrap_err().to_string().contains("none.json"));
        assert!(read(folder.path()).is_err());
    }
}
