//! The file's chat template at work: a small conversation as the model gets to see it, with the template's own words told apart from what people
//! say, and the template itself below.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{FontId, Label, RichText, ScrollArea, Ui};
use text::chat::{Role, Turn, preview};

use super::subject::Subject;
use crate::jobs::{self, Job};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{section, small};

/// Bytes of a text that are shown, and pieces of a conversation: a file may hold anything.
const SHOWN: usize = 16 << 10;
const PIECES: usize = 200;

/// As much of a text as is shown.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

/// A conversation, rendered: pieces, and whether somebody said them.
type Rendered = Result<Vec<(String, bool)>, String>;

/// The preview, once it was asked for.
#[derive(Debug, Default)]
pub struct Template {
    making: Option<Job<Rendered>>,
    made: Option<Rendered>,
}

fn conversation() -> Vec<Turn> {
    let turn = |role, text: &str| Turn { role, text: text.into() };
    vec![
        turn(Role::System, "Answer in one line."),
        turn(Role::User, "Who are you?"),
        turn(Role::Assistant, "A model of three values."),
        turn(Role::User, "Which?"),
    ]
}

impl Template {
    /// Forgets what another template made.
    pub fn turn(&mut self) {
        *self = Template::default();
    }

    /// Has the conversation rendered, if it is seen.
    pub fn logic(&mut self, seen: bool, subject: Option<&Subject>, shared: &Shared) {
        if let Some(made) = jobs::take(&mut self.making) {
            self.made = Some(made.and_then(|r| r));
        }
        if !seen || self.made.is_some() || self.making.is_some() {
            return;
        }
        let Some(loaded) = subject.and_then(Subject::loaded).cloned() else { return };
        let render = move |_: &jobs::JobContext| {
            // Templates that know no system turn refuse it; then the rest is shown.
            let all = conversation();
            preview(&loaded.opened, &all)
                .or_else(|_| preview(&loaded.opened, &all[1..]))
                .map_err(|e| e.to_string())
        };
        self.making = shared.jobs.start_quietly("rendering a chat template", render);
    }

    pub fn ui(&mut self, ui: &mut Ui, subject: &Subject) {
        let t = Tokens::of(ui.ctx());
        let source = subject.loaded().and_then(|m| m.opened.chat_template.as_deref()).map_or("", beginning);
        ScrollArea::vertical().id_salt("template").auto_shrink(false).show(ui, |ui| {
            ui.label(small(
                "A conversation as the model sees it: bright what people say, dim what the template adds",
            ));
            ui.add_space(space::XS);
            match &self.made {
                None => {}
                Some(Err(why)) => {
                    ui.label(RichText::new(format!("The template does not render: {why}")).color(t.bad));
                }
                Some(Ok(pieces)) => {
                    let mut job = LayoutJob::default();
                    job.wrap.max_width = ui.available_width();
                    for (text, said) in pieces.iter().take(PIECES) {
                        let color = if *said { t.plus } else { t.text_dim };
                        job.append(
                            beginning(text),
                            0.0,
                            TextFormat::simple(FontId::monospace(size::SMALL), color),
                        );
                    }
                    ui.label(job);
                }
            }
            ui.add_space(space::M);
            section(ui, "The template");
            ui.add_space(space::XS);
            ui.add(
                Label::new(RichText::new(source).font(FontId::monospace(size::SMALL)).color(t.text_dim))
                    .wrap(),
            );
        });
    }
}
