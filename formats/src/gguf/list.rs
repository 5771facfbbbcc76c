//! A growing list in pieces, so that no single allocation is larger than what a hostile header of that length
//! may cost. Reads like a slice: `len`, `iter`, indexing.

use std::ops::Index;

/// Elements in a piece.
const PIECE: usize = 1024;

/// Elements in the order they came.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T> {
    /// All but the last hold exactly [`PIECE`].
    pieces: Vec<Vec<T>>,
}

impl<T> List<T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The element at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    /// The elements in order.
    pub fn iter(&self) -> Iter<'_, T> {
        self.pieces.iter().flatten()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    pub(super) fn push(&mut self, item: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(item),
            _ => self.pieces.push(vec![item]),
        }
    }

    /// The positions of the elements, ordered by `key`; no two keys may be equal, or the position of one that repeats.
    pub(super) fn sorted_by_name(&self, name: impl Fn(&T) -> &str) -> Result<Vec<u32>, usize> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by(|a, b| name(&self[*a as usize]).cmp(name(&self[*b as usize])));
        match order.windows(2).find(|w| name(&self[w[0] as usize]) == name(&self[w[1] as usize])) {
            Some(twice) => Err(twice[0].max(twice[1]) as usize),
            None => Ok(order),
        }
    }
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List { pieces: Vec::new() }
    }
}

impl<T> Index<usize> for List<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index).unwrap_or_else(|| panic!("index {index} in a list of {}", self.len()))
    }
}

/// The elements in order.
pub type Iter<'a, T> = std::iter::Flatten<std::slice::Iter<'a, Vec<T>>>;

impl<T> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter().flatten()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_reads_like_a_slice_over_several_pieces() {
        let mut list = List::default();
        assert!(list.is_empty() && list.get(0).is_none());
        for i in 0..3 * PIECE + 1 {
            assert_eq!(list.len(), i);
            list.push(i.to_string());
        }
        assert_eq!(list[2 * PIECE], (2 * PIECE).to_string());
        assert!(list.iter().enumerate().all(|(i, s)| *s == i.to_string()));
        assert!(list.get(list.len()).is_none());
        let order = list.sorted_by_name(|s| s).unwrap();
        assert!(order.windows(2).all(|w| list[w[0] as usize] < list[w[1] as usize]));
        list.push("7".into());
        assert_eq!(list.sorted_by_name(|s| s), Err(3 * PIECE + 1));
    }
}
