//! Arrays of a card, which buffers are made of, and which of them an op touches.

use train::operands::Buffer;
use train::program::{Buffers, Coefs, Op, Quant, Rows};

use super::COEFS;
use crate::precision::Precision;

/// An array of so many bytes for every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Array {
    Rows(Rows),
    /// int8 codes, which products of the forward pass read.
    Codes(Quant),
    /// The scale of their row.
    Scale(Quant),
    /// Scale times code, which products of the backward pass read.
    Dequantised(Quant),
    Coefs(Coefs),
}

impl Array {
    /// Every array of so many buffers, each at its [`Array::index`].
    pub fn all(buffers: &Buffers) -> impl Iterator<Item = Array> + use<> {
        let (rows, quants, coefs) = (buffers.rows.len(), buffers.quants.len(), buffers.coefs);
        let of_quant = |q| [Array::Codes(Quant(q)), Array::Scale(Quant(q)), Array::Dequantised(Quant(q))];
        let quants = (0..quants).flat_map(of_quant);
        (0..rows)
            .map(|r| Array::Rows(Rows(r)))
            .chain(quants)
            .chain((0..coefs).map(|c| Array::Coefs(Coefs(c))))
    }

    /// Its place among all.
    pub fn index(self, buffers: &Buffers) -> usize {
        let quants = buffers.rows.len();
        match self {
            Array::Rows(r) => r.0,
            Array::Codes(q) => quants + 3 * q.0,
            Array::Scale(q) => quants + 3 * q.0 + 1,
            Array::Dequantised(q) => quants + 3 * q.0 + 2,
            Array::Coefs(c) => quants + 3 * buffers.quants.len() + c.0,
        }
    }

    /// Bytes for every token, of rows in f32.
    pub fn bytes(self, buffers: &Buffers, precision: Precision) -> usize {
        match self {
            Array::Rows(r) => 4 * buffers.rows[r.0],
            Array::Codes(q) => buffers.quants[q.0],
            Array::Scale(_) => 4,
            Array::Dequantised(q) => precision.bytes() * buffers.quants[q.0],
            Array::Coefs(_) => 4 * COEFS,
        }
    }
}

/// The arrays that an op touches.
pub(crate) fn touched(op: &Op) -> Vec<Array> {
    let arrays = |buffer: Buffer| match (buffer, op) {
        (Buffer::Rows(r), _) => vec![Array::Rows(r)],
        (Buffer::Coefs(c), _) => vec![Array::Coefs(c)],
        (Buffer::Quant(q), Op::BitLinear { .. }) => vec![Array::Codes(q), Array::Scale(q)],
        (Buffer::Quant(q), Op::BitLinearBackward { .. }) => vec![Array::Dequantised(q)],
        (Buffer::Quant(q), _) => vec![Array::Codes(q), Array::Scale(q), Array::Dequantised(q)],
    };
    op.operands().into_iter().flat_map(|(_, buffer)| arrays(buffer)).collect()
}
