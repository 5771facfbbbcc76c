//! How long a start takes, as a person sees it: to the first picture, to an open model, to its first token. It prints what it saw
//! and ends the app.

use std::time::{Duration, Instant};

use crate::command::Command;
use crate::generate::GenerateCommand;
use crate::page::Page;
use crate::shared::Shared;
use crate::widgets::duration;

/// A start being timed.
#[derive(Debug)]
pub struct Stopwatch {
    from: Instant,
    frames: usize,
    first_frame: Option<Duration>,
    asked: bool,
    done: bool,
}

impl Stopwatch {
    /// One that runs since `from`.
    pub fn new(from: Instant) -> Stopwatch {
        Stopwatch { from, frames: 0, first_frame: None, asked: false, done: false }
    }

    /// A frame was drawn. That the first is on the screen is known when the second begins.
    pub fn drawn(&mut self) {
        self.frames += 1;
        if self.frames == 2 {
            self.first_frame = Some(self.from.elapsed());
        }
    }

    /// Looks at how far the start is; has the model write once it is open, and ends once it has.
    pub fn look(&mut self, shared: &Shared, tokens: usize) {
        if self.done {
            return;
        }
        shared.ctx.request_repaint();
        let (Some(first_frame), Some(model)) = (self.first_frame, shared.model.get()) else { return };
        if !self.asked {
            self.asked = true;
            shared.send(Command::Show(Page::Generate));
            shared.send(Command::Generate(GenerateCommand::Write));
        } else if tokens > 0 {
            self.done = true;
            let (opened, written) = (duration(model.open_time), duration(self.from.elapsed()));
            println!(
                "first frame after {}; model opened in {opened}; first token shown after {written}",
                duration(first_frame)
            );
            shared.send(Command::Quit);
        }
    }
}
