//! Many at once: nobody's text depends on who else is served, beginnings are shared, and nobody waits for a long prompt or a long list.

use std::thread::scope;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use text::Device;

use crate::server::{Test, Wish, gpu_is_there};

const PATH: &str = "/v1/completions";

fn wish(texts: usize) -> Wish {
    let mut wish = Wish::default();
    (wish.model.setup.engine.texts, wish.model.setup.engine.kept) = (texts, texts);
    wish.model.setup.engine.threads = Some(2);
    wish
}

/// Prompts of different lengths.
fn prompt(i: usize) -> String {
    let words = "But soft what light through yonder window breaks it is the east and Juliet is the sun";
    words.split(' ').cycle().skip(i).take(3 + 7 * (i % 5)).collect::<Vec<_>>().join(" ")
}

fn ask(i: usize) -> Value {
    // Greedy ones, and ones that are drawn.
    json!({ "prompt": prompt(i), "max_tokens": 10 + i % 7, "temperature": (i % 2) as f32, "seed": i })
}

#[test]
fn batching_changes_no_text() {
    let test = Test::of(wish(16));
    let alone: Vec<String> = (0..24).map(|i| test.post(PATH, &ask(i)).text(0).to_owned()).collect();
    let passes = || test.metric("tercet_passes_total{model=\"shakespeare\"}");
    let before = passes();
    scope(|scope| {
        let one = |i: usize| {
            let (test, alone) = (&test, &alone);
            move || {
                if i.is_multiple_of(3) {
                    let pieces = test.pieces(PATH, &ask(i));
                    let text: String =
                        pieces.iter().map(|p| p["choices"][0]["text"].as_str().unwrap()).collect();
                    assert_eq!(text, alone[i]);
                } else {
                    assert_eq!(test.post(PATH, &ask(i)).text(0), alone[i]);
                }
            }
        };
        (0..24).for_each(|i| drop(scope.spawn(one(i))));
    });
    // They shared passes.
    assert!(passes() - before < before / 2.0, "{} after {before}", passes());
}

#[test]
fn batching_changes_no_text_on_a_gpu() {
    if !gpu_is_there() {
        return;
    }
    let mut wish = wish(4);
    wish.model.setup.device = Device::Gpu;
    wish.model.setup.engine.context = Some(128);
    let test = Test::of(wish);
    assert!(test.server.models()[0].running().engine.gpu().is_some());
    let ask = |i| json!({ "prompt": prompt(i), "max_tokens": 6, "temperature": (i % 2) as f32, "seed": i, "logprobs": if i == 2 { json!(1) } else { Value::Null } });
    let alone: Vec<String> = (0..4).map(|i| test.post(PATH, &ask(i)).text(0).to_owned()).collect();
    scope(|scope| {
        for i in 0..4 {
            let (test, alone) = (&test, &alone);
            scope.spawn(move || assert_eq!(test.post(PATH, &ask(i)).text(0), alone[i]));
        }
    });
    let scored =
        test.post(PATH, &json!({ "prompt": prompt(1), "max_tokens": 0, "echo": true, "logprobs": 1 }));
    let told = scored.body["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap().clone();
    assert!(told.len() > 5 && told[1..].iter().all(|p| p.as_f64().unwrap() < 0.0));
}

#[test]
fn batching_reads_a_beginning_that_several_share_once() {
    let test = Test::of(wish(8));
    let beginning = prompt(4).repeat(8);
    let body = json!({ "prompt": format!("{beginning} and so"), "max_tokens": 4, "temperature": 0, "n": 8 });
    let answer = test.post(PATH, &body);
    let prompt = answer.body["usage"]["prompt_tokens"].as_f64().unwrap();
    let read = test.metric("tercet_pass_tokens_total{model=\"shakespeare\"}");
    assert!(prompt > 200.0 && read < prompt + 8.0 * (70.0 + 4.0), "{read} read, {prompt} in the prompt");
    (1..8).for_each(|i| assert_eq!(answer.text(i), answer.text(0)));
    // What was read is kept for who comes later, and a text that goes on with it reads what is new.
    let next = json!({ "prompt": format!("{beginning} and so{} on", answer.text(0)), "max_tokens": 1 });
    let usage = test.post(PATH, &next).body["usage"].clone();
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_f64().unwrap();
    assert!(cached >= prompt, "{usage}");
}

#[test]
fn batching_lets_a_short_request_pass_a_long_list() {
    let mut wish = wish(2);
    wish.model.setup.engine.threads = Some(1);
    let test = Test::of(wish);
    let prompts: Vec<String> = (0..60).map(prompt).collect();
    let list = json!({ "prompt": prompts, "max_tokens": 60, "temperature": 0 });
    scope(|scope| {
        let long = scope.spawn(|| {
            assert_eq!(test.post(PATH, &list).status, 200);
            Instant::now()
        });
        test.until("the list is being written", |server| {
            server.requests().iter().any(|r| r.written_tokens > 0)
        });
        assert_eq!(test.post(PATH, &json!({ "prompt": "A", "max_tokens": 2 })).status, 200);
        let health = Instant::now();
        assert_eq!(test.get("/health").status, 200);
        assert!(health.elapsed() < Duration::from_millis(500));
        let done = Instant::now();
        assert!(long.join().unwrap() > done, "the list was first");
    });
}
