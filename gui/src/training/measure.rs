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

use super::{Axis, Training, TrainingCommand};
use crate::command::Commands;
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
        };
        Bench { ctx, shared, page: Training::default() }
    }

    /// One frame: the page, then its shapes into triangles.
    fn frame(&mut self) -> (Duration, Duration) {
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(1216.0, 726.0));
        let input = RawInput { screen_rect: Some(screen), ..RawInput::default() };
        let began = busy();
        let Bench { ctx, shared, page } = self;
        page.logic(shared);
        for command in shared.commands.take() {
            if let crate::command::Command::Training(command) = command {
                page.run(command, shared);
            }
        }
        let mut out = ctx.run_ui(input, |ui| page.ui(ui, shared));
        let drawn = busy() - began;
        out.textures_delta.clear();
        let began = busy();
        let _ = ctx.tessellate(out.shapes, out.pixels_per_point);
        (drawn, busy() - began)
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
    let mut longest = Duration::ZERO;
    let mut first = None;
    while page.page.steps_read("long") != Some(STEPS) {
        let (drawn, tessellated) = page.frame();
        longest = longest.max(drawn + tessellated);
        if first.is_none() && page.page.steps_read("long").is_some_and(|n| n > 0) {
            first = Some(began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(8));
    }
    println!(
        "open: first curve {:.0} ms, all {:.0} ms, longest frame meanwhile {:.1} ms",
        ms(first.unwrap()),
        ms(began.elapsed()),
        ms(longest)
    );
    println!(
        "memory: {:.0} MiB more than before, of which curves {:.0} MiB",
        resident_mib() - before,
        curves_mib(&page)
    );
    for (what, prepare) in
        [("all of it", None), ("panned", Some((2e5, 6e5))), ("zoomed in", Some((500_000.0, 500_400.0)))]
    {
        let mut times = Vec::new();
        for i in 0..120 {
            if let Some((low, high)) = prepare {
                let by = (high - low) * 0.003 * f64::from(i);
                page.page.run(TrainingCommand::Show(low + by, high + by), &mut page.shared);
            }
            times.push(page.frame());
        }
        report(what, times);
    }
    page.page.run(TrainingCommand::Over(Axis::Time), &mut page.shared);
    page.page.run(TrainingCommand::LogX, &mut page.shared);
    let times = (0..60).map(|_| page.frame()).collect();
    report("over time, log x", times);
    let times = (0..30)
        .map(|i| {
            page.shared.settings.following.smoothing = 0.9 + 0.003 * i as f32;
            page.frame()
        })
        .collect();
    report("smoothing dragged", times);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn curves_mib(page: &Bench) -> f64 {
    let bytes = |c: &super::curves::Curves| c.steps.bytes() + c.validation.bytes() + c.codes.bytes();
    page.page.runs.iter().map(|r| bytes(&r.curves)).sum::<usize>() as f64 / (1 << 20) as f64
}

fn report(what: &str, times: Vec<(Duration, Duration)>) {
    let mut whole: Vec<f64> = times.iter().map(|(a, b)| ms(*a) + ms(*b)).collect();
    whole.sort_by(f64::total_cmp);
    let tessellated = times.iter().map(|(_, b)| ms(*b)).sum::<f64>() / times.len() as f64;
    println!(
        "frame, {what}: median {:.2} ms, slowest of {} {:.2} ms (of it triangles {tessellated:.2} ms)",
        whole[whole.len() / 2],
        whole.len(),
        whole[whole.len() - 1]
    );
}
