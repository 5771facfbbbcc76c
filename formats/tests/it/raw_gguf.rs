//! GGUF files built byte by byte, so that any rule can be broken: the tests' counterpart to the writer.

/// Value type numbers, as the format defines them.
pub const U32: u32 = 4;
pub const I32: u32 = 5;
pub const STR: u32 = 8;
pub const ARRAY: u32 = 9;

/// A file in the making; fields are public so that a test can say exactly what is wrong.
#[derive(Clone)]
pub struct Raw {
    pub magic: [u8; 4],
    pub version: u32,
    pub tensor_count: Option<u64>,
    pub key_count: Option<u64>,
    pub keys: Vec<Vec<u8>>,
    pub tensors: Vec<RawTensor>,
    /// What the data section is padded to; what the file says is up to `keys`.
    pub alignment: usize,
    pub data: Vec<u8>,
}

#[derive(Clone)]
pub struct RawTensor {
    pub name: String,
    pub dim_count: Option<u32>,
    pub dims: Vec<u64>,
    pub ty: u32,
    pub offset: u64,
}

impl Raw {
    pub fn new() -> Raw {
        let (magic, version, alignment) = (*b"GGUF", 3, 32);
        let (keys, tensors, data) = (vec![], vec![], vec![]);
        Raw { magic, version, tensor_count: None, key_count: None, keys, tensors, alignment, data }
    }

    /// Appends a key with a value given as bytes.
    pub fn key(mut self, name: &str, ty: u32, value: &[u8]) -> Raw {
        self.keys.push([&text(name)[..], &ty.to_le_bytes(), value].concat());
        self
    }

    /// Appends an f32 tensor and its data, properly placed.
    pub fn f32s(mut self, name: &str, dims: &[u64]) -> Raw {
        let offset = self.data.len() as u64;
        self.tensors.push(RawTensor {
            name: name.into(),
            dim_count: None,
            dims: dims.to_vec(),
            ty: 0,
            offset,
        });
        let end = self.data.len() + 4 * dims.iter().product::<u64>() as usize;
        self.data.resize(end.next_multiple_of(self.alignment), 0x3e);
        self
    }

    /// Changes the last tensor.
    pub fn last(mut self, change: impl FnOnce(&mut RawTensor)) -> Raw {
        change(self.tensors.last_mut().unwrap());
        self
    }

    /// Changes anything.
    pub fn with(mut self, change: impl FnOnce(&mut Raw)) -> Raw {
        change(&mut self);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        self.keys.iter().for_each(|key| out.extend(key));
        for t in &self.tensors {
            out.extend(text(&t.name));
            out.extend(t.dim_count.unwrap_or(t.dims.len() as u32).to_le_bytes());
            t.dims.iter().for_each(|ne| out.extend(ne.to_le_bytes()));
            out.extend(t.ty.to_le_bytes());
            out.extend(t.offset.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out.extend(&self.data);
        out
    }
}

/// A string as GGUF stores it.
pub fn text(s: &str) -> Vec<u8> {
    [&(s.len() as u64).to_le_bytes()[..], s.as_bytes()].concat()
}

/// The start of an array: element type and count.
pub fn array(element: u32, count: u64) -> Vec<u8> {
    [&element.to_le_bytes()[..], &count.to_le_bytes()].concat()
}

/// Numbers that are random enough, the same in every run (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n - 1`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}
