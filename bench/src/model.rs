//! Models: tokens per second as llama-bench counts them (`pp` reads a prompt, `tg` writes tokens one after the other, each after
//! `depth` others), and the time to the first token. What a token's products cost by themselves is `matmuls`' business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use formats::gguf::Gguf;
use runtime::cpu::Pool;
use runtime::sampler::{Sampler, Sampling};
use runtime::{Model, Session, in_file, synthetic};

use crate::error::{Result, refuse};
use crate::machine::{peak_memory_bytes, reset_peak_memory};
use crate::matmuls;
use crate::options::{ModelOptions, ModelTest, Source};
use crate::row::{LoadRow, ModelRow, Row};
use crate::timing::mean_sd;

/// Tokens of a prompt between two looks at whether to go on.
const PREFILL_STEP: usize = 256;

/// A model, its size, and what it took to get ready.
pub struct Opened {
    name: String,
    model: Model,
    size_bytes: u64,
    params: u64,
    load_ms: f64,
    peak_memory_bytes: Option<u64>,
}

fn open(options: &ModelOptions) -> Result<Opened> {
    match &options.source {
        Source::File(path) => {
            let start = Instant::now();
            let gguf = Gguf::open(path)?;
            let model = Model::with_kernels(&gguf, options.kernels).map_err(|e| in_file(e, path))?;
            let load_ms = start.elapsed().as_secs_f64() * 1e3;
            let name = path.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string();
            let (mut size_bytes, mut params) = (0, 0);
            for tensor in gguf.tensors() {
                size_bytes += tensor.bytes;
                params += tensor.dims.weights();
            }
            Ok(Opened { name, model, size_bytes, params, load_ms, peak_memory_bytes: None })
        }
        Source::Synthetic(name) => {
            let Some(config) = synthetic::config(name) else {
                let known = synthetic::SHAPES.map(|(name, _)| name).join(", ");
                return refuse("synthetic model", format!("\"{}\"", name.escape_debug()), known);
            };
            let model = Model::synthetic(&config, options.kernels, 1)?;
            let (mut size_bytes, mut params) = (0, 0);
            for tensor in config.tensors() {
                let (row, rows) = (tensor.dims[0], tensor.dims[1..].iter().product::<usize>());
                size_bytes += tensor.ty.row_bytes(row as u64)? * rows as u64;
                params += (row * rows) as u64;
            }
            let load_ms = model.load_time().as_secs_f64() * 1e3;
            Ok(Opened { name: name.clone(), model, size_bytes, params, load_ms, peak_memory_bytes: None })
        }
    }
}

impl Opened {
    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// File or synthetic name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a model ready.
    pub fn new(options: &ModelOptions) -> Result<Self> {
        reset_peak_memory();
        let mut opened = open(options)?;
        opened.peak_memory_bytes = peak_memory_bytes();
        Ok(opened)
    }
}

/// Measures all of it; `None` once cancelled. A test longer than the context is cut to it.
pub fn measure(
    opened: &Opened,
    options: &ModelOptions,
    pools: &[Pool],
    tell: &mut dyn FnMut(Row),
    cancel: &AtomicBool,
) -> Result<Option<()>> {
    let kernel = opened.model.kernels().name;
    tell(Row::Load(LoadRow {
        test: "load",
        model: opened.name.clone(),
        size_bytes: opened.size_bytes,
        params: opened.params,
        kernel,
        load_ms: opened.load_ms,
        peak_memory_bytes: opened.peak_memory_bytes,
    }));
    let context = opened.model.config().context;
    for pool in pools {
        for &depth in &options.depths {
            for test in options.tests("", depth, context) {
                let ModelTest { name: test, tokens: n, prompt } = match test {
                    Ok(test) => test,
                    Err(skipped) => {
                        tell(Row::Skipped(skipped));
                        continue;
                    }
                };
                reset_peak_memory();
                let mut session = Session::with_threads(&opened.model, depth + n, pool.threads())?;
                let Some(sample) = repeat(&mut session, depth, n, prompt, options.repetitions, cancel)?
                else {
                    return Ok(None);
                };
                let (tokens_per_second, sd) = mean_sd(&sample.tokens_per_second);
                tell(Row::Model(ModelRow {
                    test,
                    model: opened.name.clone(),
                    size_bytes: opened.size_bytes,
                    params: opened.params,
                    kernel,
                    threads: pool.threads(),
                    depth,
                    tokens_per_second,
                    sd,
                    repetitions: options.repetitions,
                    first_token_ms: prompt.then(|| mean_sd(&sample.first_token_ms).0),
                    peak_memory_bytes: peak_memory_bytes(),
                }));
            }
            if !options.generate.is_empty() {
                match matmuls::measure(&opened.model, &opened.name, depth, pool, cancel)? {
                    Some(Some(row)) => tell(Row::Matmuls(row)),
                    Some(None) => {}
                    None => return Ok(None),
                }
            }
        }
    }
    Ok(Some(()))
}

/// One figure for each repetition.
#[derive(Default)]
struct Sample {
    tokens_per_second: Vec<f64>,
    first_token_ms: Vec<f64>,
}

/// Reads `depth` tokens, then times `n` more, all at once or one by one, again and again; once more than asked, to warm up.
fn repeat(
    session: &mut Session<'_>,
    depth: usize,
    n: usize,
    prompt: bool,
    repetitions: usize,
    cancel: &AtomicBool,
) -> Result<Option<Sample>> {
    let vocab = session.model().config().vocab;
    let ids = token_ids(depth + n, vocab);
    let mut sampler = Sampler::new(Sampling::greedy())?;
    let mut sample = Sample::default();
    if advance(session, &ids[..depth], cancel)?.is_none() {
        return Ok(None);
    }
    for i in 0..=repetitions {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        session.truncate(depth);
        let start = Instant::now();
        let mut first = start.elapsed();
        if prompt {
            // The last piece, whole or not, gives the logits.
            let last = depth + (n - 1) / PREFILL_STEP * PREFILL_STEP;
            if advance(session, &ids[depth..last], cancel)?.is_none() {
                return Ok(None);
            }
            let logits = session.forward(&ids[last..])?;
            let time = start.elapsed();
            sampler.sample(logits)?;
            first = start.elapsed();
            sample.tokens_per_second.push(n as f64 / time.as_secs_f64());
        } else {
            for id in &ids[depth..] {
                if cancel.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                session.forward(std::slice::from_ref(id))?;
            }
            sample.tokens_per_second.push(n as f64 / start.elapsed().as_secs_f64());
        }
        sample.first_token_ms.push(first.as_secs_f64() * 1e3);
        if i == 0 {
            sample = Sample::default();
        }
    }
    Ok(Some(sample))
}

/// Reads tokens a piece at a time; `None` once cancelled.
pub fn advance(session: &mut Session<'_>, ids: &[u32], cancel: &AtomicBool) -> Result<Option<()>> {
    for piece in ids.chunks(PREFILL_STEP) {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        session.advance(piece)?;
    }
    Ok(Some(()))
}

/// Ids from all over the vocabulary, the same every time.
pub fn token_ids(n: usize, vocab: usize) -> Vec<u32> {
    (0..n as u64).map(|i| (i.wrapping_mul(2_654_435_761) % vocab as u64) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::cpu::Kernels;

    fn options(source: Source) -> ModelOptions {
        let kernels = Kernels::best();
        ModelOptions { source, kernels, prompts: vec![5], generate: vec![], depths: vec![0], repetitions: 1 }
    }

    #[test]
    fn models_are_counted_whole_and_can_be_cancelled() {
        let options = options(Source::Synthetic("shakespeare".into()));
        let opened = Opened::new(&options).unwrap();
        let pools = [Pool::new(1).unwrap()];
        for cancelled in [true, false] {
            let mut rows = Vec::new();
            let done = measure(&opened, &options, &pools, &mut |r| rows.push(r), &AtomicBool::new(cancelled));
            assert_eq!(done.unwrap().is_none(), cancelled);
            let Row::Load(load) = &rows[0] else { panic!("{rows:?}") };
            // Four blocks of 384, an 8-bit table of 2,048 ids, two streams.
            assert!(load.params > 6_000_000 && load.size_bytes < load.params, "{load:?}");
            assert_eq!(rows.len(), if cancelled { 1 } else { 2 }, "{rows:?}");
        }
    }

    #[test]
    fn models_that_nobody_knows_are_refused_by_name() {
        let error = Opened::new(&options(Source::Synthetic("gpt-5".into()))).err().unwrap();
        assert!(error.to_string().contains("gpt-5") && error.to_string().contains("showcase"), "{error}");
        let error = Opened::new(&options(Source::File("none.gguf".into()))).err().unwrap();
        assert!(error.to_string().contains("none.gguf"), "{error}");
    }
}
