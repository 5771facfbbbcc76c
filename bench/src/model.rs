//! Models: tokens per second as llama-bench counts them (`pp` reads a prompt, `tg` writes tokens one after the other, each after
//! `depth` others), and the time to the first token. What a token's products cost by themselves is `matmuls`' business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cpu::{Kernels, Pool};
use formats::gguf::Gguf;
use runtime::sampler::{Sampler, Sampling};
use runtime::{Model, Session, in_file, synthetic};

use crate::agree::{Agreement, Reference};
use crate::cell::Cell;
use crate::error::{Result, refuse};
use crate::machine::{peak_memory_bytes, reset_peak_memory};
use crate::matmuls;
use crate::options::{ModelOptions, ModelTest, Options, Source};
use crate::row::{LoadRow, ModelRow, Row};
use crate::timing::mean_sd;
use crate::watch::Watch;

/// Tokens of a prompt between two looks at whether to go on.
const PREFILL_STEP: usize = 256;

/// A model, its size, and what it took to get ready.
pub struct Candidate {
    name: String,
    model: Model,
    size_bytes: u64,
    params: u64,
    load_ms: f64,
    peak_memory_bytes: Option<u64>,
}

fn open(source: &Source, kernels: &'static Kernels) -> Result<Candidate> {
    match source {
        Source::File(path) => {
            let start = Instant::now();
            let gguf = Gguf::open(path)?;
            let model = Model::with_kernels(&gguf, kernels).map_err(|e| in_file(e, path))?;
            let load_ms = start.elapsed().as_secs_f64() * 1e3;
            let name = path.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string();
            let (mut size_bytes, mut params) = (0, 0);
            for tensor in gguf.tensors() {
                size_bytes += tensor.bytes;
                params += tensor.dims.weights();
            }
            Ok(Candidate { name, model, size_bytes, params, load_ms, peak_memory_bytes: None })
        }
        Source::Synthetic(name) => {
            let Some(config) = synthetic::config(name) else {
                let known = synthetic::SHAPES.map(|(name, _)| name).join(", ");
                return refuse("synthetic model", format!("\"{}\"", name.escape_debug()), known);
            };
            let model = Model::synthetic(&config, kernels, 1)?;
            let (mut size_bytes, mut params) = (0, 0);
            for tensor in &model.forward().tensors {
                size_bytes += tensor.tensor_type().row_bytes(tensor.cols() as u64)? * tensor.rows() as u64;
                params += tensor.len() as u64;
            }
            let load_ms = model.load_time().as_secs_f64() * 1e3;
            Ok(Candidate { name: name.clone(), model, size_bytes, params, load_ms, peak_memory_bytes: None })
        }
    }
}

impl Candidate {
    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// File or synthetic name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a model ready for some kernels.
    pub fn new(source: &Source, kernels: &'static Kernels) -> Result<Self> {
        reset_peak_memory();
        let mut candidate = open(source, kernels)?;
        candidate.peak_memory_bytes = peak_memory_bytes();
        Ok(candidate)
    }
}

/// What every model of a run has in common.
pub struct Tests<'a> {
    /// What to measure.
    pub options: &'a ModelOptions,
    /// Of the whole run.
    pub all: &'a Options,
    /// What the model must say, unless only the scalar kernels are measured.
    pub reference: Option<&'a Reference>,
    /// One for each number of threads.
    pub pools: &'a [Pool],
    /// Ends it.
    pub cancel: &'a AtomicBool,
}

impl Tests<'_> {
    /// Measures all of it; `None` once cancelled. A test longer than the context is cut to it.
    pub fn measure(&self, candidate: &Candidate, watch: &mut dyn Watch) -> Result<Option<()>> {
        let kernel = candidate.model.kernels().name;
        watch.row(Row::Load(LoadRow {
            test: "load",
            model: candidate.name.clone(),
            size_bytes: candidate.size_bytes,
            params: candidate.params,
            kernel,
            load_ms: candidate.load_ms,
            peak_memory_bytes: candidate.peak_memory_bytes,
            sha256: self.options.sha256.clone(),
        }));
        let context = candidate.model.config().context;
        for pool in self.pools {
            let Some(agreement) = self.compare(candidate, pool)? else { return Ok(None) };
            for &depth in &self.options.depths {
                for test in self.options.tests("", depth, context) {
                    let test = match test {
                        Ok(test) => test,
                        Err(skipped) => {
                            watch.row(Row::Skipped(skipped));
                            continue;
                        }
                    };
                    let threads = pool.threads();
                    watch.next(Cell::model(&test, kernel, Some(threads), depth, self.options.repetitions));
                    let Some(row) = self.row(candidate, &test, depth, threads, &agreement)? else {
                        return Ok(None);
                    };
                    watch.row(Row::Model(row));
                }
                if self.options.matmuls && matmuls::fits(depth, context) {
                    watch.next(Cell::matmuls(kernel, pool.threads(), depth));
                    match matmuls::measure(&candidate.model, &candidate.name, depth, pool, self.cancel)? {
                        Some(row) => watch.row(Row::Matmuls(row)),
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(()))
    }

    fn compare(&self, candidate: &Candidate, pool: &Pool) -> Result<Option<Agreement>> {
        let Some(reference) = self.reference else { return Ok(Some(Agreement::default())) };
        let mut session = Session::with_threads(&candidate.model, reference.context(), pool.threads())?;
        reference.compare(&mut session, self.cancel)
    }

    fn row(
        &self,
        candidate: &Candidate,
        test: &ModelTest,
        depth: usize,
        threads: usize,
        agreement: &Agreement,
    ) -> Result<Option<ModelRow>> {
        let mut row = ModelRow {
            test: test.name.clone(),
            model: candidate.name.clone(),
            size_bytes: candidate.size_bytes,
            params: candidate.params,
            kernel: candidate.model.kernels().name,
            threads,
            depth,
            tokens_per_second: None,
            sd: None,
            repetitions: self.options.repetitions,
            first_token_ms: None,
            peak_memory_bytes: None,
            max_abs_err: agreement.max_abs_err,
            error: agreement.error.clone(),
            tokens_per_second_each: Vec::new(),
        };
        if row.error.is_some() {
            return Ok(Some(row));
        }
        if pause(self.all.delay, self.cancel).is_none() {
            return Ok(None);
        }
        reset_peak_memory();
        let mut session = Session::with_threads(&candidate.model, depth + test.tokens(), threads)?;
        let Some(sample) = repeat(&mut session, depth, test, self.options.repetitions, self.cancel)? else {
            return Ok(None);
        };
        let (mean, sd) = mean_sd(&sample.tokens_per_second);
        (row.tokens_per_second, row.sd) = (Some(mean), Some(sd));
        row.first_token_ms = (test.generate == 0).then(|| mean_sd(&sample.first_token_ms).0);
        row.peak_memory_bytes = peak_memory_bytes();
        row.tokens_per_second_each = sample.tokens_per_second;
        Ok(Some(row))
    }
}

/// Sleeps for that long, a little at a time; `None` once cancelled.
pub fn pause(delay: Duration, cancel: &AtomicBool) -> Option<()> {
    let start = Instant::now();
    while !cancel.load(Ordering::Relaxed) {
        let left = delay.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Some(());
        }
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
    None
}

/// One figure for each repetition.
#[derive(Default)]
struct Sample {
    tokens_per_second: Vec<f64>,
    first_token_ms: Vec<f64>,
}

/// Reads `depth` tokens, then times a test's own, the prompt all at once and the others one by one, again and again; once more than
/// asked, to warm up.
fn repeat(
    session: &mut Session<'_>,
    depth: usize,
    test: &ModelTest,
    repetitions: usize,
    cancel: &AtomicBool,
) -> Result<Option<Sample>> {
    let vocab = session.model().config().vocab;
    let n = test.tokens();
    let ids = token_ids(depth + n, vocab);
    let (prompt, others) = ids[depth..].split_at(test.prompt);
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
        let mut first = None;
        if !prompt.is_empty() {
            // The last piece, whole or not, gives the logits.
            let last = (prompt.len() - 1) / PREFILL_STEP * PREFILL_STEP;
            if advance(session, &prompt[..last], cancel)?.is_none() {
                return Ok(None);
            }
            let logits = session.forward(&prompt[last..])?;
            if others.is_empty() {
                let time = start.elapsed();
                sampler.sample(logits)?;
                first = Some((time, start.elapsed()));
            }
        }
        for id in others {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            session.forward(std::slice::from_ref(id))?;
        }
        // Choosing a token is no part of reading a prompt, but of what one waits for.
        let (time, first) = first.unwrap_or_else(|| (start.elapsed(), Duration::ZERO));
        if i > 0 {
            sample.tokens_per_second.push(n as f64 / time.as_secs_f64());
            sample.first_token_ms.push(first.as_secs_f64() * 1e3);
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

    #[test]
    fn models_are_counted_whole_and_can_be_cancelled() {
        let source = Source::Synthetic("shakespeare".into());
        let candidate = Candidate::new(&source, Kernels::best()).unwrap();
        let options = ModelOptions {
            source,
            kernels: vec![Kernels::best()],
            prompts: vec![5],
            generate: vec![],
            pairs: vec![(3, 2)],
            depths: vec![0],
            repetitions: 2,
            matmuls: false,
            sha256: None,
        };
        let pools = [Pool::new(1).unwrap()];
        let reference = Reference::of(&candidate.model, 1, &AtomicBool::new(false)).unwrap().unwrap();
        for cancelled in [true, false] {
            let mut rows = Vec::new();
            let cancel = AtomicBool::new(cancelled);
            let all = Options::default();
            let tests = Tests {
                options: &options,
                all: &all,
                reference: Some(&reference),
                pools: &pools,
                cancel: &cancel,
            };
            let done = tests.measure(&candidate, &mut |r| rows.push(r));
            assert_eq!(done.unwrap().is_none(), cancelled);
            let Row::Load(load) = &rows[0] else { panic!("{rows:?}") };
            // Four blocks of 384, an 8-bit table of 2,048 ids, two streams.
            assert!(load.params > 6_000_000 && load.size_bytes < load.params, "{load:?}");
            assert_eq!(rows.len(), if cancelled { 1 } else { 3 }, "{rows:?}");
            if let Some(Row::Model(pair)) = rows.get(2) {
                assert_eq!((pair.test.as_str(), pair.tokens_per_second_each.len()), ("pp3+tg2", 2));
                assert_eq!((pair.error.as_ref(), pair.max_abs_err), (None, 0.0), "{pair:?}");
            }
        }
    }

    #[test]
    fn a_model_that_says_something_else_has_no_times() {
        let source = |name: &str| Candidate::new(&Source::Synthetic(name.into()), Kernels::best()).unwrap();
        let (one, other) = (source("shakespeare"), source("shakespeare"));
        let never = AtomicBool::new(false);
        let mut reference = Reference::of(&one.model, 1, &never).unwrap().unwrap();
        reference.distort();
        let options = ModelOptions {
            source: Source::Synthetic("shakespeare".into()),
            kernels: vec![Kernels::best()],
            prompts: vec![5],
            generate: vec![],
            pairs: vec![],
            depths: vec![0],
            repetitions: 1,
            matmuls: false,
            sha256: None,
        };
        let (pools, all) = ([Pool::new(1).unwrap()], Options::default());
        let tests = Tests {
            options: &options,
            all: &all,
            reference: Some(&reference),
            pools: &pools,
            cancel: &never,
        };
        let mut rows = Vec::new();
        tests.measure(&other, &mut |r| rows.push(r)).unwrap().unwrap();
        let Row::Model(row) = &rows[1] else { panic!("{rows:?}") };
        assert!(row.error.as_ref().unwrap().contains("by the scalar kernels"), "{row:?}");
        assert_eq!((row.tokens_per_second, row.tokens_per_second_each.len()), (None, 0));
    }

    #[test]
    fn models_that_nobody_knows_are_refused_by_name() {
        let error = Candidate::new(&Source::Synthetic("gpt-5".into()), Kernels::best()).err().unwrap();
        assert!(error.to_string().contains("gpt-5") && error.to_string().contains("showcase"), "{error}");
        let error = Candidate::new(&Source::File("none.gguf".into()), Kernels::best()).err().unwrap();
        assert!(error.to_string().contains("none.gguf"), "{error}");
    }
}
