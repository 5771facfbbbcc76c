//! Words do not depend on where rows come from, and rows that the shaders do not know are refused by name.

use cpu::Kernels;
use formats::ternary::GROUP;
use model::config::{ModelConfig, StoredType};
use model::tensors::TensorKind;

use super::*;
use crate::model::Model;
use crate::synthetic;
use crate::weights::Matrices;

/// All words and scales, some rows at a time.
fn words(rows: &Rows<'_>) -> (Vec<u32>, Vec<f16>) {
    let (kind, cols) = (rows.kind, rows.cols);
    let row_words = row_bytes(kind, cols) / 4;
    let mut words = vec![0; rows.rows * row_words];
    let mut halves = vec![f16::ZERO; scales(kind, rows.rows, cols)];
    let row_scales = halves.len() / rows.rows;
    for first in (0..rows.rows).step_by(50) {
        let end = rows.rows.min(first + 50);
        let (w, s) = (first * row_words..end * row_words, first * row_scales..end * row_scales);
        rows.write(first..end, &mut words[w], &mut halves[s]).unwrap();
    }
    (words, halves)
}

#[test]
fn gpu_words_are_the_same_from_a_file_and_from_every_layout() {
    let small = ModelConfig { vocab: 300, blocks: 1, ..synthetic::config("showcase").unwrap() };
    let stored = |ty, head_int8| ModelConfig { embedding: ty, head: ty, head_int8, ..small.clone() };
    let kinds = [
        (stored(StoredType::Q1_58, true), Kind::Ternary),
        (stored(StoredType::Q1_58, false), Kind::Ternary),
        (stored(StoredType::Q8_0, false), Kind::Q8),
        (stored(StoredType::F16, false), Kind::F16),
    ];
    for (c, kind) in kinds {
        let file = synthetic::gguf(&c, 7).unwrap();
        for kernels in Kernels::available() {
            let model = Model::with_kernels(&file, kernels).unwrap();
            let (forward, Matrices::LaidOut(layout)) = (model.forward(), model.weights().matrices()) else {
                panic!("not laid out")
            };
            for (i, spec) in forward.tensors.iter().enumerate() {
                if let TensorKind::Table { .. } = spec.kind {
                    let from_file = Rows::table_of_file(&file, spec).unwrap();
                    let again = Rows::table_laid_out(layout, spec, TensorId(i)).unwrap();
                    assert_eq!((from_file.kind, again.kind), (kind, kind));
                    assert!(words(&from_file) == words(&again), "{}, {}", spec.name, kernels.name);
                }
            }
            for (stack, matrices) in forward.stacks.iter().zip(&layout.stacks) {
                let from_file = Rows::stack_of_file(&file, forward, stack).unwrap();
                let again = Rows::stack_laid_out(matrices, "a matrix", stack.cols).unwrap();
                let [from_file, again] = [from_file, again].map(|mut all| {
                    assert_eq!(all.len(), 1);
                    all.remove(0)
                });
                assert_eq!((from_file.rows, from_file.cols), (stack.rows.iter().sum(), stack.cols));
                assert!(words(&from_file) == words(&again), "{}", kernels.name);
            }
        }
    }
}

/// Rows that nobody may unpack.
struct Strange {
    group: usize,
    factor: Option<f32>,
}

impl TernaryRows for Strange {
    type Error = Error;

    fn rows(&self) -> usize {
        4
    }

    fn cols(&self) -> usize {
        256
    }

    fn group(&self) -> usize {
        self.group
    }

    fn factor(&self) -> Option<f32> {
        self.factor
    }

    fn unpack(&self, _: Range<usize>, _: &mut [i8], _: &mut [f16]) -> Result<()> {
        panic!("it was not refused")
    }
}

#[test]
fn gpu_refuses_groups_that_its_shaders_do_not_know() {
    let usual = || Strange { group: GROUP, factor: None };
    assert!(Rows::ternary("m", vec![usual(), usual()]).is_ok());
    let groups = |first, second| {
        let strange = [first, second].map(|group| Strange { group, factor: None });
        Rows::ternary("blk.0.attn_q.weight", strange.into()).err()
    };
    for (error, found) in [
        (groups(64, GROUP), "groups of 128 beside groups of 64"),
        (groups(256, 256), "groups of 256"),
        (groups(32, 32), "groups of 32"),
    ] {
        let error = error.unwrap();
        assert!(error.is_of_device(), "{error}");
        assert_eq!(
            error.to_string(),
            format!("tensor blk.0.attn_q.weight has {found}; no shader here multiplies by that")
        );
    }
}
