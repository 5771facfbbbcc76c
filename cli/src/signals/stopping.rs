//! Signals while work goes on that ends in good order when it is told to: a flag that it looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{Heard, Patience, Signal, leave_at_once, listen};
use crate::terminal::note;

/// A flag that the first request to stop sets, saying so; see [`Patience`] for those after it.
pub fn stop_flag(says: &'static str) -> Arc<AtomicBool> {
    flag(says, None)
}

/// The same, with `save` called at each [`Signal::Save`].
pub fn stop_flag_and_save(says: &'static str, save: impl FnMut() + Send + 'static) -> Arc<AtomicBool> {
    flag(says, Some(Box::new(save)))
}

fn flag(says: &'static str, mut save: Option<Box<dyn FnMut() + Send>>) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let mut patience = Patience::new();
    let listening = listen(save.is_some(), move |signal| match (signal, &mut save) {
        (Signal::Save, Some(save)) => save(),
        (Signal::Save, None) => {}
        (stop, _) => match patience.hear(stop, Instant::now()) {
            Heard::Stop => {
                set.store(true, Ordering::SeqCst);
                note(format_args!("{says}; Ctrl-C again, a second from now, leaves at once"));
            }
            Heard::Again => {}
            Heard::Leave => leave_at_once(),
        },
    });
    // Unheard, signals still end the program.
    if let Err(error) = listening {
        note(format_args!("Ctrl-C will end this at once: {error:#}"));
    }
    flag
}
