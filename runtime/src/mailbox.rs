//! Events on their way from an engine's thread to a client. The client waits for them on a thread, looks whether there are any, or is
//! woken as a task; the engine's side never waits, and knows when the client has lost interest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::request::Event;

/// The task that waits for the next event, if one does.
#[derive(Debug, Default)]
struct Bell(Mutex<Option<Waker>>);

impl Bell {
    fn ring(&self) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The engine's side. What does not go through waits in it; a client that is gone takes everything.
#[derive(Debug)]
pub struct Outbox {
    /// There until this is dropped.
    events: Option<SyncSender<Event>>,
    cancel: Arc<AtomicBool>,
    bell: Arc<Bell>,
    waiting: VecDeque<Event>,
}

/// The client's side. Dropping it cancels.
#[derive(Debug)]
pub struct Inbox {
    events: Receiver<Event>,
    cancel: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

/// Both sides, with room for so many events between them.
pub fn mailbox(room: usize) -> (Outbox, Inbox) {
    let (sender, events) = sync_channel(room);
    let (cancel, bell) = (Arc::<AtomicBool>::default(), Arc::<Bell>::default());
    let inbox = Inbox { events, cancel: Arc::clone(&cancel), bell: Arc::clone(&bell) };
    (Outbox { events: Some(sender), cancel, bell, waiting: VecDeque::new() }, inbox)
}

impl Outbox {
    /// Adds an event, and sends what there is room for.
    pub fn push(&mut self, event: Event) {
        self.waiting.push_back(event);
        self.flush();
    }

    /// Sends what there is room for.
    pub fn flush(&mut self) {
        let Some(events) = &self.events else { return };
        let before = self.waiting.len();
        while let Some(event) = self.waiting.pop_front() {
            match events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    break;
                }
                Err(TrySendError::Disconnected(_)) => {
                    self.cancel.store(true, Ordering::Relaxed);
                    self.waiting.clear();
                }
            }
        }
        if self.waiting.len() < before {
            self.bell.ring();
        }
    }

    /// Whether all has gone through.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Set once nobody wants the rest.
    pub fn cancel(&self) -> &AtomicBool {
        &self.cancel
    }

    /// Whether nobody wants the rest.
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

impl Drop for Outbox {
    /// Nothing more comes, and who waits hears of that.
    fn drop(&mut self) {
        self.events = None;
        self.bell.ring();
    }
}

impl Inbox {
    /// The next event, waiting for it; `None` after the last.
    pub fn next(&self) -> Option<Event> {
        self.events.recv().ok()
    }

    /// The next event if there is one now, and `None` after the last.
    pub fn try_next(&self) -> Poll<Option<Event>> {
        match self.events.try_recv() {
            Ok(event) => Poll::Ready(Some(event)),
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
            Err(TryRecvError::Empty) => Poll::Pending,
        }
    }

    /// The same, and the task is woken when there is one. Only the last task that asked is.
    pub fn poll_next(&self, task: &mut Context<'_>) -> Poll<Option<Event>> {
        let now = self.try_next();
        if now.is_ready() {
            return now;
        }
        *self.bell.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.waker().clone());
        // One may have come before the bell was there to ring.
        self.try_next()
    }

    /// What cancels from anywhere.
    pub fn cancel(&self) -> &Arc<AtomicBool> {
        &self.cancel
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn prefill(done: usize) -> Event {
        Event::Prefill { done, total: 9 }
    }

    #[test]
    fn mailbox_wakes_who_waits_for_an_event_and_for_the_end() {
        let (mut outbox, inbox) = mailbox(1);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut task = Context::from_waker(&waker);
        let woken = || count.0.load(Ordering::Relaxed);
        assert!(inbox.poll_next(&mut task).is_pending());
        outbox.push(prefill(1));
        assert_eq!(woken(), 1);
        // There is room for one, and nobody waits now.
        outbox.push(prefill(2));
        assert!(!outbox.is_empty() && woken() == 1);
        assert!(matches!(inbox.poll_next(&mut task), Poll::Ready(Some(Event::Prefill { done: 1, .. }))));
        assert!(inbox.poll_next(&mut task).is_pending());
        outbox.flush();
        assert!(outbox.is_empty() && woken() == 2);
        assert!(matches!(inbox.poll_next(&mut task), Poll::Ready(Some(Event::Prefill { done: 2, .. }))));
        assert!(inbox.poll_next(&mut task).is_pending());
        drop(outbox);
        assert_eq!(woken(), 3);
        assert!(matches!(inbox.poll_next(&mut task), Poll::Ready(None)));
    }

    #[test]
    fn mailbox_of_a_client_that_is_gone_takes_everything() {
        let (mut outbox, inbox) = mailbox(1);
        (1..9).for_each(|done| outbox.push(prefill(done)));
        assert!(!outbox.is_empty() && !outbox.cancelled());
        drop(inbox);
        assert!(outbox.cancelled());
        outbox.flush();
        assert!(outbox.is_empty());
    }
}
