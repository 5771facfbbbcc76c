//! Turns GPT-2's rank file, as the `tiktoken-rs` crate ships it, into the 50,000 merges that the
//! tokenizer is built from: 200 kB in the program instead of a megabyte and a second BPE engine.
//!
//! ```text
//! gpt2_merges.bin   for id 256, 257, ...: left id (u16), right id (u16), little-endian
//! ```
//! A rank file lists tokens, not merges. The merge that made a token is what is left of its
//! bytes when all earlier merges are done: exactly two pieces.

use std::collections::HashMap;
use std::path::Path;

/// Bytes and merges; the last id, `<|endoftext|>`, is neither.
const TOKENS: u32 = 50_256;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let bpe = tiktoken_rs::r50k_base().expect("the crate reads its own file");
    let tokens: Vec<Vec<u8>> =
        (0..TOKENS).map(|id| bpe.decode_bytes(&[id]).expect("an id of the file")).collect();
    let ids: HashMap<&[u8], u32> = tokens.iter().zip(0..).map(|(t, id)| (&t[..], id)).collect();
    assert!(tokens[..256].iter().all(|t| t.len() == 1), "the first 256 tokens are the bytes");

    let mut out = Vec::with_capacity(4 * tokens.len());
    for (token, id) in tokens.iter().zip(0u32..).skip(256) {
        let cut = last_merge(token, id, &ids);
        for part in [&token[..cut], &token[cut..]] {
            let part = u16::try_from(ids[part]).expect("ids of GPT-2 fit 16 bits");
            out.extend(part.to_le_bytes());
        }
    }
    let dir = std::env::var_os("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&dir).join("gpt2_merges.bin"), out).expect("the output folder is writable");
}

/// Where the merge that made token `id` joined its bytes.
fn last_merge(token: &[u8], id: u32, ids: &HashMap<&[u8], u32>) -> usize {
    let mut ends: Vec<usize> = (0..=token.len()).collect();
    while ends.len() > 3 {
        let (_, at) = (1..ends.len() - 1)
            .filter_map(|i| {
                ids.get(&token[ends[i - 1]..ends[i + 1]]).filter(|&&rank| rank < id).map(|&rank| (rank, i))
            })
            .min()
            .expect("every token is made by earlier merges");
        ends.remove(at);
    }
    ends[1]
}
