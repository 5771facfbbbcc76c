//! The loop as its users see it: a folder that can be left and continued at any step to the same bits, and refusals
//! that lose nothing.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use formats::gguf::Gguf;
use formats::run_log::{Log, MetricLine, RunDir, SampleLine};
use train::config::Config;
use train::preset;
use train::run::{
    CPU, Control, Event, Observer, Opening, Options, Order, Outcome, Resume, Run, RunToml, Summary, check,
};
use train::sample::Request;

static NEVER: AtomicBool = AtomicBool::new(false);

/// A few kilobytes that look a little like a play, the same every time.
fn text() -> String {
    let words =
        ["the", "king", "doth", "sleep", "and", "thou", "art", "night", "fair", "blood", "crown", "speak"];
    let mut rng = model::rng::SplitMix64::new(&[7]);
    let mut text = String::new();
    while text.len() < 6000 {
        text.push_str(["ROMEO:\n", "KING:\n", "LADY:\n"][rng.below(3) as usize]);
        for _ in 0..6 + rng.below(8) {
            text.push_str(words[rng.below(words.len() as u64) as usize]);
            text.push(' ');
        }
        text.push_str("\n\n");
    }
    text
}

pub fn config(dir: &Path, settings: &[&str]) -> Config {
    let path = dir.join("text.txt");
    if !path.exists() {
        std::fs::write(&path, text()).unwrap();
    }
    let mut all = vec![
        format!("data.text={}", path.display()),
        "train.steps=12".into(),
        "train.threads=2".into(),
        "optimiser.muon_ns_steps=2".into(),
        "report.eval_every=4".into(),
        "report.sample_every=6".into(),
        "report.sample_tokens=12".into(),
        "report.codes_every=3".into(),
        "report.checkpoint_every=5".into(),
    ];
    all.extend(settings.iter().map(|s| s.to_string()));
    preset::named("tiny").unwrap().with(None, &all).unwrap()
}

/// The setting that names another text of the same length, which is written beside the first.
fn another_text(dir: &Path) -> String {
    let path = dir.join("other.txt");
    std::fs::write(&path, text().to_uppercase()).unwrap();
    format!("data.text={}", path.display())
}

pub fn options(config: &Config, out: &Path) -> Options {
    Options {
        config: config.clone(),
        out: out.to_owned(),
        resume: Resume::Auto,
        pause_after: None,
        commit: "test".into(),
        write: words_of,
    }
}

/// Stands in for a model that writes: ids that any change of the file or of the request would change.
fn words_of(file: &Gguf, request: &Request) -> Result<Vec<u32>, String> {
    let mut hash = blake3::Hasher::new();
    for tensor in file.tensors() {
        hash.update(file.tensor(&tensor.name).unwrap().bytes);
    }
    hash.update(format!("{request:?}").as_bytes());
    Ok(hash.finalize().as_bytes()[..request.max_tokens].iter().map(|b| u32::from(b % 64) + 32).collect())
}

fn train(options: Options) -> train::Result<Summary> {
    train_watched(options, &mut (), &NEVER)
}

fn train_watched(
    options: Options,
    observer: &mut dyn Observer,
    cancel: &AtomicBool,
) -> train::Result<Summary> {
    match Run::open(options, observer, cancel, CPU)? {
        Opening::Ready(run) => run.train(observer, cancel),
        Opening::Complete(summary) => Ok(summary),
        Opening::Interrupted { .. } => panic!("stopped before the first step"),
    }
}

/// What must not depend on interruptions.
#[derive(PartialEq)]
pub struct Essence {
    tensors: Vec<(String, Vec<u32>)>, // of the last checkpoint, bit for bit
    pub lines: Vec<MetricLine>,       // without their clocks
    samples: Vec<SampleLine>,
}

pub fn essence(out: &Path) -> Essence {
    let dir = RunDir::open(out).unwrap();
    let newest = formats::checkpoint::newest_complete(&dir.checkpoints()).unwrap().unwrap();
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    let tensors =
        newest.checkpoint.tensors.into_iter().map(|(name, _, values)| (name, bits(values))).collect();
    let mut lines: Vec<MetricLine> = dir.read(Log::Metrics).unwrap();
    for line in &mut lines {
        (line.seconds, line.tokens_per_sec) = (None, None);
    }
    Essence { tensors, lines, samples: dir.read(Log::Samples).unwrap() }
}

#[test]
fn run_resumed_at_any_step_equals_uninterrupted() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let whole = dir.path().join("whole");
    let summary = train(options(&config, &whole)).unwrap();
    assert_eq!((summary.outcome, summary.step), (Outcome::Complete, 12));
    let expected = essence(&whole);
    assert_eq!(expected.lines.len(), 12);
    assert_eq!(expected.samples.len(), 2);
    for k in [1, 4, 7, 11] {
        let out = dir.path().join(format!("at-{k}"));
        let paused = train(Options { pause_after: Some(k), ..options(&config, &out) }).unwrap();
        assert_eq!((paused.outcome, paused.step), (Outcome::Paused, k));
        // Threads may differ from one session to the next.
        let mut other = config.clone();
        other.train.threads = 1;
        assert_eq!(train(options(&other, &out)).unwrap().outcome, Outcome::Complete);
        assert!(essence(&out) == expected, "interrupted after step {k}");
        check(&out).unwrap();
    }
}

#[test]
fn run_with_adamw_for_the_matrices_learns_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        config(dir.path(), &["optimiser.matrices=adamw", "optimiser.adam_lr=0.003", "train.steps=30"]);
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    train(options(&config, &whole)).unwrap();
    let expected = essence(&whole);
    let (first, last) = (&expected.lines[0], &expected.lines[29]);
    assert!(last.loss < 0.8 * first.loss, "{} to {}", first.loss, last.loss);
    assert_eq!(Some(last.lr), last.lr_adam);
    train(Options { pause_after: Some(17), ..options(&config, &parts) }).unwrap();
    train(options(&config, &parts)).unwrap();
    assert!(essence(&parts) == expected);
    // The memory that the two need is not the same: one does not continue the other.
    let mut muon = config.clone();
    muon.optimiser.matrices = train::optim::Matrices::Muon;
    assert!(train(options(&muon, &whole)).unwrap_err().to_string().contains("optimiser.matrices"));
}

/// A checkpoint holds every bit of moments that are kept in bf16, and the bits that round them belong to the step.
#[test]
fn run_with_moments_in_bf16_learns_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    for matrices in ["muon", "adamw"] {
        let settings = [format!("optimiser.matrices={matrices}"), "optimiser.moments=bf16".to_owned()];
        let settings: Vec<&str> = settings.iter().map(String::as_str).chain(["train.steps=30"]).collect();
        let config = config(dir.path(), &settings);
        let [whole, parts] = ["whole", "parts"].map(|name| dir.path().join(format!("{matrices}-{name}")));
        train(options(&config, &whole)).unwrap();
        let expected = essence(&whole);
        let (first, last) = (&expected.lines[0], &expected.lines[29]);
        assert!(last.loss < 0.8 * first.loss, "{} to {}", first.loss, last.loss);
        for pause in [11, 17] {
            train(Options { pause_after: Some(pause), ..options(&config, &parts) }).unwrap();
        }
        train(options(&config, &parts)).unwrap();
        assert!(essence(&parts) == expected);
        let mut kept = config.clone();
        kept.optimiser.moments = train::optim::Moments::F32;
        assert!(train(options(&kept, &whole)).unwrap_err().to_string().contains("optimiser.moments"));
    }
}

#[test]
fn run_that_is_complete_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &["train.steps=2"]);
    let out = dir.path().join("run");
    train(options(&config, &out)).unwrap();
    // Killed in the middle of removing an old checkpoint, after the last one was written.
    let half_removed = out.join("checkpoints/.tmp-step-00000000");
    std::fs::create_dir(&half_removed).unwrap();
    assert_eq!(train(options(&config, &out)).unwrap().outcome, Outcome::AlreadyComplete);
    assert!(!half_removed.exists());
    let never = Options { resume: Resume::Never, ..options(&config, &out) };
    assert!(train(never).unwrap_err().to_string().contains("already holds a run"));
    // More steps continue it.
    let mut longer = config.clone();
    longer.train.steps = 4;
    let summary = train(options(&longer, &out)).unwrap();
    assert_eq!((summary.outcome, summary.step), (Outcome::Complete, 4));
    assert_eq!(check(&out).unwrap().logged, 4);
}

/// Cancels in the middle, as Ctrl-C does.
pub struct CancelAfter<'a>(pub u64, pub &'a AtomicBool);

impl Observer for CancelAfter<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Step(line) = event
            && line.step == self.0
        {
            self.1.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
}

#[test]
fn run_cancelled_saves_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let out = dir.path().join("run");
    let flag = AtomicBool::new(false);
    let summary = train_watched(options(&config, &out), &mut CancelAfter(3, &flag), &flag).unwrap();
    assert_eq!((summary.outcome, summary.step), (Outcome::Interrupted, 3));
    assert_eq!(check(&out).unwrap().resumable, Some(3));
}

/// Cancels when the first remark comes: here on the text, before a vocabulary is learnt from it.
struct CancelAtNote<'a>(&'a AtomicBool);

impl Observer for CancelAtNote<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Note(_) = event {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
}

#[test]
fn run_cancelled_before_its_first_step_is_as_if_never_begun() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("text.txt"), text().replace('\n', "\r\n")).unwrap();
    let config = config(dir.path(), &["tokenizer.kind=bpe:300"]);
    let (out, whole) = (dir.path().join("run"), dir.path().join("whole"));
    let stopped = || {
        let flag = AtomicBool::new(false);
        let opening = Run::open(options(&config, &out), &mut CancelAtNote(&flag), &flag, CPU).unwrap();
        let Opening::Interrupted { saved } = opening else { panic!("it went on") };
        saved
    };
    assert!(!stopped());
    assert!(!out.exists(), "a run that did not begin leaves no folder");
    train(Options { pause_after: Some(5), ..options(&config, &out) }).unwrap();
    // Encoding the text again can be stopped too, and loses nothing.
    assert!(stopped());
    assert_eq!(train(options(&config, &out)).unwrap().outcome, Outcome::Complete);
    train(options(&config, &whole)).unwrap();
    assert!(essence(&out) == essence(&whole));
}

#[test]
fn run_whose_loss_is_no_number_stops_and_keeps_the_last_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let wild =
        config(dir.path(), &["optimiser.adam_lr=1e20", "optimiser.clip_norm=0", "report.checkpoint_every=1"]);
    let error = train(options(&wild, &out)).unwrap_err().to_string();
    assert!(error.contains("at step ") && error.contains("last good checkpoint is step"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let report = check(&out).unwrap();
    assert!(report.checkpoints.iter().all(|c| c.1.is_ok()));
    let kept = RunDir::open(&out).unwrap();
    let newest = formats::checkpoint::newest_complete(&kept.checkpoints()).unwrap().unwrap();
    assert!(newest.checkpoint.tensors.iter().all(|t| t.2.iter().all(|v| v.is_finite())));
}

#[test]
fn run_refuses_what_it_cannot_continue() {
    let dir = tempfile::tempdir().unwrap();
    let small = config(dir.path(), &["train.steps=3", "report.checkpoint_every=1"]);
    let out = dir.path().join("run");
    train(options(&small, &out)).unwrap();
    let more = |settings: &[&str]| {
        let mut settings = settings.to_vec();
        settings.push("train.steps=6");
        config(dir.path(), &settings)
    };
    let refused = |config: &Config, resume: Resume, out: &Path| {
        let error = train(Options { resume, ..options(config, out) }).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };

    let other = refused(&more(&["model.ffn=256"]), Resume::Auto, &out);
    assert!(other.contains("model.ffn: 128, 256"), "{other}");

    let rate = refused(&more(&["optimiser.muon_lr=0.5"]), Resume::Auto, &out);
    assert!(rate.contains("optimiser.muon_lr: 0.02, 0.5") && rate.contains("--resume"), "{rate}");

    let new = dir.path().join("new");
    let from = Resume::From(out.join("checkpoints/step-00000002"));
    for (setting, said) in [
        ("model.ffn=256", "model.ffn: 128, 256"),
        ("tokenizer.kind=bpe:300", "tokenizer.kind: "),
        ("optimiser.matrices=adamw", "optimiser.matrices: "),
    ] {
        let other = refused(&more(&[setting]), from.clone(), &new);
        assert!(other.contains("is another model") && other.contains(said), "{other}");
    }
    let done = refused(&config(dir.path(), &["train.steps=2"]), from.clone(), &new);
    assert!(done.contains("2 steps behind it") && done.contains("--steps"), "{done}");
    assert!(!new.exists(), "a refused run leaves no folder");

    let newer = refused(&more(&[]), from.clone(), &out);
    assert!(newer.contains("already went on to step 3"), "{newer}");

    let text = refused(&more(&[&another_text(dir.path())]), Resume::Auto, &out);
    assert!(text.contains("text is not the one"), "{text}");

    let nothing = refused(&more(&[]), Resume::From(dir.path().join("nothing")), &new);
    assert!(nothing.contains("neither a run"), "{nothing}");

    std::fs::create_dir(&new).unwrap();
    std::fs::write(new.join("thesis.doc"), "mine").unwrap();
    let foreign = refused(&more(&[]), Resume::Auto, &new);
    assert!(foreign.contains("thesis.doc"), "{foreign}");

    // A branch into a folder of its own is welcome.
    let branch = dir.path().join("branch");
    let summary = train(Options { resume: from, ..options(&more(&[]), &branch) }).unwrap();
    assert_eq!(summary.step, 6);
    assert_eq!(check(&branch).unwrap().logged, 6);
    // It has a checkpoint of its own from its first moment on.
    let paused = dir.path().join("paused");
    let from = Resume::From(out.join("checkpoints/step-00000002"));
    train(Options { resume: from, pause_after: Some(2), ..options(&more(&[]), &paused) }).unwrap();
    assert_eq!(check(&paused).unwrap().resumable, Some(2));
    assert_eq!(train(options(&more(&[]), &paused)).unwrap().step, 6);
    assert!(essence(&paused) == essence(&branch));
}

#[test]
fn run_begins_from_another_with_other_rates_seed_or_text() {
    let dir = tempfile::tempdir().unwrap();
    let first = config(dir.path(), &["train.steps=4", "report.checkpoint_every=2"]);
    let out = dir.path().join("first");
    train(options(&first, &out)).unwrap();
    let toml = |run: &Path| RunDir::open(run).unwrap().read_config::<RunToml>().unwrap();
    let begin = |config: &Config, new: &Path| {
        train(Options { resume: Resume::From(out.clone()), ..options(config, new) }).unwrap()
    };

    // A lower rate and another seed go on with the steps.
    let slower = config(dir.path(), &["train.steps=8", "optimiser.muon_lr=0.001", "train.seed=5"]);
    let new = dir.path().join("slower");
    assert_eq!(begin(&slower, &new).step, 8);
    let stored = toml(&new);
    let origin = stored.origin.unwrap();
    assert_eq!((stored.first_step, origin.step), (4, 4));
    assert!(origin.from.ends_with("first") && origin.checkpoint.ends_with("step-00000004"), "{origin:?}");
    assert!(origin.changed.contains(&"optimiser.muon_lr: 0.02, 0.001".to_owned()), "{origin:?}");
    assert_eq!(check(&new).unwrap().logged, 8);

    // The same command continues what it began, to the same bits, also when the first run has gone on.
    let again = dir.path().join("again");
    let start = Options { resume: Resume::From(out.clone()), ..options(&slower, &again) };
    train(Options { pause_after: Some(6), ..start.clone() }).unwrap();
    train(options(&config(dir.path(), &["train.steps=6", "report.checkpoint_every=2"]), &out)).unwrap();
    assert_eq!(train(start).unwrap().step, 8);
    assert!(essence(&again) == essence(&new));
    assert_eq!(toml(&again).origin.unwrap().step, 4);

    // Another text begins at step 0, with the weights and nothing else.
    let tuned = config(dir.path(), &["train.steps=3", "model.context=32", &another_text(dir.path())]);
    let fine = dir.path().join("fine");
    assert_eq!(begin(&tuned, &fine).step, 3);
    let stored = toml(&fine);
    assert_eq!((stored.first_step, stored.origin.unwrap().step), (0, 6));
    let lines: Vec<MetricLine> = RunDir::open(&fine).unwrap().read(Log::Metrics).unwrap();
    assert_eq!(lines.len(), 3);
    let scratch = dir.path().join("scratch");
    train(options(&tuned, &scratch)).unwrap();
    let fresh: Vec<MetricLine> = RunDir::open(&scratch).unwrap().read(Log::Metrics).unwrap();
    assert!(lines[0].loss != fresh[0].loss, "the weights were taken over");
    assert_eq!((lines[0].tokens, lines[0].lr), (fresh[0].tokens, fresh[0].lr));
}

#[test]
fn run_passes_over_a_damaged_checkpoint_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &["report.checkpoint_every=2"]);
    let out = dir.path().join("run");
    train(Options { pause_after: Some(6), ..options(&config, &out) }).unwrap();
    let state = out.join("checkpoints/step-00000006/state.safetensors");
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&state, bytes).unwrap();
    let report = check(&out).unwrap();
    assert!(report.checkpoints[0].1.as_ref().is_err_and(|e| e.contains("step-00000006")), "{report:?}");
    assert_eq!(report.resumable, Some(4));

    struct Notes(Vec<String>);
    impl Observer for Notes {
        fn event(&mut self, event: Event<'_>) {
            if let Event::Note(text) = event {
                self.0.push(text.into());
            }
        }
    }
    let mut notes = Notes(Vec::new());
    let summary = train_watched(options(&config, &out), &mut notes, &AtomicBool::new(false)).unwrap();
    assert_eq!(summary.step, 12);
    assert!(notes.0.iter().any(|n| n.contains("using step 4 instead")), "{:?}", notes.0);
    let whole = dir.path().join("whole");
    train(options(&config, &whole)).unwrap();
    assert!(essence(&out) == essence(&whole));
    assert!(check(&out).unwrap().checkpoints.iter().all(|c| c.1.is_ok()));
}

#[test]
fn run_cannot_be_trained_twice_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let out = dir.path().join("run");
    let first = Run::open(options(&config, &out), &mut (), &NEVER, CPU).unwrap();
    let error = Run::open(options(&config, &out), &mut (), &NEVER, CPU).err().unwrap().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(first);
    Run::open(options(&config, &out), &mut (), &NEVER, CPU).unwrap();
}

/// Has a run wait after a step, and cancels it while it waits.
struct CancelWaiting<'a>(u64, std::sync::mpsc::Sender<Order>, &'a AtomicBool);

impl Observer for CancelWaiting<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Step(line) if line.step == self.0 => self.1.send(Order::Pause).unwrap(),
            Event::Note(text) if text.starts_with("waiting after step") => {
                self.2.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

/// Pause, then Ctrl-C: one more whole step once ran.
#[test]
fn run_cancelled_while_it_waits_takes_no_further_step() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let out = dir.path().join("run");
    let (cancel, (give, orders)) = (AtomicBool::new(false), std::sync::mpsc::channel());
    let Opening::Ready(run) = Run::open(options(&config, &out), &mut (), &NEVER, CPU).unwrap() else {
        panic!()
    };
    let mut observer = CancelWaiting(3, give, &cancel);
    let summary = run.train(&mut observer, Control::new(&cancel, &orders)).unwrap();
    assert_eq!((summary.outcome, summary.step), (Outcome::Interrupted, 3));
    let checked = check(&out).unwrap();
    assert_eq!((checked.resumable, checked.logged), (Some(3), 3));
}

/// Gives orders after steps.
struct Steering {
    give: std::sync::mpsc::Sender<Order>,
    held: usize,
}

impl Observer for Steering {
    fn event(&mut self, event: Event<'_>) {
        let orders: &[Order] = match event {
            Event::Step(line) => match line.step {
                2 => &[Order::Save, Order::Sample, Order::Sample, Order::Resume],
                // Orders that a pause precedes are done in the pause.
                5 => &[Order::Pause, Order::Pause, Order::Sample, Order::Save, Order::Resume],
                7 => &[Order::Pause, Order::Stop],
                _ => &[],
            },
            Event::Note(text) => {
                self.held += usize::from(text.starts_with("waiting after step"));
                &[]
            }
            _ => &[],
        };
        orders.iter().for_each(|&order| self.give.send(order).unwrap());
    }
}

#[test]
fn run_that_is_paused_sampled_saved_and_stopped_computes_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[]);
    let (whole, steered) = (dir.path().join("whole"), dir.path().join("steered"));
    train(options(&config, &whole)).unwrap();

    let (give, orders) = std::sync::mpsc::channel();
    let mut steering = Steering { give, held: 0 };
    let cancel = AtomicBool::new(false);
    let Opening::Ready(run) = Run::open(options(&config, &steered), &mut (), &NEVER, CPU).unwrap() else {
        panic!()
    };
    let summary = run.train(&mut steering, Control::new(&cancel, &orders)).unwrap();
    assert_eq!((summary.outcome, summary.step, steering.held), (Outcome::Interrupted, 7, 2));
    let run = RunDir::open(&steered).unwrap();
    let events: Vec<formats::run_log::EventLine> = run.read(Log::Events).unwrap();
    let events: Vec<(u64, &str)> = events.iter().map(|e| (e.step, &*e.event)).collect();
    let expected = [
        (0, "started"),
        (2, "saved"),
        (5, "held"),
        (5, "saved"),
        (5, "released"),
        (7, "held"),
        (7, "interrupted"),
    ];
    assert_eq!(events, expected);
    let samples: Vec<SampleLine> = run.read(Log::Samples).unwrap();
    assert_eq!(samples.iter().map(|s| s.step).collect::<Vec<_>>(), [2, 5, 6]);

    assert_eq!(train(options(&config, &steered)).unwrap().outcome, Outcome::Complete);
    let (a, mut b) = (essence(&whole), essence(&steered));
    b.samples.retain(|s| s.step != 2 && s.step != 5);
    assert!(a == b);
}
