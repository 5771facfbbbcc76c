"""Writes a model of a published shape with random weights, as the `gguf` package writes files: what a peer is asked about too.

    python models.py SHAPE TYPE FILE [--blocks N] [--vocab N] [--head TYPE]

SHAPE  bonsai-1.7b, bitnet-2b4t, falcon3-1b, trilm-1.1b, smollm2-135m
TYPE   of the matrices of linear layers: TQ1_0, TQ2_0, F16, BF16, F32, Q8_0, Q4_0, Q4_1; ternary weights whatever the type, but for Q4_0 and Q4_1
--blocks N    fewer than there are
--vocab N     fewer ids
--nearly      in F32, a millionth off being ternary: run unquantised by whoever runs ternary floats quantised
--head TYPE   of the embedding and an untied head (F16): also Q8_0, Q4_0, Q4_1, BF16, F32
"""

import argparse

import gguf
import numpy as np

# Architecture, width, blocks, heads, key-value heads, head width, feed-forward width, vocabulary, rotary base, epsilon, tied.
SHAPES = {
    "bonsai-1.7b": ("qwen3", 2048, 28, 16, 8, 128, 6144, 151_669, 1e6, 1e-6, True),
    "bitnet-2b4t": ("bitnet", 2560, 30, 20, 5, 128, 6912, 128_256, 5e5, 1e-5, True),
    "falcon3-1b": ("llama", 2048, 18, 8, 4, 256, 8192, 131_072, 1e6, 1e-6, False),
    "trilm-1.1b": ("llama", 2048, 24, 16, 16, 128, 5632, 50_432, 1e4, 1e-5, False),
    "smollm2-135m": ("llama", 576, 30, 9, 3, 64, 1536, 49_152, 1e5, 1e-5, True),
}
TERNARY_SCALE_GROUP = 256


def ternary(rng, rows, cols):
    """Ternary weights with one scale for each 256 of a row, or for all of a shorter one: what every type here holds exactly."""
    group = TERNARY_SCALE_GROUP if cols % TERNARY_SCALE_GROUP == 0 else cols
    codes = rng.integers(-1, 2, (rows, cols // group, group)).astype(np.float32)
    # As large as keeps activations as they are.
    scales = (1.2 / np.sqrt(cols) * rng.uniform(0.8, 1.25, (rows, cols // group, 1))).astype(np.float16).astype(np.float32)
    return (codes * scales).reshape(rows, cols)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("shape", choices=SHAPES)
    arguments.add_argument("type")
    arguments.add_argument("file")
    arguments.add_argument("--blocks", type=int)
    arguments.add_argument("--vocab", type=int)
    arguments.add_argument("--head", default="F16")
    arguments.add_argument("--nearly", action="store_true")
    given = arguments.parse_args()
    arch, width, blocks, heads, kv_heads, head_dim, ffn, vocab, base, eps, tied = SHAPES[given.shape]
    blocks, vocab = given.blocks or blocks, given.vocab or vocab
    rng = np.random.default_rng(7)

    out = gguf.GGUFWriter(given.file, arch)
    out.add_name(given.shape)
    out.add_vocab_size(vocab)
    out.add_context_length(4096)
    out.add_embedding_length(width)
    out.add_block_count(blocks)
    out.add_feed_forward_length(ffn)
    out.add_head_count(heads)
    out.add_head_count_kv(kv_heads)
    out.add_key_length(head_dim)
    out.add_value_length(head_dim)
    out.add_layer_norm_rms_eps(eps)
    out.add_rope_freq_base(base)
    out.add_rope_dimension_count(head_dim)
    if given.shape == "bonsai-1.7b":
        out.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        out.add_rope_scaling_factor(4.0)
        out.add_rope_scaling_orig_ctx_len(1024)
    # Ids alone are compared.
    out.add_tokenizer_model("no_vocab")

    def add(name, values, ty):
        ty = gguf.GGMLQuantizationType[ty]
        data = gguf.quants.quantize(values, ty)
        out.add_tensor(name, data, raw_dtype=ty)

    def gain(name, size):
        add(name, rng.uniform(0.7, 1.3, size).astype(np.float32), "F32")

    def matrix(name, rows, cols):
        values = ternary(rng, rows, cols)
        if given.nearly:
            values[:, ::128] *= np.float32(1 + 1e-6)
        add(name, values, given.type)

    # Small beside what the blocks add, so that a tied head does more than repeat its token; the last gain makes logits of a few units.
    size = np.float32(0.05)
    add("token_embd.weight", size * rng.standard_normal((vocab, width), np.float32), given.head)
    if not tied:
        add("output.weight", size * rng.standard_normal((vocab, width), np.float32), given.head)
    add("output_norm.weight", np.full(width, 3 / np.sqrt(width) / size, np.float32), "F32")
    for i in range(blocks):
        block = f"blk.{i}."
        gain(block + "attn_norm.weight", width)
        matrix(block + "attn_q.weight", heads * head_dim, width)
        matrix(block + "attn_k.weight", kv_heads * head_dim, width)
        matrix(block + "attn_v.weight", kv_heads * head_dim, width)
        matrix(block + "attn_output.weight", width, heads * head_dim)
        gain(block + "ffn_norm.weight", width)
        matrix(block + "ffn_gate.weight", ffn, width)
        matrix(block + "ffn_up.weight", ffn, width)
        matrix(block + "ffn_down.weight", width, ffn)
        if arch == "qwen3":
            gain(block + "attn_q_norm.weight", head_dim)
            gain(block + "attn_k_norm.weight", head_dim)
        if arch == "bitnet":
            gain(block + "attn_sub_norm.weight", heads * head_dim)
            gain(block + "ffn_sub_norm.weight", ffn)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main()
