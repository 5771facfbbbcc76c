//! The last phase of a step on the CPU: every parameter moves by its gradient.

use super::{CHUNK, CpuBackend};
use crate::backend::Rates;
use crate::optim::{Matrices, Moments, Rounding, adamw, muon};
use model::tensors::{TensorId, TensorKind};

impl CpuBackend {
    /// Muon takes a matrix per work item, AdamW a chunk. `norm` is the whole gradient's, which the first shard holds. Moments that are kept in
    /// bf16 move their parameter first and are rounded then.
    pub(super) fn update(&mut self, step: u64, rates: Rates, norm: f64) {
        let settings = &self.program.recipe.optimiser;
        let gradients = &self.shards[0].gradients;
        let clip = settings.clip(norm);
        let seed = self.program.recipe.seed;
        let rounding = |p: usize| {
            let place = self.arenas.place(TensorId(p));
            (settings.moments == Moments::Bf16).then(|| Rounding::new(seed, step, place))
        };
        let mut matrices = Vec::new();
        let mut chunks = Vec::new();
        let all = self.params.0.iter_mut().zip(&mut self.moments).zip(gradients);
        for (i, ((p, m), g)) in all.enumerate() {
            let rounding = rounding(i);
            match p.spec.kind {
                TensorKind::Ternary { rows, cols } if settings.matrices == Matrices::Muon => {
                    matrices.push((rows, cols, &mut p.latent, &mut m.first, g, rounding));
                }
                kind => {
                    let decays = matches!(kind, TensorKind::Table { .. } | TensorKind::Ternary { .. });
                    let decay = if decays { settings.adam.weight_decay } else { 0.0 };
                    let moments = m.first.chunks_mut(CHUNK).zip(m.second.chunks_mut(CHUNK));
                    let values = p.latent.chunks_mut(CHUNK).zip(g.chunks(CHUNK)).zip(moments);
                    chunks.extend(values.enumerate().map(|(c, ((w, g), (m, v)))| {
                        (w, g, m, v, decay, rounding.map(|r| r.from(c * CHUNK)))
                    }));
                }
            }
        }
        matrices.sort_by_key(|m| std::cmp::Reverse(m.0 * m.1));
        let kn = self.kn;
        self.pool.each_mut(&mut matrices, |_, (rows, cols, w, m, g, rounding)| {
            muon::update(kn, w, g, m, *rows, *cols, rates.muon, &settings.muon);
            if let Some(rounding) = rounding {
                rounding.first(kn, m);
            }
        });
        self.pool.each_mut(&mut chunks, |_, (w, g, m, v, decay, rounding)| {
            let adam = adamw::Settings { weight_decay: *decay, ..settings.adam };
            adamw::update(kn, w, g, m, v, step, rates.adam, clip, &adam);
            if let Some(rounding) = rounding {
                rounding.first(kn, m);
                rounding.second(kn, v);
            }
        });
        self.fresh = false;
    }
}
