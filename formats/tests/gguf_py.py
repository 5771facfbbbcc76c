"""Does the public `gguf` reader see in our file what we see in it?

    gguf_py.py FILE.gguf FILE.json [FILE.gguf FILE.json ...]
    gguf_py.py --write FILE.gguf FILE.json

The JSON is what `cargo run -p formats --example gguf_json -- FILE.gguf` prints: keys with their types and values,
tensors with their types, dimensions and weights as f32. Keys, order, types, dimensions and every weight must be
equal, bit for bit. Needs `pip install gguf`. Exits with 1 and one line for each difference.

The second form goes the other way: the public writer and quantisers make a file, and the JSON says what is in it.
`tests/fixtures/gguf_py.*` were made so, for a test that needs no Python.
"""

import json
import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize

# What the reader calls the value types; ours are in the JSON.
NAMES = {
    GGUFValueType.UINT8: "u8",
    GGUFValueType.INT8: "i8",
    GGUFValueType.UINT16: "u16",
    GGUFValueType.INT16: "i16",
    GGUFValueType.UINT32: "u32",
    GGUFValueType.INT32: "i32",
    GGUFValueType.FLOAT32: "f32",
    GGUFValueType.BOOL: "bool",
    GGUFValueType.STRING: "string",
    GGUFValueType.UINT64: "u64",
    GGUFValueType.INT64: "i64",
    GGUFValueType.FLOAT64: "f64",
}


def type_name(types):
    if types[0] != GGUFValueType.ARRAY:
        return NAMES[types[0]]
    # The reader learns an array's element type from its first element.
    if len(types) < 2:
        return "empty array"
    element = NAMES[types[1]]
    return "array of " + ("strings" if element == "string" else element)


def differences(path, expected):
    reader = GGUFReader(path)
    found = [(key, field) for key, field in reader.fields.items() if not key.startswith("GGUF.")]
    if [key for key, _ in found] != [k["key"] for k in expected["keys"]]:
        yield f"keys are {[key for key, _ in found]}, expected {[k['key'] for k in expected['keys']]}"
        return
    for (key, field), want in zip(found, expected["keys"]):
        ty, value = type_name(field.types), field.contents()
        if ty == "empty array" and want["value"] == []:
            continue
        if ty != want["type"]:
            yield f"key {key} is of type {ty}, expected {want['type']}"
        if value != want["value"]:
            yield f"key {key} is {str(value)[:80]}, expected {str(want['value'])[:80]}"

    if [t.name for t in reader.tensors] != [t["name"] for t in expected["tensors"]]:
        yield f"tensors are {[t.name for t in reader.tensors]}, expected {[t['name'] for t in expected['tensors']]}"
        return
    for tensor, want in zip(reader.tensors, expected["tensors"]):
        ty = GGMLQuantizationType(tensor.tensor_type).name
        if ty != want["type"]:
            yield f"tensor {tensor.name} is of type {ty}, expected {want['type']}"
        dims = [int(n) for n in tensor.shape]
        if dims != want["dims"]:
            yield f"tensor {tensor.name} has dimensions {dims}, expected {want['dims']}"
        weights = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32).reshape(-1)
        ours = np.array(want["values"], dtype=np.float64).astype(np.float32)
        if weights.shape != ours.shape:
            yield f"tensor {tensor.name} has {weights.size} weights, expected {ours.size}"
            continue
        # The only freedom: the sign of zero, which a ternary 0 times a scale does not fix.
        wrong = np.flatnonzero((weights.view(np.uint32) != ours.view(np.uint32)) & ~((weights == 0) & (ours == 0)))
        if wrong.size:
            at = wrong[0]
            yield (f"tensor {tensor.name}: {wrong.size} of {ours.size} weights differ, "
                   f"the first at {at}: {weights[at]!r}, expected {ours[at]!r}")


def write(path, json_path):
    writer = GGUFWriter(path, "sample")
    writer.add_custom_alignment(64)
    writer.add_string("sample.text", "naïve\n生存")
    writer.add_array("sample.strings", ["a", "", "Ġé"])
    writer.add_array("sample.i32s", [1, -2, 3])
    writer.add_float32("sample.f32", 0.1)
    writer.add_bool("sample.bool", True)
    writer.add_uint64("sample.u64", 2**64 - 1)
    weights = np.random.default_rng(7).normal(0, 0.05, (2, 256)).astype(np.float32)
    expected = {"sample.text": "naïve\n生存", "sample.strings": ["a", "", "Ġé"], "sample.i32s": [1, -2, 3]}
    tensors = []
    for ty in (GGMLQuantizationType[name] for name in ("F32", "F16", "BF16", "Q8_0", "TQ2_0")):
        blocks = weights.astype(np.float16) if ty == GGMLQuantizationType.F16 else quantize(weights, ty)
        writer.add_tensor(f"t.{ty.name}", blocks, raw_dtype=ty)
        values = dequantize(blocks, ty).reshape(-1).astype(np.float64).tolist()
        tensors.append({"name": f"t.{ty.name}", "type": ty.name, "dims": [256, 2], "values": values})
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open(json_path, "w", encoding="utf-8") as file:
        json.dump({"keys": expected, "tensors": tensors}, file, ensure_ascii=False)
        file.write("\n")


def main(args):
    if len(args) == 3 and args[0] == "--write":
        write(args[1], args[2])
        return
    if not args or len(args) % 2:
        sys.exit(__doc__)
    failed = False
    for path, json_path in zip(args[::2], args[1::2]):
        with open(json_path, encoding="utf-8") as file:
            expected = json.load(file)
        found = list(differences(path, expected))
        for line in found:
            print(f"{path}: {line}")
        if not found:
            weights = sum(len(t["values"]) for t in expected["tensors"])
            print(f"{path}: {len(expected['keys'])} keys, {len(expected['tensors'])} tensors, {weights} weights agree")
        failed = failed or bool(found)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
