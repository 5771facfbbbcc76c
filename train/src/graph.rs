//! The training step of a forward pass: the same ops with a buffer for everything that the way back reads, and that way back, which is
//! each op's gradient in the opposite order. The order itself is `model::forward`'s; what an op computes is the backends' business.

use model::config::ModelConfig;
use model::forward::{self, Forward};
use model::tensors::TensorId;

use crate::program::{Buffers, Connection, Op, Program, Quant, Rows, Site};
use crate::recipe::Recipe;

/// The program of `config`, trained as `recipe` says.
pub fn build(config: &ModelConfig, recipe: Recipe) -> Program {
    let pass = Forward::new(config);
    let mut g = Graph::new(&pass);
    let backward: Vec<Vec<Op>> = pass.ops.iter().map(|op| g.add(op)).collect();
    let end = g.end.expect("a forward pass ends with its head");
    Program {
        recipe,
        buffers: g.buffers,
        forward: g.forward,
        backward: backward.into_iter().rev().flatten().collect(),
        nats: end.nats,
        streams: end.streams,
        head_input: end.y,
        head: end.table,
        model: pass.config,
        params: pass.tensors,
    }
}

/// A value and its gradient.
#[derive(Clone, Copy)]
struct Pair {
    value: Rows,
    gradient: Rows,
}

/// Rows as products read them, and the gradient of what was read.
#[derive(Clone, Copy)]
struct Read {
    q: Quant,
    gradient: Rows,
}

/// What the end of the pass leaves for whoever runs it.
#[derive(Clone, Copy)]
struct End {
    nats: Rows,
    streams: Rows,
    y: Rows,
    table: TensorId,
}

/// A program under construction.
struct Graph<'a> {
    pass: &'a Forward,
    buffers: Buffers,
    forward: Vec<Op>,
    /// The parts of each buffer of the pass, once something has written them.
    rows: Vec<Vec<Pair>>,
    quants: Vec<Read>,
    /// Those of a single stream have nothing to compute.
    connections: Vec<Option<Connection>>,
    sites: u32,
    streams: Option<Rows>,
    end: Option<End>,
}

impl<'a> Graph<'a> {
    fn new(pass: &'a Forward) -> Self {
        let mut buffers = Buffers::default();
        let connections = pass.connections.iter();
        let connections = connections
            .map(|c| c.hyper.map(|weights| Connection { weights, coefs: buffers.coefs() }))
            .collect();
        let quants = pass.quants.iter().map(|&w| Read { q: buffers.quant(w), gradient: buffers.rows(w) });
        let quants = quants.collect();
        let rows = vec![Vec::new(); pass.rows.len()];
        Graph {
            pass,
            buffers,
            forward: Vec::new(),
            rows,
            quants,
            connections,
            sites: 0,
            streams: None,
            end: None,
        }
    }

    fn pair(&mut self, width: usize) -> Pair {
        Pair { value: self.buffers.rows(width), gradient: self.buffers.rows(width) }
    }

    /// Makes room for every part of a buffer.
    fn make(&mut self, rows: forward::Rows) -> Vec<Pair> {
        let parts: Vec<Pair> = self.pass.rows[rows.0].iter().map(|&width| self.pair(width)).collect();
        self.rows[rows.0].clone_from(&parts);
        parts
    }

    /// Makes room for a buffer of one part.
    fn make_one(&mut self, rows: forward::Rows) -> Pair {
        self.make(rows)[0]
    }

    /// A buffer of one part.
    fn one(&self, rows: forward::Rows) -> Pair {
        self.rows[rows.0][0]
    }

    fn site(&mut self) -> Site {
        self.sites += 1;
        Site(self.sites)
    }

    /// Puts an op on the way forward; answers its gradient, in the order of its way back.
    fn add(&mut self, op: &forward::Op) -> Vec<Op> {
        let c = &self.pass.config;
        let (heads, kv_heads, head_dim, kind) = (c.heads, c.kv_heads, c.head_dim, c.rope);
        match *op {
            forward::Op::Embed { table, x } => {
                let (x, site, scale) = (self.make_one(x), self.site(), c.embedding_scale);
                self.forward.push(Op::Embed { table, scale, site, x: x.value });
                vec![Op::EmbedBackward { table, scale, site, d_x: x.gradient }]
            }
            forward::Op::HyperRead { connection: id, x, y } => {
                let (x, y, connection) = (self.one(x), self.make_one(y), self.connections[id.0]);
                self.forward.push(Op::HyperRead { connection, x: x.value, y: y.value });
                let (d_y, d_x) = (y.gradient, x.gradient);
                vec![Op::HyperReadBackward { connection, x: x.value, d_y, d_x }]
            }
            forward::Op::HyperWrite { connection, x, f, out } => {
                let (x, f, site) = (self.one(x), self.one(f), self.site());
                let coefs = self.connections[connection.0].map(|c| c.coefs);
                // The gradient before the write takes the place of that after it.
                let value = self.buffers.rows(self.pass.width(out));
                self.rows[out.0] = vec![Pair { value, gradient: x.gradient }];
                self.forward.push(Op::HyperWrite { x: x.value, coefs, f: f.value, site, out: value });
                let (d_x, d_f) = (x.gradient, f.gradient);
                vec![Op::HyperWriteBackward { x: x.value, coefs, f: f.value, site, d_x, d_f }]
            }
            forward::Op::NormQuantise { x, gain, q } => {
                let (x, read, inv_rms) = (self.one(x), self.quants[q.0], self.buffers.rows(1));
                self.forward.push(Op::NormQuantise { x: x.value, gain, q: read.q, inv_rms });
                let (d_q, d_x) = (read.gradient, x.gradient);
                vec![Op::NormQuantiseBackward { x: x.value, gain, inv_rms, d_q, d_x }]
            }
            forward::Op::BitLinear { q, stack, y } => {
                let (read, parts) = (self.quants[q.0], self.make(y));
                let (q, d_q) = (read.q, read.gradient);
                let mut backward = Vec::new();
                for (&weight, part) in self.pass.stacks[stack.0].parts.iter().zip(parts) {
                    self.forward.push(Op::BitLinear { q, weight, y: part.value });
                    let accumulate = !backward.is_empty();
                    backward.push(Op::BitLinearBackward { q, weight, d_y: part.gradient, d_q, accumulate });
                }
                backward
            }
            forward::Op::Bias { .. } => unreachable!("what trains has no biases"),
            forward::Op::NormRope { qkv, q_gain, k_gain } => {
                let mut backward = Vec::new();
                for (part, (gain, count, store_f16)) in
                    [(q_gain, heads, false), (k_gain, kv_heads, true)].into_iter().enumerate()
                {
                    let Pair { value: x, gradient: d_y } = self.rows[qkv.0][part];
                    let (y, inv_rms) = (self.buffers.rows(count * head_dim), self.buffers.rows(count));
                    self.rows[qkv.0][part].value = y;
                    self.forward.push(Op::NormRope { x, gain, head_dim, kind, store_f16, y, inv_rms });
                    backward.push(Op::NormRopeBackward { x, gain, head_dim, kind, inv_rms, d_y });
                }
                backward
            }
            // Keys were rounded with their rotation. Straight through for the gradient.
            forward::Op::Store { qkv, .. } => {
                self.forward.push(Op::Store { x: self.rows[qkv.0][2].value });
                Vec::new()
            }
            forward::Op::Attention { qkv, out, .. } => {
                let (out, lse) = (self.make_one(out), self.buffers.rows(heads));
                let [q, k, v] = self.rows[qkv.0][..] else { unreachable!("queries, keys and values") };
                let (d_q, d_k, d_v) = (q.gradient, k.gradient, v.gradient);
                let (q, k, v, d_out, out) = (q.value, k.value, v.value, out.gradient, out.value);
                self.forward.push(Op::Attention { heads, kv_heads, head_dim, q, k, v, out, lse });
                vec![Op::AttentionBackward {
                    heads,
                    kv_heads,
                    head_dim,
                    q,
                    k,
                    v,
                    out,
                    lse,
                    d_out,
                    d_q,
                    d_k,
                    d_v,
                }]
            }
            forward::Op::Activation { up_gate, out } => {
                let (out, kind) = (self.make_one(out), c.activation);
                let (up, gate) = (self.rows[up_gate.0][0], self.rows[up_gate.0].get(1).copied());
                let (gate, d_gate) = (gate.map(|g| g.value), gate.map(|g| g.gradient));
                let (up, d_up, d_out, out) = (up.value, up.gradient, out.gradient, out.value);
                self.forward.push(Op::Activation { kind, gate, up, out });
                vec![Op::ActivationBackward { kind, gate, up, d_out, d_gate, d_up }]
            }
            forward::Op::FinalNorm { x, gain, y } => {
                let (x, y) = (self.one(x), self.make_one(y));
                let (h, inv_rms) = (self.buffers.rows(c.width), self.buffers.rows(1));
                self.streams = Some(x.value);
                self.forward.push(Op::FinalNorm { x: x.value, gain, h, y: y.value, inv_rms });
                vec![Op::FinalNormBackward { h, gain, inv_rms, d_y: y.gradient, d_x: x.gradient }]
            }
            // Forward and back in one: the logits of a batch are never there as a whole.
            forward::Op::Head { table, y } => {
                let (y, nats, int8) = (self.one(y), self.buffers.rows(1), c.head_int8);
                self.forward.push(Op::CrossEntropy { table, int8, y: y.value, nats, d_y: y.gradient });
                let streams = self.streams.expect("a norm before the head");
                self.end = Some(End { nats, streams, y: y.value, table });
                Vec::new()
            }
        }
    }
}
