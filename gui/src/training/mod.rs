//! The training page: runs on the left, their curves on the right with one cursor, samples below; and the trainers that were started
//! here. Reading is `follow`'s business, drawing that of the modules named after what they draw.

mod axis;
mod cards;
mod chart;
mod chart_paint;
mod charts;
mod charts_ui;
mod child;
mod commands;
mod compare;
mod curves;
mod decimate;
mod device_ui;
mod drawn;
mod export;
mod extremes;
mod fitting;
mod follow;
mod form;
mod form_ui;
mod found;
mod header;
mod list;
#[cfg(test)]
mod measure;
mod metric;
mod order;
mod pen;
mod readout;
mod run;
mod samples;
mod series;
mod sheet;
mod svg;
mod toolbar;
mod track;
mod ui;
mod work;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::page::Page;
use crate::shared::Shared;
use cards::Cards;
use child::Trainers;
use follow::{Follower, News};
use form::Form;
use run::RunView;
use work::Work;

/// What a frame may spend on taking in what was read.
const BUDGET: Duration = Duration::from_millis(4);
/// Runs that are read at a time; the newest ones come first.
const DRAWN_MAX: usize = 12;
/// Runs that are drawn without being asked for when a folder is seen for the first time.
const DRAWN_FIRST: usize = 6;

#[derive(Debug, Default)]
pub struct Training {
    follower: Option<Follower>,
    /// Why nothing is read.
    problem: Option<String>,
    /// The folder `runs` are of, once it was looked at.
    folder: Option<PathBuf>,
    runs: Vec<RunView>,
    tickets: u64,
    focused: Option<String>,
    charts: charts::Charts,
    list: list::List,
    samples: samples::Samples,
    comparing: bool,
    form: Option<Form>,
    form_hidden: bool,
    cards: Cards,
    trainers: Trainers,
    work: Work,
    greeted: bool,
}

impl Training {
    /// Whether logs are being read for the first time.
    pub fn is_reading(&self) -> bool {
        self.follower.is_some() && (self.folder.is_none() || self.runs.iter().any(|r| r.drawn && !r.ready))
    }

    /// Runs that are being trained by trainers started here.
    pub fn at_work(&self) -> Vec<String> {
        self.trainers.at_work()
    }

    /// Steps that were read of a run.
    pub fn steps_read(&self, run: &str) -> Option<u64> {
        self.run_named(run).filter(|r| r.drawn).map(|r| r.curves.steps.points())
    }

    /// The folder of runs.
    fn runs_dir(shared: &Shared) -> PathBuf {
        shared.settings.following.runs_dir.clone().unwrap_or_else(|| shared.env.runs_dir.clone())
    }

    fn run_named(&self, name: &str) -> Option<&RunView> {
        self.runs.iter().find(|r| r.found.name == name)
    }

    fn focused(&self) -> Option<&RunView> {
        self.run_named(self.focused.as_deref()?)
    }

    /// Takes in what happened elsewhere.
    pub fn logic(&mut self, shared: &mut Shared) {
        if !self.greeted {
            self.greeted = true;
            child::greet(shared);
        }
        if self.follower.is_none() {
            let wanted = shared.settings.page == Page::Training || !shared.settings.following.left.is_empty();
            if !wanted || self.problem.is_some() {
                return;
            }
            match Follower::start(&shared.ctx) {
                Ok(follower) => self.follower = Some(follower),
                Err(why) => self.problem = Some(why),
            }
        }
        self.trainers.logic(shared);
        self.cards.logic(self.form.is_some(), shared);
        if let Some(form) = &mut self.form {
            let choice = self.cards.choice(&shared.settings.following.device);
            form.take_place(choice, self.cards.place(choice, form.config.model.float));
        }
        if let Some(form) = &mut self.form
            && let Some(path) = form.starting.as_ref().map(|name| form.folder.join(name))
            && !self.trainers.has(&path)
            && let Some(words) = self.trainers.last_words(&path)
        {
            (form.starting, form.failed) = (None, Some(words.to_owned()));
        }
        if self.work.logic(&mut self.form, shared) {
            self.runs.retain(|r| !self.work.has_deleted(&r.found.path));
            if let Some(follower) = &self.follower {
                follower.look();
            }
        }
        let (folder, wanted) = (Self::runs_dir(shared), self.wanted());
        let Some(follower) = &self.follower else { return };
        follower.wish(&folder, wanted);
        let began = Instant::now();
        while let Some(news) = self.follower.as_ref().and_then(Follower::news) {
            match news {
                News::Runs(of, found) if of == folder => self.take_runs(of, found, shared),
                News::Unreadable(of, why) if of == folder => {
                    self.take_runs(of, Vec::new(), shared);
                    self.problem = Some(why);
                }
                News::Runs(..) | News::Unreadable(..) => {}
                News::Lines(lines) => {
                    if let Some(run) = self
                        .runs
                        .iter_mut()
                        .find(|r| (&r.found.name, r.ticket) == (&lines.run.0, lines.run.1))
                    {
                        run.take(lines);
                    }
                }
            }
            if began.elapsed() > BUDGET {
                shared.ctx.request_repaint();
                break;
            }
        }
    }

    /// Runs to be read.
    fn wanted(&self) -> Vec<(String, u64)> {
        let drawn = self.runs.iter().filter(|r| r.drawn);
        drawn.map(|r| (r.found.name.clone(), r.ticket)).collect()
    }

    /// The folder was looked at.
    fn take_runs(&mut self, folder: PathBuf, found: Vec<found::Found>, shared: &mut Shared) {
        if self.folder.as_ref() != Some(&folder) {
            self.runs.clear();
            self.charts.show_all();
            self.work.sweep(&folder, shared);
            self.folder = Some(folder);
        }
        self.problem = None;
        let mut old = std::mem::take(&mut self.runs);
        for found in found {
            let following = &mut shared.settings.following;
            run::colour(&mut following.colours, &found.name);
            match old.iter().position(|r| r.found.name == found.name) {
                Some(i) => {
                    let mut run = old.swap_remove(i);
                    run.found = found;
                    self.runs.push(run);
                }
                None => self.runs.push(RunView::new(found)),
            }
        }
        // A run whose folder is gone stays as long as there is something to see of it.
        old.retain(|r| r.drawn && r.curves.steps.rows() > 0 && !self.work.has_deleted(&r.found.path));
        for mut run in old {
            run.found.state = found::State::Gone;
            self.runs.push(run);
        }
        if let Some(form) = &self.form
            && let Some(name) = form.starting.clone().filter(|name| self.run_named(name).is_some())
        {
            // It is a run now.
            shared.settings.following.hidden.retain(|n| *n != name);
            (self.form, self.focused) = (None, Some(name));
        }
        if let Some(form) = &mut self.form {
            form.take_runs(&self.runs);
        }
        shared.settings.following.left.retain(|path| {
            let run = self.runs.iter().find(|r| r.found.path == *path);
            let elsewhere = path.parent() != self.folder.as_deref();
            elsewhere || self.trainers.is_at(path) || run.is_some_and(|r| r.found.state.is_live())
        });
        self.choose_drawn(shared);
        if self.focused().is_none() {
            let live = self.runs.iter().find(|r| r.found.state.is_live());
            self.focused = live.or(self.runs.first()).map(|r| r.found.name.clone());
        }
    }

    /// Which runs are drawn follows from the settings, but for the many of a folder that is seen for the first time.
    fn choose_drawn(&mut self, shared: &mut Shared) {
        let following = &mut shared.settings.following;
        let known = self.runs.iter().any(|r| !r.fresh);
        let mut drawn = 0;
        for run in &mut self.runs {
            let hidden = following.hidden.contains(&run.found.name);
            let too_many = drawn >= if run.fresh && !known { DRAWN_FIRST } else { DRAWN_MAX };
            let draw = !hidden && !too_many;
            if !hidden && too_many {
                following.hidden.push(run.found.name.clone());
            }
            drawn += usize::from(draw);
            run.fresh = false;
            if draw != run.drawn {
                self.tickets += 1;
                run.draw(draw, self.tickets);
            }
        }
    }
}
