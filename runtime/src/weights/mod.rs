//! A model's weights: the few that all devices take as they are, and the matrices, which wait in their file until a device asks for them.
//! Running them is the workers' business.

mod file;
mod layout;
mod matrix;
mod mixing;
mod rows;
mod stored;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use formats::gguf::Gguf;

pub(crate) use self::file::WeightsFile;
pub(crate) use self::layout::{Layout, Reads, by_rows};
pub use self::matrix::Matrix;
pub(crate) use self::rows::TensorRows;
pub(crate) use self::stored::StoredRows;
use crate::cpu_worker::default_threads;
use crate::error::Result;
use crate::model::in_file;
use cpu::ops::HyperWeights;
use cpu::{Kernels, Pool};
use model::config::ModelConfig;
use model::forward::{Forward, Hyper, Quant, StackId};
use model::tensors::{TensorId, TensorKind};

/// Everything a model has learnt, by the places that `model::forward` gives.
#[derive(Debug)]
pub struct Weights {
    /// The values of each tensor that is no matrix.
    plain: Vec<Option<Vec<f32>>>,
    /// The matrices as the processor reads them, once somebody wants them so.
    layout: OnceLock<Layout>,
    /// The file that they are in, until then.
    file: Mutex<Option<Arc<Gguf>>>,
}

/// Where the matrices of a model are to be had now.
pub(crate) enum Matrices<'w> {
    /// In its file.
    File(Arc<Gguf>),
    /// In the processor's layout.
    LaidOut(&'w Layout),
}

impl Weights {
    /// Checks names, shapes and types of all tensors of a forward pass, and takes those that are no matrices out of `gguf`.
    fn checked(gguf: &Gguf, forward: &Forward, kernels: &Kernels) -> Result<Self> {
        let file = WeightsFile { gguf };
        let plain = forward.tensors.iter().map(|spec| match spec.kind {
            TensorKind::Ternary { .. } => file.check_linear(spec).map(|()| None),
            TensorKind::Table { .. } => file.table(spec).map(|_| None),
            TensorKind::Plain(_) => file.plain(spec).map(Some),
        });
        let plain = plain.collect::<Result<_>>()?;
        let weights = Weights { plain, layout: OnceLock::new(), file: Mutex::default() };
        for connection in &forward.connections {
            if let Some(hyper) = &connection.hyper {
                mixing::check(&connection.name, &weights.hyper(&forward.config, hyper), kernels)?;
            }
        }
        Ok(weights)
    }

    /// The weights in `gguf`, whose bytes are kept until its matrices are laid out.
    ///
    /// # Errors
    /// A tensor that is missing or of another shape or type, a value outside the matrices that is not finite, or a hyper-connection that does
    /// not conserve its streams; each by name.
    pub(crate) fn in_file(gguf: Gguf, forward: &Forward, kernels: &Kernels) -> Result<Self> {
        let weights = Self::checked(&gguf, forward, kernels)?;
        Ok(Weights { file: Mutex::new(Some(Arc::new(gguf))), ..weights })
    }

    /// The weights in `gguf`, laid out for `kernels`.
    ///
    /// # Errors
    /// As [`in_file`](Self::in_file), and any value that is not finite.
    pub(crate) fn laid_out(gguf: &Gguf, forward: &Forward, kernels: &Kernels) -> Result<Self> {
        let weights = Self::checked(gguf, forward, kernels)?;
        let layout = Layout::new(WeightsFile { gguf }, forward, kernels, &Pool::up_to(default_threads()))?;
        Ok(Weights { layout: OnceLock::from(layout), ..weights })
    }

    /// Lays the matrices out for `kernels`, unless they are, and lets go of the file.
    ///
    /// # Errors
    /// A value that is not finite or not ternary, by its tensor's name and the file's.
    pub(crate) fn lay_out(&self, forward: &Forward, kernels: &Kernels) -> Result<()> {
        if self.layout.get().is_some() {
            return Ok(());
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gguf) = &*file {
            let pool = Pool::up_to(default_threads());
            let made = Layout::new(WeightsFile { gguf }, forward, kernels, &pool);
            let layout = made.map_err(|e| in_file(e, Path::new(gguf.name())))?;
            self.layout.set(layout).expect("whoever sets it holds the file");
            *file = None;
        }
        Ok(())
    }

    /// Whether the matrices are laid out for the processor.
    pub(crate) fn is_laid_out(&self) -> bool {
        self.layout.get().is_some()
    }

    /// Where the matrices are now. What is in a file has not been looked at yet.
    pub(crate) fn matrices(&self) -> Matrices<'_> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match &*file {
            Some(gguf) => Matrices::File(Arc::clone(gguf)),
            None => Matrices::LaidOut(self.layout()),
        }
    }

    fn layout(&self) -> &Layout {
        self.layout.get().expect("a model is laid out before the processor runs it")
    }

    /// A gain, or a parameter of a hyper-connection.
    ///
    /// # Panics
    /// If the tensor is a matrix.
    pub fn plain(&self, id: TensorId) -> &[f32] {
        self.plain[id.0].as_ref().unwrap_or_else(|| panic!("tensor {} is a matrix", id.0))
    }

    /// An embedding or a head.
    ///
    /// # Panics
    /// If the tensor is another, or the model is not laid out.
    pub fn table(&self, id: TensorId) -> &Matrix {
        self.layout().tables[id.0].as_ref().unwrap_or_else(|| panic!("tensor {} is no table", id.0))
    }

    /// The matrices of a stack, top to bottom; neighbours that are alike and ternary are one.
    ///
    /// # Panics
    /// If the model is not laid out.
    pub fn stack(&self, id: StackId) -> &[Matrix] {
        &self.layout().stacks[id.0]
    }

    /// All of them, in the order of the forward pass.
    ///
    /// # Panics
    /// If the model is not laid out.
    pub fn stacks(&self) -> &[Vec<Matrix>] {
        &self.layout().stacks
    }

    /// In which form products read a quantised buffer.
    ///
    /// # Panics
    /// If the model is not laid out.
    pub(crate) fn reads(&self, q: Quant) -> Reads {
        self.layout().reads[q.0]
    }

    /// A hyper-connection as the ops take it.
    pub fn hyper(&self, c: &ModelConfig, h: &Hyper) -> HyperWeights<'_> {
        HyperWeights {
            streams: c.streams,
            eps: c.norm_eps,
            alpha: h.alpha.map(|id| self.plain(id)[0]),
            weight: h.weight.map(|id| self.plain(id)),
            bias: h.bias.map(|id| self.plain(id)),
        }
    }

    /// The farthest that a row or column of any mixing matrix is from summing to 1; `None` with one stream.
    pub fn mixing_error(&self, forward: &Forward, kernels: &Kernels) -> Option<f32> {
        let hypers = forward.connections.iter().filter_map(|c| c.hyper.as_ref());
        let sums = hypers.flat_map(|h| mixing::sums(&self.hyper(&forward.config, h), kernels));
        sums.map(|(_, _, sum)| (sum - 1.0).abs()).reduce(f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    #[test]
    fn weights_let_go_of_their_file_once_they_are_laid_out() {
        let c = ModelConfig { vocab: 300, blocks: 2, ..synthetic::config("showcase").unwrap() };
        let (forward, kernels) = (Forward::new(&c), Kernels::best());
        let weights = Weights::in_file(synthetic::gguf(&c, 1).unwrap(), &forward, kernels).unwrap();
        let Matrices::File(file) = weights.matrices() else { panic!("laid out already") };
        let bytes = Arc::downgrade(&file);
        drop(file);
        assert!(!weights.is_laid_out() && bytes.upgrade().is_some());
        // Whoever comes second finds it done.
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| weights.lay_out(&forward, kernels).unwrap());
            }
        });
        assert!(weights.is_laid_out() && bytes.upgrade().is_none());
        assert!(
            matches!(weights.matrices(), Matrices::LaidOut(layout) if layout.stacks.len() == forward.stacks.len())
        );
    }
}
