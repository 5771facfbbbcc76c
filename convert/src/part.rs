//! What a tensor is to its model, which its name in a GGUF file says: whether its type may change, and which type is meant.

/// See the top of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The weights of a linear layer.
    Matrix,
    /// The embedding, or a head of its own.
    Table,
    /// What stays as it is: gains, biases, parameters of hyper-connections.
    Other,
}

/// Linear layers, as llama.cpp names them in a block.
const MATRICES: [&str; 7] = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];

impl Part {
    /// That of a tensor of this name.
    pub fn of(name: &str) -> Part {
        if ["token_embd.weight", "output.weight"].contains(&name) {
            return Part::Table;
        }
        let layer = || name.strip_prefix("blk.")?.split_once('.')?.1.strip_suffix(".weight");
        match layer() {
            Some(layer) if MATRICES.contains(&layer) => Part::Matrix,
            _ => Part::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_their_names() {
        for name in ["blk.0.attn_q.weight", "blk.17.ffn_down.weight"] {
            assert_eq!(Part::of(name), Part::Matrix, "{name}");
        }
        assert_eq!([Part::of("token_embd.weight"), Part::of("output.weight")], [Part::Table; 2]);
        for name in [
            "output_norm.weight",
            "blk.0.attn_q.bias",
            "blk.0.attn_q_norm.weight",
            "blk.0.hc_attn_pre.weight",
            "blk.0.ffn_gate_exps.weight",
            "rope_freqs.weight",
        ] {
            assert_eq!(Part::of(name), Part::Other, "{name}");
        }
    }
}
