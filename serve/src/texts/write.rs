//! Texts of one request as they are written, each by a task of its own: it waits for its turn, has the engine write, and hands on what
//! comes as fast as the client takes it. Dropping the [`Writing`] ends all of them at their next pass.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use runtime::request::LogProbs;
use text::{Ask, End, Ending, Growth, Piece};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::queue::Line;
use super::registry::Ticket;
use super::served::Served;
use crate::api::{Refusal, Usage};
use crate::blocking::blocking;
use crate::metrics::Metrics;

/// Pieces that may wait for a client beside those that the engine holds.
const PIECES: usize = 4;

/// What happens to a text.
#[derive(Debug)]
pub enum Out {
    /// So many tokens of the prompt have been read.
    Read {
        /// Read so far.
        done: usize,
        /// In all.
        total: usize,
    },
    /// What the model thought of a token of the prompt.
    Scored(Option<LogProbs>),
    /// A token was written.
    Token(u32, Growth, Option<LogProbs>),
    /// The end; nothing follows.
    End(Result<(Growth, Ending, Usage), Refusal>),
}

/// What all texts of a request share.
#[derive(Debug)]
struct Shared {
    served: Arc<Served>,
    line: Line,
    ticket: Ticket,
    metrics: Arc<Metrics>,
    time_max: Duration,
    /// The field that held their prompts.
    field: &'static str,
}

/// Texts that are being written.
#[derive(Debug)]
pub struct Writing {
    pieces: mpsc::Receiver<(usize, Out)>,
}

impl Writing {
    /// What happens next, and to which text; `None` once all have ended.
    pub async fn next(&mut self) -> Option<(usize, Out)> {
        self.pieces.recv().await
    }

    /// The same, for who polls.
    pub fn poll_next(&mut self, task: &mut std::task::Context<'_>) -> std::task::Poll<Option<(usize, Out)>> {
        self.pieces.poll_recv(task)
    }
}

/// Has texts written, at the turns of `line`, within so much time since the ticket was made.
pub fn write(
    served: Arc<Served>,
    line: Line,
    ticket: Ticket,
    metrics: Arc<Metrics>,
    time_max: Duration,
    field: &'static str,
    asks: Vec<Ask>,
) -> Writing {
    ticket.asks(asks.len(), asks.iter().map(|ask| ask.request.prompt.len()).sum());
    let shared = Arc::new(Shared { served, line, ticket, metrics, time_max, field });
    let (sender, pieces) = mpsc::channel(PIECES);
    for (index, ask) in asks.into_iter().enumerate() {
        tokio::spawn(one(Arc::clone(&shared), index, ask, sender.clone()));
    }
    Writing { pieces }
}

/// Writes one text, until it ends, takes too long, is cancelled, or nobody wants it any more.
async fn one(shared: Arc<Shared>, index: usize, ask: Ask, out: mpsc::Sender<(usize, Out)>) {
    let deadline = (shared.ticket.since() + shared.time_max).into();
    let refusal = tokio::select! {
        biased;
        () = out.closed() => return,
        () = shared.ticket.cancelled() => Refusal::cancelled(),
        written = timeout_at(deadline, through(&shared, index, ask, &out)) => match written {
            Ok(Ok(())) => return,
            Ok(Err(refusal)) => refusal,
            Err(_) => Refusal::timed_out(shared.time_max),
        },
    };
    shared.ticket.refused(&refusal);
    // A client that does not take the pieces before this does not hold anything up but this task.
    let _ = out.send((index, Out::End(Err(refusal)))).await;
}

/// Hands on everything that happens to a text, its end among it.
async fn through(
    shared: &Arc<Shared>,
    index: usize,
    ask: Ask,
    out: &mpsc::Sender<(usize, Out)>,
) -> Result<(), Refusal> {
    let Shared { served, line, ticket, metrics, field, .. } = &**shared;
    let _place = line.place().await;
    ticket.begins();
    let mut running = served.running();
    if running.engine.is_stopped() {
        restart(shared, &running).await?;
        running = served.running();
    }
    let mut stream = running.write(ask).map_err(|error| Refusal::of(&error, field))?;
    let (mut read, mut written) = (0, 0);
    while let Some(piece) = poll_fn(|task| stream.poll_next(task)).await {
        let piece = match piece {
            Piece::Prefill { done, total } => {
                ticket.read(done.saturating_sub(read));
                read = read.max(done);
                Out::Read { done, total }
            }
            Piece::Scored { log_probs, .. } => Out::Scored(log_probs),
            Piece::Token { id, text, log_probs } => {
                written += 1;
                metrics.wrote(ticket.wrote());
                Out::Token(id, text, log_probs)
            }
            Piece::End(End { text, how, .. }) => Out::End(match how {
                Ok((ending, stats)) => {
                    let usage = Usage::of(&stats, written);
                    metrics.ended(&usage);
                    ticket.ended(usage.cached_tokens);
                    Ok((text, ending, usage))
                }
                Err(error) => {
                    let refusal = Refusal::of(&error, field);
                    ticket.refused(&refusal);
                    Err(refusal)
                }
            }),
        };
        if out.send((index, piece)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Starts a model anew whose engine has ended.
async fn restart(shared: &Arc<Shared>, broken: &Arc<text::Running>) -> Result<(), Refusal> {
    let (of_task, broken) = (Arc::clone(shared), Arc::clone(broken));
    // It goes on also if whoever asked for it goes away.
    blocking(move || {
        let restarted = of_task.served.restart(&broken);
        if restarted.map_err(|error| Refusal::fault(formats::sentence(&error)))? {
            of_task.metrics.restarted();
        }
        Ok(())
    })
    .await
}
