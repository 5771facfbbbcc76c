//! Runs as files for others: a checkpoint as GGUF, curves as CSV.

use std::io;
use std::path::{Path, PathBuf};

use formats::atomic::write_atomic;
use formats::run_log::{Log, LogTail, MetricLine};
use train::export::{ExportType, Provenance, to_gguf};
use train::run::{Source, Which};

use crate::jobs::JobContext;
use crate::widgets::{bytes, count};
use formats::sentence;

/// Bytes of a log that are read at a time.
const READ: usize = 4 << 20;

/// Writes a run's best checkpoint into its folder; gives the file and what to say.
pub fn gguf(run: &Path, name: &str, job: &JobContext) -> Result<(PathBuf, String), String> {
    let cannot = |e: &dyn std::error::Error| format!("{name} cannot be exported: {}", sentence(e));
    job.progress(None, "reading the best checkpoint");
    let source = Source::open(run, Which::Best).map_err(|e| cannot(&e))?;
    if source.meta.config.model.float {
        return Err(cannot(&train::Error::FloatRun));
    }
    job.progress(None, "packing weights");
    let config = source.meta.config.shape(source.meta.vocab).map_err(|e| cannot(&e))?;
    let provenance = Provenance::of(&source);
    let ty = ExportType::default();
    let params = source.params.into_iter().map(Ok);
    let (mut file, _) =
        to_gguf(&config, params, &source.tokenizer, &provenance, ty).map_err(|e| cannot(&e))?;
    file.metadata.insert("general.name", name);
    let path = run.join(format!("{name}.gguf"));
    file.write(&path).map_err(|e| cannot(&e))?;
    let size = std::fs::metadata(&path).map_or(0, |m| m.len());
    let said =
        format!("Exported step {} of {name} as {} ({}).", count(source.step), path.display(), bytes(size));
    Ok((path, said))
}

/// Writes every value of runs, a line a step, as their logs have them.
pub fn csv(runs: &[(String, PathBuf)], to: &Path, job: &JobContext) -> Result<(), String> {
    let written = write_atomic(to, |out| {
        writeln!(
            out,
            "run,step,tokens,seconds,loss,bits_per_byte,val_loss,val_bits_per_byte,lr,lr_adam,grad_norm,tokens_per_sec,zeros,flips,scale_drift"
        )?;
        for (i, (name, path)) in runs.iter().enumerate() {
            job.progress(Some(i as f32 / runs.len() as f32), name);
            let name = quoted(name);
            let mut tail = LogTail::new(path.join(Log::Metrics.file_name()));
            loop {
                if job.is_cancelled() {
                    return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
                }
                let lines = tail.poll::<MetricLine>(READ).map_err(|e| io::Error::other(e.to_string()))?;
                for l in &lines.lines {
                    let or_nothing = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
                    let mean = |v: &[f32]| -> String {
                        let sum: f64 = v.iter().map(|&v| f64::from(v)).sum();
                        if v.is_empty() { String::new() } else { (sum / v.len() as f64).to_string() }
                    };
                    writeln!(
                        out,
                        "{name},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
                        l.step,
                        l.tokens,
                        or_nothing(l.seconds),
                        l.loss,
                        or_nothing(l.bits_per_byte),
                        or_nothing(l.val_loss),
                        or_nothing(l.val_bits_per_byte),
                        l.lr,
                        or_nothing(l.lr_adam),
                        or_nothing(l.grad_norm),
                        or_nothing(l.tokens_per_sec),
                        mean(&l.zeros),
                        mean(&l.flips),
                        mean(&l.scale_drift),
                    )?;
                }
                if !lines.more {
                    break;
                }
            }
        }
        Ok(())
    });
    written.map_err(|e| format!("The curves cannot be saved: {}", sentence(&e)))
}

/// A field of CSV.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        assert_eq!(["a b", "a,b", "a\"b"].map(quoted), ["a b", "\"a,b\"", "\"a\"\"b\""]);
    }
}
