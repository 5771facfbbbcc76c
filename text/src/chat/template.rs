//! A chat template at work, as Hugging Face's Jinja would have it. A template is hostile: it is bounded in steps, in memory and in
//! what it makes.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, ErrorKind, context};

use super::python;
use crate::error::{Error, Result};

/// Longest template, and longest text made from one.
pub const TEMPLATE_BYTES_MAX: usize = 256 << 10;
pub const RENDERED_BYTES_MAX: usize = 16 << 20;
/// Steps that a template may take; 64 bytes of text that it makes are one, so it makes no more than 128 MB on the way.
pub const FUEL: u64 = 2_000_000;

/// What a template is given.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Who speaks, as templates spell it, and what they say.
    pub messages: &'a [(&'static str, String)],
    /// The name of the token that begins a text.
    pub bos: &'a str,
    /// The name of the one that ends it.
    pub eos: &'a str,
}

/// A text that a template made, and the steps that took.
#[derive(Debug)]
pub struct Made {
    pub text: String,
    pub fuel: u64,
}

/// Renders a template with so much fuel, to so many bytes at most.
///
/// # Errors
/// A template that is none, that refuses what it is given, or that takes or makes too much.
pub fn render(source: &str, given: Given<'_>, fuel: u64, bytes_max: usize) -> Result<Made> {
    let refuse = |problem: String| Error::Template { problem };
    let mut env = Environment::new();
    env.set_fuel(Some(fuel));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(syntax.map_err(|e| refuse(e.to_string()))?);
    env.add_function("raise_exception", |message: String| -> std::result::Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    env.add_filter("tojson", tojson);
    env.set_unknown_method_callback(python::method);
    let messages: Vec<Value> =
        given.messages.iter().map(|(role, words)| context! { role => *role, content => words }).collect();
    let values = context! {
        messages, add_generation_prompt => true, bos_token => given.bos, eos_token => given.eos
    };
    let template = env.template_from_str(source).map_err(|e| refuse(e.to_string()))?;
    let mut out = Bounded { bytes: Vec::new(), bytes_max };
    let rendered = template.render_captured_to(values, &mut out).map_err(|e| refuse(e.to_string()))?;
    let fuel = rendered.state().fuel_levels().map_or(0, |(consumed, _)| consumed);
    drop(rendered);
    let text = String::from_utf8(out.bytes).map_err(|e| refuse(e.to_string()))?;
    Ok(Made { text, fuel })
}

/// JSON as Python writes it: without the escapes that the engine's own filter adds for the sake of HTML.
fn tojson(
    value: &Value,
    indent: Option<Value>,
    args: Kwargs,
) -> std::result::Result<String, minijinja::Error> {
    let json = minijinja::filters::tojson(value, indent, args)?.to_string();
    let mut out = String::with_capacity(json.len());
    let mut rest = &json[..];
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let plain = match escape.get(..6) {
            Some("\\u003c") => "<",
            Some("\\u003e") => ">",
            Some("\\u0026") => "&",
            Some("\\u0027") => "'",
            _ => "",
        };
        if plain.is_empty() {
            // The backslash and what it escapes, which may be another one.
            out.push_str(&escape[..2]);
            rest = &escape[2..];
        } else {
            out.push_str(plain);
            rest = &escape[6..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// A writer that a template cannot fill the memory through.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(std::io::Error::other("the text that it makes is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(source: &str) -> Result<String> {
        let messages = [("user", "hi".to_owned())];
        let given = Given { messages: &messages, bos: "<s>", eos: "</s>" };
        render(source, given, FUEL, RENDERED_BYTES_MAX).map(|made| made.text)
    }

    #[test]
    fn templates_that_harm_are_refused_in_a_sentence() {
        let refused = |source: &str| rendered(source).unwrap_err().to_string();
        assert!(refused("{% for").contains("chat template"));
        assert!(refused("{{ raise_exception('roles must alternate') }}").contains("roles must alternate"));
        assert!(
            refused("{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}")
                .contains("chat")
        );
        assert!(refused("{{ messages.nonsense() }}").contains("chat template"));
        assert!(refused("{{ 'x' * 10000000000 }}").contains("chat"));
        let doubling = "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(40) %}{% set n.s = n.s ~ n.s %}{% endfor %}";
        assert!(refused(doubling).contains("chat template"));
        let bomb = "{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{{ m(n - 1) }}{% else %}xxxxxxxxxxxxxxxx{% endif %}{% endmacro %}{{ m(60) }}";
        assert!(refused(bomb).contains("chat template"));
        let talkative = refused("{{ raise_exception('\u{1b}' ~ 'no' * 100000) }}");
        assert!(talkative.len() < 500 && !talkative.contains('\u{1b}'), "{talkative:.600}");
        // Methods of ours that make much of little.
        let much = "{% set s = 'a' * 1000000 %}";
        for method in [
            "s.replace('a', s)",
            "s.join(s)",
            "s.split('a')",
            "'a'.zfill(10000000000)",
            "s.splitlines(1).join(s)",
        ] {
            let said = rendered(&format!("{much}{{{{ {method} | length }}}}"));
            assert!(said.as_ref().map_or(true, |n| n.len() < 9), "{method}: {said:?}");
        }
        assert!(refused(&format!("{much}{{{{ s.replace('a', s) | length }}}}")).contains("chat template"));
    }

    #[test]
    fn templates_write_json_as_python_does() {
        let source = r#"{{ {'a': ['<b>', "it's", '\\u003c"\\\\', 'é&\n']} | tojson }}"#;
        assert_eq!(rendered(source).unwrap(), r#"{"a": ["<b>", "it's", "\\u003c\"\\\\", "é&\n"]}"#);
    }
}
