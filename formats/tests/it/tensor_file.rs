//! A tensor read from the disk piece by piece, and a file that changes under its reader.

use formats::blocks::{TensorType, TypeId, pack};
use formats::gguf::{Gguf, GgufWriter, Header, Metadata, TensorFile};
use formats::measure::{Meter, measure};

/// Two ternary tensors and one of a type that we only list.
fn write(path: &std::path::Path) {
    let weights: Vec<f32> = (0..256 * 40).map(|i| ((i * 29) % 83) as f32 / 40.0 - 1.0).collect();
    let mut writer = GgufWriter::new(Metadata::new());
    for (name, ty) in [("first", TensorType::Q1_58), ("second", TensorType::F16)] {
        let mut bytes = Vec::new();
        pack(ty, &weights, &mut bytes).unwrap();
        writer.add_tensor(name, ty, &[256, 40], bytes).unwrap();
    }
    writer.add_tensor("foreign", TypeId::from_id(6).unwrap(), &[32, 2], vec![5; 44]).unwrap();
    writer.write(path).unwrap();
}

#[test]
fn tensor_file_reads_what_the_whole_file_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    write(&path);
    let (header, gguf) = (Header::open(&path).unwrap(), Gguf::open(&path).unwrap());
    let mut bytes = vec![9; 3];
    for name in ["first", "second", "foreign"] {
        let whole = gguf.tensor(name).unwrap();
        let mut file = TensorFile::open(&path, &header, name).unwrap();
        file.read(0..u64::MAX, &mut bytes).unwrap();
        assert_eq!(bytes, whole.bytes);
        file.read(7..20, &mut bytes).unwrap();
        assert_eq!(bytes, whole.bytes[7..20]);
        file.read(u64::MAX - 1..u64::MAX, &mut bytes).unwrap();
        assert!(bytes.is_empty());
    }
    let mut file = TensorFile::open(&path, &header, "first").unwrap();
    file.read_blocks(3..5, &mut bytes).unwrap();
    assert_eq!(bytes, gguf.tensor("first").unwrap().bytes[3 * 34..5 * 34]);
    let mut meter = Meter::new(file.ty().unwrap(), None);
    for blocks in [0..50, 50..1000] {
        file.read_blocks(blocks, &mut bytes).unwrap();
        meter.add(&bytes).unwrap();
    }
    assert_eq!(meter.finish(), measure(&gguf.tensor("first").unwrap()).unwrap());
}

#[test]
fn tensor_file_of_another_type_or_name_is_an_error_naming_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    write(&path);
    let header = Header::open(&path).unwrap();
    let mut file = TensorFile::open(&path, &header, "foreign").unwrap();
    let error = file.read_blocks(0..1, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("`foreign`") && error.contains("Q5_0") && error.contains("model.gguf"), "{error}");
    let error = TensorFile::open(&path, &header, "third").unwrap_err().to_string();
    assert!(error.contains("`third` is missing") && error.contains("model.gguf"), "{error}");
}

#[test]
fn tensor_file_that_shrinks_or_vanishes_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    write(&path);
    let header = Header::open(&path).unwrap();
    let mut file = TensorFile::open(&path, &header, "second").unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(len - 15_000).unwrap();
    let mut bytes = Vec::new();
    file.read(0..100, &mut bytes).unwrap();
    let error = file.read(0..u64::MAX, &mut bytes).unwrap_err().to_string();
    assert!(error.contains("became shorter") && error.contains("model.gguf"), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = TensorFile::open(&path, &header, "second").unwrap_err().to_string();
    assert!(error.starts_with("cannot open") && error.contains("model.gguf"), "{error}");
    #[cfg(unix)]
    file.read(0..100, &mut bytes).unwrap();
}
