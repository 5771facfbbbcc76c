//! Where `unsafe` may be written, as docs/architecture.md says. Every use of the keyword counts: blocks, functions, `impl`, `trait`,
//! `extern` and attributes.

use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

/// Files, and the folder of an instruction set.
const HOMES: [&str; 13] = [
    "cli/src/arenas.rs",
    "cli/src/signals/ignored.rs",
    "cpu/src/avx2/",
    "cpu/src/isa.rs",
    "cpu/src/kernels.rs",
    "cpu/src/memory.rs",
    "cpu/src/pool.rs",
    "formats/tests/it/memory.rs",
    "runtime/src/gpu/memory.rs",
    "runtime/src/gpu/pipeline_cache.rs",
    "train/src/cpu/kernels/gemm.rs",
    "train-cuda/src/driver/",
    "train-cuda/tests/it/harness.rs",
];

/// What is left of Rust when comments, strings and characters are taken out: its words.
fn words(source: &str) -> Vec<&str> {
    let bytes = source.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(b'\n');
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match (at(i), at(i + 1)) {
            (b'/', b'/') => i += source[i..].find('\n').unwrap_or(source.len() - i),
            (b'/', b'*') => i = after_comment(bytes, i),
            (b'"', _) => i = after_string(bytes, i),
            // A character, or else a lifetime.
            (b'\'', b'\\') => i = after_char(bytes, i),
            (b'\'', _) if source[i + 1..].chars().nth(1) == Some('\'') => i = after_char(bytes, i),
            (b, _) if is_word(b) => {
                let from = i;
                i += bytes[i..].iter().take_while(|b| is_word(**b)).count();
                let word = &source[from..i];
                let hashes = bytes[i..].iter().take_while(|b| **b == b'#').count();
                if ["r", "br", "cr"].contains(&word) && at(i + hashes) == b'"' {
                    let end = format!("\"{}", "#".repeat(hashes));
                    let inside = i + hashes + 1;
                    i = source[inside..].find(&end).map_or(source.len(), |len| inside + len + end.len());
                } else if word == "r" && hashes == 1 {
                    // A name that looks like a keyword.
                    i += 1;
                    i += bytes[i..].iter().take_while(|b| is_word(**b)).count();
                } else {
                    out.push(word);
                }
            }
            _ => i += 1,
        }
    }
    out
}

/// Comments lie in each other.
fn after_comment(bytes: &[u8], mut i: usize) -> usize {
    let mut depth = 0;
    while i < bytes.len() {
        match &bytes[i..] {
            [b'/', b'*', ..] => (depth, i) = (depth + 1, i + 2),
            [b'*', b'/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_string(bytes: &[u8], mut i: usize) -> usize {
    i += 1;
    while i < bytes.len() && bytes[i] != b'"' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_char(bytes: &[u8], mut i: usize) -> usize {
    i += if bytes[i + 1] == b'\\' { 3 } else { 2 };
    while i < bytes.len() && bytes[i] != b'\'' {
        i += 1;
    }
    i + 1
}

fn has_unsafe(source: &str) -> bool {
    words(source).contains(&"unsafe")
}

#[test]
fn unsafe_is_seen_wherever_it_is_written() {
    for code in [
        "unsafe impl Send for A {}",
        "pub unsafe trait A {}",
        "unsafe extern \"C\" { fn f(); }",
        "#[unsafe(no_mangle)] fn f() {}",
        "fn f() { let a = 'a'; unsafe{ g() } }",
        "let q = '\"'; unsafe { g() }",
        "let q = '\\''; unsafe { g() } // \"",
        "fn f<'a>(a: &'a str) -> A<'a> { unsafe { g('é', \"\\\"\") } }",
        "let s = r#\"a\"b\"#; /* /* a */ b */ unsafe\n{ }",
        "macro_rules! m { () => { unsafe fn f() {} } }",
    ] {
        assert!(has_unsafe(code), "{code}");
    }
    for code in [
        "// unsafe { }\n/// unsafe fn\nfn f() {}",
        "/* unsafe /* unsafe */ unsafe */",
        "let s = \"unsafe { \\\" unsafe\";",
        "let s = r#\"unsafe \" unsafe\"#; let b = br\"unsafe\";",
        "#![deny(unsafe_op_in_unsafe_fn)] fn unsafe_words() {} let r#unsafe = 1;",
    ] {
        assert!(!has_unsafe(code), "{code}");
    }
}

#[test]
fn unsafe_lives_where_the_architecture_says() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().unwrap();
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec().unwrap();
    let mut folders: Vec<PathBuf> =
        metadata.packages.iter().map(|p| p.manifest_path.parent().unwrap().into()).collect();
    let (mut files, mut found) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files += 1;
                if has_unsafe(&std::fs::read_to_string(&path).unwrap()) {
                    let name = path.canonicalize().unwrap();
                    found.push(name.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/"));
                }
            }
        }
    }
    assert!(files > 50, "only {files} source files found");
    let at_home = |file: &String| HOMES.iter().any(|home| file.starts_with(home));
    let astray: Vec<&String> = found.iter().filter(|file| !at_home(file)).collect();
    assert!(astray.is_empty(), "unsafe is in {astray:#?}");
    let lived_in = |home: &&&str| found.iter().any(|file| file.starts_with(**home));
    let empty: Vec<&&str> = HOMES.iter().filter(|home| !lived_in(home)).collect();
    assert!(empty.is_empty(), "nothing unsafe is in {empty:?}");
}
