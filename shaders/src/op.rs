//! The ops: which files of WGSL make each up, and what it binds. Group 0 throughout; the entry point is `main`.

use crate::Variant;

macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!("../wgsl/", $name, ".wgsl"))
    };
}

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
    /// The same, and all multiplied by one number.
    TernaryTimes,
    /// Two bits each, 64 to a scale.
    Ternary64,
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

/// How a matrix is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the formats' names for what lies as in their files
pub enum Table {
    /// 32-bit floats.
    F32,
    /// Halves.
    F16,
    /// The upper halves of 32-bit floats.
    Bf16,
    /// Eight bits each, 32 to a scale.
    Q8,
    /// Two bits each, 128 to a scale.
    Ternary,
    /// Two bits each, 64 to a scale.
    Ternary64,
    Q4_0,
    Q4_1,
    Q4K,
    Q5K,
    Q6K,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 11] = [
        Table::F32,
        Table::F16,
        Table::Bf16,
        Table::Q8,
        Table::Ternary,
        Table::Ternary64,
        Table::Q4_0,
        Table::Q4_1,
        Table::Q4K,
        Table::Q5K,
        Table::Q6K,
    ];

    /// Weights that share a scale which lies apart from their codes; `None` where there is none.
    pub fn group(self) -> Option<u32> {
        match self {
            Table::Q8 => Some(32),
            Table::Ternary => Some(128),
            Table::Ternary64 => Some(64),
            _ => None,
        }
    }

    /// Its part of a shader's source.
    fn source(self) -> Vec<&'static str> {
        let blocks = wgsl!("blocks");
        match self {
            Table::F32 => vec![wgsl!("table_f32")],
            Table::F16 => vec![wgsl!("table_f16")],
            Table::Bf16 => vec![wgsl!("table_bf16")],
            Table::Q8 => vec![wgsl!("table_q8")],
            Table::Ternary | Table::Ternary64 => vec![wgsl!("table_ternary")],
            Table::Q4_0 => vec![blocks, wgsl!("block_q4_0")],
            Table::Q4_1 => vec![blocks, wgsl!("block_q4_1")],
            Table::Q4K => vec![blocks, wgsl!("scales_k"), wgsl!("block_q4_k")],
            Table::Q5K => vec![blocks, wgsl!("scales_k"), wgsl!("block_q5_k")],
            Table::Q6K => vec![blocks, wgsl!("block_q6_k")],
        }
    }
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
    /// `gemm.wgsl`, for ternary weights in groups of 128.
    Gemm(Weights, Output),
    /// `norm.wgsl`.
    Norm(Input),
    /// `product.wgsl`.
    Product(Table, Output),
    /// `bias.wgsl`.
    Bias,
    /// `norm_rope_store.wgsl`.
    NormRopeStore,
    /// `attention.wgsl`.
    Attention,
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
            vec![Op::HyperProject, Op::Bias, Op::NormRopeStore, Op::Attention, Op::Argmax, Op::Draw];
        let inputs = [Input::Row, Input::Activation, Input::Hyper];
        all.extend(inputs.into_iter().flat_map(|input| [Op::NormQuantise(input), Op::Norm(input)]));
        all.extend(Table::ALL.map(Op::Embed));
        for output in [Output::Store, Output::Streams] {
            let together = [Weights::Ternary, Weights::TernaryTimes];
            all.extend(together.map(|weights| Op::Gemm(weights, output)));
            let one = [Weights::Ternary, Weights::TernaryTimes, Weights::Ternary64, Weights::Q8];
            all.extend(one.map(|weights| Op::Gemv(weights, output)));
            all.extend(Table::ALL.map(|table| Op::Product(table, output)));
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
            Op::Gemm(..) => "gemm",
            Op::Norm(_) => "norm",
            Op::Product(..) => "product",
            Op::Bias => "bias",
            Op::NormRopeStore => "norm_rope_store",
            Op::Attention => "attention",
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
        let table = Table::source;
        let weights = |weights| {
            let times = match weights {
                Weights::TernaryTimes => wgsl!("times_factor"),
                _ => wgsl!("times_nothing"),
            };
            let own = match weights {
                Weights::Ternary | Weights::TernaryTimes => wgsl!("weights_ternary"),
                Weights::Ternary64 => wgsl!("weights_ternary_64"),
                Weights::Q8 => wgsl!("weights_q8"),
            };
            [wgsl!("weights"), times, own]
        };
        let output = |output| match output {
            Output::Store => wgsl!("out_store"),
            Output::Streams => wgsl!("out_streams"),
        };
        let (row_sum, exp) = (wgsl!("row_sum"), wgsl!("exp"));
        let row = |op, input| {
            let input = match input {
                Input::Row => [step, wgsl!("input_row")],
                Input::Activation => [exp, wgsl!("input_activation")],
                Input::Hyper => [exp, wgsl!("input_hyper")],
            };
            [&[group, row_sum, op][..], &input].concat()
        };
        let parts: Vec<&str> = match self {
            Op::Embed(t) => [&[half, group][..], &table(t), &[wgsl!("embed")]].concat(),
            Op::HyperProject => vec![group, row_sum, wgsl!("hyper_project")],
            Op::NormQuantise(input) => row(wgsl!("norm_quantise"), input),
            Op::Norm(input) => row(wgsl!("norm"), input),
            Op::Gemv(w, out) => {
                [&[half, group, dot][..], &weights(w), &[output(out), wgsl!("gemv")]].concat()
            }
            Op::Gemm(w, out) => {
                [&[half, group, dot, step][..], &weights(w), &[output(out), wgsl!("gemm")]].concat()
            }
            Op::Product(t, out) => [&[half, group][..], &table(t), &[output(out), wgsl!("product")]].concat(),
            Op::Bias => vec![group, wgsl!("bias")],
            Op::NormRopeStore => {
                vec![half, group, wgsl!("half_round"), row_sum, wgsl!("place"), wgsl!("norm_rope_store")]
            }
            Op::Attention => vec![half, group, exp, wgsl!("place"), wgsl!("attention")],
            Op::Argmax => vec![group, step, wgsl!("argmax")],
            Op::Draw => vec![group, exp, step, wgsl!("draw")],
        };
        parts.join("\n")
    }

    /// What it binds, in the order of binding numbers.
    pub fn bindings(self) -> Vec<Binding> {
        let table = |t: Table| if t.group().is_some() { vec![read(3), read(4)] } else { vec![read(3)] };
        let output = |o| if o == Output::Store { vec![write(5)] } else { vec![write(5), read(6)] };
        let weights = [read(1), read(2), read(3), read(4)];
        let factor = |w| if w == Weights::TernaryTimes { vec![read(7)] } else { vec![] };
        match self {
            Op::Embed(t) => [vec![read(1), write(2)], table(t)].concat(),
            Op::Product(t, o) => [vec![read(1)], table(t), output(o)].concat(),
            Op::HyperProject => vec![read(1), read(2), write(3)],
            Op::NormQuantise(Input::Row) => vec![STEP, read(1), write(2), write(3), read(4)],
            Op::NormQuantise(Input::Activation) => vec![read(1), write(2), write(3), read(4)],
            Op::NormQuantise(Input::Hyper) => {
                vec![read(1), write(2), write(3), read(4), read(5), read(6), write(7)]
            }
            Op::Norm(Input::Row) => vec![STEP, read(1), write(2), read(4)],
            Op::Norm(Input::Activation) => vec![read(1), write(2), read(4)],
            Op::Norm(Input::Hyper) => vec![read(1), write(2), read(4), read(5), read(6), write(7)],
            Op::Gemv(w, o) => [weights.to_vec(), output(o), factor(w)].concat(),
            Op::Gemm(w, o) => [vec![STEP], weights.to_vec(), output(o), factor(w)].concat(),
            Op::Bias => vec![read(1), write(2)],
            Op::NormRopeStore => {
                vec![write(1), read(2), read(3), write(4), write(5), read(6), read(7)]
            }
            Op::Attention => vec![read(1), read(2), read(3), write(4), read(6), read(7)],
            Op::Argmax => vec![STEP, read(1), write(2), write(3)],
            Op::Draw => vec![STEP, read(1), write(2), write(3), read(4)],
        }
    }
}
