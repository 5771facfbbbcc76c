//! What the page has done in the background: questions for files and folders, deleting and bringing back, exports.

use std::path::{Path, PathBuf};

use super::child::without_console;
use super::export;
use super::form::Form;
use super::found::Found;
use super::run::RunView;
use super::sheet::Sheet;
use crate::command::Command;
use crate::jobs::{self, Job, JobContext};
use crate::page::Page;
use crate::shared::Shared;

/// How the names of deleted runs' folders begin.
const HIDDEN: &str = ".deleted-";

/// A run that was moved out of sight: where it was, and where it is.
#[derive(Clone, Debug)]
struct Deleted {
    from: PathBuf,
    to: PathBuf,
}

type Outcome<T> = Option<Job<Result<T, String>>>;

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Work {
    fetching: Outcome<PathBuf>,
    deleting: Outcome<Deleted>,
    undeleting: Outcome<()>,
    deleted: Vec<Deleted>,
    exporting: Vec<Job<Result<(PathBuf, String), String>>>,
    saving: Vec<Job<Result<String, String>>>,
}

impl Work {
    /// Fetches the text that the flagship learned from, unless it is there already.
    pub fn fetch_text(&mut self, shared: &mut Shared) {
        let (program, to) = (shared.env.program.clone(), shared.env.texts_dir().join("tinyshakespeare.txt"));
        let job = shared.jobs.start("Fetching Tiny Shakespeare", move |_| fetch(&program, to));
        self.fetching = job.or(self.fetching.take());
    }

    /// Whether that is under way.
    pub fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// Moves a run's folder out of sight.
    pub fn delete(&mut self, found: &Found, shared: &mut Shared) {
        let from = found.path.clone();
        let job = shared.jobs.start(&format!("Deleting {}", found.name), move |_| hide(&from));
        self.deleting = job.or(self.deleting.take());
    }

    /// Puts what was deleted in an earlier session, and can be brought back here no more, into the system's trash.
    pub fn sweep(&self, folder: &Path, shared: &Shared) {
        let (folder, discard) = (folder.to_owned(), shared.env.discard);
        let kept: Vec<PathBuf> = self.deleted.iter().map(|d| d.to.clone()).collect();
        let sweep = move |_: &JobContext| {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let hidden = entry.file_name().to_string_lossy().starts_with(HIDDEN);
                let is_run = || entry.path().join("run.toml").is_file();
                if hidden && !kept.contains(&entry.path()) && is_run() {
                    // What cannot be moved there stays where it is.
                    let _ = discard(&entry.path());
                }
            }
        };
        // Nobody waits for it.
        drop(shared.jobs.start_quietly("moving deleted runs to the trash", sweep));
    }

    /// Brings the last one back.
    pub fn undelete(&mut self, shared: &mut Shared) {
        let Some(last) = self.deleted.last().cloned() else { return };
        let back = move |_: &JobContext| {
            if last.from.exists() {
                return Err(format!(
                    "The run cannot come back: something else is at {}",
                    last.from.display()
                ));
            }
            std::fs::rename(&last.to, &last.from)
                .map_err(|e| format!("The run cannot come back: {e} ({})", last.to.display()))
        };
        self.undeleting = shared.jobs.start("Bringing a run back", back).or(self.undeleting.take());
    }

    /// Whether a deleted run can be brought back.
    pub fn can_undelete(&self) -> bool {
        !self.deleted.is_empty()
    }

    /// Whether the run in a folder was deleted here and not brought back.
    pub fn has_deleted(&self, path: &Path) -> bool {
        self.deleted.iter().any(|d| d.from == path)
    }

    /// The name of the last one.
    pub fn deleted_name(&self) -> Option<&str> {
        self.deleted.last().and_then(|d| d.from.file_name()).and_then(|n| n.to_str())
    }

    /// Writes a run's best checkpoint into a GGUF file in its folder.
    pub fn export(&mut self, found: &Found, shared: &mut Shared) {
        let (path, name) = (found.path.clone(), found.name.clone());
        let job = shared.jobs.start(&format!("Exporting {name}"), move |job| export::gguf(&path, &name, job));
        if job.is_none() {
            shared.notices.info("An export of this run is under way.");
        }
        self.exporting.extend(job);
    }

    /// Writes every value of the drawn runs to a file.
    pub fn save_csv(&mut self, to: PathBuf, runs: &[RunView], shared: &mut Shared) {
        let drawn = runs.iter().filter(|r| r.drawn);
        let runs: Vec<(String, PathBuf)> =
            drawn.map(|r| (r.shown_name(shared), r.found.path.clone())).collect();
        self.save("Saving curves", to, shared, move |path, job| export::csv(&runs, path, job));
    }

    /// Writes the charts to a file as a picture.
    pub fn save_charts(&mut self, to: PathBuf, sheet: Sheet, shared: &mut Shared) {
        self.save("Saving charts", to, shared, |path, _| sheet.save(path));
    }

    fn save(
        &mut self,
        job: &str,
        path: PathBuf,
        shared: &mut Shared,
        write: impl FnOnce(&Path, &JobContext) -> Result<(), String> + Send + 'static,
    ) {
        let work = move |job: &JobContext| write(&path, job).map(|()| format!("Wrote {}.", path.display()));
        self.saving.extend(shared.jobs.start(job, work));
    }

    /// Takes in what became of it all; says whether the folder of runs is another one now.
    pub fn logic(&mut self, form: &mut Option<Form>, shared: &mut Shared) -> bool {
        let mut changed = false;
        match (flat(jobs::take(&mut self.fetching)), &mut *form) {
            (Some(Ok(path)), Some(form)) => {
                form.add_text(&path);
                form.text_wrong = None;
            }
            (Some(Err(why)), Some(form)) => form.text_wrong = Some(why),
            (Some(Ok(path)), None) => shared.notices.good(format!("Fetched {}.", path.display())),
            (Some(Err(why)), None) => shared.notices.bad(why),
            (None, _) => {}
        }
        match flat(jobs::take(&mut self.deleting)) {
            Some(Ok(deleted)) => {
                self.deleted.push(deleted);
                changed = true;
            }
            Some(Err(why)) => shared.notices.bad(why),
            None => {}
        }
        match flat(jobs::take(&mut self.undeleting)) {
            Some(Ok(())) => {
                self.deleted.pop();
                changed = true;
            }
            Some(Err(why)) => shared.notices.bad(why),
            None => {}
        }
        for result in jobs::take_done(&mut self.exporting) {
            match result.and_then(|r| r) {
                Ok((path, said)) => {
                    shared.notices.good(said);
                    shared.send(Command::Open(path));
                    shared.send(Command::Show(Page::Generate));
                }
                Err(why) => shared.notices.bad(why),
            }
        }
        for result in jobs::take_done(&mut self.saving) {
            match result.and_then(|r| r) {
                Ok(said) => shared.notices.good(said),
                Err(why) => shared.notices.bad(why),
            }
        }
        if let Some(form) = form {
            form.logic(shared);
        }
        changed
    }
}

fn flat<T>(result: Option<Result<Result<T, String>, String>>) -> Option<Result<T, String>> {
    result.map(|r| r.and_then(|r| r))
}

/// Has the program itself fetch the text, which it believes only if its hash is the right one.
fn fetch(program: &Path, to: PathBuf) -> Result<PathBuf, String> {
    let cannot = |why: String| format!("Tiny Shakespeare cannot be fetched: {why}");
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(|e| cannot(format!("{e} ({})", folder.display())))?;
    }
    let mut process = std::process::Command::new(program);
    process.args(["data", "shakespeare", "--out"]).arg(&to);
    without_console(&mut process);
    let done = process.output().map_err(|e| cannot(format!("{e} ({})", program.display())))?;
    if done.status.success() {
        return Ok(to);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(cannot(said.trim().trim_start_matches("error: ").trim_start_matches("Error: ").to_owned()))
}

/// Renames a folder so that it is no run any more, but can be one again.
fn hide(from: &Path) -> Result<Deleted, String> {
    let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = from.parent().unwrap_or(Path::new("."));
    let free = (0..10_000).map(|i| folder.join(format!("{HIDDEN}{name}-{i}"))).find(|p| !p.exists());
    let to = free.ok_or_else(|| format!("{name} cannot be deleted: too many of that name were"))?;
    std::fs::rename(from, &to).map_err(|e| format!("{name} cannot be deleted: {e} ({})", from.display()))?;
    Ok(Deleted { from: from.to_owned(), to })
}
