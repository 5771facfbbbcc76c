//! Work lists over scoped threads. Which thread takes an item never changes what the item computes.

use std::sync::Mutex;

/// Calls `f` on every item from `threads` threads (the caller is one of them) and waits.
pub(crate) fn for_each<T: Send>(threads: usize, items: Vec<T>, f: impl Fn(T) + Sync) {
    let threads = threads.min(items.len());
    if threads <= 1 {
        items.into_iter().for_each(f);
        return;
    }
    let queue = Mutex::new(items.into_iter());
    let work = || {
        loop {
            let item = queue.lock().expect("no holder panics").next();
            match item {
                Some(item) => f(item),
                None => break,
            }
        }
    };
    std::thread::scope(|s| {
        for _ in 1..threads {
            s.spawn(work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_visits_every_item_once() {
        for threads in [1, 2, 5] {
            let mut seen = vec![0u32; 17];
            for_each(threads, seen.iter_mut().collect(), |v| *v += 1);
            assert_eq!(seen, vec![1; 17]);
        }
    }
}
