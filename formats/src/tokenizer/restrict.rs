//! A vocabulary cut down to the ids a corpus uses: embedding and softmax shrink with it, the text
//! stays in the same pieces. Which ids are used is the caller's to say.

use super::{Parts, Tokenizer, Tokens};

impl Tokenizer {
    /// Keeps `used`, the 256 bytes, control and user-defined tokens, and everything that merging
    /// towards a kept token passes through. Gives the smaller tokenizer and, for each old id, its new one.
    ///
    /// Every text still encodes, and a text whose ids were all used encodes to the same
    /// pieces: all merges on their way are kept in the same order, and no others compete.
    pub fn restrict(&self, used: &[u32]) -> (Tokenizer, Vec<Option<u32>>) {
        let parts = self.parts();
        let mut keep: Vec<bool> = parts.tokens.iter().map(|(.., kind)| kind.is_added()).collect();
        let ends = [parts.bos, parts.eos, parts.eot].into_iter().flatten();
        for id in used.iter().chain(&self.byte_ids).copied().chain(ends) {
            keep[id as usize] = true;
        }

        // Merges by what they make; a token may be made in several ways and all of them stay.
        let merged = self.pairs.merged();
        let mut by_product: Vec<u32> = (0..merged.len() as u32).collect();
        by_product.sort_by_key(|&rank| merged[rank as usize]);
        let mut todo: Vec<u32> = (0..keep.len() as u32).filter(|&id| keep[id as usize]).collect();
        while let Some(id) = todo.pop() {
            let from = by_product.partition_point(|&rank| merged[rank as usize] < id);
            for &rank in by_product[from..].iter().take_while(|&&rank| merged[rank as usize] == id) {
                let (l, r) = parts.merges[rank as usize];
                for part in [l, r] {
                    if !std::mem::replace(&mut keep[part as usize], true) {
                        todo.push(part);
                    }
                }
            }
        }

        let mut tokens = Tokens::new();
        let mut map = vec![None; keep.len()];
        for (id, bytes, kind) in parts.tokens.iter() {
            if keep[id as usize] {
                map[id as usize] = Some(tokens.push(bytes, kind));
            }
        }
        let new = |id: u32| map[id as usize];
        let merges = parts.merges.iter().zip(merged).filter_map(|(&(l, r), &m)| {
            new(m)?;
            Some((new(l)?, new(r)?))
        });
        let small = Parts {
            merges: merges.collect(),
            tokens,
            split: parts.split,
            bos: parts.bos.and_then(new),
            eos: parts.eos.and_then(new),
            eot: parts.eot.and_then(new),
            add_bos: parts.add_bos,
        };
        let small =
            Tokenizer::new(small, "a part of a vocabulary").expect("a closed part of a valid vocabulary");
        (small, map)
    }
}
