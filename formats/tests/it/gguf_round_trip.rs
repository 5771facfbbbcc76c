//! What is written is what is read: random models through memory, and some through the disk.

use std::io::Write;
use std::path::PathBuf;

use formats::Error;
use formats::blocks::{TensorType, TypeId, pack};
use formats::gguf::{Gguf, GgufWriter, Header, Metadata, Value};

use crate::raw_gguf::{Raw, Rng};

/// A folder of this test's own, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("tercet-gguf-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn random_string(rng: &mut Rng) -> String {
    let len = rng.below(12);
    (0..len).map(|_| ['a', 'Z', '.', 'é', '\0', '\n', '猫', '🦀'][rng.below(8)]).collect()
}

fn random_value(rng: &mut Rng) -> Value {
    let n = rng.below(5);
    match rng.below(25) {
        0 => (rng.next() as u8).into(),
        1 => (rng.next() as i8).into(),
        2 => (rng.next() as u16).into(),
        3 => (rng.next() as i16).into(),
        4 => (rng.next() as u32).into(),
        5 => (rng.next() as i32).into(),
        6 => (rng.next() as i32 as f32).into(),
        7 => (rng.below(2) == 1).into(),
        8 => random_string(rng).into(),
        9 => rng.next().into(),
        10 => (rng.next() as i64).into(),
        11 => f64::MIN_POSITIVE.into(),
        12 => rng.bytes(n).into(),
        13 => vec![-1i8; n].into(),
        14 => vec![7u16; n].into(),
        15 => vec![-7i16; n].into(),
        16 => vec![7u32; n].into(),
        17 => vec![-7i32; n].into(),
        18 => vec![f32::INFINITY; n].into(),
        19 => vec![true; n].into(),
        20 => (0..n).map(|_| random_string(rng)).collect::<Vec<_>>().into(),
        21 => vec![u64::MAX; n].into(),
        22 => vec![i64::MIN; n].into(),
        23 => vec![-0.0f64; n].into(),
        _ => "".into(),
    }
}

fn random_model(rng: &mut Rng) -> (GgufWriter, Vec<(String, Vec<u8>)>) {
    let mut metadata = Metadata::new();
    for i in 0..rng.below(20) {
        metadata.insert(&format!("{}{i}", random_string(rng)), random_value(rng));
    }
    if rng.below(2) == 0 {
        metadata.insert("general.alignment", 1u32 << rng.below(13));
    }
    let mut w = GgufWriter::new(metadata);
    let mut tensors = Vec::new();
    for i in 0..rng.below(10) {
        let ty = TensorType::ALL[rng.below(TensorType::ALL.len())];
        if ty == TensorType::Q2_0_128 {
            // So small a tensor could as well be Q2_0, whose number it has.
            continue;
        }
        let mut dims = vec![(ty.block_len() * (1 + rng.below(3))) as u64];
        for _ in 0..rng.below(4) {
            dims.push(rng.below(4) as u64);
        }
        let bytes = rng.bytes(ty.tensor_bytes(dims[0], dims[1..].iter().product()).unwrap() as usize);
        let name = format!("blk.{i}.{}", random_string(rng));
        w.add_tensor(&name, ty, &dims, bytes.clone()).unwrap();
        tensors.push((name, bytes));
    }
    (w, tensors)
}

#[test]
fn random_models_come_back_bit_for_bit() {
    let mut rng = Rng(3);
    for _ in 0..1000 {
        let (w, tensors) = random_model(&mut rng);
        let bytes = w.to_bytes().unwrap();
        let gguf = Gguf::parse(bytes.clone(), "random").unwrap();
        assert_eq!(gguf.metadata(), &w.metadata);
        assert_eq!(gguf.tensors().len(), tensors.len());
        let mut again = GgufWriter::new(gguf.metadata().clone());
        for (info, (name, data)) in gguf.tensors().iter().zip(&tensors) {
            let tensor = gguf.tensor(name).unwrap();
            assert_eq!((&info.name, tensor.bytes), (name, &data[..]));
            again.add_tensor(&info.name, info.ty, &info.dims, tensor.bytes.to_vec()).unwrap();
        }
        assert_eq!(again.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn a_file_on_disk_reads_as_in_memory() {
    let dir = Dir::new("disk");
    let mut rng = Rng(4);
    for i in 0..20 {
        let (w, _) = random_model(&mut rng);
        let path = dir.0.join(format!("{i}.gguf"));
        w.write(&path).unwrap();
        let (disk, memory) = (Gguf::open(&path).unwrap(), Gguf::parse(w.to_bytes().unwrap(), "m").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), w.to_bytes().unwrap());
        assert_eq!((disk.metadata(), disk.tensors()), (memory.metadata(), memory.tensors()));
        for t in disk.tensors() {
            assert_eq!(disk.tensor(&t.name).unwrap().bytes, memory.tensor(&t.name).unwrap().bytes);
        }
        let header = Header::open(&path).unwrap();
        assert_eq!((header.metadata(), header.tensors()), (memory.metadata(), memory.tensors()));
    }
}

#[test]
fn a_header_longer_than_the_first_read_is_read_whole() {
    let dir = Dir::new("long");
    let path = dir.0.join("long.gguf");
    let mut metadata = Metadata::new();
    let words: Vec<String> = (0..300_000).map(|i| format!("token number {i}")).collect();
    metadata.insert("tokenizer.ggml.tokens", words.clone());
    let mut w = GgufWriter::new(metadata);
    w.add_tensor("t", TensorType::F32, &[2], vec![1; 8]).unwrap();
    w.write(&path).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    assert!(gguf.metadata().require_strs("tokenizer.ggml.tokens").unwrap().iter().eq(words.iter()));
    assert_eq!(gguf.tensor("t").unwrap().bytes, [1; 8]);
    // Cut in the middle of the second read, on disk.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..3 << 20]).unwrap();
    let error = Gguf::open(&path).unwrap_err().to_string();
    assert!(error.contains("the copy is incomplete") && error.contains("long.gguf"), "{error}");
}

#[test]
fn what_follows_the_last_tensor_is_not_read() {
    let dir = Dir::new("sparse");
    let path = dir.0.join("sparse.gguf");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&Raw::new().f32s("t", &[8]).bytes()).unwrap();
    file.set_len(64 << 30).unwrap();
    assert_eq!(Gguf::open(&path).unwrap().tensor("t").unwrap().bytes, [0x3e; 32]);
    file.set_len(0).unwrap();
    file.set_len(64 << 30).unwrap();
    assert!(Gguf::open(&path).unwrap_err().to_string().contains("not a GGUF file"));
}

#[test]
fn only_ordinary_files_are_opened() {
    let dir = Dir::new("special");
    assert!(matches!(Gguf::open(&dir.0), Err(Error::NotAFile { found: "folder", .. })));
    let absent = Gguf::open(&dir.0.join("no such")).unwrap_err().to_string();
    assert!(absent.starts_with("cannot open ") && absent.contains("no such"), "{absent}");
    if cfg!(unix) {
        assert!(matches!(Gguf::open("/dev/zero".as_ref()), Err(Error::NotAFile { .. })));
        // Opening a pipe that nobody writes to would wait for ever.
        let fifo = dir.0.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        if made.is_ok_and(|s| s.success()) {
            assert!(matches!(Gguf::open(&fifo), Err(Error::NotAFile { .. })));
        }
    }
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let mut w = GgufWriter::new(Metadata::new());
    let mut add = |name: &str, dims: &[u64], bytes| w.add_tensor(name, TensorType::F32, dims, vec![0; bytes]);
    assert!(add("", &[1], 4).is_err());
    assert!(add(&"x".repeat(64), &[1], 4).is_err());
    assert!(add("t", &[], 4).is_err());
    assert!(add("t", &[1; 5], 4).is_err());
    assert!(add("t", &[u64::MAX, u64::MAX], 4).is_err());
    assert!(
        add("t", &[2], 4).unwrap_err().to_string().contains("takes 8 bytes as F32 of shape [2], but has 4")
    );
    assert!(add("t", &[1], 4).is_ok());
    assert!(add("t", &[1], 4).is_err());
    assert!(w.add_tensor("q", TensorType::Q1_58, &[64], vec![0; 17]).is_err());
    let unmeasured = TypeId::from_id(42).unwrap();
    assert!(w.add_tensor("u", unmeasured, &[64], vec![]).is_err());
    w.add_tensor("u", unmeasured, &[64], vec![0; 18]).unwrap();
    for (key, value) in [
        ("", Value::U32(1)),
        ("general.alignment", Value::U32(24)),
        ("general.alignment", Value::U64(32)),
        ("general.alignment", "32".into()),
        (&"k".repeat(65_536), Value::U32(1)),
    ] {
        let mut bad = w.clone();
        bad.metadata.insert(key, value);
        assert!(bad.to_bytes().is_err(), "{key}");
    }
    Gguf::parse(w.to_bytes().unwrap(), "x").unwrap();
}

#[test]
fn tensors_unpack_and_errors_name_tensor_and_file() {
    let mut w = GgufWriter::new(Metadata::new());
    let mut good = Vec::new();
    pack(TensorType::Q1_58, &[0.5; 256], &mut good).unwrap();
    let mut bad = good.clone();
    bad[34 + 7] = 0b11;
    w.add_tensor("good", TensorType::Q1_58, &[128, 2], good).unwrap();
    w.add_tensor("bad", TensorType::Q1_58, &[128, 2], bad).unwrap();
    let gguf = Gguf::parse(w.to_bytes().unwrap(), "m.gguf").unwrap();
    assert_eq!(gguf.tensor("good").unwrap().to_f32().unwrap(), [0.5; 256]);
    let error = gguf.tensor("bad").unwrap().to_f32().unwrap_err().to_string();
    assert!(
        error.starts_with("tensor `bad`: Q1_58 block 1 holds the code 3") && error.ends_with("(in m.gguf)")
    );
    assert_eq!(gguf.tensor("none").unwrap_err().to_string(), "tensor `none` is missing (in m.gguf)");
}
