//! How others ask a server: lines to be pasted into a shell or a program. What is asked is what the model can: a model without a chat
//! template is asked to go on with a text.

use serde_json::json;

/// What those who have no key put in its place, because clients insist on one.
const NO_KEY: &str = "none";

/// A server to be asked, and what the lines say.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a> {
    /// Where it is, without a path.
    pub url: &'a str,
    /// The name of a model of it.
    pub model: &'a str,
    /// A key, where one is asked for.
    pub key: Option<&'a str>,
    /// Whether the model converses.
    pub converses: bool,
}

impl Example<'_> {
    /// For a shell.
    pub fn curl(&self) -> String {
        let Example { url, key, .. } = self;
        let path = if self.converses { "chat/completions" } else { "completions" };
        let (_, asks, _) = self.call();
        let body = format!(
            "{{\"model\": {}, \"{asks}\": {}, \"max_tokens\": 40}}",
            quoted(self.model),
            self.asked()
        );
        let key = key.map_or_else(String::new, |key| {
            format!(" \\\n  -H {}", shell(&format!("Authorization: Bearer {key}")))
        });
        format!("curl {url}/v1/{path}{key} \\\n  -d {}", shell(&body))
    }

    /// For Python, with the package `openai`.
    pub fn python(&self) -> String {
        let Example { url, model, .. } = self;
        let (call, asks, text) = self.call();
        format!(
            "from openai import OpenAI\n\n\
             client = OpenAI(base_url=\"{url}/v1\",\n                api_key={})\n\
             answer = client.{call}.create(\n    model={}, {asks}={}, max_tokens=40\n)\n\
             print(answer.choices[0].{text})",
            quoted(self.key.unwrap_or(NO_KEY)),
            quoted(model),
            self.asked(),
        )
    }

    /// For JavaScript, with the package `openai`.
    pub fn javascript(&self) -> String {
        let Example { url, model, .. } = self;
        let (call, asks, text) = self.call();
        format!(
            "import OpenAI from \"openai\";\n\n\
             const client = new OpenAI({{\n  baseURL: \"{url}/v1\",\n  apiKey: {},\n}});\n\
             const answer = await client.{call}.create({{\n  model: {}, {asks}: {}, max_tokens: 40,\n}});\n\
             console.log(answer.choices[0].{text});",
            quoted(self.key.unwrap_or(NO_KEY)),
            quoted(model),
            self.asked(),
        )
    }

    /// For a shell, to start Open WebUI with: where it is installed, or in a container, which shares this machine's network.
    pub fn open_webui(&self) -> String {
        let url = shell(&format!("OPENAI_API_BASE_URL={}/v1", self.url));
        let key = shell(&format!("OPENAI_API_KEY={}", self.key.unwrap_or(NO_KEY)));
        format!(
            "# Where it is installed\nenv {url} {key} open-webui serve\n\n\
             # Or in a container\ndocker run --network=host \\\n  -e {url} \\\n  -e {key} \\\n  \
             -v open-webui:/app/backend/data ghcr.io/open-webui/open-webui:main"
        )
    }

    /// What is called, what it takes, and where the text is in the answer.
    fn call(&self) -> (&'static str, &'static str, &'static str) {
        match self.converses {
            true => ("chat.completions", "messages", "message.content"),
            false => ("completions", "prompt", "text"),
        }
    }

    /// What is asked, as Python, JavaScript and JSON alike write it.
    fn asked(&self) -> &'static str {
        if self.converses { r#"[{"role": "user", "content": "Hello"}]"# } else { r#""ROMEO:""# }
    }
}

/// A string as Python, JavaScript and JSON alike write it.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// A word that a shell takes as it is.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_asks_what_the_model_can() {
        let example = Example { url: "http://h:1", model: "m", key: None, converses: false };
        assert_eq!(
            example.curl(),
            "curl http://h:1/v1/completions \\\n  -d '{\"model\": \"m\", \"prompt\": \"ROMEO:\", \"max_tokens\": 40}'"
        );
        assert!(example.python().contains("client.completions.create("));
        let chat = Example { key: Some("k"), converses: true, ..example };
        assert!(chat.curl().contains("/v1/chat/completions \\\n  -H 'Authorization: Bearer k' \\\n"));
        assert!(chat.javascript().contains("console.log(answer.choices[0].message.content);"));
        let webui = chat.open_webui();
        assert!(
            webui.contains("\nenv OPENAI_API_BASE_URL=http://h:1/v1 OPENAI_API_KEY=k open-webui serve\n"),
            "{webui}"
        );
    }

    #[test]
    fn example_holds_odd_names_together() {
        let odd = "it's \"$HOME\" `ls` \\";
        let example = Example { url: "http://h:1", model: odd, key: Some("a'$b"), converses: false };
        let curl = example.curl();
        assert!(curl.contains(r"-H 'Authorization: Bearer a'\''$b'"), "{curl}");
        assert!(example.python().contains(r#"model="it's \"$HOME\" `ls` \\","#), "{}", example.python());
    }
}
