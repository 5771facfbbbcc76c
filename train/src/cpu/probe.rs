//! What tests ask of the CPU: gradients without an update, logits, codes.

use super::CpuBackend;
use super::kernels::gemm::gemm;
use crate::backend::{Codes, Probe};
use crate::batch::Batch;
use crate::error::Result;
use model::tensors::TensorId;

impl Probe for CpuBackend {
    fn gradients(&mut self, step: u64, batch: &Batch) -> Result<(f64, Vec<Vec<f32>>)> {
        let loss = self.accumulate(step, batch);
        Ok((loss, self.shards[0].gradients.clone()))
    }

    fn logits(&mut self, batch: &Batch) -> Result<(Vec<f32>, Vec<f32>)> {
        let head = &self.program.params[self.program.head.0];
        let (vocab, width) = (head.shape[0], head.shape[1]);
        let wide = self.program.model.streams * width;
        let row = vocab + wide;
        let mut both = vec![0.0; batch.tokens.len() * row];
        self.run_shards(
            0,
            batch,
            false,
            &|s, p, table, out| {
                let (tokens, y) = (out.len() / row, s.read(p.head_input));
                gemm(tokens, vocab, width, 1.0, y, (width, 1), table, (1, width), 0.0, out, (row, 1));
                for (out, x) in out.chunks_exact_mut(row).zip(s.read(p.streams).chunks_exact(wide)) {
                    out[vocab..].copy_from_slice(x);
                }
            },
            &mut both,
        );
        let split =
            |from: usize, to: usize| both.chunks_exact(row).flat_map(|r| r[from..to].to_vec()).collect();
        Ok((split(0, vocab), split(vocab, row)))
    }

    fn codes(&mut self, p: TensorId) -> Result<Option<Codes>> {
        self.prepare();
        Ok(self.params[p].codes().map(|(t, s)| (t.to_vec(), s.to_vec())))
    }
}
