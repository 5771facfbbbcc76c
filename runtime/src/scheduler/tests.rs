//! The scheduler over a worker that computes nothing: who takes part in which pass, and who hears of it.

use std::sync::{Arc, OnceLock};
use std::task::Poll;

use model::config::ModelConfig;

use super::*;
use crate::mailbox::{Inbox, mailbox};
use crate::pass::{Answer, GiveUp, Want};
use crate::request::WhenFull;
use crate::sampler::Sampling;
use crate::synthetic;

const STEP: usize = 8;

/// A worker whose next token is always the sum of what a text holds, modulo the vocabulary.
struct Sums {
    config: ModelConfig,
    texts: Vec<Vec<u32>>,
    /// Tokens of each span of each pass.
    passes: Vec<Vec<usize>>,
    answers: Vec<Option<u32>>,
    /// Set in the middle of the pass of that number.
    cancel: Option<(usize, Arc<OnceLock<Arc<AtomicBool>>>)>,
    /// The pass of that number loses all texts, is an error, or a panic.
    lost: Option<usize>,
    broken: Option<usize>,
    bug: Option<usize>,
    /// The text of that number has no finite logits.
    damaged: Option<usize>,
    given_up: bool,
    /// From how many tokens on texts are forked.
    page: usize,
    /// Most tokens of all texts together.
    limit: usize,
    /// Most texts that there is room for.
    texts_max: usize,
    /// Tokens of a step.
    step: usize,
}

impl Sums {
    fn new() -> Sums {
        let config = ModelConfig { vocab: 50, ..synthetic::config("shakespeare").expect("a known shape") };
        Sums {
            config,
            texts: Vec::new(),
            passes: Vec::new(),
            answers: Vec::new(),
            cancel: None,
            lost: None,
            broken: None,
            bug: None,
            damaged: None,
            given_up: false,
            page: usize::MAX,
            limit: usize::MAX,
            texts_max: usize::MAX,
            step: STEP,
        }
    }
}

impl Worker for Sums {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn open(&mut self, _: usize) -> Result<TextId> {
        if self.texts.len() == self.texts_max {
            return Err(Error::Gpu { adapter: "small".into(), message: "no room".into() });
        }
        self.texts.push(Vec::new());
        Ok(TextId(self.texts.len() - 1))
    }

    fn close(&mut self, text: TextId) {
        self.texts[text.0].clear();
    }

    fn tokens(&self, text: TextId) -> &[u32] {
        &self.texts[text.0]
    }

    fn context(&self, _: TextId) -> usize {
        self.config.context
    }

    fn truncate(&mut self, text: TextId, len: usize) {
        self.texts[text.0].truncate(len);
    }

    fn page_tokens(&self) -> usize {
        self.page
    }

    fn fork(&mut self, text: TextId, len: usize) -> Result<TextId> {
        self.texts.push(self.texts[text.0][..len].to_vec());
        Ok(TextId(self.texts.len() - 1))
    }

    fn step_tokens(&self) -> usize {
        self.step
    }

    fn pass(&mut self, spans: &[Span<'_>], give_up: GiveUp<'_>) -> Result<()> {
        let held = self.texts.iter().map(Vec::len).chain(spans.iter().map(|span| span.tokens.len()));
        let needed = held.sum();
        if needed > self.limit {
            return Err(Error::KvFull { needed, limit: self.limit });
        }
        let number = self.passes.len();
        self.passes.push(spans.iter().map(|span| span.tokens.len()).collect());
        assert!(self.bug != Some(number), "a bug");
        if self.broken == Some(number) {
            return Err(Error::Logits);
        }
        if let Some((at, cancel)) = &self.cancel
            && *at == number
        {
            assert!(!give_up());
            cancel.get().expect("somebody to cancel").store(true, Ordering::Relaxed);
        }
        self.given_up = give_up();
        if self.lost == Some(number) {
            self.texts.iter_mut().for_each(Vec::clear);
            self.given_up = true;
        }
        self.answers = vec![None; spans.len()];
        if !self.given_up {
            for (span, answer) in spans.iter().zip(&mut self.answers) {
                self.texts[span.text.0].extend(span.tokens);
                let sum = self.texts[span.text.0].iter().sum::<u32>();
                if self.damaged == Some(span.text.0) {
                    *answer = Some(u32::MAX);
                    continue;
                }
                *answer = (span.want != Want::Nothing).then_some(sum % self.config.vocab as u32);
            }
        }
        Ok(())
    }

    fn answer(&self, i: usize) -> Answer<'_> {
        match self.answers[i] {
            _ if self.given_up => Answer::Unread,
            Some(u32::MAX) => Answer::NotFinite,
            Some(id) => Answer::Id(id),
            None => Answer::Nothing,
        }
    }

    fn kv_memory(&self) -> KvMemory {
        KvMemory::default()
    }
}

fn ask(scheduler: &mut Scheduler<'_>, prompt: &[u32], max_tokens: usize, room: usize) -> Inbox {
    let (outbox, inbox) = mailbox(room);
    let request = GenerateRequest {
        prompt: prompt.to_vec(),
        max_tokens,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        when_full: WhenFull::Stop,
        log_probs: None,
        ..GenerateRequest::default()
    };
    scheduler.take(Job { request, outbox });
    inbox
}

fn run(scheduler: &mut Scheduler<'_>) {
    let stop = AtomicBool::new(false);
    while !scheduler.is_done() {
        scheduler.round(&stop);
    }
}

/// What has come by now.
fn events(inbox: &Inbox) -> impl Iterator<Item = Event> {
    std::iter::from_fn(|| match inbox.try_next() {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    })
}

/// Ids, and how it ended.
fn told(inbox: &Inbox) -> (Vec<u32>, String) {
    let (mut ids, mut end) = (Vec::new(), String::new());
    for event in events(inbox) {
        match event {
            Event::Token { id, .. } => ids.push(id),
            Event::Done { finish, .. } => end = format!("{finish:?}"),
            Event::Error(error) => end = error.to_string(),
            Event::Prefill { .. } | Event::Scored { .. } => {}
        }
    }
    (ids, end)
}

/// What a text of sums goes on with.
fn sums(prompt: &[u32], count: usize) -> Vec<u32> {
    let mut text = prompt.to_vec();
    for _ in 0..count {
        text.push(text.iter().sum::<u32>() % 50);
    }
    text.split_off(prompt.len())
}

#[test]
fn scheduler_lets_writers_go_on_while_a_prompt_is_read_in_steps() {
    let mut worker = Sums::new();
    let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
    let (short, long) = ([1, 2], [3; 20]);
    let first = ask(&mut scheduler, &short, 5, 99);
    let second = ask(&mut scheduler, &long, 2, 99);
    run(&mut scheduler);
    assert_eq!(told(&first), (sums(&short, 5), "Length".into()));
    assert_eq!(told(&second), (sums(&long, 2), "Length".into()));
    // The writer's one token leaves seven of a step to the reader.
    assert_eq!(worker.passes, [vec![2, 6], vec![1, 7], vec![1, 7], vec![1, 1], vec![1]]);
}

#[test]
fn scheduler_reads_less_of_a_prompt_where_somebody_waits_for_the_next_token() {
    let mut worker = Sums::new();
    worker.step = 90;
    let mut scheduler = Scheduler::new(&mut worker, 512, 2, 0).unwrap();
    let _long = ask(&mut scheduler, &[3; 95], 9, 99);
    let _other = ask(&mut scheduler, &[4; 150], 1, 99);
    run(&mut scheduler);
    // Alone as much as a step has; beside a writer little at first, and more as it shows that this takes no time.
    assert_eq!(worker.passes[..5], [vec![90], vec![5, 85], vec![1, 32], vec![1, 33], vec![1]]);
}

#[test]
fn scheduler_gives_a_pass_up_for_who_loses_interest_in_it_and_serves_the_others() {
    let mut worker = Sums::new();
    let cancel = Arc::<OnceLock<_>>::default();
    worker.cancel = Some((1, Arc::clone(&cancel)));
    let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
    let other = ask(&mut scheduler, &[1, 2], 4, 99);
    let gone = ask(&mut scheduler, &[3; 30], 2, 99);
    cancel.set(Arc::clone(gone.cancel())).unwrap();
    run(&mut scheduler);
    assert_eq!(told(&other), (sums(&[1, 2], 4), "Length".into()));
    assert_eq!(told(&gone), (vec![], "Cancelled".into()));
    // The second pass was given up: the writer asks for the same token once more.
    assert_eq!(worker.passes, [vec![2, 6], vec![1, 7], vec![1], vec![1], vec![1]]);
}

#[test]
fn scheduler_lets_a_client_that_does_not_read_wait_alone() {
    let mut worker = Sums::new();
    let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
    let slow = ask(&mut scheduler, &[1], 6, 1);
    let quick = ask(&mut scheduler, &[2], 30, 99);
    let stop = AtomicBool::new(false);
    while scheduler.round(&stop) {}
    assert_eq!(told(&quick), (sums(&[2], 30), "Length".into()));
    assert!(!scheduler.is_done());
    let mut ids = Vec::new();
    while !scheduler.is_done() {
        ids.extend(told(&slow).0);
        scheduler.round(&stop);
    }
    ids.extend(told(&slow).0);
    assert_eq!(ids, sums(&[1], 6));
}

#[test]
fn scheduler_has_lost_texts_read_again() {
    let mut worker = Sums::new();
    worker.lost = Some(2);
    let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
    let (a, b) = (ask(&mut scheduler, &[1, 2], 5, 99), ask(&mut scheduler, &[3], 5, 99));
    run(&mut scheduler);
    assert_eq!(told(&a), (sums(&[1, 2], 5), "Length".into()));
    assert_eq!(told(&b), (sums(&[3], 5), "Length".into()));
}

#[test]
fn scheduler_survives_errors_and_bugs_of_a_pass() {
    for panics in [false, true] {
        let mut worker = Sums::new();
        (worker.broken, worker.bug) = if panics { (None, Some(1)) } else { (Some(1), None) };
        let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
        let (a, b) = (ask(&mut scheduler, &[1], 5, 99), ask(&mut scheduler, &[2], 5, 99));
        run(&mut scheduler);
        let why = if panics { "internal error: a bug" } else { "the model's output is not finite" };
        for (inbox, prompt) in [(&a, 1), (&b, 2)] {
            let (ids, end) = told(inbox);
            assert_eq!(ids, sums(&[prompt], 1));
            assert!(end.starts_with(why), "{end}");
        }
        let after = ask(&mut scheduler, &[1, 1], 3, 99);
        run(&mut scheduler);
        assert_eq!(told(&after), (sums(&[1, 1], 3), "Length".into()));
    }
}

#[test]
fn scheduler_ends_a_text_whose_logits_are_not_finite_and_no_other() {
    let mut worker = Sums::new();
    worker.damaged = Some(0);
    let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
    let (a, b) = (ask(&mut scheduler, &[1], 5, 99), ask(&mut scheduler, &[2], 5, 99));
    run(&mut scheduler);
    let (ids, end) = told(&a);
    assert!(ids.is_empty() && end.starts_with("the model's output is not finite"), "{end}");
    assert_eq!(told(&b), (sums(&[2], 5), "Length".into()));
}

#[test]
fn scheduler_goes_on_with_the_text_that_begins_like_the_prompt() {
    let mut worker = Sums::new();
    let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
    for prompt in [[1, 2, 3, 4], [5, 6, 7, 8]] {
        let _kept = ask(&mut scheduler, &prompt, 1, 99);
        run(&mut scheduler);
    }
    let _kept = ask(&mut scheduler, &[1, 2, 3, 9, 9], 1, 99);
    run(&mut scheduler);
    assert_eq!(scheduler.running.len(), 0);
    // Only what is new was read, and the other text is still there.
    assert_eq!(worker.passes, [vec![4], vec![4], vec![2]]);
    assert_eq!(worker.texts, [vec![1, 2, 3, 9, 9], vec![5, 6, 7, 8]]);
}

/// How many tokens of its prompt a generation did not read.
fn reused(inbox: &Inbox) -> usize {
    let done = events(inbox).find_map(|event| match event {
        Event::Done { stats, .. } => Some(stats.reused_tokens),
        _ => None,
    });
    done.expect("an end")
}

#[test]
fn scheduler_forks_from_a_text_that_is_being_written_and_does_not_disturb_it() {
    for idle in [false, true] {
        let mut worker = Sums::new();
        worker.page = 4;
        let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
        if idle {
            // A text of no use to anybody gives its place up.
            let _kept = ask(&mut scheduler, &[7, 7], 1, 99);
            run(&mut scheduler);
        }
        let stop = AtomicBool::new(false);
        let first = ask(&mut scheduler, &[1, 2, 3, 4, 5], 9, 99);
        scheduler.round(&stop);
        let second = ask(&mut scheduler, &[1, 2, 3, 4, 9, 9], 3, 99);
        scheduler.round(&stop);
        run(&mut scheduler);
        assert_eq!(told(&first), (sums(&[1, 2, 3, 4, 5], 9), "Length".into()));
        assert_eq!(reused(&second), 4);
        assert_eq!(worker.passes[usize::from(idle)..][..2], [vec![5], vec![1, 2]]);
        assert_eq!(worker.texts[usize::from(idle)..].iter().filter(|t| !t.is_empty()).count(), 2);
    }
}

#[test]
fn scheduler_reads_again_what_is_less_than_a_page_or_has_no_room() {
    for (page, texts_max) in [(5, 2), (4, 1)] {
        let mut worker = Sums::new();
        worker.page = page;
        let mut scheduler = Scheduler::new(&mut worker, 64, texts_max, 0).unwrap();
        let stop = AtomicBool::new(false);
        let first = ask(&mut scheduler, &[1, 2, 3, 4, 5], 4, 99);
        scheduler.round(&stop);
        let second = ask(&mut scheduler, &[1, 2, 3, 4, 9, 9], 3, 99);
        run(&mut scheduler);
        assert_eq!(told(&first), (sums(&[1, 2, 3, 4, 5], 4), "Length".into()));
        // The only text there may be is free once the first has ended, and is taken over then.
        assert_eq!(reused(&second), if texts_max == 1 { 4 } else { 0 });
        assert_eq!(worker.texts.len(), texts_max);
    }
}

#[test]
fn scheduler_forks_from_an_idle_text_that_has_more_to_it() {
    let mut worker = Sums::new();
    worker.page = 2;
    let mut scheduler = Scheduler::new(&mut worker, 64, 2, 0).unwrap();
    let mut served = |prompt: &[u32]| {
        let inbox = ask(&mut scheduler, prompt, 1, 99);
        run(&mut scheduler);
        reused(&inbox)
    };
    assert_eq!(served(&[1, 2, 3, 4]), 0);
    // Two are shared, and the first text stays; nothing is lost by going on with that; then the longest unused gives way to a third.
    assert_eq!([served(&[1, 2, 9]), served(&[1, 2, 3, 4, 5]), served(&[1, 2, 3, 7])], [2, 4, 3]);
    assert_eq!(worker.texts, [vec![1, 2, 3, 4, 5], vec![], vec![1, 2, 3, 7]]);
}

#[test]
fn scheduler_takes_memory_from_idle_texts_before_it_refuses_anybody() {
    let mut worker = Sums::new();
    worker.limit = 7;
    let mut scheduler = Scheduler::new(&mut worker, 64, 3, 0).unwrap();
    let _kept = ask(&mut scheduler, &[1, 2, 3, 4], 1, 99);
    run(&mut scheduler);
    let after = ask(&mut scheduler, &[5, 6, 7], 2, 99);
    run(&mut scheduler);
    assert_eq!(told(&after), (sums(&[5, 6, 7], 2), "Length".into()));
    // Of two who do not both fit in, the second waits until the first is through, and reads again.
    let (first, second) = (ask(&mut scheduler, &[8; 4], 3, 99), ask(&mut scheduler, &[9; 3], 2, 99));
    run(&mut scheduler);
    assert_eq!(told(&first), (sums(&[8; 4], 3), "Length".into()));
    assert_eq!(told(&second), (sums(&[9; 3], 2), "Length".into()));
    // One that does not fit in alone is refused.
    let large = ask(&mut scheduler, &[8; 8], 3, 99);
    run(&mut scheduler);
    assert_eq!(told(&large), (vec![], "keys and values would take 8 pages; 7 are allowed".into()));
}

#[test]
fn scheduler_has_who_finds_no_room_on_a_device_wait_for_others() {
    let mut worker = Sums::new();
    worker.texts_max = 2;
    let mut scheduler = Scheduler::new(&mut worker, 64, 9, 9).unwrap();
    let all = [1, 2, 3, 4, 5].map(|first| ask(&mut scheduler, &[first], 4, 99));
    run(&mut scheduler);
    for (first, inbox) in (1..).zip(&all) {
        assert_eq!(told(inbox), (sums(&[first], 4), "Length".into()));
    }
}

#[test]
fn scheduler_takes_memory_from_who_is_asleep_before_who_came_last() {
    let mut worker = Sums::new();
    worker.limit = 7;
    let mut scheduler = Scheduler::new(&mut worker, 64, 3, 0).unwrap();
    let stop = AtomicBool::new(false);
    // The first one's client does not read.
    let asleep = ask(&mut scheduler, &[1, 2], 5, 1);
    while scheduler.round(&stop) {}
    let second = ask(&mut scheduler, &[3, 4, 5], 4, 99);
    while scheduler.round(&stop) {}
    assert_eq!(told(&second), (sums(&[3, 4, 5], 4), "Length".into()));
    let mut ids = Vec::new();
    while !scheduler.is_done() {
        ids.extend(told(&asleep).0);
        scheduler.round(&stop);
    }
    ids.extend(told(&asleep).0);
    assert_eq!(ids, sums(&[1, 2], 5));
}

#[test]
fn scheduler_keeps_texts_beside_those_that_it_serves_at_once() {
    let mut worker = Sums::new();
    let mut scheduler = Scheduler::new(&mut worker, 64, 1, 2).unwrap();
    let mut served = |prompt: &[u32]| {
        let inbox = ask(&mut scheduler, prompt, 1, 99);
        run(&mut scheduler);
        reused(&inbox)
    };
    for first in [1, 2, 3] {
        assert_eq!(served(&[first, 9, 9]), 0);
    }
    assert_eq!([1, 2, 3].map(|first| served(&[first, 9, 9, 9])), [3; 3]);
    // The longest unused gives way, and no text with little in common for one that has nothing.
    assert_eq!([served(&[2, 4, 4, 4]), served(&[1, 9, 9, 9, 9]), served(&[3, 9, 9, 9, 9])], [0, 0, 4]);
    let load = scheduler.load();
    assert_eq!((load.running, load.waiting, load.kept), (0, 0, 3));
}

#[test]
fn scheduler_has_a_prompt_wait_for_a_beginning_that_somebody_is_reading() {
    let mut worker = Sums::new();
    worker.page = 4;
    let mut scheduler = Scheduler::new(&mut worker, 64, 4, 0).unwrap();
    let beginning: Vec<u32> = (0..20).collect();
    let prompts = [31, 32, 33].map(|last| [&beginning[..], &[last]].concat());
    let all = prompts.clone().map(|prompt| ask(&mut scheduler, &prompt, 2, 99));
    let other = ask(&mut scheduler, &[40, 41], 2, 99);
    run(&mut scheduler);
    for (inbox, prompt) in all.iter().zip(&prompts) {
        assert_eq!(told(inbox), (sums(prompt, 2), "Length".into()));
    }
    assert_eq!(told(&other), (sums(&[40, 41], 2), "Length".into()));
    // Nobody else waits for it, and what the three have in common is read once.
    assert_eq!(worker.passes[0], [8]);
    let read: usize = worker.passes.iter().flatten().sum();
    assert_eq!(read, 22 + 2 + 2 + 3);
}
