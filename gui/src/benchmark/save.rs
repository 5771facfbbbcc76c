//! Results as files: Markdown, CSV and JSON are written by `bench`, a picture by `print`; and a file from earlier read again.

use std::path::Path;

use bench::{Format, Row};
use formats::atomic::write_atomic;

use super::print::Print;
use super::results::Results;
use formats::sentence;

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    Rows(Format),
    Picture,
}

impl As {
    /// As the file's name ends.
    ///
    /// # Errors
    /// A sentence naming the endings there are.
    pub fn of(path: &Path) -> Result<As, String> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("md") => Ok(As::Rows(Format::Markdown)),
            Some("csv") => Ok(As::Rows(Format::Csv)),
            Some("json") => Ok(As::Rows(Format::Json)),
            Some("jsonl") => Ok(As::Rows(Format::JsonLines)),
            Some("png") => Ok(As::Picture),
            _ => Err(format!(
                "Results are saved as .md, .csv, .json, .jsonl or .png; the name was {}.",
                path.display()
            )),
        }
    }
}

/// Rows as they would be in a file of this format.
pub fn text(rows: &[Row], format: Format) -> String {
    let mut out = Vec::new();
    // Writing into memory does not fail.
    let _ = bench::write(rows, format, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes a file.
///
/// # Errors
/// A sentence saying why not.
pub fn save(path: &Path, rows: &[Row], print: Print) -> Result<(), String> {
    let bytes = match As::of(path)? {
        As::Rows(format) => text(rows, format).into_bytes(),
        As::Picture => print.png()?,
    };
    write_atomic(path, |w| w.write_all(&bytes)).map_err(|e| sentence(&e))
}

/// A file from earlier, as results.
///
/// # Errors
/// A sentence saying what is wrong with it.
pub fn open(path: &Path) -> Result<Results, String> {
    let rows = bench::read(path).map_err(|e| sentence(&e))?;
    let results = Results::of(&rows);
    if results.is_empty() {
        return Err(format!("No row of this file has a figure ({}).", path.display()));
    }
    Ok(results)
}
