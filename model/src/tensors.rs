//! The tensors that a file of a configuration holds: names, types and shapes, as docs/formats.md lists them. For whoever makes
//! models; reading them is `weights`' business.

use formats::blocks::TensorType;

use crate::config::ModelConfig;

/// What a tensor does, which decides what values it starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An embedding or a head.
    Table,
    /// A ternary matrix of a block.
    Matrix,
    /// The gain of a norm.
    Gain,
    /// Of a query's or key's norm.
    HeadGain,
    /// What makes a hyper-connection depend on its input.
    HyperWeight,
    /// What a hyper-connection does whatever its input.
    HyperBias,
    /// How much of the weight counts.
    HyperAlpha,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// How it is stored.
    pub ty: TensorType,
    /// Sizes in GGUF order: row length first; a vector has one.
    pub dims: Vec<usize>,
    /// What it does.
    pub role: Role,
}

impl ModelConfig {
    /// The tensors of a model of this shape, in the order of its forward pass.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut list = Vec::new();
        let mut add = |name: String, ty: TensorType, dims: &[usize], role: Role| {
            list.push(TensorSpec { name, ty, dims: dims.to_vec(), role });
        };
        let (d, f, t) = (self.width, TensorType::F32, TensorType::Q1_58);
        add("token_embd.weight".into(), self.embedding.tensor_type(), &[d, self.vocab], Role::Table);
        add("output_norm.weight".into(), f, &[d], Role::Gain);
        if !self.tied {
            add("output.weight".into(), self.head.tensor_type(), &[d, self.vocab], Role::Table);
        }
        for b in 0..self.blocks {
            let name = |part: &str| format!("blk.{b}.{part}.weight");
            add(name("attn_norm"), f, &[d], Role::Gain);
            add(name("attn_q"), t, &[d, self.q_width()], Role::Matrix);
            add(name("attn_k"), t, &[d, self.kv_width()], Role::Matrix);
            add(name("attn_v"), t, &[d, self.kv_width()], Role::Matrix);
            if self.qk_norm {
                add(name("attn_q_norm"), f, &[self.head_dim], Role::HeadGain);
                add(name("attn_k_norm"), f, &[self.head_dim], Role::HeadGain);
            }
            if self.attn_sub_norm {
                add(name("attn_sub_norm"), f, &[self.q_width()], Role::Gain);
            }
            add(name("attn_output"), t, &[self.q_width(), d], Role::Matrix);
            add(name("ffn_norm"), f, &[d], Role::Gain);
            if self.activation.gated() {
                add(name("ffn_gate"), t, &[d, self.ffn], Role::Matrix);
            }
            add(name("ffn_up"), t, &[d, self.ffn], Role::Matrix);
            if self.ffn_sub_norm {
                add(name("ffn_sub_norm"), f, &[self.ffn], Role::Gain);
            }
            add(name("ffn_down"), t, &[self.ffn, d], Role::Matrix);
            if self.streams > 1 {
                let n = self.streams;
                for kind in ["attn", "ffn"] {
                    for (part, outputs) in [("pre", n), ("post", n), ("res", (1..=n).product())] {
                        let name = format!("blk.{b}.hc_{kind}_{part}");
                        add(format!("{name}.weight"), f, &[n * d, outputs], Role::HyperWeight);
                        add(format!("{name}.bias"), f, &[outputs], Role::HyperBias);
                        add(format!("{name}.alpha"), f, &[1], Role::HyperAlpha);
                    }
                }
            }
        }
        list
    }
}
