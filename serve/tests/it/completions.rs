//! `/v1/completions`, held against the library that writes the same text without a server.

use runtime::request::{GenerateRequest, WhenFull};
use runtime::sampler::{Sampling, log_sum_exp};
use runtime::{Model, Session};
use serde_json::{Value, json};
use text::{Ask, Devices, End, Opened, Piece, Running, Setup, Stops};

use crate::server::{Test, file};

const PATH: &str = "/v1/completions";

/// A text as the terminal writes it.
fn written(prompt: &str, max_tokens: usize, sampling: Sampling, stops: &[&str]) -> String {
    let running = Running::open(&file(), &Setup::default(), &Devices::default()).unwrap();
    let request = GenerateRequest {
        prompt: running.opened.prompt_ids(prompt),
        max_tokens,
        sampling,
        stop: running.opened.stop_ids(),
        when_full: WhenFull::Stop,
        ..GenerateRequest::default()
    };
    let ask = Ask { request, stops: Stops::new(stops.iter().copied()) };
    let mut text = String::new();
    for piece in running.write(ask).unwrap() {
        match piece {
            Piece::Token { text: growth, .. } => text.push_str(&growth.certain),
            Piece::End(End { text: growth, .. }) => text.push_str(&growth.certain),
            _ => {}
        }
    }
    text
}

fn greedy(prompt: impl Into<Value>, max_tokens: usize) -> Value {
    json!({ "prompt": prompt.into(), "max_tokens": max_tokens, "temperature": 0 })
}

#[test]
fn completions_are_what_the_terminal_writes() {
    let test = Test::start();
    let body = json!({
        "model": "shakespeare", "prompt": "ROMEO:", "max_tokens": 30, "temperature": 0.9, "top_p": 0.9, "top_k": 40,
        "min_p": 0.01, "seed": 7, "repeat_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.1,
        "user": "somebody", "a field of tomorrow": { "is": "ignored" },
    });
    let sampling = Sampling {
        temperature: 0.9,
        top_p: 0.9,
        top_k: 40,
        min_p: 0.01,
        seed: 7,
        repetition_penalty: 1.1,
        presence_penalty: 0.2,
        frequency_penalty: 0.1,
        ..Sampling::default()
    };
    let expected = written("ROMEO:", 30, sampling, &[]);
    let answer = test.post(PATH, &body);
    assert_eq!(answer.text(0), expected);
    let b = &answer.body;
    assert_eq!((&b["object"], &b["model"]), (&json!("text_completion"), &json!("shakespeare")));
    assert!(b["id"].as_str().unwrap().starts_with("cmpl-") && b["created"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(b["choices"][0]["finish_reason"], "length");
    assert_eq!(b["choices"][0]["logprobs"], Value::Null);
    let usage = &b["usage"];
    let prompt = usage["prompt_tokens"].as_u64().unwrap();
    assert_eq!((&usage["completion_tokens"], &usage["total_tokens"]), (&json!(30), &json!(prompt + 30)));
    assert_eq!(b["timings"]["predicted_n"], 30);
    assert!(answer.headers.contains_key("x-request-id"));

    // Piece by piece it is the same text, with its figures at the end where they are asked for.
    let mut streamed = body.clone();
    streamed["stream_options"] = json!({ "include_usage": true });
    let pieces = test.pieces(PATH, &streamed);
    let (usage, pieces) = pieces.split_last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(30)));
    let (last, others) = pieces.split_last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    let text: String = others.iter().map(|piece| piece["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, expected);
    assert!(others.len() > 5);
    for piece in pieces {
        assert_eq!((&piece["object"], &piece["id"]), (&json!("text_completion"), &usage["id"]));
        assert_eq!(piece.get("usage"), Some(&Value::Null));
    }
    for piece in others {
        assert_eq!(piece["choices"][0]["finish_reason"], Value::Null);
    }
    assert!(test.pieces(PATH, &body).iter().all(|piece| piece.get("usage").is_none()));
}

#[test]
fn completions_take_prompts_in_all_four_forms() {
    let test = Test::start();
    let opened = Opened::open(&file()).unwrap();
    let [a, b] = ["ROMEO:", "JULIET:"].map(|prompt| opened.prompt_ids(prompt));
    let texts = ["ROMEO:", "JULIET:"].map(|prompt| test.post(PATH, &greedy(prompt, 12)).text(0).to_owned());
    assert_eq!(test.post(PATH, &greedy(json!(a), 12)).text(0), texts[0]);
    for prompts in [json!(["ROMEO:", "JULIET:"]), json!([a, b])] {
        let answer = test.post(PATH, &greedy(prompts, 12));
        assert_eq!([answer.text(0), answer.text(1)], [&texts[0], &texts[1]]);
        let indices: Vec<_> =
            answer.body["choices"].as_array().unwrap().iter().map(|c| &c["index"]).collect();
        assert_eq!(indices, [0, 1]);
        assert_eq!(answer.body["usage"]["prompt_tokens"], a.len() + b.len());
    }
    // An answer of the usual length.
    let answer = test.post(PATH, &json!({ "prompt": "ROMEO:" }));
    assert_eq!(answer.body["usage"]["completion_tokens"], 16);
}

#[test]
fn completions_give_several_answers_to_a_prompt_each_with_a_seed_of_its_own() {
    let test = Test::start();
    let ask = |seed: u64, n: usize| json!({ "prompt": "JULIET:", "max_tokens": 10, "temperature": 1, "seed": seed, "n": n });
    let alone: Vec<_> = (5..9).map(|seed| test.post(PATH, &ask(seed, 1)).text(0).to_owned()).collect();
    let together = test.post(PATH, &ask(5, 4));
    assert_eq!([0, 1, 2, 3].map(|i| together.text(i).to_owned()), alone[..]);
    assert_ne!(alone[0], alone[1]);
    let prompt = test.post(PATH, &ask(5, 1)).body["usage"]["prompt_tokens"].clone();
    // A prompt counts once, and every answer.
    assert_eq!(together.body["usage"]["prompt_tokens"], prompt);
    assert_eq!(together.body["usage"]["completion_tokens"], 40);
    let mut texts = vec![String::new(); 4];
    for piece in test.pieces(PATH, &ask(5, 4)) {
        let choice = &piece["choices"][0];
        texts[choice["index"].as_u64().unwrap() as usize].push_str(choice["text"].as_str().unwrap());
    }
    assert_eq!(texts, alone);
    // Without a seed it is another text each time.
    let unseeded =
        |_| test.post(PATH, &json!({ "prompt": "A", "max_tokens": 20, "temperature": 1 })).text(0).to_owned();
    let [a, b] = [0, 1].map(unseeded);
    assert_ne!(a, b);
}

#[test]
fn completions_end_before_a_stop_string_wherever_tokens_cut_it() {
    let test = Test::start();
    let whole = test.post(PATH, &greedy("ROMEO:", 40)).text(0).to_owned();
    // It begins in the middle of a token, and ends in the middle of the next.
    let tokenizer = Opened::open(&file()).unwrap().tokenizer;
    let mut ends = vec![0];
    for id in tokenizer.encode(&whole) {
        ends.push(ends[ends.len() - 1] + tokenizer.text_bytes(id).len());
    }
    let of = |three: &[usize]| {
        let stop = whole.get(three[1] - 1..three[1] + 1)?;
        let whole_tokens = three[1] - three[0] > 1 && three[2] - three[1] > 1;
        (whole_tokens && whole.find(stop) == Some(three[1] - 1)).then_some((stop, three[1] - 1))
    };
    let (stop, first) = ends.windows(3).skip(5).find_map(of).expect("such a place");
    let mut body = greedy("ROMEO:", 40);
    body["stop"] = json!([stop, "never there"]);
    body["logprobs"] = json!(0);
    let answer = test.post(PATH, &body);
    assert_eq!(answer.text(0), &whole[..first]);
    assert_eq!(written("ROMEO:", 40, Sampling::greedy(), &[stop]), &whole[..first]);
    assert_eq!(answer.body["choices"][0]["finish_reason"], "stop");
    // No token of the stop string is told of, and the text is made of those that are.
    let pieces = test.pieces(PATH, &body);
    let text: String = pieces.iter().map(|piece| piece["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, &whole[..first]);
    let of = |choice: &Value| choice["logprobs"]["tokens"].as_array().cloned().unwrap_or_default();
    let streamed: Vec<Value> = pieces.iter().flat_map(|piece| of(&piece["choices"][0])).collect();
    let tokens = of(&answer.body["choices"][0]);
    assert_eq!(streamed, tokens);
    let joined: String = tokens.iter().map(|t| t.as_str().unwrap()).collect();
    assert!(joined.starts_with(&whole[..first]), "{joined:?}");
    let offsets = answer.body["choices"][0]["logprobs"]["text_offset"].as_array().unwrap();
    assert!(offsets.iter().all(|offset| offset.as_u64().unwrap() < first as u64), "{offsets:?} {first}");
    // Ids end it too, and the model's own end can be made to end nothing.
    let ids = Opened::open(&file()).unwrap().tokenizer.encode(&whole);
    let mut body = greedy("ROMEO:", 40);
    body["stop_token_ids"] = json!([ids[5]]);
    let cut = test.post(PATH, &body);
    assert!(cut.text(0).len() < whole.len() && whole.starts_with(cut.text(0)));
    assert_eq!(cut.body["choices"][0]["finish_reason"], "stop");
}

#[test]
fn completions_are_scored_as_the_model_scores_them() {
    let test = Test::start();
    let model = Model::load(&file()).unwrap();
    let opened = Opened::open(&file()).unwrap();
    let text = "ROMEO:\nBut, soft! what light through yonder window breaks? caf\u{e9} \u{1f600}";
    let ids = opened.prompt_ids(text);
    let vocab = model.config().vocab;
    let mut session = Session::new(&model, model.config().context).unwrap();
    let logits = session.forward_all(&ids).unwrap().to_vec();
    let row = |i: usize| &logits[i * vocab..][..vocab];
    let expected = |i: usize, id: u32| f64::from(row(i)[id as usize]) - log_sum_exp(row(i));
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| opened.tokenizer.text_bytes(id).to_vec()).collect();
    assert_eq!(bytes, text.as_bytes());

    for (max_tokens, prompt) in [(0, json!(text)), (1, json!(ids))] {
        let body = json!({ "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "logprobs": 1, "echo": true, "seed": 1 });
        let answer = test.post(PATH, &body);
        assert!(answer.text(0).starts_with(text));
        let told = &answer.body["choices"][0]["logprobs"];
        let list = |field: &str| told[field].as_array().unwrap();
        assert_eq!(list("tokens").len(), ids.len() + max_tokens);
        assert_eq!((&list("token_logprobs")[0], &list("top_logprobs")[0]), (&Value::Null, &Value::Null));
        for i in 1..ids.len() {
            let p = list("token_logprobs")[i].as_f64().unwrap();
            assert!((p - expected(i - 1, ids[i])).abs() < 1e-9, "token {i}");
            // Whether a token was the likeliest is asked by comparing the numbers themselves.
            let likeliest = list("top_logprobs")[i].as_object().unwrap();
            let best = likeliest.values().map(|v| v.as_f64().unwrap()).fold(f64::NEG_INFINITY, f64::max);
            let is_best = runtime::sampler::argmax(row(i - 1)) == ids[i];
            assert_eq!(p == best, is_best, "token {i}");
        }
        // Offsets count characters, also where a token is a part of one.
        let offsets: Vec<usize> = list("text_offset").iter().map(|o| o.as_u64().unwrap() as usize).collect();
        let chars = text.chars().count();
        assert!(offsets.is_sorted() && offsets[..ids.len()].iter().all(|&o| o < chars), "{offsets:?}");
        assert_eq!((offsets[0], offsets.get(ids.len()).copied()), (0, (max_tokens == 1).then_some(chars)));
        assert_eq!(answer.body["usage"]["completion_tokens"], max_tokens);
        let streamed = test.pieces(PATH, &body);
        let whole: Vec<Value> = streamed
            .iter()
            .flat_map(|piece| {
                piece["choices"][0]["logprobs"]["token_logprobs"].as_array().cloned().unwrap_or_default()
            })
            .collect();
        assert_eq!(&whole, list("token_logprobs"));
    }
    // A prompt of one token, and one that is repeated without being scored.
    let one = json!({ "prompt": [ids[0]], "max_tokens": 0, "logprobs": 2, "echo": true });
    let answer = test.post(PATH, &one);
    assert_eq!(answer.body["choices"][0]["logprobs"]["token_logprobs"], json!([null]));
    let plain = test.post(PATH, &json!({ "prompt": "ROMEO:", "max_tokens": 0, "echo": true }));
    assert_eq!((plain.text(0), &plain.body["choices"][0]["logprobs"]), ("ROMEO:", &Value::Null));
    assert_eq!(test.post(PATH, &json!({ "prompt": "ROMEO:", "max_tokens": 0 })).text(0), "");
}

#[test]
fn completions_tell_the_likeliest_tokens_of_each_place() {
    let test = Test::start();
    let mut body = greedy("ROMEO:", 6);
    body["logprobs"] = json!(3);
    let answer = test.post(PATH, &body);
    let told = &answer.body["choices"][0]["logprobs"];
    for i in 0..6 {
        let likeliest = told["top_logprobs"][i].as_object().unwrap();
        assert_eq!(likeliest.len(), 3);
        // Greedy: the token is the likeliest.
        let best = likeliest.values().map(|v| v.as_f64().unwrap()).fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(told["token_logprobs"][i].as_f64().unwrap(), best);
    }
    let tokens: String = (0..6).map(|i| told["tokens"][i].as_str().unwrap()).collect();
    assert_eq!(tokens, answer.text(0));
}

#[test]
fn completions_heed_a_bias_of_tokens() {
    let test = Test::start();
    let ids = Opened::open(&file()).unwrap().tokenizer.encode("x");
    let mut body = greedy("ROMEO:", 5);
    let plain = test.post(PATH, &body).text(0).to_owned();
    body["logit_bias"] = json!({ ids[0].to_string(): 100 });
    assert_eq!(test.post(PATH, &body).text(0), "xxxxx");
    let first = Opened::open(&file()).unwrap().tokenizer.encode(&plain)[0];
    body["logit_bias"] = json!({ first.to_string(): -100 });
    assert_ne!(test.post(PATH, &body).text(0), plain);
}
