//! The key-value part of a GGUF file: ordered as in the file, looked up by name and type.
//! What the keys mean is for their users: the model's configuration, the tokenizer.

use super::Problem;
use super::list::List;
use super::value::{Array, Strings, Value};
use crate::{Error, Result};

/// Keys and their values.
///
/// Every look-up gives `None` where the key is absent, and an error naming the key and the file where the value is
/// of another type; the `require_` ones give an error in both cases. Integers of any width are taken where they fit.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// Which file to name in errors; empty for metadata made here.
    file: String,
    entries: List<Entry>,
    /// Positions in `entries`, ordered by key.
    sorted: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: Box<str>,
    pub value: Value,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $require:ident -> $ty:ty, $want:literal, $take:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, key: &str) -> Result<Option<$ty>> {
            self.get_as(key, $want, $take)
        }

        #[doc = concat!("As [`Metadata::", stringify!($name), "`], and an error where the key is absent.")]
        pub fn $require(&self, key: &str) -> Result<$ty> {
            self.required(key, $want, self.$name(key)?)
        }
    )*};
}

impl Metadata {
    /// No keys yet.
    pub fn new() -> Metadata {
        Metadata::default()
    }

    /// Checks that no key repeats.
    pub(super) fn from_entries(file: String, entries: List<Entry>) -> std::result::Result<Metadata, Problem> {
        match entries.sorted_by_name(|e| &e.key) {
            Ok(sorted) => Ok(Metadata { file, entries, sorted }),
            Err(at) => Err(Problem::DuplicateKey { key: entries[at].key.to_string() }),
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys and values in the order of the file, or of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|e| (&*e.key, &e.value))
    }

    /// The value of `key`, of whatever type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.find(key).ok()?;
        Some(&self.entries[self.sorted[at] as usize].value)
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// Sets `key`, in place if it is there and at the end if not.
    pub fn insert(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.find(key) {
            Ok(at) => {
                let entry = self.entries.get_mut(self.sorted[at] as usize);
                entry.expect("`sorted` holds positions in `entries`").value = value;
            }
            Err(at) => {
                self.sorted.insert(at, self.entries.len() as u32);
                self.entries.push(Entry { key: key.into(), value });
            }
        }
    }

    /// These without some keys.
    pub(super) fn without(mut self, keys: &[&str]) -> Metadata {
        let mut entries = List::default();
        self.entries.into_iter().filter(|e| !keys.contains(&&*e.key)).for_each(|e| entries.push(e));
        self.sorted = entries.sorted_by_name(|e: &Entry| &e.key).expect("no key repeated before");
        Metadata { entries, ..self }
    }

    /// The file these keys come from, for messages; "new metadata" if none.
    pub fn file(&self) -> &str {
        if self.file.is_empty() { "new metadata" } else { &self.file }
    }

    fn find(&self, key: &str) -> std::result::Result<usize, usize> {
        self.sorted.binary_search_by(|at| (*self.entries[*at as usize].key).cmp(key))
    }

    fn get_as<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match take(value) {
            Some(v) => Ok(Some(v)),
            None => Err(self.error(Problem::WrongType {
                key: key.to_owned(),
                expected,
                found: value.described(),
            })),
        }
    }

    fn required<T>(&self, key: &str, expected: &'static str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error(Problem::MissingKey { key: key.to_owned(), expected }))
    }

    /// An error about one of these keys, naming the file: for users who find a value out of range.
    pub fn error(&self, problem: Problem) -> Error {
        Error::Gguf { problem, file: self.file().to_owned() }
    }

    /// An error that says what is wrong with the value of `key` ("is 0; expected at least 1").
    pub fn invalid(&self, key: &str, what: impl Into<String>) -> Error {
        self.error(Problem::BadValue { key: key.to_owned(), what: what.into() })
    }

    getters! {
        /// An unsigned integer below 2^32.
        u32, require_u32 -> u32, "a u32", Value::integer;
        /// A signed 32-bit integer.
        i32, require_i32 -> i32, "an i32", Value::integer;
        /// An unsigned integer.
        u64, require_u64 -> u64, "a u64", Value::integer;
        /// A signed integer.
        i64, require_i64 -> i64, "an i64", Value::integer;
        /// A number of items that fits memory.
        usize, require_usize -> usize, "a whole number", Value::integer;
        /// A float; an f64 is rounded.
        f32, require_f32 -> f32, "an f32", |v| match v {
            Value::F32(v) => Some(*v),
            Value::F64(v) => Some(*v as f32),
            _ => None,
        };
        /// A float of either width.
        f64, require_f64 -> f64, "an f64", |v| match v {
            Value::F32(v) => Some((*v).into()),
            Value::F64(v) => Some(*v),
            _ => None,
        };
        /// True or false.
        bool, require_bool -> bool, "a bool", |v| if let Value::Bool(v) = v { Some(*v) } else { None };
        /// A string.
        str, require_str -> &str, "a string", |v| if let Value::Str(v) = v { Some(v.as_str()) } else { None };
        /// An array of strings.
        strs, require_strs -> &Strings, "an array of strings", |v| match v {
            Value::Array(array) => if let Array::Str(v) = &**array { Some(v) } else { None },
            _ => None,
        };
        /// An array of f32.
        f32s, require_f32s -> &[f32], "an array of f32", |v| match v {
            Value::Array(array) => if let Array::F32(v) = &**array { Some(v.as_slice()) } else { None },
            _ => None,
        };
        /// An array of i32.
        i32s, require_i32s -> &[i32], "an array of i32", |v| match v {
            Value::Array(array) => if let Array::I32(v) = &**array { Some(v.as_slice()) } else { None },
            _ => None,
        };
        /// An array of u32.
        u32s, require_u32s -> &[u32], "an array of u32", |v| match v {
            Value::Array(array) => if let Array::U32(v) = &**array { Some(v.as_slice()) } else { None },
            _ => None,
        };
        /// An array of bytes.
        u8s, require_u8s -> &[u8], "an array of u8", |v| match v {
            Value::Array(array) => if let Array::U8(v) = &**array { Some(v.as_slice()) } else { None },
            _ => None,
        };
    }
}

/// Same keys, same values, same order; where they come from does not count.
impl PartialEq for Metadata {
    fn eq(&self, other: &Metadata) -> bool {
        self.entries == other.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_keeps_the_order_of_insertion_and_replaces_in_place() {
        let mut m = Metadata::new();
        for key in ["b", "c", "a"] {
            m.insert(key, 1u32);
        }
        m.insert("c", "now a string");
        assert_eq!(m.iter().map(|(k, _)| k).collect::<Vec<_>>(), ["b", "c", "a"]);
        assert_eq!(m.str("c").unwrap(), Some("now a string"));
        assert_eq!((m.len(), m.contains("a"), m.contains("d")), (3, true, false));
    }

    #[test]
    fn metadata_getters_name_the_key_and_both_types() {
        let mut m = Metadata::new();
        m.insert("x", vec![1i8]);
        m.insert("n", 5u64);
        assert_eq!(m.u32("n").unwrap(), Some(5));
        assert_eq!(m.u32("absent").unwrap(), None);
        let error = m.i32s("x").unwrap_err().to_string();
        assert_eq!(error, "key `x` is an array of i8; expected an array of i32 (in new metadata)");
        let error = m.require_str("ab\u{1b}sent").unwrap_err().to_string();
        assert_eq!(error, "key `ab\\u{1b}sent` is missing; expected a string (in new metadata)");
        m.insert("big", u64::MAX);
        assert!(m.u32("big").is_err() && m.f32("big").is_err());
    }
}
