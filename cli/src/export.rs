//! `tercet export`: a trained state as one GGUF, and a plain word where the chosen type changes the numbers; either that or a file of ours
//! written anew for others to run.

use std::path::PathBuf;
use std::process::ExitCode;

use ::train::export::{ExportType, Provenance, to_gguf};
use ::train::run::{Source, Which};
use anyhow::ensure;
use formats::gguf::{Gguf, GgufWriter};
use model::portable::for_llama_cpp;

use crate::exit;

use crate::shell;
use crate::terminal::{note, say};

/// What `tercet export` was asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's folder, or one checkpoint in it; with --for also a model of ours, as a GGUF file
    #[arg(value_name = "RUN_OR_CHECKPOINT")]
    source: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE.gguf")]
    out: PathBuf,
    /// How ternary matrices are stored: q1_58 (as trained), tq2_0 (llama.cpp's; scales merged in pairs), f16, f32.
    /// Embedding and head keep the precision they were trained in [default: q1_58, or with --for q2_0, which is as exact]
    #[arg(long = "type", value_name = "TYPE")]
    ty: Option<ExportType>,
    /// Write what others run: llama.cpp, and with it LM Studio, Ollama and whatever else is built on it. It takes models of one stream with
    /// SwiGLU, such as --preset portable trains
    #[arg(long = "for", value_enum, value_name = "PROGRAM")]
    reader: Option<Reader>,
    /// The newest checkpoint of the run rather than the best validated one
    #[arg(long)]
    newest: bool,
    /// A name to keep inside the file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Who is to run the file.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Reader {
    #[value(name = "llama.cpp")]
    LlamaCpp,
}

/// The first build of llama.cpp that knows Q2_0.
const LLAMA_CPP_BUILD: &str = "b9916 (July 2026)";

/// Runs `tercet export`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(!args.out.is_dir(), "{} is a folder; give the name of a file", args.out.display());
    if args.source.is_file() {
        return from_file(args);
    }
    let which = if args.newest { Which::Newest } else { Which::Best };
    let source = Source::open(&args.source, which)?;
    for problem in &source.skipped {
        note(format_args!("{problem}"));
    }
    let provenance = Provenance::of(&source);
    let config = source.meta.config.shape(source.meta.vocab)?;
    ensure!(!source.meta.config.model.float, ::train::Error::FloatRun);
    let params = source.params.into_iter().map(Ok);
    let ty = args.ty.unwrap_or_default();
    if args.reader.is_some() && args.ty == Some(ExportType::Q1_58) {
        return Err(exit::usage(
            "llama.cpp does not read q1_58; without --type it gets q2_0, which is as exact",
        ));
    }
    let (mut file, fidelity) = to_gguf(&config, params, &source.tokenizer, &provenance, ty)?;
    if let Some(Reader::LlamaCpp) = args.reader {
        file = for_llama_cpp(&Gguf::parse(file.to_bytes()?, &args.source.to_string_lossy())?)?;
    }
    write(args, file)?;
    if !fidelity.exact() {
        note(format_args!(
            "{} of {} matrices are no longer what was trained: this type shares one scale over 256 weights, and scales moved by up to {:.0} %; {} keeps every bit",
            fidelity.rescaled,
            fidelity.matrices,
            fidelity.worst * 100.0,
            if args.reader.is_some() { "q2_0, which is written without --type," } else { "q1_58" },
        ));
    }
    if fidelity.dense > 0 {
        note(format_args!(
            "{} of {} matrices are stored as f16, exactly: their rows are no multiple of this type's 256 weights",
            fidelity.dense, fidelity.matrices
        ));
    }
    say(format_args!(
        "{}: step {} of {}, {} bytes",
        args.out.display(),
        source.step,
        source.path.display(),
        std::fs::metadata(&args.out)?.len(),
    ));
    if let Some(bits) = provenance.bits_per_byte {
        say(format_args!("validation when it was saved: {bits:.4} bits per byte"));
    }
    next(args, &source.meta.config.report.sample_prompt);
    Ok(ExitCode::SUCCESS)
}

/// A model of ours, written anew.
fn from_file(args: &Args) -> anyhow::Result<ExitCode> {
    if args.reader.is_none() || args.ty.is_some() || args.newest {
        return Err(exit::usage(format!(
            "{} is a model already; from a file, export takes --for alone (tercet convert changes types)",
            args.source.display()
        )));
    }
    write(args, for_llama_cpp(&Gguf::open(&args.source)?)?)?;
    say(format_args!("{}: {} bytes", args.out.display(), std::fs::metadata(&args.out)?.len()));
    next(args, "Once");
    Ok(ExitCode::SUCCESS)
}

fn write(args: &Args, mut file: GgufWriter) -> anyhow::Result<()> {
    if let Some(name) = &args.name {
        file.metadata.insert("general.name", name.as_str());
    }
    Ok(file.write(&args.out)?)
}

/// What to do with the file.
fn next(args: &Args, prompt: &str) {
    let (out, prompt) = (shell::path(&args.out), shell::text(prompt));
    match args.reader {
        None => say(format_args!("next: tercet generate {out} --prompt {prompt} --tokens 200")),
        Some(Reader::LlamaCpp) => say(format_args!(
            "next: llama-completion -m {out} -p {prompt} -n 200, with llama.cpp {LLAMA_CPP_BUILD} or newer; or open it in what is built on one"
        )),
    }
}
