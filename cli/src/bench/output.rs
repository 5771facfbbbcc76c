//! Where the rows of a measurement go, and in which form.

use std::path::PathBuf;

use bench::{Format, Row};

use crate::exit::usage;

/// The options that say so.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// How to write all rows [default: by the name of --out, or a table on the terminal]
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// Where to write all rows
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How to write rows.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FormatArg {
    /// Markdown tables
    Md,
    /// One table of comma-separated values
    Csv,
    /// An array of objects
    Json,
    /// An object a line
    Jsonl,
}

impl FormatArg {
    fn format(self) -> Format {
        match self {
            FormatArg::Md => Format::Markdown,
            FormatArg::Csv => Format::Csv,
            FormatArg::Json => Format::Json,
            FormatArg::Jsonl => Format::JsonLines,
        }
    }
}

impl Output {
    /// As asked, or as the file's name ends; none if all that is wanted is a table on the terminal.
    ///
    /// # Errors
    /// A name that says nothing.
    pub fn format(&self) -> anyhow::Result<Option<Format>> {
        let Some(path) = self.out.as_deref().filter(|_| self.format.is_none()) else {
            return Ok(self.format.map(FormatArg::format));
        };
        match path.extension().and_then(|e| e.to_str()) {
            Some("md") => Ok(Some(Format::Markdown)),
            Some("csv") => Ok(Some(Format::Csv)),
            Some("json") => Ok(Some(Format::Json)),
            Some("jsonl") => Ok(Some(Format::JsonLines)),
            _ => Err(usage(format!(
                "--out is {}; expected a name in .md, .csv, .json or .jsonl, or --format",
                path.display()
            ))),
        }
    }

    /// Whether a table may go to stdout, which is not to hold the rows themselves.
    pub fn leaves_stdout(&self) -> bool {
        self.format.is_none() || self.out.is_some()
    }

    /// Writes them, if that was asked for.
    ///
    /// # Errors
    /// The system's own.
    pub fn write(&self, rows: &[Row], format: Option<Format>) -> anyhow::Result<()> {
        match (&self.out, format) {
            (_, None) => {}
            (Some(path), Some(format)) => {
                formats::atomic::write_atomic(path, |out| bench::write(rows, format, out))?;
            }
            (None, Some(format)) => bench::write(rows, format, &mut std::io::stdout().lock())?,
        }
        Ok(())
    }
}
