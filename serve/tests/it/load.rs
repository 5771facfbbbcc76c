//! Clients that measure a server, with one to measure.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serve::load::{Arrivals, Asked, Client, Plan};

use crate::server::{Test, Wish};

fn plan(arrivals: Arrivals, requests: usize) -> Plan {
    Plan {
        model: "shakespeare".into(),
        chat: false,
        arrivals,
        requests,
        prompt_tokens: 40,
        shared_tokens: 0,
        answer_tokens: 12,
        seed: 7,
        timeout: Duration::from_secs(60),
    }
}

fn streams(n: usize) -> Arrivals {
    Arrivals::Streams(NonZeroUsize::new(n).unwrap())
}

fn client(test: &Test, key: Option<&str>) -> Client {
    Client::new(format!("http://{}", test.server.address()).parse().unwrap(), key).unwrap()
}

fn run(client: &Client, plan: &Plan) -> Vec<Asked> {
    let (tokens_per_word, mut asked) = (client.tokens_per_word(plan).unwrap(), Vec::new());
    client.run(plan, tokens_per_word, &AtomicBool::new(false), |one| asked.push(one));
    asked
}

#[test]
fn load_is_answered_whole_and_counted_by_the_server() {
    let test = Test::of(Wish { template: Some(crate::server::TEMPLATE), ..Wish::default() });
    let client = client(&test, None);
    assert_eq!(client.models().unwrap(), ["shakespeare"]);
    for plan in [plan(streams(3), 7), Plan { chat: true, ..plan(Arrivals::PerSecond(200.0), 7) }] {
        let asked = run(&client, &plan);
        assert_eq!(asked.len(), 7);
        for one in &asked {
            assert_eq!((one.problem.as_deref(), one.answer_tokens), (None, 12), "{one:?}");
            assert!((30..=55).contains(&one.prompt_tokens), "{one:?}");
            assert!(one.first.is_some_and(|first| first <= one.ended - one.began), "{one:?}");
            // Pieces are tokens, but for those that came together.
            assert!(one.between.len() < 12, "{one:?}");
        }
        assert!(asked.iter().map(|one| one.between.len()).sum::<usize>() > 7, "answers come in pieces");
    }
}

#[test]
fn prompts_that_begin_alike_are_read_once_and_others_are_not() {
    let test = Test::start();
    let client = client(&test, None);
    let cached = |shared_tokens, seed| -> usize {
        let plan = Plan { shared_tokens, seed, prompt_tokens: 160, ..plan(streams(1), 3) };
        run(&client, &plan).iter().map(|one| one.cached_tokens).max().unwrap()
    };
    assert!(cached(0, 1) < 20);
    assert!(cached(150, 2) > 100);
}

#[test]
fn no_more_ask_at_once_than_they_should() {
    let test = Test::start();
    let asked = run(&client(&test, None), &plan(streams(2), 8));
    let most = asked
        .iter()
        .map(|one| asked.iter().filter(|other| other.began <= one.began && one.began < other.ended).count());
    assert_eq!(most.max(), Some(2));
}

#[test]
fn what_a_server_refuses_is_said_of_each_request() {
    let mut wish = Wish::default();
    wish.options.keys = vec!["secret".into()];
    let test = Test::of(wish);
    let error = client(&test, None).models().unwrap_err().to_string();
    assert!(error.contains("/v1/models") && error.contains("status 401: "), "{error}");
    let client = client(&test, Some("secret"));
    let long = Plan { prompt_tokens: 2000, ..plan(streams(1), 2) };
    for one in run(&client, &long) {
        let problem = one.problem.unwrap();
        assert!(problem.contains("status 400: ") && problem.contains("512"), "{problem}");
    }
    let late = Plan { timeout: Duration::from_millis(1), answer_tokens: 300, ..plan(streams(1), 1) };
    let mut asked = Vec::new();
    client.run(&late, 1.0, &AtomicBool::new(false), |one| asked.push(one));
    assert!(asked[0].problem.as_deref().is_some_and(|p| p.contains("within 0.001 s")), "{asked:?}");
}

#[test]
fn a_server_that_is_gone_is_said_so() {
    let test = Test::start();
    let client = client(&test, None);
    let plan = plan(streams(1), 1);
    client.tokens_per_word(&plan).unwrap();
    test.server.stop();
    test.server.wait();
    // A connection that it still had may be closed a little later than the door.
    let gone = (0..100).find_map(|_| client.models().err()).expect("it is gone").to_string();
    assert!(gone.contains("/v1/models: client error"), "{gone}");
    let mut asked = Vec::new();
    client.run(&plan, 1.0, &AtomicBool::new(false), |one| asked.push(one));
    assert!(asked[0].problem.is_some());
    // Nobody who speaks HTTP, and nobody at all.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = silent.accept().unwrap();
        stream.write_all(b"SSH-2.0-x\r\n").unwrap();
    });
    let error = Client::new(address, None).unwrap().models().unwrap_err().to_string();
    assert!(error.contains("/v1/models: "), "{error}");
}

#[test]
fn a_connection_that_was_kept_and_is_closed_is_no_failure() {
    use std::io::{BufRead, BufReader, Write};
    // A server that says it keeps connections and does not.
    let forgetful = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", forgetful.local_addr().unwrap()).parse().unwrap();
    std::thread::spawn(move || {
        for stream in forgetful.incoming() {
            let mut stream = stream.unwrap();
            let head: Vec<String> = BufReader::new(&stream)
                .lines()
                .map_while(|line| line.ok().filter(|line| !line.is_empty()))
                .collect();
            let body = r#"{"data":[{"id":"a"}]}"#;
            if !head.is_empty() {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).unwrap();
                // The next request is on its way before it is closed.
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let client = Client::new(address, None).unwrap();
    for _ in 0..20 {
        assert_eq!(client.models().unwrap(), ["a"]);
    }
}

#[test]
fn load_stops_when_told() {
    let test = Test::start();
    let client = client(&test, None);
    let plan = Plan { answer_tokens: 400, ..plan(streams(2), 1000) };
    let (cancel, mut asked, began) = (AtomicBool::new(false), 0, Instant::now());
    client.run(&plan, 1.0, &cancel, |_| {
        asked += 1;
        cancel.store(true, Ordering::Relaxed);
    });
    assert!((1..=10).contains(&asked) && began.elapsed() < Duration::from_secs(30), "{asked}");
}
