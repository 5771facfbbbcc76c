//! The page and its files, as a browser gets them.

use std::collections::BTreeSet;
use std::path::Path;

use serve::Options;

use crate::server::{Test, Wish};

/// Status, a header's value by its name, and the text of what is at `path`.
fn get(test: &Test, path: &str, tag: Option<&str>) -> (u16, impl Fn(&str) -> String + use<>, String) {
    let mut request = test.agent.get(test.url(path));
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let mut response = request.call().unwrap();
    let headers = response.headers().clone();
    let value = move |name: &str| headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
    let body = response.body_mut().read_to_vec().unwrap();
    (response.status().as_u16(), value, String::from_utf8_lossy(&body).into_owned())
}

/// What stands between two others, everywhere.
fn between<'t>(text: &'t str, before: &str, after: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(before)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(after)?.0))
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn page_comes_with_all_its_files_and_without_a_key() {
    let keys = vec!["k".to_owned()];
    let test = Test::of(Wish { options: Options { port: 0, keys, ..Options::default() }, ..Wish::default() });
    let (status, header, page) = get(&test, "/", None);
    assert_eq!((status, &header("content-type")[..]), (200, "text/html; charset=utf-8"));
    let mut asked: BTreeSet<String> = ["href=\"", "src=\""]
        .iter()
        .flat_map(|before| between(&page, before, "\""))
        .filter_map(|path| path.strip_prefix("page/").map(str::to_owned))
        .collect();
    let mut left: Vec<String> = asked.iter().cloned().collect();
    while let Some(name) = left.pop() {
        let (status, header, text) = get(&test, &format!("/page/{name}"), None);
        let kind = match name.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "otf" => "font/otf",
            _ => "font/ttf",
        };
        assert_eq!((status, &header("content-type")[..]), (200, kind), "{name}");
        let of_js = between(&text, "from \"./", "\"");
        for name in of_js.chain(between(&text, "url(\"", "\"")) {
            if asked.insert(name.to_owned()) {
                left.push(name.to_owned());
            }
        }
    }
    // Nothing that is there was forgotten, and nothing is there in vain.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let there = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> =
        there.filter(|name| name.ends_with(".js") || name.ends_with(".css")).collect();
    let fonts = |name: &String| name.ends_with(".otf") || name.ends_with(".ttf");
    assert_eq!(asked.iter().filter(|name| !fonts(name)).cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(asked.iter().filter(|name| fonts(name)).count(), 3);
    assert_eq!(get(&test, "/page/none.js", None).0, 404);
    assert_eq!(get(&test, "/page/../props", None).0, 404);
}

#[test]
fn page_tells_the_browser_what_it_may_do() {
    let test = Test::start();
    for path in ["/", "/page/app.js", "/page/theme.css"] {
        let (_, header, _) = get(&test, path, None);
        let policy = header("content-security-policy");
        let rules: BTreeSet<&str> = policy.split(';').map(str::trim).collect();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src data:",
        ] {
            assert!(rules.contains(rule), "{path}: no {rule} in {policy}");
        }
        for rule in ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
            assert!(rules.contains(rule), "{path}: no {rule} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-cache");
    }
}

#[test]
fn page_is_sent_again_only_where_it_is_another() {
    let test = Test::start();
    let (_, header, _) = get(&test, "/page/app.js", None);
    let tag = header("etag");
    assert!(tag.starts_with('"') && tag.len() == 18, "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
        let (status, header, body) = get(&test, "/page/app.js", Some(&known));
        assert_eq!((status, header("etag"), &body[..]), (304, tag.clone(), ""), "{known}");
    }
    assert_eq!(get(&test, "/page/app.js", Some("\"x\"")).0, 200);
    assert_ne!(get(&test, "/", None).1("etag"), tag);
}
