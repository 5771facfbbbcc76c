//! Keys and values of the tokens so far, as f16, in the layouts that attention reads. It grows as
//! tokens come, so that a long context costs memory only once it is used.
//!
//! For each block and key-value head: keys transposed in blocks of [`KEY_BLOCK`] positions, `[position / 16][dimension][position % 16]`
//! (see `cpu::ops::attention`), and values `[position][dimension]`.

use half::f16;

use cpu::Kernels;
use cpu::ops::{KEY_BLOCK, k_transposed_len};
use model::config::ModelConfig;

/// The cache of one session.
#[derive(Clone, Debug)]
pub struct KvCache {
    head_dim: usize,
    kv_heads: usize,
    /// Block-major: block * kv_heads + head.
    heads: Vec<HeadCache>,
    /// One key on its way to being transposed.
    key: Vec<f16>,
}

/// Keys and values of one head.
#[derive(Clone, Debug, Default)]
pub struct HeadCache {
    k_transposed: Vec<f16>,
    v: Vec<f16>,
}

impl HeadCache {
    /// Keys of positions `0..positions`, transposed; the last block is padded with finite values.
    pub fn k_transposed(&self, positions: usize, head_dim: usize) -> &[f16] {
        &self.k_transposed[..k_transposed_len(positions, head_dim)]
    }

    /// Values of positions `0..positions`.
    pub fn v(&self, positions: usize, head_dim: usize) -> &[f16] {
        &self.v[..positions * head_dim]
    }
}

impl KvCache {
    /// An empty cache.
    pub fn new(config: &ModelConfig) -> Self {
        KvCache {
            head_dim: config.head_dim,
            kv_heads: config.kv_heads,
            heads: vec![HeadCache::default(); config.blocks * config.kv_heads],
            key: vec![f16::ZERO; config.head_dim],
        }
    }

    /// Stores keys and values of consecutive tokens at positions from `first` on. A token's row of `rows` ends with its
    /// keys (kv_heads x head_dim, rotated already) and its values (likewise).
    pub fn store(&mut self, kernels: &Kernels, block: usize, first: usize, rows: &[f32], row: usize) {
        let (hd, width) = (self.head_dim, self.kv_heads * self.head_dim);
        let end = first + rows.len() / row;
        for h in 0..self.kv_heads {
            let head = &mut self.heads[block * self.kv_heads + h];
            if head.v.len() < end * hd {
                head.v.resize(end * hd, f16::ZERO);
                head.k_transposed.resize(k_transposed_len(end, hd), f16::ZERO);
            }
            for (position, row) in (first..end).zip(rows.chunks_exact(row)) {
                let (k, v) = row[row.len() - 2 * width..].split_at(width);
                kernels.narrow_f16(&k[h * hd..][..hd], &mut self.key);
                let block = &mut head.k_transposed[position / KEY_BLOCK * KEY_BLOCK * hd..][..KEY_BLOCK * hd];
                let lane = position % KEY_BLOCK;
                for (lanes, &k) in block.as_chunks_mut::<KEY_BLOCK>().0.iter_mut().zip(&self.key) {
                    lanes[lane] = k;
                }
                kernels.narrow_f16(&v[h * hd..][..hd], &mut head.v[position * hd..][..hd]);
            }
        }
    }

    /// One head of one block.
    pub fn head(&self, block: usize, head: usize) -> &HeadCache {
        &self.heads[block * self.kv_heads + head]
    }

    /// Bytes that the cache takes now.
    pub fn bytes(&self) -> usize {
        self.heads.iter().map(|h| (h.k_transposed.capacity() + h.v.capacity()) * size_of::<f16>()).sum()
    }
}
