//! Keys and values in pages: texts that share a beginning have the bits of lone ones, whatever becomes of the others, and memory is counted,
//! limited and given back.

use std::sync::Arc;

use model::config::ModelConfig;
use runtime::engine::{Engine, EngineOptions};
use runtime::gpu::{GpuModel, GpuOptions, GpuOrCpu, GpuWorker};
use runtime::pass::{Answer, Span, TextId, Want, Worker};
use runtime::request::{Event, GenerateRequest, WhenFull};
use runtime::sampler::Sampling;
use runtime::{CpuWorker, Error, Model};

use crate::workers::{Lone, Paged, bits, each};
use crate::{gpu, tiny};

const PAGE: usize = 64;

fn last(text: TextId, tokens: &[u32]) -> Span<'_> {
    Span { text, tokens, want: Want::Last }
}

fn read<W: Worker + ?Sized>(worker: &mut W, text: TextId, tokens: &[u32]) -> Vec<u32> {
    worker.pass(&[last(text, tokens)], &|| false).unwrap();
    bits(worker.answer(0))
}

/// Every length within four of the first and the second border, and the ends.
fn around_borders(end: usize) -> impl Iterator<Item = usize> {
    [0, 1].into_iter().chain(PAGE - 4..=PAGE + 4).chain(2 * PAGE - 4..=2 * PAGE + 4).chain([end - 1, end])
}

#[test]
fn pages_forked_texts_go_on_with_the_bits_of_a_lone_text_and_so_does_the_original() {
    let c = ModelConfig { tied: false, ..tiny::config() };
    let beginning = tiny::tokens(&c, 1, 150);
    let ends = [tiny::tokens(&c, 2, 1), tiny::tokens(&c, 3, 70), tiny::tokens(&c, 4, 5)];
    let more = tiny::tokens(&c, 5, 3);
    each(&c, |worker, lone, what| {
        for len in around_borders(beginning.len()) {
            let first = worker.open(c.context).unwrap();
            read(worker, first, &beginning);
            let (second, third) = (worker.fork(first, len).unwrap(), worker.fork(first, len).unwrap());
            assert_eq!((worker.tokens(second), worker.context(second)), (&beginning[..len], c.context));
            let texts = [(first, &beginning[..]), (second, &beginning[..len]), (third, &beginning[..len])];
            let spans: Vec<_> = texts.iter().zip(&ends).map(|(t, end)| last(t.0, end)).collect();
            worker.pass(&spans, &|| false).unwrap();
            let got: Vec<_> = (0..3).map(|i| bits(worker.answer(i))).collect();
            for (((text, begins), end), got) in texts.into_iter().zip(&ends).zip(got) {
                let mut whole = [begins, end].concat();
                assert!(got == lone.whole(&whole), "{what}, {len}");
                // The others have written meanwhile.
                whole.extend(&more);
                assert!(read(worker, text, &more) == lone.whole(&whole), "{what}, {len}, later");
            }
            texts.iter().for_each(|t| worker.close(t.0));
            assert_eq!(worker.kv_memory().pages, 0);
        }
    });
}

#[test]
fn pages_of_a_fork_outlive_truncation_and_end_of_the_original() {
    let c = tiny::config();
    let (beginning, end) = (tiny::tokens(&c, 1, 140), tiny::tokens(&c, 2, 4));
    each(&c, |worker, lone, what| {
        let kept = lone.whole(&[&beginning[..], &end].concat());
        for len in around_borders(beginning.len()) {
            let original = worker.open(c.context).unwrap();
            read(worker, original, &beginning);
            let fork = worker.fork(original, usize::MAX).unwrap();
            assert_eq!(worker.tokens(fork), beginning);
            // Cut and written over, then gone.
            worker.truncate(original, len);
            assert_eq!(worker.kv_bytes(original), worker.kv_bytes(fork) / 3 * len.div_ceil(PAGE));
            let got = read(worker, original, &end);
            assert!(got == lone.whole(&[&beginning[..len], &end].concat()), "{what}, cut to {len}");
            let again = worker.fork(fork, beginning.len()).unwrap();
            assert!(read(worker, fork, &end) == kept, "{what}, cut to {len}");
            worker.close(original);
            worker.close(fork);
            assert!(read(worker, again, &end) == kept, "{what}, cut to {len} and closed");
            worker.close(again);
        }
    });
}

#[test]
fn pages_are_counted_and_given_back() {
    let c = tiny::config();
    let page_bytes = c.blocks * c.kv_width() * PAGE * 2 * 2;
    let counts = |worker: &dyn Paged| {
        let memory = worker.kv_memory();
        assert_eq!(memory.bytes, memory.pages * page_bytes);
        (memory.pages, memory.shared)
    };
    each(&c, |worker, _, _| {
        let a = worker.open(c.context).unwrap();
        assert_eq!(counts(worker), (0, 0));
        read(worker, a, &tiny::tokens(&c, 1, PAGE));
        assert_eq!(counts(worker), (1, 0));
        read(worker, a, &[1]);
        assert_eq!(counts(worker), (2, 0));
        let b = worker.fork(a, PAGE + 1).unwrap();
        assert_eq!(counts(worker), (2, 2));
        assert_eq!((worker.kv_bytes(a), worker.kv_bytes(b)), (2 * page_bytes, 2 * page_bytes));
        // Who writes first copies; the other then has the page for itself.
        read(worker, a, &[2]);
        assert_eq!(counts(worker), (3, 1));
        read(worker, b, &[3]);
        assert_eq!(counts(worker), (3, 1));
        worker.truncate(b, PAGE);
        assert_eq!(counts(worker), (2, 1));
        // A pass that is given up takes nothing.
        worker.pass(&[last(b, &[1; 2 * PAGE])], &|| true).unwrap();
        assert_eq!((counts(worker), worker.tokens(b).len()), ((2, 1), PAGE));
        worker.close(a);
        assert_eq!(counts(worker), (1, 0));
        worker.truncate(b, 0);
        assert_eq!(counts(worker), (0, 0));
    });
}

#[test]
fn pages_copied_for_a_pass_that_is_given_up_are_those_of_the_next() {
    let c = tiny::config();
    let (beginning, end) = (tiny::tokens(&c, 1, PAGE + 20), tiny::tokens(&c, 2, 4));
    each(&c, |worker, lone, what| {
        let a = worker.open(c.context).unwrap();
        read(worker, a, &beginning);
        let (b, d) = (worker.fork(a, PAGE + 9).unwrap(), worker.fork(a, PAGE + 9).unwrap());
        worker.pass(&[last(b, &end)], &|| true).unwrap();
        assert_eq!(worker.answer(0), Answer::Unread);
        // Others come and go meanwhile, also where the page was copied from.
        worker.close(d);
        let whole = [&beginning[..PAGE + 2], &end].concat();
        worker.truncate(a, PAGE + 2);
        assert!(read(worker, a, &end) == lone.whole(&whole), "{what}");
        let whole = [&beginning[..PAGE + 9], &end].concat();
        assert!(read(worker, b, &end) == lone.whole(&whole), "{what}");
    });
}

#[test]
fn pages_beyond_the_limit_refuse_the_pass_and_leave_all_as_it_was() {
    let c = tiny::config();
    let beginning = tiny::tokens(&c, 1, PAGE + 10);
    let long = tiny::tokens(&c, 2, PAGE + 1);
    each(&c, |worker, lone, what| {
        let a = worker.open(c.context).unwrap();
        read(worker, a, &beginning);
        let (b, empty) = (worker.fork(a, PAGE + 5).unwrap(), worker.open(c.context).unwrap());
        let before = worker.kv_memory();
        // One of the two who write copies their page; the third takes two; each alone would have room.
        let spans = [last(a, &[1]), last(b, &[2]), last(empty, &long)];
        worker.limit_pages(Some(4));
        let error = worker.pass(&spans, &|| false).unwrap_err();
        assert!(matches!(error, Error::KvFull { needed: 5, limit: 4 }), "{what}");
        assert_eq!(error.to_string(), "keys and values would take 5 pages; 4 are allowed");
        assert_eq!([a, b, empty].map(|text| worker.tokens(text).len()), [PAGE + 10, PAGE + 5, 0]);
        let after = worker.kv_memory();
        assert_eq!((after.pages, after.shared, after.limit), (before.pages, before.shared, Some(4)));
        // Five are enough, and nothing was lost.
        worker.limit_pages(Some(5));
        worker.pass(&spans, &|| false).unwrap();
        let got = [0, 1, 2].map(|i| bits(worker.answer(i)));
        let whole = [[&beginning[..], &[1]].concat(), [&beginning[..PAGE + 5], &[2]].concat(), long.clone()];
        assert!(got == whole.map(|text| lone.whole(&text)), "{what}");
        assert_eq!(worker.kv_memory().pages, 5);
        // At the limit, what fits into the pages there are is still read.
        read(worker, a, &[3]);
        worker.close(empty);
        assert!(worker.pass(&[last(b, &[1; 3 * PAGE])], &|| false).is_err());
        read(worker, b, &[1; 2 * PAGE]);
    });
}

/// A tiny model on a device that has so many bytes of memory, if any, and a binding for so many.
fn on_gpu(memory_max: Option<u64>, binding_max: Option<u64>) -> Option<(Model, GpuModel)> {
    let gpu = gpu::gpu(GpuOptions { memory_max, binding_max, ..GpuOptions::default() })?;
    let model = Model::from_gguf(&tiny::gguf(&tiny::config(), 31)).unwrap();
    let on_gpu = GpuModel::new(gpu, &model).unwrap();
    Some((model, on_gpu))
}

#[test]
fn pages_move_on_a_device_when_longer_texts_are_opened_and_hold_what_they_held() {
    let Some((_, model)) = on_gpu(None, None) else { return };
    let (mut worker, mut lone) = (GpuWorker::new(&model), Lone::new(GpuWorker::new(&model)));
    let tokens = tiny::tokens(&tiny::config(), 1, 300);
    // A copy is due when the pages move.
    let first = worker.open(70).unwrap();
    read(&mut worker, first, &tokens[..66]);
    let fork = worker.fork(first, 65).unwrap();
    worker.pass(&[last(fork, &tokens[65..69])], &|| true).unwrap();
    let (before, room) = (worker.bytes(), worker.kv_memory().limit);
    let second = worker.open(300).unwrap();
    assert!(worker.bytes() > before && worker.kv_memory().limit > room);
    let spans = [last(second, &tokens), last(first, &tokens[66..70]), last(fork, &tokens[65..69])];
    worker.pass(&spans, &|| false).unwrap();
    for (i, len) in [300, 70, 69].into_iter().enumerate() {
        assert!(bits(worker.answer(i)) == lone.whole(&tokens[..len]), "{len}");
    }
    // What was made for texts that are closed is there for others.
    let bytes = worker.bytes();
    [first, fork, second].into_iter().for_each(|text| worker.close(text));
    let (a, b) = (worker.open(300).unwrap(), worker.open(100).unwrap());
    assert_eq!(worker.bytes(), bytes);
    assert!(
        [a, b].map(|text| read(&mut worker, text, &tokens[..100]))
            == [lone.whole(&tokens[..100]), lone.whole(&tokens[..100])]
    );
}

#[test]
fn pages_of_a_device_with_little_room_are_shared_out_as_texts_grow() {
    let c = tiny::config();
    let page_bytes = (c.blocks * c.kv_width() * PAGE * 2 * 2) as u64;
    let Some((_, roomy)) = on_gpu(None, None) else { return };
    let mut worker = GpuWorker::new(&roomy);
    worker.open(c.context).unwrap();
    // Room for the model, a worker and a text; for one block of two to be there twice, and for tables; and for two pages more.
    let memory = roomy.bytes() + worker.bytes() + 5 * page_bytes / 2 + 100 + 2 * page_bytes;
    let limits = [(Some(memory), None), (None, Some(7 * page_bytes / 4))];
    for (memory_max, binding_max) in limits {
        let Some((_, model)) = on_gpu(memory_max, binding_max) else { return };
        let (mut worker, mut lone) = (GpuWorker::new(&model), Lone::new(GpuWorker::new(&roomy)));
        let texts = [(); 2].map(|()| worker.open(c.context).unwrap());
        assert_eq!(worker.kv_memory().limit, Some(7));
        let tokens = tiny::tokens(&c, 1, 300);
        read(&mut worker, texts[0], &tokens[..280]);
        let error = worker.pass(&[last(texts[1], &tokens[..200])], &|| false).unwrap_err();
        assert!(matches!(error, Error::KvFull { needed: 9, limit: 7 }));
        assert!(read(&mut worker, texts[1], &tokens[..128]) == lone.whole(&tokens[..128]));
        worker.truncate(texts[0], 0);
        assert!(read(&mut worker, texts[1], &tokens[128..300]) == lone.whole(&tokens));
    }
}

#[test]
fn pages_are_shared_again_once_a_lost_device_has_left_the_texts_to_the_cpu() {
    let Some((model, on_gpu)) = on_gpu(None, None) else { return };
    let mut worker = GpuOrCpu::new(&on_gpu, &model, 1, Default::default());
    let mut lone = Lone::new(CpuWorker::with_threads(&model, 1).unwrap());
    let tokens = tiny::tokens(model.config(), 1, 100);
    let text = worker.open(200).unwrap();
    read(&mut worker, text, &tokens);
    let before = worker.fork(text, 90).unwrap();
    assert_eq!((worker.tokens(before), worker.page_tokens()), (&tokens[..90], PAGE));
    on_gpu.gpu().destroy();
    worker.pass(&[last(before, &tokens[90..])], &|| false).unwrap();
    assert_eq!(worker.answer(0), Answer::Unread);
    // Both are there, empty, under the names they had.
    assert_eq!([text, before].map(|t| (worker.tokens(t).len(), worker.context(t))), [(0, 200); 2]);
    assert!(read(&mut worker, before, &tokens) == lone.whole(&tokens));
    let after = worker.fork(before, 90).unwrap();
    assert_eq!((worker.tokens(after), worker.page_tokens()), (&tokens[..90], PAGE));
    assert!(![text, before].contains(&after));
    assert!(read(&mut worker, after, &tokens[90..]) == lone.whole(&tokens));
}

fn greedy(prompt: Vec<u32>, max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt,
        max_tokens,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        when_full: WhenFull::Stop,
        log_probs: None,
        ..GenerateRequest::default()
    }
}

/// Ids, and tokens of the prompt that were not read.
fn written(events: &mut dyn Iterator<Item = Event>) -> (Vec<u32>, usize) {
    let (mut ids, mut reused) = (Vec::new(), 0);
    for event in events {
        match event {
            Event::Token { id, .. } => ids.push(id),
            Event::Done { stats, .. } => reused = stats.reused_tokens,
            Event::Error(error) => panic!("{error}"),
            Event::Prefill { .. } | Event::Scored { .. } => {}
        }
    }
    (ids, reused)
}

/// Two texts on an engine with four pages.
fn limited(gpu: Option<Arc<GpuModel>>) {
    let c = tiny::config();
    let model = Arc::new(Model::from_gguf(&tiny::gguf(&c, 21)).unwrap());
    let start = |kv_pages| {
        let options = EngineOptions { threads: Some(2), texts: 3, kv_pages, ..EngineOptions::default() };
        Engine::start_on(Arc::clone(&model), gpu.clone(), options).unwrap()
    };
    let (engine, roomy) = (start(Some(4)), start(None));
    let reused = |engine: &Engine, prompt: &[u32]| {
        written(&mut engine.generate(greedy(prompt.to_vec(), 2)).unwrap()).1
    };
    // Two pages and three: the engine without a limit still has the first when it is asked for again.
    let (short, long) = (tiny::tokens(&c, 1, 100), tiny::tokens(&c, 2, 150));
    assert_eq!([&short, &long, &short].map(|prompt| reused(&roomy, prompt)), [0, 0, 99]);
    assert_eq!([&short, &long, &short].map(|prompt| reused(&engine, prompt)), [0, 0, 0]);
    // Of two who do not both fit in, the second waits for the first, but not where the first one's client does not read.
    let whole =
        |prompt: &[u32], tokens| written(&mut roomy.generate(greedy(prompt.to_vec(), tokens)).unwrap()).0;
    let other = tiny::tokens(&c, 3, 200);
    let mut first = engine.generate(greedy(long.clone(), 100)).unwrap();
    let begun = first.by_ref().find(|event| matches!(event, Event::Token { .. })).unwrap();
    let mut second = engine.generate(greedy(other.clone(), 40)).unwrap();
    assert_eq!(written(&mut second).0, whole(&other, 40));
    assert_eq!(written(&mut std::iter::once(begun).chain(first)).0, whole(&long, 100));
    let two = [&long, &other].map(|prompt| engine.generate(greedy(prompt.clone(), 40)).unwrap());
    assert_eq!(two.map(|mut one| written(&mut one).0), [whole(&long, 40), whole(&other, 40)]);
    // One that is alone and does not fit in is refused, with the numbers.
    let mut large = engine.generate(greedy(tiny::tokens(&c, 4, 300), 2)).unwrap();
    let refused = large.find_map(|event| match event {
        Event::Error(error) => Some(error),
        _ => None,
    });
    let refused = refused.expect("no room for it").to_string();
    assert_eq!(refused, "keys and values would take 5 pages; 4 are allowed");
}

/// Three texts on one engine, each on an engine of its own.
fn prompts_that_begin_alike(gpu: Option<Arc<GpuModel>>) {
    let c = tiny::config();
    let model = Arc::new(Model::from_gguf(&tiny::gguf(&c, 21)).unwrap());
    let options = |texts| EngineOptions { threads: Some(2), texts, ..EngineOptions::default() };
    let engine = Engine::start_on(Arc::clone(&model), gpu.clone(), options(3)).unwrap();
    let lone = Engine::start_on(Arc::clone(&model), gpu, options(1)).unwrap();
    let beginning = tiny::tokens(&c, 1, 2 * PAGE + 9);
    let request = |end: &[u32], max_tokens| greedy([&beginning[..], end].concat(), max_tokens);
    let mut first = engine.generate(request(&[1, 2], 120)).unwrap();
    let begun = first.by_ref().find(|event| matches!(event, Event::Token { .. })).unwrap();
    let others: Vec<_> =
        [[3, 4], [5, 6]].iter().map(|end| engine.generate(request(end, 20)).unwrap()).collect();
    for (other, end) in others.into_iter().zip([[3, 4], [5, 6]]) {
        let (ids, reused) = written(&mut { other });
        assert_eq!(
            (ids, reused),
            (written(&mut lone.generate(request(&end, 20)).unwrap()).0, beginning.len())
        );
    }
    let (ids, reused) = written(&mut std::iter::once(begun).chain(first));
    assert_eq!((ids, reused), (written(&mut lone.generate(request(&[1, 2], 120)).unwrap()).0, 0));
}

#[test]
fn pages_are_shared_by_prompts_that_begin_alike_while_the_first_is_written() {
    prompts_that_begin_alike(None);
}

#[test]
fn pages_of_an_engine_are_limited_and_idle_texts_give_theirs_before_anybody_is_refused() {
    limited(None);
}

/// The model of these engines on a device, if there is one.
fn on_a_device() -> Option<Arc<GpuModel>> {
    let gpu = gpu::gpu(GpuOptions::default())?;
    let model = Model::from_gguf(&tiny::gguf(&tiny::config(), 21)).unwrap();
    Some(Arc::new(GpuModel::new(gpu, &model).unwrap()))
}

#[test]
fn pages_of_a_device_are_shared_by_prompts_that_begin_alike() {
    let Some(gpu) = on_a_device() else { return };
    prompts_that_begin_alike(Some(gpu));
}

#[test]
fn pages_of_a_device_are_limited_too() {
    let Some(gpu) = on_a_device() else { return };
    limited(Some(gpu));
}
