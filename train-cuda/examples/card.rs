//! A card measured: what it can do at most, every kernel of a training step beside that, and how fast it trains. `docs/bench/cuda/run` calls
//! this and says what its tables mean.
//!
//!     card [--tiny] kernels|speed [shakespeare|showcase|125m ...]
//!
//! `--tiny` is for an emulated device, whose figures mean nothing: a model of no size and one replay of everything.

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{configuration, cost};
use train::backend::{Backend, Rates};
use train::batch::Batch;
use train::graph;
use train::optim::Matrices;
use train::program::Program;
use train_cuda::driver::{Arg, Device, Launch, Shape};
use train_cuda::measure::replays;
use train_cuda::{CudaBackend, CudaOptions, Error, Result};

const SHAPES: [&str; 3] = ["showcase", "shakespeare", "125m"];
/// Batches that training goes through in turn.
const BATCHES: usize = 16;
/// Rates at which nothing moves, so that a step can be repeated, and at which something does.
const STILL: Rates = Rates { muon: 0.0, adam: 0.0 };
const MOVING: Rates = Rates { muon: 1e-3, adam: 1e-4 };

/// How much of everything is done.
#[derive(Clone, Copy)]
struct Effort {
    tiny: bool,
    /// Replays, of which the median counts.
    replays: usize,
    /// What a recorded list of launches should take at least.
    list: Duration,
    most_launches: usize,
    /// How long a configuration trains, and steps of a piece of it that is timed.
    training: Duration,
    piece: usize,
}

const FULL: Effort = Effort {
    tiny: false,
    replays: 9,
    list: Duration::from_micros(400),
    most_launches: 50,
    training: Duration::from_millis(1500),
    piece: 10,
};
const TINY: Effort = Effort {
    tiny: true,
    replays: 1,
    list: Duration::ZERO,
    most_launches: 1,
    training: Duration::ZERO,
    piece: 1,
};

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let effort = if words.iter().any(|w| w == "--tiny") { TINY } else { FULL };
    words.retain(|w| w != "--tiny");
    let shapes: Vec<&str> = match (words.get(1..), effort.tiny) {
        (Some(named @ [_, ..]), _) => named.iter().map(String::as_str).collect(),
        (_, true) => vec!["tiny"],
        (_, false) => SHAPES.to_vec(),
    };
    let done = match words.first().map(String::as_str) {
        Some("kernels") => kernels(&shapes, effort),
        Some("speed") => speed(&shapes, effort),
        _ => {
            eprintln!("card [--tiny] kernels|speed [shakespeare|showcase|125m ...]");
            std::process::exit(2);
        }
    };
    if let Err(error) = done {
        println!("FAILED: {error}");
        std::process::exit(1);
    }
}

/// Says which card it is.
fn introduce(device: &Device) {
    println!("{}", device.card());
    if device.card().name.starts_with("Emulated") {
        println!("emulated: no figure counts");
    }
}

fn seconds(of: Duration) -> f64 {
    of.as_secs_f64()
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort();
    of[of.len() / 2]
}

/// A configuration's program, with this optimiser for the matrices if one is named.
fn program(name: &str, matrices: Option<Matrices>) -> Program {
    let (config, model) = configuration(name);
    let mut recipe = config.recipe();
    recipe.optimiser.matrices = matrices.unwrap_or(recipe.optimiser.matrices);
    graph::build(&model, recipe)
}

/// A program on the card; `None` where it does not fit, and says so.
fn backend(name: &str, program: &Program) -> Result<Option<CudaBackend>> {
    let pass_tokens = program.recipe.batch_tokens();
    let options = CudaOptions { pass_tokens, ..CudaOptions::on(0) };
    match CudaBackend::new(program.clone(), options) {
        Err(error @ Error::Memory { .. }) => {
            println!("{name} SKIPPED: {error}");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Random ids (xorshift64*), which no two batches share.
fn batches(program: &Program) -> Vec<Batch> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let vocab = program.model.vocab as u64;
    let mut ids = |count: usize| -> Vec<u32> {
        let id = |_| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) * vocab) >> 32) as u32
        };
        (0..count).map(id).collect()
    };
    let tokens = program.recipe.batch_tokens();
    (0..BATCHES).map(|_| Batch { tokens: ids(tokens), targets: ids(tokens) }).collect()
}

/// What a card can do at most, as it was measured: of bytes, int8 and 16-bit operations a second; and seconds of a node of a graph.
struct Ceilings {
    read: f64,
    operations: [f64; 2],
    node: f64,
}

impl Ceilings {
    /// Seconds that operations and bytes take at least.
    fn seconds(&self, operations: [f64; 2], bytes: f64) -> f64 {
        let of_products = operations[0] / self.operations[0] + operations[1] / self.operations[1];
        of_products.max(bytes / self.read)
    }
}

fn ceilings(device: &Device, effort: Effort) -> Result<Ceilings> {
    let multiprocessors = if effort.tiny { 1 } else { device.card().multiprocessors as usize };
    // Of one launch, the best of several shapes' medians.
    let best = |kernel: &str, shapes: &[usize], args: &[Arg], work: &dyn Fn(usize) -> f64| {
        let kernel = device.kernel("ceiling", kernel)?;
        let mut best = 0.0f64;
        for &blocks in shapes {
            let blocks = blocks * multiprocessors;
            let shape = Shape::line(blocks, 256);
            let took = median(replays(device, effort.replays, || device.launch(&kernel, shape, args))?);
            best = best.max(work(blocks) / seconds(took).max(1e-12));
        }
        Ok::<f64, Error>(best)
    };
    let (bytes, rounds, shapes): (usize, usize, &[usize]) =
        if effort.tiny { (1 << 16, 2, &[1]) } else { (1 << 30, 4096, &[4, 5, 8, 16]) };
    let mut values = device.buffer::<u32>(bytes / 4)?;
    // Not zeros, which a card may keep in less room.
    let some: Vec<u32> = (0..bytes.min(1 << 24) as u32 / 4).map(|i| i.wrapping_mul(0x9E37_79B1)).collect();
    for first in (0..bytes / 4).step_by(some.len()) {
        values.write(device, first, &some)?;
    }
    let out = device.zeros::<u32>(16 * 256 * multiprocessors)?;
    let read = [values.arg(), out.arg(), (bytes as u64 / 16).into()];
    let products = [out.arg(), rounds.into()];
    // Eight warps of a block, eight products a round.
    let operations = |each: usize| move |blocks: usize| (blocks * 8 * rounds * 8 * each) as f64;
    let nodes = if effort.tiny { 2 } else { 500 };
    let (kernel, empty) = (device.kernel("ceiling", "ceiling_read")?, [values.arg(), out.arg(), 0u64.into()]);
    let chain = || (0..nodes).try_for_each(|_| device.launch(&kernel, Shape::line(1, 256), &empty));
    Ok(Ceilings {
        read: best("ceiling_read", shapes, &read, &|_| bytes as f64)?,
        operations: [
            best("ceiling_int8", shapes, &products, &operations(2 * 16 * 8 * 32))?,
            best("ceiling_bf16", shapes, &products, &operations(2 * 16 * 8 * 16))?,
        ],
        node: seconds(median(replays(device, effort.replays, chain)?)) / nodes as f64,
    })
}

/// A kernel in one configuration.
#[derive(Clone, Copy, Default)]
struct Row {
    launches: usize,
    measured: f64,
    /// At the ceilings, launch by launch.
    limit: f64,
}

fn kernels(shapes: &[&str], effort: Effort) -> Result<()> {
    let device = Device::open(0)?;
    introduce(&device);
    let ceilings = ceilings(&device, effort)?;
    println!(
        "ceilings: read {:.0} GB/s, int8 {:.0} TOPS, bf16 {:.0} TFLOP/s, a node of a graph {:.2} us\n",
        ceilings.read / 1e9,
        ceilings.operations[0] / 1e12,
        ceilings.operations[1] / 1e12,
        ceilings.node * 1e6
    );
    let mut table: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut steps = Vec::new();
    for (column, name) in shapes.iter().enumerate() {
        let program = program(name, None);
        let Some(mut backend) = backend(name, &program)? else {
            steps.push(0.0);
            continue;
        };
        let batch = &batches(&program)[0];
        let launches = backend.launches()?;
        for (launch, count) in alike(&launches) {
            // What it reads is a step's, whatever the kernel before made of it by being repeated.
            step(&mut backend, batch);
            let took = time(backend.device(), launch, effort)?;
            let (operations, bytes) = cost::of(launch, &program);
            let rows =
                table.entry(launch.kernel.clone()).or_insert_with(|| vec![Row::default(); shapes.len()]);
            let row = &mut rows[column];
            row.launches += count;
            row.measured += count as f64 * took;
            row.limit += count as f64 * ceilings.seconds(operations, bytes);
        }
        step(&mut backend, batch);
        let device = backend.device();
        let whole = || launches.iter().try_for_each(|l| device.repeat(l));
        steps.push(seconds(median(replays(device, effort.replays, whole)?)));
    }
    println!("| kernel |{}", shapes.iter().map(|s| format!(" {s}: n | us | % |")).collect::<String>());
    println!("|---|{}", "---|".repeat(3 * shapes.len()));
    let share = |limit: f64, measured: f64| format!("{:.0}", 100.0 * limit / measured.max(1e-12));
    let mut sums = vec![Row::default(); shapes.len()];
    for (kernel, rows) in &table {
        print!("| {kernel} |");
        for (row, sum) in rows.iter().zip(&mut sums) {
            if row.launches == 0 {
                print!(" | | |");
                continue;
            }
            print!(" {} | {:.1} | {} |", row.launches, row.measured * 1e6, share(row.limit, row.measured));
            sum.launches += row.launches;
            sum.measured += row.measured;
            sum.limit += row.limit;
        }
        println!();
    }
    print!("| sum |");
    for row in &sums {
        print!(" {} | {:.0} | {} |", row.launches, row.measured * 1e6, share(row.limit, row.measured));
    }
    println!("\n");
    for ((name, row), step) in shapes.iter().zip(&sums).zip(&steps) {
        let nodes = row.launches as f64 * ceilings.node;
        println!(
            "{name}: a step's graph {:.3} ms; its kernels one by one {:.3}; at the ceilings {:.3} and {:.3} for its nodes",
            step * 1e3,
            row.measured * 1e3,
            row.limit * 1e3,
            nodes * 1e3
        );
    }
    Ok(())
}

/// Launches that do the same work, each with how many there are of it.
fn alike(launches: &[Launch]) -> Vec<(&Launch, usize)> {
    let mut found: BTreeMap<String, (&Launch, usize)> = BTreeMap::new();
    for launch in launches {
        // Where its arrays are does not matter, whether there is one does.
        let args: Vec<String> = launch
            .args
            .iter()
            .map(|arg| match arg {
                Arg::Pointer(0) => "none".into(),
                Arg::Pointer(_) => "some".into(),
                number => format!("{number:?}"),
            })
            .collect();
        let key = format!("{} {:?} {args:?}", launch.kernel, launch.shape);
        found.entry(key).or_insert((launch, 0)).1 += 1;
    }
    found.into_values().collect()
}

/// Seconds of a launch: many of them in one graph, the median of its replays.
fn time(device: &Device, launch: &Launch, effort: Effort) -> Result<f64> {
    let list =
        |count: usize| replays(device, effort.replays, || (0..count).try_for_each(|_| device.repeat(launch)));
    let one = seconds(median(list(1)?)).max(1e-7);
    let count = (seconds(effort.list) / one).ceil().clamp(1.0, effort.most_launches as f64) as usize;
    Ok(seconds(median(list(count)?)) / count as f64)
}

/// A step that leaves the parameters as they were.
fn step(backend: &mut CudaBackend, batch: &Batch) {
    backend.submit(0, batch, STILL).unwrap_or_else(|e| panic!("{e}"));
    let report = backend.collect().unwrap_or_else(|e| panic!("{e}")).expect("it was submitted");
    assert!(!report.skipped, "a step was skipped: loss {}, norm {}", report.loss, report.grad_norm);
}

/// One line a configuration and optimiser: `tercet SHAPE OPTIMISER TOKENS MS LEAST MOST`, of a step; the first is the median.
fn speed(shapes: &[&str], effort: Effort) -> Result<()> {
    introduce(&Device::open(0)?);
    for name in shapes {
        for matrices in [Matrices::AdamW, Matrices::Muon] {
            let program = program(name, Some(matrices));
            let Some(mut backend) = backend(name, &program)? else { continue };
            let (mut pieces, last) = pieces(&mut backend, &batches(&program), effort);
            pieces.sort();
            let ms = |piece: &Duration| 1e3 * seconds(*piece) / effort.piece as f64;
            println!(
                "tercet {name} {} {} {:.3} {:.3} {:.3}",
                format!("{matrices:?}").to_lowercase(),
                program.recipe.batch_tokens(),
                ms(&pieces[pieces.len() / 2]),
                ms(&pieces[0]),
                ms(&pieces[pieces.len() - 1]),
            );
            assert!(last.is_finite(), "{name}: the loss is {last}");
        }
    }
    Ok(())
}

/// How long pieces of a run take, from a report to a later one, and the last loss. The host is as far ahead as the device lets it be.
fn pieces(backend: &mut CudaBackend, batches: &[Batch], effort: Effort) -> (Vec<Duration>, f64) {
    let mut pieces = Vec::new();
    let (mut sent, mut came) = (0u64, 0usize);
    let (begin, mut at) = (Instant::now(), None);
    let last = loop {
        let batch = &batches[sent as usize % batches.len()];
        backend.submit(sent, batch, MOVING).unwrap_or_else(|e| panic!("{e}"));
        sent += 1;
        if (sent as usize) <= backend.lag() {
            continue;
        }
        let report = backend.collect().unwrap_or_else(|e| panic!("{e}")).expect("it was submitted");
        assert!(!report.skipped, "step {came} was skipped");
        came += 1;
        // The first piece warms up.
        if came % effort.piece == 0 {
            let now = Instant::now();
            pieces.extend(at.replace(now).map(|at| now - at));
            if !pieces.is_empty() && (begin.elapsed() > effort.training && (effort.tiny || pieces.len() >= 3))
            {
                break report.loss;
            }
        }
    };
    while backend.collect().unwrap_or_else(|e| panic!("{e}")).is_some() {}
    (pieces, last)
}
