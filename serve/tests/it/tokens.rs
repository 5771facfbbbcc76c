//! Models, tokens, templates, and what is told of the server itself.

use std::sync::Arc;

use formats::tokenizer::{Parts, Scheme, Special, Split, TokenKind, Tokenizer, Tokens};
use serde_json::{Value, json};
use text::Opened;

use crate::server::{TEMPLATE, Test, Wish, file};

#[test]
fn models_are_listed_and_found_by_either_name() {
    let opened = Opened::open(&file()).unwrap();
    let other =
        Opened { path: "/elsewhere/other.gguf".into(), name: Some("The Other One".into()), ..opened.clone() };
    let test = Test::with(Wish::default(), |opened| opened, vec![opened, other]);
    let list = test.get("/v1/models").body;
    assert_eq!(list["object"], "list");
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["shakespeare", "other"]);
    for model in list["data"].as_array().unwrap() {
        assert_eq!((&model["object"], &model["owned_by"]), (&json!("model"), &json!("tercet")));
        assert!(model["created"].is_u64());
    }
    assert_eq!(test.get("/v1/models/other").body["id"], "other");
    assert_eq!(test.get("/v1/models/The%20Other%20One").body["id"], "other");
    assert_eq!(test.get("/v1/models/none").error(), (404, Some("model"), Some("model_not_found")));
    let ask = |model: Value| {
        test.post("/v1/completions", &json!({ "model": model, "prompt": "A", "max_tokens": 1 }))
    };
    for (name, found) in
        [(json!("other"), "other"), (json!("The Other One"), "other"), (Value::Null, "shakespeare")]
    {
        assert_eq!(ask(name).body["model"], found);
    }
    let refused = ask(json!("gpt-4"));
    assert_eq!(refused.error(), (404, Some("model"), Some("model_not_found")));
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("`shakespeare`, `other`"));
    assert_eq!(ask(json!(4)).error(), (400, Some("model"), Some("invalid_value")));
}

#[test]
fn tokens_go_both_ways() {
    let test = Test::start();
    let opened = Opened::open(&file()).unwrap();
    let ids = opened.tokenizer.encode("But soft! \u{e9}");
    for field in ["content", "prompt"] {
        let answer = test.post("/tokenize", &json!({ field: "But soft! \u{e9}" }));
        assert_eq!((&answer.body["tokens"], &answer.body["count"]), (&json!(ids), &json!(ids.len())));
    }
    let pieces =
        test.post("/tokenize", &json!({ "content": "But", "with_pieces": true })).body["tokens"].clone();
    let text: String = pieces.as_array().unwrap().iter().map(|p| p["piece"].as_str().unwrap()).collect();
    assert_eq!(text, "But");
    // So many that they go out in several parts, and none at all.
    let long = "But soft! \u{e9} ".repeat(2000);
    let ids_of_long = opened.tokenizer.encode(&long);
    let answer = test.post("/tokenize", &json!({ "content": long }));
    assert_eq!(
        (&answer.body["tokens"], &answer.body["count"]),
        (&json!(ids_of_long), &json!(ids_of_long.len()))
    );
    let answer = test.post("/tokenize", &json!({ "content": long, "with_pieces": true }));
    let told: Vec<_> =
        answer.body["tokens"].as_array().unwrap().iter().map(|p| p["id"].as_u64().unwrap()).collect();
    assert_eq!(json!(told), json!(ids_of_long));
    assert_eq!(test.post("/tokenize", &json!({ "content": "" })).body["tokens"], json!([]));
    let back = test.post("/detokenize", &json!({ "tokens": ids }));
    assert_eq!(
        (&back.body["content"], &back.body["prompt"]),
        (&json!("But soft! \u{e9}"), &json!("But soft! \u{e9}"))
    );
    assert_eq!(test.post("/tokenize", &json!({})).error(), (400, Some("content"), Some("invalid_value")));
    assert_eq!(test.post("/detokenize", &json!({ "tokens": [-1] })).error().1, Some("tokens"));
    assert!(test.get("/tokenizer_info").body.get("eos_token").is_some());
}

/// A model whose tokens are single bytes, and the name of what ends a text.
fn bytes_and_an_end(opened: Opened) -> Opened {
    let mut tokens = Tokens::new();
    for byte in 0..=255u8 {
        tokens.push(&[byte], TokenKind::Normal);
    }
    let eos = Some(tokens.push(b"<end>", TokenKind::Control));
    let scheme = Scheme::ByteLevel { split: Split::Gpt2, merges: Vec::new() };
    let parts = Parts { tokens, scheme, special: Special { eos, ..Special::default() } };
    Opened { tokenizer: Arc::new(Tokenizer::new(parts, "a test").unwrap()), ..opened }
}

#[test]
fn names_of_control_tokens_are_those_tokens_to_who_asks_for_ids_and_text_to_a_model() {
    let wish =
        Wish { template: Some("{% for m in messages %}{{ m.content }}<end>{% endfor %}"), ..Wish::default() };
    let template = wish.template.map(str::to_owned);
    let change = |opened| Opened { chat_template: template.clone(), ..bytes_and_an_end(opened) };
    let test = Test::with(wish, change, vec![Opened::open(&file()).unwrap()]);
    let ids = |special: Value| {
        let asked = json!({ "content": "a<end>", "parse_special": special });
        test.post("/tokenize", &asked).body["tokens"].clone()
    };
    let text: Vec<u32> = "a<end>".bytes().map(u32::from).collect();
    assert_eq!([ids(Value::Null), ids(json!(false))], [json!([97, 256]), json!(text)]);
    assert_eq!(test.get("/tokenizer_info").body["eos_token"], "<end>");
    let read = |path: &str, body: Value| test.post(path, &body).body["usage"]["prompt_tokens"].clone();
    assert_eq!(read("/v1/completions", json!({ "prompt": "a<end>", "max_tokens": 1 })), 6);
    let messages = json!([{ "role": "user", "content": "a<end>" }]);
    assert_eq!(read("/v1/chat/completions", json!({ "messages": messages, "max_tokens": 1 })), 7);
}

#[test]
fn template_is_applied_as_the_model_is_given_it() {
    let test = Test::of(Wish { template: Some(TEMPLATE), ..Wish::default() });
    let messages = json!([{ "role": "system", "content": "Rules" }, { "role": "user", "content": "Hi" }]);
    let answer = test.post("/apply-template", &json!({ "messages": messages }));
    assert_eq!(answer.body["prompt"], "[system]\nRules\n[user]\nHi\n[assistant]");
}

#[test]
fn props_and_health_and_metrics_tell_of_the_server() {
    let test = Test::start();
    assert_eq!(test.get("/health").body, json!({ "status": "ok" }));
    assert_eq!(test.get("/v1/health").status, 200);
    let props = test.get("/props").body;
    assert_eq!((&props["total_slots"], &props["chat_template"]), (&json!(4), &Value::Null));
    assert_eq!(props["default_generation_settings"]["n_ctx"], 512);
    let prompt =
        "But, soft! what light through yonder window breaks? It is the east, and Juliet is the sun. "
            .repeat(4);
    let ask = |more: &str| {
        test.post("/v1/completions", &json!({ "prompt": format!("{prompt}{more}"), "max_tokens": 5 }))
    };
    let first = ask("One").body["usage"].clone();
    assert_eq!(first["prompt_tokens_details"]["cached_tokens"], 0);
    let second = ask("Two").body["usage"].clone();
    let cached = second["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    let all = second["prompt_tokens"].as_u64().unwrap();
    assert!(all - cached <= 3, "{second}");
    assert_eq!(test.metric("tercet_prompt_tokens_cached_total"), cached as f64);
    assert_eq!(test.metric("tercet_tokens_predicted_total"), 10.0);
    assert_eq!(test.metric("tercet_texts_total"), 2.0);
    assert_eq!(test.metric("tercet_time_to_first_token_seconds_count"), 2.0);
    assert_eq!(test.metric("tercet_requests_total{path=\"/v1/completions\",status=\"200\"}"), 2.0);
    // An engine tells how busy it is after a pass, and of the last one when its client has the end already.
    test.until("nobody is served", |_| {
        test.metric("tercet_requests_processing{model=\"shakespeare\"}") == 0.0
    });
    assert!(test.metric("tercet_kv_pages{model=\"shakespeare\"}") > 0.0);
    assert!(test.metric("tercet_passes_total{model=\"shakespeare\"}") >= 10.0);
}
