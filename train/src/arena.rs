//! Where parameters lie on a device that keeps them in two arrays: all ternary matrices in one, those of a shape side by side so that one launch
//! takes them all; everything else in another, those that decay first. On every device a value's place in its array is what its moments'
//! random bits are drawn by.

use std::collections::BTreeMap;
use std::ops::Range;

use model::tensors::{TensorId, TensorKind, TensorSpec};

/// Values that places are multiples of: 256 bytes of f32.
const ALIGN: usize = 64;

/// Ternary matrices of one shape, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// Rows of each.
    pub rows: usize,
    /// Columns of each.
    pub cols: usize,
    /// How many.
    pub count: usize,
    /// Where the first begins.
    pub first: usize,
}

/// Places of parameters in their two arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Arenas {
    places: Vec<Place>,
    /// Values of all ternary matrices.
    pub ternary: usize,
    /// Values of everything else, and of the gaps between.
    pub dense: usize,
    /// How many of them decay: those that come first.
    pub decaying: usize,
    /// The ternary matrices by shape.
    pub alike: Vec<Alike>,
    /// Tensors of the ternary matrices in the order in which they lie.
    pub matrices: Vec<TensorId>,
}

/// Where a parameter lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the ternary matrices.
    Ternary(Range<usize>),
    /// Among the others.
    Dense(Range<usize>),
}

impl Arenas {
    /// Finds a place for each parameter.
    pub fn new(params: &[TensorSpec]) -> Arenas {
        let mut places = vec![Place::Dense(0..0); params.len()];
        let mut shapes: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (i, spec) in params.iter().enumerate() {
            if let TensorKind::Ternary { rows, cols } = spec.kind {
                shapes.entry((rows, cols)).or_default().push(i);
            }
        }
        let (mut ternary, mut alike, mut matrices) = (0, Vec::new(), Vec::new());
        for ((rows, cols), members) in shapes {
            alike.push(Alike { rows, cols, count: members.len(), first: ternary });
            for i in members {
                places[i] = Place::Ternary(ternary..ternary + rows * cols);
                ternary += rows * cols;
                matrices.push(TensorId(i));
            }
        }
        let mut dense = 0;
        let mut place = |decays: bool| {
            for (i, spec) in params.iter().enumerate() {
                let is_table = matches!(spec.kind, TensorKind::Table { .. });
                if !matches!(spec.kind, TensorKind::Ternary { .. }) && is_table == decays {
                    places[i] = Place::Dense(dense..dense + spec.len());
                    dense += spec.len().next_multiple_of(ALIGN);
                }
            }
            dense
        };
        let decaying = place(true);
        place(false);
        Arenas { places, ternary, dense, decaying, alike, matrices }
    }

    /// Where a parameter lies.
    pub fn place(&self, p: TensorId) -> &Place {
        &self.places[p.0]
    }

    /// Where a ternary matrix begins.
    ///
    /// # Panics
    /// It is none.
    pub fn ternary_at(&self, p: TensorId) -> usize {
        match self.place(p) {
            Place::Ternary(range) => range.start,
            Place::Dense(_) => panic!("parameter {} is no ternary matrix", p.0),
        }
    }

    /// Where another parameter begins.
    ///
    /// # Panics
    /// It is a ternary matrix.
    pub fn dense_at(&self, p: TensorId) -> usize {
        match self.place(p) {
            Place::Dense(range) => range.start,
            Place::Ternary(_) => panic!("parameter {} is a ternary matrix", p.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::tensors::Init;

    #[test]
    fn matrices_of_a_shape_are_neighbours_and_tables_come_first() {
        let spec = |kind, shape: &[usize]| TensorSpec {
            name: String::new(),
            shape: shape.to_vec(),
            kind,
            init: Init::Constant(0.0),
        };
        let ternary = |rows, cols| spec(TensorKind::Ternary { rows, cols }, &[rows, cols]);
        let plain = |len| spec(TensorKind::Plain(model::tensors::Role::Gain), &[len]);
        let stored = model::config::StoredType::F16;
        let table = spec(TensorKind::Table { rows: 3, cols: 128, stored }, &[3, 128]);
        let params = [plain(5), ternary(4, 128), ternary(2, 256), table, ternary(4, 128)];
        let arenas = Arenas::new(&params);
        assert_eq!(arenas.alike[0], Alike { rows: 2, cols: 256, count: 1, first: 0 });
        assert_eq!(arenas.alike[1], Alike { rows: 4, cols: 128, count: 2, first: 512 });
        assert_eq!(arenas.matrices, [2, 1, 4].map(TensorId));
        assert_eq!((arenas.ternary, arenas.decaying, arenas.dense), (1536, 384, 448));
        assert_eq!(*arenas.place(TensorId(0)), Place::Dense(384..389));
        assert_eq!(*arenas.place(TensorId(4)), Place::Ternary(1024..1536));
    }
}
