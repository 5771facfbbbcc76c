//! Files that are not as they must be: each is refused with one sentence that names what is wrong.
//! The kinds called `llama_cpp_*` are those of llama.cpp's `tests/test-gguf.cpp`.

use formats::Error;
use formats::gguf::{Fault, Gguf, GgufWriter, Header, Metadata, Problem, TensorFile};

use crate::raw_gguf::{ARRAY, I32, Raw, Rng, STR, U32, array, text};

fn parse(raw: &Raw) -> Result<Gguf, Error> {
    Gguf::parse(raw.bytes(), "x.gguf")
}

/// The sentence with which a file is refused. It names the file, is one line and has no control characters.
#[track_caller]
fn refusal(raw: &Raw) -> String {
    let error = parse(raw).expect_err("the file must be refused").to_string();
    assert!(error.ends_with("(in x.gguf)") && !error.contains(char::is_control), "{error:?}");
    error
}

#[track_caller]
fn assert_refused(raw: &Raw, with: &str) {
    let error = refusal(raw);
    assert!(error.contains(with), "{error:?} does not say {with:?}");
}

/// Two keys, three tensors, all sound.
fn sound() -> Raw {
    Raw::new()
        .key("my_key_0", U32, &7u32.to_le_bytes())
        .key("my_key_1", STR, &text("seven"))
        .f32s("my_tensor_0", &[5])
        .f32s("my_tensor_1", &[8, 3])
        .f32s("my_tensor_2", &[2, 3, 4, 5])
}

#[test]
fn llama_cpp_header_kinds() {
    assert_refused(&Raw::new().with(|r| r.magic = *b"FUGG"), "starts with \"FUGG\"");
    for version in [0, 1, 4, u32::MAX] {
        assert_refused(&Raw::new().with(|r| r.version = version), &format!("GGUF version {version};"));
    }
    assert_refused(&Raw::new().with(|r| r.tensor_count = Some(u64::MAX)), "18446744073709551615 tensors");
    assert_refused(&Raw::new().with(|r| r.key_count = Some(u64::MAX)), "18446744073709551615 keys");
    let empty = parse(&Raw::new()).unwrap();
    assert!(empty.metadata().is_empty() && empty.tensors().is_empty());
}

#[test]
fn llama_cpp_key_kinds() {
    let bad_size = Raw::new().with(|r| r.keys.push([&u64::MAX.to_le_bytes()[..], b"my_key"].concat()));
    assert_refused(&bad_size, "key number 1 at byte 32 is 18446744073709551615 bytes long");
    assert_refused(&Raw::new().key("", U32, &[0; 4]), "key number 1 at byte 32 is empty");
    for ty in [13, u32::MAX] {
        assert_refused(&Raw::new().key("k", ty, &[0; 8]), &format!("key `k` has the value type {ty}"));
        let of = Raw::new().key("k", ARRAY, &[array(ty, 1), vec![0; 8]].concat());
        assert_refused(&of, &format!("key `k` has the value type {ty}"));
    }
    // The kind that llama.cpp's tests had to drop, as reading it took a terabyte.
    for len in [u64::MAX, i64::MAX as u64, 1 << 40, 1 << 26, 1 << 20] {
        refusal(&Raw::new().key("k", STR, &len.to_le_bytes()));
        for element in 0..13 {
            refusal(&Raw::new().key("k", ARRAY, &array(element, len)));
        }
    }
    let twice = sound().key("my_key_0", U32, &[0; 4]);
    assert_refused(&twice, "key `my_key_0` appears twice");
    parse(&sound()).unwrap();
}

#[test]
fn llama_cpp_alignment_kinds() {
    let aligned = |value: u32| Raw::new().key("general.alignment", U32, &value.to_le_bytes());
    for bad in [0, 13, 3, 31, 33, 1 << 21, 1 << 31, u32::MAX] {
        assert_refused(&aligned(bad), &format!("general.alignment is {bad}; expected a power of two"));
    }
    let wrong = Raw::new().key("general.alignment", I32, &32i32.to_le_bytes());
    assert_refused(&wrong, "key `general.alignment` is the i32 32; expected a u32");
    assert_refused(&Raw::new().key("general.alignment", STR, &text("32")), "is a string; expected a u32");
    for good in [1, 2, 8, 16, 32, 64, 4096, 1 << 20] {
        let raw = aligned(good).with(|r| r.alignment = good as usize).f32s("a", &[3]).f32s("b", &[3]);
        let gguf = parse(&raw).unwrap();
        assert_eq!(gguf.tensor("b").unwrap().bytes, [0x3e; 12]);
        assert_eq!(gguf.header().alignment(), good);
    }
    // Offsets by one alignment, a file that claims another.
    let inconsistent = Raw::new().with(|r| r.alignment = 1).f32s("a", &[3]).f32s("b", &[3]);
    assert_refused(&inconsistent.with(|r| r.alignment = 32), "tensor `b` starts at 12, which is no multiple");
}

#[test]
fn llama_cpp_tensor_kinds() {
    let one = || Raw::new().f32s("t", &[32]);
    let long = "x".repeat(64);
    assert_refused(&one().last(|t| t.name = long.clone()), "is 64 bytes long; at most 63");
    parse(&one().last(|t| t.name = long[1..].into())).unwrap();
    assert_refused(
        &one().last(|t| t.name = String::new()),
        "the name of tensor number 1 at byte 32 is empty",
    );
    for count in [0, 5, u32::MAX] {
        assert_refused(&one().last(|t| t.dim_count = Some(count)), &format!("has {count} dimensions"));
    }
    assert_refused(&one().last(|t| t.dims = vec![u64::MAX]), "tensor `t` of shape [18446744073709551615]");
    let zero = parse(&one().last(|t| t.dims = vec![32, 0])).unwrap();
    assert!(zero.tensor("t").unwrap().bytes.is_empty());
    assert!(zero.tensor("t").unwrap().to_f32().unwrap().is_empty());
    // Products that wrap to something small, or that overflow the very check.
    for dims in [vec![4 * 0x7fff_ffff; 2], vec![i64::MAX as u64, 2], vec![1 << 32, 1 << 32], vec![1 << 16; 4]]
    {
        assert_refused(&one().last(|t| t.dims = dims), "more weights than a file can");
    }
    assert_refused(&one().last(|t| t.dims = vec![0, 1 << 40, 1 << 40]), "more weights than a file can");
    // The product of the dimensions fits, but not in bytes.
    let nbytes = one().last(|t| (t.ty, t.dims) = (27, vec![1 << 31, 1 << 30]));
    assert_refused(&nbytes, "more weights than a file can");
    for ty in [4, 5, 31, 43, 1000, u32::MAX] {
        assert_refused(&one().last(|t| t.ty = ty), &format!("tensor `t` has type {ty}"));
    }
    assert_refused(&one().last(|t| t.offset = u64::MAX), "no multiple of the alignment");
    assert_refused(
        &one().last(|t| t.offset = u64::MAX - 31),
        "tensor `t` takes 128 bytes at 18446744073709551584",
    );
    assert_refused(&one().f32s("t", &[1]), "tensor `t` appears twice");
    // A row that ends inside a block.
    assert_refused(&one().last(|t| (t.ty, t.dims) = (142, vec![32])), "tensor `t`: a row of 32 weights");
    assert_refused(
        &one().last(|t| (t.ty, t.dims) = (12, vec![32])),
        "not a whole number of Q4_K blocks of 256",
    );
}

#[test]
fn llama_cpp_data_kinds() {
    let short = sound().with(|r| _ = r.data.pop());
    assert_refused(&short, "tensor `my_tensor_2` takes 480 bytes at 128, but the file has 607");
    // Padding belongs to the file, as in llama.cpp: without it the copy is incomplete too.
    let unpadded = Raw::new().f32s("t", &[5]).with(|r| _ = r.data.pop());
    assert_refused(&unpadded, "takes 20 bytes at 0, but the file has 31");
    let overflow = Raw::new()
        .f32s("a", &[8])
        .last(|t| (t.ty, t.dims) = (24, vec![0x7fff_ffff_ffff_ffc0]))
        .f32s("b", &[8])
        .last(|t| (t.ty, t.dims, t.offset) = (24, vec![0x7fff_ffff_ffff_ffc0], 0x7fff_ffff_ffff_ffc0));
    assert_refused(&overflow, "tensor `a` takes 9223372036854775744 bytes");
    assert!(
        parse(&sound()).unwrap().tensor("my_tensor_2").unwrap().to_f32().unwrap().iter().all(|w| *w > 0.0)
    );
}

#[test]
fn tensors_may_not_share_bytes() {
    // The second is as long as it says, but the first reaches into it: the slot was made for a smaller type.
    let raw = Raw::new().f32s("a", &[8]).last(|t| t.dims = vec![9]).f32s("b", &[8]);
    assert_refused(&raw, "tensor `b` starts at 32, inside `a`, which ends at 36");
    let same = Raw::new().f32s("a", &[8]).f32s("b", &[8]).last(|t| t.offset = 0);
    assert_refused(&same, "inside");
    // In any order, and with holes.
    let raw = Raw::new().f32s("a", &[8]).f32s("hole", &[8]).f32s("b", &[8]).with(|r| {
        r.tensors.remove(1);
        r.tensors.reverse();
    });
    assert_eq!(parse(&raw).unwrap().tensor("b").unwrap().info.offset, 64);
}

#[test]
fn tensors_of_unmeasured_types_reach_to_the_next() {
    let raw = Raw::new()
        .f32s("a", &[16])
        .last(|t| (t.ty, t.dims) = (42, vec![1024]))
        .f32s("b", &[8])
        .last(|t| (t.ty, t.dims) = (42, vec![640]));
    let gguf = parse(&raw).unwrap();
    assert_eq!((gguf.tensors()[0].bytes, gguf.tensors()[1].bytes), (64, 32));
    let error = gguf.tensor("a").unwrap().to_f32().unwrap_err().to_string();
    assert_eq!(error, "tensor `a` is of type Q2_0 of unknown size, which cannot be used here (in x.gguf)");
    refusal(&raw.clone().last(|t| t.offset = 0));
    refusal(&raw.last(|t| t.offset = 96));
}

#[test]
fn tensors_whose_types_share_a_number_are_told_apart_by_their_length() {
    // Both kinds of type 42 in one file, each with 4,096 weights, the second the last.
    let file = |a: usize, b: usize| {
        Raw::new()
            .f32s("a", &[a as u64 / 4])
            .last(|t| (t.ty, t.dims) = (42, vec![1024, 4]))
            .f32s("b", &[b as u64 / 4])
            .last(|t| (t.ty, t.dims) = (42, vec![1024, 4]))
    };
    let found = |raw: &Raw| {
        let gguf = parse(raw).unwrap();
        ["a", "b"].map(|name| {
            let info = gguf.tensor(name).unwrap().info;
            (info.ty.name(), info.ty.block(), info.bytes)
        })
    };
    let (of_64, of_128) = (("Q2_0", Some((64, 18)), 1152), ("Q2_0_128", Some((128, 34)), 1088));
    assert_eq!(found(&file(1152, 1088)), [of_64, of_128]);
    assert_eq!(found(&file(1088, 1152)), [of_128, of_64]);
    // A length that neither has: listed, and as long as the room there is.
    assert_eq!(found(&file(1120, 1088)), [("Q2_0 of unknown size", None, 1120), of_128]);
    // 256 weights take 68 or 72 of 96 bytes: what the rest of the file is, or llama.cpp's.
    let tiny = |raw: Raw| raw.f32s("tiny", &[24]).last(|t| (t.ty, t.dims) = (42, vec![256]));
    let kind = |raw: &Raw| parse(raw).unwrap().tensor("tiny").unwrap().info.ty.name();
    assert_eq!(kind(&tiny(file(1088, 1088))), "Q2_0_128");
    assert_eq!([kind(&tiny(file(1152, 1152))), kind(&tiny(Raw::new()))], ["Q2_0"; 2]);
    // A file that ends within the tensor: no kind fits what is left.
    let cut = file(1088, 1152).with(|r| r.data.truncate(r.data.len() - 32));
    assert_eq!(found(&cut)[1], ("Q2_0 of unknown size", None, 1120));
}

#[test]
fn strings_and_bools_are_what_they_claim() {
    let latin1 = Raw::new().key("k", STR, &[&4u64.to_le_bytes()[..], b"caf\xe9"].concat());
    assert_refused(&latin1, "the value of key `k` at byte 45 is not UTF-8");
    let key = sound().with(|r| r.keys.push([&2u64.to_le_bytes()[..], b"\xff\xfe", &[0; 5]].concat()));
    assert_refused(&key, "key number 3 at byte ");
    let mut tensor = sound().f32s("caf~", &[1]).bytes();
    let at = tensor.iter().position(|&b| b == b'~').unwrap();
    tensor[at] = 0xe9;
    let error = Gguf::parse(tensor, "x.gguf").unwrap_err().to_string();
    assert!(
        error.contains("the name of tensor number 4 at byte ") && error.contains("is not UTF-8"),
        "{error}"
    );
    // Each string of an array is UTF-8 by itself, not only all of them together.
    let split =
        [array(STR, 2), vec![1, 0, 0, 0, 0, 0, 0, 0, 0xc3], vec![1, 0, 0, 0, 0, 0, 0, 0, 0xa9]].concat();
    assert_refused(&Raw::new().key("k", ARRAY, &split), "element 0 of key `k` at byte 57 is not UTF-8");
    assert_refused(&Raw::new().key("k", 7, &[2]), "key `k` holds 2 where a bool must be 0 or 1");
    assert_refused(&Raw::new().key("k", ARRAY, &[array(7, 3), vec![0, 1, 255]].concat()), "holds 255");
    assert_refused(&Raw::new().key("k", ARRAY, &array(ARRAY, 1)), "key `k` is an array of arrays");
    let long = Raw::new().key(&"k".repeat(65_536), U32, &[0; 4]);
    assert_refused(&long, "is 65536 bytes long; at most 65535");
}

#[test]
fn names_reach_the_terminal_escaped_and_cut() {
    let evil = "\u{1b}[2J\u{202e}\n".repeat(1000);
    let raw = Raw::new().key(&evil, 99, &[0; 4]);
    assert!(refusal(&raw).len() < 1000);
    let raw = Raw::new().f32s("\u{1b}]0;x\u{7}", &[1]).last(|t| t.ty = 99);
    assert_refused(&raw, "tensor `\\u{1b}]0;x\\u{7}` has type 99");
    let error = Gguf::parse(b"\x1b[31m".to_vec(), "a\nb").unwrap_err().to_string();
    assert!(!error.contains(char::is_control), "{error:?}");
}

#[test]
fn a_file_of_another_kind_is_named() {
    let tar = [&[b'a'; 257][..], b"ustar\x0000"].concat();
    let zip = |name: &str| {
        let length = (name.len() as u16).to_le_bytes();
        [&b"PK\x03\x04"[..], &[0; 22], &length, &[0; 2], name.as_bytes(), &[0; 40]].concat()
    };
    for (start, what) in [
        (&b"PK\x03\x04...."[..], "a zip archive; unpack it first"),
        (&zip("model/weights"), "a zip archive; unpack it first"),
        (&zip("archive/data.pkl"), "a PyTorch checkpoint; convert it to GGUF first"),
        (&zip("arr_0.npy"), "an archive of NumPy arrays"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9", "an old PyTorch checkpoint"),
        (b"\x80\x02}q\0X", "a Python pickle"),
        (b"\x80\x04\x95\x0a\0\0", "a Python pickle; convert it to GGUF first"),
        (b"8\0\0\0\0\0\0\0{\"a\":{}}", "a safetensors file; convert it to GGUF first"),
        (b"\x1f\x8b\x08\0", "a gzip archive; unpack it first"),
        (b"\xfd7zXZ\0..", "an xz archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"BZh9", "a bzip2 archive"),
        (&tar, "a tar archive"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"%PDF-1.7", "a PDF document; choose the model's .gguf file"),
        (b"\n { \"model_type\": 1 }", "a JSON text"),
        (b"\xef\xbb\xbf[1]", "a JSON text"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"<!DOCTYPE html>", "a web page saved in its place; download it again"),
        (b"\r\n<HTML>", "a web page"),
        (b"<?xml version", "an XML text"),
        (b"MZqFpD", "a program"),
        (&[0; 64], "a row of zeros"),
        (b"GUGF\x03\0\0\0", "first letters are swapped"),
        (b"lmgg\x01\0\0\0", "a GGML file, older than GGUF"),
        (b"tjgg\x03\0\0\0", "a GGML file, older than GGUF"),
    ] {
        let error = Gguf::parse(start.to_vec(), "x").unwrap_err().to_string();
        assert!(error.starts_with("not a GGUF file, but ") && error.contains(what), "{error}");
    }
    // The length of a safetensors header, or what would be one, and no header.
    for start in [&b"8\0\0\0\0\0\0\0..."[..], b"8\0\0\0\0\0\0\x01{\"a\"", b"vers", b"hello"] {
        let error = Gguf::parse(start.to_vec(), "x").unwrap_err().to_string();
        assert!(error.starts_with("not a GGUF file: it starts with "), "{error}");
    }
    for (start, hint) in
        [(b"GGUF\0\0\0\x03", "big-endian"), (b"GGUF\x01\0\0\0", "current tool"), (b"GGUF\x04\0\0\0", "newer")]
    {
        let error = Gguf::parse(start.to_vec(), "x").unwrap_err().to_string();
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn a_folder_in_a_models_place_is_named() {
    for (file, what) in [
        ("model.safetensors", "not a GGUF file, but a Hugging Face model's folder; convert it to GGUF first"),
        ("model.safetensors.index.json", "a Hugging Face model's folder"),
        ("run.toml", "a run of `tercet train`; `tercet export` makes"),
        ("readme.md", "not an ordinary file, but a folder"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), "").unwrap();
        for error in [Gguf::open(folder.path()).err(), Header::open(folder.path()).err()] {
            let error = error.unwrap().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}

/// What the header on disk says is wrong with each tensor; the whole file must be refused.
fn faults(raw: &Raw) -> Vec<Option<Fault>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), raw.bytes()).unwrap();
    let header = Header::open(file.path()).unwrap();
    let refused = Gguf::open(file.path()).unwrap_err().to_string();
    let first = header.tensors().iter().find(|t| t.fault.is_some()).unwrap();
    assert!(refused.contains("tensor `"), "{refused}");
    let opened = TensorFile::open(file.path(), &header, &first.name).unwrap_err().to_string();
    assert!(opened.contains(&format!("tensor `{}` {}", first.name, first.fault.unwrap())), "{opened}");
    header.tensors().iter().map(|t| t.fault).collect()
}

#[test]
fn header_lists_tensors_that_cannot_be_read() {
    let three = || Raw::new().f32s("a", &[8]).f32s("b", &[8]).f32s("c", &[8]);
    let cut = three().with(|r| r.data.truncate(40));
    assert_eq!(faults(&cut), [None, Some(Fault::OutOfFile), Some(Fault::OutOfFile)]);
    let over = Raw::new().f32s("a", &[8]).last(|t| t.dims = vec![9]).f32s("b", &[8]).f32s("c", &[8]);
    assert_eq!(faults(&over), [None, Some(Fault::Overlap), None]);
    let odd = three().last(|t| t.offset = 65);
    assert_eq!(faults(&odd), [None, None, Some(Fault::Misaligned)]);
    let rows = three().last(|t| (t.ty, t.dims) = (142, vec![32]));
    assert_eq!(faults(&rows), [None, None, Some(Fault::Rows)]);
    let far = three().f32s("d", &[0]).last(|t| t.offset = 1 << 40);
    assert_eq!(faults(&far)[3], Some(Fault::OutOfFile));
    // The others can be read all the same.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cut.bytes()).unwrap();
    let header = Header::open(file.path()).unwrap();
    let mut bytes = Vec::new();
    TensorFile::open(file.path(), &header, "a").unwrap().read(0..32, &mut bytes).unwrap();
    assert_eq!(bytes, [0x3e; 32]);
}

#[test]
fn version_2_reads_as_3_does() {
    let raw = sound();
    let (two, three) = (parse(&raw.clone().with(|r| r.version = 2)).unwrap(), parse(&raw).unwrap());
    assert_eq!((two.header().version(), three.header().version()), (2, 3));
    assert_eq!((two.metadata(), two.tensors()), (three.metadata(), three.tensors()));
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let bytes = sound()
        .key("list", ARRAY, &[array(STR, 2), text("ab"), text("")].concat())
        .key("numbers", ARRAY, &[array(I32, 2), vec![1; 8]].concat())
        .bytes();
    Gguf::parse(bytes.clone(), "x").unwrap();
    for len in 0..bytes.len() {
        let error = Gguf::parse(bytes[..len].to_vec(), "x").unwrap_err();
        let cut = matches!(
            error,
            Error::Gguf {
                problem: Problem::Truncated { .. }
                    | Problem::OutOfFile { .. }
                    | Problem::TooMany { .. }
                    | Problem::Magic { .. },
                ..
            }
        );
        assert!(cut, "cut at {len}: {error}");
    }
}

/// A small file of our own with every value type and every tensor type.
fn everything() -> Vec<u8> {
    let mut m = Metadata::new();
    m.insert("a.u8", 1u8);
    m.insert("a.f64", 0.5f64);
    m.insert("a.bool", true);
    m.insert("a.str", "text");
    m.insert("a.strs", vec!["one".to_owned(), String::new(), "drei".to_owned()]);
    m.insert("a.i32s", vec![1i32, -2]);
    m.insert("a.bools", vec![true, false]);
    m.insert("general.alignment", 32u32);
    let mut w = GgufWriter::new(m);
    for ty in formats::blocks::TensorType::ALL {
        let mut bytes = Vec::new();
        if formats::blocks::pack(ty, &[0.25; 512], &mut bytes).is_err() {
            bytes.resize(ty.tensor_bytes(256, 2).unwrap() as usize, 0);
        }
        w.add_tensor(&format!("t.{ty}"), ty, &[256, 2], bytes).unwrap();
    }
    w.to_bytes().unwrap()
}

/// Whatever parses must also read: no tensor panics, and its bytes are in the file.
fn exercise(bytes: Vec<u8>) -> bool {
    let Ok(gguf) = Gguf::parse(bytes, "fuzzed") else { return false };
    for t in gguf.tensors() {
        let tensor = gguf.tensor(&t.name).unwrap();
        assert_eq!(tensor.bytes.len() as u64, t.bytes);
        if t.dims.weights() < 1 << 16 {
            let _ = tensor.to_f32();
        }
    }
    for (key, value) in gguf.metadata().iter() {
        assert!(std::ptr::eq(gguf.metadata().get(key).unwrap(), value));
    }
    true
}

/// How many random files: a few, unless the environment wants a long look.
fn runs(default: usize) -> usize {
    std::env::var("FORMATS_FUZZ_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn random_damage_never_panics() {
    let good = everything();
    assert!(exercise(good.clone()));
    let gguf = Gguf::parse(good.clone(), "sound").unwrap();
    let data: u64 = gguf.tensors().iter().map(|t| t.bytes.next_multiple_of(32)).sum();
    let header = good.len() - data as usize;
    let mut rng = Rng(1);
    let mut survived = 0;
    let runs = runs(60_000);
    for _ in 0..runs {
        let mut bad = good.clone();
        for _ in 0..1 + rng.below(4) {
            // Mostly in the header, where it matters.
            let at = if rng.below(8) == 0 { rng.below(bad.len()) } else { rng.below(header) };
            match rng.below(5) {
                0 => bad[at] ^= 1 << rng.below(8),
                1 => bad[at] = rng.next() as u8,
                2 => bad[at] = [0, 0xff, 0x7f, 0x80][rng.below(4)],
                3 => drop(bad.splice(at..(at + rng.below(16)).min(bad.len()), [])),
                _ => {
                    let extra = rng.below(16);
                    let insert = rng.bytes(extra);
                    drop(bad.splice(at..at, insert));
                }
            }
            if bad.len() <= header {
                break;
            }
        }
        survived += usize::from(exercise(bad));
    }
    // Both ways out must have been taken, or the test has tested nothing.
    assert!((runs / 100..runs * 9 / 10).contains(&survived), "{survived} of {runs} files were accepted");
}

#[test]
fn random_bytes_after_a_good_start_never_panic() {
    let mut rng = Rng(2);
    for _ in 0..runs(20_000) {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        for small in [rng.below(4), rng.below(4)] {
            bytes.extend((small as u64).to_le_bytes());
        }
        // Small numbers are likelier than large ones to mean something.
        let len = rng.below(400);
        bytes
            .extend((0..len).map(|_| if rng.below(3) == 0 { rng.next() as u8 } else { rng.below(10) as u8 }));
        exercise(bytes);
    }
}
