//! What every option of the program has in common. An option that takes one value takes the word after it, also one that
//! begins with a dash: text is taken as it is, and everything else is refused in a sentence about that option.

use std::any::TypeId;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser};
use clap::{Arg, Command};

/// The command with these rules.
pub fn with_plain_values(command: Command) -> Command {
    command.mut_args(plain).mut_subcommands(with_plain_values)
}

fn plain(arg: Arg) -> Arg {
    let many = arg.get_num_args().is_some_and(|n| n.max_values() > 1);
    if arg.is_positional() || !arg.get_action().takes_values() || many {
        return arg;
    }
    let parser = parser_of(arg.get_value_parser());
    let arg = arg.allow_hyphen_values(true);
    match parser {
        Some(parser) => arg.value_parser(parser),
        None => arg,
    }
}

/// One that says what it expected, for the types whose own parsers do not.
fn parser_of(now: &ValueParser) -> Option<ValueParser> {
    let is = |ty| now.type_id() == ty;
    Some(if is(TypeId::of::<PathBuf>()) {
        path().into()
    } else if is(TypeId::of::<usize>()) {
        ValueParser::new(|text: &str| said::<usize>(text, "a whole number, 0 or more"))
    } else if is(TypeId::of::<u64>()) {
        ValueParser::new(|text: &str| said::<u64>(text, "a whole number, 0 or more"))
    } else if is(TypeId::of::<NonZeroUsize>()) {
        ValueParser::new(|text: &str| said::<NonZeroUsize>(text, "a whole number, 1 or more"))
    } else if is(TypeId::of::<f32>()) {
        ValueParser::new(|text: &str| said::<f32>(text, "a number"))
    } else {
        return None;
    })
}

fn said<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        // Nothing but digits, and yet no number of this kind.
        let large = !text.trim_start_matches('0').is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        format!("expected {expected}{}", if large { ", and a smaller one" } else { "" })
    })
}

/// A path, of any bytes. One that looks like an option is more likely one whose value was forgotten; `-` alone is stdin's.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text: OsString| {
        let bytes = text.as_encoded_bytes();
        if bytes.len() > 1 && bytes.starts_with(b"-") {
            return Err("expected a path; one that begins with a dash is written ./-");
        }
        if bytes.is_empty() {
            return Err("expected a path");
        }
        Ok(PathBuf::from(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    #[derive(Debug, Args)]
    struct Options {
        #[arg(long, short)]
        prompt: Option<String>,
        #[arg(long)]
        out: Option<PathBuf>,
        #[arg(long, short = 'n')]
        tokens: Option<usize>,
        #[arg(long)]
        seed: Option<u64>,
        #[arg(long)]
        parts: Option<NonZeroUsize>,
        #[arg(long)]
        min_p: Option<f32>,
        #[arg(long, num_args = 1..)]
        text: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    }

    fn parse(words: &[&str]) -> Result<Options, String> {
        let command = with_plain_values(Options::augment_args(Command::new("tercet")));
        let matches = command.try_get_matches_from([&["tercet"], words].concat());
        let text = |e: clap::Error| e.to_string().lines().next().unwrap_or_default().to_owned();
        Options::from_arg_matches(&matches.map_err(text)?).map_err(text)
    }

    #[test]
    fn values_that_begin_with_a_dash_are_values() {
        let options = parse(&["-p", "- bread", "--json"]).unwrap();
        assert_eq!((options.prompt.as_deref(), options.json), (Some("- bread"), true));
        assert_eq!(parse(&["--prompt", "--json"]).unwrap().prompt.as_deref(), Some("--json"));
        assert_eq!(parse(&["--min-p", "-0.5"]).unwrap().min_p, Some(-0.5));
        assert_eq!(parse(&["--out", "-"]).unwrap().out, Some("-".into()));
        // Many values end where the next option begins.
        let options = parse(&["--text", "a", "b", "--json"]).unwrap();
        assert_eq!((options.text.len(), options.json), (2, true));
    }

    #[test]
    fn values_that_cannot_be_used_get_a_sentence_about_their_option() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["--seed", "-1"], &["'-1' for '--seed", "expected a whole number, 0 or more"]),
            (&["-n", "-1"], &["'-1' for '--tokens", "expected a whole number, 0 or more"]),
            (&["-n", "--json"], &["'--json' for '--tokens", "expected a whole number"]),
            (&["-n", "99999999999999999999"], &["expected a whole number, 0 or more, and a smaller one"]),
            (&["--parts", "0"], &["'0' for '--parts", "expected a whole number, 1 or more"]),
            (&["--min-p", "few"], &["'few' for '--min-p", "expected a number"]),
            (&["--out", "--json"], &["'--json' for '--out", "expected a path"]),
            (&["--out", ""], &["'--out", "expected a path"]),
            (&["--seed"], &["a value is required for '--seed"]),
        ];
        for (words, parts) in cases {
            let error = parse(words).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{words:?}: {error}");
        }
    }
}
