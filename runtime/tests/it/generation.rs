//! Writing tokens: directly and through the engine, with every way to end.

use std::ops::ControlFlow;
use std::sync::Arc;

use runtime::engine::{Engine, EngineOptions};
use runtime::generate::generate;
use runtime::pass::{TextId, Worker};
use runtime::request::{Event, Finish, GenerateRequest, LogProbs, Stats, WhenFull};
use runtime::sampler::{Sampling, argmax};
use runtime::{CpuWorker, Error, Model, Session};

use crate::tiny;

fn model(context: usize) -> Model {
    // An untied head, whose logits are mild enough for draws to vary.
    let c = model::config::ModelConfig { context, streams: 2, tied: false, ..tiny::config() };
    Model::from_gguf(&tiny::gguf(&c, 21)).unwrap()
}

fn request(prompt: &[u32], max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt: prompt.to_vec(),
        max_tokens,
        sampling: Sampling { seed: 3, temperature: 1.0, ..Sampling::default() },
        stop: vec![],
        when_full: WhenFull::Slide,
        log_probs: Some(0),
        ..GenerateRequest::default()
    }
}

/// Serves a request on the spot: ids, log-probabilities, end.
fn run(session: &mut Session<'_>, request: &GenerateRequest) -> (Vec<u32>, Vec<f64>, Finish, Stats) {
    let (mut ids, mut log_probs) = (Vec::new(), Vec::new());
    let (finish, stats) = session
        .generate(request, &mut |event| {
            if let Event::Token { id, log_probs: of_token } = event {
                ids.push(id);
                log_probs.extend(of_token.map(|l| l.chosen));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(stats.generated_tokens, ids.len());
    (ids, log_probs, finish, stats)
}

#[test]
fn greedy_text_is_the_argmax_of_each_forward_pass() {
    let model = model(64);
    let prompt = tiny::tokens(model.config(), 1, 5);
    let mut session = Session::with_threads(&model, 64, 2).unwrap();
    let greedy = GenerateRequest { sampling: Sampling::greedy(), ..request(&prompt, 20) };
    let (ids, log_probs, finish, _) = run(&mut session, &greedy);
    assert_eq!((ids.len(), finish), (20, Finish::Length));
    let mut text = prompt.clone();
    for (id, log_prob) in ids.iter().zip(log_probs) {
        let mut fresh = Session::with_threads(&model, 64, 1).unwrap();
        let logits = fresh.forward(&text).unwrap();
        assert_eq!(*id, argmax(logits));
        let sum: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
        assert!((log_prob - (f64::from(logits[*id as usize]) - sum.ln())).abs() < 1e-5);
        text.push(*id);
    }
}

#[test]
fn same_seed_same_text_whatever_the_session_held_before_and_on_any_threads() {
    let model = model(64);
    let prompt = tiny::tokens(model.config(), 2, 30);
    let want = run(&mut Session::with_threads(&model, 64, 1).unwrap(), &request(&prompt, 25)).0;
    for threads in [1, 2, 3] {
        let mut session = Session::with_threads(&model, 64, threads).unwrap();
        assert_eq!(run(&mut session, &request(&prompt, 25)).0, want, "{threads} threads");
        // Again, with all of the prompt known; then after half of it is.
        let (ids, _, _, stats) = run(&mut session, &request(&prompt, 25));
        assert_eq!((ids, stats.reused_tokens), (want.clone(), 29));
        let mut other = prompt[..15].to_vec();
        other.push(66);
        run(&mut session, &request(&other, 3));
        let (ids, _, _, stats) = run(&mut session, &request(&prompt, 25));
        assert_eq!((ids, stats.reused_tokens), (want.clone(), 15));
    }
    let reseeded = Sampling { seed: 4, ..request(&prompt, 25).sampling };
    let other = GenerateRequest { sampling: reseeded, ..request(&prompt, 25) };
    assert_ne!(run(&mut Session::with_threads(&model, 64, 1).unwrap(), &other).0, want);
}

#[test]
fn full_context_slides_to_its_last_half_or_stops() {
    let model = model(16);
    let prompt = tiny::tokens(model.config(), 3, 10);
    let mut session = Session::with_threads(&model, 16, 1).unwrap();
    let greedy = GenerateRequest { sampling: Sampling::greedy(), ..request(&prompt, 40) };
    let (ids, _, finish, stats) = run(&mut session, &greedy);
    assert_eq!((ids.len(), finish, stats.slides), (40, Finish::Length, 4));
    // By hand: whenever 16 tokens are held and one more comes, only the last 8 are read again.
    let (mut held, mut text) = (prompt.clone(), Vec::new());
    for _ in 0..40 {
        let mut fresh = Session::with_threads(&model, 16, 1).unwrap();
        let id = argmax(fresh.forward(&held).unwrap());
        text.push(id);
        held.push(id);
        if held.len() > 16 {
            held.drain(..held.len() - 8);
        }
    }
    assert_eq!(ids, text);

    let stop = GenerateRequest { when_full: WhenFull::Stop, ..greedy };
    let (ids, _, finish, _) = run(&mut session, &stop);
    // Ten read, six held, and one that needs no room.
    assert_eq!((&ids[..], finish), (&text[..7], Finish::Context));
    // A context of one token has no half; it still goes on.
    let mut narrow = Session::with_threads(&model, 1, 1).unwrap();
    assert_eq!(run(&mut narrow, &request(&prompt[..1], 5)).0.len(), 5);
}

#[test]
fn stop_ids_end_the_text_and_are_not_part_of_it() {
    let model = model(64);
    let prompt = tiny::tokens(model.config(), 4, 5);
    let mut session = Session::with_threads(&model, 64, 1).unwrap();
    let ids = run(&mut session, &request(&prompt, 20)).0;
    let stop = ids[7];
    let first = ids.iter().position(|&id| id == stop).unwrap();
    let (ids_again, _, finish, _) =
        run(&mut session, &GenerateRequest { stop: vec![stop], ..request(&prompt, 20) });
    assert_eq!((&ids_again[..], finish), (&ids[..first], Finish::Stop(stop)));
}

#[test]
fn no_tokens_asked_none_written() {
    let model = model(64);
    let mut session = Session::with_threads(&model, 64, 1).unwrap();
    let (ids, _, finish, stats) = run(&mut session, &request(&[1, 2], 0));
    assert_eq!((ids.len(), finish, stats.prompt_tokens), (0, Finish::Length, 2));
}

/// Tokens of a prompt with what the model thought of them, and how many were written.
fn scored(
    worker: &mut dyn Worker,
    text: TextId,
    request: &GenerateRequest,
) -> (Vec<(u32, Option<LogProbs>)>, usize) {
    let (mut told, mut written) = (Vec::new(), 0);
    let tell = &mut |event| {
        match event {
            Event::Scored { id, log_probs } => {
                assert_eq!(written, 0);
                told.push((id, log_probs));
            }
            Event::Token { .. } => written += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let (finish, stats) = generate(worker, text, request, tell).unwrap();
    assert_eq!((finish, stats.reused_tokens, stats.generated_tokens), (Finish::Length, 0, written));
    (told, written)
}

#[test]
fn prompt_is_scored_whatever_the_text_held_before() {
    let c = model::config::ModelConfig { context: 700, tied: false, ..tiny::config() };
    let model = Model::from_gguf(&tiny::gguf(&c, 21)).unwrap();
    // More than is read in one step.
    let prompt = tiny::tokens(&c, 3, 600);
    let logits = Session::with_threads(&model, 700, 2).unwrap().forward_all(&prompt).unwrap().to_vec();
    let mut worker = CpuWorker::with_threads(&model, 2).unwrap();
    let text = worker.open(700).unwrap();
    for (max_tokens, count) in [(0, 3), (0, 3), (4, 0)] {
        let ask =
            GenerateRequest { log_probs: Some(count), score_prompt: true, ..request(&prompt, max_tokens) };
        let (told, written) = scored(&mut worker, text, &ask);
        assert_eq!((told.len(), written), (600, max_tokens));
        for (i, (id, log_probs)) in told.into_iter().enumerate() {
            assert_eq!(id, prompt[i]);
            let row = |i: usize| &logits[i * c.vocab..][..c.vocab];
            assert_eq!(
                log_probs,
                i.checked_sub(1).map(|before| LogProbs::new(row(before), id, count)),
                "{i}"
            );
        }
    }
    // A prompt of one token, with nothing to read for; and what is written does not depend on scoring.
    let ask = |max_tokens| GenerateRequest { score_prompt: true, ..request(&prompt[..1], max_tokens) };
    assert_eq!(scored(&mut worker, text, &ask(0)), (vec![(prompt[0], None)], 0));
    let mut session = Session::with_threads(&model, 700, 1).unwrap();
    assert_eq!(run(&mut session, &ask(9)).0, run(&mut session, &request(&prompt[..1], 9)).0);
}

#[test]
fn requests_that_cannot_be_served_say_why() {
    let model = model(64);
    let mut session = Session::with_threads(&model, 64, 1).unwrap();
    let mut fail = |r: GenerateRequest| session.generate(&r, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(fail(request(&[], 5)), Error::PromptEmpty));
    assert!(matches!(fail(request(&[1; 65], 5)), Error::PromptTooLong { tokens: 65, context: 64 }));
    assert!(matches!(fail(request(&[1, 67], 0)), Error::Token { id: 67, .. }));
    let bad = Sampling { top_p: 2.0, ..Sampling::default() };
    assert!(matches!(fail(GenerateRequest { sampling: bad, ..request(&[1], 5) }), Error::Sampling { .. }));
    let bias = |of| GenerateRequest { bias: vec![of], ..request(&[1], 5) };
    assert!(matches!(fail(bias((67, 1.0))), Error::Token { id: 67, .. }));
    assert!(matches!(fail(bias((5, f32::NAN))), Error::Sampling { name: "logit bias", .. }));
}

#[test]
fn engine_serves_requests_in_turn_and_as_directly() {
    let model = Arc::new(model(64));
    let engine = Engine::start(
        Arc::clone(&model),
        EngineOptions { context: Some(48), threads: Some(2), ..EngineOptions::default() },
    )
    .unwrap();
    assert_eq!((engine.context(), engine.threads()), (48, 2));
    let prompts: Vec<Vec<u32>> = (0..3).map(|s| tiny::tokens(model.config(), s, 8)).collect();
    let running: Vec<_> = prompts.iter().map(|p| engine.generate(request(p, 30)).unwrap()).collect();
    for (prompt, generation) in prompts.iter().zip(running) {
        let mut session = Session::with_threads(&model, 48, 1).unwrap();
        let want = run(&mut session, &request(prompt, 30)).0;
        let (mut ids, mut ends) = (Vec::new(), 0);
        for event in generation {
            match event {
                Event::Prefill { done, total } => assert_eq!((done, total), (8, 8)),
                Event::Scored { .. } => unreachable!(),
                Event::Token { id, .. } => ids.push(id),
                Event::Done { finish, .. } => {
                    assert_eq!(finish, Finish::Length);
                    ends += 1;
                }
                Event::Error(e) => panic!("{e}"),
            }
        }
        assert_eq!((ids, ends), (want, 1));
    }
}

#[test]
fn engine_cancels_within_a_token_and_lives_on() {
    let engine = Engine::start(
        Arc::new(model(64)),
        EngineOptions { context: None, threads: Some(1), ..EngineOptions::default() },
    )
    .unwrap();
    let endless = request(&[1, 2, 3], usize::MAX);
    let generation = engine.generate(endless.clone()).unwrap();
    let mut after = 0;
    let mut finish = None;
    while let Some(event) = generation.next_event() {
        match event {
            Event::Token { .. } => {
                after += 1;
                generation.canceller().cancel();
            }
            Event::Done { finish: f, .. } => finish = Some(f),
            _ => {}
        }
    }
    assert_eq!(finish, Some(Finish::Cancelled));
    // What the channel held when we cancelled, and no more.
    assert!((1..=66).contains(&after), "{after} tokens");
    // A client that goes away, one that never reads, and one that was cancelled before its turn hold nobody up.
    drop(engine.generate(endless.clone()).unwrap());
    let never_read = engine.generate(endless.clone()).unwrap();
    let waiting = engine.generate(request(&[1], 5)).unwrap();
    waiting.canceller().cancel();
    drop(never_read);
    assert!(matches!(waiting.last(), Some(Event::Done { finish: Finish::Cancelled, .. })));
    let last = engine.generate(request(&[4, 5], 4)).unwrap();
    assert!(matches!(last.last(), Some(Event::Done { finish: Finish::Length, .. })));
    let error = engine.generate(request(&[], 4)).unwrap();
    assert!(matches!(error.last(), Some(Event::Error(Error::PromptEmpty))));
    // Dropping the engine ends what it is doing.
    let abandoned = engine.generate(endless).unwrap();
    drop(engine);
    assert!(abandoned.count() < 100);
}

#[test]
fn engine_that_is_stopped_ends_what_it_writes_and_takes_no_more() {
    let options = EngineOptions { context: Some(64), threads: Some(1), ..EngineOptions::default() };
    let engine = Engine::start(Arc::new(model(64)), options).unwrap();
    let endless = GenerateRequest { when_full: WhenFull::Slide, ..request(&[1, 2], usize::MAX) };
    let generation = engine.generate(endless).unwrap();
    assert!(generation.next_event().is_some() && !engine.is_stopped());
    engine.stop();
    assert!(generation.count() < 200 && engine.is_stopped());
    // Also one that has nothing to do.
    let idle = Engine::start(Arc::new(model(64)), options).unwrap();
    idle.stop();
    for engine in [&engine, &idle] {
        let none = engine.generate(request(&[1, 2], 3)).map_or(0, Iterator::count);
        assert_eq!(none, 0);
    }
}

#[test]
fn engine_refuses_a_context_the_model_lacks() {
    let options = EngineOptions { context: Some(65), threads: Some(1), ..EngineOptions::default() };
    assert!(matches!(
        Engine::start(Arc::new(model(64)), options),
        Err(Error::Context { asked: 65, trained: 64 })
    ));
}

#[test]
fn generation_reports_prefill_and_stops_between_its_steps() {
    let c = model::config::ModelConfig { context: 1024, ..tiny::config() };
    let model = Model::from_gguf(&tiny::gguf(&c, 22)).unwrap();
    let mut session = Session::with_threads(&model, 1024, 2).unwrap();
    let prompt = tiny::tokens(&c, 23, 700);
    let mut seen = Vec::new();
    let (finish, stats) = session
        .generate(&request(&prompt, 5), &mut |event| {
            if let Event::Prefill { done, total } = event {
                seen.push((done, total));
            }
            if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((finish, stats.generated_tokens), (Finish::Cancelled, 0));
    assert_eq!(seen, [(256, 700), (512, 700)]);
    // The half-read prompt is a good start for the same one.
    let (_, _, finish, stats) = run(&mut session, &request(&prompt, 5));
    assert_eq!((finish, stats.reused_tokens), (Finish::Length, 512));
}

#[test]
fn generation_stops_between_the_steps_of_a_slide() {
    let c = model::config::ModelConfig { context: 1024, ..tiny::config() };
    let model = Model::from_gguf(&tiny::gguf(&c, 22)).unwrap();
    let mut session = Session::with_threads(&model, 1024, 2).unwrap();
    let prompt = tiny::tokens(&c, 23, 1024);
    let mut seen = Vec::new();
    let (finish, stats) = session
        .generate(&request(&prompt, 5), &mut |event| {
            if let Event::Prefill { done, total } = event {
                seen.push((done, total));
            }
            if seen.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((finish, stats.generated_tokens, stats.slides), (Finish::Cancelled, 1, 1));
    assert_eq!(seen, [(256, 1024), (512, 1024), (768, 1024), (1024, 1024), (256, 512)]);
}
