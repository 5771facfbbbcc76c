//! Who is next: a model serves so many texts at once, and the requests that have more of them take turns. So one that asks for a
//! hundred texts does not hold up one that asks for a single one; and no more than so many may wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The places of a model, and those who wait for them.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    lines_max: usize,
}

#[derive(Debug)]
struct State {
    /// Places that nobody has.
    free: usize,
    /// Those who wait, by request; whoever is first gets the next place, and the request goes to the end.
    lines: VecDeque<Waiting>,
    /// The number of the next request.
    next: u64,
    /// Requests that stand in line, and have or want a place.
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    request: u64,
    texts: VecDeque<oneshot::Sender<Place>>,
}

/// A request that may ask for places.
#[derive(Debug)]
pub struct Line {
    queue: Arc<Queue>,
    request: u64,
}

/// Room for one text. Dropping it gives it to whoever is next.
#[derive(Debug)]
pub struct Place(Option<Arc<Queue>>);

/// Why a request may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// So many wait already.
    Full(usize),
    /// The server is about to end.
    Closed,
}

impl Queue {
    /// A queue for so many places, in which so many requests may wait.
    pub fn new(places: usize, lines_max: usize) -> Arc<Queue> {
        let state = State { free: places, lines: VecDeque::new(), next: 0, closed: false };
        Arc::new(Queue { state: Mutex::new(state), lines_max })
    }

    /// Stands a request in line.
    ///
    /// # Errors
    /// There is no place for it, and as many wait as may; or no more requests are taken.
    pub fn join(self: &Arc<Queue>) -> Result<Line, Turned> {
        let mut state = self.state();
        if state.closed {
            return Err(Turned::Closed);
        }
        if state.free == 0 && state.lines.len() >= self.lines_max {
            return Err(Turned::Full(state.lines.len()));
        }
        state.next += 1;
        Ok(Line { queue: Arc::clone(self), request: state.next })
    }

    /// Takes no more requests; those that are in line are served.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.state().lines.len()
    }

    /// Gives a place to whoever is next.
    fn give(self: &Arc<Queue>) {
        let mut state = self.state();
        while let Some(mut line) = state.lines.pop_front() {
            let Some(text) = line.texts.pop_front() else { continue };
            if !line.texts.is_empty() {
                state.lines.push_back(line);
            }
            match text.send(Place(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Who is gone has no use for it, and must not give it back while the state is held.
                Err(mut place) => place.0 = None,
            }
        }
        state.free += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// A place for a text of this request, when it is its turn.
    pub async fn place(&self) -> Place {
        let received = {
            let mut state = self.queue.state();
            if state.free > 0 {
                state.free -= 1;
                return Place(Some(Arc::clone(&self.queue)));
            }
            let (sender, receiver) = oneshot::channel();
            match state.lines.iter_mut().find(|line| line.request == self.request) {
                Some(line) => {
                    // Those whose clients are gone wait no longer.
                    line.texts.retain(|text| !text.is_closed());
                    line.texts.push_back(sender);
                }
                None => {
                    state.lines.push_back(Waiting { request: self.request, texts: VecDeque::from([sender]) })
                }
            }
            receiver
        };
        received.await.expect("the queue holds who waits until it is given a place")
    }
}

impl Drop for Line {
    /// Nobody of this request waits any more.
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.lines.retain(|line| line.request != self.request);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.give();
        }
    }
}
