//! The two sub-layers of a block, each read from the streams, transformed and written back.

use super::{Builder, INIT_STD};
use crate::program::{Coefs, Connection, Init, Op, Param, ParamKind, Quant, Rows};

/// A sub-layer's ops and the streams after it.
pub(super) struct Part {
    pub(super) forward: Vec<Op>,
    pub(super) backward: Vec<Op>,
    pub(super) out: Rows,
}

/// Everything around a sub-layer: the read, the write and their gradients.
struct Frame {
    connection: Option<Connection>,
    x: Rows,
    d_x: Rows,
    coefs: Coefs,
    /// The sub-layer's input and its gradient.
    y: Rows,
    d_y: Rows,
    /// The sub-layer's output and its gradient.
    f: Rows,
    d_f: Rows,
}

impl Frame {
    fn new(g: &mut Builder<'_>, index: usize, kind: &str, x: Rows, d_x: Rows) -> Frame {
        let sub_layer = 2 * index + usize::from(kind == "ffn");
        let connection = (g.config.streams > 1).then(|| connection(g, index, kind, sub_layer));
        let d = g.config.width;
        Frame {
            connection,
            x,
            d_x,
            coefs: g.buffers.coefs(),
            y: g.buffers.rows(d),
            d_y: g.buffers.rows(d),
            f: g.buffers.rows(d),
            d_f: g.buffers.rows(d),
        }
    }

    fn wrap(self, g: &mut Builder<'_>, inner: Vec<Op>, inner_backward: Vec<Op>) -> Part {
        let Frame { connection, x, d_x, coefs, y, d_y, f, d_f } = self;
        let site = g.site();
        let out = g.buffers.rows(g.config.streams * g.config.width);
        let mut forward = vec![Op::Read { connection, x, coefs, y }];
        forward.extend(inner);
        forward.push(Op::Write { x, coefs, f, site, out });
        let mut backward = vec![Op::WriteBackward { x, coefs, f, site, d_x, d_f }];
        backward.extend(inner_backward);
        backward.push(Op::ReadBackward { connection, x, coefs, d_y, d_x });
        Part { forward, backward, out }
    }
}

/// Parameters of one hyper-connection, started as design's section on hyper-connections says.
fn connection(g: &mut Builder<'_>, index: usize, kind: &str, sub_layer: usize) -> Connection {
    let n = g.config.streams;
    let outputs = [n, n, (1..=n).product()];
    let at = sub_layer % n;
    let biases = [
        Init::OneHot { base: -1.0, at, value: 1.0 },
        Init::OneHot { base: -1.0, at, value: 1.0 },
        // The identity is the first permutation.
        Init::OneHot { base: -8.0, at: 0, value: 0.0 },
    ];
    let inputs = n * g.config.width;
    let mut make = |part: usize, field: &str, shape: Vec<usize>, init: Init| {
        let name = format!("blk.{index}.hc_{kind}_{}.{field}", ["pre", "post", "res"][part]);
        g.param(name, shape, ParamKind::Plain, init)
    };
    Connection {
        weight: [0, 1, 2].map(|i| make(i, "weight", vec![outputs[i], inputs], Init::Constant(0.0))),
        bias: [0, 1, 2].map(|i| make(i, "bias", vec![outputs[i]], biases[i])),
        alpha: [0, 1, 2].map(|i| make(i, "alpha", vec![1], Init::Constant(0.01))),
    }
}

/// A ternary product in both directions: `y = W q`.
struct Product {
    q: Quant,
    weight: Param,
    y: Rows,
    d_y: Rows,
}

impl Product {
    fn new(g: &mut Builder<'_>, name: String, q: Quant, rows: usize, cols: usize) -> Product {
        let weight = g.ternary(name, rows, cols, INIT_STD);
        Product { q, weight, y: g.buffers.rows(rows), d_y: g.buffers.rows(rows) }
    }

    fn forward(&self) -> Op {
        Op::Linear { q: self.q, weight: self.weight, y: self.y }
    }

    fn backward(&self, d_q: Rows, accumulate: bool) -> Op {
        Op::LinearBackward { q: self.q, weight: self.weight, d_y: self.d_y, d_q, accumulate }
    }
}

/// Reads rows as a ternary product wants them: norm (where `gain`) and quantise.
struct Input {
    x: Rows,
    gain: Option<Param>,
    q: Quant,
    inv_rms: Rows,
    d_q: Rows,
}

impl Input {
    fn new(g: &mut Builder<'_>, x: Rows, width: usize, norm: Option<String>) -> Input {
        let gain = norm.map(|name| g.gain(&name, width));
        Input { x, gain, q: g.buffers.quant(width), inv_rms: g.buffers.rows(1), d_q: g.buffers.rows(width) }
    }

    fn forward(&self) -> Op {
        Op::NormQuantise { x: self.x, gain: self.gain, q: self.q, inv_rms: self.inv_rms }
    }

    fn backward(&self, d_x: Rows) -> Op {
        Op::NormQuantiseBackward { x: self.x, gain: self.gain, inv_rms: self.inv_rms, d_q: self.d_q, d_x }
    }
}

/// The product that ends a sub-layer, written into the frame's `f`.
fn output(g: &mut Builder<'_>, frame: &Frame, name: String, q: Quant, cols: usize) -> Product {
    let std = g.output_std();
    let weight = g.ternary(name, g.config.width, cols, std);
    Product { q, weight, y: frame.f, d_y: frame.d_f }
}

/// `x + attention(x)`, through the connection.
pub(super) fn attention(g: &mut Builder<'_>, index: usize, x: Rows, d_x: Rows) -> Part {
    let c = g.config;
    let (heads, kv_heads, head_dim, kind) = (c.heads, c.kv_heads, c.head_dim, c.rope);
    let (q_width, kv_width) = (heads * head_dim, kv_heads * head_dim);
    let name = |part: &str| format!("blk.{index}.{part}.weight");
    let frame = Frame::new(g, index, "attn", x, d_x);
    let input = Input::new(g, frame.y, c.width, Some(name("attn_norm")));
    let q = Product::new(g, name("attn_q"), input.q, q_width, c.width);
    let k = Product::new(g, name("attn_k"), input.q, kv_width, c.width);
    let v = Product::new(g, name("attn_v"), input.q, kv_width, c.width);
    let q_gain = c.qk_norm.then(|| g.gain(&name("attn_q_norm"), head_dim));
    let k_gain = c.qk_norm.then(|| g.gain(&name("attn_k_norm"), head_dim));
    let (q_rot, q_inv) = (g.buffers.rows(q_width), g.buffers.rows(heads));
    let (k_rot, k_inv) = (g.buffers.rows(kv_width), g.buffers.rows(kv_heads));
    let (mixed, lse) = (g.buffers.rows(q_width), g.buffers.rows(heads));
    let d_mixed = g.buffers.rows(q_width);
    let read = Input::new(g, mixed, q_width, c.attn_sub_norm.then(|| name("attn_sub_norm")));
    let out = output(g, &frame, name("attn_output"), read.q, q_width);
    let forward = vec![
        input.forward(),
        q.forward(),
        k.forward(),
        v.forward(),
        Op::NormRope { x: q.y, gain: q_gain, head_dim, kind, store_f16: false, y: q_rot, inv_rms: q_inv },
        Op::NormRope { x: k.y, gain: k_gain, head_dim, kind, store_f16: true, y: k_rot, inv_rms: k_inv },
        Op::RoundF16 { x: v.y },
        Op::Attention { heads, kv_heads, head_dim, q: q_rot, k: k_rot, v: v.y, out: mixed, lse },
        read.forward(),
        out.forward(),
    ];
    let backward = vec![
        out.backward(read.d_q, false),
        read.backward(d_mixed),
        Op::AttentionBackward {
            heads,
            kv_heads,
            head_dim,
            q: q_rot,
            k: k_rot,
            v: v.y,
            out: mixed,
            lse,
            d_out: d_mixed,
            d_q: q.d_y,
            d_k: k.d_y,
            d_v: v.d_y,
        },
        Op::NormRopeBackward { x: q.y, gain: q_gain, head_dim, kind, inv_rms: q_inv, d_y: q.d_y },
        Op::NormRopeBackward { x: k.y, gain: k_gain, head_dim, kind, inv_rms: k_inv, d_y: k.d_y },
        q.backward(input.d_q, false),
        k.backward(input.d_q, true),
        v.backward(input.d_q, true),
        input.backward(frame.d_y),
    ];
    frame.wrap(g, forward, backward)
}

/// `x + ffn(x)`, through the connection.
pub(super) fn feed_forward(g: &mut Builder<'_>, index: usize, x: Rows, d_x: Rows) -> Part {
    let c = g.config;
    let kind = c.activation;
    let name = |part: &str| format!("blk.{index}.{part}.weight");
    let frame = Frame::new(g, index, "ffn", x, d_x);
    let input = Input::new(g, frame.y, c.width, Some(name("ffn_norm")));
    let gate = kind.gated().then(|| Product::new(g, name("ffn_gate"), input.q, c.ffn, c.width));
    let up = Product::new(g, name("ffn_up"), input.q, c.ffn, c.width);
    let (hidden, d_hidden) = (g.buffers.rows(c.ffn), g.buffers.rows(c.ffn));
    let read = Input::new(g, hidden, c.ffn, c.ffn_sub_norm.then(|| name("ffn_sub_norm")));
    let down = output(g, &frame, name("ffn_down"), read.q, c.ffn);
    let (gate_y, gate_d) = (gate.as_ref().map(|p| p.y), gate.as_ref().map(|p| p.d_y));
    let mut forward = vec![input.forward()];
    forward.extend(gate.as_ref().map(Product::forward));
    forward.extend([
        up.forward(),
        Op::Activate { kind, gate: gate_y, up: up.y, out: hidden },
        read.forward(),
        down.forward(),
    ]);
    let mut backward = vec![
        down.backward(read.d_q, false),
        read.backward(d_hidden),
        Op::ActivateBackward { kind, gate: gate_y, up: up.y, d_out: d_hidden, d_gate: gate_d, d_up: up.d_y },
        up.backward(input.d_q, false),
    ];
    backward.extend(gate.as_ref().map(|p| p.backward(input.d_q, true)));
    backward.push(input.backward(frame.d_y));
    frame.wrap(g, forward, backward)
}
