//! Builds the program of one transformer from its config: the only place that knows the order of ops.
//! What an op computes is the backends' business.

mod block;

use model::config::{ModelConfig, StoredType};

use crate::program::{Buffers, Init, Op, Param, ParamKind, ParamSpec, Program, Site};
use crate::recipe::Recipe;

/// Standard deviation of embeddings and ternary latents at the start.
const INIT_STD: f32 = 0.02;

/// The program of `config`, trained as `recipe` says.
pub fn build(config: &ModelConfig, recipe: Recipe) -> Program {
    let mut g = Builder { config, params: Vec::new(), buffers: Buffers::default(), sites: 0 };
    let d = config.width;
    let table = g.table("token_embd.weight", config.embedding);
    let embed_site = g.site();
    let x = g.buffers.rows(config.streams * d);
    let d_x = g.buffers.rows(config.streams * d);
    let scale = config.embedding_scale;
    let mut forward = vec![Op::Embed { table, scale, site: embed_site, x }];
    let mut parts = Vec::new();
    let mut last = x;
    for index in 0..config.blocks {
        for sub_layer in [block::attention, block::feed_forward] {
            let part = sub_layer(&mut g, index, last, d_x);
            last = part.out;
            forward.extend_from_slice(&part.forward);
            parts.push(part.backward);
        }
    }
    let gain =
        g.param("output_norm.weight".into(), vec![d], ParamKind::Plain, Init::Constant(output_gain(d)));
    let head = if config.tied { table } else { g.table("output.weight", config.head) };
    let h = g.buffers.rows(d);
    let y = g.buffers.rows(d);
    let inv_rms = g.buffers.rows(1);
    let d_y = g.buffers.rows(d);
    let nats = g.buffers.rows(1);
    forward.push(Op::FinalNorm { x: last, gain, h, y, inv_rms });
    forward.push(Op::CrossEntropy { table: head, int8: config.head_int8, y, nats, d_y });
    let mut backward = vec![Op::FinalNormBackward { h, gain, inv_rms, d_y, d_x }];
    for part in parts.into_iter().rev() {
        backward.extend(part);
    }
    backward.push(Op::EmbedBackward { table, scale, site: embed_site, d_x });
    Program {
        model: config.clone(),
        recipe,
        params: g.params,
        buffers: g.buffers,
        forward,
        backward,
        nats,
        streams: last,
        head_input: y,
        head,
    }
}

/// Start of the output norm's gain. While the streams still hold little but the embedding, a tied head answers a token with itself:
/// its own logit is `gain * INIT_STD * width`, which this keeps at 2, so that the first loss is ln(vocabulary) even for bytes.
fn output_gain(width: usize) -> f32 {
    (2.0 / (INIT_STD * width as f32)).min(1.0)
}

/// Parameters and buffers under construction.
struct Builder<'a> {
    config: &'a ModelConfig,
    params: Vec<ParamSpec>,
    buffers: Buffers,
    sites: u32,
}

impl Builder<'_> {
    fn param(&mut self, name: String, shape: Vec<usize>, kind: ParamKind, init: Init) -> Param {
        self.params.push(ParamSpec { name, shape, kind, init });
        Param(self.params.len() - 1)
    }

    fn table(&mut self, name: &str, stored: StoredType) -> Param {
        let (rows, cols) = (self.config.vocab, self.config.width);
        let kind = ParamKind::Table { rows, cols, stored };
        self.param(name.to_string(), vec![rows, cols], kind, Init::Normal(INIT_STD))
    }

    fn gain(&mut self, name: &str, width: usize) -> Param {
        self.param(name.to_string(), vec![width], ParamKind::Plain, Init::Constant(1.0))
    }

    fn ternary(&mut self, name: String, rows: usize, cols: usize, init: f32) -> Param {
        self.param(name, vec![rows, cols], ParamKind::Ternary { rows, cols }, Init::Normal(init))
    }

    fn site(&mut self) -> Site {
        self.sites += 1;
        Site(self.sites)
    }

    /// Standard deviation of matrices that write to the streams: smaller with depth, so that the streams start tame.
    fn output_std(&self) -> f32 {
        INIT_STD / (2.0 * self.config.blocks as f32).sqrt()
    }
}
