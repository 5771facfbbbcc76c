//! A file that somebody else's writer made: `fixtures/gguf_py.*` come from the PyPI package `gguf` 0.19.0, by
//! `gguf_py.py --write fixtures/gguf_py.gguf fixtures/gguf_py.json`. The other direction is that script's main use.

use formats::gguf::Gguf;
use serde_json::Value as Json;

#[test]
fn a_file_by_the_public_writer_reads_bit_for_bit() {
    let gguf = Gguf::parse(include_bytes!("../fixtures/gguf_py.gguf").to_vec(), "gguf_py.gguf").unwrap();
    let expected: Json = serde_json::from_str(include_str!("../fixtures/gguf_py.json")).unwrap();
    let m = gguf.metadata();
    assert_eq!(m.require_str("general.architecture").unwrap(), "sample");
    assert_eq!(m.require_str("sample.text").unwrap(), expected["keys"]["sample.text"]);
    let strings: Json = m.require_strs("sample.strings").unwrap().iter().collect();
    assert_eq!(strings, expected["keys"]["sample.strings"]);
    assert_eq!(Json::from(m.require_i32s("sample.i32s").unwrap()), expected["keys"]["sample.i32s"]);
    assert_eq!(m.require_f32("sample.f32").unwrap(), 0.1);
    assert!(m.require_bool("sample.bool").unwrap());
    assert_eq!(m.require_u64("sample.u64").unwrap(), u64::MAX);
    assert_eq!(gguf.header().alignment(), 64);

    let tensors = expected["tensors"].as_array().unwrap();
    assert_eq!((gguf.tensors().len(), tensors.len()), (5, 5));
    for want in tensors {
        let tensor = gguf.tensor(want["name"].as_str().unwrap()).unwrap();
        assert_eq!(tensor.info.ty.name(), want["type"]);
        assert_eq!(Json::from(&tensor.info.dims[..]), want["dims"]);
        let values: Vec<f32> =
            want["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        assert_eq!(tensor.to_f32().unwrap(), values, "{}", tensor.info.name);
    }
}
