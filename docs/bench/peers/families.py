"""Every family of models that is read, beside llama.cpp: small random models of all that a family may have (pairing and scaling of rotary
embedding, biases, sub-norms, gates), in floats, so that a wrong order of anything is seen at once.

    python families.py LOGITS_EXAMPLE [--gpu]

LOGITS_EXAMPLE is what `cargo build --release -p runtime --example logits` makes. Fails if any logit differs by more than rounding.
"""

import argparse
import os
import sys
import tempfile

import gguf
import numpy as np

from compare import HERE, asked

WIDTH, BLOCKS, HEADS, KV_HEADS, FFN, VOCAB, CONTEXT = 96, 2, 4, 2, 160, 120, 512
TOKENS = 300
# f32 sums in another order, and keys and values that are rounded to the other neighbouring half; logits have a deviation of 1 to 3.
TOLERANCE = 5e-3

QKV, OTHERS = ("attn_q", "attn_k", "attn_v"), ("attn_output", "ffn_gate", "ffn_up", "ffn_down")
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 128}
# What a file is called, its architecture, keys beside the usual, products with a bias, whether there are rotary divisors.
CASES = [
    ("llama", "llama", {}, (), False),
    ("llama, divisors", "llama", {"rope.freq_base": 5e5}, (), True),
    ("llama, biases of the rest", "llama", {}, OTHERS, False),
    ("llama, linear by the old key", "llama", {"rope.scale_linear": 2.0}, (), False),
    ("llama, divisors and linear", "llama", {"rope.scaling.factor": 2.0}, (), True),
    ("llama, a type of none", "llama", {"rope.scaling.type": "none", "rope.scaling.factor": 3.0}, (), False),
    ("llama, a magnitude", "llama", {"rope.scaling.attn_factor": 1.19}, (), False),
    ("qwen2", "qwen2", {}, QKV, False),
    ("qwen2, linear", "qwen2", {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}, QKV, False),
    ("qwen3", "qwen3", {}, (), False),
    ("qwen3, YaRN", "qwen3", YARN, (), False),
    ("qwen3, YaRN of the whole context", "qwen3", {"rope.scaling.type": "yarn", "rope.scaling.factor": 8.0}, (), False),
    ("qwen3, YaRN with a magnitude", "qwen3", {**YARN, "rope.scaling.attn_factor": 0.8}, (), False),
    ("qwen3, YaRN that shortens", "qwen3", {**YARN, "rope.scaling.factor": 0.5}, (), False),
    # Releases up to 2026-10 know no other gate than SiLU here, whatever `hidden_activation` says.
    ("bitnet", "bitnet", {}, (), False),
]


def write(path, arch, keys, biased, divisors):
    rng = np.random.default_rng(3)
    # llama.cpp has the heads of some together as wide as the model.
    head_dim = WIDTH // HEADS if arch in ("qwen2", "bitnet") else 32
    q_width, kv_width = HEADS * head_dim, KV_HEADS * head_dim
    out = gguf.GGUFWriter(path, arch)
    out.add_vocab_size(VOCAB)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(BLOCKS)
    out.add_feed_forward_length(FFN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(head_dim)
    out.add_value_length(head_dim)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_tokenizer_model("no_vocab")
    for key, value in keys.items():
        kind = {str: out.add_string, float: out.add_float32, int: out.add_uint32}[type(value)]
        kind(f"{arch}.{key}", value)

    def matrix(name, rows, cols, size=1.5):
        out.add_tensor(name + ".weight", (rng.standard_normal((rows, cols)) * size / np.sqrt(cols)).astype(np.float32))

    def vector(name, size, centre, spread):
        out.add_tensor(name, rng.uniform(centre - spread, centre + spread, size).astype(np.float32))

    matrix("token_embd", VOCAB, WIDTH, np.sqrt(WIDTH))
    if arch != "bitnet":
        matrix("output", VOCAB, WIDTH, 2.0)
    vector("output_norm.weight", WIDTH, 1.0 if arch != "bitnet" else 0.2, 0.1)
    if divisors:
        vector("rope_freqs.weight", head_dim // 2, 4.0, 3.0)
    for i in range(BLOCKS):
        part = {
            "attn_q": (q_width, WIDTH), "attn_k": (kv_width, WIDTH), "attn_v": (kv_width, WIDTH), "attn_output": (WIDTH, q_width),
            "ffn_gate": (FFN, WIDTH), "ffn_up": (FFN, WIDTH), "ffn_down": (WIDTH, FFN),
        }
        for name, (rows, cols) in part.items():
            matrix(f"blk.{i}.{name}", rows, cols)
            if name in biased:
                vector(f"blk.{i}.{name}.bias", rows, 0.0, 0.5)
        vector(f"blk.{i}.attn_norm.weight", WIDTH, 1.0, 0.3)
        vector(f"blk.{i}.ffn_norm.weight", WIDTH, 1.0, 0.3)
        if arch == "qwen3":
            vector(f"blk.{i}.attn_q_norm.weight", head_dim, 1.5, 0.3)
            vector(f"blk.{i}.attn_k_norm.weight", head_dim, 1.5, 0.3)
        if arch == "bitnet":
            vector(f"blk.{i}.attn_sub_norm.weight", q_width, 1.0, 0.3)
            vector(f"blk.{i}.ffn_sub_norm.weight", FFN, 1.0, 0.3)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("ours")
    arguments.add_argument("--gpu", action="store_true")
    given = arguments.parse_args()
    ids = ",".join(map(str, np.random.default_rng(1).integers(0, VOCAB, TOKENS)))
    device = ["gpu"] if given.gpu else []
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, arch, keys, biased, divisors in CASES:
            path = os.path.join(folder, "model.gguf")
            write(path, arch, keys, biased, divisors)
            ours, _ = asked([given.ours, path, ids, "1", *device], VOCAB)
            theirs, _ = asked([sys.executable, f"{HERE}/llama.py", path, ids, "--greedy", "1"], VOCAB)
            off = np.abs(ours - theirs).max()
            failed += off > TOLERANCE
            same = 100 * (ours.argmax(-1) == theirs.argmax(-1)).mean()
            print(f"{name}: logits of deviation {theirs.std():.2f} differ by {off:.1e} at most; top 1 alike {same:.1f} %", flush=True)
    sys.exit(f"{failed} of {len(CASES)} differ" if failed else 0)


if __name__ == "__main__":
    main()
