//! Many names looked for at once, in time in proportion to the text, whatever the names are. What is done with them where they overlap is
//! decided here too: of those that begin leftmost the longest counts.
//!
//! Reading on to see whether a longer name comes, and coming back where none does, takes a text times a name long: two names, a letter and
//! twenty thousand of them, took seconds for 100 kB. So the text is read once from its end: of all names that begin at a place the automaton
//! (Aho and Corasick 1975, of the names backwards) then knows the longest.

/// No name.
const NONE: u32 = u32::MAX;

/// The automaton: a tree of the names backwards. Nodes are numbered breadth first, so that the children of one follow each other.
#[derive(Clone, Debug)]
pub struct Names {
    /// By node, and one more: its first child. The last child is before the next node's first.
    children: Vec<u32>,
    /// By node: the byte that leads to it. Ascending among the children of a node.
    bytes: Vec<u8>,
    /// By node: the longest shorter end of what was read that is a node too.
    shorter: Vec<u32>,
    /// By node: the longest name that is read here, by its position in the list.
    name: Vec<u32>,
    /// The children of the first node, where most of a text is spent.
    first: [u32; 256],
}

/// Names that share what leads to a node: these of the sorted ones.
#[derive(Clone, Copy)]
struct Span {
    from: u32,
    to: u32,
    depth: u32,
}

impl Names {
    /// An automaton of names that are not empty, fewer than 2^32 bytes together. Of equal ones the first counts.
    pub fn new(names: &[&[u8]]) -> Names {
        let back = |name: u32, depth: u32| names[name as usize].iter().rev().nth(depth as usize).copied();
        let mut sorted: Vec<u32> = (0..names.len() as u32).collect();
        sorted.sort_by(|&a, &b| names[a as usize].iter().rev().cmp(names[b as usize].iter().rev()));
        let mut spans = vec![Span { from: 0, to: names.len() as u32, depth: 0 }];
        let mut all = Names {
            children: Vec::new(),
            bytes: vec![0],
            shorter: vec![0],
            name: Vec::new(),
            first: [0; 256],
        };
        let mut node = 0;
        while let Some(&Span { mut from, to, depth }) = spans.get(node) {
            all.children.push(spans.len() as u32);
            // A name that ends here comes before those that go on.
            let ends = |at: u32| at < to && back(sorted[at as usize], depth).is_none();
            let own = if ends(from) { sorted[from as usize] } else { NONE };
            let shorter = all.shorter[node] as usize;
            all.name.push(if own == NONE && node > 0 { all.name[shorter] } else { own });
            while ends(from) {
                from += 1;
            }
            while from < to {
                let byte = back(sorted[from as usize], depth);
                let same =
                    (from..to).take_while(|&at| back(sorted[at as usize], depth) == byte).count() as u32;
                let byte = byte.unwrap_or_default();
                all.shorter.push(if node == 0 { 0 } else { all.step(shorter as u32, byte).0 });
                all.bytes.push(byte);
                if node == 0 {
                    all.first[byte as usize] = spans.len() as u32;
                }
                spans.push(Span { from, to: from + same, depth: depth + 1 });
                from += same;
            }
            node += 1;
        }
        all.children.push(spans.len() as u32);
        all
    }

    /// The node after one more byte, and how many nodes were looked at: never more of them in a text than twice its bytes.
    fn step(&self, mut node: u32, byte: u8) -> (u32, usize) {
        let mut looks = 1;
        while node != 0 {
            let (from, to) =
                (self.children[node as usize] as usize, self.children[node as usize + 1] as usize);
            if let Ok(at) = self.bytes[from..to].binary_search(&byte) {
                return ((from + at) as u32, looks);
            }
            node = self.shorter[node as usize];
            looks += 1;
        }
        (self.first[byte as usize], looks)
    }

    /// Where names begin in a text and the longest that does, from the last place to the first; and how many nodes were looked at.
    fn beginnings(&self, text: &[u8]) -> (Vec<(usize, u32)>, usize) {
        let (mut out, mut node, mut looks) = (Vec::new(), 0, 0);
        for (at, &byte) in text.iter().enumerate().rev() {
            let (next, looked) = self.step(node, byte);
            (node, looks) = (next, looks + looked);
            let name = self.name[node as usize];
            if name != NONE {
                out.push((at, name));
            }
        }
        (out, looks)
    }

    /// Names in a text, leftmost first and the longest of those: where each begins, and its position in the list. `len` tells how long
    /// one is.
    pub fn find<'n>(
        &'n self,
        text: &str,
        len: impl Fn(u32) -> usize + 'n,
    ) -> impl Iterator<Item = (usize, u32)> + 'n {
        let (mut beginnings, _) = self.beginnings(text.as_bytes());
        let mut end = 0;
        std::iter::from_fn(move || {
            loop {
                let (at, name) = beginnings.pop()?;
                if at >= end {
                    end = at + len(name);
                    return Some((at, name));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<'n>(names: &[&'n str]) -> Vec<&'n [u8]> {
        names.iter().map(|name| name.as_bytes()).collect()
    }

    /// The definition: at each place all names, longest and then first.
    fn plainly(names: &[&str], text: &str) -> Vec<(usize, u32)> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let here = names
                .iter()
                .enumerate()
                .filter(|(_, name)| text.as_bytes()[at..].starts_with(name.as_bytes()));
            match here.max_by_key(|(i, name)| (name.len(), std::cmp::Reverse(*i))) {
                Some((i, name)) => {
                    out.push((at, i as u32));
                    at += name.len();
                }
                None => at += 1,
            }
        }
        out
    }

    #[test]
    fn names_are_found_as_the_definition_finds_them() {
        let mut state = 5u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let mut found = 0;
        for _ in 0..3000 {
            let letters = 2 + below(3);
            let mut word = |most: usize| -> String {
                let len = 1 + below(most);
                (0..len).map(|_| ["a", "b", "é", "c"][below(letters)]).collect()
            };
            let names: Vec<String> = (0..7).map(|_| word(5)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let text = word(60);
            let ours: Vec<_> =
                Names::new(&bytes(&names)).find(&text, |name| names[name as usize].len()).collect();
            assert_eq!(ours, plainly(&names, &text), "{names:?} in {text:?}");
            found += ours.len();
        }
        assert!(found > 3000);
    }

    #[test]
    fn names_take_time_in_proportion_to_the_text() {
        // Thousands of lengths, and one that is never there but nearly always begun.
        let lengths: Vec<String> = (1..1400)
            .map(|n| "a".repeat(n))
            .chain(["a".repeat(9000) + "b", "c".repeat(9000) + "a"])
            .collect();
        let names: Vec<&str> = lengths.iter().map(String::as_str).collect();
        let all = Names::new(&bytes(&names));
        for text in
            ["a".repeat(50_000), "c".repeat(50_000), "ab".repeat(25_000), ("c".repeat(8999) + "ba").repeat(5)]
        {
            let (_, looks) = all.beginnings(text.as_bytes());
            assert!(looks <= 2 * text.len(), "{looks} looks for {} bytes", text.len());
        }
        let found: Vec<_> = all.find(&"a".repeat(3000), |name| names[name as usize].len()).collect();
        assert_eq!(found, [(0, 1398), (1399, 1398), (2798, 201)]);
        // The tree has a node a byte at most.
        assert!(all.bytes.len() <= names.iter().map(|n| n.len()).sum::<usize>() + 1);
    }
}
