//! Models at work beside each other, and devices that are there, are not, or fail.

use std::ops::ControlFlow;
use std::path::PathBuf;

use runtime::gpu::adapters;
use runtime::request::{GenerateRequest, WhenFull};
use runtime::sampler::Sampling;

use super::*;
use crate::stops::Stops;
use crate::stream::{End, Piece};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf")
}

fn setup(device: Device) -> Setup {
    Setup { device, engine: EngineOptions { threads: Some(1), ..EngineOptions::default() } }
}

fn ask(model: &Running, prompt: &str) -> Ask {
    let request = GenerateRequest {
        prompt: model.opened.prompt_ids(prompt),
        max_tokens: 12,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        when_full: WhenFull::Stop,
        log_probs: None,
        ..GenerateRequest::default()
    };
    Ask { request, stops: Stops::default() }
}

/// The text, and what a device said that failed meanwhile.
fn written(stream: TextStream<'_, Served<'_>>) -> (String, Option<String>) {
    let (mut whole, mut said) = (String::new(), None);
    for piece in stream {
        match piece {
            Piece::Prefill { .. } | Piece::Scored { .. } => {}
            Piece::Token { text, .. } => whole.push_str(&text.certain),
            Piece::End(End { text, how, fault }) => {
                how.unwrap();
                whole.push_str(&text.certain);
                said = fault;
            }
        }
    }
    (whole, said)
}

/// Whether there is a graphics adapter to test with.
fn gpu_is_there() -> bool {
    let there = !adapters().is_empty();
    assert!(there || std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1"), "no graphics adapter");
    if !there {
        eprintln!("skipped: no graphics adapter");
    }
    there
}

#[test]
fn running_models_write_side_by_side() {
    let devices = Devices::default();
    let models = [16, 64].map(|context| {
        let mut setup = setup(Device::Cpu);
        setup.engine.context = Some(context);
        Running::open(&file(), &setup, &devices).unwrap()
    });
    assert!(models.iter().all(|model| model.remarks.is_empty()));
    let [first, second] = &models;
    let alone = [
        written(first.write(ask(first, "ROMEO:")).unwrap()),
        written(second.write(ask(second, "JULIET:")).unwrap()),
    ];
    let streams = [first.write(ask(first, "ROMEO:")).unwrap(), second.write(ask(second, "JULIET:")).unwrap()];
    assert_eq!(streams.map(written), alone);
    assert_ne!(alone[0], alone[1]);
    // A model that is open already is started once more, with the same weights.
    let more = Running::start(first.opened.clone(), &setup(Device::Cpu), &devices, &mut unwatched).unwrap();
    assert!(Arc::ptr_eq(&more.opened.model, &first.opened.model));
    assert_eq!(written(more.write(ask(&more, "ROMEO:")).unwrap()), alone[0]);
}

#[test]
fn running_is_refused_for_a_context_before_anything_and_for_a_device_that_is_not_there() {
    let (opened, devices) = (Opened::open(&file()).unwrap(), Devices::default());
    let mut steps = 0;
    let mut refused = |setup: &Setup| {
        let mut watch = |_: Step<'_>| {
            steps += 1;
            ControlFlow::Continue(())
        };
        Running::start(opened.clone(), setup, &devices, &mut watch).unwrap_err()
    };
    let nowhere = setup(Device::Named("no such card".into()));
    for asked in [0, 1 << 20] {
        let engine = EngineOptions { context: Some(asked), ..nowhere.engine };
        let error = refused(&Setup { engine, ..nowhere.clone() });
        assert!(matches!(error, Error::Model(runtime::Error::Context { .. })), "{error}");
    }
    let error = refused(&nowhere);
    assert!(error.to_string().starts_with("no GPU is called \"no such card\"; "), "{error}");
    assert_eq!(steps, 1);
    assert!(!opened.model.is_laid_out());
}

#[test]
fn running_is_given_up_at_any_step() {
    let devices = Devices::default();
    for last in [Step::LayingOut, Step::Starting] {
        let opened = Opened::open(&file()).unwrap();
        let mut steps = Vec::new();
        let mut watch = |step: Step<'_>| {
            steps.push(format!("{step:?}"));
            if step == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = Running::start(opened, &setup(Device::Cpu), &devices, &mut watch).unwrap_err();
        assert!(matches!(error, Error::GivenUp));
        assert_eq!(steps.last(), Some(&format!("{last:?}")));
    }
}

#[test]
fn running_models_share_a_device_and_open_it_anew_once_it_is_lost() {
    if !gpu_is_there() {
        return;
    }
    let devices = Devices::default();
    let open = || Running::open(&file(), &setup(Device::Gpu), &devices).unwrap();
    let gpu = |model: &Running| model.engine.gpu().map(|on_gpu| Arc::clone(on_gpu.gpu()));
    let write = |model: &Running| written(model.write(ask(model, "ROMEO:")).unwrap());
    let (first, second) = (open(), open());
    let shared = gpu(&first).unwrap();
    assert!(Arc::ptr_eq(&shared, &gpu(&second).unwrap()));
    let info = shared.info();
    let remarks: Vec<_> = info.software.then(|| Remark::Software(info.clone())).into_iter().collect();
    assert_eq!(first.remarks, remarks);
    let streams = [&first, &second].map(|model| model.write(ask(model, "ROMEO:")).unwrap());
    let [(one, _), (other, _)] = streams.map(written);
    assert_eq!(one, other);
    // Lost under both, it is theirs no longer, and whoever comes next has one that works.
    shared.destroy();
    let (text, fault) = write(&first);
    assert!(text == one && fault.is_some() && gpu(&first).is_none());
    let third = open();
    assert!(!Arc::ptr_eq(&shared, &gpu(&third).unwrap()));
    assert_eq!((write(&third), third.remarks), ((one, None), remarks));
}

#[test]
fn running_holds_a_conversation() {
    let model = Running::open(&file(), &setup(Device::Cpu), &Devices::default()).unwrap();
    assert!(matches!(model.conversation(Manner::default()).say("Hello"), Err(Error::NoTemplate)));
    let play = crate::Names::default();
    let manner =
        Manner { sampling: Sampling::greedy(), tokens: Some(20), play: Some(play), ..Manner::default() };
    let mut talk = model.conversation(manner);
    let mut answer = |words: &str| {
        let (text, _) = written(model.write(talk.say(words).unwrap()).unwrap());
        talk.answered(&text);
        text
    };
    let (first, second) = (answer("But soft"), answer("But soft"));
    assert!(!first.is_empty() && !first.contains("\n\n"));
    assert_ne!(first, second, "the second is said behind the first");
}
