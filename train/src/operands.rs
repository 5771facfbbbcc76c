//! Which buffers an op reads and writes. How long a device keeps a buffer, and what of a pass has to be told again, follow from this alone.

use crate::program::{Buffers, Coefs, Op, Quant, Rows};

/// A buffer of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the kinds are `program`'s
pub enum Buffer {
    Rows(Rows),
    Quant(Quant),
    Coefs(Coefs),
}

/// What an op does to a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads it.
    Reads,
    /// Gives it all of its values, whatever they were.
    Writes,
    /// Gives it values that depend on those it had.
    Changes,
}

/// A buffer where an op names it, so that it may name another one.
#[derive(Debug)]
#[allow(missing_docs)] // the kinds are `program`'s
pub enum Named<'a> {
    Rows(&'a mut Rows),
    Quant(&'a mut Quant),
    Coefs(&'a mut Coefs),
}

impl Named<'_> {
    /// Which one it is.
    pub fn buffer(&self) -> Buffer {
        match self {
            Named::Rows(r) => Buffer::Rows(**r),
            Named::Quant(q) => Buffer::Quant(**q),
            Named::Coefs(c) => Buffer::Coefs(**c),
        }
    }

    /// Names another one of its kind.
    ///
    /// # Panics
    /// It is of another kind.
    pub fn rename(self, to: Buffer) {
        match (self, to) {
            (Named::Rows(r), Buffer::Rows(to)) => *r = to,
            (Named::Quant(q), Buffer::Quant(to)) => *q = to,
            (Named::Coefs(c), Buffer::Coefs(to)) => *c = to,
            (named, to) => panic!("{:?} cannot become {to:?}", named.buffer()),
        }
    }
}

impl<'a> From<&'a mut Rows> for Named<'a> {
    fn from(r: &'a mut Rows) -> Named<'a> {
        Named::Rows(r)
    }
}

impl<'a> From<&'a mut Quant> for Named<'a> {
    fn from(q: &'a mut Quant) -> Named<'a> {
        Named::Quant(q)
    }
}

impl<'a> From<&'a mut Coefs> for Named<'a> {
    fn from(c: &'a mut Coefs) -> Named<'a> {
        Named::Coefs(c)
    }
}

impl Buffers {
    /// A new buffer like another one.
    pub fn like(&mut self, buffer: Buffer) -> Buffer {
        match buffer {
            Buffer::Rows(r) => Buffer::Rows(self.rows(self.rows[r.0])),
            Buffer::Quant(q) => Buffer::Quant(self.quant(self.quants[q.0])),
            Buffer::Coefs(_) => Buffer::Coefs(self.coefs()),
        }
    }
}

impl Op {
    /// Every buffer that the op reads or writes. One that it names and does not touch is not among them: a single stream's connection, say, has
    /// no gradient to read its rows for.
    pub fn operands(&self) -> Vec<(Access, Buffer)> {
        let mut op = *self;
        op.operands_mut().into_iter().map(|(access, named)| (access, named.buffer())).collect()
    }

    /// The same where the op names them.
    pub fn operands_mut(&mut self) -> Vec<(Access, Named<'_>)> {
        let mut all = Operands(Vec::new());
        match self {
            Op::Embed { x, .. } => all.writes([x]),
            Op::EmbedBackward { d_x, .. } => all.reads([d_x]),
            Op::HyperRead { connection, x, y } => {
                all.reads([x]).writes(connection.as_mut().map(|c| &mut c.coefs)).writes([y])
            }
            Op::HyperWrite { x, coefs, f, out, .. } => all.reads([x, f]).reads(coefs).writes([out]),
            Op::HyperWriteBackward { x, coefs: Some(coefs), f, d_x, d_f, .. } => {
                all.reads([x, f]).reads([coefs]).changes([d_x]).writes([d_f])
            }
            Op::HyperWriteBackward { coefs: None, d_x, d_f, .. } => all.reads([d_x]).writes([d_f]),
            // The coefficients become their gradients.
            Op::HyperReadBackward { connection: Some(connection), x, d_y, d_x } => {
                all.reads([x, d_y]).changes([&mut connection.coefs]).changes([d_x])
            }
            Op::HyperReadBackward { connection: None, d_y, d_x, .. } => all.reads([d_y]).changes([d_x]),
            Op::NormQuantise { x, gain, q, inv_rms } => {
                all.reads([x]).writes([q]).writes(gain.map(|_| inv_rms))
            }
            Op::NormQuantiseBackward { x, gain: Some(_), inv_rms, d_q, d_x } => {
                all.reads([x, inv_rms, d_q]).writes([d_x])
            }
            Op::NormQuantiseBackward { gain: None, d_q, d_x, .. } => all.reads([d_q]).writes([d_x]),
            Op::BitLinear { q, y, .. } => all.reads([q]).writes([y]),
            Op::BitLinearBackward { q, d_y, d_q, accumulate, .. } => {
                let access = if *accumulate { Access::Changes } else { Access::Writes };
                all.reads([q]).reads([d_y]).add(access, [d_q])
            }
            Op::NormRope { x, gain, y, inv_rms, .. } => {
                all.reads([x]).writes([y]).writes(gain.map(|_| inv_rms))
            }
            Op::NormRopeBackward { x, gain, inv_rms, d_y, .. } => {
                all.reads(gain.map(|_| [x, inv_rms]).into_iter().flatten()).changes([d_y])
            }
            Op::Store { x } => all.changes([x]),
            Op::Attention { q, k, v, out, lse, .. } => all.reads([q, k, v]).writes([out, lse]),
            Op::AttentionBackward { q, k, v, out, lse, d_out, d_q, d_k, d_v, .. } => {
                all.reads([q, k, v, out, lse, d_out]).writes([d_q, d_k, d_v])
            }
            Op::Activation { gate, up, out, .. } => all.reads(gate).reads([up]).writes([out]),
            Op::ActivationBackward { gate, up, d_out, d_gate, d_up, .. } => {
                all.reads(gate).reads([up, d_out]).writes(d_gate).writes([d_up])
            }
            Op::FinalNorm { x, h, y, inv_rms, .. } => all.reads([x]).writes([h, y, inv_rms]),
            Op::FinalNormBackward { h, inv_rms, d_y, d_x, .. } => all.reads([h, inv_rms, d_y]).writes([d_x]),
            // A head that reads int8 rounds its rows in place.
            Op::CrossEntropy { y, nats, d_y, .. } => all.changes([y]).writes([nats, d_y]),
        };
        all.0
    }
}

/// A list of operands under construction.
struct Operands<'a>(Vec<(Access, Named<'a>)>);

impl<'a> Operands<'a> {
    fn add<T: Into<Named<'a>>>(&mut self, access: Access, buffers: impl IntoIterator<Item = T>) -> &mut Self {
        self.0.extend(buffers.into_iter().map(|b| (access, b.into())));
        self
    }

    fn reads<T: Into<Named<'a>>>(&mut self, buffers: impl IntoIterator<Item = T>) -> &mut Self {
        self.add(Access::Reads, buffers)
    }

    fn writes<T: Into<Named<'a>>>(&mut self, buffers: impl IntoIterator<Item = T>) -> &mut Self {
        self.add(Access::Writes, buffers)
    }

    fn changes<T: Into<Named<'a>>>(&mut self, buffers: impl IntoIterator<Item = T>) -> &mut Self {
        self.add(Access::Changes, buffers)
    }
}
