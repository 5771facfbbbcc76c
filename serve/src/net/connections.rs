//! The connections there are. Where there are as many as may be, the longest idle one gives way to a new one: nobody keeps others out by
//! opening connections and asking nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// All of them.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    next: u64,
    open: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Requests of it that have no answer yet, or one that is on its way.
    asks: usize,
    /// Since when there is none.
    idle_since: Instant,
    close: Arc<Notify>,
}

/// A connection, in the list as long as this is there.
#[derive(Debug)]
pub struct Connection {
    connections: Arc<Connections>,
    id: u64,
    close: Arc<Notify>,
}

/// A request of a connection, until its answer is sent or given up.
#[derive(Debug)]
pub struct Asking(Arc<Connection>);

impl Connections {
    /// None yet, and at most so many.
    pub fn new(most: usize) -> Arc<Connections> {
        Arc::new(Connections { most, all: Mutex::default() })
    }

    /// A new one, unless all there may be are asking something.
    pub fn open(self: &Arc<Connections>) -> Option<Connection> {
        let mut all = self.all();
        if all.open.len() >= self.most {
            let idle = all.open.iter().filter(|(_, entry)| entry.asks == 0);
            let (&longest, entry) = idle.min_by_key(|(_, entry)| entry.idle_since)?;
            entry.close.notify_one();
            all.open.remove(&longest);
        }
        let (id, close) = (all.next, Arc::new(Notify::new()));
        all.next += 1;
        all.open.insert(id, Entry { asks: 0, idle_since: Instant::now(), close: Arc::clone(&close) });
        Some(Connection { connections: Arc::clone(self), id, close })
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Returns when it has to give way.
    pub async fn gives_way(&self) {
        loop {
            self.close.notified().await;
            if !self.connections.all().open.contains_key(&self.id) {
                return;
            }
        }
    }

    /// Whether a request of it is being served.
    pub fn is_asking(&self) -> bool {
        self.connections.all().open.get(&self.id).is_some_and(|entry| entry.asks > 0)
    }

    /// A request begins. If it came just as the connection was to give way, it stays.
    pub fn asks(self: &Arc<Connection>) -> Asking {
        let back = || Entry { asks: 0, idle_since: Instant::now(), close: Arc::clone(&self.close) };
        self.connections.all().open.entry(self.id).or_insert_with(back).asks += 1;
        Asking(Arc::clone(self))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.all().open.remove(&self.id);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(entry) = self.0.connections.all().open.get_mut(&self.0.id) {
            entry.asks -= 1;
            entry.idle_since = Instant::now();
        }
    }
}
