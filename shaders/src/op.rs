//! The ops: which files of WGSL make each up, and what it binds. Group 0 throughout; the entry point is `main`.

use crate::Variant;

/// What a row op reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A row, or the sum of a token's streams.
    Row,
    /// The feed-forward non-linearity of up and gate.
    Activation,
    /// The streams through a hyper-connection.
    Hyper,
}

/// What a product with int8 activations reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weights {
    /// Two bits each, 128 to a scale.
    Ternary,
    /// Eight bits each, 32 to a scale.
    Q8,
}

/// Where a product goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// To a buffer of its own.
    Store,
    /// Back to the residual streams.
    Streams,
}

/// How an embedding or a head is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Halves.
    F16,
    /// Eight bits each, 32 to a scale.
    Q8,
    /// Two bits each, 128 to a scale.
    Ternary,
}

/// An op of the forward pass. What it computes and the constants it takes are in the file that bears its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `embed.wgsl`.
    Embed(Table),
    /// `hyper_project.wgsl`.
    HyperProject,
    /// `norm_quantise.wgsl`.
    NormQuantise(Input),
    /// `gemv.wgsl`.
    Gemv(Weights, Output),
    /// `gemm.wgsl`.
    Gemm(Output),
    /// `norm_rope_store.wgsl`.
    NormRopeStore,
    /// `attention.wgsl`.
    Attention,
    /// `final_norm.wgsl`.
    FinalNorm,
    /// `head.wgsl`.
    Head(Table),
    /// `argmax.wgsl`.
    Argmax,
    /// `draw.wgsl`.
    Draw,
}

/// How a shader uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// [`Step`](crate::Step).
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer.
    Write,
}

/// One binding of group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its number.
    pub index: u32,
    /// Its use.
    pub access: Access,
}

macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!("../wgsl/", $name, ".wgsl"))
    };
}

const STEP: Binding = Binding { index: 0, access: Access::Uniform };

const fn read(index: u32) -> Binding {
    Binding { index, access: Access::Read }
}

const fn write(index: u32) -> Binding {
    Binding { index, access: Access::Write }
}

impl Op {
    /// Every op there is.
    pub fn all() -> Vec<Op> {
        let mut all =
            vec![Op::HyperProject, Op::NormRopeStore, Op::Attention, Op::FinalNorm, Op::Argmax, Op::Draw];
        all.extend([Input::Row, Input::Activation, Input::Hyper].map(Op::NormQuantise));
        for output in [Output::Store, Output::Streams] {
            all.extend([Op::Gemm(output), Op::Gemv(Weights::Ternary, output), Op::Gemv(Weights::Q8, output)]);
        }
        for table in [Table::F16, Table::Q8, Table::Ternary] {
            all.extend([Op::Embed(table), Op::Head(table)]);
        }
        all
    }

    /// Its name, that of its file.
    pub fn name(self) -> &'static str {
        match self {
            Op::Embed(_) => "embed",
            Op::HyperProject => "hyper_project",
            Op::NormQuantise(_) => "norm_quantise",
            Op::Gemv(..) => "gemv",
            Op::Gemm(_) => "gemm",
            Op::NormRopeStore => "norm_rope_store",
            Op::Attention => "attention",
            Op::FinalNorm => "final_norm",
            Op::Head(_) => "head",
            Op::Argmax => "argmax",
            Op::Draw => "draw",
        }
    }

    /// Its WGSL, complete.
    pub fn source(self, variant: Variant) -> String {
        let half = if variant.f16 { wgsl!("half_native") } else { wgsl!("half_packed") };
        let group = if variant.subgroups { wgsl!("group_subgroups") } else { wgsl!("group_portable") };
        let dot = if variant.packed_dot { wgsl!("dot_packed") } else { wgsl!("dot_plain") };
        let step = wgsl!("step");
        let table = |table| match table {
            Table::F16 => wgsl!("table_f16"),
            Table::Q8 => wgsl!("table_q8"),
            Table::Ternary => wgsl!("table_ternary"),
        };
        let weights = |weights| match weights {
            Weights::Ternary => wgsl!("weights_ternary"),
            Weights::Q8 => wgsl!("weights_q8"),
        };
        let output = |output| match output {
            Output::Store => wgsl!("out_store"),
            Output::Streams => wgsl!("out_streams"),
        };
        let (row_sum, exp) = (wgsl!("row_sum"), wgsl!("exp"));
        let parts: Vec<&str> = match self {
            Op::Embed(t) => vec![half, group, table(t), wgsl!("embed")],
            Op::HyperProject => vec![group, row_sum, wgsl!("hyper_project")],
            Op::NormQuantise(input) => {
                let mut parts = vec![group, row_sum, wgsl!("norm_quantise")];
                parts.extend(match input {
                    Input::Row => [step, wgsl!("input_row")],
                    Input::Activation => [exp, wgsl!("input_activation")],
                    Input::Hyper => [exp, wgsl!("input_hyper")],
                });
                parts
            }
            Op::Gemv(w, out) => {
                vec![half, group, dot, wgsl!("weights"), weights(w), output(out), wgsl!("gemv")]
            }
            Op::Gemm(out) => {
                let weights = [wgsl!("weights"), weights(Weights::Ternary)];
                [&[half, group, dot, step][..], &weights, &[output(out), wgsl!("gemm")]].concat()
            }
            Op::NormRopeStore => {
                vec![half, group, wgsl!("half_round"), row_sum, wgsl!("place"), wgsl!("norm_rope_store")]
            }
            Op::Attention => vec![half, group, exp, wgsl!("place"), wgsl!("attention")],
            Op::FinalNorm => vec![group, row_sum, step, wgsl!("input_row"), wgsl!("final_norm")],
            Op::Head(t) => vec![half, group, table(t), wgsl!("head")],
            Op::Argmax => vec![group, step, wgsl!("argmax")],
            Op::Draw => vec![group, exp, step, wgsl!("draw")],
        };
        parts.join("\n")
    }

    /// What it binds, in the order of binding numbers.
    pub fn bindings(self) -> Vec<Binding> {
        let table = |t| if t == Table::F16 { vec![read(3)] } else { vec![read(3), read(4)] };
        let output = |o| if o == Output::Store { vec![write(5)] } else { vec![write(5), read(6)] };
        let weights = [read(1), read(2), read(3), read(4)];
        match self {
            Op::Embed(t) | Op::Head(t) => [vec![read(1), write(2)], table(t)].concat(),
            Op::HyperProject => vec![read(1), read(2), write(3)],
            Op::NormQuantise(Input::Row) => vec![STEP, read(1), write(2), write(3), read(4)],
            Op::NormQuantise(Input::Activation) => vec![read(1), write(2), write(3), read(4)],
            Op::NormQuantise(Input::Hyper) => {
                vec![read(1), write(2), write(3), read(4), read(5), read(6), write(7)]
            }
            Op::Gemv(_, o) => [weights.to_vec(), output(o)].concat(),
            Op::Gemm(o) => [vec![STEP], weights.to_vec(), output(o)].concat(),
            Op::NormRopeStore => {
                vec![write(1), read(2), read(3), write(4), write(5), read(6), read(7)]
            }
            Op::Attention => vec![read(1), read(2), read(3), write(4), read(6), read(7)],
            Op::FinalNorm => vec![STEP, read(1), write(2), read(4)],
            Op::Argmax => vec![STEP, read(1), write(2), write(3)],
            Op::Draw => vec![STEP, read(1), write(2), write(3), read(4)],
        }
    }
}
