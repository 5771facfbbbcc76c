//! What differs between two files: keys of the metadata, tensors, and of tensors that are stored in both the share of weights that are not the
//! same. Of two checkpoints of one run that is how far they are apart, counted in flips.

use std::path::{Path, PathBuf};

use formats::blocks::{self, GROUP_MIN, TensorType};
use formats::gguf::{Header, TensorFile, TensorInfo};
use formats::sentence;
use half::f16;

use super::metadata::brief;
use super::portrait::READ;
use super::tensors::shape;
use crate::jobs::JobContext;
use crate::open::Stamp;

/// A key whose value is not the same; `None` where it is not set.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyChange {
    pub key: String,
    /// Its value in the open file, on one line.
    pub here: Option<String>,
    /// And in the other.
    pub there: Option<String>,
}

/// What became of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Only the open file has it.
    OnlyHere,
    /// Only the other file has it.
    OnlyThere,
    /// Another shape: here, there.
    Shape(String, String),
    /// The same shape, with weights that differ.
    Weights {
        /// The share of them that do; of ternary tensors, by their values -1, 0 and +1.
        share: f64,
        /// Of ternary tensors, the share that changed its sign, from -1 to +1 or back.
        reversed: Option<f64>,
        /// The largest difference between weights; between scales if every value is the same.
        most: f32,
        /// How it is stored here and there, where that differs.
        types: Option<(&'static str, &'static str)>,
    },
    /// It cannot be compared, and why.
    Unread(String),
}

/// Two files, held against each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The other file.
    pub other: PathBuf,
    /// Keys that differ, in the order of the open file, then of the other.
    pub keys: Vec<KeyChange>,
    /// Keys that do not.
    pub same_keys: usize,
    /// Tensors that differ, likewise.
    pub tensors: Vec<(String, Change)>,
    /// Tensors that do not.
    pub same_tensors: usize,
    /// Of all ternary weights that both have.
    pub flips: Flips,
}

/// How far ternary weights are from those of another file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// Weights that were compared.
    pub weights: u64,
    /// Those with another of the values -1, 0 and +1.
    pub flipped: u64,
    /// Of these, those that went from -1 to +1 or back.
    pub reversed: u64,
}

/// A file with its header.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub path: &'a Path,
    /// What it says before its weights.
    pub header: &'a Header,
    /// The version that the header is of.
    pub stamp: Stamp,
}

impl Difference {
    /// Holds a file against another one.
    ///
    /// # Errors
    /// A sentence: a file that is gone, changed or damaged, or that the job was cancelled.
    pub fn new(here: Side<'_>, other: &Path, job: &JobContext) -> Result<Difference, String> {
        job.progress(None, "reading the other header");
        let stamp = Stamp::of(other);
        let header = Header::open(other).map_err(|e| sentence(&e))?;
        let there = Side { path: other, header: &header, stamp };
        let mut difference = Difference {
            other: other.to_owned(),
            keys: keys(here.header, there.header),
            same_keys: 0,
            tensors: Vec::new(),
            same_tensors: 0,
            flips: Flips::default(),
        };
        difference.same_keys =
            here.header.metadata().len() - difference.keys.iter().filter(|k| k.here.is_some()).count();
        let all: u64 = here.header.tensors().iter().map(|t| t.dims.weights()).fold(0, u64::saturating_add);
        let mut done = 0u64;
        for info in here.header.tensors() {
            job.progress(Some(done as f32 / all.max(1) as f32), &info.name);
            let change = match there.header.find(&info.name) {
                None => Some(Change::OnlyHere),
                Some(twin) => tensor(here, there, info, twin, &mut difference.flips, job)?,
            };
            match change {
                Some(change) => difference.tensors.push((info.name.clone(), change)),
                None => difference.same_tensors += 1,
            }
            done = done.saturating_add(info.dims.weights());
        }
        for info in there.header.tensors() {
            if here.header.find(&info.name).is_none() {
                difference.tensors.push((info.name.clone(), Change::OnlyThere));
            }
        }
        Ok(difference)
    }

    /// Whether the files hold the same.
    pub fn is_none(&self) -> bool {
        self.keys.is_empty() && self.tensors.is_empty()
    }
}

fn keys(here: &Header, there: &Header) -> Vec<KeyChange> {
    let mut out = Vec::new();
    for (key, value) in here.metadata().iter() {
        let other = there.metadata().get(key);
        if other != Some(value) {
            let there = other.map(brief);
            out.push(KeyChange { key: key.to_owned(), here: Some(brief(value)), there });
        }
    }
    for (key, value) in there.metadata().iter() {
        if here.metadata().get(key).is_none() {
            out.push(KeyChange { key: key.to_owned(), here: None, there: Some(brief(value)) });
        }
    }
    out
}

/// What of a file's tensor is unpacked at a time.
struct Reader {
    file: TensorFile,
    ty: TensorType,
    /// What all weights are multiplied by: 1, unless it stands behind their blocks.
    factor: f32,
    bytes: Vec<u8>,
    scales: Vec<f16>,
    codes: Vec<i8>,
    values: Vec<f32>,
}

impl Reader {
    fn open(side: Side<'_>, name: &str) -> Result<Reader, String> {
        let mut file = TensorFile::open(side.path, side.header, name).map_err(|e| sentence(&e))?;
        if Stamp::of(side.path) != side.stamp {
            return Err(format!("{} changed on disk meanwhile. Compare again.", side.path.display()));
        }
        let ty = file.ty().map_err(|e| sentence(&e))?;
        let factor = file.factor().map_err(|e| sentence(&e))?.unwrap_or(1.0);
        let (bytes, scales, codes, values) = Default::default();
        Ok(Reader { file, ty, factor, bytes, scales, codes, values })
    }

    /// Reads so many weights from one on, which must begin a block.
    fn read(&mut self, at: u64, count: u64) -> Result<(), String> {
        let block = self.ty.block_len() as u64;
        self.file.read_blocks(at / block..(at + count) / block, &mut self.bytes).map_err(|e| sentence(&e))
    }

    fn unpack(&mut self, count: usize) -> formats::Result<()> {
        self.values.resize(count, 0.0);
        blocks::unpack(self.ty, &self.bytes, &mut self.values)?;
        self.values.iter_mut().for_each(|w| *w *= self.factor);
        Ok(())
    }

    fn unpack_codes(&mut self, count: usize) -> formats::Result<()> {
        self.codes.resize(count, 0);
        self.scales.resize(count / GROUP_MIN, f16::ZERO);
        blocks::unpack_codes(self.ty, &self.bytes, &mut self.scales, &mut self.codes)
    }
}

/// What differs between a tensor here and its twin there; `None` for nothing.
fn tensor(
    here: Side<'_>,
    there: Side<'_>,
    info: &TensorInfo,
    twin: &TensorInfo,
    flips: &mut Flips,
    job: &JobContext,
) -> Result<Option<Change>, String> {
    if info.dims != twin.dims {
        return Ok(Some(Change::Shape(shape(info), shape(twin))));
    }
    if info.ty.known().is_none() || twin.ty.known().is_none() {
        let unread = if info.ty.known().is_none() { info.ty } else { twin.ty };
        return Ok(Some(Change::Unread(format!("{} is not read here", unread.name()))));
    }
    let (mut a, mut b) = (Reader::open(here, &info.name)?, Reader::open(there, &info.name)?);
    let ternary = a.ty.is_ternary() && b.ty.is_ternary();
    let weights = info.dims.weights();
    let (mut differ, mut reversed, mut most) = (0u64, 0u64, 0f32);
    let mut at = 0;
    while at < weights {
        if job.is_cancelled() {
            return Err("The comparison was cancelled.".into());
        }
        let count = READ.min(weights - at);
        a.read(at, count)?;
        b.read(at, count)?;
        if a.ty != b.ty || a.bytes != b.bytes || a.factor != b.factor {
            let n = count as usize;
            let unpacked = if ternary {
                a.unpack_codes(n).and_then(|()| b.unpack_codes(n))
            } else {
                a.unpack(n).and_then(|()| b.unpack(n))
            };
            if let Err(e) = unpacked {
                return Ok(Some(Change::Unread(sentence(&e))));
            }
            if ternary {
                for (x, y) in a.codes.iter().zip(&b.codes) {
                    differ += u64::from(x != y);
                    reversed += u64::from(x * y < 0);
                }
                let scales = a.scales.iter().zip(&b.scales);
                most = scales
                    .map(|(x, y)| (a.factor * x.to_f32() - b.factor * y.to_f32()).abs())
                    .fold(most, f32::max);
            } else {
                // What is no number on both sides is the same.
                let pairs =
                    || a.values.iter().zip(&b.values).filter(|(x, y)| x != y && !(x.is_nan() && y.is_nan()));
                differ += pairs().count() as u64;
                most = pairs().map(|(x, y)| (x - y).abs()).fold(most, f32::max);
            }
        }
        at += count;
    }
    if ternary {
        flips.weights += weights;
        flips.flipped += differ;
        flips.reversed += reversed;
    }
    if differ == 0 && most == 0.0 && a.ty == b.ty {
        return Ok(None);
    }
    let share = |n: u64| n as f64 / weights.max(1) as f64;
    Ok(Some(Change::Weights {
        share: share(differ),
        reversed: ternary.then(|| share(reversed)),
        most,
        types: (a.ty != b.ty).then(|| (info.ty.name(), twin.ty.name())),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Jobs;
    use formats::blocks::q1_58;
    use formats::gguf::{GgufWriter, Metadata};

    fn write(
        path: &Path,
        fill: impl FnOnce(&mut Metadata),
        tensors: &[(&str, TensorType, [u64; 2], Vec<u8>)],
    ) {
        let mut meta = Metadata::new();
        meta.insert("general.architecture", "tercet");
        fill(&mut meta);
        let mut writer = GgufWriter::new(meta);
        for (name, ty, dims, bytes) in tensors {
            writer.add_tensor(name, *ty, dims, bytes.clone()).unwrap();
        }
        writer.write(path).unwrap();
    }

    fn ternary(codes: [i8; 128], scale: f32) -> Vec<u8> {
        let mut out = Vec::new();
        q1_58::pack_group(f16::from_f32(scale), &codes, &mut out);
        out
    }

    fn compare(a: &Path, b: &Path) -> Result<Difference, String> {
        let (a, b) = (a.to_owned(), b.to_owned());
        let job = Jobs::new(&eframe::egui::Context::default()).start_quietly("compare", move |job| {
            let header = Header::open(&a).unwrap();
            Difference::new(Side { path: &a, header: &header, stamp: Stamp::of(&a) }, &b, job)
        });
        let mut slot = job;
        loop {
            if let Some(result) = crate::jobs::take(&mut slot) {
                return result.unwrap();
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn two_files_are_told_apart_to_the_weight() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.gguf"), folder.path().join("b.gguf"));
        let mut codes = [0i8; 128];
        codes[..4].copy_from_slice(&[1, 1, -1, 0]);
        let mut other = codes;
        // One changes its sign, one becomes zero.
        (other[0], other[1]) = (-1, 0);
        let f32s = |v: [f32; 4]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        write(
            &a,
            |m| {
                m.insert("general.name", "one");
                m.insert("only.here", 1u32);
            },
            &[
                ("codes", TensorType::Q1_58, [128, 1], ternary(codes, 0.5)),
                ("scales", TensorType::Q1_58, [128, 1], ternary(codes, 0.5)),
                ("same", TensorType::F32, [4, 1], f32s([1.0, f32::NAN, 3.0, 4.0])),
                ("norm", TensorType::F32, [4, 1], f32s([1.0, 2.0, 3.0, 4.0])),
                ("grown", TensorType::F32, [4, 1], f32s([0.0; 4])),
                ("gone", TensorType::F32, [4, 1], f32s([0.0; 4])),
            ],
        );
        write(
            &b,
            |m| {
                m.insert("general.name", "two");
            },
            &[
                ("codes", TensorType::Q1_58, [128, 1], ternary(other, 0.5)),
                ("scales", TensorType::Q1_58, [128, 1], ternary(codes, 0.75)),
                ("same", TensorType::F32, [4, 1], f32s([1.0, f32::NAN, 3.0, 4.0])),
                ("norm", TensorType::F32, [4, 1], f32s([1.0, 2.5, 3.0, 4.0])),
                ("grown", TensorType::F32, [2, 1], f32s([0.0; 4])[..8].to_vec()),
                ("new", TensorType::F32, [4, 1], f32s([0.0; 4])),
            ],
        );
        let d = compare(&a, &b).unwrap();
        let words = |s: &str| Some(s.to_owned());
        assert_eq!(
            d.keys,
            [
                KeyChange { key: "general.name".into(), here: words("one"), there: words("two") },
                KeyChange { key: "only.here".into(), here: words("1"), there: None },
            ]
        );
        assert_eq!((d.same_keys, d.same_tensors), (1, 1));
        assert_eq!(d.flips, Flips { weights: 256, flipped: 2, reversed: 1 });
        let weights = |share, reversed, most| Change::Weights { share, reversed, most, types: None };
        let expected = [
            ("codes", weights(2.0 / 128.0, Some(1.0 / 128.0), 0.0)),
            ("scales", weights(0.0, Some(0.0), 0.25)),
            ("norm", weights(0.25, None, 0.5)),
            ("grown", Change::Shape("4 x 1".into(), "2 x 1".into())),
            ("gone", Change::OnlyHere),
            ("new", Change::OnlyThere),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(n, c)| (n.to_owned(), c)).collect();
        assert_eq!(d.tensors, expected);
        assert!(compare(&a, &a).unwrap().is_none());
        assert!(compare(&a, &folder.path().join("nowhere.gguf")).unwrap_err().contains("nowhere.gguf"));
    }
}
