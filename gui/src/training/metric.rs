//! One line of a metrics log as the page needs it: where on the x axes it is, and a few f32. What a line of our own trainer looks
//! like is read by a small scanner, four times as fast as a JSON parser; everything else gets the parser.

use serde_json::Value;

/// Series with a value at every step: training loss, its bits per byte, learning rate, gradient norm, tokens per second.
pub const STEPS: usize = 5;
/// Series of validations: loss and bits per byte.
pub const VALIDATION: usize = 2;
/// Series of looks at the codes: share of zeros, flips, drift of scales; each mean, lowest and highest of the layers.
pub const CODES: usize = 3;

/// Stands for a value that was measured and is no number. NaN stands for one that was not measured.
pub const ODD: f32 = f32::INFINITY;

/// Mean, lowest and highest.
pub type Spread = [f32; 3];

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Steps done.
    pub step: f64,
    /// Tokens seen; 0 if the line does not tell.
    pub tokens: f64,
    /// Seconds of training; 0 if the line does not tell.
    pub seconds: f64,
    /// See [`STEPS`].
    pub steps: [f32; STEPS],
    /// See [`VALIDATION`].
    pub validation: Option<[f32; VALIDATION]>,
    /// See [`CODES`].
    pub codes: Option<Box<[Spread; CODES]>>,
}

/// Keys, in the order of the arrays above.
const STEP_KEYS: [&str; STEPS] = ["loss", "bits_per_byte", "lr", "grad_norm", "tokens_per_sec"];
const VALIDATION_KEYS: [&str; VALIDATION] = ["val_loss", "val_bits_per_byte"];
const CODE_KEYS: [&str; CODES] = ["zeros", "flips", "scale_drift"];

impl Point {
    fn new() -> Point {
        let steps = [f32::NAN; STEPS];
        Point { step: 0.0, tokens: 0.0, seconds: 0.0, steps, validation: None, codes: None }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(line: &[u8]) -> Result<Point, String> {
        let point = match Scanner(line).point() {
            Some(point) => point,
            None => by_parser(line)?,
        };
        if point.step >= 1.0 && point.step < 9e15 { Ok(point) } else { Err("it has no step".into()) }
    }

    /// A number under a key; `None` where there was a null.
    fn number(&mut self, key: &[u8], value: Option<f64>) {
        match (key, value) {
            (b"step", Some(v)) => self.step = v,
            (b"tokens", Some(v)) if v.is_finite() => self.tokens = v,
            (b"seconds", Some(v)) if v.is_finite() => self.seconds = v,
            // What is no number is written as null.
            (b"loss", v) => self.steps[0] = narrow(v.unwrap_or(f64::NAN)),
            (_, Some(v)) => {
                if let Some(i) = STEP_KEYS.iter().position(|k| k.as_bytes() == key) {
                    self.steps[i] = narrow(v);
                } else if let Some(i) = VALIDATION_KEYS.iter().position(|k| k.as_bytes() == key) {
                    self.validation.get_or_insert([f32::NAN; VALIDATION])[i] = narrow(v);
                }
            }
            (_, None) => {}
        }
    }

    /// Numbers under a key.
    fn numbers(&mut self, key: &[u8], values: impl Iterator<Item = f64>) {
        let Some(i) = CODE_KEYS.iter().position(|k| k.as_bytes() == key) else { return };
        let (mut sum, mut count, mut low, mut high) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for v in values.filter(|v| v.is_finite()) {
            (sum, count, low, high) = (sum + v, count + 1.0, low.min(v), high.max(v));
        }
        if count > 0.0 {
            let spread = [sum / count, low, high].map(narrow);
            self.codes.get_or_insert_with(|| Box::new([[f32::NAN; 3]; CODES]))[i] = spread;
        }
    }
}

/// As f32, with [`ODD`] for what is no number.
fn narrow(v: f64) -> f32 {
    if v.is_finite() { (v as f32).clamp(f32::MIN, f32::MAX) } else { ODD }
}

/// The rest of a line.
struct Scanner<'a>(&'a [u8]);

impl<'a> Scanner<'a> {
    /// An object of numbers, nulls and arrays of numbers with plain keys; `None` for anything else.
    fn point(&mut self) -> Option<Point> {
        let mut point = Point::new();
        self.eat(b'{')?;
        loop {
            let key = self.key()?;
            self.eat(b':')?;
            if self.eat(b'[').is_some() {
                let mut values = Vec::new();
                while self.eat(b']').is_none() {
                    values.extend(self.value()?);
                    self.eat(b',');
                }
                point.numbers(key, values.into_iter());
            } else {
                let value = self.value()?;
                point.number(key, value);
            }
            if self.eat(b',').is_none() {
                break;
            }
        }
        self.eat(b'}')?;
        self.0.trim_ascii().is_empty().then_some(point)
    }

    fn eat(&mut self, what: u8) -> Option<()> {
        self.0 = self.0.trim_ascii_start();
        let (&first, rest) = self.0.split_first()?;
        (first == what).then(|| self.0 = rest)
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let end = self.0.iter().position(|&b| b == b'"')?;
        let (key, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        (!key.contains(&b'\\')).then_some(key)
    }

    /// A number, or a null. NaN and infinities as some writers of JSON spell them are numbers here.
    fn value(&mut self) -> Option<Option<f64>> {
        self.0 = self.0.trim_ascii_start();
        let end = self.0.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' '))?;
        let (token, rest) = self.0.split_at(end);
        let value = match token {
            b"null" => None,
            b"NaN" | b"Infinity" | b"-Infinity" => Some(f64::NAN),
            [b'-' | b'0'..=b'9', ..] => Some(std::str::from_utf8(token).ok()?.parse().ok()?),
            _ => return None,
        };
        self.0 = rest;
        Some(value)
    }
}

fn by_parser(line: &[u8]) -> Result<Point, String> {
    let map: serde_json::Map<String, Value> =
        serde_json::from_slice(line).map_err(|e| formats::shown(&e.to_string()))?;
    let mut point = Point::new();
    for (key, value) in &map {
        let known = key == "step" || STEP_KEYS.contains(&&**key) || VALIDATION_KEYS.contains(&&**key);
        match value {
            Value::Number(n) => point.number(key.as_bytes(), n.as_f64()),
            Value::Null => point.number(key.as_bytes(), None),
            Value::Array(list) => point.numbers(key.as_bytes(), list.iter().filter_map(Value::as_f64)),
            _ if known => return Err(format!("{key} is no number")),
            _ => {}
        }
    }
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_scanner_reads_what_the_parser_reads() {
        let log = include_str!("../../../models/shakespeare.metrics.jsonl");
        let mut with_codes = 0;
        for line in log.lines() {
            let point = Scanner(line.as_bytes()).point().expect("our own lines are plain");
            assert_eq!(format!("{point:?}"), format!("{:?}", by_parser(line.as_bytes()).unwrap()));
            let whole: formats::run_log::MetricLine = serde_json::from_str(line).unwrap();
            assert_eq!((point.step, point.steps[0]), (whole.step as f64, whole.loss as f32));
            with_codes += usize::from(point.codes.is_some());
        }
        assert!(with_codes > 3);
    }

    #[test]
    fn metric_values_that_are_no_numbers_are_kept_as_such() {
        let loss = |line: &str| Point::read(line.as_bytes()).unwrap().steps[0];
        assert_eq!(loss(r#"{"step":1,"loss":null}"#), ODD);
        assert_eq!(loss(r#"{"step": 1, "loss": NaN}"#), ODD);
        assert_eq!(loss(r#"{"loss":-Infinity,"step":1}"#), ODD);
        assert!(loss(r#"{"step":1}"#).is_nan());
        assert_eq!(loss("{\"step\":1,\"loss\":0.5,\"note\":\"a \\\" b\"}\r\n"), 0.5);
    }

    #[test]
    fn metric_lines_that_are_no_records_are_refused() {
        for line in [
            "",
            "{",
            "nonsense",
            "{}",
            r#"{"step":0}"#,
            r#"{"step":"x"}"#,
            r#"{"loss":1}"#,
            "[1]",
            "null",
            r#"{"step":1} x"#,
        ] {
            assert!(Point::read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
