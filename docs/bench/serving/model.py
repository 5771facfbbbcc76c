"""Writes a model of Qwen3 1.7B's shape with random ternary weights and a made-up vocabulary, as a GGUF file that either this program
("tercet") or llama.cpp ("qwen3") opens: the same tensors in TQ2_0, the same ids. What it writes is noise; how fast is what is measured.

    python model.py tercet|qwen3 FILE
"""

import struct
import sys

import numpy as np

WIDTH, BLOCKS, HEADS, KV_HEADS, HEAD_DIM, FFN, VOCAB, CONTEXT = 2048, 28, 16, 8, 128, 6144, 151_669, 8192
F32, TQ2_0 = 0, 35
U32, FLOAT, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5


def text(words):
    data = words.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    if kind == STRING:
        return text(v)
    return struct.pack({U32: "<I", FLOAT: "<f", BOOL: "<?", INT32: "<i"}[kind], v)


def field(key, kind, v):
    return text(key) + struct.pack("<I", kind) + value(kind, v)


def array(key, kind, values):
    head = text(key) + struct.pack("<IIQ", ARRAY, kind, len(values))
    return head + b"".join(value(kind, v) for v in values)


def byte_alphabet():
    """GPT-2's names of bytes: those that can be seen are themselves, the others follow from 256 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in seen]
    return {**{b: chr(b) for b in seen}, **{b: chr(256 + i) for i, b in enumerate(hidden)}}


def metadata(arch):
    names = byte_alphabet()
    tokens = [names[b] for b in range(256)]
    # Merges for common words' beginnings; the rest of the ids nothing is read as, and anything may be written as.
    merges = []
    for pair in ["t h", "h e", "th e", "i n", "a n", "o n", "e r", "o u", "\u0120 t", "\u0120t he", "\u0120 a", "\u0120 w", "\u0120 o"]:
        merges.append(pair)
        tokens.append(pair.replace(" ", ""))
    end = len(tokens)
    tokens.append("<|endoftext|>")
    tokens += [f"\u0120w{i}" for i in range(VOCAB - len(tokens))]
    kinds = [1] * VOCAB
    kinds[end] = 3
    fields = [
        field("general.architecture", STRING, arch),
        field("general.name", STRING, "random-1.7b"),
        field(f"{arch}.vocab_size", U32, VOCAB),
        field(f"{arch}.context_length", U32, CONTEXT),
        field(f"{arch}.embedding_length", U32, WIDTH),
        field(f"{arch}.block_count", U32, BLOCKS),
        field(f"{arch}.feed_forward_length", U32, FFN),
        field(f"{arch}.attention.head_count", U32, HEADS),
        field(f"{arch}.attention.head_count_kv", U32, KV_HEADS),
        field(f"{arch}.attention.key_length", U32, HEAD_DIM),
        field(f"{arch}.attention.value_length", U32, HEAD_DIM),
        field(f"{arch}.attention.layer_norm_rms_epsilon", FLOAT, 1e-6),
        field(f"{arch}.rope.freq_base", FLOAT, 1e6),
        field("tokenizer.ggml.model", STRING, "gpt2"),
        field("tokenizer.ggml.pre", STRING, "gpt-2"),
        array("tokenizer.ggml.tokens", STRING, tokens),
        array("tokenizer.ggml.token_type", INT32, kinds),
        array("tokenizer.ggml.merges", STRING, merges),
        field("tokenizer.ggml.eos_token_id", U32, end),
        field("tokenizer.ggml.add_bos_token", BOOL, False),
    ]
    if arch == "tercet":
        fields += [
            field("tercet.hyper_connections.count", U32, 1),
            field("tercet.ternary.group_size", U32, 128),
            field("tercet.feed_forward.activation", STRING, "swiglu"),
            field("tercet.embedding_scale", FLOAT, 1.0),
            field("tercet.head.int8_activations", BOOL, True),
        ]
    return fields


def tensors():
    """Names, types, and shapes as GGUF writes them: the inner dimension first."""
    yield "token_embd.weight", TQ2_0, (WIDTH, VOCAB)
    yield "output_norm.weight", F32, (WIDTH,)
    for i in range(BLOCKS):
        for name, ty, shape in [
            ("attn_norm", F32, (WIDTH,)),
            ("attn_q", TQ2_0, (WIDTH, HEADS * HEAD_DIM)),
            ("attn_k", TQ2_0, (WIDTH, KV_HEADS * HEAD_DIM)),
            ("attn_v", TQ2_0, (WIDTH, KV_HEADS * HEAD_DIM)),
            ("attn_q_norm", F32, (HEAD_DIM,)),
            ("attn_k_norm", F32, (HEAD_DIM,)),
            ("attn_output", TQ2_0, (HEADS * HEAD_DIM, WIDTH)),
            ("ffn_norm", F32, (WIDTH,)),
            ("ffn_gate", TQ2_0, (WIDTH, FFN)),
            ("ffn_up", TQ2_0, (WIDTH, FFN)),
            ("ffn_down", TQ2_0, (FFN, WIDTH)),
        ]:
            yield f"blk.{i}.{name}.weight", ty, shape


def data(ty, shape, rng):
    count = int(np.prod(shape))
    if ty == F32:
        return np.ones(count, np.float32).tobytes()
    blocks = np.empty((count // 256, 66), np.uint8)
    codes = rng.integers(0, 3, (count // 256, 64, 4), np.uint8)
    blocks[:, :64] = codes[..., 0] | codes[..., 1] << 2 | codes[..., 2] << 4 | codes[..., 3] << 6
    # As large as keeps activations as they are.
    blocks[:, 64:] = np.frombuffer(np.float16(1.2 / np.sqrt(shape[0])).tobytes(), np.uint8)
    return blocks.tobytes()


def main(arch, path):
    rng, listed, sizes = np.random.default_rng(7), list(tensors()), []
    offset = 0
    infos = b""
    for name, ty, shape in listed:
        size = int(np.prod(shape)) * 4 if ty == F32 else int(np.prod(shape)) // 256 * 66
        infos += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, ty, offset)
        sizes.append(size)
        offset += -(-size // 32) * 32
    fields = metadata(arch)
    with open(path, "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(fields)) + b"".join(fields) + infos)
        out.write(bytes(-out.tell() % 32))
        for (_, ty, shape), size in zip(listed, sizes):
            out.write(data(ty, shape, rng))
            out.write(bytes(-size % 32))


if __name__ == "__main__":
    main(*sys.argv[1:])
