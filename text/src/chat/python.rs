//! The methods of Python's strings and dictionaries that chat templates call: those are written for Python, and the engine has none.
//! What each gives is what Python gives, and what it costs is counted before it is made.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};

use super::letters::{capitalize, is_title, swapcase, title};
use super::template::RENDERED_BYTES_MAX;

type Result<T> = std::result::Result<T, Error>;

/// Calls `name` of a value that has no methods of its own.
///
/// # Errors
/// No such method; arguments that it does not take; a result that is too large.
pub fn method(state: &mut State<'_, '_>, value: &Value, name: &str, args: &[Value]) -> Result<Value> {
    let (Rest(positional), named) = from_args::<(Rest<Value>, Kwargs)>(args)?;
    let args = Args { positional, named };
    let result = match value.as_str() {
        Some(text) => of_str(state, text, name, &args)?,
        None if value.kind() == ValueKind::Map => of_dict(value, name, &args)?,
        None => return Err(ErrorKind::UnknownMethod.into()),
    };
    args.named.assert_all_used()?;
    Ok(result)
}

/// What a method is called with.
struct Args {
    positional: Vec<Value>,
    named: Kwargs,
}

impl Args {
    /// The argument of this place or name; none that is left out, or is `None`.
    fn get(&self, place: usize, name: &str) -> Result<Option<Value>> {
        let value = match self.positional.get(place) {
            Some(value) => Some(value.clone()),
            None => self.named.get(name)?,
        };
        Ok(value.filter(|v: &Value| !v.is_none() && !v.is_undefined()))
    }

    fn text(&self, place: usize, name: &str) -> Result<Option<String>> {
        let text = |v: Value| v.as_str().map(str::to_owned).ok_or_else(|| wrong("it takes a string"));
        self.get(place, name)?.map(text).transpose()
    }

    fn must(&self, place: usize, name: &str) -> Result<String> {
        self.text(place, name)?.ok_or_else(|| ErrorKind::MissingArgument.into())
    }

    fn number(&self, place: usize, name: &str) -> Result<Option<i64>> {
        self.get(place, name)?.map(i64::try_from).transpose()
    }

    /// How many times at most; Python's -1 is as many as there are.
    fn most(&self, place: usize, name: &str) -> Result<usize> {
        Ok(self.number(place, name)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX))
    }

    /// No more of them than this.
    fn at_most(&self, n: usize) -> Result<()> {
        if self.positional.len() > n { Err(ErrorKind::TooManyArguments.into()) } else { Ok(()) }
    }
}

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// What Python strips and splits at.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn of_str(state: &State<'_, '_>, text: &str, name: &str, args: &Args) -> Result<Value> {
    let takes = match name {
        "replace" | "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count" => 3,
        "split" | "rsplit" | "ljust" | "rjust" | "center" => 2,
        "upper" | "lower" | "title" | "capitalize" | "swapcase" => 0,
        name if name.starts_with("is") => 0,
        _ => 1,
    };
    args.at_most(takes)?;
    let all = |is: fn(char) -> bool| Value::from(!text.is_empty() && text.chars().all(is));
    Ok(match name {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "title" => Value::from(title(text)),
        "capitalize" => Value::from(capitalize(text)),
        "swapcase" => Value::from(swapcase(text)),
        "strip" | "lstrip" | "rstrip" => {
            let chars = args.text(0, "chars")?;
            let gone = |c: char| chars.as_ref().map_or_else(|| is_space(c), |chars| chars.contains(c));
            let text = if name == "rstrip" { text } else { text.trim_start_matches(gone) };
            Value::from(if name == "lstrip" { text } else { text.trim_end_matches(gone) })
        }
        "removeprefix" => Value::from(text.strip_prefix(&args.must(0, "prefix")?[..]).unwrap_or(text)),
        "removesuffix" => Value::from(text.strip_suffix(&args.must(0, "suffix")?[..]).unwrap_or(text)),
        "split" | "rsplit" => {
            let (sep, most) = (args.text(0, "sep")?, args.most(1, "maxsplit")?);
            let parts = match sep.as_deref() {
                Some("") => return Err(wrong("the separator is empty")),
                Some(sep) => {
                    state.consume_fuel(text.matches(sep).count() as u64)?;
                    split(text, sep, most, name == "rsplit")
                }
                None => {
                    state.consume_fuel(text.chars().filter(|&c| is_space(c)).count() as u64)?;
                    split_spaces(text, most, name == "rsplit")
                }
            };
            parts.into_iter().map(Value::from).collect()
        }
        "splitlines" => {
            let keep = args.get(0, "keepends")?.is_some_and(|v| v.is_true());
            state.consume_fuel(text.chars().filter(|&c| ends_line(c)).count() as u64)?;
            lines(text, keep).into_iter().map(Value::from).collect()
        }
        "partition" | "rpartition" => {
            let sep = args.must(0, "sep")?;
            let cut =
                if name == "partition" { text.split_once(&sep[..]) } else { text.rsplit_once(&sep[..]) };
            let parts = match cut {
                _ if sep.is_empty() => return Err(wrong("the separator is empty")),
                Some((before, after)) => [before, &sep, after],
                None if name == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            parts.into_iter().map(Value::from).collect()
        }
        "startswith" | "endswith" => {
            let wanted = args.get(0, "prefix")?.ok_or(ErrorKind::MissingArgument)?;
            let Some((_, text)) = between(text, args)? else { return Ok(Value::from(false)) };
            let is = |wanted: &str| {
                if name == "startswith" { text.starts_with(wanted) } else { text.ends_with(wanted) }
            };
            match wanted.as_str() {
                Some(wanted) => Value::from(is(wanted)),
                None => Value::from(wanted.try_iter()?.any(|wanted| wanted.as_str().is_some_and(is))),
            }
        }
        "replace" => {
            let (old, new) = (args.must(0, "old")?, args.must(1, "new")?);
            let most = args.most(2, "count")?;
            let times = text.matches(&old[..]).take(most).count();
            fits(times.saturating_mul(new.len()).saturating_add(text.len()))?;
            Value::from(text.replacen(&old[..], &new, most))
        }
        "find" | "rfind" | "index" | "rindex" => {
            let sub = args.must(0, "sub")?;
            let found = between(text, args)?.and_then(|(from, text)| {
                let at = if name.starts_with('r') { text.rfind(&sub[..]) } else { text.find(&sub[..]) };
                at.map(|at| from + text[..at].chars().count())
            });
            match found {
                Some(at) => Value::from(at),
                None if name.ends_with("find") => Value::from(-1),
                None => return Err(wrong("substring not found")),
            }
        }
        "count" => {
            let sub = args.must(0, "sub")?;
            Value::from(between(text, args)?.map_or(0, |(_, text)| text.matches(&sub[..]).count()))
        }
        "join" => {
            let parts = args.get(0, "iterable")?.ok_or(ErrorKind::MissingArgument)?;
            let mut out = String::new();
            for (i, part) in parts.try_iter()?.enumerate() {
                let part = part.as_str().ok_or_else(|| wrong("join takes strings"))?.to_owned();
                fits(out.len() + text.len() + part.len())?;
                out.push_str(if i == 0 { "" } else { text });
                out.push_str(&part);
            }
            Value::from(out)
        }
        "zfill" | "ljust" | "rjust" | "center" => {
            let width =
                usize::try_from(args.number(0, "width")?.ok_or(ErrorKind::MissingArgument)?).unwrap_or(0);
            fits(width)?;
            let fill = if name == "zfill" {
                "0".to_owned()
            } else {
                args.text(1, "fillchar")?.unwrap_or(" ".into())
            };
            let mut fill = fill.chars();
            let (Some(fill), None) = (fill.next(), fill.next()) else {
                return Err(wrong("the filling is one character"));
            };
            Value::from(filled(text, name, width, fill))
        }
        "isalpha" => all(|c| c.is_alphabetic() && !c.is_numeric()),
        "isalnum" => all(|c| c.is_alphanumeric()),
        "isspace" => all(is_space),
        "isdigit" => all(is_digit),
        "isascii" => Value::from(text.is_ascii()),
        "isupper" => Value::from(is_all(text, char::is_uppercase, char::is_lowercase)),
        "islower" => Value::from(is_all(text, char::is_lowercase, char::is_uppercase)),
        _ => return Err(ErrorKind::UnknownMethod.into()),
    })
}

fn of_dict(map: &Value, name: &str, args: &Args) -> Result<Value> {
    args.at_most(if name == "get" { 2 } else { 0 })?;
    Ok(match name {
        "get" => {
            let key = args.get(0, "key")?.ok_or(ErrorKind::MissingArgument)?;
            let found = map.get_item(&key).ok().filter(|v| !v.is_undefined());
            found.or(args.get(1, "default")?).unwrap_or(Value::from(()))
        }
        "keys" => map.try_iter()?.collect(),
        "values" => map.try_iter()?.filter_map(|key| map.get_item(&key).ok()).collect(),
        "items" => map
            .try_iter()?
            .filter_map(|key| map.get_item(&key).ok().map(|value| Value::from(vec![key, value])))
            .collect(),
        _ => return Err(ErrorKind::UnknownMethod.into()),
    })
}

/// Whether so many bytes may be made.
fn fits(bytes: usize) -> Result<()> {
    if bytes > RENDERED_BYTES_MAX { Err(wrong("the text that it makes is too long")) } else { Ok(()) }
}

/// The part of a text that arguments two and three bound, as slices do, and where it starts; `None` if that is beyond the end.
fn between<'t>(text: &'t str, args: &Args) -> Result<Option<(usize, &'t str)>> {
    let (start, end) = (args.number(1, "start")?, args.number(2, "end")?);
    if start.is_none() && end.is_none() {
        return Ok(Some((0, text)));
    }
    let len = text.chars().count();
    let place = |at: i64| {
        let steps = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
        if at < 0 { len.saturating_sub(steps) } else { steps }
    };
    let (start, end) = (start.map_or(0, place), end.map_or(len, place).min(len));
    if start > end {
        return Ok(None);
    }
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    Ok(Some((start, &text[byte(start)..byte(end)])))
}

fn split<'t>(text: &'t str, sep: &str, most: usize, from_end: bool) -> Vec<&'t str> {
    let parts = most.saturating_add(1);
    if !from_end {
        return text.splitn(parts, sep).collect();
    }
    let mut all: Vec<&str> = text.rsplitn(parts, sep).collect();
    all.reverse();
    all
}

/// At runs of white space, of which none is left around the parts but at the far end of the last one.
fn split_spaces(text: &str, most: usize, from_end: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = if from_end { text.trim_end_matches(is_space) } else { text.trim_start_matches(is_space) };
    while !rest.is_empty() {
        let at = if from_end { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(at) = at.filter(|_| out.len() < most) else {
            out.push(rest);
            break;
        };
        let space = rest[at..].chars().next().map_or(0, char::len_utf8);
        if from_end {
            out.push(&rest[at + space..]);
            rest = rest[..at].trim_end_matches(is_space);
        } else {
            out.push(&rest[..at]);
            rest = rest[at + space..].trim_start_matches(is_space);
        }
    }
    if from_end {
        out.reverse();
    }
    out
}

/// Whether there are letters of this case and none of the other, nor of both.
fn is_all(text: &str, case: fn(char) -> bool, other: fn(char) -> bool) -> bool {
    text.chars().any(case) && !text.chars().any(|c| other(c) || is_title(c))
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn lines(text: &str, keep: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ends_line) {
        let end = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(0, char::len_utf8)
        };
        out.push(&rest[..if keep { at + end } else { at }]);
        rest = &rest[at + end..];
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

fn filled(text: &str, name: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let (left, right) = match name {
        "ljust" => (0, missing),
        // Python's own way of sharing an odd number.
        "center" => {
            let left = missing / 2 + (missing & width & 1);
            (left, missing - left)
        }
        _ => (missing, 0),
    };
    let (sign, text) = match text.chars().next() {
        Some('+' | '-') if name == "zfill" => text.split_at(1),
        _ => ("", text),
    };
    let fill = |n| std::iter::repeat_n(fill, n);
    sign.chars().chain(fill(left)).chain(text.chars()).chain(fill(right)).collect()
}

/// Digits and small raised or lowered ones, as Python counts them; those in circles and of scripts that few write are left out.
fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
        || matches!(c, '²' | '³' | '¹' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}')
        || DECIMALS.iter().any(|zero| (*zero..*zero + 10).contains(&u32::from(c)))
}

/// Zeros of other scripts; nine digits follow each.
const DECIMALS: [u32; 36] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC,
];

#[cfg(test)]
mod tests {
    use crate::chat::template::{FUEL, Given, RENDERED_BYTES_MAX, render};

    fn rendered(expression: &str) -> crate::Result<String> {
        let given = Given { messages: &[], bos: "", eos: "" };
        render(&format!("{{{{ ({expression}) | tojson }}}}"), given, FUEL, RENDERED_BYTES_MAX)
            .map(|made| made.text)
    }

    /// `title` once gave its text back as it was.
    #[test]
    fn methods_answer_as_python_does() {
        let answers = include_str!("python_answers.txt");
        let mut wrong = Vec::new();
        for line in answers.lines() {
            let (call, answer) = line.split_once('\t').unwrap();
            match rendered(call) {
                Ok(ours) if ours == answer => {}
                ours => wrong.push(format!("{call}: {ours:?}, in Python {answer}")),
            }
        }
        assert!(answers.lines().count() > 500 && wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn methods_of_dictionaries_list_what_is_in_them() {
        let items = "{'a': 1, 'b': [2]}";
        assert_eq!(rendered(&format!("{items}.items() | list")).unwrap(), r#"[["a", 1], ["b", [2]]]"#);
        assert_eq!(rendered(&format!("{items}.keys() | list")).unwrap(), r#"["a", "b"]"#);
        assert_eq!(rendered(&format!("{items}.values() | list")).unwrap(), "[1, [2]]");
    }

    #[test]
    fn methods_refuse_what_python_refuses() {
        for call in [
            "'a'.nonsense()",
            "'a'.split('')",
            "'a'.partition('')",
            "'a'.upper(1)",
            "'a'.replace('a')",
            "'a'.strip(1)",
            "'a'.index('b')",
            "'a'.center(3, 'ab')",
            "'a'.join([1])",
            "'a'.split(most=1)",
            "'a'.startswith()",
            "[].items()",
        ] {
            assert!(rendered(call).is_err(), "{call}: {:?}", rendered(call));
        }
    }
}
