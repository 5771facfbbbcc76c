//! What can be asked of the training page, and the values it is asked with.

use std::path::PathBuf;

use train::run::Order;
use train_cuda::choice::Choice;

/// See the top of this file.
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
    /// Draws the charts over this x axis.
    Over(CurveAxis),
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
    /// Closes the form; what was filled in is gone.
    Cancel,
    /// Asks for a text file to add to the form.
    AskText,
    /// Adds this text file to the form.
    AddText(PathBuf),
    /// Fetches Tiny Shakespeare and adds it to the form.
    FetchText,
    /// Trains new runs there.
    On(Choice),
    /// Asks the driver anew which cards there are.
    LookForCards,
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
    /// Writes those values to this file.
    SaveCsvTo(PathBuf),
    /// Writes the charts as they are to a PNG or SVG file.
    SaveCharts,
    /// Writes the charts to this file; its ending decides the kind.
    SaveChartsTo(PathBuf),
    /// Shows a run's folder in the system's file manager.
    Reveal(String),
}

/// The x axes a curve can be drawn over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CurveAxis {
    /// Steps done.
    #[default]
    Step,
    /// Tokens trained on.
    Tokens,
    /// Seconds of training.
    Time,
}
