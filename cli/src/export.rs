//! `tercet export`: a trained state as one GGUF, and a plain word where the chosen type changes the numbers.

use std::path::PathBuf;
use std::process::ExitCode;

use ::train::export::{ExportType, Provenance, to_gguf};
use ::train::run::{Source, Which};
use anyhow::ensure;

use crate::shell;
use crate::terminal::{note, say};

/// What `tercet export` was asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's folder, or one checkpoint in it
    #[arg(value_name = "RUN_OR_CHECKPOINT")]
    source: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE.gguf")]
    out: PathBuf,
    /// How ternary matrices are stored: q1_58 (as trained), tq2_0 (llama.cpp's; scales merged in pairs), f16, f32.
    /// Embedding and head keep the precision they were trained in
    #[arg(long = "type", value_name = "TYPE", default_value = "q1_58")]
    ty: ExportType,
    /// The newest checkpoint of the run rather than the best validated one
    #[arg(long)]
    newest: bool,
    /// A name to keep inside the file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Runs `tercet export`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let which = if args.newest { Which::Newest } else { Which::Best };
    let source = Source::open(&args.source, which)?;
    for problem in &source.skipped {
        note(format_args!("{problem}"));
    }
    ensure!(!args.out.is_dir(), "{} is a folder; give the name of a file", args.out.display());
    let provenance = Provenance::of(&source);
    let config = source.meta.config.shape(source.meta.vocab)?;
    ensure!(!source.meta.config.model.float, ::train::Error::FloatRun);
    let params = source.params.into_iter().map(Ok);
    let (mut file, fidelity) = to_gguf(&config, params, &source.tokenizer, &provenance, args.ty)?;
    if let Some(name) = &args.name {
        file.metadata.insert("general.name", name.as_str());
    }
    file.write(&args.out)?;
    if !fidelity.exact() {
        note(format_args!(
            "{} of {} matrices are no longer what was trained: this type shares one scale over 256 weights, and scales moved by up to {:.0} %; q1_58 keeps every bit",
            fidelity.rescaled,
            fidelity.matrices,
            fidelity.worst * 100.0
        ));
    }
    if fidelity.dense > 0 {
        note(format_args!(
            "{} of {} matrices are stored as f16, exactly: their rows are no multiple of this type's 256 weights",
            fidelity.dense, fidelity.matrices
        ));
    }
    let bytes = std::fs::metadata(&args.out)?.len();
    say(format_args!(
        "{}: step {} of {}, {bytes} bytes",
        args.out.display(),
        source.step,
        source.path.display()
    ));
    if let Some(bits) = provenance.bits_per_byte {
        say(format_args!("validation when it was saved: {bits:.4} bits per byte"));
    }
    say(format_args!(
        "next: tercet generate {} --prompt {} --tokens 200",
        shell::path(&args.out),
        shell::text(&source.meta.config.report.sample_prompt)
    ));
    Ok(ExitCode::SUCCESS)
}
