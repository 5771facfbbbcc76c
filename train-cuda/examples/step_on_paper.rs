//! What a training step is on paper: for a configuration, every kernel with its launches, operations and bytes, and how long a card takes at
//! its own limits. Nothing here was measured: a real card reaches a part of its limits, and says which.
//!
//!     cargo run --release -p train-cuda --example step_on_paper -- [shakespeare|showcase|125m ...]

mod common;

use std::collections::BTreeMap;

use common::{configuration, cost};
use train::graph;
use train_cuda::driver::Card;
use train_cuda::{CudaBackend, CudaOptions, paper};

/// An RTX 4090 as its data sheet has it: bytes and operations a second.
const BANDWIDTH: f64 = 1008e9;
const INT8: f64 = 660e12;
const HALF: f64 = 165.2e12;
/// A node of a graph, as an H100 took it (docs/cuda.md).
const NODE: f64 = 1.1e-6;

/// What a kernel does.
#[derive(Clone, Copy, Default)]
struct Work {
    launches: usize,
    /// int8 operations, 16-bit floating-point operations.
    operations: [f64; 2],
    bytes: f64,
    /// At the limits, launch by launch.
    seconds: f64,
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let names = if names.is_empty() {
        ["showcase", "shakespeare", "125m"].map(str::to_owned).to_vec()
    } else {
        names
    };
    for name in names {
        let (config, model) = configuration(&name);
        let program = graph::build(&model, config.recipe());
        let tokens = program.recipe.batch_tokens();
        let options = CudaOptions::on(0);
        let launches = paper::step(&program, &options, Card::rtx_4090()).unwrap_or_else(|e| panic!("{e}"));
        let mut kernels: BTreeMap<&str, Work> = BTreeMap::new();
        for launch in &launches {
            let work = kernels.entry(launch.kernel.as_str()).or_default();
            let (operations, bytes) = cost::of(launch, &program);
            work.launches += 1;
            work.operations[0] += operations[0];
            work.operations[1] += operations[1];
            work.bytes += bytes;
            work.seconds += (operations[0] / INT8 + operations[1] / HALF).max(bytes / BANDWIDTH);
        }
        let parameters: usize = program.params.iter().map(|s| s.len()).sum();
        println!("\n### {name}: {:.1} M parameters, {tokens} tokens a step\n", parameters as f64 / 1e6);
        println!(
            "| kernel | launches | Gop int8 | GFLOP 16-bit | MB | us at the limits |\n|---|---|---|---|---|---|"
        );
        let mut sum = Work::default();
        for (kernel, w) in &kernels {
            row(kernel, w);
            sum.launches += w.launches;
            sum.operations = [sum.operations[0] + w.operations[0], sum.operations[1] + w.operations[1]];
            sum.bytes += w.bytes;
            sum.seconds += w.seconds;
        }
        row("sum", &sum);
        let step = sum.seconds + sum.launches as f64 * NODE;
        let sizes = CudaBackend::sizes(&program, &options).unwrap_or_else(|e| panic!("{e}"));
        println!(
            "\nAt the limits with {:.1} us a launch: {:.2} ms, {:.0} tokens/s at most. Memory: {sizes}.",
            NODE * 1e6,
            step * 1e3,
            tokens as f64 / step
        );
    }
}

fn row(kernel: &str, w: &Work) {
    println!(
        "| {kernel} | {} | {:.2} | {:.2} | {:.1} | {:.1} |",
        w.launches,
        w.operations[0] / 1e9,
        w.operations[1] / 1e9,
        w.bytes / 1e6,
        w.seconds * 1e6
    );
}
