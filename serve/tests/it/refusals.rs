//! What is asked wrongly is refused in OpenAI's shape, and the field named.

use serde_json::{Value, json};

use crate::server::{TEMPLATE, Test, Wish};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";

#[test]
fn refusals_name_the_field_whatever_is_wrong_with_it() {
    let test = Test::of(Wish { template: Some(TEMPLATE), ..Wish::default() });
    let wrong = "invalid_value";
    let not_done = "unsupported_value";
    let both: &[(&str, Value, &str, &str)] = &[
        ("model", json!(["shakespeare"]), "model", wrong),
        ("stream", json!("yes"), "stream", wrong),
        ("stream_options", json!({ "include_usage": true }), "stream_options", wrong),
        ("temperature", json!("hot"), "temperature", wrong),
        ("temperature", json!(999_999), "temperature", wrong),
        ("temperature", json!(-0.5), "temperature", wrong),
        ("temperature", json!(1e300), "temperature", wrong),
        ("top_p", json!(1.5), "top_p", wrong),
        ("top_p", json!(-1), "top_p", wrong),
        ("top_k", json!(2.5), "top_k", wrong),
        ("top_k", json!(-2), "top_k", wrong),
        ("min_p", json!(2), "min_p", wrong),
        ("repeat_penalty", json!(0), "repeat_penalty", wrong),
        ("repetition_penalty", json!("1"), "repetition_penalty", wrong),
        ("presence_penalty", json!(2.1), "presence_penalty", wrong),
        ("frequency_penalty", json!(-2.1), "frequency_penalty", wrong),
        ("repeat_last_n", json!(-2), "repeat_last_n", wrong),
        ("seed", json!("seven"), "seed", wrong),
        ("seed", json!(1e30), "seed", wrong),
        ("n", json!(0), "n", wrong),
        ("n", json!(129), "n", wrong),
        ("n", json!(true), "n", wrong),
        ("max_tokens", json!(-1), "max_tokens", wrong),
        ("max_tokens", json!(1e12), "max_tokens", wrong),
        ("max_tokens", json!("10"), "max_tokens", wrong),
        ("stop", json!(7), "stop", wrong),
        ("stop", json!(["a", 7]), "stop", wrong),
        ("stop", json!(vec!["a"; 17]), "stop", wrong),
        ("stop_token_ids", json!([99999]), "stop_token_ids", wrong),
        ("logit_bias", json!([1]), "logit_bias", wrong),
        ("logit_bias", json!({ "x": 1 }), "logit_bias", wrong),
        ("logit_bias", json!({ "99999": 1 }), "logit_bias", wrong),
        ("logit_bias", json!({ "5": 101 }), "logit_bias.5", wrong),
        ("ignore_eos", json!(1), "ignore_eos", wrong),
        ("response_format", json!("text"), "response_format", wrong),
        ("response_format", json!({ "type": "yaml" }), "response_format.type", wrong),
        ("response_format", json!({ "type": "json_object" }), "response_format.type", not_done),
        (
            "response_format",
            json!({ "type": "json_schema", "json_schema": {} }),
            "response_format.type",
            not_done,
        ),
        ("grammar", json!("root ::= x"), "grammar", not_done),
        ("guided_json", json!({}), "guided_json", not_done),
        ("use_beam_search", json!(true), "use_beam_search", not_done),
        ("min_tokens", json!(5), "min_tokens", not_done),
    ];
    let chat: &[(&str, Value, &str, &str)] = &[
        ("messages", Value::Null, "messages", wrong),
        ("messages", json!([]), "messages", wrong),
        ("messages", json!("Hi"), "messages", wrong),
        ("messages", json!(["Hi"]), "messages.0", wrong),
        ("messages", json!([{ "content": "Hi" }]), "messages.0.role", wrong),
        ("messages", json!([{ "role": "king", "content": "Hi" }]), "messages.0.role", wrong),
        ("messages", json!([{ "role": "tool", "content": "Hi" }]), "messages.0.role", not_done),
        ("messages", json!([{ "role": "user" }]), "messages.0.content", wrong),
        ("messages", json!([{ "role": "user", "content": 5 }]), "messages.0.content", wrong),
        (
            "messages",
            json!([{ "role": "user", "content": [{ "text": "a" }] }]),
            "messages.0.content.0.type",
            wrong,
        ),
        (
            "messages",
            json!([{ "role": "user", "content": [{ "type": "text" }] }]),
            "messages.0.content.0.text",
            wrong,
        ),
        (
            "messages",
            json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "file:///etc/passwd" } }] }]),
            "messages.0.content.0.type",
            not_done,
        ),
        (
            "messages",
            json!([{ "role": "assistant", "content": "", "tool_calls": [{}] }]),
            "messages.0.tool_calls",
            not_done,
        ),
        ("max_completion_tokens", json!(0), "max_completion_tokens", wrong),
        ("max_tokens", json!(0), "max_tokens", wrong),
        ("logprobs", json!(5), "logprobs", wrong),
        ("top_logprobs", json!(3), "top_logprobs", wrong),
        ("tool_choice", json!("required"), "tool_choice", not_done),
        ("tool_choice", json!({ "type": "function", "function": { "name": "f" } }), "tool_choice", not_done),
        ("modalities", json!(["text", "audio"]), "modalities", not_done),
        ("chat_template", json!("{{ 1 }}"), "chat_template", not_done),
        ("continue_final_message", json!(true), "continue_final_message", wrong),
        ("continue_final_message", json!(1), "continue_final_message", wrong),
        ("add_generation_prompt", json!(false), "add_generation_prompt", not_done),
        ("echo", json!(true), "echo", not_done),
    ];
    let completions: &[(&str, Value, &str, &str)] = &[
        ("prompt", Value::Null, "prompt", wrong),
        ("prompt", json!([]), "prompt", wrong),
        ("prompt", json!([[]]), "prompt", wrong),
        ("prompt", json!(5), "prompt", wrong),
        ("prompt", json!([1, "a"]), "prompt", wrong),
        ("prompt", json!(["a", 1]), "prompt", wrong),
        ("prompt", json!([99999]), "prompt", wrong),
        ("prompt", json!([-1]), "prompt", wrong),
        ("prompt", json!([0.5]), "prompt", wrong),
        ("prompt", json!(vec!["a"; 2049]), "prompt", wrong),
        ("prompt", json!(vec![7; 1025]), "prompt", "context_length_exceeded"),
        ("suffix", json!("the end"), "suffix", not_done),
        ("best_of", json!(3), "best_of", not_done),
        ("echo", json!("yes"), "echo", wrong),
        ("logprobs", json!(21), "logprobs", wrong),
        ("logprobs", json!(-1), "logprobs", wrong),
        ("logprobs", json!(true), "logprobs", wrong),
    ];
    let base_chat = json!({ "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 1 });
    let base = json!({ "prompt": "Hi", "max_tokens": 1 });
    for (path, base, cases) in [
        (CHAT, &base_chat, both),
        (CHAT, &base_chat, chat),
        (COMPLETIONS, &base, both),
        (COMPLETIONS, &base, completions),
    ] {
        for (field, value, named, code) in cases {
            let mut body = base.clone();
            body[*field] = value.clone();
            let answer = test.post(path, &body);
            let status = 400;
            assert_eq!(answer.error(), (status, Some(*named), Some(*code)), "{path} {field} {value}");
            assert_eq!(answer.body["error"]["type"], "invalid_request_error");
            let message = answer.body["error"]["message"].as_str().unwrap();
            assert!(message.len() < 400, "{message}");
        }
    }
    // All of that has cost nothing, and nothing is left of it.
    assert!(test.server.requests().is_empty());
    assert_eq!(test.metric("tercet_texts_total"), 0.0);
}

#[test]
fn refusals_leave_out_what_asks_for_nothing() {
    let test = Test::of(Wish { template: Some(TEMPLATE), ..Wish::default() });
    let body = json!({
        "messages": [{ "role": "user", "content": "Hi", "tool_calls": null }], "max_tokens": 1, "tool_choice": "auto",
        "tools": [{ "type": "function", "function": { "name": "f" } }], "response_format": { "type": "text" }, "stop": null,
        "logit_bias": {}, "n": null, "logprobs": false, "top_logprobs": 0, "stream_options": null, "modalities": ["text"],
        "top_p": 0, "top_k": -1, "seed": -3, "store": true, "metadata": { "a": "b" }, "parallel_tool_calls": true, "min_tokens": 0,
    });
    assert_eq!(test.post(CHAT, &body).status, 200);
    let body = json!({ "prompt": "Hi", "max_tokens": 1.0, "best_of": 1, "suffix": null, "stop": [], "echo": false, "logprobs": null });
    assert_eq!(test.post(COMPLETIONS, &body).status, 200);
}

#[test]
fn refusals_of_what_is_no_request() {
    let test = Test::start();
    for (body, words) in [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[1]", "a list; expected an object"),
        ("\"Hi\"", "a string; expected an object"),
        ("null", "null; expected an object"),
        ("{\"prompt\": \"\u{0}\"}", "no JSON"),
        (&"[".repeat(10_000), "no JSON"),
        (&format!("{{\"a\":{}1{}}}", "[".repeat(5000), "]".repeat(5000)), "no JSON"),
    ] {
        let answer = test.post_text(COMPLETIONS, body);
        assert_eq!(answer.status, 400);
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
    for path in ["/v1/models/%ff", "/props?model=a&model=b"] {
        assert_eq!(test.get(path).error(), (400, None, None), "{path}");
    }
    assert_eq!(test.get("/v1/embeddings").error(), (404, None, Some("unknown_url")));
    assert_eq!(test.post("/etc/../v1/nothing", &json!({})).status, 404);
    assert_eq!(test.get(COMPLETIONS).error(), (405, None, Some("method_not_allowed")));
    assert_eq!(test.get(COMPLETIONS).headers["allow"], "POST");
    assert_eq!(test.post("/health", &json!({})).status, 405);
}

#[test]
fn refusals_of_a_template_are_its_own_words() {
    let strict = "{% if messages[0].role != 'user' %}{{ raise_exception('a user must begin') }}{% endif %}{{ messages[0].content }}";
    let test = Test::of(Wish { template: Some(strict), ..Wish::default() });
    let answer = test.post(CHAT, &json!({ "messages": [{ "role": "assistant", "content": "Hi" }] }));
    assert_eq!(answer.error(), (400, Some("messages"), Some("invalid_value")));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("a user must begin"));
}
