//! Several texts on one worker: each answer is the one it would be alone, and nobody waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::config::{ModelConfig, StoredType};
use runtime::Model;
use runtime::engine::{Engine, EngineOptions, Generation};
use runtime::gpu::{GpuModel, GpuOptions, GpuWorker};
use runtime::pass::{Answer, Span, Want, Worker};
use runtime::request::{Event, Finish, GenerateRequest, WhenFull};
use runtime::sampler::Sampling;

use crate::workers::{Lone, bits, each};
use crate::{gpu, tiny};

/// What text `i` of a batch reads in its passes: prompts of very different lengths, then a token or a few at a time.
fn spans_of(c: &ModelConfig, i: usize) -> Vec<Vec<u32>> {
    let prompt = [1, 2, 3, 15, 16, 17, 40, 64, 65, 130][i % 10] + i / 10;
    let lengths = [prompt, 1, 1, 1 + i % 3, 1, 5 * (i % 2), 1];
    lengths.iter().enumerate().map(|(pass, &n)| tiny::tokens(c, (100 * i + pass) as u64, n)).collect()
}

/// What is wanted of the spans of text `i`.
fn want_of(i: usize, pass: usize, tokens: usize) -> Want {
    match (i + pass) % 4 {
        _ if tokens == 0 => Want::Nothing,
        0 => Want::All,
        1 if pass == 0 => Want::Nothing,
        _ => Want::Last,
    }
}

/// Logits of every pass of text `i`, alone.
fn alone(lone: &mut Lone<'_>, c: &ModelConfig, i: usize) -> Vec<Vec<u32>> {
    lone.reset();
    let spans = spans_of(c, i);
    let read = |(pass, span): (usize, &Vec<u32>)| bits(lone.read(span, want_of(i, pass, span.len())));
    spans.iter().enumerate().map(read).collect()
}

/// All passes of `count` texts on one worker, in an order of texts that changes from pass to pass.
fn together<W: Worker + ?Sized>(worker: &mut W, c: &ModelConfig, count: usize) -> Vec<Vec<Vec<u32>>> {
    let texts: Vec<_> = (0..count).map(|_| worker.open(c.context).unwrap()).collect();
    let inputs: Vec<_> = (0..count).map(|i| spans_of(c, i)).collect();
    let mut got = vec![Vec::new(); count];
    for pass in 0..inputs[0].len() {
        let order: Vec<usize> = (0..count).map(|j| (j * 7 + pass * 3) % count).collect();
        let span = |&i: &usize| {
            let tokens = &inputs[i][pass][..];
            Span { text: texts[i], tokens, want: want_of(i, pass, tokens.len()) }
        };
        let spans: Vec<Span<'_>> = order.iter().map(span).collect();
        worker.pass(&spans, &|| false).unwrap();
        for (at, &i) in order.iter().enumerate() {
            got[i].push(bits(worker.answer(at)));
        }
    }
    for (text, inputs) in texts.iter().zip(inputs) {
        assert_eq!(worker.tokens(*text), inputs.concat());
    }
    got
}

#[test]
fn batch_of_64_texts_of_mixed_lengths_has_the_bits_of_each_alone() {
    let head =
        |streams, head, head_int8| ModelConfig { streams, tied: false, head, head_int8, ..tiny::config() };
    let shapes =
        [head(1, StoredType::F16, false), head(2, StoredType::Q8_0, true), head(4, StoredType::Q1_58, true)];
    for c in shapes {
        each(&c, |worker, lone, what| {
            for (i, got) in together(worker, &c, 64).into_iter().enumerate() {
                for (pass, (got, expected)) in got.into_iter().zip(alone(lone, &c, i)).enumerate() {
                    assert!(got == expected, "{what}, text {i}, pass {pass}");
                }
            }
        });
    }
}

#[test]
fn batch_chooses_on_a_device_what_each_would_alone_in_one_submission() {
    let Some(gpu) = gpu::gpu(GpuOptions::default()) else { return };
    let c = ModelConfig { tied: false, ..tiny::config() };
    let model = Model::from_gguf(&tiny::gguf(&c, 31)).unwrap();
    let on_gpu = GpuModel::new(gpu, &model).unwrap();
    let (mut worker, mut lone) = (GpuWorker::new(&on_gpu), Lone::new(GpuWorker::new(&on_gpu)));
    let neutral = Sampling { temperature: 1.0, top_p: 1.0, ..Sampling::default() };
    let settings = [
        neutral,
        Sampling { top_k: 5, ..neutral },
        Sampling { top_p: 0.7, ..neutral },
        Sampling { temperature: 2.0, min_p: 0.05, ..neutral },
    ];
    // Text `i` has a token drawn, or the likeliest, or is told the logits.
    let want = |i: usize, step: usize| match i % 3 {
        0 => Want::Draw(settings[i / 3 % 4], (i * 31 + step * 17) as f64 % 97.0 / 97.0),
        1 => Want::Likeliest,
        _ => Want::Last,
    };
    let count = 12;
    let texts: Vec<_> = (0..count).map(|_| worker.open(40).unwrap()).collect();
    let next = |answer: Answer<'_>| match answer {
        Answer::Id(id) => id,
        // Whatever depends on all of them.
        Answer::Logits(logits) => logits.iter().fold(0u32, |sum, v| sum.rotate_left(5) ^ v.to_bits()) % 67,
        other => panic!("{other:?}"),
    };
    let mut written: Vec<Vec<u32>> = (0..count).map(|i| vec![i as u32]).collect();
    for step in 0..20 {
        let before = worker.counters();
        let span = |i: usize| Span { text: texts[i], tokens: &written[i][step..], want: want(i, step) };
        let spans: Vec<_> = (0..count).map(span).collect();
        worker.pass(&spans, &|| false).unwrap();
        (0..count).for_each(|i| written[i].push(next(worker.answer(i))));
        let cost = worker.counters().since(before);
        assert_eq!((cost.tokens, cost.submissions), (12, 1));
        // Four tell their logits, eight an id.
        assert_eq!(cost.bytes_down as usize, 4 * (4 * c.vocab + 8));
    }
    for (i, written) in written.iter().enumerate() {
        lone.reset();
        for step in 0..20 {
            assert_eq!(
                written[step + 1],
                next(lone.read(&written[step..=step], want(i, step))),
                "{i}, {step}"
            );
        }
    }
}

#[test]
fn batch_of_texts_that_go_on_with_what_the_device_chose_tells_it_no_token() {
    let Some(gpu) = gpu::gpu(GpuOptions::default()) else { return };
    let c = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&c, 31)).unwrap();
    let on_gpu = GpuModel::new(gpu, &model).unwrap();
    let mut worker = GpuWorker::new(&on_gpu);
    let texts: Vec<_> = (0..8).map(|_| worker.open(64).unwrap()).collect();
    let mut last: Vec<u32> = (0..8).collect();
    for step in 0..20 {
        let before = worker.counters();
        let span = |(&text, token)| Span { text, tokens: std::slice::from_ref(token), want: Want::Likeliest };
        worker.pass(&texts.iter().zip(&last).map(span).collect::<Vec<_>>(), &|| false).unwrap();
        for (i, last) in last.iter_mut().enumerate() {
            let Answer::Id(id) = worker.answer(i) else { panic!("no id") };
            *last = id;
        }
        let cost = worker.counters().since(before);
        // Where each of them stands, and at first also their tokens, the tables of their pages and what is wanted.
        let told = if step == 0 { 8 * (8 + 4 + 4) + 16 } else { 8 * 8 };
        assert_eq!((cost.bytes_up, cost.bytes_down), (told, 8 * 4), "{step}");
    }
}

#[test]
fn batch_texts_come_and_go() {
    let c = tiny::config();
    each(&c, |worker, _, what| {
        let (a, b) = (worker.open(20).unwrap(), worker.open(30).unwrap());
        let span = |text, tokens| Span { text, tokens, want: Want::Last };
        worker.pass(&[span(a, &[1, 2, 3]), span(b, &[4])], &|| false).unwrap();
        let alone = bits(worker.answer(1));
        worker.close(a);
        let again = worker.open(25).unwrap();
        assert_eq!((worker.tokens(again).len(), worker.context(again), worker.tokens(b)), (0, 25, &[4][..]));
        worker.truncate(b, 0);
        worker.pass(&[span(again, &[4]), span(b, &[4])], &|| false).unwrap();
        assert_eq!((bits(worker.answer(0)), bits(worker.answer(1))), (alone.clone(), alone), "{what}");
        // One bad span refuses the pass, and no text has changed.
        let refused = worker.pass(&[span(again, &[5]), span(b, &[c.vocab as u32])], &|| false);
        assert!(refused.is_err());
        assert_eq!((worker.tokens(again), worker.tokens(b)), (&[4][..], &[4][..]));
    });
}

#[test]
fn batch_given_up_in_its_middle_leaves_every_text_as_it_was() {
    let c = tiny::config();
    each(&c, |worker, lone, what| {
        let (a, b) = (worker.open(c.context).unwrap(), worker.open(c.context).unwrap());
        let (long, more) = (tiny::tokens(&c, 1, 300), tiny::tokens(&c, 2, 9));
        let spans = [
            Span { text: a, tokens: &more, want: Want::Last },
            Span { text: b, tokens: &long, want: Want::Last },
        ];
        // Threads of the processor ask before each op, of which a tile has some 25: in the middle of the second block they hear it at once. A
        // device is asked before each submission, the first of which has 16 tokens.
        let (heard_at, threads) = if what.contains("threads") { (30, 3) } else { (2, 1) };
        let asked = AtomicUsize::new(0);
        worker.pass(&spans, &|| asked.fetch_add(1, Ordering::Relaxed) >= heard_at).unwrap();
        assert!((heard_at + 1..=heard_at + threads).contains(&asked.into_inner()), "{what}");
        assert_eq!((worker.answer(0), worker.answer(1)), (Answer::Unread, Answer::Unread));
        assert_eq!((worker.tokens(a).len(), worker.tokens(b).len()), (0, 0));
        assert_eq!(worker.kv_memory().pages, 0);
        worker.pass(&spans, &|| false).unwrap();
        assert!(bits(worker.answer(0)) == lone.whole(&more), "{what}");
        assert!(bits(worker.answer(1)) == lone.whole(&long), "{what}");
    });
}

fn request(prompt: Vec<u32>, max_tokens: usize, sampling: Sampling) -> GenerateRequest {
    GenerateRequest {
        prompt,
        max_tokens,
        sampling,
        stop: Vec::new(),
        when_full: WhenFull::Slide,
        log_probs: None,
        ..GenerateRequest::default()
    }
}

fn written(generation: Generation) -> (Vec<u32>, Option<Finish>) {
    let (mut ids, mut end) = (Vec::new(), None);
    for event in generation {
        match event {
            Event::Token { id, .. } => ids.push(id),
            Event::Done { finish, .. } => end = Some(finish),
            Event::Error(error) => panic!("{error}"),
            Event::Prefill { .. } | Event::Scored { .. } => {}
        }
    }
    (ids, end)
}

#[test]
fn engine_of_many_texts_writes_each_as_it_would_be_alone() {
    let c = ModelConfig { tied: false, ..tiny::config() };
    let model = Arc::new(Model::from_gguf(&tiny::gguf(&c, 21)).unwrap());
    let options =
        |texts| EngineOptions { context: Some(40), threads: Some(2), texts, ..EngineOptions::default() };
    let (one, many) = (
        Engine::start(Arc::clone(&model), options(1)).unwrap(),
        Engine::start(Arc::clone(&model), options(5)).unwrap(),
    );
    // More requests than texts, some of which slide.
    let requests: Vec<_> = (0..12)
        .map(|i| {
            let seed = i as u64;
            let sampling = if i % 3 == 0 {
                Sampling::greedy()
            } else {
                Sampling { seed, temperature: 1.0, ..Sampling::default() }
            };
            request(tiny::tokens(&c, seed, 1 + 3 * i), 10 + 5 * (i % 4), sampling)
        })
        .collect();
    let running: Vec<_> = requests.iter().map(|r| many.generate(r.clone()).unwrap()).collect();
    for (request, generation) in requests.into_iter().zip(running) {
        assert_eq!(written(generation), written(one.generate(request).unwrap()));
    }
}

#[test]
fn engine_client_that_does_not_read_holds_up_nobody() {
    let c = tiny::config();
    let model = Arc::new(Model::from_gguf(&tiny::gguf(&c, 21)).unwrap());
    let options = EngineOptions { context: Some(64), threads: Some(1), texts: 2, ..EngineOptions::default() };
    let engine = Engine::start(model, options).unwrap();
    let asleep = engine.generate(request(vec![1, 2], usize::MAX, Sampling::greedy())).unwrap();
    for i in 0..3 {
        let (ids, end) = written(engine.generate(request(vec![3, i], 200, Sampling::greedy())).unwrap());
        assert_eq!((ids.len(), end), (200, Some(Finish::Length)));
    }
    asleep.canceller().cancel();
    let (ids, end) = written(asleep);
    assert!(ids.len() < 200);
    assert_eq!(end, Some(Finish::Cancelled));
}
