//! One shard of a batch: its own activations and gradients, so that a shard never waits for another. Interprets the token ops of a
//! program over one pass (a few sequences) at a time; memory does not grow with the batch.

use cpu::Kernels;
use cpu::ops::{HyperCoefficients, HyperWeights, RopeTable};
use model::dropout::Mask;
use model::forward::Hyper;

use super::ops::attention::{self, Heads};
use super::ops::hyper::{self, CoefficientGradient, ConnectionGradient};
use super::ops::linear::{self, QuantRows};
use super::ops::{activation, cross_entropy, embed, norm, rope};
use super::params::Parameters;
use crate::program::{Buffers, Coefs, Op, Param, Program, Quant, Rows, Site};

/// What every op of one pass may read.
pub(crate) struct Pass<'a> {
    pub(crate) kn: &'a Kernels,
    pub(crate) params: &'a Parameters,
    pub(crate) rope: &'a RopeTable,
    pub(crate) streams: usize,
    pub(crate) eps: f32,
    pub(crate) seed: u64,
    pub(crate) step: u64,
    /// Share dropped; 0 when evaluating.
    pub(crate) dropout: f32,
    /// The gradient of one token's nats, where there is a backward pass.
    pub(crate) gradient: Option<f32>,
    /// Rounds keys and values to f16.
    pub(crate) quantised: bool,
    /// Index of the pass's first token in the batch.
    pub(crate) first_token: usize,
    /// Tokens of a sequence.
    pub(crate) seq: usize,
    pub(crate) ids: &'a [u32],
    pub(crate) targets: &'a [u32],
}

impl Pass<'_> {
    fn mask(&self, site: Site) -> Mask {
        Mask::new(self.seed, self.step, site.0, self.dropout)
    }

    fn hyper(&self, c: &Hyper) -> HyperWeights<'_> {
        HyperWeights {
            streams: self.streams,
            eps: self.eps,
            alpha: c.alpha.map(|p| self.params[p].values()[0]),
            weight: c.weight.map(|p| self.params[p].values()),
            bias: c.bias.map(|p| self.params[p].values()),
        }
    }
}

/// Activations, gradients and working memory of one shard.
#[derive(Debug)]
pub(crate) struct Shard {
    tokens_max: usize,
    tokens: usize,
    widths: Vec<usize>,
    rows: Vec<Vec<f32>>,
    quants: Vec<QuantRows>,
    coefs: Vec<Vec<HyperCoefficients>>,
    coef_gradients: Vec<CoefficientGradient>,
    /// One per parameter; empty until the first backward pass.
    pub(crate) gradients: Vec<Vec<f32>>,
    attention: attention::Scratch,
    linear: linear::Scratch,
    row: Vec<f32>,
    logits: Vec<f32>,
}

impl Shard {
    /// Memory for passes of up to `tokens_max` tokens.
    pub(crate) fn new(buffers: &Buffers, tokens_max: usize, float: bool) -> Shard {
        Shard {
            tokens_max,
            tokens: 0,
            widths: buffers.rows.clone(),
            rows: buffers.rows.iter().map(|w| vec![0.0; w * tokens_max]).collect(),
            quants: buffers.quants.iter().map(|&w| QuantRows::new(w, tokens_max, float)).collect(),
            coefs: vec![vec![HyperCoefficients::default(); tokens_max]; buffers.coefs],
            coef_gradients: vec![CoefficientGradient::default(); tokens_max],
            gradients: Vec::new(),
            attention: attention::Scratch::default(),
            linear: linear::Scratch::default(),
            row: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// Sets all gradients to zero, making room for them the first time.
    pub(crate) fn clear_gradients(&mut self, params: &Parameters) {
        if self.gradients.is_empty() {
            self.gradients = params.0.iter().map(|p| vec![0.0; p.latent.len()]).collect();
        } else {
            self.gradients.iter_mut().for_each(|g| g.fill(0.0));
        }
    }

    /// Runs the forward ops over one pass, and the backward ops where the pass has a gradient.
    pub(crate) fn run(&mut self, program: &Program, pass: &Pass<'_>) {
        self.tokens = pass.ids.len();
        assert!(self.tokens <= self.tokens_max && self.tokens.is_multiple_of(pass.seq));
        for op in &program.forward {
            self.forward(op, pass);
        }
        if pass.gradient.is_some() {
            for op in &program.backward {
                self.backward(op, pass);
            }
        }
    }

    /// The values of the last pass in a buffer.
    pub(crate) fn read(&self, r: Rows) -> &[f32] {
        &self.rows[r.0][..self.tokens * self.widths[r.0]]
    }

    fn width(&self, r: Rows) -> usize {
        self.widths[r.0]
    }

    /// Takes a buffer out to be written while others are read; [`Shard::put`] returns it.
    fn take(&mut self, r: Rows) -> Vec<f32> {
        let mut v = std::mem::take(&mut self.rows[r.0]);
        v.truncate(self.tokens * self.widths[r.0]);
        v
    }

    fn put(&mut self, r: Rows, mut v: Vec<f32>) {
        v.resize(self.tokens_max * self.widths[r.0], 0.0);
        self.rows[r.0] = v;
    }

    fn take_gradient(&mut self, p: Option<Param>) -> Option<(Param, Vec<f32>)> {
        p.map(|p| (p, std::mem::take(&mut self.gradients[p.0])))
    }

    fn put_gradient(&mut self, g: Option<(Param, Vec<f32>)>) {
        if let Some((p, g)) = g {
            self.gradients[p.0] = g;
        }
    }

    fn coefs(&self, c: Coefs) -> &[HyperCoefficients] {
        &self.coefs[c.0][..self.tokens]
    }

    fn quant(&self, q: Quant) -> &QuantRows {
        &self.quants[q.0]
    }

    fn forward(&mut self, op: &Op, p: &Pass<'_>) {
        let kn = p.kn;
        match *op {
            Op::Embed { table, scale, site, x } => {
                let width = self.width(x) / p.streams;
                let table = p.params[table].values();
                let mut out = self.take(x);
                embed::forward(
                    kn,
                    table,
                    width,
                    p.streams,
                    scale,
                    p.ids,
                    p.first_token,
                    p.mask(site),
                    &mut out,
                );
                self.put(x, out);
            }
            Op::Read { connection, x, coefs, y } => {
                let weights = connection.as_ref().map(|c| p.hyper(c));
                let mut c = std::mem::take(&mut self.coefs[coefs.0]);
                let mut out = self.take(y);
                hyper::read(kn, weights.as_ref(), self.width(y), self.read(x), &mut c, &mut out);
                self.put(y, out);
                self.coefs[coefs.0] = c;
            }
            Op::Write { x, coefs, f, site, out } => {
                let mut o = self.take(out);
                let mut row = std::mem::take(&mut self.row);
                let (width, mask) = (self.width(f), p.mask(site));
                let (x, f) = (self.read(x), self.read(f));
                hyper::write(kn, width, x, self.coefs(coefs), f, p.first_token, mask, &mut o, &mut row);
                self.row = row;
                self.put(out, o);
            }
            Op::NormQuantise { x, gain, q, inv_rms } => self.norm_quantise(p, x, gain, q, inv_rms),
            Op::Linear { q, weight, y } => {
                let mut out = self.take(y);
                linear::forward(kn, &p.params[weight].weights(), self.quant(q), self.tokens, &mut out);
                self.put(y, out);
            }
            Op::NormRope { x, gain, head_dim, kind, store_f16, y, inv_rms } => {
                let (mut out, mut inv) = (self.take(y), self.take(inv_rms));
                let gain = gain.map(|g| p.params[g].values());
                let (width, x) = (self.width(x), self.read(x));
                rope::forward(kn, width, p.seq, x, gain, p.eps, head_dim, p.rope, kind, &mut out, &mut inv);
                if store_f16 && p.quantised {
                    kn.round_f16(&mut out);
                }
                self.put(y, out);
                self.put(inv_rms, inv);
            }
            Op::RoundF16 { x } => {
                if p.quantised {
                    let mut v = self.take(x);
                    kn.round_f16(&mut v);
                    self.put(x, v);
                }
            }
            Op::Attention { heads, kv_heads, head_dim, q, k, v, out, lse } => {
                let (mut o, mut l) = (self.take(out), self.take(lse));
                let mut s = std::mem::take(&mut self.attention);
                let h = Heads { heads, kv_heads, head_dim, seq: p.seq };
                attention::forward(kn, h, self.read(q), self.read(k), self.read(v), &mut o, &mut l, &mut s);
                self.attention = s;
                self.put(out, o);
                self.put(lse, l);
            }
            Op::Activate { kind, gate, up, out } => {
                let mut o = self.take(out);
                let gate = gate.map_or(&[][..], |g| self.read(g));
                kn.activation(kind, gate, self.read(up), &mut o);
                self.put(out, o);
            }
            Op::FinalNorm { x, gain, h, y, inv_rms } => {
                let (mut sum, mut out, mut inv) = (self.take(h), self.take(y), self.take(inv_rms));
                let (width, gain) = (self.width(h), p.params[gain].values());
                let rows = sum.chunks_exact_mut(width).zip(out.chunks_exact_mut(width)).zip(&mut inv);
                for (((h, y), inv), x) in rows.zip(self.read(x).chunks_exact(p.streams * width)) {
                    h.copy_from_slice(&x[..width]);
                    for stream in x[width..].chunks_exact(width) {
                        kn.add_scaled(1.0, stream, h);
                    }
                    *inv = kn.rms_norm(h, Some(gain), p.eps, y);
                }
                self.put(h, sum);
                self.put(y, out);
                self.put(inv_rms, inv);
            }
            Op::CrossEntropy { table, int8, y, nats, d_y } => {
                self.cross_entropy(p, table, int8, y, nats, d_y)
            }
            _ => unreachable!("{op:?} is not a forward op"),
        }
    }

    fn norm_quantise(&mut self, p: &Pass<'_>, x: Rows, gain: Option<Param>, q: Quant, inv_rms: Rows) {
        let mut quant = std::mem::take(&mut self.quants[q.0]);
        let mut inv = self.take(inv_rms);
        let mut row = std::mem::take(&mut self.row);
        let width = self.width(x);
        row.resize(width, 0.0);
        for (i, x) in self.read(x).chunks_exact(width).enumerate() {
            match gain {
                Some(g) => {
                    inv[i] = p.kn.rms_norm(x, Some(p.params[g].values()), p.eps, &mut row[..width]);
                    quant.set(p.kn, i, &row[..width]);
                }
                None => quant.set(p.kn, i, x),
            }
        }
        self.row = row;
        self.put(inv_rms, inv);
        self.quants[q.0] = quant;
    }

    fn cross_entropy(&mut self, p: &Pass<'_>, table: Param, int8: bool, y: Rows, nats: Rows, d_y: Rows) {
        let (mut out, mut gradient) = (self.take(nats), self.take(d_y));
        let mut logits = std::mem::take(&mut self.logits);
        let mut d_table = self.take_gradient(p.gradient.map(|_| table));
        let width = self.width(y);
        if int8 && p.quantised {
            // The head reads int8 rows: round in place, straight through for the gradient.
            let mut values = self.take(y);
            let mut q = vec![0i8; width];
            for row in values.chunks_exact_mut(width) {
                let a = p.kn.quantise(row, &mut q);
                row.iter_mut().zip(&q).for_each(|(v, &q)| *v = a * f32::from(q));
            }
            self.put(y, values);
        }
        let backward =
            d_table.as_mut().map(|(_, d)| (p.gradient.unwrap_or(0.0), &mut gradient[..], &mut d[..]));
        let values = p.params[table].values();
        cross_entropy::cross_entropy(
            p.kn,
            values,
            width,
            self.read(y),
            p.targets,
            &mut out,
            backward,
            &mut logits,
        );
        self.put_gradient(d_table);
        self.logits = logits;
        self.put(nats, out);
        self.put(d_y, gradient);
    }

    fn backward(&mut self, op: &Op, p: &Pass<'_>) {
        let kn = p.kn;
        match *op {
            Op::EmbedBackward { table, scale, site, d_x } => {
                let mut g = std::mem::take(&mut self.gradients[table.0]);
                let mut row = std::mem::take(&mut self.row);
                let (width, mask) = (self.width(d_x) / p.streams, p.mask(site));
                let d = self.read(d_x);
                embed::backward(kn, width, p.streams, scale, p.ids, p.first_token, mask, d, &mut g, &mut row);
                self.row = row;
                self.gradients[table.0] = g;
            }
            Op::WriteBackward { x, coefs, f, site, d_x, d_f } => {
                let (mut dx, mut df) = (self.take(d_x), self.take(d_f));
                let mut gradients = std::mem::take(&mut self.coef_gradients);
                let mut row = std::mem::take(&mut self.row);
                let (width, mask) = (self.width(f), p.mask(site));
                let (x, f, c) = (self.read(x), self.read(f), self.coefs(coefs));
                hyper::write_backward(
                    kn,
                    width,
                    x,
                    c,
                    f,
                    p.first_token,
                    mask,
                    &mut dx,
                    &mut df,
                    &mut gradients,
                    &mut row,
                );
                self.row = row;
                self.coef_gradients = gradients;
                self.put(d_x, dx);
                self.put(d_f, df);
            }
            Op::ReadBackward { connection, x, coefs, d_y, d_x } => {
                self.read_backward(p, connection, x, coefs, d_y, d_x)
            }
            Op::NormQuantiseBackward { x, gain, inv_rms, d_q, d_x } => {
                let mut dx = self.take(d_x);
                match gain {
                    Some(gain) => {
                        let mut g = std::mem::take(&mut self.gradients[gain.0]);
                        let values = Some(p.params[gain].values());
                        let (width, x, inv) = (self.width(x), self.read(x), self.read(inv_rms));
                        norm::backward(kn, width, x, values, inv, self.read(d_q), &mut dx, Some(&mut g));
                        self.gradients[gain.0] = g;
                    }
                    None => dx.copy_from_slice(self.read(d_q)),
                }
                self.put(d_x, dx);
            }
            Op::LinearBackward { q, weight, d_y, d_q, accumulate } => {
                let mut dq = self.take(d_q);
                let mut g = std::mem::take(&mut self.gradients[weight.0]);
                let mut s = std::mem::take(&mut self.linear);
                let w = p.params[weight].weights();
                let (rows, dy) = (self.quant(q), self.read(d_y));
                linear::backward(kn, &w, rows, self.tokens, dy, &mut dq, accumulate, &mut g, &mut s);
                self.linear = s;
                self.gradients[weight.0] = g;
                self.put(d_q, dq);
            }
            Op::NormRopeBackward { x, gain, head_dim, kind, inv_rms, d_y } => {
                let mut dy = self.take(d_y);
                let mut g = self.take_gradient(gain);
                let mut row = std::mem::take(&mut self.row);
                let values = gain.map(|g| p.params[g].values());
                let d_gain = g.as_mut().map(|(_, g)| &mut g[..]);
                let (width, x, inv) = (self.width(x), self.read(x), self.read(inv_rms));
                rope::backward(
                    kn, width, p.seq, x, values, head_dim, p.rope, kind, inv, &mut dy, d_gain, &mut row,
                );
                self.row = row;
                self.put_gradient(g);
                self.put(d_y, dy);
            }
            Op::AttentionBackward { heads, kv_heads, head_dim, q, k, v, out, lse, d_out, d_q, d_k, d_v } => {
                let (mut dq, mut dk, mut dv) = (self.take(d_q), self.take(d_k), self.take(d_v));
                let mut s = std::mem::take(&mut self.attention);
                let h = Heads { heads, kv_heads, head_dim, seq: p.seq };
                let (q, k, v, o, l) =
                    (self.read(q), self.read(k), self.read(v), self.read(out), self.read(lse));
                attention::backward(
                    kn,
                    h,
                    q,
                    k,
                    v,
                    o,
                    l,
                    self.read(d_out),
                    &mut dq,
                    &mut dk,
                    &mut dv,
                    &mut s,
                );
                self.attention = s;
                self.put(d_q, dq);
                self.put(d_k, dk);
                self.put(d_v, dv);
            }
            Op::ActivateBackward { kind, gate, up, d_out, d_gate, d_up } => {
                let mut du = self.take(d_up);
                let mut dg = d_gate.map(|g| (g, self.take(g)));
                let gate = gate.map(|g| self.read(g));
                let d_gate = dg.as_mut().map(|(_, g)| &mut g[..]);
                activation::backward(kn, kind, gate, self.read(up), self.read(d_out), d_gate, &mut du);
                if let Some((id, g)) = dg {
                    self.put(id, g);
                }
                self.put(d_up, du);
            }
            Op::FinalNormBackward { h, gain, inv_rms, d_y, d_x } => {
                let mut dx = self.take(d_x);
                let mut g = std::mem::take(&mut self.gradients[gain.0]);
                let mut row = std::mem::take(&mut self.row);
                let (width, values) = (self.width(h), p.params[gain].values());
                row.resize(self.tokens * width, 0.0);
                let (h, inv, dy) = (self.read(h), self.read(inv_rms), self.read(d_y));
                norm::backward(kn, width, h, Some(values), inv, dy, &mut row, Some(&mut g));
                for (dx, d) in dx.chunks_exact_mut(p.streams * width).zip(row.chunks_exact(width)) {
                    dx.chunks_exact_mut(width).for_each(|stream| stream.copy_from_slice(d));
                }
                self.row = row;
                self.gradients[gain.0] = g;
                self.put(d_x, dx);
            }
            _ => unreachable!("{op:?} is not a backward op"),
        }
    }

    fn read_backward(
        &mut self,
        p: &Pass<'_>,
        connection: Option<Hyper>,
        x: Rows,
        coefs: Coefs,
        d_y: Rows,
        d_x: Rows,
    ) {
        let mut dx = self.take(d_x);
        let mut row = std::mem::take(&mut self.row);
        let weights = connection.as_ref().map(|c| p.hyper(c));
        let mut owned = connection.map(|c| {
            [c.weight, c.bias, c.alpha].map(|ps| ps.map(|p| std::mem::take(&mut self.gradients[p.0])))
        });
        let gradient = owned.as_mut().map(|[w, b, a]| ConnectionGradient {
            weight: w.each_mut().map(|v| &mut v[..]),
            bias: b.each_mut().map(|v| &mut v[..]),
            alpha: a.each_mut().map(|v| &mut v[..]),
        });
        hyper::read_backward(
            p.kn,
            weights.as_ref(),
            self.width(d_y),
            self.read(x),
            self.coefs(coefs),
            &self.coef_gradients,
            self.read(d_y),
            &mut dx,
            gradient,
            &mut row,
        );
        if let (Some(c), Some(owned)) = (connection, owned) {
            for (ids, values) in [c.weight, c.bias, c.alpha].into_iter().zip(owned) {
                for (id, v) in ids.into_iter().zip(values) {
                    self.gradients[id.0] = v;
                }
            }
        }
        self.row = row;
        self.put(d_x, dx);
    }
}
