//! Which way the sources look: pages at leaves, the app at pages, and nowhere in a ring. What tests import does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of the crate, the lowest first: a file imports from its own module and from lower layers.
const LAYERS: [&[&str]; 9] = [
    &["env", "hash", "jobs", "notices", "tokens"],
    &["icons", "open", "question", "theme"],
    &["page", "print", "widgets"],
    &["settings"],
    &["command"],
    &["entry", "shared"],
    &["ask", "keep"],
    // The pages, and what is round them: none knows another.
    &["benchmark", "generate", "inspect", "server", "shell", "stopwatch", "training"],
    &["app"],
];
/// What opens the app, above all layers.
const DOORS: [&str; 3] = ["lib", "picture", "window"];

/// Every source file by its module path, `["inspect", "detail"]`, without its tests.
fn sources() -> BTreeMap<Vec<String>, String> {
    fn look(dir: &Path, at: &[String], all: &mut BTreeMap<Vec<String>, String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let inner = [at, std::slice::from_ref(&name)].concat();
            if path.is_dir() {
                look(&path, &inner, all);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let code: Vec<&str> = text.lines().take_while(|line| !line.contains("mod tests")).collect();
                let module = if name == "mod" { at.to_vec() } else { inner };
                all.insert(module, code.join("\n"));
            }
        }
    }
    let mut all = BTreeMap::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut all);
    all.retain(|module, _| !["tests", "gallery", "measure"].contains(&module.last().unwrap().as_str()));
    all
}

/// The paths that a file names, from the root of the crate: `use` trees spread out, and `crate::` in the middle of code.
fn imports(module: &[String], code: &str, is_file: impl Fn(&[String]) -> bool) -> Vec<Vec<String>> {
    let code: String = code.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    let mut found = Vec::new();
    for part in code.split("use ").skip(1) {
        spread(part.split(';').next().unwrap_or("").trim(), &[], &mut found);
    }
    found.extend(code.split("crate::").skip(1).map(|rest| {
        let path = rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap_or("");
        format!("crate::{path}").split("::").map(str::to_owned).collect()
    }));
    let local = |path: Vec<String>| match path[0].as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => Some([&module[..module.len() - 1], &path[1..]].concat()),
        _ => {
            let inner = [module, &path[..1]].concat();
            is_file(&inner).then(|| [module, &path[..]].concat())
        }
    };
    found.into_iter().filter_map(local).collect()
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn spread(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let Some((head, inner)) = tree.split_once('{') else {
        let path = tree.split("::").map(|part| part.split(" as ").next().unwrap().trim().to_owned());
        found.push(before.iter().cloned().chain(path).collect());
        return;
    };
    let head: Vec<String> = head.split("::").map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
    let before = [before, &head].concat();
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                if !inner[from..at].trim().is_empty() {
                    spread(inner[from..at].trim(), &before, found);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// The files that each file imports from.
fn graph() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let sources = sources();
    let file = |path: &[String]| {
        let module = (1..=path.len()).rev().map(|n| &path[..n]).find(|module| sources.contains_key(*module));
        // What is no module's is taken from the door.
        module.map_or_else(|| vec!["lib".to_owned()], <[String]>::to_vec)
    };
    let edges = sources.iter().map(|(module, code)| {
        let used = imports(module, code, |path| sources.contains_key(path));
        let used = used.iter().map(|path| file(path)).filter(|other| other != module);
        (module.clone(), used.collect())
    });
    edges.collect()
}

#[test]
fn direction_is_from_the_app_to_pages_to_leaves() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    for (module, used) in graph() {
        let top = &module[0];
        if DOORS.contains(&top.as_str()) {
            continue;
        }
        let here = layer(top).unwrap_or_else(|| panic!("{top} has no layer yet"));
        for other in used.iter().filter(|other| other[0] != *top) {
            let there = layer(&other[0]).unwrap_or(usize::MAX);
            assert!(
                there < here,
                "{} imports {}, which is not below it",
                module.join("::"),
                other.join("::")
            );
        }
    }
}

#[test]
fn direction_has_no_ring_of_files() {
    let mut left = graph();
    assert!(
        left.len() > 100 && left.values().map(BTreeSet::len).sum::<usize>() > 400,
        "imports are not seen"
    );
    loop {
        let before = left.len();
        let files: BTreeSet<Vec<String>> = left.keys().cloned().collect();
        left.retain(|_, used| used.iter().any(|other| files.contains(other)));
        if left.len() == before {
            break;
        }
    }
    let rings: Vec<String> = left.keys().map(|module| module.join("::")).collect();
    assert!(rings.is_empty(), "these files import each other, or files that do: {}", rings.join(", "));
}
