//! Prints a GGUF file as JSON for `tests/gguf_py.py`, or writes a sample that others read too:
//! `gguf_json FILE.gguf`, or `gguf_json --sample FILE.gguf`.

use std::path::Path;

use formats::blocks::{TensorType, pack};
use formats::gguf::{Gguf, GgufWriter, Metadata};
use serde_json::{Value as Json, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match args.as_slice() {
        [flag, path] if flag == "--sample" => sample()?.write(Path::new(path))?,
        [path] => println!("{}", dump(&Gguf::open(Path::new(path))?)?),
        _ => return Err("usage: gguf_json [--sample] FILE.gguf".into()),
    }
    Ok(())
}

/// `{"keys": [{key, type, value}], "tensors": [{name, type, dims, values}]}`, in the order of the file.
fn dump(gguf: &Gguf) -> formats::Result<Json> {
    let keys: Vec<Json> = gguf
        .metadata()
        .iter()
        .map(|(key, value)| json!({"key": key, "type": value.type_name(), "value": value}))
        .collect();
    let mut tensors = Vec::new();
    for info in gguf.tensors() {
        let values = gguf.tensor(&info.name)?.to_f32()?;
        tensors.push(
            json!({"name": info.name, "type": info.ty.name(), "dims": info.dims.to_vec(), "values": values}),
        );
    }
    Ok(json!({"keys": keys, "tensors": tensors}))
}

/// Every value type, the tensor types that we round to and others read, one to four dimensions.
fn sample() -> formats::Result<GgufWriter> {
    let mut m = Metadata::new();
    m.insert("general.architecture", "sample");
    m.insert("sample.u8", 200u8);
    m.insert("sample.i8", -100i8);
    m.insert("sample.u16", 60_000u16);
    m.insert("sample.i16", -30_000i16);
    m.insert("sample.u32", u32::MAX);
    m.insert("sample.i32", i32::MIN);
    m.insert("sample.f32", 1.1f32);
    m.insert("sample.bool", true);
    m.insert("sample.u64", u64::MAX);
    m.insert("sample.i64", i64::MIN);
    m.insert("sample.f64", 1.1f64);
    m.insert("sample.text", "To be, or not to be — 生存か\n");
    m.insert("sample.strings", vec!["Ġthe".to_owned(), String::new(), "é".to_owned()]);
    m.insert("sample.i32s", vec![1i32, -2, 3]);
    m.insert("sample.f32s", vec![0.1f32, -1e30]);
    m.insert("sample.bools", vec![true, false]);
    m.insert("sample.none", Vec::<u32>::new());
    let mut w = GgufWriter::new(m);
    let shapes: [&[u64]; 4] = [&[512], &[256, 3], &[256, 2, 3], &[256, 1, 2, 2]];
    let types = [TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8_0, TensorType::TQ2_0];
    for (i, ty) in types.into_iter().enumerate() {
        let dims = shapes[i % 4];
        let count = dims.iter().product::<u64>();
        let weights: Vec<f32> = (0..count).map(|k| ((k * k + 3 * k) % 251) as f32 / 500.0 - 0.2).collect();
        let mut bytes = Vec::new();
        pack(ty, &weights, &mut bytes)?;
        w.add_tensor(&format!("blk.{i}.{}.weight", ty.name().to_lowercase()), ty, dims, bytes)?;
    }
    Ok(w)
}
