//! The forward ops on a shard's rows.

use super::{Pass, Shard};
use crate::cpu::ops::attention::{self, Heads};
use crate::cpu::ops::{bit_linear, cross_entropy, embed, hyper, norm_rope};
use crate::program::{Connection, Op, Quant, Rows};
use model::tensors::TensorId;

impl Shard {
    pub(super) fn forward(&mut self, op: &Op, p: &Pass<'_>) {
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
            Op::HyperRead { connection: None, x, y } => {
                let mut out = self.take(y);
                out.copy_from_slice(self.read(x));
                self.put(y, out);
            }
            Op::HyperRead { connection: Some(Connection { weights, coefs }), x, y } => {
                let mut c = std::mem::take(&mut self.coefs[coefs.0]);
                let mut out = self.take(y);
                hyper::read(kn, &p.hyper(&weights), self.width(y), self.read(x), &mut c, &mut out);
                self.put(y, out);
                self.coefs[coefs.0] = c;
            }
            Op::HyperWrite { x, coefs, f, site, out } => {
                let mut o = self.take(out);
                let mut row = std::mem::take(&mut self.row);
                let (width, mask) = (self.width(f), p.mask(site));
                let (x, f, c) = (self.read(x), self.read(f), coefs.map(|c| self.coefs(c)));
                hyper::write(kn, width, x, c, f, p.first_token, mask, &mut o, &mut row);
                self.row = row;
                self.put(out, o);
            }
            Op::NormQuantise { x, gain, q, inv_rms } => self.norm_quantise(p, x, gain, q, inv_rms),
            Op::BitLinear { q, weight, y } => {
                let mut out = self.take(y);
                bit_linear::forward(kn, &p.params[weight].weights(), self.quant(q), self.tokens, &mut out);
                self.put(y, out);
            }
            Op::NormRope { x, gain, head_dim, kind, store_f16, y, inv_rms } => {
                let (mut out, mut inv) = (self.take(y), self.take(inv_rms));
                let gain = gain.map(|g| p.params[g].values());
                let (width, x) = (self.width(x), self.read(x));
                norm_rope::forward(
                    kn, width, p.seq, x, gain, p.eps, head_dim, p.rope, kind, &mut out, &mut inv,
                );
                if store_f16 && p.quantised {
                    kn.round_f16(&mut out);
                }
                self.put(y, out);
                self.put(inv_rms, inv);
            }
            Op::Store { x } => {
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
            Op::Activation { kind, gate, up, out } => {
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

    fn norm_quantise(&mut self, p: &Pass<'_>, x: Rows, gain: Option<TensorId>, q: Quant, inv_rms: Rows) {
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

    fn cross_entropy(&mut self, p: &Pass<'_>, table: TensorId, int8: bool, y: Rows, nats: Rows, d_y: Rows) {
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
}
