//! `/v1/chat/completions`.

use serde_json::{Value, json};

use crate::server::{TEMPLATE, Test, Wish};

const PATH: &str = "/v1/chat/completions";

fn test() -> Test {
    Test::of(Wish { template: Some(TEMPLATE), ..Wish::default() })
}

fn ask(content: impl Into<Value>) -> Value {
    json!({ "messages": [{ "role": "user", "content": content.into() }], "max_tokens": 20, "temperature": 0 })
}

/// A model that only continues text is given a play.
#[test]
fn chat_without_a_template_is_a_play() {
    let test = Test::start();
    let messages = json!([
        { "role": "system", "content": "Verona. A street." },
        { "role": "user", "content": " But soft! " },
        { "role": "assistant", "content": "Ay me!\n" },
        { "role": "user", "content": "She speaks." },
    ]);
    let play =
        "Verona. A street.\n\nROMEO:\nBut soft!\n\nJULIET:\nAy me!\n\nROMEO:\nShe speaks.\n\nJULIET:\n";
    let made = test.post("/apply-template", &json!({ "messages": messages }));
    assert_eq!(made.body, json!({ "prompt": play }));
    let asks = |more: Value| {
        let mut ask = json!({ "messages": messages, "prompt": play, "max_tokens": 200, "temperature": 0 });
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask
    };
    let speech = test.post(PATH, &asks(json!({})));
    let expected = test.post("/v1/completions", &asks(json!({ "stop": "\n\n" })));
    assert_eq!(speech.text(0), expected.text(0));
    assert!(!speech.text(0).is_empty() && !speech.text(0).contains("\n\n"));
    assert_eq!(speech.body["choices"][0]["finish_reason"], "stop");
    let endless = json!({ "ignore_eos": true });
    let on = test.post(PATH, &asks(endless.clone()));
    assert!(on.text(0).contains("\n\n"), "what is told to go on does");
    assert_eq!(on.text(0), test.post("/v1/completions", &asks(endless)).text(0));
}

#[test]
fn chat_continues_what_the_template_makes() {
    let test = test();
    let prompt =
        json!({ "prompt": "[user]\nWho goes there?\n[assistant]", "max_tokens": 20, "temperature": 0 });
    let expected = test.post("/v1/completions", &prompt).text(0).to_owned();
    let answer = test.post(PATH, &ask("Who goes there?"));
    assert_eq!(answer.text(0), expected);
    let (b, choice) = (&answer.body, &answer.body["choices"][0]);
    assert_eq!((&b["object"], &choice["message"]["role"]), (&json!("chat.completion"), &json!("assistant")));
    assert!(b["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!((&choice["logprobs"], &choice["finish_reason"]), (&Value::Null, &json!("length")));
    assert_eq!(b["usage"]["completion_tokens"], 20);

    let pieces = test.pieces(PATH, &ask("Who goes there?"));
    let first = &pieces[0]["choices"][0];
    assert_eq!(first["delta"], json!({ "role": "assistant", "content": "" }));
    let last = &pieces[pieces.len() - 1]["choices"][0];
    assert_eq!((&last["delta"], &last["finish_reason"]), (&json!({}), &json!("length")));
    let text: String = pieces.iter().filter_map(|p| p["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, expected);
    for piece in &pieces[..pieces.len() - 1] {
        assert_eq!(piece["object"], "chat.completion.chunk");
        assert_eq!(piece["choices"][0]["finish_reason"], Value::Null);
    }
}

#[test]
fn chat_goes_on_with_an_answer_that_is_begun() {
    let test = test();
    let mut talk = ask("Hi");
    talk["messages"] = json!([
        { "role": "user", "content": "Who goes there?" }, { "role": "assistant", "content": " </s>I am" },
    ]);
    talk["continue_final_message"] = true.into();
    let prompt = json!({
        "prompt": "[user]\nWho goes there?\n[assistant] </s>I am", "max_tokens": 20, "temperature": 0
    });
    let expected = test.post("/v1/completions", &prompt);
    let answer = test.post(PATH, &talk);
    assert_eq!(answer.text(0), expected.text(0));
    assert_eq!(answer.body["usage"]["prompt_tokens"], expected.body["usage"]["prompt_tokens"]);
    talk["add_generation_prompt"] = false.into();
    assert_eq!(test.post(PATH, &talk).text(0), expected.text(0));
    talk["add_generation_prompt"] = true.into();
    assert_eq!(
        test.post(PATH, &talk).error(),
        (400, Some("add_generation_prompt"), Some("unsupported_value"))
    );
}

#[test]
fn chat_takes_text_in_parts_and_every_speaker() {
    let test = test();
    let whole = test.post(PATH, &ask("Who goes there?")).text(0).to_owned();
    let parts = json!([{ "type": "text", "text": "Who goes" }, { "type": "text", "text": " there?" }]);
    assert_eq!(test.post(PATH, &ask(parts)).text(0), whole);
    let mut talk = ask("Hi");
    talk["messages"] = json!([
        { "role": "developer", "content": "Be brief." }, { "role": "user", "content": "Hi", "name": "R" },
        { "role": "assistant", "content": "Ay." }, { "role": "user", "content": "Go on" },
    ]);
    let prompt = test.post("/apply-template", &talk).body["prompt"].clone();
    assert_eq!(prompt, "[system]\nBe brief.\n[user]\nHi\n[assistant]\nAy.\n[user]\nGo on\n[assistant]");
    let same = json!({ "prompt": prompt, "max_tokens": 20, "temperature": 0 });
    assert_eq!(test.post(PATH, &talk).text(0), test.post("/v1/completions", &same).text(0));
}

#[test]
fn chat_tells_log_probabilities_in_its_own_form() {
    let test = test();
    let mut body = ask("Who goes there?");
    (body["logprobs"], body["top_logprobs"]) = (json!(true), json!(2));
    let answer = test.post(PATH, &body);
    let told = answer.body["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    assert_eq!(told.len(), 20);
    let mut bytes = Vec::new();
    for token in &told {
        let best = &token["top_logprobs"][0];
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&token["token"], &token["logprob"], &token["bytes"]),
            (&best["token"], &best["logprob"], &best["bytes"])
        );
        bytes.extend(token["bytes"].as_array().unwrap().iter().map(|b| b.as_u64().unwrap() as u8));
    }
    assert_eq!(bytes, answer.text(0).as_bytes());
    let streamed: Vec<Value> = test
        .pieces(PATH, &body)
        .iter()
        .flat_map(|p| p["choices"][0]["logprobs"]["content"].as_array().cloned().unwrap_or_default())
        .collect();
    assert_eq!(streamed, told);
    // Without a number of others there are none.
    body.as_object_mut().unwrap().remove("top_logprobs");
    let alone = test.post(PATH, &body);
    assert_eq!(alone.body["choices"][0]["logprobs"]["content"][0]["top_logprobs"], json!([]));
}

#[test]
fn chat_writes_until_the_context_is_full_where_nothing_else_is_said() {
    let mut wish = Wish { template: Some(TEMPLATE), ..Wish::default() };
    wish.model.setup.engine.context = Some(48);
    let test = Test::of(wish);
    let mut body = ask("Who goes there?");
    body.as_object_mut().unwrap().remove("max_tokens");
    body["ignore_eos"] = json!(true);
    let answer = test.post(PATH, &body);
    let usage = &answer.body["usage"];
    assert_eq!(
        (&usage["total_tokens"], &answer.body["choices"][0]["finish_reason"]),
        (&json!(49), &json!("length"))
    );
    body["max_completion_tokens"] = json!(3);
    body["max_tokens"] = json!(9);
    assert_eq!(test.post(PATH, &body).body["usage"]["completion_tokens"], 3);
    let long = test.post(PATH, &ask("words ".repeat(100)));
    assert_eq!(long.error(), (400, Some("messages"), Some("context_length_exceeded")));
    // The same where the answer would come piece by piece: nothing has been sent yet.
    let mut long = ask("words ".repeat(100));
    long["stream"] = json!(true);
    assert_eq!(test.post(PATH, &long).status, 400);
}
