//! The page's commands as the palette lists them, with their keys.

use train::run::Order;

use super::Training;
use super::order::Worded;
use crate::command::{Command, CurveAxis, TrainingCommand};
use crate::entry::Entry;
use crate::page::Page;
use crate::shared::Shared;

impl Training {
    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, shared: &Shared) -> Vec<Entry> {
        use TrainingCommand as C;
        let here = shared.settings.page == Page::Training;
        let entry = |text: &str, command: C| Entry::new(text, Command::Training(command));
        let mut list = vec![
            entry("New training run", C::New).when(here),
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
