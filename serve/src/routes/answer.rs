//! From a request whose fields are read to its answer: its turn, its prompts as ids, its texts, and what of them goes out, as a
//! whole or piece by piece.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use formats::tokenizer::Tokenizer;
use runtime::request::{GenerateRequest, LogProbs, WhenFull};
use serde_json::Value;
use text::{Ask, Ending, Stops};

use super::call::Call;
use super::json;
use super::pieces::pieces;
use crate::api::choices::{Certain, Choice, Head, Shape};
use crate::api::{Refusal, Settings, Stream, Usage};
use crate::blocking::blocking;
use crate::state::State;
use crate::texts::{About, Line, Out, RequestKind, Served, Ticket, Turned, Writing, write};

/// A request whose fields are read.
pub struct Asked {
    pub shape: Shape,
    pub served: Arc<Served>,
    pub settings: Settings,
    pub stream: Stream,
    /// Most tokens of an answer; `None` for as many as there is room for.
    pub max_tokens: Option<usize>,
    pub log_probs: Option<usize>,
    pub echo: bool,
    /// Its path, and the field that its prompts were in.
    pub route: &'static str,
    pub field: &'static str,
}

/// An answer on its way.
pub struct Answer {
    pub head: Head,
    pub tokenizer: Arc<Tokenizer>,
    texts: Vec<Growing>,
    /// Answers to each prompt.
    answers: usize,
    pub usage: Usage,
    /// Texts that have not ended.
    left: usize,
}

/// One of its texts.
struct Growing {
    choice: Choice,
    /// The prompt, where the answer begins with it and has not begun.
    echo: Option<Vec<(u32, Option<LogProbs>)>>,
    scored: usize,
}

/// Answers a request whose prompts `ids` makes, on a thread where that may take its time.
///
/// # Errors
/// No turn for it; prompts that cannot be; what broke before anything was sent.
pub async fn answer(
    state: &State,
    call: &Call,
    asked: Asked,
    ids: impl FnOnce(&Served) -> Result<Vec<Vec<u32>>, Refusal> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    let (line, ticket) = turn(state, call, &asked)?;
    let served = Arc::clone(&asked.served);
    let context = asked.served.running().engine.context();
    let prompts = blocking(move || ids(&served)).await.and_then(|prompts| {
        let long = prompts.iter().find(|prompt| prompt.len() > context);
        long.map_or(Ok(()), |long| Err(Refusal::too_long(asked.field, long.len(), context)))?;
        Ok(prompts)
    });
    let prompts = prompts.inspect_err(|refusal| ticket.refused(refusal))?;
    let (mut asks, mut texts) = (Vec::new(), Vec::new());
    for prompt in &prompts {
        for number in 0..asked.settings.answers {
            asks.push(asked.ask(prompt.clone(), number, context));
            let echo = asked.echo.then(|| prompt.iter().map(|&id| (id, None)).collect());
            texts.push(Growing { choice: Choice::default(), echo, scored: 0 });
        }
    }
    let answer = Answer {
        head: Head::new(asked.shape, call.id(), asked.served.name(), asked.log_probs.is_some()),
        tokenizer: Arc::clone(&asked.served.opened().tokenizer),
        left: texts.len(),
        texts,
        answers: asked.settings.answers,
        usage: Usage::default(),
    };
    let metrics = Arc::clone(&state.metrics);
    let writing = write(asked.served, line, ticket, metrics, state.limits.request, asked.field, asks);
    if asked.stream.on { Ok(pieces(writing, answer, asked.stream)) } else { whole(writing, answer).await }
}

/// A place in the line and in the list.
fn turn(state: &State, call: &Call, asked: &Asked) -> Result<(Line, Ticket), Refusal> {
    let line = match asked.served.queue().join() {
        Ok(line) => line,
        Err(Turned::Full(waiting)) => return Err(Refusal::busy(waiting)),
        Err(Turned::Closed) => return Err(Refusal::draining()),
    };
    let kind = match asked.shape {
        Shape::Chat => RequestKind::Chat,
        Shape::Completion if asked.echo && asked.max_tokens == Some(0) => RequestKind::Score,
        Shape::Completion => RequestKind::Completion,
    };
    call.lists();
    let (client, model) = (call.client(), asked.served.name().to_owned());
    Ok((line, state.registry.enter(About { client, model, kind, route: asked.route.to_owned() })))
}

impl Asked {
    fn ask(&self, prompt: Vec<u32>, number: usize, context: usize) -> Ask {
        let Settings { sampling, bias, stops, stop_ids, endless, .. } = &self.settings;
        let mut sampling = *sampling;
        sampling.seed = sampling.seed.wrapping_add(number as u64);
        let own = if *endless { Vec::new() } else { self.served.opened().stop_ids() };
        let request = GenerateRequest {
            // The last token that is written need not be read.
            max_tokens: self.max_tokens.unwrap_or(context + 1 - prompt.len()),
            prompt,
            sampling,
            bias: bias.clone(),
            stop: [&own[..], stop_ids].concat(),
            when_full: WhenFull::Stop,
            log_probs: self.log_probs,
            score_prompt: self.echo,
        };
        Ask { request, stops: Stops::new(stops) }
    }
}

impl Answer {
    /// Takes what happened to a text: what of it is certain now, and how it ended, if it has.
    ///
    /// # Errors
    /// What broke.
    pub fn take(&mut self, index: usize, out: Out) -> Result<(Certain, Option<Ending>), Refusal> {
        let growing = &mut self.texts[index];
        let (growth, token) = match out {
            Out::Read { .. } => return Ok((Certain::default(), None)),
            Out::Scored(log_probs) => {
                if let Some(token) = growing.echo.as_mut().and_then(|echo| echo.get_mut(growing.scored)) {
                    token.1 = log_probs;
                }
                growing.scored += 1;
                return Ok((Certain::default(), None));
            }
            Out::Token(id, growth, log_probs) => (growth, Ok((id, log_probs))),
            Out::End(Ok((growth, ending, usage))) => {
                self.usage.add(&usage, !index.is_multiple_of(self.answers));
                self.left -= 1;
                (growth, Err(ending))
            }
            Out::End(Err(refusal)) => return Err(refusal),
        };
        let mut all = match growing.echo.take() {
            Some(prompt) => growing.choice.echo(&self.tokenizer, &prompt),
            None => Certain::default(),
        };
        let (more, ending) = match token {
            Ok((id, log_probs)) => (growing.choice.push(id, growth, log_probs), None),
            Err(ending) => (growing.choice.end(growth), Some(ending)),
        };
        all.add(more);
        Ok((all, ending))
    }

    /// How many texts it has.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// Whether all of them have ended.
    pub fn is_whole(&self) -> bool {
        self.left == 0
    }
}

/// Waits for all texts.
async fn whole(mut writing: Writing, mut answer: Answer) -> Result<Response<Body>, Refusal> {
    let mut all = vec![(Certain::default(), None); answer.texts()];
    while !answer.is_whole() {
        let Some((index, out)) = writing.next().await else {
            return Err(Refusal::fault("the text broke off"));
        };
        let (certain, ending) = answer.take(index, out)?;
        all[index].0.add(certain);
        all[index].1 = ending;
    }
    let choice = |(index, (certain, ending)): (usize, &(Certain, Option<Ending>))| {
        let ending = ending.as_ref().unwrap_or(&Ending::Cancelled);
        answer.head.choice(index, certain, ending, &answer.tokenizer)
    };
    let choices: Vec<Value> = all.iter().enumerate().map(choice).collect();
    Ok(json(&answer.head.whole(choices, &answer.usage)))
}
