//! The backward ops on a shard's rows; gradients of parameters are added to.

use super::{Pass, Shard};
use crate::cpu::ops::attention::{self, Heads};
use crate::cpu::ops::hyper::{self, ConnectionGradient};
use crate::cpu::ops::{activation, bit_linear, embed, norm, norm_rope};
use crate::program::{Connection, Op, Rows};

impl Shard {
    pub(super) fn backward(&mut self, op: &Op, p: &Pass<'_>) {
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
            Op::HyperWriteBackward { x, coefs, f, site, d_x, d_f } => {
                let (mut dx, mut df) = (self.take(d_x), self.take(d_f));
                let mut gradients = std::mem::take(&mut self.coef_gradients);
                let mut row = std::mem::take(&mut self.row);
                let (width, mask) = (self.width(f), p.mask(site));
                let (x, f, c) = (self.read(x), self.read(f), coefs.map(|c| self.coefs(c)));
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
            Op::HyperReadBackward { connection: None, d_y, d_x, .. } => {
                let mut dx = self.take(d_x);
                kn.add_scaled(1.0, self.read(d_y), &mut dx);
                self.put(d_x, dx);
            }
            Op::HyperReadBackward { connection: Some(connection), x, d_y, d_x } => {
                self.read_backward(p, connection, x, d_y, d_x)
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
            Op::BitLinearBackward { q, weight, d_y, d_q, accumulate } => {
                let mut dq = self.take(d_q);
                let mut g = std::mem::take(&mut self.gradients[weight.0]);
                let mut s = std::mem::take(&mut self.linear);
                let w = p.params[weight].weights();
                let (rows, dy) = (self.quant(q), self.read(d_y));
                bit_linear::backward(kn, &w, rows, self.tokens, dy, &mut dq, accumulate, &mut g, &mut s);
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
                norm_rope::backward(
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
            Op::ActivationBackward { kind, gate, up, d_out, d_gate, d_up } => {
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
            // Told again, because it was not kept.
            _ => self.forward(op, p),
        }
    }

    fn read_backward(
        &mut self,
        p: &Pass<'_>,
        Connection { weights: c, coefs }: Connection,
        x: Rows,
        d_y: Rows,
        d_x: Rows,
    ) {
        let mut dx = self.take(d_x);
        let mut row = std::mem::take(&mut self.row);
        let ids = [c.weight, c.bias, c.alpha];
        let mut owned = ids.map(|ps| ps.map(|p| std::mem::take(&mut self.gradients[p.0])));
        let [weight, bias, alpha] = owned.each_mut().map(|part| part.each_mut().map(|v| &mut v[..]));
        hyper::read_backward(
            p.kn,
            &p.hyper(&c),
            self.width(d_y),
            self.read(x),
            self.coefs(coefs),
            &self.coef_gradients,
            self.read(d_y),
            &mut dx,
            ConnectionGradient { weight, bias, alpha },
            &mut row,
        );
        for (ids, values) in ids.into_iter().zip(owned) {
            for (id, v) in ids.into_iter().zip(values) {
                self.gradients[id.0] = v;
            }
        }
        self.row = row;
        self.put(d_x, dx);
    }
}
