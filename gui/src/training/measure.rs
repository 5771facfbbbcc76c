//! How long a log of a million steps takes to open, what a frame costs in processor time while its charts are panned, and how much memory it takes. Not
//! part of the usual tests:
//!
//! ```text
//! cargo test --release -p gui --lib training::measure -- --ignored --nocapture
//! ```

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{self, RawInput, Rect, pos2, vec2};

use super::Training;
use crate::command::{Commands, CurveAxis, TrainingCommand};
use crate::env::{Answers, Env};
use crate::jobs::Jobs;
use crate::notices::Notices;
use crate::open::OpenModel;
use crate::page::Page;
use crate::settings::Settings;
use crate::shared::Shared;

const STEPS: u64 = 1_000_000;

/// Lines as our trainer writes them, with a validation every 1000 steps and a look at the codes every 500.
fn write_log(run: &Path) {
    std::fs::create_dir_all(run).unwrap();
    std::fs::write(run.join("run.toml"), "[config.train]\nsteps = 1000000\n").unwrap();
    let mut text = String::new();
    for step in 1..=STEPS {
        let x = step as f64;
        let noise = ((step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64) - 0.5;
        let loss = 2.0 + 5.6 / (1.0 + x / 2000.0) + 0.1 * noise;
        write!(
            text,
            "{{\"step\":{step},\"tokens\":{},\"loss\":{loss},\"bits_per_byte\":{},\"lr\":{},\"lr_adam\":{},\"grad_norm\":{},\"tokens_per_sec\":{},\"seconds\":{}",
            step * 4096,
            loss / 1.94,
            0.02 * (1.0 - x / 1e6),
            0.004 * (1.0 - x / 1e6),
            0.8 + 0.3 * noise,
            2500.0 + 300.0 * noise,
            x * 1.638_404_17
        )
        .unwrap();
        if step % 1000 == 0 {
            write!(text, ",\"val_loss\":{},\"val_bits_per_byte\":{}", loss - 0.05, loss / 1.94 - 0.02)
                .unwrap();
        }
        if step % 500 == 0 {
            text.push_str(",\"zeros\":[0.33,0.34,0.32,0.35],\"flips\":[0.01,0.02,0.01,0.015],\"scale_drift\":[1.1,1.2,1.3,1.0]");
        }
        text.push_str("}\n");
    }
    std::fs::write(run.join("metrics.jsonl"), text).unwrap();
}

fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm
        .split(' ')
        .nth(1)
        .and_then(|p| p.parse::<f64>().ok())
        .map_or(0.0, |pages| pages * 4096.0 / (1 << 20) as f64)
}

/// Time this thread was on a processor: what others do on the machine does not count. The clock's where the system does not tell.
fn busy() -> Duration {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    nanos.map_or_else(|| BEGAN.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

struct Bench {
    ctx: egui::Context,
    shared: Shared,
    page: Training,
}

impl Bench {
    fn new(runs: &Path) -> Bench {
        let ctx = egui::Context::default();
        crate::theme::install(&ctx);
        let env = Env {
            program: "tercet".into(),
            config_dir: None,
            runs_dir: runs.to_owned(),
            cache_dir: None,
            shipped_model: None,
            commit: String::new(),
            dialogs: Arc::new(Answers::default()),
            discard: |path| std::fs::remove_dir_all(path).map_err(|e| e.to_string()),
            cards: || Err(train_cuda::Error::NoDriver),
        };
        let shared = Shared {
            env,
            settings: Settings { page: Page::Training, ..Settings::default() },
            model: OpenModel::default(),
            jobs: Jobs::new(&ctx),
            notices: Notices::default(),
            commands: Commands::default(),
            ctx: ctx.clone(),
            writing: false,
            measuring: false,
            serving: None,
        };
        Bench { ctx, shared, page: Training::default() }
    }

    /// One frame: what came in, the page, its shapes into triangles; the time of each.
    fn frame(&mut self) -> [Duration; 3] {
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(1216.0, 726.0));
        let input = RawInput { screen_rect: Some(screen), ..RawInput::default() };
        let Bench { ctx, shared, page } = self;
        let began = Instant::now();
        page.logic(shared);
        for command in shared.commands.take() {
            if let crate::command::Command::Training(command) = command {
                page.run(command, shared);
            }
        }
        let taken_in = began.elapsed();
        let began = Instant::now();
        let mut out = ctx.run_ui(input, |ui| page.ui(ui, shared));
        let drawn = began.elapsed();
        out.textures_delta.clear();
        let began = Instant::now();
        let _ = ctx.tessellate(out.shapes, out.pixels_per_point);
        [taken_in, drawn, began.elapsed()]
    }

    /// Frames, and what they cost.
    fn frames(&mut self, what: &str, count: u32, mut before: impl FnMut(&mut Bench, u32)) {
        let (mut times, began) = (Vec::new(), busy());
        for i in 0..count {
            before(self, i);
            times.push(self.frame());
        }
        let processor = busy() - began;
        let mut whole: Vec<f64> = times.iter().map(|t| t.iter().copied().map(ms).sum()).collect();
        whole.sort_by(f64::total_cmp);
        let triangles = times.iter().map(|t| ms(t[2])).sum::<f64>() / times.len() as f64;
        println!(
            "frame, {what}: {:.2} ms of processor time (triangles {triangles:.2} ms); by the clock median {:.2}, slowest of {count} {:.2} ms",
            ms(processor) / f64::from(count),
            whole[whole.len() / 2],
            whole[whole.len() - 1]
        );
    }
}

#[test]
#[ignore = "measures; see the top of this file"]
fn a_million_steps() {
    let folder = tempfile::tempdir().unwrap();
    write_log(&folder.path().join("long"));
    let size = std::fs::metadata(folder.path().join("long/metrics.jsonl")).unwrap().len();
    println!("log: {STEPS} steps, {:.0} MB", size as f64 / 1e6);
    let before = resident_mib();
    let mut page = Bench::new(folder.path());
    let began = Instant::now();
    // The first frame draws letters for the first time, log or no log.
    let start = page.frame();
    let mut longest = [Duration::ZERO; 3];
    let mut first = None;
    while page.page.steps_read("long") != Some(STEPS) {
        let frame = page.frame();
        if frame.iter().sum::<Duration>() > longest.iter().sum() {
            longest = frame;
        }
        if first.is_none() && page.page.steps_read("long").is_some_and(|n| n > 0) {
            first = Some(began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(8));
    }
    println!("open: first curve after {:.0} ms, all after {:.0} ms", ms(first.unwrap()), ms(began.elapsed()));
    let [taken_in, drawn, triangles] = longest.map(ms);
    println!(
        "longest frame meanwhile: {taken_in:.1} ms to take lines in, {drawn:.1} to draw, {triangles:.1} for triangles; first frame {:.1} ms",
        ms(start.iter().sum())
    );
    println!(
        "memory: {:.0} MiB more than before, of which curves {:.0} MiB",
        resident_mib() - before,
        curves_mib(&page)
    );
    page.frames("all of it", 120, |_, _| {});
    for (what, low, high) in [("panned", 2e5, 6e5), ("zoomed in and panned", 500_000.0, 500_400.0)] {
        page.frames(what, 120, |page, i| {
            let by = (high - low) * 0.003 * f64::from(i);
            page.page.run(TrainingCommand::Show(low + by, high + by), &mut page.shared);
        });
    }
    page.page.run(TrainingCommand::Over(CurveAxis::Time), &mut page.shared);
    page.page.run(TrainingCommand::LogX, &mut page.shared);
    page.frames("over time, log x", 120, |_, _| {});
    page.frames("smoothing dragged", 60, |page, i| {
        page.shared.settings.following.smoothing = 0.9 + 0.0015 * i as f32
    });
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn curves_mib(page: &Bench) -> f64 {
    let bytes = |c: &super::curves::Curves| c.steps.bytes() + c.validation.bytes() + c.codes.bytes();
    page.page.runs.iter().map(|r| bytes(&r.curves)).sum::<usize>() as f64 / (1 << 20) as f64
}
