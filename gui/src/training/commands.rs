//! The page's commands: carrying them out, and how the palette lists them, with their keys.

use train::run::Order;

use super::form::Form;
use super::order::Worded;
use super::sheet::Sheet;
use super::{DRAWN_MAX, Training};
use crate::command::{Command, CurveAxis, TrainingCommand};
use crate::entry::Entry;
use crate::env::{CHARTS, CSV, TEXT};
use crate::page::Page;
use crate::question::Question;
use crate::shared::Shared;

impl Training {
    pub fn run(&mut self, command: TrainingCommand, shared: &mut Shared) {
        use TrainingCommand as C;
        match command {
            C::AskFolder => {
                let then = |path| Command::Training(C::Folder(path));
                shared.send(Command::Ask(Question::folder("Folder of training runs", then)));
            }
            C::Folder(folder) => {
                shared.settings.following.runs_dir = (folder != shared.env.runs_dir).then_some(folder);
                self.folder = None;
                self.list.path_field = None;
                let folder = Self::runs_dir(shared);
                if let Some(form) = self.form.as_mut().filter(|f| f.starting.is_none()) {
                    form.move_to(folder);
                }
            }
            C::Focus(run) => {
                self.focused = Some(run);
                // What was filled in is there again with the next new run.
                self.form_hidden = true;
            }
            C::Toggle(run) => self.toggle(&run, shared),
            C::Only(run) => {
                let others = self.runs.iter().map(|r| r.found.name.clone()).filter(|n| *n != run);
                shared.settings.following.hidden = others.collect();
                self.focused = Some(run);
                self.choose_drawn(shared);
            }
            C::Rename(run, name) => {
                let names = &mut shared.settings.following.names;
                match name.trim() {
                    "" => names.remove(&run),
                    name if name == run => names.remove(&run),
                    name => names.insert(run, name.to_owned()),
                };
                self.list.renaming = None;
            }
            C::Note(run, note) => {
                let notes = &mut shared.settings.following.notes;
                match note.trim() {
                    "" => notes.remove(&run),
                    note => notes.insert(run, note.to_owned()),
                };
                self.list.noting = None;
            }
            C::Delete(run) => {
                let run = self.run_named(&run);
                let run = run.filter(|r| !r.found.state.is_live() && !self.trainers.has(&r.found.path));
                if let Some(found) = run.map(|r| r.found.clone()) {
                    self.work.delete(&found, shared);
                }
            }
            C::Undelete => self.work.undelete(shared),
            C::Compare => self.comparing = !self.comparing,
            C::Over(axis) => self.charts.over(axis),
            C::ShowAll => self.charts.show_all(),
            C::Show(low, high) => self.charts.show(low, high),
            C::LogX => {
                shared.settings.following.log_x ^= true;
                self.charts.show_all();
            }
            C::LogY => shared.settings.following.log_y ^= true,
            C::Clip => self.charts.clip ^= true,
            C::Pin(at) => self.charts.pinned = at,
            C::Sample(by) => self.go_to_sample(by),
            C::New => {
                self.form_hidden = false;
                if self.form.as_ref().is_none_or(|f| f.starting.is_some()) {
                    self.form = Some(Form::new(&self.runs, Self::runs_dir(shared)));
                }
            }
            C::Cancel => self.form = None,
            C::AskText => {
                let then = |path| Command::Training(C::AddText(path));
                shared.send(Command::Ask(Question::open("Text to learn from", &TEXT, then)));
            }
            C::AddText(path) => {
                if let Some(form) = &mut self.form {
                    form.add_text(&path);
                }
            }
            C::On(device) => shared.settings.following.device = device.to_string(),
            C::LookForCards => self.cards.look(shared),
            C::FetchText => self.work.fetch_text(shared),
            C::Start => {
                if let Some(form) = &mut self.form
                    && let Some(start) = form.start()
                {
                    self.trainers.start(start, shared);
                }
            }
            C::Resume(run) => {
                if let Some(found) = self.run_named(&run).map(|r| r.found.clone()) {
                    let device = found.goes_on(self.cards.choice(&shared.settings.following.device));
                    self.trainers.resume(&found, device, shared);
                }
            }
            C::Tell(run, order) => {
                if let Some(found) = self.run_named(&run).map(|r| r.found.clone()) {
                    self.trainers.tell(&found, order, shared);
                }
            }
            C::StopAll => self.trainers.stop_all(shared),
            C::Export(run) => {
                if let Some(found) = self.run_named(&run).map(|r| r.found.clone()) {
                    self.work.export(&found, shared);
                }
            }
            C::SaveCsv => {
                let then = |path| Command::Training(C::SaveCsvTo(path));
                shared.send(Command::Ask(Question::save("Save the curves", "curves.csv", &CSV, then)));
            }
            C::SaveCsvTo(path) => self.work.save_csv(path, &self.runs, shared),
            C::SaveCharts => {
                let then = |path| Command::Training(C::SaveChartsTo(path));
                shared.send(Command::Ask(Question::save("Save the charts", "charts.png", &CHARTS, then)));
            }
            C::SaveChartsTo(path) => {
                let sheet = Sheet::new(&self.charts, &self.runs, shared);
                self.work.save_charts(path, sheet, shared);
            }
            C::Reveal(run) => {
                if let Some(run) = self.run_named(&run) {
                    shared.reveal(&run.found.path);
                }
            }
        }
    }

    fn toggle(&mut self, run: &str, shared: &mut Shared) {
        let hidden = &mut shared.settings.following.hidden;
        match hidden.iter().position(|n| n == run) {
            Some(i) => {
                hidden.remove(i);
                let drawn = self.runs.iter().filter(|r| r.drawn).count();
                if drawn >= DRAWN_MAX {
                    hidden.push(run.to_owned());
                    shared
                        .notices
                        .info(format!("{DRAWN_MAX} runs are drawn already; hide one of them first."));
                }
            }
            None => hidden.push(run.to_owned()),
        }
        self.choose_drawn(shared);
    }

    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, shared: &Shared) -> Vec<Entry> {
        use TrainingCommand as C;
        let here = shared.settings.page == Page::Training;
        let entry = |text: &str, command: C| Entry::new(text, Command::Training(command));
        let mut list = vec![
            entry("New training run", C::New).when(here),
            entry("Look for NVIDIA cards", C::LookForCards)
                .when(here && self.form.is_some() && !self.cards.is_looking()),
            entry("Folder of training runs…", C::AskFolder).when(here),
            entry("Compare the configurations of runs", C::Compare).when(here && self.runs.len() > 1),
            entry("Charts over steps", C::Over(CurveAxis::Step)).when(here),
            entry("Charts over tokens", C::Over(CurveAxis::Tokens)).when(here),
            entry("Charts over time", C::Over(CurveAxis::Time)).when(here),
            entry("Logarithmic x axis", C::LogX).when(here),
            entry("Logarithmic y axes", C::LogY).when(here),
            entry("Cut off outliers", C::Clip).when(here),
            entry("Show all of the charts", C::ShowAll).when(here),
            entry("Next sample", C::Sample(1)).when(here),
            entry("Sample before", C::Sample(-1)).when(here),
            entry("Save the charts…", C::SaveCharts).when(here && !self.runs.is_empty()),
            entry("Save the curves as CSV…", C::SaveCsv).when(here && !self.runs.is_empty()),
            entry("Bring the deleted run back", C::Undelete).when(self.work.can_undelete()),
        ];
        if let Some(run) = self.focused().filter(|_| here) {
            let name = || run.found.name.clone();
            let shown = run.shown_name(shared);
            let about = |verb: &str, command: C| entry(&format!("{verb} {shown}"), command);
            let mine = self.trainers.has(&run.found.path);
            for order in Order::ALL {
                list.push(
                    about(order.verb(), C::Tell(name(), order)).when(mine && order.fits(&run.found.state)),
                );
            }
            list.push(about("Go on with", C::Resume(name())).when(run.can_resume(&self.trainers)));
            list.push(about("Export", C::Export(name())));
            list.push(about("Show the folder of", C::Reveal(name())));
        }
        list
    }
}
