//! Models that are split over several files: opened whole from any part, or refused with what is wrong and in which file.

use std::path::{Path, PathBuf};

use formats::gguf::{Gguf, GgufWriter, Header, Metadata, TensorFile, Value};

use crate::memory::largest;

use formats::blocks::{TensorType, pack};

/// A model in parts, as files in a folder that is removed at the end.
struct Parts {
    dir: tempfile::TempDir,
    count: usize,
}

/// The metadata and tensors of one part, to be spoilt.
struct Part {
    metadata: Metadata,
    tensors: Vec<(String, Vec<f32>)>,
}

impl Parts {
    /// Of five tensors, the first part has none of them, as llama.cpp's tool can make it; `change` gets each part and its number, from 1.
    fn new(count: usize, change: impl Fn(usize, &mut Part)) -> Parts {
        let parts = Parts { dir: tempfile::tempdir().unwrap(), count };
        for number in 1..=count {
            let mut metadata = Metadata::new();
            if number == 1 {
                metadata.insert("general.architecture", "sample");
            }
            metadata.insert("split.no", number as u16 - 1);
            metadata.insert("split.count", count as u16);
            metadata.insert("split.tensors.count", 5i32);
            let own = (0..5).filter(|i| number == 2 + i % (count - 1));
            let tensors = own.map(|i| (format!("t{i}"), vec![i as f32; 8 + i])).collect();
            let mut part = Part { metadata, tensors };
            change(number, &mut part);
            let mut writer = GgufWriter::new(part.metadata);
            for (name, values) in part.tensors {
                let mut bytes = Vec::new();
                pack(TensorType::F32, &values, &mut bytes).unwrap();
                writer.add_tensor(&name, TensorType::F32, &[values.len() as u64], bytes).unwrap();
            }
            writer.write(&parts.path(number)).unwrap();
        }
        parts
    }

    fn path(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("model-{number:05}-of-{:05}.gguf", self.count))
    }

    /// The sentence with which the model is refused, opened from this part; whole and header alike.
    #[track_caller]
    fn refusal(&self, number: usize) -> String {
        let error = Gguf::open(&self.path(number)).unwrap_err().to_string();
        assert_eq!(Header::open(&self.path(number)).unwrap_err().to_string(), error);
        assert!(!error.contains(char::is_control), "{error:?}");
        error.replace(&*self.dir.path().to_string_lossy(), "")
    }
}

fn sound(count: usize) -> Parts {
    Parts::new(count, |_, _| ())
}

#[test]
fn split_model_opens_whole_from_any_part() {
    for count in [2, 3, 6] {
        let parts = sound(count);
        for number in 1..=count {
            let path = parts.path(number);
            let (gguf, header) = (Gguf::open(&path).unwrap(), Header::open(&path).unwrap());
            assert_eq!(gguf.name(), path.to_string_lossy());
            assert_eq!(gguf.metadata().require_str("general.architecture").unwrap(), "sample");
            assert!(
                gguf.metadata().iter().all(|(key, _)| !key.starts_with("split.")),
                "the whole is not split"
            );
            assert_eq!((header.metadata(), header.tensors()), (gguf.metadata(), gguf.tensors()));
            assert!(header.files(&path).eq((1..=count).map(|n| parts.path(n))));
            assert_eq!(gguf.tensors().len(), 5);
            for i in 0..5 {
                let name = format!("t{i}");
                let tensor = gguf.tensor(&name).unwrap();
                assert_eq!(tensor.to_f32().unwrap(), vec![i as f32; 8 + i]);
                let mut bytes = Vec::new();
                TensorFile::open(&path, &header, &name).unwrap().read(0..u64::MAX, &mut bytes).unwrap();
                assert_eq!(bytes, tensor.bytes);
            }
        }
    }
}

#[test]
fn split_model_with_a_part_missing_names_it() {
    let parts = sound(3);
    std::fs::remove_file(parts.path(2)).unwrap();
    for number in [1, 3] {
        assert_eq!(
            parts.refusal(number),
            format!(
                "part 2 of 3 of this split model is missing; expected it beside the others as model-00002-of-00003.gguf (in /model-0000{number}-of-00003.gguf)"
            )
        );
    }
    assert!(parts.refusal(2).starts_with("cannot open "));
}

#[test]
fn split_model_of_parts_that_disagree_is_refused_by_the_files_name() {
    let key = |at: usize, key: &'static str, value: Value| {
        Parts::new(3, move |number, part| {
            if number == at {
                part.metadata.insert(key, value.clone());
            }
        })
    };
    let says = |says: &str, at: usize| {
        format!(
            "by its name this is part {at} of 3 of a split model, but it says that it is {says}; give the parts their own names again (in /model-0000{at}-of-00003.gguf)"
        )
    };
    assert_eq!(key(2, "split.no", 2u16.into()).refusal(1), says("part 3 of 3", 2));
    assert_eq!(key(3, "split.count", 4u16.into()).refusal(1), says("part 3 of 4", 3));
    assert_eq!(key(3, "split.count", 4u16.into()).refusal(3), says("part 3 of 4", 3));
    // Absurd numbers are compared, and nothing is counted up to them.
    assert_eq!(key(1, "split.count", 1_000_000_000u64.into()).refusal(1), says("part 1 of 1000000000", 1));
    assert_eq!(key(2, "split.no", u64::MAX.into()).refusal(1), says(&format!("part {} of 3", u64::MAX), 2));
    assert!(key(1, "split.count", "three".into()).refusal(1).contains("key `split.count` is a string"));
    assert!(key(2, "split.no", (-1i32).into()).refusal(1).contains("key `split.no` is the i32 -1"));
    assert_eq!(
        key(1, "split.tensors.count", 6i32.into()).refusal(3),
        "the parts of this split model have 5 tensors together, but 6 are expected; some part is of another model (in /model-00001-of-00003.gguf)"
    );
    let twice = Parts::new(3, |number, part| {
        if number == 3 {
            part.tensors[0].0 = "t0".to_owned();
        }
    });
    assert_eq!(twice.refusal(1), "tensor `t0` appears twice (in /model-00003-of-00003.gguf)");
}

#[test]
fn split_model_whose_parts_are_one_file_is_refused() {
    let parts = sound(3);
    for (from, to) in [(1, 3), (2, 1)] {
        std::fs::remove_file(parts.path(to)).unwrap();
        std::fs::hard_link(parts.path(from), parts.path(to)).unwrap();
        let error = parts.refusal(2);
        assert!(error.contains("it says that it is part"), "{error}");
    }
}

#[test]
fn split_model_with_a_damaged_part_names_part_and_tensor() {
    let parts = sound(3);
    let path = parts.path(3);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 32]).unwrap();
    let error = Gguf::open(&parts.path(1)).unwrap_err().to_string();
    assert!(error.contains("tensor `t3` takes") && error.ends_with("model-00003-of-00003.gguf)"), "{error}");
    // It is listed, and the others can be read.
    let header = Header::open(&parts.path(1)).unwrap();
    assert_eq!(header.tensors().iter().filter(|t| t.fault.is_some()).count(), 1);
    let error = TensorFile::open(&parts.path(1), &header, "t3").unwrap_err().to_string();
    assert!(error.contains("`t3` ends beyond") && error.ends_with("model-00003-of-00003.gguf)"), "{error}");
    TensorFile::open(&parts.path(1), &header, "t2").unwrap();
    std::fs::write(&path, b"<!doctype html>").unwrap();
    assert!(
        parts.refusal(1).contains("a web page saved in its place; download it again (in /model-00003-of")
    );
}

#[test]
fn a_part_under_another_name_is_a_file_of_its_own() {
    let parts = sound(2);
    for name in ["other.gguf", "model-2-of-2.gguf"] {
        let path: &Path = &parts.dir.path().join(name);
        std::fs::copy(parts.path(2), path).unwrap();
        let gguf = Gguf::open(path).unwrap();
        assert_eq!((gguf.tensors().len(), gguf.metadata().require_u64("split.count").unwrap()), (5, 2));
    }
    // And one that is whole may have any name.
    let whole = parts.dir.path().join("whole-00001-of-00007.gguf");
    GgufWriter::new(Metadata::new()).write(&whole).unwrap();
    assert!(Gguf::open(&whole).unwrap().tensors().is_empty());
}

#[test]
fn split_model_takes_no_single_allocation_beyond_a_part_and_a_megabyte() {
    let parts =
        Parts::new(3, |_, part| part.tensors.iter_mut().for_each(|(_, values)| values.resize(1 << 20, 0.5)));
    let (whole, most) = largest(|| Gguf::open(&parts.path(2)).unwrap());
    let longest = (1..=3).map(|n| std::fs::metadata(parts.path(n)).unwrap().len()).max().unwrap() as usize;
    assert!(most <= longest + (1 << 20), "{most} bytes at once, of parts of at most {longest}");
    assert_eq!(whole.tensors().len(), 5);
    let (header, most) = largest(|| Header::open(&parts.path(2)).unwrap());
    assert!(most <= 1 << 20, "{most} bytes for a header");
    assert_eq!(header.tensors().len(), 5);
}
