//! `tercet bench serve`: a server under load, ours or anybody's. `serve::load` asks and takes times; this makes rows of them.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use bench::{NoteRow, Row, ServingRow, Stats, machine};
use serve::load::{Address, Arrivals, Asked, Client, Plan};

use super::output::Output;
use super::table::Table;
use crate::exit::{self, usage};
use crate::serve::{Seconds, key_of_environment};
use crate::terminal::{note, say};

/// What `tercet bench serve` was asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each client asks for a text of its own, takes it token by token, and asks again. A row says how many tokens all of them got each second, and how long half, 95 % and 99 % of first tokens, further tokens and whole requests took at most. docs/bench/README.md says how each figure is measured.\n\nA key can also come from the variable TERCET_API_KEY."
)]
pub struct Args {
    /// Where the server is
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8082")]
    address: String,
    /// The model to ask, by the name the server calls it [default: its first]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The key that the server asks for
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Ask for conversations, not for completions
    #[arg(long)]
    chat: bool,
    /// Clients at once; each number is a row
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,4,16")]
    streams: Vec<NonZeroUsize>,
    /// Requests each second on average, come at random, instead of clients that wait for their answers; each number is a row
    #[arg(long, value_name = "R", value_delimiter = ',', conflicts_with = "streams")]
    rate: Vec<f64>,
    /// Requests of a row [default: 4 for each client; 10 seconds' of a rate]
    #[arg(short = 'r', long, value_name = "N")]
    requests: Option<NonZeroUsize>,
    /// Tokens of a prompt, about: it is made of words
    #[arg(short = 'p', long = "prompt", value_name = "N", default_value = "128")]
    prompt: NonZeroUsize,
    /// Of those, tokens that all prompts begin with
    #[arg(long, value_name = "N", default_value_t = 0)]
    shared: usize,
    /// Tokens of an answer
    #[arg(short = 'n', long = "tokens", value_name = "N", default_value = "128")]
    tokens: NonZeroUsize,
    /// Longest time of a request, in seconds
    #[arg(long, value_name = "S", default_value = "600")]
    timeout: Seconds,
    /// Decides words and arrivals; the time of day if absent, so that no server has seen them
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    #[command(flatten)]
    output: Output,
}

/// Runs `tercet bench serve`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let format = args.output.format()?;
    let address: Address =
        args.address.parse().map_err(|error: serve::load::Error| usage(error.to_string()))?;
    let arrivals = arrivals(args)?;
    let key = match &args.key {
        Some(key) => Some(key.clone()),
        None => key_of_environment()?,
    };
    let client = Client::new(address.clone(), key.as_deref())?;
    let plan = Plan {
        model: model(args.model.as_deref(), &client.models()?)?,
        chat: args.chat,
        arrivals: arrivals[0],
        requests: 0,
        prompt_tokens: args.prompt.get(),
        shared_tokens: args.shared,
        answer_tokens: args.tokens.get(),
        seed: args.seed.unwrap_or_else(now),
        timeout: args.timeout.duration(),
    };
    let cancel = crate::signals::stop_flag("stopping");
    let mut table = args.output.leaves_stdout().then(Table::default);
    let mut rows = Vec::new();
    let mut take = |row: Row| {
        if let Some(table) = &mut table {
            say(format_args!("{}", table.lines(&row).trim_end_matches('\n')));
        }
        rows.push(row);
    };
    take(Row::Machine(machine::describe(env!("TERCET_COMMIT"))));
    let who = format!("this machine asks {} at {address}", plan.model);
    take(Row::Note(NoteRow { test: "note", note: who }));
    let tokens_per_word = client.tokens_per_word(&plan)?;
    let mut failed = 0;
    for (i, arrivals) in (0_u64..).zip(arrivals) {
        let plan = Plan {
            arrivals,
            requests: args.requests.map_or_else(|| requests(arrivals), NonZeroUsize::get),
            // Other words in each row: what is kept of one must not help the next.
            seed: plan.seed.wrapping_add(i << 32),
            ..plan.clone()
        };
        let mut asked = Vec::new();
        client.run(&plan, tokens_per_word, &cancel, |one| asked.push(one));
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        let row = row(&plan, &address, &asked);
        failed += row.failed;
        take(Row::Serving(row));
    }
    args.output.write(&rows, format)?;
    if cancel.load(Ordering::Relaxed) {
        note(format_args!("interrupted"));
        return Ok(ExitCode::from(exit::INTERRUPTED));
    }
    if failed > 0 {
        bail!("{failed} requests were not answered whole");
    }
    Ok(ExitCode::SUCCESS)
}

fn arrivals(args: &Args) -> anyhow::Result<Vec<Arrivals>> {
    if args.rate.is_empty() {
        return Ok(args.streams.iter().map(|&streams| Arrivals::Streams(streams)).collect());
    }
    if let Some(rate) = args.rate.iter().find(|&&rate| !(1e-3..=1e6).contains(&rate)) {
        return Err(usage(format!("--rate is {rate}; expected requests each second, from 0.001 to 1000000")));
    }
    Ok(args.rate.iter().map(|&rate| Arrivals::PerSecond(rate)).collect())
}

/// Enough for figures that mean something, and not so many that a slow machine takes for ever.
fn requests(arrivals: Arrivals) -> usize {
    match arrivals {
        Arrivals::Streams(streams) => streams.get().saturating_mul(4),
        Arrivals::PerSecond(rate) => (10.0 * rate).ceil() as usize,
    }
}

fn model(asked: Option<&str>, there: &[String]) -> anyhow::Result<String> {
    match asked {
        None => Ok(there[0].clone()),
        Some(name) if there.iter().any(|model| model == name) => Ok(name.to_owned()),
        Some(name) => {
            let there: Vec<String> = there.iter().map(|name| formats::shown(name)).collect();
            bail!("the server has no model {}; it has {}", formats::shown(name), there.join(", "))
        }
    }
}

/// A seed that nobody has used.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// What so many requests amount to.
fn row(plan: &Plan, address: &Address, asked: &[Asked]) -> ServingRow {
    let whole: Vec<&Asked> = asked.iter().filter(|one| one.problem.is_none()).collect();
    let began = asked.iter().map(|one| one.began).min();
    let ended = asked.iter().map(|one| one.ended).max();
    let seconds = began.zip(ended).map_or(0.0, |(began, ended)| (ended - began).as_secs_f64());
    let each_second = |tokens: usize| if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
    let sum = |of: fn(&Asked) -> usize| whole.iter().map(|one| of(one)).sum::<usize>();
    let mean = |sum: usize| (!whole.is_empty()).then(|| sum as f64 / whole.len() as f64);
    let (prompt, cached, answer) =
        (sum(|one| one.prompt_tokens), sum(|one| one.cached_tokens), sum(|one| one.answer_tokens));
    let ms = |times: Vec<Duration>| {
        let times: Vec<f64> = times.iter().map(|time| 1e3 * time.as_secs_f64()).collect();
        let stats = Stats::of(&times);
        [stats.map(|s| s.median), stats.map(|s| s.p95), stats.map(|s| s.p99)]
    };
    let first = ms(whole.iter().filter_map(|one| one.first).collect());
    let between = ms(whole.iter().flat_map(|one| one.between.iter().copied()).collect());
    let request = ms(whole.iter().map(|one| one.ended - one.began).collect());
    let (streams, arrivals_per_second) = match plan.arrivals {
        Arrivals::Streams(streams) => (Some(streams.get()), None),
        Arrivals::PerSecond(rate) => (None, Some(rate)),
    };
    ServingRow {
        test: "serve",
        model: plan.model.clone(),
        address: address.to_string(),
        endpoint: if plan.chat { "chat" } else { "completions" },
        streams,
        arrivals_per_second,
        requests: whole.len(),
        failed: asked.len() - whole.len(),
        seconds,
        prompt_tokens: mean(prompt),
        cached_tokens: mean(cached),
        answer_tokens: mean(answer),
        tokens_per_second: each_second(answer),
        prompt_tokens_per_second: each_second(prompt),
        first_token_p50_ms: first[0],
        first_token_p95_ms: first[1],
        first_token_p99_ms: first[2],
        between_tokens_p50_ms: between[0],
        between_tokens_p95_ms: between[1],
        between_tokens_p99_ms: between[2],
        request_p50_ms: request[0],
        request_p95_ms: request[1],
        request_p99_ms: request[2],
        error: asked.iter().find_map(|one| one.problem.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_row_counts_what_was_answered_whole_and_says_what_was_not() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let one = |began: u64, ended: u64, problem: Option<&str>| Asked {
            began: start + ms(began),
            ended: start + ms(ended),
            first: Some(ms(100)),
            between: vec![ms(10), ms(20), ms(30)],
            prompt_tokens: 50,
            cached_tokens: 10,
            answer_tokens: 4,
            problem: problem.map(str::to_owned),
        };
        let plan = Plan {
            model: "a".into(),
            chat: true,
            arrivals: Arrivals::Streams(NonZeroUsize::MIN),
            requests: 3,
            prompt_tokens: 50,
            shared_tokens: 0,
            answer_tokens: 4,
            seed: 1,
            timeout: ms(1),
        };
        let address = "http://a".parse().unwrap();
        let asked = [one(0, 200, None), one(100, 500, Some("busy")), one(300, 1000, None)];
        let found = row(&plan, &address, &asked);
        assert_eq!((found.requests, found.failed, found.error.as_deref()), (2, 1, Some("busy")));
        assert_eq!(
            (found.seconds, found.tokens_per_second, found.prompt_tokens_per_second),
            (1.0, 8.0, 100.0)
        );
        assert_eq!(
            (found.prompt_tokens, found.cached_tokens, found.answer_tokens),
            (Some(50.0), Some(10.0), Some(4.0))
        );
        assert_eq!((found.first_token_p50_ms, found.between_tokens_p50_ms), (Some(100.0), Some(20.0)));
        assert_eq!((found.request_p50_ms, found.streams), (Some(450.0), Some(1)));
        let none = row(&plan, &address, &[one(0, 0, Some("gone"))]);
        assert_eq!(
            (none.requests, none.failed, none.request_p99_ms, none.tokens_per_second),
            (0, 1, None, 0.0)
        );
    }

    #[test]
    fn a_model_that_is_not_there_is_named_beside_those_that_are() {
        let there = ["a".to_owned(), "b\n".to_owned()];
        assert_eq!(model(None, &there).unwrap(), "a");
        assert_eq!(model(Some("a"), &there).unwrap(), "a");
        assert!(model(Some("c"), &there).unwrap_err().to_string().contains("no model c; it has a, "));
    }
}
