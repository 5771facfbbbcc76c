//! The first card's line to another one: to a thread of this process, or to another process.

use std::io::{self, BufReader};
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::call::{Answer, Call};
use super::watch::{LOOK, Watch};
use super::wire;
use crate::error::{Error, Result};

/// How long a thread may take to end after something went wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the top of this file.
#[derive(Debug)]
pub struct Line {
    /// Which card it goes to.
    who: String,
    to: To,
    answers: Receiver<Answer>,
    watch: Arc<Watch>,
    /// The thread at its other end, or the one that listens to it.
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum To {
    Thread(Sender<Arc<Call>>),
    Process(TcpStream),
}

impl Line {
    /// To a new thread, which does as `work` says: with what it is told, and with what it answers by. What goes wrong it says itself.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn to_thread(
        who: String,
        watch: &Arc<Watch>,
        work: impl FnOnce(Receiver<Arc<Call>>, &dyn Fn(Answer)) + Send + 'static,
    ) -> io::Result<Line> {
        let (to, calls) = channel();
        let (answer, answers) = channel();
        let (name, watched) = (who.clone(), Arc::clone(watch));
        let run = move || {
            // Where nobody waits for an answer the run has ended.
            let worked = catch_unwind(AssertUnwindSafe(|| work(calls, &|words| drop(answer.send(words)))));
            if worked.is_err() {
                watched.lost(&name, "its thread panicked, which is a bug of tercet's");
            }
        };
        let thread = std::thread::Builder::new().name(format!("tercet-{who}")).spawn(run)?;
        Ok(Line { who, to: To::Thread(to), answers, watch: Arc::clone(watch), thread })
    }

    /// To another process, which has been greeted.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn to_process(who: String, stream: TcpStream, watch: &Arc<Watch>) -> io::Result<Line> {
        let (answer, answers) = channel();
        let (name, watched) = (who.clone(), Arc::clone(watch));
        let mut from = BufReader::new(stream.try_clone()?);
        let listen = move || {
            loop {
                match wire::receive(&mut from) {
                    Ok(Answer::Failed { problem }) => watched.lost(&name, &problem),
                    Ok(words) => drop(answer.send(words)),
                    Err(error) => return watched.lost(&name, &gone(&error)),
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("tercet-{who}")).spawn(listen)?;
        Ok(Line { who, to: To::Process(stream), answers, watch: Arc::clone(watch), thread })
    }

    /// Which card it goes to.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Tells it something.
    ///
    /// # Errors
    /// It is gone.
    pub fn tell(&mut self, call: &Arc<Call>) -> Result<()> {
        let problem = match &mut self.to {
            To::Thread(to) => to.send(Arc::clone(call)).err().map(|_| "it has ended".to_owned()),
            To::Process(stream) => wire::send(stream, &**call).err().map(|error| gone(&error)),
        };
        match problem {
            None => Ok(()),
            Some(problem) => {
                self.watch.lost(&self.who, &problem);
                self.watch.check()
            }
        }
    }

    /// What it answers.
    ///
    /// # Errors
    /// It is gone, or another one is.
    pub fn answer(&self) -> Result<Answer> {
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) => self.watch.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.watch.check()?;
                    return Err(Error::Other { who: self.who.clone(), problem: "it has ended".into() });
                }
            }
        }
    }

    /// Ends it with a last word, and waits until its thread has ended.
    pub fn end(mut self, word: &Arc<Call>) {
        // Whoever is gone needs no word.
        let _ = self.tell(word);
        match &self.to {
            To::Thread(_) => {}
            // It hangs up when it is through with what it was told.
            To::Process(stream) => drop(stream.shutdown(Shutdown::Write)),
        }
        let Line { to, thread, watch, .. } = self;
        drop(to);
        // One that waits for cards that will never come is left to the end of the program.
        let began = Instant::now();
        while !thread.is_finished() && (watch.check().is_ok() || began.elapsed() < PATIENCE) {
            std::thread::sleep(LOOK);
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

/// What an ended connection means.
pub(super) fn gone(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "its process is gone".into()
        }
        _ => error.to_string(),
    }
}
