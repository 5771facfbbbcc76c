//! The server page: the open model as a service of this process. Starting it is `start`'s business, what it does is looked at by `seen`,
//! drawing is that of the modules named after what they draw.

mod commands;
mod example_ui;
mod form_ui;
mod head;
mod list_ui;
mod live;
mod seen;
mod start;
mod ui;

use std::time::Duration;

use crate::command::{Command, ServerCommand};
use crate::jobs::{self, Job};
use crate::page::Page;
use crate::settings::Serving;
use crate::shared::Shared;
use live::Live;
use seen::Seen;
use start::{Failure, Start};

/// Time between two looks while requests are answered and somebody watches.
const BUSY: Duration = Duration::from_millis(200);
/// Likewise while none is: for who comes, and for how long ago the last ones came.
const CALM: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Server {
    state: State,
    /// Why it did not start, until that is read.
    failed: Option<Failure>,
    seen: Seen,
    key_shown: bool,
    /// Whether it was looked if it starts with the app.
    greeted: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Stopped,
    /// On its way; and what it was asked to do.
    Starting(Job<Result<Live, Failure>>, Serving),
    Serving(Live),
    /// It takes no more requests; the job ends when those there are have ended.
    Draining(Live, Job<()>),
}

impl State {
    fn live(&self) -> Option<&Live> {
        match self {
            State::Serving(live) | State::Draining(live, _) => Some(live),
            State::Stopped | State::Starting(..) => None,
        }
    }
}

impl Server {
    /// Whether one is being started.
    pub fn is_starting(&self) -> bool {
        matches!(self.state, State::Starting(..))
    }

    /// What leaving the app would end: the model that is served, where, and how many requests are being answered.
    pub fn at_work(&self) -> Option<(String, usize)> {
        self.live().map(|live| (live.model.clone(), self.seen.serving.len()))
    }

    /// Takes in what happened elsewhere.
    pub fn logic(&mut self, shared: &mut Shared) {
        if !self.greeted && shared.model.get().is_some() {
            self.greeted = true;
            if shared.settings.serving.at_start {
                shared.send(Command::Server(ServerCommand::Start));
            }
        }
        self.state = match std::mem::take(&mut self.state) {
            State::Starting(job, asked) => self.started(job, asked),
            State::Draining(live, job) => self.drained(live, job),
            state => state,
        };
        shared.serving = self.state.live().map(|live| {
            self.seen.look(live.server());
            self.seen.serving.len()
        });
        let watched = shared.settings.page == Page::Server;
        match shared.serving {
            Some(requests) if requests > 0 && (watched || matches!(self.state, State::Draining(..))) => {
                shared.ctx.request_repaint_after(BUSY);
            }
            Some(_) if watched => shared.ctx.request_repaint_after(CALM),
            _ => {}
        }
    }

    /// The app is left: whoever is being served is served no longer.
    pub fn leave(&mut self) {
        if let Some(live) = self.live() {
            live.server().stop();
        }
    }

    fn live(&self) -> Option<&Live> {
        self.state.live()
    }

    fn started(&mut self, job: Job<Result<Live, Failure>>, asked: Serving) -> State {
        let mut slot = Some(job);
        match jobs::take(&mut slot) {
            None => State::Starting(slot.expect("it is not done"), asked),
            Some(Ok(Ok(live))) => {
                self.seen = Seen::default();
                State::Serving(live)
            }
            Some(Ok(Err(failure))) => {
                self.failed = Some(failure);
                State::Stopped
            }
            Some(Err(why)) => {
                self.failed = Some(Failure::new("The server did not start", why));
                State::Stopped
            }
        }
    }

    fn drained(&mut self, live: Live, job: Job<()>) -> State {
        let mut slot = Some(job);
        if jobs::take(&mut slot).is_none() {
            return State::Draining(live, slot.expect("it is not done"));
        }
        // How the last ones ended stays to be seen.
        self.seen.look(live.server());
        self.seen.serving.clear();
        State::Stopped
    }

    fn start(&mut self, shared: &mut Shared) {
        if !matches!(self.state, State::Stopped) || shared.settings.serving.wrong().is_some() {
            return;
        }
        let Some(start) = Start::new(shared) else { return };
        let asked = shared.settings.serving.clone();
        self.failed = None;
        match shared.jobs.start("Starting the server", move |job| start.run(job)) {
            Some(job) => {
                job.info.may_be_left();
                self.state = State::Starting(job, asked);
            }
            None => {
                let why = "The system gives no thread to start it with. End some programs and try again";
                self.failed = Some(Failure::new("The server did not start", why));
            }
        }
    }

    fn stop(&mut self, shared: &Shared) {
        let live = match std::mem::take(&mut self.state) {
            State::Serving(live) => live,
            state => return self.state = state,
        };
        live.server().drain();
        let server = live.shared();
        self.state = match shared.jobs.start_quietly("waiting for the server's end", move |_| server.wait()) {
            Some(job) => State::Draining(live, job),
            // Without a thread to wait with it ends now.
            None => State::Stopped,
        };
    }

    fn end(&mut self) {
        match &self.state {
            State::Starting(job, _) => {
                job.info.cancel();
                self.state = State::Stopped;
            }
            State::Serving(live) | State::Draining(live, _) => live.server().stop(),
            State::Stopped => {}
        }
    }
}
