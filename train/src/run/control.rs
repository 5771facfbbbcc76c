//! What somebody may ask of a run while it goes: wait, go on, save, write a sample, stop. It is looked at between two steps, and
//! nothing that is asked changes a bit of what is computed.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

/// How often a waiting run looks whether it is to stop.
const WAIT: Duration = Duration::from_millis(50);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Wait, with everything in memory.
    Pause,
    /// Go on.
    Resume,
    /// Write a checkpoint now.
    Save,
    /// Write a sample now.
    Sample,
    /// Save and stop.
    Stop,
}

impl Order {
    /// All of them.
    pub const ALL: [Order; 5] = [Order::Pause, Order::Resume, Order::Save, Order::Sample, Order::Stop];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Order::Pause => "pause",
            Order::Resume => "resume",
            Order::Save => "save",
            Order::Sample => "sample",
            Order::Stop => "stop",
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Order, String> {
        let order = Order::ALL.into_iter().find(|o| o.word() == text.trim());
        order.ok_or_else(|| {
            format!("no order: {:?}; expected pause, resume, save, sample or stop", text.trim())
        })
    }
}

/// Who may ask.
#[derive(Debug)]
pub struct Control<'a> {
    cancel: &'a AtomicBool,
    orders: Option<&'a Receiver<Order>>,
}

impl<'a> From<&'a AtomicBool> for Control<'a> {
    fn from(cancel: &'a AtomicBool) -> Self {
        Control { cancel, orders: None }
    }
}

impl<'a> Control<'a> {
    /// A flag that stops the run, and orders. When nobody can give orders any more the run goes on, also if it waits.
    pub fn new(cancel: &'a AtomicBool, orders: &'a Receiver<Order>) -> Control<'a> {
        Control { cancel, orders: Some(orders) }
    }

    /// Whether the flag is set.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::SeqCst)
    }

    /// The next order, if there is one; a run that is `held` waits for it.
    pub(super) fn next(&mut self, held: bool) -> Option<Order> {
        loop {
            let orders = self.orders?;
            if self.is_cancelled() {
                return None;
            }
            let order = if held {
                orders.recv_timeout(WAIT).map_err(|e| e == RecvTimeoutError::Disconnected)
            } else {
                orders.try_recv().map_err(|e| e == TryRecvError::Disconnected)
            };
            match order {
                Ok(order) => return Some(order),
                Err(true) => {
                    self.orders = None;
                    return held.then_some(Order::Resume);
                }
                Err(false) if held => {}
                Err(false) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn control_lets_a_waiting_run_go_when_nobody_can_resume_it() {
        let cancel = AtomicBool::new(false);
        let (give, orders) = channel();
        let mut control = Control::new(&cancel, &orders);
        assert_eq!(control.next(false), None);
        give.send(Order::Save).unwrap();
        assert_eq!(control.next(false), Some(Order::Save));
        drop(give);
        assert_eq!(control.next(true), Some(Order::Resume));
        assert_eq!((control.next(true), control.next(false)), (None, None));
        let (_give, orders) = channel();
        cancel.store(true, Ordering::SeqCst);
        assert_eq!(Control::new(&cancel, &orders).next(true), None);
        assert_eq!(Control::from(&cancel).next(true), None);
    }

    #[test]
    fn orders_are_words() {
        for order in Order::ALL {
            assert_eq!(format!(" {}\r", order.word()).parse(), Ok(order));
        }
        assert!("stopp".parse::<Order>().unwrap_err().contains("expected pause"));
    }
}
