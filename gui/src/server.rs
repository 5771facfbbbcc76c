//! The server page: its place is here, the server is not yet.

use eframe::egui::Ui;

use crate::shared::Shared;
use crate::widgets::empty_state;

#[derive(Debug, Default)]
pub struct Server {}

impl Server {
    pub fn ui(&mut self, ui: &mut Ui, _shared: &mut Shared) {
        empty_state(
            ui,
            "Serve the open model",
            "An OpenAI-compatible address for other programs, with a chat page. It is not part of this version.",
            None,
        );
    }
}
