//! What stands round every page: the rail, the bar on top, the status line, and what floats over them. Each part takes what it shows and
//! sends commands; none knows a page or the app, which puts them together (`app::frame`).

pub mod bar;
pub mod closing;
pub mod keys;
pub mod overlay;
pub mod palette;
pub mod path_window;
pub mod rail;
pub mod status;

use bar::ModelMenu;
use closing::Closing;
use palette::Palette;
use path_window::PathWindow;

/// What the shell itself remembers.
#[derive(Debug, Default)]
pub struct Shell {
    /// Every command by name.
    pub palette: Palette,
    /// Whether the list of shortcuts is shown.
    pub shortcuts: bool,
    /// The window with a field for a path.
    pub path_window: PathWindow,
    /// The menu under the open model's name.
    pub model_menu: ModelMenu,
    /// What becomes of trainings when the window closes.
    pub closing: Closing,
}

impl Shell {
    /// Whether commands are on the screen as a list.
    pub fn lists_commands(&self) -> bool {
        self.shortcuts || self.palette.is_open()
    }
}
