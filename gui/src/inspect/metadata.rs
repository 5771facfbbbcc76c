//! The list of a file's metadata: which keys and elements of arrays it shows under a filter, and how a value reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use formats::gguf::{Array, Header, Value};
use serde_json::Map;

use crate::widgets::{ROWS_MAX, count};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// The first part of the keys that follow; the number is the first of them.
    Group(usize),
    /// A key, by its place in the file.
    Key(usize),
    /// An element of the array that a key holds.
    Element(usize, usize),
}

/// Rows that follow each other.
#[derive(Clone, Debug)]
enum Part {
    One(Row),
    /// Elements of a key's array: so many, or these.
    Elements(usize, usize, Option<Vec<u32>>),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Part::One(_) => 1,
            Part::Elements(_, count, _) => *count,
        }
    }
}

/// The list as it is shown.
#[derive(Clone, Debug, Default)]
pub struct List {
    parts: Vec<(usize, Part)>,
    len: usize,
    /// Keys that are shown.
    pub keys: usize,
}

impl List {
    /// What of a file's metadata contains `filter`, whatever the case; arrays among `unfolded` with their elements.
    pub fn new(header: &Header, filter: &str, unfolded: &BTreeSet<String>) -> List {
        let filter = filter.trim().to_lowercase();
        let mut list = List::default();
        let mut group = None;
        for (index, (key, value)) in header.metadata().iter().enumerate() {
            let named = filter.is_empty() || key.to_lowercase().contains(&filter);
            let array = match value {
                Value::Array(array) if unfolded.contains(key) => Some(&**array),
                _ => None,
            };
            let matching = array.filter(|_| !named).map(|array| matching(array, &filter));
            let found = matching.as_ref().is_some_and(|m| !m.is_empty());
            let says = !matches!(value, Value::Array(_)) && brief(value).to_lowercase().contains(&filter);
            if !named && !found && !says {
                continue;
            }
            if group != Some(group_of(key)) {
                group = Some(group_of(key));
                list.push(Part::One(Row::Group(index)));
            }
            list.push(Part::One(Row::Key(index)));
            list.keys += 1;
            if let Some(array) = array {
                let shown = matching.as_ref().map_or(array.len(), Vec::len);
                list.push(Part::Elements(index, shown.min(ROWS_MAX), matching));
            }
        }
        list
    }

    fn push(&mut self, part: Part) {
        let start = self.len;
        self.len += part.len();
        self.parts.push((start, part));
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The row at this place, if the list is so long.
    pub fn get(&self, row: usize) -> Option<Row> {
        let at = self.parts.partition_point(|(start, _)| *start <= row).checked_sub(1)?;
        let (start, part) = self.parts.get(at)?;
        let within = row - start;
        match part {
            Part::One(row) => (within == 0).then_some(*row),
            Part::Elements(key, count, None) => (within < *count).then_some(Row::Element(*key, within)),
            Part::Elements(key, _, Some(these)) => Some(Row::Element(*key, *these.get(within)? as usize)),
        }
    }
}

/// Elements of the arrays that are unfolded.
pub fn elements(header: &Header, unfolded: &BTreeSet<String>) -> usize {
    let array = |key: &String| match header.metadata().get(key) {
        Some(Value::Array(array)) => array.len(),
        _ => 0,
    };
    unfolded.iter().map(array).sum()
}

/// What keys are grouped by: everything before the first point.
pub fn group_of(key: &str) -> &str {
    key.split_once('.').map_or("", |(group, _)| group)
}

/// A key without its group.
pub fn rest_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, rest)| rest)
}

/// Elements that contain a text.
fn matching(array: &Array, filter: &str) -> Vec<u32> {
    let all = 0..array.len().min(u32::MAX as usize);
    all.filter(|i| element(array, *i).to_lowercase().contains(filter)).map(|i| i as u32).collect()
}

/// A value on one line.
pub fn brief(value: &Value) -> String {
    match value {
        Value::Str(v) => visible(v),
        Value::Array(array) => {
            let kind = value.type_name().trim_start_matches("array of ");
            format!("[{} {kind}]", count(array.len() as u64))
        }
        scalar => scalar.scalar_text().unwrap_or_default(),
    }
}

/// An element of an array, as a row shows it.
pub fn element(array: &Array, index: usize) -> String {
    let shown = match array {
        Array::U8(v) => v.get(index).map(ToString::to_string),
        Array::I8(v) => v.get(index).map(ToString::to_string),
        Array::U16(v) => v.get(index).map(ToString::to_string),
        Array::I16(v) => v.get(index).map(ToString::to_string),
        Array::U32(v) => v.get(index).map(ToString::to_string),
        Array::I32(v) => v.get(index).map(ToString::to_string),
        Array::F32(v) => v.get(index).map(ToString::to_string),
        Array::Bool(v) => v.get(index).map(ToString::to_string),
        Array::Str(v) => v.get(index).map(visible),
        Array::U64(v) => v.get(index).map(ToString::to_string),
        Array::I64(v) => v.get(index).map(ToString::to_string),
        Array::F64(v) => v.get(index).map(ToString::to_string),
    };
    shown.unwrap_or_default()
}

/// Characters of a string that a row or a hint shows.
const SHOWN_CHARS: usize = 1000;

/// A string with everything that cannot be seen spelled out; a long one cut.
fn visible(s: &str) -> String {
    let spelled = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    let mut shown: String = s.chars().take(SHOWN_CHARS).map(spelled).collect();
    if s.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A value as it is copied: a string as it is, everything else as JSON.
pub fn copied(value: &Value) -> String {
    match value {
        Value::Str(s) => s.clone(),
        other => serde_json::to_string(other).unwrap_or_else(|_| brief(other)),
    }
}

/// All keys and values, whole, as one JSON object.
pub fn json(header: &Arc<Header>) -> String {
    let all: Map<String, serde_json::Value> = header
        .metadata()
        .iter()
        .map(|(k, v)| (k.to_owned(), serde_json::to_value(v).unwrap_or_else(|_| brief(v).into())))
        .collect();
    format!("{:#}", serde_json::Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::gguf::{GgufWriter, Metadata};

    fn header() -> Header {
        let mut meta = Metadata::new();
        meta.insert("general.name", "A\tname");
        meta.insert("general.size", 7u32);
        meta.insert("tokenizer.tokens", (0..60_000).map(|i| format!("t{i}")).collect::<Vec<_>>());
        meta.insert("plain", vec![1.5f32, -2.0]);
        let path = tempfile::NamedTempFile::new().unwrap();
        GgufWriter::new(meta).write(path.path()).unwrap();
        Header::open(path.path()).unwrap()
    }

    fn shown(list: &List) -> Vec<Row> {
        (0..list.len()).map(|i| list.get(i).unwrap()).collect()
    }

    #[test]
    fn list_groups_keys_and_unfolds_arrays_lazily() {
        use Row::{Element, Group, Key};
        let header = header();
        let list = List::new(&header, "", &BTreeSet::new());
        assert_eq!(shown(&list), [Group(0), Key(0), Key(1), Group(2), Key(2), Group(3), Key(3)]);
        assert_eq!(list.get(7), None);
        let unfolded = BTreeSet::from(["tokenizer.tokens".to_owned()]);
        let list = List::new(&header, "", &unfolded);
        assert_eq!((list.len(), list.keys), (60_007, 4));
        assert_eq!(
            [4, 5, 60_004, 60_005].map(|i| list.get(i).unwrap()),
            [Key(2), Element(2, 0), Element(2, 59_999), Group(3)]
        );
    }

    #[test]
    fn filter_finds_keys_values_and_elements_of_what_is_unfolded() {
        use Row::{Element, Group, Key};
        let header = header();
        assert_eq!(shown(&List::new(&header, " NAME", &BTreeSet::new())), [Group(0), Key(0)]);
        assert_eq!(shown(&List::new(&header, "7", &BTreeSet::new())), [Group(1), Key(1)]);
        assert_eq!(List::new(&header, "t4711", &BTreeSet::new()).len(), 0);
        let unfolded = BTreeSet::from(["tokenizer.tokens".to_owned()]);
        let list = List::new(&header, "t4711", &unfolded);
        let rows = shown(&list);
        assert_eq!(rows[..3], [Group(2), Key(2), Element(2, 4711)]);
        assert_eq!(rows.len(), 2 + 11, "t4711 and t47110 to t47119");
    }

    #[test]
    fn values_read_on_one_line_and_copy_whole() {
        let header = header();
        let meta = header.metadata();
        assert_eq!(brief(meta.get("general.name").unwrap()), "A\\tname");
        assert_eq!(copied(meta.get("general.name").unwrap()), "A\tname");
        assert_eq!(brief(meta.get("tokenizer.tokens").unwrap()), "[60,000 strings]");
        assert_eq!(copied(meta.get("plain").unwrap()), "[1.5,-2.0]");
        let json: serde_json::Value = serde_json::from_str(&json(&Arc::new(header))).unwrap();
        assert_eq!((&json["general.size"], &json["tokenizer.tokens"][59_999]), (&7.into(), &"t59999".into()));
        assert_eq!(brief(&"x".repeat(2000).into()).chars().count(), SHOWN_CHARS + 1);
    }
}
