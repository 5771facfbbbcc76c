//! Prints how others ask a server, as the app shows it. Usage: example curl|python|javascript URL MODEL KEY chat|text
//! `serve/clients/run` has the clients themselves run it.

use serve::Example;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [what, url, model, key, kind] = &args[..] else {
        panic!("expected curl|python|javascript URL MODEL KEY chat|text");
    };
    let example = Example { url, model, key: Some(key), converses: kind == "chat" };
    println!(
        "{}",
        match what.as_str() {
            "curl" => example.curl(),
            "python" => example.python(),
            "javascript" => example.javascript(),
            other => panic!("there is no example for {other}"),
        }
    );
}
