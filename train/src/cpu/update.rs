//! The last phase of a step on the CPU: every parameter moves by its gradient.

use super::{CHUNK, CpuBackend};
use crate::backend::Rates;
use crate::optim::{Matrices, adamw, muon};
use model::tensors::TensorKind;

impl CpuBackend {
    /// Muon takes a matrix per work item, AdamW a chunk. `norm` is the whole gradient's, which the first shard holds.
    pub(super) fn update(&mut self, step: u64, rates: Rates, norm: f64) {
        let settings = &self.program.recipe.optimiser;
        let gradients = &self.shards[0].gradients;
        let clip = settings.clip(norm);
        let mut matrices = Vec::new();
        let mut chunks = Vec::new();
        for ((p, m), g) in self.params.0.iter_mut().zip(&mut self.moments).zip(gradients) {
            match p.spec.kind {
                TensorKind::Ternary { rows, cols } if settings.matrices == Matrices::Muon => {
                    matrices.push((rows, cols, &mut p.latent, m, g));
                }
                kind => {
                    let decays = matches!(kind, TensorKind::Table { .. } | TensorKind::Ternary { .. });
                    let decay = if decays { settings.adam.weight_decay } else { 0.0 };
                    let moments = m.first.chunks_mut(CHUNK).zip(m.second.chunks_mut(CHUNK));
                    let values = p.latent.chunks_mut(CHUNK).zip(g.chunks(CHUNK)).zip(moments);
                    chunks.extend(values.map(|((w, g), (m, v))| (w, g, m, v, decay)));
                }
            }
        }
        matrices.sort_by_key(|m| std::cmp::Reverse(m.0 * m.1));
        let kn = self.kn;
        self.pool.each_mut(&mut matrices, |_, (rows, cols, w, m, g)| {
            muon::update(kn, w, g, &mut m.first, *rows, *cols, rates.muon, &settings.muon);
        });
        self.pool.each_mut(&mut chunks, |_, (w, g, m, v, decay)| {
            let adam = adamw::Settings { weight_decay: *decay, ..settings.adam };
            adamw::update(kn, w, g, m, v, step, rates.adam, clip, &adam);
        });
        self.fresh = false;
    }
}
