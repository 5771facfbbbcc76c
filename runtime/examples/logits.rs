//! Logits of a file's model after each of some token ids, as f32 on standard output, one row a token; and greedy ids on the error output.
//!
//! `cargo run --release -p runtime --example logits -- FILE IDS [GREEDY] [gpu]`, ids separated by commas.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use runtime::gpu::{Gpu, GpuModel, GpuOptions, GpuSession};
use runtime::{Model, Session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, ids, rest @ ..] = &arguments[..] else {
        return Err("logits FILE IDS [GREEDY] [gpu]".into());
    };
    let ids = ids.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    let greedy = rest.first().map_or(Ok(0), |n| n.parse::<usize>())?;
    let context = ids.len() + greedy + 8;
    if rest.get(1).is_some_and(|device| device == "gpu") {
        let model = Model::open(formats::gguf::Gguf::open(Path::new(file))?, cpu::Kernels::best())?;
        let gpu = Arc::new(Gpu::open(None, GpuOptions::default())?);
        let model = GpuModel::new(gpu, &model)?;
        let mut session = GpuSession::new(&model, context)?;
        return write(&ids, greedy, |ids| Ok(session.forward_all(ids)?.to_vec()), model.config().vocab);
    }
    let model = Model::load(Path::new(file))?;
    let mut session = Session::new(&model, context)?;
    write(&ids, greedy, |ids| Ok(session.forward_all(ids)?.to_vec()), model.config().vocab)
}

fn write(
    ids: &[u32],
    greedy: usize,
    mut forward: impl FnMut(&[u32]) -> Result<Vec<f32>, Box<dyn std::error::Error>>,
    vocab: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let logits = forward(ids)?;
    let bytes: Vec<u8> = logits.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::io::stdout().write_all(&bytes)?;
    let mut last = logits[logits.len() - vocab..].to_vec();
    let mut written = Vec::new();
    for _ in 0..greedy {
        let best = (0..vocab).fold(0, |best, i| if last[i] > last[best] { i } else { best });
        written.push(best.to_string());
        last = forward(&[best as u32])?;
    }
    if greedy > 0 {
        eprintln!("greedy {}", written.join(","));
    }
    Ok(())
}
