//! `tercet info`: what a model file holds. Every size is counted from the file, every share from its weights; a file that
//! we cannot run is listed as far as we can read it. Whether it runs is found out as `tercet generate` does: by opening it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cpu::Kernels;
use formats::blocks::TensorType;
use formats::gguf::{Gguf, Header, Metadata, Tensor, TensorInfo, Value};
use formats::measure::measure;
use formats::{sentence, shown};
use serde_json::{Map, json};
use text::Opened;
use text::chat::{Role, Turn};

/// Longest string value shown whole.
const SHOWN_CHARS: usize = 60;
/// Longest string value that JSON holds whole: a chat template.
const JSON_BYTES: usize = 8 << 10;

/// What `tercet info` was asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model, as a GGUF file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// A model file, as far as it can be read.
struct Subject {
    file_bytes: u64,
    header: Arc<Header>,
    tensors: Vec<Measured>,
    /// The model, or the sentence that `tercet generate` ends with.
    opened: Result<Opened, String>,
}

impl Subject {
    /// An error only where there is nothing to list.
    fn read(path: &Path) -> anyhow::Result<Subject> {
        let file_bytes = std::fs::metadata(path).map_or(0, |m| m.len());
        let kernels = Kernels::chosen().map_err(|e| sentence(&runtime::Error::Kernels(e)));
        let (header, tensors, opened) = match Gguf::open(path) {
            Ok(gguf) => {
                let measured = |t: &TensorInfo| Measured::new(t, gguf.tensor(&t.name).ok());
                let tensors = gguf.tensors().iter().map(measured).collect();
                let header = Arc::clone(gguf.header());
                let open = |kernels| open(gguf, path, kernels).map_err(|e| sentence(&e));
                (header, tensors, kernels.and_then(open))
            }
            Err(error) => {
                let Ok(header) = Header::open(path) else { return Err(error.into()) };
                let tensors = header.tensors().iter().map(|t| Measured::new(t, None)).collect();
                (Arc::new(header), tensors, kernels.and(Err(sentence(&error))))
            }
        };
        Ok(Subject { file_bytes, header, tensors, opened })
    }

    /// All tensors that the file holds.
    fn whole(&self) -> impl Iterator<Item = &Measured> {
        self.tensors.iter().filter(|t| !t.broken)
    }
}

/// Opens a model as `tercet generate` does for the processor.
fn open(gguf: Gguf, path: &Path, kernels: &'static Kernels) -> text::Result<Opened> {
    let opened = Opened::from_gguf(gguf, path, kernels)?;
    opened.model.lay_out()?;
    Ok(opened)
}

/// Whether a conversation can be had with a model, found out by writing one down; or why not.
fn chats(opened: &Opened) -> text::Result<()> {
    let turn = Turn { role: Role::User, text: "Hello".to_owned() };
    text::chat::prompt_ids(opened, &[turn]).map(drop)
}

/// One tensor, measured.
struct Measured {
    name: String,
    ty: &'static str,
    dims: Vec<u64>,
    weights: u64,
    bytes: u64,
    /// Weights that are zero; `None` where we cannot read them.
    zeros: Option<u64>,
    ternary: bool,
    /// Whether the file does not hold it as promised.
    broken: bool,
    /// What is remarkable about that.
    mark: Option<String>,
}

impl Measured {
    fn new(info: &TensorInfo, tensor: Option<Tensor<'_>>) -> Self {
        let weights = info.dims.weights();
        let empty = || (weights == 0).then(|| "has no weights".to_owned());
        Measured {
            name: shown(&info.name),
            ty: info.ty.name(),
            dims: info.dims.to_vec(),
            weights,
            bytes: info.bytes,
            zeros: tensor.and_then(|tensor| measure(&tensor).ok()).map(|m| m.zeros()),
            ternary: info.ty.known().is_some_and(TensorType::is_ternary),
            broken: info.fault.is_some(),
            mark: info.fault.map(|fault| fault.to_string()).or_else(empty),
        }
    }

    fn bits_per_weight(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.weights.max(1) as f64
    }

    fn zero_share(&self) -> Option<f64> {
        self.zeros.map(|z| z as f64 / self.weights.max(1) as f64)
    }
}

/// Sums over tensors.
#[derive(Default)]
struct Sum {
    tensors: usize,
    weights: u64,
    bytes: u64,
    zeros: u64,
}

impl Sum {
    fn of<'a>(tensors: impl Iterator<Item = &'a Measured>) -> Sum {
        tensors.fold(Sum::default(), |s, t| Sum {
            tensors: s.tensors + 1,
            // A type whose number does not decide its size may claim any number of weights.
            weights: s.weights.saturating_add(t.weights),
            bytes: s.bytes.saturating_add(t.bytes),
            zeros: s.zeros + t.zeros.unwrap_or(0),
        })
    }

    fn bits_per_weight(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.weights.max(1) as f64
    }
}

/// Runs `tercet info`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let subject = Subject::read(&args.file)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if args.json {
        writeln!(out, "{:#}", as_json(args, &subject))?;
    } else {
        as_text(&mut out, args, &subject)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(out: &mut impl Write, args: &Args, subject: &Subject) -> anyhow::Result<()> {
    let Subject { file_bytes, header, tensors, opened } = subject;
    let all = Sum::of(subject.whole());
    let ternary = Sum::of(subject.whole().filter(|t| t.ternary));
    writeln!(out, "{}: GGUF version {}, {file_bytes} bytes", args.file.display(), header.version())?;
    writeln!(out, "\nMetadata")?;
    for (key, value) in header.metadata().iter() {
        writeln!(out, "  {:44} {}", shown(key), brief(value))?;
    }
    writeln!(out, "\nTensors")?;
    let [name, ty, dims, bytes, bits, zeros] = ["name", "type", "dims", "bytes", "bits/weight", "zeros"];
    writeln!(out, "  {name:30} {ty:8} {dims:>14} {bytes:>10} {bits:>12} {zeros:>7}")?;
    for t in tensors {
        let dims: Vec<String> = t.dims.iter().map(u64::to_string).collect();
        let zeros = t.zero_share().map_or("-".into(), |z| format!("{:.1} %", z * 100.0));
        let bits = t.bits_per_weight();
        let mark = t.mark.as_ref().map_or_else(String::new, |mark| format!("  <- {mark}"));
        writeln!(
            out,
            "  {:30} {:8} {:>14} {:>10} {bits:>12.3} {zeros:>7}{mark}",
            t.name,
            t.ty,
            dims.join(" x "),
            t.bytes
        )?;
    }
    writeln!(out, "\nSizes")?;
    writeln!(
        out,
        "  weights   {} in {} tensors: {} bytes, {:.3} bits per weight",
        all.weights,
        all.tensors,
        all.bytes,
        all.bits_per_weight()
    )?;
    if ternary.weights > 0 {
        writeln!(
            out,
            "  ternary   {} in {} tensors: {} bytes, {:.3} bits per weight, {:.1} % zeros",
            ternary.weights,
            ternary.tensors,
            ternary.bytes,
            ternary.bits_per_weight(),
            100.0 * ternary.zeros as f64 / ternary.weights as f64
        )?;
    }
    writeln!(
        out,
        "  the rest  {} bytes: metadata, tokenizer, names, padding",
        file_bytes.saturating_sub(all.bytes)
    )?;
    writeln!(out, "\nChecks")?;
    let broken = tensors.iter().filter(|t| t.broken).count();
    if broken > 0 {
        writeln!(out, "  broken: {broken} of {} tensors, marked above", tensors.len())?;
    }
    let opened = match opened {
        Ok(opened) => opened,
        Err(why) => return Ok(writeln!(out, "  does not run here: {why}")?),
    };
    let c = opened.model.config();
    writeln!(
        out,
        "  runs: every tensor has its shape, every scale and weight is finite, {} token ids have a row",
        opened.tokenizer.vocab_size()
    )?;
    match opened.model.mixing_error() {
        Some(error) => writeln!(
            out,
            "  hyper-connections: {} of {} streams; rows and columns of each mixing matrix sum to 1 within {error:.0e}",
            2 * c.blocks,
            c.streams
        )?,
        None => writeln!(out, "  hyper-connections: none, one residual stream")?,
    }
    match chats(opened) {
        Ok(()) => writeln!(out, "  chat: its template writes conversations down")?,
        Err(why) => writeln!(out, "  chat: {}", sentence(&why))?,
    }
    Ok(())
}

fn as_json(args: &Args, subject: &Subject) -> serde_json::Value {
    let Subject { file_bytes, header, tensors, opened } = subject;
    let all = Sum::of(subject.whole());
    let ternary = Sum::of(subject.whole().filter(|t| t.ternary));
    let tensors: Vec<serde_json::Value> = tensors
        .iter()
        .map(|t| {
            json!({
                "name": t.name,
                "type": t.ty,
                "dims": t.dims,
                "weights": t.weights,
                "bytes": t.bytes,
                "bits_per_weight": t.bits_per_weight(),
                "zeros": t.zero_share(),
                "broken": t.broken,
                "mark": t.mark,
            })
        })
        .collect();
    let model = match opened {
        Ok(opened) => {
            let (model, c) = (&opened.model, opened.model.config());
            json!({
                "runs": true,
                "streams": c.streams,
                "mixing_error": model.mixing_error(),
                "vocab": c.vocab,
                "context": c.context,
                "width": c.width,
                "blocks": c.blocks,
                "heads": c.heads,
                "kv_heads": c.kv_heads,
                "head_dim": c.head_dim,
                "ffn": c.ffn,
                "tied": c.tied,
                "token_ids": opened.tokenizer.vocab_size(),
                "chat": {
                    "template": opened.chat_template.is_some(),
                    "error": chats(opened).err().filter(|_| opened.chat_template.is_some()).map(|e| sentence(&e)),
                },
            })
        }
        Err(why) => json!({ "runs": false, "error": why }),
    };
    json!({
        "file": args.file.display().to_string(),
        "gguf_version": header.version(),
        "bytes": file_bytes,
        "weights": all.weights,
        "tensor_bytes": all.bytes,
        "other_bytes": file_bytes.saturating_sub(all.bytes),
        "bits_per_weight": all.bits_per_weight(),
        "ternary": {
            "weights": ternary.weights,
            "bytes": ternary.bytes,
            "bits_per_weight": ternary.bits_per_weight(),
            "zeros": ternary.zeros as f64 / ternary.weights.max(1) as f64,
        },
        "metadata": metadata_json(header.metadata()),
        "tensors": tensors,
        "model": model,
    })
}

fn metadata_json(meta: &Metadata) -> Map<String, serde_json::Value> {
    // A vocabulary is too long to print, and so may be anything else.
    let value = |v: &Value| match v {
        Value::Array(array) => json!({ "type": v.type_name(), "len": array.len() }),
        Value::Str(text) if text.len() > JSON_BYTES => json!({ "type": v.type_name(), "len": text.len() }),
        scalar => json!(scalar),
    };
    meta.iter().map(|(k, v)| (shown(k), value(v))).collect()
}

/// A value on one line, safe for a terminal.
fn brief(value: &Value) -> String {
    match value {
        Value::Str(v) => {
            let shown: String = v.chars().take(SHOWN_CHARS).collect();
            let more = if shown.len() < v.len() { "…" } else { "" };
            format!("\"{}{more}\"", shown.escape_debug())
        }
        Value::Array(array) => format!("{} of {}", value.type_name(), array.len()),
        scalar => scalar.scalar_text().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_hold_whatever_files_claim() {
        let claims = |weights| Measured {
            name: "a".into(),
            ty: "I2_S",
            dims: vec![weights],
            weights,
            bytes: 32,
            zeros: None,
            ternary: false,
            broken: false,
            mark: None,
        };
        let sum = Sum::of([claims(u64::MAX / 2), claims(u64::MAX / 2 + 9)].iter());
        assert_eq!((sum.tensors, sum.weights, sum.bytes, sum.zeros), (2, u64::MAX, 64, 0));
    }
}
