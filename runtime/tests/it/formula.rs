//! The model as its formulas say, in f64 and plain loops, from the tensors of a file. It shares no code with the runtime but the
//! unpacking of blocks, and keeps the two things that are part of the definition: int8 activations of ternary matrices and f16 keys and values.

use std::collections::HashMap;

use formats::gguf::Gguf;
use half::f16;
use model::config::{Activation, ModelConfig, RopeKind, Stretch};

/// One token's row.
type Row = Vec<f64>;

/// Logits after every token.
pub fn logits(gguf: &Gguf, c: &ModelConfig, tokens: &[u32]) -> Vec<Row> {
    let m = Formula { gguf, c, cache: HashMap::new() };
    m.run(tokens)
}

struct Formula<'a> {
    gguf: &'a Gguf,
    c: &'a ModelConfig,
    cache: HashMap<String, Row>,
}

impl Formula<'_> {
    fn tensor(&mut self, name: &str) -> Row {
        let gguf = self.gguf;
        let load = || gguf.tensor(name).unwrap().to_f32().unwrap().iter().map(|&v| f64::from(v)).collect();
        self.cache.entry(name.to_owned()).or_insert_with(load).clone()
    }

    /// The product of a matrix with one row, of a ternary one with the quantised row, and its bias.
    fn linear(&mut self, name: &str, x: &Row) -> Row {
        let ternary = self.gguf.tensor(name).unwrap().ty().unwrap().is_ternary();
        let w = self.tensor(name);
        let y = if ternary { product(&w, &quantise(x)) } else { product(&w, x) };
        let bias = name.replace(".weight", ".bias");
        if self.gguf.contains(&bias) { add(&y, &self.tensor(&bias)) } else { y }
    }

    fn optional(&mut self, present: bool, name: &str) -> Option<Row> {
        present.then(|| self.tensor(name))
    }

    fn run(mut self, tokens: &[u32]) -> Vec<Row> {
        let (n, d) = (self.c.streams, self.c.width);
        let table = self.tensor("token_embd.weight");
        let mut x: Vec<Vec<Row>> = tokens
            .iter()
            .map(|&id| {
                let row = &table[id as usize * d..][..d];
                vec![row.iter().map(|v| v * f64::from(self.c.embedding_scale)).collect(); n]
            })
            .collect();
        for b in 0..self.c.blocks {
            x = self.hyper(&format!("blk.{b}.hc_attn"), x, |m, h| m.attention(b, h));
            x = self.hyper(&format!("blk.{b}.hc_ffn"), x, |m, h| m.feed_forward(b, h));
        }
        let gain = self.tensor("output_norm.weight");
        let head = if self.c.tied { table } else { self.tensor("output.weight") };
        x.iter()
            .map(|streams| {
                let sum: Row = (0..d).map(|i| streams.iter().map(|s| s[i]).sum()).collect();
                let h = self.norm(&sum, Some(&gain));
                let h = if self.c.head_int8 { quantise(&h) } else { h };
                product(&head, &h)
            })
            .collect()
    }

    fn hyper(
        &mut self,
        name: &str,
        x: Vec<Vec<Row>>,
        f: impl Fn(&mut Self, Vec<Row>) -> Vec<Row>,
    ) -> Vec<Vec<Row>> {
        let (n, d) = (self.c.streams, self.c.width);
        if n == 1 {
            let out = f(self, x.iter().map(|s| s[0].clone()).collect());
            return x.iter().zip(out).map(|(s, f)| vec![add(&s[0], &f)]).collect();
        }
        let mut part = |part: &str| {
            let (w, b) =
                (self.tensor(&format!("{name}_{part}.weight")), self.tensor(&format!("{name}_{part}.bias")));
            (w, b, self.tensor(&format!("{name}_{part}.alpha"))[0])
        };
        let parts = [part("pre"), part("post"), part("res")];
        let orders = permutations(n);
        let mut inputs = Vec::new();
        let mut rest = Vec::new();
        for streams in &x {
            let u = self.norm(&streams.concat(), None);
            let z = |(w, b, alpha): &(Row, Row, f64)| -> Row {
                product(w, &u).iter().zip(b).map(|(z, b)| alpha * z + b).collect()
            };
            let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
            let pre: Row = z(&parts[0]).iter().map(|&v| sigmoid(v)).collect();
            let post: Row = z(&parts[1]).iter().map(|&v| 2.0 * sigmoid(v)).collect();
            let share = softmax(&z(&parts[2]));
            let mut mix = vec![vec![0.0; n]; n];
            for (share, order) in share.iter().zip(&orders) {
                for i in 0..n {
                    mix[i][order[i]] += share;
                }
            }
            inputs.push((0..d).map(|i| (0..n).map(|s| pre[s] * streams[s][i]).sum()).collect::<Row>());
            rest.push((post, mix));
        }
        let outputs = f(self, inputs);
        x.iter()
            .zip(outputs.iter().zip(&rest))
            .map(|(streams, (f, (post, mix)))| {
                (0..n)
                    .map(|i| {
                        (0..d)
                            .map(|k| post[i] * f[k] + (0..n).map(|j| mix[i][j] * streams[j][k]).sum::<f64>())
                            .collect()
                    })
                    .collect()
            })
            .collect()
    }

    fn attention(&mut self, b: usize, x: Vec<Row>) -> Vec<Row> {
        let (c, hd) = (self.c, self.c.head_dim);
        let name = |part: &str| format!("blk.{b}.{part}.weight");
        let gain = self.tensor(&name("attn_norm"));
        let q_gain = self.optional(c.qk_norm, &name("attn_q_norm"));
        let k_gain = self.optional(c.qk_norm, &name("attn_k_norm"));
        let sub = self.optional(c.attn_sub_norm, &name("attn_sub_norm"));
        let (mut qs, mut ks, mut vs) = (Vec::new(), Vec::new(), Vec::new());
        for (position, x) in x.iter().enumerate() {
            let x = self.norm(x, Some(&gain));
            let mut turn = |part: &str, gain: &Option<Row>| -> Row {
                let heads = self.linear(&name(part), &x);
                heads.chunks(hd).flat_map(|h| self.turned(h, gain.as_ref(), position)).collect()
            };
            qs.push(turn("attn_q", &q_gain));
            ks.push(halves(&turn("attn_k", &k_gain)));
            vs.push(halves(&self.linear(&name("attn_v"), &x)));
        }
        (0..x.len())
            .map(|t| {
                let mut mixed = Vec::new();
                for head in 0..c.heads {
                    let kv = head / (c.heads / c.kv_heads) * hd;
                    let q = &qs[t][head * hd..][..hd];
                    let scores: Row =
                        (0..=t).map(|s| dot(q, &ks[s][kv..][..hd]) / (hd as f64).sqrt()).collect();
                    let p = softmax(&scores);
                    mixed.extend((0..hd).map(|i| (0..=t).map(|s| p[s] * vs[s][kv + i]).sum::<f64>()));
                }
                let mixed = if let Some(gain) = &sub { self.norm(&mixed, Some(gain)) } else { mixed };
                self.linear(&name("attn_output"), &mixed)
            })
            .collect()
    }

    fn feed_forward(&mut self, b: usize, x: Vec<Row>) -> Vec<Row> {
        let name = |part: &str| format!("blk.{b}.{part}.weight");
        let gain = self.tensor(&name("ffn_norm"));
        let sub = self.optional(self.c.ffn_sub_norm, &name("ffn_sub_norm"));
        x.iter()
            .map(|x| {
                let x = self.norm(x, Some(&gain));
                let up = self.linear(&name("ffn_up"), &x);
                let gate = self.c.activation.gated().then(|| self.linear(&name("ffn_gate"), &x));
                let hidden: Row = (0..up.len())
                    .map(|i| {
                        let g = gate.as_ref().map_or(0.0, |g| g[i]);
                        match self.c.activation {
                            Activation::SwiGlu => g / (1.0 + (-g).exp()) * up[i],
                            Activation::Relu2 => up[i].max(0.0).powi(2),
                            Activation::Relu2Gated => g.max(0.0).powi(2) * up[i],
                        }
                    })
                    .collect();
                let hidden = if let Some(gain) = &sub { self.norm(&hidden, Some(gain)) } else { hidden };
                self.linear(&name("ffn_down"), &hidden)
            })
            .collect()
    }

    fn norm(&self, x: &[f64], gain: Option<&Row>) -> Row {
        let rms = (dot(x, x) / x.len() as f64 + f64::from(self.c.norm_eps)).sqrt();
        x.iter().enumerate().map(|(i, v)| v / rms * gain.map_or(1.0, |g| g[i])).collect()
    }

    /// One head, normed and rotated.
    fn turned(&mut self, head: &[f64], gain: Option<&Row>, position: usize) -> Row {
        let head = gain.map_or_else(|| head.to_vec(), |g| self.norm(head, Some(g)));
        let (pairs, magnitude) = (self.c.rope_dims.unwrap_or(head.len()) / 2, self.magnitude());
        let mut out = head.clone();
        for i in 0..pairs {
            let (j, k) = match self.c.rope {
                RopeKind::HalfSplit => (i, i + pairs),
                RopeKind::Interleaved => (2 * i, 2 * i + 1),
            };
            let (sin, cos) = (position as f64 * self.speed(i, pairs)).sin_cos();
            out[j] = magnitude * (head[j] * cos - head[k] * sin);
            out[k] = magnitude * (head[j] * sin + head[k] * cos);
        }
        out
    }

    /// Radians a position of a pair. Between the pair that turns `beta_fast` times in the original context and the one that turns `beta_slow` times,
    /// YaRN mixes the speed that the pair would have with the one that it has when all are slowed down.
    fn speed(&mut self, pair: usize, pairs: usize) -> f64 {
        let base = f64::from(self.c.rope_base);
        let divisor = if self.c.rope_scaling.divisors { self.tensor("rope_freqs.weight")[pair] } else { 1.0 };
        let speed = 1.0 / (divisor * base.powf(pair as f64 / pairs as f64));
        match self.c.rope_scaling.stretch {
            Stretch::None => speed,
            Stretch::Linear { factor } => speed / f64::from(factor),
            Stretch::Yarn(yarn) => {
                let turns = |beta: f32| {
                    let longest =
                        yarn.original_context as f64 / (2.0 * std::f64::consts::PI * f64::from(beta));
                    pairs as f64 * longest.ln() / base.ln()
                };
                let first = turns(yarn.beta_fast).floor().max(0.0);
                let last = turns(yarn.beta_slow).ceil().min(2.0 * pairs as f64 - 1.0);
                let slowed = ((pair as f64 - first) / (last - first)).clamp(0.0, 1.0);
                speed * (1.0 - slowed) + speed / f64::from(yarn.factor) * slowed
            }
        }
    }

    /// What a head is multiplied by as it turns.
    fn magnitude(&self) -> f64 {
        let yarn = match self.c.rope_scaling.stretch {
            Stretch::Yarn(yarn) => 1.0 + 0.1 * f64::from(yarn.factor).ln(),
            _ => 1.0,
        };
        yarn * f64::from(self.c.rope_scaling.magnitude)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &[f64], b: &[f64]) -> Row {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn product(w: &[f64], x: &[f64]) -> Row {
    w.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

fn softmax(x: &[f64]) -> Row {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Row = x.iter().map(|v| (v - max).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

fn halves(x: &[f64]) -> Row {
    x.iter().map(|&v| f16::from_f64(v).to_f64()).collect()
}

/// Int8 and back: `a = max|x| / 127`, `a * round_half_even(x / a)`.
fn quantise(x: &[f64]) -> Row {
    let a = x.iter().fold(0.0f64, |m, v| m.max(v.abs())) / 127.0;
    x.iter().map(|v| if a == 0.0 { 0.0 } else { a * (v / a).round_ties_even() }).collect()
}

/// All orders of `0..n`, lexicographic.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for first in 0..n {
        for rest in permutations(n - 1) {
            let skip = |i: usize| if i >= first { i + 1 } else { i };
            all.push([first].into_iter().chain(rest.into_iter().map(skip)).collect());
        }
    }
    all
}
