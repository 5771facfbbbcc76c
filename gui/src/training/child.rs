//! Trainers started here, each a process of its own: `tercet train` with orders on its standard input and its remarks in a file. When
//! the window is closed they go on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use train::run::Order;
use train_cuda::choice::Choice;

use super::found::Found;
use crate::jobs::{self, Job};
use crate::shared::Shared;

/// Folder beside the runs for what a start leaves: the configuration, the trainer's remarks, its number. Not a run, as it has no
/// `run.toml`, and hidden.
const STARTS: &str = ".starts";
/// How much of the trainer's last remarks is told.
const WORDS_MAX: u64 = 2000;
/// What a trainer answers that was told to stop.
const INTERRUPTED: i32 = 130;

/// A run to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Its folder's name.
    pub name: String,
    /// The folder of runs.
    pub folder: PathBuf,
    /// Its configuration; none for a run that is there and keeps its own.
    pub config: Option<String>,
    /// Where it is trained.
    pub device: Choice,
}

/// Everything that was started here and still goes.
#[derive(Debug, Default)]
pub struct Trainers {
    running: Vec<Trainer>,
    starting: Vec<(PathBuf, Job<Result<Trainer, String>>)>,
    stopping: Vec<Job<Result<(), String>>>,
    words: BTreeMap<PathBuf, String>,
}

#[derive(Debug)]
struct Trainer {
    run: String,
    path: PathBuf,
    orders: ChildStdin,
    end: Receiver<(std::io::Result<ExitStatus>, String)>,
}

impl Trainer {
    fn tell(&mut self, order: Order) -> std::io::Result<()> {
        // A few bytes into an empty pipe: this does not wait.
        writeln!(self.orders, "{}", order.word())?;
        self.orders.flush()
    }
}

impl Trainers {
    /// Whether the trainer of the run in a folder was started here and goes, or is about to.
    pub fn has(&self, path: &Path) -> bool {
        self.is_at(path) || self.starting.iter().any(|(p, _)| p == path)
    }

    /// The runs whose trainers go.
    pub fn at_work(&self) -> Vec<String> {
        self.running.iter().map(|t| t.run.clone()).collect()
    }

    /// What the trainer of a run said at last, where it did not end well.
    pub fn last_words(&self, path: &Path) -> Option<&str> {
        self.words.get(path).map(String::as_str)
    }

    /// Whether the trainer of the run in a folder goes on from a window that was closed, and can be told to stop.
    pub fn was_left(&self, path: &PathBuf, shared: &Shared) -> bool {
        cfg!(unix) && shared.settings.following.left.contains(path)
    }

    pub fn start(&mut self, start: Start, shared: &mut Shared) {
        let path = start.folder.join(&start.name);
        self.words.remove(&path);
        let (program, ctx) = (shared.env.program.clone(), shared.ctx.clone());
        let name = start.name.clone();
        let work = move |_: &jobs::JobContext| launch(&program, &start, &ctx);
        match shared.jobs.start(&format!("Starting {name}"), work) {
            Some(job) => self.starting.push((path, job)),
            None => shared.notices.warn(format!("{name} is being started already.")),
        }
    }

    pub fn resume(&mut self, found: &Found, device: Choice, shared: &mut Shared) {
        let folder = found.path.parent().unwrap_or(Path::new(".")).to_owned();
        self.start(Start { name: found.name.clone(), folder, config: None, device }, shared);
    }

    /// Tells the trainer of a run something.
    pub fn tell(&mut self, found: &Found, order: Order, shared: &mut Shared) {
        let run = &found.name;
        if let Some(trainer) = self.running.iter_mut().find(|t| t.path == found.path) {
            match trainer.tell(order) {
                Err(e) => shared.notices.warn(format!("The trainer of {run} does not listen: {e}.")),
                // What the others do is seen at once.
                Ok(()) if order == Order::Save => {
                    shared.notices.info(format!("{run} saves a checkpoint after this step."));
                }
                Ok(()) => {}
            }
        } else if order == Order::Stop && shared.settings.following.left.contains(&found.path) {
            let path = found.path.clone();
            self.stopping.extend(shared.jobs.start(&format!("Stopping {run}"), move |_| stop_left(&path)));
        }
    }

    /// Tells every trainer that was started here to save and stop.
    pub fn stop_all(&mut self, shared: &mut Shared) {
        for trainer in &mut self.running {
            if let Err(e) = trainer.tell(Order::Stop) {
                shared.notices.warn(format!("The trainer of {} does not listen: {e}.", trainer.run));
            }
        }
    }

    /// Takes in what became of trainers.
    pub fn logic(&mut self, shared: &mut Shared) {
        for (path, job) in std::mem::take(&mut self.starting) {
            let mut slot = Some(job);
            match jobs::take(&mut slot) {
                None => self.starting.extend(slot.map(|job| (path, job))),
                Some(Ok(Ok(trainer))) => {
                    let left = &mut shared.settings.following.left;
                    left.retain(|path| *path != trainer.path);
                    left.push(trainer.path.clone());
                    self.running.push(trainer);
                }
                Some(Ok(Err(why)) | Err(why)) => {
                    shared.notices.bad(why.clone());
                    self.words.insert(path, why);
                }
            }
        }
        for result in jobs::take_done(&mut self.stopping) {
            if let Err(why) = result.and_then(|r| r) {
                shared.notices.bad(why);
            }
        }
        let mut i = 0;
        while let Some(trainer) = self.running.get(i) {
            match trainer.end.try_recv() {
                Ok((status, words)) => {
                    let Trainer { run, path, .. } = self.running.remove(i);
                    shared.settings.following.left.retain(|left| *left != path);
                    self.ended(run, path, status, words, shared);
                }
                Err(_) => i += 1,
            }
        }
    }

    fn ended(
        &mut self,
        run: String,
        path: PathBuf,
        status: std::io::Result<ExitStatus>,
        words: String,
        shared: &mut Shared,
    ) {
        let why = match status {
            Ok(status) if status.success() => {
                shared.notices.good(format!("{run} is finished."));
                return;
            }
            Ok(status) if status.code() == Some(INTERRUPTED) => {
                shared.notices.info(format!("{run} stopped and is saved."));
                return;
            }
            Ok(status) => status.to_string(),
            Err(e) => format!("it cannot be told how it ended: {e}"),
        };
        let words = words.trim().to_owned();
        shared.notices.bad(format!("The trainer of {run} stopped ({why})."));
        self.words.insert(
            path,
            if words.is_empty() { format!("none ({why})") } else { format!("{words} ({why})") },
        );
    }

    /// Whether the trainer of the run in this folder was started here.
    pub fn is_at(&self, path: &Path) -> bool {
        self.running.iter().any(|t| t.path == path)
    }
}

/// On Windows a program of the terminal would open one.
pub fn without_console(process: &mut Process) {
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(process, 0x0800_0000);
    #[cfg(not(windows))]
    let _ = process;
}

/// Starts the process, with its remarks in a file and its orders in a pipe.
fn launch(program: &Path, start: &Start, ctx: &eframe::egui::Context) -> Result<Trainer, String> {
    let starts = start.folder.join(STARTS);
    let path = start.folder.join(&start.name);
    let file = |ending: &str| starts.join(format!("{}.{ending}", start.name));
    let wrong = |path: &Path| {
        let (name, path) = (start.name.clone(), path.display().to_string());
        move |e: std::io::Error| format!("{name} cannot be started: {e} ({path})")
    };
    std::fs::create_dir_all(&starts).map_err(wrong(&starts))?;
    let log = file("log");
    let out = File::create(&log).map_err(wrong(&log))?;
    let mut process = Process::new(program);
    process.arg("train").arg("--out").arg(&path).args(["--control", "stdin"]);
    process.arg("--device").arg(start.device.to_string());
    if let Some(config) = &start.config {
        let toml = file("toml");
        std::fs::write(&toml, config).map_err(wrong(&toml))?;
        process.arg("--config").arg(&toml);
    }
    let errors = out.try_clone().map_err(wrong(&log))?;
    process.stdin(Stdio::piped()).stdout(out).stderr(errors);
    // What is pressed in the terminal of this window is not meant for the trainer.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut process, 0);
    without_console(&mut process);
    let mut child = process.spawn().map_err(wrong(program))?;
    let no_pipe = || format!("{} cannot be steered: it has no input.", start.name);
    let orders = child.stdin.take().ok_or_else(no_pipe)?;
    // Only for a window that is opened after this one was closed.
    let _ = std::fs::write(file("pid"), child.id().to_string());
    let end = watch(child, log, ctx.clone())?;
    Ok(Trainer { run: start.name.clone(), path, orders, end })
}

/// Waits for a process on a thread of its own, and reads what it said at last.
fn watch(
    mut child: Child,
    log: PathBuf,
    ctx: eframe::egui::Context,
) -> Result<Receiver<(std::io::Result<ExitStatus>, String)>, String> {
    let (tell, end) = sync_channel(1);
    let wait = move || {
        let status = child.wait();
        let _ = tell.send((status, last_words(&log).unwrap_or_default()));
        ctx.request_repaint();
    };
    let thread = std::thread::Builder::new().name("waiting for a trainer".into());
    thread.spawn(wait).map_err(|e| format!("No thread to wait for a trainer with: {e}"))?;
    Ok(end)
}

/// The last lines of a trainer's remarks.
fn last_words(log: &Path) -> std::io::Result<String> {
    let (mut file, len) = formats::ordinary::open(log).map_err(std::io::Error::other)?;
    file.seek(SeekFrom::Start(len.saturating_sub(WORDS_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let told = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>();
    let last = told.iter().rev().take(3).rev();
    Ok(last.copied().collect::<Vec<_>>().join("; "))
}

/// Stops a trainer that goes on from a window that was closed, the way Ctrl+C would.
fn stop_left(path: &Path) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let cannot = |why: &str| format!("{name} cannot be stopped from here: {why}.");
    let file = path.parent().unwrap_or(Path::new(".")).join(STARTS).join(format!("{name}.pid"));
    let pid = formats::utf8::read(&file, WORDS_MAX).ok().and_then(|t| t.trim().parse::<u32>().ok());
    let pid = pid.ok_or_else(|| cannot("its process is not known"))?;
    // Numbers of processes are given out again: the one that is stopped must be the trainer of this run.
    let words = Process::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output();
    let words = words.map_err(|e| cannot(&e.to_string()))?;
    if !String::from_utf8_lossy(&words.stdout).contains(&*path.to_string_lossy()) {
        return Err(cannot("its process is gone"));
    }
    let status = Process::new("kill").args(["-TERM", &pid.to_string()]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(cannot(&status.to_string())),
        Err(e) => Err(cannot(&e.to_string())),
    }
}

/// At the start: says which trainers were left running. Those that have ended since are forgotten, wherever their runs are.
pub fn greet(shared: &mut Shared) {
    let left = &mut shared.settings.following.left;
    left.retain(|path| formats::run_log::RunDir::open(path).is_ok_and(|run| run.is_locked()));
    let names: Vec<_> =
        left.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).collect();
    match &names[..] {
        [] => {}
        [one] => shared.notices.info(format!(
            "{one} went on training after the window was closed; the Training page shows how far it is."
        )),
        many => shared.notices.info(format!(
            "{} went on training after the window was closed; the Training page shows how far they are.",
            many.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "one\ntwo\n\n three\nfour\n").unwrap();
        assert_eq!(last_words(&log).unwrap(), "two; three; four");
        assert!(last_words(&folder.path().join("none")).is_err());
    }
}
