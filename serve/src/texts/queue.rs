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
    /// No more requests are taken.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    type Waits<'l> = Pin<Box<dyn Future<Output = Place> + 'l>>;

    /// Who of these has a place now; it is let go of at once.
    fn served(waiting: &mut Vec<(&'static str, Waits<'_>)>) -> Option<&'static str> {
        let mut task = Context::from_waker(Waker::noop());
        for i in 0..waiting.len() {
            if let std::task::Poll::Ready(place) = waiting[i].1.as_mut().poll(&mut task) {
                let (name, _) = waiting.remove(i);
                drop(place);
                return Some(name);
            }
        }
        None
    }

    fn place(line: &Line) -> Place {
        let mut task = Context::from_waker(Waker::noop());
        match pin!(line.place()).poll(&mut task) {
            std::task::Poll::Ready(place) => place,
            std::task::Poll::Pending => panic!("no place is free"),
        }
    }

    fn wait<'l>(line: &'l Line) -> Waits<'l> {
        let mut waits: Waits<'l> = Box::pin(line.place());
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        waits
    }

    #[test]
    fn queue_has_requests_take_turns_however_many_texts_they_have() {
        let queue = Queue::new(1, 9);
        let lines = [(); 3].map(|()| queue.join().unwrap());
        let first = place(&lines[0]);
        let mut waiting: Vec<_> =
            ["a1", "a2", "a3", "a4"].into_iter().map(|name| (name, wait(&lines[1]))).collect();
        waiting.push(("b1", wait(&lines[2])));
        assert_eq!((queue.waiting(), served(&mut waiting)), (2, None));
        drop(first);
        let order: Vec<_> = std::iter::from_fn(|| served(&mut waiting)).collect();
        assert_eq!(order, ["a1", "b1", "a2", "a3", "a4"]);
        assert_eq!((queue.waiting(), queue.state().free), (0, 1));
    }

    #[test]
    fn queue_turns_away_whom_it_has_no_room_for() {
        let queue = Queue::new(1, 1);
        let lines = [queue.join().unwrap(), queue.join().unwrap()];
        let first = place(&lines[0]);
        let second = wait(&lines[1]);
        assert_eq!(queue.join().unwrap_err(), Turned::Full(1));
        drop(second);
        drop(lines);
        // Whoever left makes room; whoever has a place keeps it.
        let third = queue.join().unwrap();
        let waits = wait(&third);
        drop(first);
        assert_eq!(queue.state().free, 0);
        drop(waits);
        assert_eq!(queue.state().free, 1);
        queue.close();
        assert_eq!(queue.join().unwrap_err(), Turned::Closed);
    }

    #[test]
    fn queue_passes_over_those_who_are_gone() {
        let queue = Queue::new(1, 9);
        let lines = [(); 3].map(|()| queue.join().unwrap());
        let first = place(&lines[0]);
        let gone = [wait(&lines[1]), wait(&lines[1])];
        let stays = wait(&lines[2]);
        drop(gone);
        drop(first);
        let mut waiting = vec![("stays", stays)];
        assert_eq!(served(&mut waiting), Some("stays"));
        assert_eq!(queue.state().free, 1);
    }
}
