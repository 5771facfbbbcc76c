//! The loop on a device that answers late: a log, a checkpoint and an end that do not depend on it, and what is said and kept when a
//! step is skipped or the device is lost.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use formats::run_log::{EventLine, Log, MetricLine, RunDir};
use model::config::ModelConfig;
use model::tensors::TensorId;
use train::backend::{Backend, CodesCount, Part, Rates, StepReport};
use train::batch::Batch;
use train::config::Config;
use train::cpu::CpuBackend;
use train::run::{CPU, Device, Opening, Options, Outcome, Run, RunToml, Summary, check};
use train::trainer::Trainer;
use train::{Error, graph};

use super::run::{CancelAfter, config, essence, options};

/// Steps that may be on their way.
const LAG: usize = 3;

/// A device that computes a step when its result is asked for, and not before.
struct Late {
    cpu: CpuBackend,
    queue: VecDeque<(u64, Batch, Rates)>,
    longest: Arc<AtomicUsize>,
    fault: Option<(u64, Fault)>,
}

/// What happens at a step, counted from 0.
#[derive(Clone, Copy)]
enum Fault {
    Skip,
    Lost,
}

impl Late {
    fn settled(&mut self) -> &mut CpuBackend {
        assert!(self.queue.is_empty(), "the state was asked for before its steps were collected");
        &mut self.cpu
    }
}

impl Backend for Late {
    fn lag(&self) -> usize {
        LAG
    }

    fn submit(&mut self, step: u64, batch: &Batch, rates: Rates) -> train::Result<()> {
        assert!(self.queue.len() <= LAG);
        self.queue.push_back((step, batch.clone(), rates));
        self.longest.fetch_max(self.queue.len(), Ordering::Relaxed);
        Ok(())
    }

    fn collect(&mut self) -> train::Result<Option<StepReport>> {
        let Some((step, batch, rates)) = self.queue.pop_front() else { return Ok(None) };
        match self.fault {
            Some((at, Fault::Skip)) if at == step => {
                Ok(Some(StepReport { loss: 2.5, grad_norm: f64::INFINITY, skipped: true }))
            }
            Some((at, Fault::Lost)) if at == step => {
                Err(Error::Device { problem: "it has fallen off the bus".into() })
            }
            _ => {
                self.cpu.submit(step, &batch, rates)?;
                self.cpu.collect()
            }
        }
    }

    fn evaluate(&mut self, batch: &Batch, nats: &mut [f32]) -> train::Result<()> {
        self.settled().evaluate(batch, nats)
    }

    fn read(&mut self, p: TensorId, part: Part, out: &mut [f32]) -> train::Result<()> {
        self.settled().read(p, part, out)
    }

    fn write(&mut self, p: TensorId, part: Part, values: &[f32]) -> train::Result<()> {
        self.settled().write(p, part, values)
    }

    fn look(&mut self) -> train::Result<Vec<CodesCount>> {
        self.settled().look()
    }

    fn remembered(&mut self, p: TensorId, codes: &mut [i8]) -> train::Result<()> {
        self.settled().remembered(p, codes)
    }

    fn remember(&mut self, p: TensorId, codes: &[i8]) -> train::Result<()> {
        self.settled().remember(p, codes)
    }
}

/// Trains on such a device; gives also how many steps were on their way at most.
fn train_late(options: Options, fault: Option<(u64, Fault)>) -> (train::Result<Summary>, usize) {
    train_late_until(options, fault, u64::MAX)
}

/// The same, cancelled when the line of a step is written.
fn train_late_until(
    options: Options,
    fault: Option<(u64, Fault)>,
    last: u64,
) -> (train::Result<Summary>, usize) {
    let longest = Arc::new(AtomicUsize::new(0));
    let make = |config: &Config, model: &ModelConfig| {
        let program = graph::build(model, config.recipe());
        let cpu = CpuBackend::new(program.clone(), config.cpu_options())?;
        let late = Late { cpu, queue: VecDeque::new(), longest: longest.clone(), fault };
        Ok(Trainer::new(program, Box::new(late) as Box<dyn Backend>))
    };
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let device = Device { name: "late", make: &make };
    let Opening::Ready(run) = Run::open(options, &mut (), &cancel, device).unwrap() else { panic!() };
    let result = run.train(&mut CancelAfter(last, &cancel), &cancel);
    (result, longest.load(Ordering::Relaxed))
}

fn train_on_cpu(options: Options) -> train::Result<Summary> {
    let never = std::sync::atomic::AtomicBool::new(false);
    match Run::open(options, &mut (), &never, CPU)? {
        Opening::Ready(run) => run.train(&mut (), &never),
        _ => panic!("there is nothing to do"),
    }
}

/// Between two things that are due there is room for steps on their way.
fn spaced(dir: &Path) -> Config {
    let every = ["report.eval_every=8", "report.codes_every=7", "report.sample_every=16"];
    config(dir, &[&every[..], &["report.checkpoint_every=5", "train.steps=24", "train.dropout=0.1"]].concat())
}

fn toml_of(out: &Path) -> RunToml {
    RunDir::open(out).unwrap().read_config().unwrap()
}

#[test]
fn lag_changes_no_bit_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let config = spaced(dir.path());
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    train_on_cpu(options(&config, &here)).unwrap();
    let (summary, longest) = train_late(options(&config, &there), None);
    assert_eq!((summary.unwrap().step, longest), (24, LAG + 1));
    assert!(essence(&there) == essence(&here));
    check(&there).unwrap();
}

#[test]
fn lag_loses_no_step_when_a_run_is_left_and_moves() {
    let dir = tempfile::tempdir().unwrap();
    let config = spaced(dir.path());
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    train_on_cpu(options(&config, &here)).unwrap();
    // When the line of step 2 is written, three more are on their way, and they are not thrown away.
    let summary = train_late_until(options(&config, &there), None, 2).0.unwrap();
    assert_eq!((summary.outcome, summary.step), (Outcome::Interrupted, 5));
    assert_eq!(check(&there).unwrap().resumable, Some(5));
    let paused = Options { pause_after: Some(11), ..options(&config, &there) };
    assert_eq!(train_late(paused, None).0.unwrap().step, 11);
    assert_eq!(toml_of(&there).device, "late");

    train_on_cpu(options(&config, &there)).unwrap();
    assert!(essence(&there) == essence(&here));
    assert_eq!(toml_of(&there).device, "cpu");
    let events: Vec<EventLine> = RunDir::open(&there).unwrap().read(Log::Events).unwrap();
    let resumed: Vec<&str> =
        events.iter().filter(|e| e.event == "resumed").map(|e| e.message.as_str()).collect();
    assert!(!resumed[0].contains(", on ") && resumed[1].ends_with(", on cpu after late"), "{resumed:?}");
}

#[test]
fn lag_and_a_skipped_step_name_that_step_and_keep_what_is_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = spaced(dir.path());
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    train_on_cpu(options(&config, &here)).unwrap();
    let whole = essence(&here);

    // Step 12, and when it is collected 13 and 14 are on their way.
    let error = train_late(options(&config, &there), Some((11, Fault::Skip))).0.unwrap_err().to_string();
    assert!(error.starts_with("the gradient norm became inf at step 12,"), "{error}");
    assert!(error.contains("the last good checkpoint is step 10;"), "{error}");
    let mut lines: Vec<MetricLine> = RunDir::open(&there).unwrap().read(Log::Metrics).unwrap();
    lines.iter_mut().for_each(|line| (line.seconds, line.tokens_per_sec) = (None, None));
    assert!(lines == whole.lines[..11], "{} lines", lines.len());
    assert_eq!(check(&there).unwrap().resumable, Some(10));

    // What was computed after it is nowhere: the run goes on from step 10 to the same bits.
    train_late(options(&config, &there), None).0.unwrap();
    assert!(essence(&there) == whole);
}

#[test]
fn lag_and_a_lost_device_keep_the_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let config = spaced(dir.path());
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    let error = train_late(options(&config, &there), Some((12, Fault::Lost))).0.unwrap_err().to_string();
    let said = "the training device failed: it has fallen off the bus; training stopped after step 12, \
                the last good checkpoint is step 10; give the same command again to go on from there";
    assert_eq!(error, said);
    assert_eq!(check(&there).unwrap().resumable, Some(10));
    train_on_cpu(options(&config, &here)).unwrap();
    train_late(options(&config, &there), None).0.unwrap();
    assert!(essence(&there) == essence(&here));
}

/// How the CPU cuts a batch decides the last bits there and nowhere else.
#[test]
fn device_is_recorded_and_no_part_of_what_a_run_is() {
    let dir = tempfile::tempdir().unwrap();
    let one = config(dir.path(), &["train.steps=3", "train.shards=2"]);
    let mut other = one.clone();
    (other.train.shards, other.train.pass_tokens, other.train.steps) = (3, 64, 6);
    let out = dir.path().join("run");
    train_on_cpu(options(&one, &out)).unwrap();
    assert_eq!(toml_of(&out).device, "cpu");
    let refused = train_on_cpu(options(&other, &out)).unwrap_err().to_string();
    assert!(refused.contains("train.shards: 2, 3"), "{refused}");

    // A record of a run that was made before devices had names.
    let path = out.join("run.toml");
    let old = std::fs::read_to_string(&path).unwrap().replace("device = \"cpu\"\n", "");
    assert!(!old.contains("device"));
    std::fs::write(&path, old).unwrap();
    assert_eq!(toml_of(&out).device, "cpu");
    assert!(train_on_cpu(options(&other, &out)).unwrap_err().to_string().contains("train.shards"));

    assert_eq!(train_late(options(&other, &out), None).0.unwrap().step, 6);
    assert_eq!(toml_of(&out).device, "late");
}
