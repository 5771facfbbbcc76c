//! Several texts on one worker: each answer is the one it would be alone, and nobody waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cpu::Kernels;
use model::config::{ModelConfig, StoredType};
use runtime::engine::{Engine, EngineOptions, Generation};
use runtime::gpu::{Gpu, GpuModel, GpuOptions, GpuSession, GpuWorker};
use runtime::pass::{Answer, Span, Want, Worker};
use runtime::request::{Event, Finish, GenerateRequest, WhenFull};
use runtime::sampler::Sampling;
use runtime::{CpuWorker, Model, Session};

use crate::tiny;

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

/// Logits of every pass of text `i`, read by `read`.
fn alone(c: &ModelConfig, i: usize, mut read: impl FnMut(&[u32], Want) -> Vec<f32>) -> Vec<Vec<f32>> {
    let spans = spans_of(c, i);
    spans.iter().enumerate().map(|(pass, span)| read(span, want_of(i, pass, span.len()))).collect()
}

fn logits(answer: Answer<'_>) -> Vec<f32> {
    match answer {
        Answer::Logits(logits) => logits.to_vec(),
        Answer::Nothing => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// All passes of `count` texts on one worker, in an order of texts that changes from pass to pass.
fn together(worker: &mut dyn Worker, c: &ModelConfig, count: usize) -> Vec<Vec<Vec<f32>>> {
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
            got[i].push(logits(worker.answer(at)));
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
        for kernels in Kernels::available() {
            let model = Model::with_kernels(&tiny::gguf(&c, 31), kernels).unwrap();
            let expected: Vec<_> = (0..64)
                .map(|i| {
                    let mut session = Session::with_threads(&model, c.context, 1).unwrap();
                    alone(&c, i, |tokens, want| logits(session.read(tokens, want).unwrap()))
                })
                .collect();
            for threads in [1, 3] {
                let mut worker = CpuWorker::with_threads(&model, threads).unwrap();
                let got = together(&mut worker, &c, 64);
                for i in 0..64 {
                    for (pass, (got, expected)) in got[i].iter().zip(&expected[i]).enumerate() {
                        let same = got.iter().map(|v| v.to_bits()).eq(expected.iter().map(|v| v.to_bits()));
                        assert!(same, "{}, {threads} threads, text {i}, pass {pass}", kernels.name);
                    }
                }
            }
        }
    }
}

#[test]
fn batch_on_a_gpu_gives_each_what_it_has_alone() {
    /// The same shaders over the same rows; measured equal on lavapipe.
    const TOL: f32 = 1e-5;
    let Ok(gpu) = Gpu::open(None, GpuOptions::default()) else { return };
    let c = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&c, 31)).unwrap();
    let on_gpu = GpuModel::new(Arc::new(gpu), &model).unwrap();
    let got = together(&mut GpuWorker::new(&on_gpu), &c, 6);
    for (i, got) in got.iter().enumerate() {
        let mut session = GpuSession::new(&on_gpu, c.context).unwrap();
        let expected = alone(&c, i, |tokens, want| logits(session.read(tokens, want).unwrap()));
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!(got.len(), expected.len());
            assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() <= TOL), "text {i}");
        }
    }
}

#[test]
fn batch_texts_come_and_go() {
    let c = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&c, 31)).unwrap();
    let mut worker = CpuWorker::with_threads(&model, 2).unwrap();
    let (a, b) = (worker.open(20).unwrap(), worker.open(30).unwrap());
    let span = |text, tokens| Span { text, tokens, want: Want::Last };
    worker.pass(&[span(a, &[1, 2, 3]), span(b, &[4])], &|| false).unwrap();
    let alone = logits(worker.answer(1));
    worker.close(a);
    let again = worker.open(25).unwrap();
    assert_eq!((worker.tokens(again).len(), worker.context(again), worker.tokens(b)), (0, 25, &[4][..]));
    worker.truncate(b, 0);
    worker.pass(&[span(again, &[4]), span(b, &[4])], &|| false).unwrap();
    assert_eq!((logits(worker.answer(0)), logits(worker.answer(1))), (alone.clone(), alone));
    // One bad span refuses the pass, and no text has changed.
    let refused = worker.pass(&[span(again, &[5]), span(b, &[c.vocab as u32])], &|| false);
    assert!(refused.is_err());
    assert_eq!((worker.tokens(again), worker.tokens(b)), (&[4][..], &[4][..]));
}

#[test]
fn batch_given_up_in_its_middle_leaves_every_text_as_it_was() {
    let c = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&c, 31)).unwrap();
    let mut worker = CpuWorker::with_threads(&model, 2).unwrap();
    let (a, b) = (worker.open(c.context).unwrap(), worker.open(c.context).unwrap());
    let (long, more) = (tiny::tokens(&c, 1, 300), tiny::tokens(&c, 2, 9));
    let spans = [
        Span { text: a, tokens: &more, want: Want::Last },
        Span { text: b, tokens: &long, want: Want::Last },
    ];
    let asked = AtomicUsize::new(0);
    worker.pass(&spans, &|| asked.fetch_add(1, Ordering::Relaxed) >= 30).unwrap();
    // Each of the two threads asks before each op, of which a tile has some 25: in the middle of the second block it is heard at once.
    assert!((31..=32).contains(&asked.into_inner()));
    assert_eq!((worker.answer(0), worker.answer(1)), (Answer::Unread, Answer::Unread));
    assert_eq!((worker.tokens(a).len(), worker.tokens(b).len()), (0, 0));
    worker.pass(&spans, &|| false).unwrap();
    let mut session = Session::with_threads(&model, c.context, 1).unwrap();
    assert_eq!(logits(worker.answer(1)), session.forward(&long).unwrap());
}

fn request(prompt: Vec<u32>, max_tokens: usize, sampling: Sampling) -> GenerateRequest {
    GenerateRequest {
        prompt,
        max_tokens,
        sampling,
        stop: Vec::new(),
        when_full: WhenFull::Slide,
        log_probs: None,
    }
}

fn written(generation: Generation) -> (Vec<u32>, Option<Finish>) {
    let (mut ids, mut end) = (Vec::new(), None);
    for event in generation {
        match event {
            Event::Token { id, .. } => ids.push(id),
            Event::Done { finish, .. } => end = Some(finish),
            Event::Error(error) => panic!("{error}"),
            Event::Prefill { .. } => {}
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
