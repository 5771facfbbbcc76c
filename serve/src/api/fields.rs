//! The fields of a request, one by one: each is what it must be, or is refused by its name. `null` is as good as nothing; fields that
//! nobody asks for are nobody's business.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::refusal::Refusal;

type Result<T> = std::result::Result<T, Refusal>;

/// A JSON object, and where it stands in the request.
#[derive(Clone, Debug)]
pub struct Fields {
    map: Map<String, Value>,
    /// What stands before its fields' names, in refusals.
    path: String,
}

impl Fields {
    /// A request's body.
    ///
    /// # Errors
    /// Anything but a JSON object.
    pub fn parse(body: &[u8]) -> Result<Fields> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Fields { map, path: String::new() }),
            Ok(other) => Err(Refusal::malformed(format!("the body is {}; expected an object", kind(&other)))),
            Err(error) => Err(Refusal::malformed(format!("the body is no JSON: {error}"))),
        }
    }

    /// An object at `path` of a request.
    ///
    /// # Errors
    /// Anything else.
    pub fn of(value: &Value, path: &str) -> Result<Fields> {
        match value {
            Value::Object(map) => Ok(Fields { map: map.clone(), path: format!("{path}.") }),
            other => Err(wrong(path, other, "an object")),
        }
    }

    /// The name of a field as refusals have it.
    pub fn name(&self, field: &str) -> String {
        format!("{}{field}", self.path)
    }

    /// A field that is there.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.map.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A boolean.
    ///
    /// # Errors
    /// Anything else.
    pub fn bool(&self, field: &str) -> Result<Option<bool>> {
        self.typed(field, "true or false", Value::as_bool)
    }

    /// A string.
    ///
    /// # Errors
    /// Anything else.
    pub fn str(&self, field: &str) -> Result<Option<&str>> {
        self.typed(field, "a string", Value::as_str)
    }

    /// An object.
    ///
    /// # Errors
    /// Anything else.
    pub fn object(&self, field: &str) -> Result<Option<Fields>> {
        self.get(field).map(|value| Fields::of(value, &self.name(field))).transpose()
    }

    /// A list.
    ///
    /// # Errors
    /// Anything else.
    pub fn list(&self, field: &str) -> Result<Option<&[Value]>> {
        self.typed(field, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    /// A number, which the caller finds a range for.
    ///
    /// # Errors
    /// Anything else, or one beyond what 32 bits hold.
    pub fn float(&self, field: &str) -> Result<Option<f32>> {
        self.typed(field, "a number", |value| value.as_f64().map(|v| v as f32).filter(|v| v.is_finite()))
    }

    /// A whole number in a range.
    ///
    /// # Errors
    /// Anything else.
    pub fn int(&self, field: &str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        let expected = match (*range.start(), *range.end()) {
            (i64::MIN, i64::MAX) => "a whole number".to_owned(),
            (least, i64::MAX) => format!("a whole number, {least} or more"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        self.typed(field, &expected, |value| whole(value).filter(|v| range.contains(v)))
    }

    /// A count in a range.
    ///
    /// # Errors
    /// Anything else.
    pub fn count(&self, field: &str, range: RangeInclusive<usize>) -> Result<Option<usize>> {
        let bound = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        let value = self.int(field, bound(*range.start())..=bound(*range.end()))?;
        Ok(value.map(|v| usize::try_from(v).unwrap_or(usize::MAX)))
    }

    /// Refuses a field unless it is missing or has one of the values that ask for nothing.
    ///
    /// # Errors
    /// It is there and asks for something.
    pub fn refuse_unless(&self, field: &str, nothing: &[Value], why: &str) -> Result<()> {
        match self.get(field) {
            Some(value) if !nothing.contains(value) => Err(Refusal::unsupported(self.name(field), why)),
            _ => Ok(()),
        }
    }

    fn typed<'v, T>(
        &'v self,
        field: &str,
        expected: &str,
        of: impl Fn(&'v Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        of(value).map(Some).ok_or_else(|| wrong(&self.name(field), value, expected))
    }
}

/// What is said under the first of these names that is there.
///
/// # Errors
/// `of`'s own.
pub fn first<T>(names: &[&str], of: impl Fn(&str) -> Result<Option<T>>) -> Result<Option<T>> {
    names.iter().find_map(|name| of(name).transpose()).transpose()
}

/// A whole number; clients of some languages write it with a point.
pub fn whole(value: &Value) -> Option<i64> {
    let exact = |v: f64| v.fract() == 0.0 && v.abs() < 9e15;
    value.as_i64().or_else(|| value.as_f64().filter(|&v| exact(v)).map(|v| v as i64))
}

/// A field has something else than what it must have.
pub fn wrong(field: &str, found: &Value, expected: &str) -> Refusal {
    let found = match found {
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        other => kind(other).to_owned(),
    };
    Refusal::invalid(field, format!("`{}` is {found}; expected {expected}", formats::shown(field)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
