//! How many tokens per second several greedy texts in one batch write together, against one text alone, in turn on one machine.
//!
//! `cargo run --release -p runtime --example batch_speed -- [SHAPE] [TEXTS] [TOKENS] [cpu|gpu]`, where a shape is one of `runtime::synthetic`.

use std::sync::Arc;
use std::time::Instant;

use cpu::Kernels;
use runtime::gpu::{Gpu, GpuModel, GpuOptions, GpuWorker};
use runtime::pass::{Answer, Span, TextId, Want, Worker};
use runtime::sampler::argmax;
use runtime::{CpuWorker, Model, default_threads, synthetic};

/// Runs of each kind, in turn.
const ROUNDS: usize = 3;

/// Tokens per second that `texts` write together, each `tokens` after a prompt of its own, and what they wrote.
fn write(worker: &mut dyn Worker, texts: &[TextId], tokens: usize) -> (f64, Vec<Vec<u32>>) {
    let vocab = worker.config().vocab as u32;
    let mut last: Vec<u32> = (0..texts.len() as u32).map(|i| (i * 7919 + 17) % vocab).collect();
    let mut written = vec![Vec::new(); texts.len()];
    texts.iter().for_each(|&text| worker.truncate(text, 0));
    let start = Instant::now();
    for _ in 0..tokens {
        let span = |(&text, token)| Span { text, tokens: std::slice::from_ref(token), want: Want::Likeliest };
        let spans: Vec<Span<'_>> = texts.iter().zip(&last).map(span).collect();
        worker.pass(&spans, &|| false).expect("tokens of the vocabulary");
        for i in 0..texts.len() {
            last[i] = match worker.answer(i) {
                Answer::Id(id) => id,
                Answer::Logits(logits) => argmax(logits),
                other => unreachable!("{other:?}"),
            };
            written[i].push(last[i]);
        }
    }
    ((texts.len() * tokens) as f64 / start.elapsed().as_secs_f64(), written)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let shape = args.next().unwrap_or_else(|| "shakespeare".into());
    let count: usize = args.next().map_or(Ok(8), |n| n.parse())?;
    let tokens: usize = args.next().map_or(Ok(64), |n| n.parse())?;
    let config = synthetic::config(&shape).ok_or("no such shape")?;
    let model = Model::synthetic(&config, Kernels::best(), 1)?;
    let on_gpu;
    let (mut worker, place): (Box<dyn Worker + '_>, String) = match args.next().as_deref() {
        None | Some("cpu") => {
            let worker = CpuWorker::with_threads(&model, default_threads())?;
            let place = format!("{} on {} threads", model.kernels().name, worker.threads());
            (Box::new(worker), place)
        }
        Some("gpu") => {
            on_gpu = GpuModel::new(Arc::new(Gpu::open(None, GpuOptions::default())?), &model)?;
            (Box::new(GpuWorker::new(&on_gpu)), on_gpu.gpu().info().name.clone())
        }
        Some(other) => return Err(format!("{other} is neither cpu nor gpu").into()),
    };
    let worker = &mut *worker;
    let texts: Vec<TextId> = (0..count).map(|_| worker.open(tokens + 1)).collect::<Result<_, _>>()?;
    println!("{shape}, {place}, {tokens} tokens each");
    // Once to warm up; and a text in a batch is the text that it is alone.
    let (_, together) = write(worker, &texts, tokens);
    assert_eq!(write(worker, &texts[..1], tokens).1[0], together[0]);
    for _ in 0..ROUNDS {
        let (one, many) = (write(worker, &texts[..1], tokens).0, write(worker, &texts, tokens).0);
        println!(
            "one text {one:.1} tokens/s; {count} texts {many:.1} tokens/s together; ratio {:.2}",
            many / one
        );
    }
    Ok(())
}
