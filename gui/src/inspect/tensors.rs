//! The list of a file's tensors: which it shows under a filter, in which order, and as text for a spreadsheet.

use std::cmp::Ordering;

use formats::gguf::{Header, TensorInfo};

use crate::command::TensorColumn;

/// An order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    pub by: TensorColumn,
    /// The largest first.
    pub down: bool,
}

impl Sort {
    /// What a click on a heading makes of it: up, then down, then the file's own order.
    pub fn clicked(self, column: TensorColumn) -> Sort {
        match self {
            Sort { by, down: false } if by == column => Sort { by, down: true },
            Sort { by, down: true } if by == column => Sort::default(),
            _ => Sort { by: column, down: false },
        }
    }
}

/// The places in the header of the tensors that a filter leaves, in order.
pub fn list(header: &Header, filter: &str, sort: Sort) -> Vec<u32> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let tensors = header.tensors();
    let mut order: Vec<u32> = (0..tensors.len() as u32).collect();
    if !words.is_empty() {
        order.retain(|i| {
            let t = &tensors[*i as usize];
            let text = format!("{} {} {}", t.name.to_lowercase(), t.ty.name().to_lowercase(), shape(t));
            words.iter().all(|w| text.contains(w))
        });
    }
    if sort.by != TensorColumn::File {
        order.sort_by(|a, b| {
            let (a, b) = (&tensors[*a as usize], &tensors[*b as usize]);
            let order = compare(a, b, sort.by);
            if sort.down { order.reverse() } else { order }
        });
    }
    order
}

fn compare(a: &TensorInfo, b: &TensorInfo, by: TensorColumn) -> Ordering {
    match by {
        TensorColumn::File => Ordering::Equal,
        TensorColumn::Name => by_name(&a.name, &b.name),
        TensorColumn::Shape => a.dims.weights().cmp(&b.dims.weights()).then_with(|| a.dims.cmp(&b.dims)),
        TensorColumn::Type => a.ty.name().cmp(b.ty.name()).then_with(|| by_name(&a.name, &b.name)),
        TensorColumn::Bytes => a.bytes.cmp(&b.bytes),
        TensorColumn::Offset => a.offset.cmp(&b.offset),
    }
}

/// As people order names: runs of digits by their number, so that block 10 comes after block 9.
fn by_name(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some(x), Some(y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let ((n, rest_a), (m, rest_b)) = (number(a), number(b));
            match n.len().cmp(&m.len()).then_with(|| n.cmp(m)) {
                Ordering::Equal => (a, b) = (rest_a, rest_b),
                different => return different,
            }
        } else if x != y {
            return x.cmp(y);
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
}

/// The digits at the start without leading zeros, and what follows.
fn number(s: &[u8]) -> (&[u8], &[u8]) {
    let end = s.iter().position(|c| !c.is_ascii_digit()).unwrap_or(s.len());
    let (digits, rest) = s.split_at(end);
    let start = digits.iter().position(|c| *c != b'0').unwrap_or(digits.len());
    (&digits[start..], rest)
}

/// "384 x 1152", the length of a row first, as GGUF has it.
pub fn shape(t: &TensorInfo) -> String {
    t.dims.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ")
}

/// A name that is safe to show.
pub fn shown_name(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// These tensors as lines with tabs between the columns.
pub fn table(header: &Header, order: &[u32]) -> String {
    let mut out = String::from("name\tshape\ttype\tbytes\toffset\n");
    for t in order.iter().filter_map(|i| header.tensors().get(*i as usize)) {
        out.push_str(&line(t));
        out.push('\n');
    }
    out
}

/// One tensor, with tabs between the columns.
pub fn line(t: &TensorInfo) -> String {
    [shown_name(&t.name), shape(t), t.ty.name().into(), t.bytes.to_string(), t.offset.to_string()].join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::blocks::TensorType;
    use formats::gguf::{GgufWriter, Metadata};

    fn header() -> Header {
        let mut writer = GgufWriter::new(Metadata::new());
        for (name, ty, dims) in [
            ("blk.10.w", TensorType::Q1_58, vec![128, 2]),
            ("blk.2.w", TensorType::Q1_58, vec![256, 8]),
            ("norm", TensorType::F32, vec![4]),
        ] {
            let bytes = ty.row_bytes(dims[0]).unwrap() * dims.get(1).unwrap_or(&1);
            writer.add_tensor(name, ty, &dims, vec![0; bytes as usize]).unwrap();
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        writer.write(file.path()).unwrap();
        Header::open(file.path()).unwrap()
    }

    #[test]
    fn tensors_are_filtered_by_words_and_ordered_by_any_column() {
        let header = header();
        let by = |by, down| list(&header, "", Sort { by, down });
        assert_eq!(by(TensorColumn::File, false), [0, 1, 2]);
        assert_eq!(by(TensorColumn::Name, false), [1, 0, 2]);
        assert_eq!(by(TensorColumn::Name, true), [2, 0, 1]);
        assert_eq!(by(TensorColumn::Shape, false), [2, 0, 1]);
        assert_eq!(by(TensorColumn::Type, false), [2, 1, 0]);
        assert_eq!(by(TensorColumn::Bytes, true), [1, 0, 2]);
        assert_eq!(by(TensorColumn::Offset, true), [2, 1, 0]);
        assert_eq!(list(&header, "BLK q1_58", Sort::default()), [0, 1]);
        assert_eq!(list(&header, "256 x 8", Sort::default()), [1]);
        assert!(list(&header, "blk f32", Sort::default()).is_empty());
        assert_eq!(table(&header, &[2]), "name\tshape\ttype\tbytes\toffset\nnorm\t4\tF32\t16\t640\n");
    }

    #[test]
    fn a_heading_is_clicked_up_down_and_off() {
        let first = Sort::default().clicked(TensorColumn::Bytes);
        assert_eq!(first, Sort { by: TensorColumn::Bytes, down: false });
        assert_eq!(first.clicked(TensorColumn::Bytes).clicked(TensorColumn::Bytes), Sort::default());
        assert_eq!(first.clicked(TensorColumn::Name), Sort { by: TensorColumn::Name, down: false });
    }

    #[test]
    fn names_are_ordered_by_their_numbers() {
        let mut names = ["b10", "b9", "b09a", "b", "a1", "b9.x10", "b9.x9"];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(names, ["a1", "b", "b9", "b9.x9", "b9.x10", "b09a", "b10"]);
    }
}
