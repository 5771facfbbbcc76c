"""Does somebody else's decoder see the weights in our tensor types that we see?

    blocks_py.py --write FILE.gguf SEED WEIGHTS
    blocks_py.py FILE.json

The first form makes a file of random blocks of every type, each tensor `NAME` followed by `NAME.f32`, which holds what an independent decoder makes of it: the
PyPI package `gguf` for the types that it knows, and for the others the few lines below, an element at a time from the published layouts. Scales are any
finite f16. The JSON of the second form is what `cargo run -p formats --example gguf_json -- FILE.gguf` prints; every tensor must have the weights of its twin,
bit for bit but for the sign of zero. Needs `pip install gguf==0.19.0`. Exits with 1 and one line for each tensor that differs.

`tests/fixtures/blocks_py.gguf` was made by `--write blocks_py.gguf 1 512`, for a test that needs no Python.
"""

import json
import struct
import sys

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

ALIGNMENT = 8  # so that 512 weights of either kind of type 42 differ in length


def two_bits():
    """Q2_0 and its like: code e % 4 of byte e // 4 behind the scale, which stands first."""

    def decode(block, e):
        (scale,) = struct.unpack("<e", block[:2])
        return scale, (block[2 + e // 4] >> (2 * (e % 4)) & 3) - 1

    return decode


def ptq1_0(block, e):
    """PrismML's llama.cpp, `dequantize_row_ptq1_0`: stages of 16, 8 and 2 bytes; digit n of a byte is its n-th after multiplying by 3."""
    (scale,) = struct.unpack("<e", block[26:])
    if e < 80:
        byte, n = e % 16, e // 16
    elif e < 120:
        byte, n = 16 + (e - 80) % 8, (e - 80) // 8
    else:
        byte, n = 24 + (e - 120) % 2, (e - 120) // 2
    return scale, ((block[byte] * 3**n % 256) * 3 >> 8) - 1


def i2_s(block, e):
    """microsoft/BitNet, `quantize_i2_s` for x86: byte j % 32 of 32, the first quarter of 128 weights in the highest bits."""
    return 1.0, (block[e % 32] >> (6 - 2 * (e // 32)) & 3) - 1


# Name, number, weights and bytes of a block, where its f16 scales stand, whether codes of 2 bits may be 3, and the decoder if it is ours.
TYPES = [
    ("F16", 1, 1, 2, [0], True, None),
    ("BF16", 30, 1, 2, [], True, None),
    ("Q4_0", 2, 32, 18, [0], True, None),
    ("Q4_1", 3, 32, 20, [0, 2], True, None),
    ("Q8_0", 8, 32, 34, [0], True, None),
    ("Q4_K", 12, 256, 144, [0, 2], True, None),
    ("Q5_K", 13, 256, 176, [0, 2], True, None),
    ("Q6_K", 14, 256, 210, [208], True, None),
    ("TQ1_0", 34, 256, 54, [52], True, None),
    ("TQ2_0", 35, 256, 66, [64], False, None),
    ("I2_S", 36, 128, 32, [], False, i2_s),
    ("Q2_0", 42, 64, 18, [0], True, two_bits()),
    ("Q2_0_128", 42, 128, 34, [0], True, two_bits()),
    ("Q1_58", 142, 128, 34, [0], False, two_bits()),
    ("PTQ1_0", 143, 128, 28, [26], True, ptq1_0),
]


def random_blocks(rng, count, size, scales, threes):
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    if not threes:
        blocks &= ~((blocks & (blocks >> 1) & 0x55) << 1)
    for at in scales:
        bits = rng.integers(0, 0x7C00, count, dtype=np.uint16) | rng.integers(0, 2, count, dtype=np.uint16) << 15
        blocks[:, at : at + 2] = bits.astype("<u2").view(np.uint8).reshape(-1, 2)
    return blocks


def tensors(rng, weights):
    """Each tensor's name, number and bytes, its twin behind it."""
    for name, number, length, size, scales, threes, decode in TYPES:
        blocks = random_blocks(rng, weights // length, size, scales, threes)
        data, factor = blocks.tobytes(), np.float32(1)
        if name == "BF16":
            # Any number but NaN and infinity.
            blocks[:, 1] &= 0xBF
            data = blocks.tobytes()
        if name == "I2_S":
            factor = np.float32(rng.normal())
            data += factor.tobytes() + bytes(28)
        if decode is None:
            ty = GGMLQuantizationType(number)
            decoded = dequantize(blocks.view(np.float16) if name == "F16" else blocks, ty).reshape(-1)
        else:
            parts = (decode(block.tobytes(), e) for block in blocks for e in range(length))
            decoded = np.array([np.float32(scale) * np.float32(code) for scale, code in parts]) * factor
        yield name, number, data
        yield name + ".f32", 0, decoded.astype("<f4").tobytes()


def text(string):
    return struct.pack("<Q", len(string)) + string.encode()


def write(path, seed, weights):
    header, data, count = b"", b"", 0
    for name, number, values in tensors(np.random.default_rng(seed), weights):
        header += text(name) + struct.pack("<IQIQ", 1, weights, number, len(data))
        data += values + bytes(-len(values) % ALIGNMENT)
        count += 1
    start = b"GGUF" + struct.pack("<IQQ", 3, count, 1) + text("general.alignment") + struct.pack("<II", 4, ALIGNMENT)
    header = start + header
    with open(path, "wb") as file:
        file.write(header + bytes(-len(header) % ALIGNMENT) + data)


def compare(path):
    with open(path, encoding="utf-8") as file:
        found = {t["name"]: t for t in json.load(file)["tensors"]}
    failed, weights = False, 0
    for name, *_ in TYPES:
        ours, theirs = (np.array(found[n]["values"], dtype=np.float64).astype(np.float32) for n in (name, name + ".f32"))
        wrong = np.flatnonzero((ours.view(np.uint32) != theirs.view(np.uint32)) & ~((ours == 0) & (theirs == 0)))
        if found[name]["type"] != name:
            print(f"{path}: {name} is taken for {found[name]['type']}")
        if wrong.size:
            at = wrong[0]
            print(f"{path}: {name}: {wrong.size} of {ours.size} weights differ, the first at {at}: {ours[at]!r}, expected {theirs[at]!r}")
        failed = failed or wrong.size > 0 or found[name]["type"] != name
        weights += ours.size
    if failed:
        sys.exit(1)
    print(f"{path}: {len(TYPES)} types, {weights} weights agree")


def main(args):
    if len(args) == 4 and args[0] == "--write":
        write(args[1], int(args[2]), int(args[3]))
    elif len(args) == 1:
        compare(args[0])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
