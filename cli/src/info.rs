//! `tercet info`: what a model file holds. Every size is counted from the file, every share from its weights; a file that
//! we cannot run is listed as far as we can read it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use formats::blocks::TensorType;
use formats::gguf::{Gguf, Metadata, Tensor, Value};
use formats::measure::measure;
use runtime::Model;
use serde_json::{Map, json};

/// Longest string value shown whole.
const SHOWN_CHARS: usize = 60;

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

/// One tensor, measured.
struct Measured {
    name: String,
    ty: &'static str,
    dims: Vec<u64>,
    weights: u64,
    bytes: u64,
    /// Weights that are zero; `None` where we cannot read the type.
    zeros: Option<u64>,
    ternary: bool,
}

impl Measured {
    fn new(tensor: &Tensor<'_>) -> Self {
        let info = tensor.info;
        let ternary = info.ty.known().is_some_and(TensorType::is_ternary);
        Measured {
            name: info.name.escape_debug().to_string(),
            ty: info.ty.name(),
            dims: info.dims.to_vec(),
            weights: info.dims.weights(),
            bytes: info.bytes,
            zeros: measure(tensor).ok().map(|m| m.zeros()),
            ternary,
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
            bytes: s.bytes + t.bytes,
            zeros: s.zeros + t.zeros.unwrap_or(0),
        })
    }

    fn bits_per_weight(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.weights.max(1) as f64
    }
}

/// Runs `tercet info`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file_bytes = std::fs::metadata(&args.file).map_or(0, |m| m.len());
    let gguf = Gguf::open(&args.file)?;
    let tensors: Vec<Measured> = gguf
        .tensors()
        .iter()
        .map(|t| gguf.tensor(&t.name).map(|t| Measured::new(&t)))
        .collect::<formats::Result<_>>()?;
    let model = Model::from_gguf(&gguf);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if args.json {
        let value = as_json(args, &gguf, &tensors, &model, file_bytes);
        writeln!(out, "{value:#}")?;
    } else {
        as_text(&mut out, args, &gguf, &tensors, &model, file_bytes)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(
    out: &mut impl Write,
    args: &Args,
    gguf: &Gguf,
    tensors: &[Measured],
    model: &runtime::Result<Model>,
    file_bytes: u64,
) -> anyhow::Result<()> {
    let all = Sum::of(tensors.iter());
    let ternary = Sum::of(tensors.iter().filter(|t| t.ternary));
    writeln!(out, "{}: GGUF version {}, {file_bytes} bytes", args.file.display(), gguf.header().version())?;
    writeln!(out, "\nMetadata")?;
    for (key, value) in gguf.metadata().iter() {
        writeln!(out, "  {:44} {}", key.escape_debug().to_string(), brief(value))?;
    }
    writeln!(out, "\nTensors")?;
    let header = ["name", "type", "dims", "bytes", "bits/weight", "zeros"];
    writeln!(
        out,
        "  {:30} {:8} {:>14} {:>10} {:>12} {:>7}",
        header[0], header[1], header[2], header[3], header[4], header[5]
    )?;
    for t in tensors {
        let dims: Vec<String> = t.dims.iter().map(u64::to_string).collect();
        let zeros = t.zero_share().map_or("-".into(), |z| format!("{:.1} %", z * 100.0));
        let bits = t.bits_per_weight();
        writeln!(
            out,
            "  {:30} {:8} {:>14} {:>10} {bits:>12.3} {zeros:>7}",
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
    match model {
        Ok(model) => {
            let c = model.config();
            writeln!(out, "  runs: every tensor has its shape, every scale and weight is finite")?;
            match model.mixing_error() {
                Some(error) => writeln!(
                    out,
                    "  hyper-connections: {} of {} streams; rows and columns of each mixing matrix sum to 1 within {error:.0e}",
                    2 * c.blocks,
                    c.streams
                )?,
                None => writeln!(out, "  hyper-connections: none, one residual stream")?,
            }
        }
        Err(error) => writeln!(out, "  does not run here: {error}")?,
    }
    Ok(())
}

fn as_json(
    args: &Args,
    gguf: &Gguf,
    tensors: &[Measured],
    model: &runtime::Result<Model>,
    file_bytes: u64,
) -> serde_json::Value {
    let all = Sum::of(tensors.iter());
    let ternary = Sum::of(tensors.iter().filter(|t| t.ternary));
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
            })
        })
        .collect();
    let model = match model {
        Ok(model) => {
            let c = model.config();
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
            })
        }
        Err(error) => json!({ "runs": false, "error": error.to_string() }),
    };
    json!({
        "file": args.file.display().to_string(),
        "gguf_version": gguf.header().version(),
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
        "metadata": metadata_json(gguf.metadata()),
        "tensors": tensors,
        "model": model,
    })
}

fn metadata_json(meta: &Metadata) -> Map<String, serde_json::Value> {
    // A vocabulary is too long to print.
    let value = |v: &Value| match v {
        Value::Array(array) => json!({ "type": v.type_name(), "len": array.len() }),
        scalar => json!(scalar),
    };
    meta.iter().map(|(k, v)| (k.to_owned(), value(v))).collect()
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
        };
        let sum = Sum::of([claims(u64::MAX / 2), claims(u64::MAX / 2 + 9)].iter());
        assert_eq!((sum.tensors, sum.weights, sum.bytes, sum.zeros), (2, u64::MAX, 64, 0));
    }
}
