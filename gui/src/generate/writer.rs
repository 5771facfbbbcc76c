//! One text being written: a thread takes the engine's tokens as fast as they come and notes when each came, so that the speed
//! shown is the engine's and not the window's. The page takes what there is, once a frame.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use eframe::egui;
use runtime::engine::Canceller;
use runtime::request::{GenerateRequest, LogProbs, Stats};
use serde::{Deserialize, Serialize};
use text::{End, Ending, Growth, Piece, Recent, Source, Stops, TextStream};

use super::manuscript::Manuscript;
use crate::open::Loaded;

/// The time over which the speed of now is taken.
const NOW: Duration = Duration::from_secs(1);
/// Least time between two pictures.
const FRAME: Duration = Duration::from_millis(16);
/// What a text ends with whose engine is gone.
const NO_WORD: &str = "the engine stopped without a word; open the model again";

/// The figures of one text, while it is written and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the text's beginning that had no room before it.
    pub dropped: usize,
    /// Tokens of the prompt that were read so far.
    pub prompt_read: usize,
    /// Tokens written.
    pub tokens: usize,
    /// From the request to the first token.
    pub first_token: Option<Duration>,
    /// Tokens per second of the last second.
    pub rate_now: Option<f64>,
    /// Of the whole text, the first token aside.
    pub rate: Option<f64>,
    /// Of the prompt, as the engine measured it.
    pub prompt_rate: Option<f64>,
    /// Since the request.
    pub elapsed: Duration,
    /// Tokens that the model has in sight.
    pub context_used: usize,
    /// What it can have.
    pub context: usize,
}

/// Why a text ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As many tokens as were asked for.
    Length,
    /// The model ended it.
    Model,
    /// One of the strings that end a text.
    Stop(String),
    /// A person ended it.
    Cancelled,
    /// Something broke: what it said.
    Failed(String),
}

/// Makes a prompt, or says why there is none.
pub type MakePrompt = Box<dyn FnOnce(&Loaded) -> Result<Recent, String> + Send>;

/// What is to be written. The prompt is made on the writer's own thread: a long text takes its time to become ids, and a template may take long too.
pub struct WriteRequest {
    pub model: Arc<Loaded>,
    /// What makes the prompt.
    pub prompt: MakePrompt,
    /// What is asked for, but for the prompt.
    pub request: GenerateRequest,
    /// Strings that end what the model writes.
    pub stops: Stops,
}

/// What the writer's thread tells.
#[derive(Debug)]
enum News {
    /// The prompt has so many ids, and so many had no room.
    Prompt(usize, usize),
    /// What the engine wrote.
    Piece(Piece),
    /// Somebody ended it before it began.
    Cancelled,
    /// It does not begin, and why.
    Refused(String),
}

/// A text being written.
#[derive(Debug)]
pub struct Writer {
    events: Receiver<(Instant, News)>,
    cancelled: Arc<AtomicBool>,
    canceller: Arc<OnceLock<Canceller>>,
    began: Instant,
    times: VecDeque<Instant>,
    first_at: Option<Instant>,
    last_at: Instant,
    /// Its figures so far.
    pub figures: Figures,
    /// What a device said that failed meanwhile.
    pub fault: Option<String>,
}

impl Writer {
    /// Hands an order to its model's engine.
    ///
    /// # Errors
    /// No thread to be had.
    pub fn start(wanted: WriteRequest, ctx: &egui::Context) -> Result<Writer, String> {
        let WriteRequest { model, prompt, request, stops } = wanted;
        let figures = Figures { context: model.engine.context(), ..Figures::default() };
        let (cancelled, canceller) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::new()));
        let (flag, slot) = (Arc::clone(&cancelled), Arc::clone(&canceller));
        let began = Instant::now();
        // Bounded by the tokens that were asked for.
        let (sender, events) = channel();
        let ctx = ctx.clone();
        let work = move || {
            let tell = |news| sender.send((Instant::now(), news)).is_ok();
            if let Err(why) = serve(&model, prompt, request, stops, &flag, &slot, &ctx, &tell) {
                tell(News::Refused(why));
            }
            ctx.request_repaint();
        };
        std::thread::Builder::new()
            .name("tokens".into())
            .spawn(work)
            .map_err(|e| format!("The system gives no thread to write with: {e}"))?;
        Ok(Writer {
            events,
            cancelled,
            canceller,
            began,
            times: VecDeque::new(),
            first_at: None,
            last_at: began,
            figures,
            fault: None,
        })
    }

    /// Ends the text within a token.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        if let Some(canceller) = self.canceller.get() {
            canceller.cancel();
        }
    }

    /// Appends what came to the text; says how it ended, once it has.
    pub fn take(&mut self, text: &mut Manuscript) -> Option<Ended> {
        let mut ended = None;
        loop {
            let (at, news) = match self.events.try_recv() {
                Ok(news) => news,
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(_) => {
                    ended = Some(Ended::Failed(NO_WORD.into()));
                    break;
                }
            };
            ended = match news {
                News::Prompt(tokens, dropped) => {
                    let f = &mut self.figures;
                    (f.prompt_tokens, f.dropped, f.context_used) = (tokens, dropped, tokens);
                    None
                }
                News::Piece(piece) => self.accept(text, at, piece),
                News::Cancelled => Some(Ended::Cancelled),
                News::Refused(why) => Some(Ended::Failed(why)),
            };
            if ended.is_some() {
                self.cancel();
                break;
            }
        }
        self.rates();
        ended
    }

    fn accept(&mut self, text: &mut Manuscript, at: Instant, piece: Piece) -> Option<Ended> {
        match piece {
            Piece::Prefill { done, .. } => {
                // Once there is text, it is a slide that reads.
                if self.first_at.is_none() {
                    self.figures.prompt_read = done;
                }
                None
            }
            // It is not asked for.
            Piece::Scored { .. } => None,
            Piece::Token { id, text: growth, log_probs } => {
                self.count(at);
                let LogProbs { chosen, likeliest } = log_probs.unwrap_or_default();
                let likeliest: Arc<[_]> = likeliest.into_iter().map(|(id, p)| (id, p as f32)).collect();
                let log_prob = (!likeliest.is_empty()).then_some(chosen);
                text.push(id, &growth.decoded, log_prob, likeliest);
                cut(text, &growth);
                None
            }
            Piece::End(End { text: growth, how, fault }) => {
                if !growth.decoded.is_empty() {
                    text.complete(&growth.decoded);
                    cut(text, &growth);
                }
                self.fault = fault;
                Some(match how {
                    Ok((ending, stats)) => {
                        self.done(&stats);
                        match ending {
                            Ending::Length => Ended::Length,
                            Ending::Model => Ended::Model,
                            Ending::Stop(string) => Ended::Stop(string),
                            Ending::Context | Ending::Cancelled => Ended::Cancelled,
                        }
                    }
                    Err(text::Error::Model(runtime::Error::EngineStopped)) => Ended::Failed(NO_WORD.into()),
                    Err(error) => Ended::Failed(error.to_string()),
                })
            }
        }
    }

    /// Counts a token that came.
    fn count(&mut self, at: Instant) {
        self.figures.tokens += 1;
        self.figures.context_used += 1;
        if self.figures.context_used > self.figures.context {
            // The engine slid: it reads the last half again.
            self.figures.context_used = self.figures.context / 2 + 1;
        }
        self.first_at.get_or_insert(at);
        self.last_at = at;
        self.times.push_back(at);
    }

    fn done(&mut self, stats: &Stats) {
        self.figures.prompt_rate = stats.prefill_tokens_per_sec();
        self.figures.rate = stats.decode_tokens_per_sec().or(self.figures.rate);
        self.figures.prompt_read = self.figures.prompt_tokens;
    }

    fn rates(&mut self) {
        let f = &mut self.figures;
        let now = Instant::now();
        while self.times.front().is_some_and(|t| now.duration_since(*t) > NOW) {
            self.times.pop_front();
        }
        f.elapsed = self.began.elapsed();
        let Some(first) = self.first_at else { return };
        f.first_token = Some(first - self.began);
        let span = (self.last_at - first).as_secs_f64();
        if f.tokens > 1 && span > 0.0 {
            f.rate = Some((f.tokens - 1) as f64 / span);
        }
        f.rate_now = match (self.times.front(), self.times.back()) {
            (Some(from), Some(to)) if to > from => {
                Some((self.times.len() - 1) as f64 / (*to - *from).as_secs_f64())
            }
            _ => f.rate,
        };
    }
}

/// Takes back what belongs to a stop string.
fn cut(text: &mut Manuscript, growth: &Growth) {
    if growth.cut > 0 {
        text.cut(text.buffer.len() - growth.cut);
    }
}

/// The writer's thread: makes the prompt, hands it in and passes on what comes. An error is why there is nothing to pass on.
fn serve(
    model: &Loaded,
    prompt: MakePrompt,
    request: GenerateRequest,
    stops: Stops,
    cancelled: &AtomicBool,
    canceller: &OnceLock<Canceller>,
    ctx: &egui::Context,
    tell: &impl Fn(News) -> bool,
) -> Result<(), String> {
    let prompt = prompt(model)?;
    if cancelled.load(Ordering::SeqCst) {
        tell(News::Cancelled);
        return Ok(());
    }
    tell(News::Prompt(prompt.ids.len(), prompt.dropped));
    let request = GenerateRequest { prompt: prompt.ids, ..request };
    let stream = TextStream::start(&model.engine, &model.opened.tokenizer, request, stops)
        .map_err(|e| e.to_string())?;
    let canceller = canceller.get_or_init(|| stream.canceller());
    // Between the question above and here somebody may have changed their mind.
    if cancelled.load(Ordering::SeqCst) {
        canceller.cancel();
    }
    pass_on(stream, ctx, tell);
    Ok(())
}

/// Tells the page of each piece, as long as it wants to know.
fn pass_on(stream: TextStream<'_, impl Source>, ctx: &egui::Context, tell: &impl Fn(News) -> bool) {
    for piece in stream {
        if !tell(News::Piece(piece)) {
            break;
        }
        ctx.request_repaint_after(FRAME);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests;
