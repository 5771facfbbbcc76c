//! What a hostile file can do with each tensor type: rows, lengths, offsets and scales that are not what the type needs. One sentence each.

use formats::blocks::TensorType;
use formats::gguf::Gguf;

use crate::raw_gguf::{Raw, RawTensor};

/// A tensor of two rows of four blocks, as long as its type says, of zeros; large enough that no other kind of its number has its length.
struct Sound {
    ty: TensorType,
    dims: [u64; 2],
    bytes: usize,
}

impl Sound {
    fn new(ty: TensorType) -> Sound {
        let dims = [ty.block_len().max(256) as u64 * 8, 4];
        Sound { ty, dims, bytes: ty.tensor_bytes(dims[0], dims[1]).unwrap() as usize }
    }

    fn raw(&self) -> Raw {
        let tensor = RawTensor {
            name: "t".into(),
            dim_count: None,
            dims: self.dims.to_vec(),
            ty: self.ty.id(),
            offset: 0,
        };
        let data = vec![0; self.bytes.next_multiple_of(32)];
        Raw::new().with(|raw| (raw.tensors, raw.data) = (vec![tensor], data))
    }
}

/// The sentence with which the file is refused or, if it is not, its tensor.
fn sentence(raw: &Raw) -> String {
    let error = Gguf::parse(raw.bytes(), "x.gguf").and_then(|gguf| gguf.tensor("t")?.to_f32()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("tensor `t`") && error.ends_with("(in x.gguf)"), "{error}");
    error
}

fn each() -> impl Iterator<Item = Sound> {
    TensorType::ALL.into_iter().map(Sound::new)
}

#[test]
fn types_are_what_they_are_when_nothing_is_wrong() {
    for sound in each() {
        let gguf = Gguf::parse(sound.raw().bytes(), "x.gguf").unwrap();
        let tensor = gguf.tensor("t").unwrap();
        assert_eq!((tensor.info.ty.name(), tensor.bytes.len()), (sound.ty.name(), sound.bytes));
        assert_eq!(tensor.to_f32().unwrap().len() as u64, sound.dims[0] * sound.dims[1]);
    }
}

#[test]
fn types_refuse_rows_and_shapes_that_no_file_has() {
    for sound in each() {
        let shaped = |dims: &[u64]| sentence(&sound.raw().last(|t| t.dims = dims.to_vec()));
        let len = sound.ty.block_len() as u64;
        // The kinds of number 42 have no block until their length says which they are.
        if len > 1 && sound.ty.id() != 42 {
            assert!(shaped(&[len + 1, 4]).contains("is not a whole number of"), "{}", sound.ty);
            assert!(shaped(&[len * 8 - 1]).contains("is not a whole number of"), "{}", sound.ty);
        }
        for dims in [[len << 40, 1 << 40], [u64::MAX / len * len, 1], [1 << 32, 1 << 32]] {
            assert!(shaped(&dims).contains("more weights than a file can"), "{}", sound.ty);
        }
        // Countable, but not there.
        let error = shaped(&[len << 30, 1 << 20]);
        assert!(error.contains("but the file has") || error.contains("of unknown size"), "{error}");
    }
}

#[test]
fn types_refuse_lengths_and_offsets_that_disagree_with_the_file() {
    for sound in each() {
        let unknown = |error: &str| sound.ty.id() == 42 && error.contains("of type Q2_0 of unknown size");
        let cut = sentence(&sound.raw().with(|raw| raw.data.truncate(sound.bytes.next_multiple_of(32) - 32)));
        assert!(cut.contains("the copy is incomplete") || unknown(&cut), "{cut}");
        // Another tensor begins before this one ends.
        let under = sound.raw().with(|raw| {
            let offset = sound.bytes.next_multiple_of(32) as u64 - 64;
            raw.tensors.push(RawTensor { name: "u".into(), dim_count: None, dims: vec![8], ty: 0, offset });
        });
        match Gguf::parse(under.bytes(), "x.gguf") {
            Ok(gguf) => assert!(unknown(&gguf.tensor("t").unwrap().to_f32().unwrap_err().to_string())),
            Err(error) => assert!(error.to_string().contains("inside `t`"), "{error}"),
        }
        for offset in [32, 1 << 40, 1 << 62, u64::MAX - 31] {
            let beyond = sentence(&sound.raw().last(|t| t.offset = offset));
            assert!(beyond.contains("the copy is incomplete") || unknown(&beyond), "{beyond}");
        }
    }
}

#[test]
fn types_refuse_scales_that_are_not_finite_in_any_block() {
    /// Where in a block of each type its f16 scales stand.
    fn scales(ty: TensorType) -> &'static [usize] {
        match ty {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 | TensorType::I2_S => &[],
            TensorType::Q4_0 | TensorType::Q8_0 => &[0],
            TensorType::Q4_1 | TensorType::Q4_K | TensorType::Q5_K => &[0, 2],
            TensorType::Q6_K => &[208],
            TensorType::TQ1_0 => &[52],
            TensorType::TQ2_0 => &[64],
            TensorType::Q2_0 | TensorType::Q2_0_128 | TensorType::Q1_58 => &[0],
            TensorType::PTQ1_0 => &[26],
        }
    }
    for sound in each() {
        let blocks = sound.bytes / sound.ty.block_bytes();
        for &at in scales(sound.ty) {
            for (block, bits, said) in
                [(0, 0x7c00u16, "inf"), (5, 0xfc00, "-inf"), (blocks - 1, 0x7e01, "NaN")]
            {
                let start = block * sound.ty.block_bytes() + at;
                let error = sentence(&sound.raw().with(|raw| {
                    raw.data[start..start + 2].copy_from_slice(&bits.to_le_bytes());
                }));
                let expected =
                    format!("{} block {block} has the scale {said}, which is not finite", sound.ty);
                assert_eq!(error, format!("tensor `t`: {expected} (in x.gguf)"));
            }
        }
    }
    let i2_s = Sound::new(TensorType::I2_S);
    for (bad, said) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let error = sentence(&i2_s.raw().with(|raw| {
            raw.data[i2_s.bytes - 32..][..4].copy_from_slice(&bad.to_le_bytes());
        }));
        assert!(
            error.contains(&format!("the scale of all its I2_S weights is {said}, which is not finite")),
            "{error}"
        );
    }
}
