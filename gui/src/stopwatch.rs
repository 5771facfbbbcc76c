//! How long a start takes, as a person sees it: to the first picture, to the first token of the model that was open last; and how long it
//! takes from opening a file in a running app to its first token. It prints what it saw and ends the app.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::command::{Command, GenerateCommand};
use crate::open::Loaded;
use crate::page::Page;
use crate::shared::Shared;
use crate::widgets::duration;

/// How far the measuring is.
#[derive(Debug)]
enum Stage {
    /// The first frame and the model are not there yet.
    Starting,
    /// The model writes; there were so many tokens before.
    Writing { before: usize },
    /// There is a token; it is on the screen once this many frames were drawn.
    Showing { frames: usize },
    /// The file is opened again; this is the model before.
    Opening { old: Arc<Loaded> },
    /// Everything is measured.
    Done,
}

/// A start being timed.
#[derive(Debug)]
pub struct Stopwatch {
    from: Instant,
    frames: usize,
    first_frame: Option<Duration>,
    first_token: Option<Duration>,
    /// When the file was opened again.
    again: Option<Instant>,
    stage: Stage,
}

impl Stopwatch {
    /// One that runs since `from`.
    pub fn new(from: Instant) -> Stopwatch {
        Stopwatch {
            from,
            frames: 0,
            first_frame: None,
            first_token: None,
            again: None,
            stage: Stage::Starting,
        }
    }

    /// A frame was drawn. That it is on the screen is known when the next one begins.
    pub fn drawn(&mut self) {
        self.frames += 1;
        if self.frames == 2 {
            self.first_frame = Some(self.from.elapsed());
        }
    }

    /// Looks at how far it is, and asks for what comes next.
    pub fn look(&mut self, shared: &Shared, tokens: usize) {
        let Some(model) = shared.model.get() else {
            shared.ctx.request_repaint();
            return;
        };
        match &self.stage {
            Stage::Starting if self.first_frame.is_some() => {
                shared.send(Command::Show(Page::Generate));
                self.write(shared, tokens);
            }
            Stage::Writing { before } if tokens > *before => {
                self.stage = Stage::Showing { frames: self.frames + 2 };
            }
            Stage::Showing { frames } if self.frames >= *frames => {
                shared.send(Command::Generate(GenerateCommand::Stop));
                if let Some(again) = self.again {
                    self.print(model, again.elapsed());
                    self.stage = Stage::Done;
                    shared.send(Command::Quit);
                } else {
                    self.first_token = Some(self.from.elapsed());
                    self.again = Some(Instant::now());
                    self.stage = Stage::Opening { old: Arc::clone(model) };
                    shared.send(Command::Reload);
                }
            }
            Stage::Opening { old } if !Arc::ptr_eq(old, model) => self.write(shared, tokens),
            Stage::Done => return,
            _ => {}
        }
        shared.ctx.request_repaint();
    }

    fn write(&mut self, shared: &Shared, before: usize) {
        shared.send(Command::Generate(GenerateCommand::Write));
        self.stage = Stage::Writing { before };
    }

    fn print(&self, model: &Loaded, again: Duration) {
        let since_start = |at: Option<Duration>| duration(at.unwrap_or_default());
        println!(
            "first frame on the screen {} after the start, first token {}; a model opened while the app runs: ready in {}, first token on \
             the screen {} after it was asked for",
            since_start(self.first_frame),
            since_start(self.first_token),
            duration(model.open_time),
            duration(again)
        );
    }
}
