//! A graphics adapter: its products held against the scalar kernel and timed, a model's text held against the CPU's and its speed, with what a
//! token costs in dispatches and bytes. Wall time and the device's own are told apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cpu::{Kernels, Pool};
use runtime::Model;
use runtime::gpu::{Counters, Gpu, GpuModel, GpuSession, Product};

use crate::agree::Reference;
use crate::case::{Case, KINDS};
use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::model::{pause, token_ids};
use crate::options::{ModelOptions, ModelTest, ProductOptions};
use crate::products::rounded;
use crate::row::{DeviceRow, GpuModelRow, GpuProductRow, Row, Skipped};
use crate::timing::{mean_sd, median};
use crate::watch::Watch;

/// Submissions last about this long, and are repeated for at least so long in all, at least so often.
const SUBMISSION: Duration = Duration::from_millis(20);
pub const LEAST: Duration = Duration::from_millis(200);
const REPETITIONS: usize = 3;
/// Products of one submission at most.
const PRODUCTS_MAX: u32 = 200;

/// What the adapter is.
pub fn describe(gpu: &Gpu) -> Row {
    let info = gpu.info();
    Row::Device(DeviceRow {
        test: "device",
        adapter: info.name.clone(),
        backend: info.backend.clone(),
        driver: info.driver.clone(),
        software: info.software,
        memory_bytes: info.memory_bytes,
        shaders: gpu.variant().to_string(),
    })
}

/// Ternary products of every shape and batch; `None` once cancelled.
pub fn products(
    gpu: &Arc<Gpu>,
    options: &ProductOptions,
    pool: &Pool,
    watch: &mut dyn Watch,
    cancel: &AtomicBool,
) -> Result<Option<()>> {
    for &shape in &options.shapes {
        let case = Case::new(shape, &options.batches, pool);
        for &batch in &options.batches {
            for together in [false, true] {
                // One token alone never goes the way of many, nor many the way of one.
                if together == (batch == 1) {
                    continue;
                }
                if cancel.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                watch.next(Cell::gpu_product(shape, kernel(together), batch, &gpu.info().name));
                watch.row(Row::GpuProduct(product(gpu, &case, batch, together)?));
            }
        }
    }
    Ok(Some(()))
}

fn kernel(together: bool) -> &'static str {
    if together { "gemm" } else { "gemv" }
}

fn product(gpu: &Arc<Gpu>, case: &Case, batch: usize, together: bool) -> Result<GpuProductRow> {
    let (rows, cols) = (case.shape.rows, case.shape.cols);
    let m = case.matrix(Kernels::best());
    let mut row = GpuProductRow {
        test: "gpu product",
        shape: case.shape.to_string(),
        kernel: kernel(together),
        adapter: gpu.info().name.clone(),
        batch,
        us: None,
        device_us: None,
        gops: None,
        gbs: None,
        max_abs_err: 0.0,
        error: None,
        us_each: Vec::new(),
    };
    let tokens = batch * KINDS.div_ceil(batch);
    let all = Product::new(Arc::clone(gpu), &m, &case.q[..tokens * cols], &case.a[..tokens])?;
    let mut wrong = 0;
    // By value: drivers may leave out an addition of zero, and with it a sign.
    for (y, expected) in all.run(together)?.iter().zip(&case.expected[..tokens * rows]) {
        if y != expected {
            wrong += 1;
            let error = f64::from((y - expected).abs());
            row.max_abs_err = row.max_abs_err.max(if error.is_nan() { f64::INFINITY } else { error });
        }
    }
    drop(all);
    if wrong > 0 {
        row.error = Some(format!("{wrong} results differ from the scalar kernel's"));
        return Ok(row);
    }
    let timed = Product::new(Arc::clone(gpu), &m, &case.q[..batch * cols], &case.a[..batch])?;
    timed.time(together, 1)?;
    let once = timed.time(together, 1)?.wall.max(Duration::from_micros(1));
    let count = (SUBMISSION.as_secs_f64() / once.as_secs_f64()).clamp(1.0, f64::from(PRODUCTS_MAX)) as u32;
    let (mut wall, mut device, start) = (Vec::new(), Vec::new(), Instant::now());
    while wall.len() < REPETITIONS || start.elapsed() < LEAST {
        let time = timed.time(together, count)?;
        wall.push(time.wall.as_secs_f64());
        device.extend(time.device.map(|d| d.as_secs_f64()));
    }
    row.us_each = wall.iter().map(|s| rounded(s * 1e6)).collect();
    let wall = middle(wall);
    row.us = Some(wall * 1e6);
    row.device_us = (!device.is_empty()).then(|| middle(device) * 1e6);
    row.gops = Some(2.0 * (rows * cols * batch) as f64 / wall / 1e9);
    row.gbs = Some((rows * cols / 128 * 34) as f64 / wall / 1e9);
    Ok(row)
}

/// A model's text, its speed and its costs; `None` once cancelled.
pub fn model(
    gpu: &Arc<Gpu>,
    model: &Model,
    name: &str,
    options: &ModelOptions,
    reference: &Reference,
    delay: Duration,
    watch: &mut dyn Watch,
    cancel: &AtomicBool,
) -> Result<Option<()>> {
    watch.next(Cell::gpu_load(&gpu.info().name));
    let on_gpu = GpuModel::new(Arc::clone(gpu), model).map_err(Error::from);
    let Some(on_gpu) = with_room(on_gpu, "gpu", watch)? else { return Ok(Some(())) };
    let session = GpuSession::new(&on_gpu, reference.context()).map_err(Error::from);
    let Some(mut session) = with_room(session, "gpu", watch)? else { return Ok(Some(())) };
    let agreement = with_room(reference.compare(&mut session, cancel), "gpu", watch)?;
    let Some(agreement) = agreement else { return Ok(Some(())) };
    let Some(agreement) = agreement else { return Ok(None) };
    drop(session);
    let context = model.config().context;
    for &depth in &options.depths {
        for test in options.tests("gpu ", depth, context) {
            let test = match test {
                Ok(test) => test,
                Err(skipped) => {
                    watch.row(Row::Skipped(skipped));
                    continue;
                }
            };
            watch.next(Cell::model(&test, &gpu.info().name, None, depth, options.repetitions));
            if pause(delay, cancel).is_none() {
                return Ok(None);
            }
            let mut row = GpuModelRow {
                test: test.name.clone(),
                model: name.to_owned(),
                adapter: gpu.info().name.clone(),
                depth,
                tokens_per_second: None,
                sd: None,
                repetitions: options.repetitions,
                first_token_ms: None,
                device_share: None,
                dispatches: None,
                submissions: None,
                bytes_up: None,
                bytes_down: None,
                max_abs_err: agreement.max_abs_err,
                error: agreement.error.clone(),
                tokens_per_second_each: Vec::new(),
            };
            if row.error.is_none() {
                let session = GpuSession::new(&on_gpu, depth + test.tokens()).map_err(Error::from);
                let Some(mut session) = with_room(session, &row.test, watch)? else { continue };
                session.advance(&token_ids(depth, model.config().vocab))?;
                if time(&mut session, depth, &test, &mut row, cancel)?.is_none() {
                    return Ok(None);
                }
            }
            watch.row(Row::GpuModel(row));
        }
    }
    Ok(Some(()))
}

/// What was made, or `None` and a row with the numbers if the device has no room for it.
fn with_room<T>(made: Result<T>, test: &str, watch: &mut dyn Watch) -> Result<Option<T>> {
    use runtime::Error::{GpuLimit, GpuMemory};
    match made {
        Err(Error::Model(error @ (GpuLimit { .. } | GpuMemory { .. }))) => {
            watch.row(Row::Skipped(Skipped { test: test.to_owned(), reason: error.to_string() }));
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// One repetition to warm up, then as many as asked; `None` once cancelled. Tokens are written as generation does: chosen on the device.
fn time(
    session: &mut GpuSession<'_>,
    depth: usize,
    test: &ModelTest,
    row: &mut GpuModelRow,
    cancel: &AtomicBool,
) -> Result<Option<()>> {
    let n = test.tokens();
    let ids = token_ids(depth + n, session.config().vocab);
    let (mut rates, mut first) = (Vec::new(), Vec::new());
    let mut cost = Counters::default();
    for i in 0..=row.repetitions {
        session.truncate(depth);
        let (start, before) = (Instant::now(), session.counters());
        if read(session, &ids[depth..], test.prompt, cancel)?.is_none() {
            return Ok(None);
        }
        let wall = start.elapsed().as_secs_f64();
        cost = session.counters().since(before);
        if i > 0 {
            rates.push(n as f64 / wall);
            first.push(wall * 1e3);
        }
    }
    // Once more with the device's clock, whose readback the others do without.
    session.worker_mut().measure_device_time()?;
    session.truncate(depth);
    let few = if test.prompt > 0 { n } else { n.min(16) };
    let start = Instant::now();
    if read(session, &ids[depth..depth + few], test.prompt, cancel)?.is_none() {
        return Ok(None);
    }
    row.device_share =
        session.worker().device_time().map(|d| d.as_secs_f64() / start.elapsed().as_secs_f64());
    let (mean, sd) = mean_sd(&rates);
    (row.tokens_per_second, row.sd) = (Some(mean), Some(sd));
    row.first_token_ms = (test.generate == 0).then(|| mean_sd(&first).0);
    row.tokens_per_second_each = rates;
    let each = |count: u64| Some(count as f64 / cost.tokens as f64);
    row.dispatches = each(cost.dispatches);
    row.submissions = each(cost.submissions);
    (row.bytes_up, row.bytes_down) = (each(cost.bytes_up), each(cost.bytes_down));
    Ok(Some(()))
}

/// Reads the first ids as a prompt, and writes as many tokens as there are others; `None` once cancelled.
fn read(session: &mut GpuSession<'_>, ids: &[u32], prompt: usize, cancel: &AtomicBool) -> Result<Option<()>> {
    let (prompt, others) = ids.split_at(prompt);
    let mut rest = prompt;
    while let Some((now, later)) = rest.split_at_checked(session.step_tokens()).filter(|s| !s.1.is_empty()) {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        session.advance(now)?;
        rest = later;
    }
    let mut id = match others.first() {
        Some(&first) if prompt.is_empty() => first,
        _ => session.next_greedy(rest)?,
    };
    for _ in others {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        id = session.next_greedy(&[id])?;
    }
    Ok((!cancel.load(Ordering::Relaxed)).then_some(()))
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    median(&times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Shape;
    use runtime::gpu::{GpuOptions, adapters};
    use runtime::synthetic;

    #[test]
    fn gpu_rows_are_right_and_have_figures() {
        if adapters().is_empty() {
            assert!(std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1"), "no graphics adapter");
            eprintln!("no graphics adapter here: skipped");
            return;
        }
        let gpu = Arc::new(Gpu::open(None, GpuOptions::default()).unwrap());
        let shapes = vec![Shape { rows: 70, cols: 256 }];
        let options = ProductOptions { shapes, batches: vec![1, 20], ..ProductOptions::quick() };
        let (mut rows, never) = (Vec::new(), AtomicBool::new(false));
        let pool = Pool::new(1).unwrap();
        products(&gpu, &options, &pool, &mut |row| rows.push(row), &never).unwrap().unwrap();
        for row in &rows {
            let Row::GpuProduct(row) = row else { panic!("{row:?}") };
            assert_eq!((row.error.as_ref(), row.max_abs_err), (None, 0.0), "{row:?}");
            assert!(row.us.unwrap() > 0.0 && row.gops.unwrap() > 0.0, "{row:?}");
        }
        assert_eq!(rows.len(), 2);

        let config = model::config::ModelConfig {
            vocab: 200,
            width: 128,
            heads: 2,
            kv_heads: 1,
            head_dim: 64,
            ffn: 256,
            ..synthetic::config("shakespeare").unwrap()
        };
        let cpu = Model::synthetic(&config, Kernels::best(), 1).unwrap();
        let options = ModelOptions {
            source: crate::options::Source::Synthetic("shakespeare".into()),
            kernels: Vec::new(),
            prompts: vec![20],
            generate: vec![4],
            pairs: vec![(6, 2)],
            depths: vec![3],
            repetitions: 1,
            matmuls: false,
            sha256: None,
        };
        let mut rows = Vec::new();
        let reference = Reference::of(&cpu, 1, &never).unwrap().unwrap();
        let tests = |tell: &mut dyn FnMut(Row), cancel: &AtomicBool| {
            let mut tell = |row| tell(row);
            model(&gpu, &cpu, "tiny", &options, &reference, Duration::ZERO, &mut tell, cancel).unwrap()
        };
        tests(&mut |row| rows.push(row), &never).unwrap();
        assert_eq!(rows.len(), 3);
        let Row::GpuModel(pair) = &rows[2] else { panic!("{:?}", rows[2]) };
        assert_eq!((pair.test.as_str(), pair.tokens_per_second_each.len()), ("gpu pp6+tg2", 1), "{pair:?}");
        let Row::GpuModel(row) = &rows[1] else { panic!("{:?}", rows[1]) };
        assert_eq!((row.test.as_str(), row.error.as_ref()), ("gpu tg4", None), "{row:?}");
        assert_eq!((row.submissions, row.bytes_down), (Some(1.0), Some(4.0)));
        assert_eq!(row.dispatches, Some((12 * config.blocks + 4) as f64));
        // A device without room is a row, and the measurement goes on.
        let options_small = GpuOptions { memory_max: Some(1000), ..GpuOptions::default() };
        let small = Arc::new(Gpu::open(None, options_small).unwrap());
        let mut rows = Vec::new();
        let mut tell = |row| rows.push(row);
        model(&small, &cpu, "tiny", &options, &reference, Duration::ZERO, &mut tell, &never)
            .unwrap()
            .unwrap();
        assert!(
            matches!(&rows[..], [Row::Skipped(s)] if s.reason.ends_with("has 1000 left of 1000")),
            "{rows:?}"
        );
        let cancelled = AtomicBool::new(true);
        assert!(tests(&mut |_| (), &cancelled).is_none());
    }
}
