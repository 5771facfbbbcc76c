//! What can be asked of the page, and how the palette lists it.

use std::path::PathBuf;

use super::child::Worded;
use super::{Axis, Order, Training};
use crate::command::{Command, Entry};
use crate::page::Page;
use crate::shared::Shared;

/// What can be asked of this page.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingCommand {
    /// Asks for the folder of runs.
    AskFolder,
    /// Turns to a folder of runs.
    Folder(PathBuf),
    /// Puts a run in the header.
    Focus(String),
    /// Draws a run, or no longer.
    Toggle(String),
    /// Draws this run alone.
    Only(String),
    /// Gives a run a name to show.
    Rename(String, String),
    /// Keeps a note on a run.
    Note(String, String),
    /// Moves a run out of sight; it can be brought back.
    Delete(String),
    /// Brings the last deleted run back.
    Undelete,
    /// Shows what differs between the configurations of the drawn runs, or the curves again.
    Compare,
    /// The x axis.
    Over(Axis),
    /// Shows all of the x axis.
    ShowAll,
    /// Shows a stretch of the x axis.
    Show(f64, f64),
    /// Logarithmic x axis or not.
    LogX,
    /// Logarithmic y axes or not.
    LogY,
    /// Outliers cut off or not.
    Clip,
    /// Holds the cursor where it is, or lets it go.
    Pin(Option<f64>),
    /// Goes to the sample so many further.
    Sample(i32),
    /// Opens the form for a new run.
    New,
    /// Closes it.
    Cancel,
    /// Asks for a text file to add to the form.
    AskText,
    /// Adds this text file to the form.
    AddText(PathBuf),
    /// Fetches Tiny Shakespeare and adds it to the form.
    FetchText,
    /// Begins what the form says.
    Start,
    /// Goes on with a run.
    Resume(String),
    /// Tells the trainer of a run something.
    Tell(String, Order),
    /// Tells every trainer that was started here to save and stop.
    StopAll,
    /// Writes a run's model to a GGUF file and opens it.
    Export(String),
    /// Writes the values of the drawn runs to a CSV file.
    SaveCsv,
    /// Writes them to this file.
    SaveCsvTo(PathBuf),
    /// Writes the charts as they are to a PNG or SVG file.
    SaveCharts,
    /// Writes them to this file.
    SaveChartsTo(PathBuf),
    /// Shows a run's folder in the system's file manager.
    Reveal(String),
}

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
            entry("Charts over steps", C::Over(Axis::Step)).when(here),
            entry("Charts over tokens", C::Over(Axis::Tokens)).when(here),
            entry("Charts over time", C::Over(Axis::Time)).when(here),
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
