//! What a checkpoint survives: flipped bits, torn files, full disks, kills at any instant.

use super::*;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn checkpoint(step: u64) -> Checkpoint {
    let values: Vec<f32> = (0..600).map(|i| (i as f32 - 300.0) * 1e-3 + step as f32).collect();
    let odd = vec![f32::from_bits(0x7fc0_1234), -0.0, f32::MIN_POSITIVE / 2.0, f32::INFINITY];
    Checkpoint {
        step,
        tensors: vec![
            ("blk.0.attn_q.weight".into(), vec![20, 30], values),
            ("odd \" \n名".into(), vec![4], odd),
            ("empty".into(), vec![0, 7], vec![]),
            ("scalar".into(), vec![], vec![step as f32]),
        ],
        meta: serde_json::json!({ "random": u64::MAX, "rate": 0.1 + 0.2, "config": { "b": 1, "a": "x" } }),
    }
}

fn bits(c: &Checkpoint) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect();
    c.tensors.iter().map(|(n, s, v)| (n.clone(), s.clone(), bits(v))).collect()
}

fn same(a: &Checkpoint, b: &Checkpoint) -> bool {
    a.step == b.step && a.meta == b.meta && bits(a) == bits(b)
}

fn steps(dir: &Path) -> Vec<u64> {
    list(dir).unwrap().iter().map(|e| e.step).collect()
}

#[test]
fn checkpoint_comes_back_bit_for_bit() {
    let dir = TempDir::new().unwrap();
    assert!(steps(&dir.path().join("nothing here")).is_empty());
    assert!(newest_complete(dir.path()).unwrap().is_none());
    for step in [0, 7, 123_456_789_012] {
        let path = save(dir.path(), &checkpoint(step)).unwrap();
        assert!(same(&load(&path).unwrap(), &checkpoint(step)));
    }
    assert_eq!(steps(dir.path()), [123_456_789_012, 7, 0]);
    // Other programs read the tensors.
    let bytes = std::fs::read(dir.path().join("step-00000007").join(STATE)).unwrap();
    let state = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(state.tensor("blk.0.attn_q.weight").unwrap().shape(), [20, 30]);
}

#[test]
fn checkpoint_whose_values_are_refused_is_not_saved_and_keeps_the_one_it_would_replace() {
    #[derive(Debug)]
    struct Refused;
    impl From<Error> for Refused {
        fn from(e: Error) -> Refused {
            panic!("{e}")
        }
    }
    let dir = TempDir::new().unwrap();
    let path = save(dir.path(), &checkpoint(7)).unwrap();
    for step in [7, 8] {
        let tensors = vec![("a".into(), vec![2]), ("b".into(), vec![3])];
        let outline = Outline { step, tensors, meta: Value::Null };
        let saved = save_from(dir.path(), &outline, |index, values| {
            assert!(values.is_empty());
            values.extend([1.0; 2]);
            if index == 1 { Err(Refused) } else { Ok(()) }
        });
        assert!(saved.is_err());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(same(&load(&path).unwrap(), &checkpoint(7)));
}

#[test]
fn checkpoint_flipped_bits_are_found() {
    let dir = TempDir::new().unwrap();
    let path = save(dir.path(), &checkpoint(1)).unwrap();
    let mut x = 5u64;
    for file in [STATE, MANIFEST] {
        let file = path.join(file);
        let sound = std::fs::read(&file).unwrap();
        for i in 0..600 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // The first bytes always: the header's length is there.
            let at = if i < 64 { i } else { (x >> 33) as usize % sound.len() };
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (x >> 20 & 7);
            std::fs::write(&file, &bytes).unwrap();
            let error = load(&path).expect_err(&format!("bit flipped in byte {at} of {}", file.display()));
            let error = error.to_string();
            assert!(error.contains("step-00000001") && !error.chars().any(char::is_control), "{error:?}");
        }
        for len in [0, 1, 7, 8, 9, sound.len() / 2, sound.len() - 1] {
            std::fs::write(&file, &sound[..len]).unwrap();
            assert!(load(&path).is_err(), "{} cut to {len}", file.display());
        }
        std::fs::write(&file, [&sound[..], b"x"].concat()).unwrap();
        assert!(load(&path).is_err());
        std::fs::write(&file, sound).unwrap();
    }
    assert!(load(&path).is_ok());
}

#[test]
fn checkpoint_damaged_ones_are_passed_over_and_reported() {
    let dir = TempDir::new().unwrap();
    (1..=4).for_each(|s| drop(save(dir.path(), &checkpoint(s)).unwrap()));
    let path = |s: u64| dir.path().join(dir_name(s));
    std::fs::remove_file(path(4).join(MANIFEST)).unwrap();
    let state = std::fs::read(path(3).join(STATE)).unwrap();
    std::fs::write(path(3).join(STATE), &state[..state.len() - 4]).unwrap();
    let newest = newest_complete(dir.path()).unwrap().unwrap();
    assert!(same(&newest.checkpoint, &checkpoint(2)));
    assert_eq!(newest.skipped.iter().map(|(e, _)| e.step).collect::<Vec<_>>(), [4, 3]);
    let why = newest.skipped[1].1.to_string();
    assert!(why.contains(STATE) && why.contains("bytes, expected"), "{why}");
    for s in 1..=2 {
        std::fs::remove_file(path(s).join(STATE)).unwrap();
    }
    assert!(newest_complete(dir.path()).unwrap_err().to_string().contains("step-00000004"));
}

#[test]
fn checkpoint_of_the_same_step_is_replaced() {
    let dir = TempDir::new().unwrap();
    save(dir.path(), &checkpoint(5)).unwrap();
    let mut other = checkpoint(5);
    other.meta = serde_json::json!("other");
    let path = save(dir.path(), &other).unwrap();
    assert!(same(&load(&path).unwrap(), &other));
    // A crash between moving the old one away and the new one in.
    let old = dir.path().join(".old-step-00000005");
    std::fs::rename(&path, &old).unwrap();
    std::fs::create_dir(dir.path().join(".tmp-step-00000005")).unwrap();
    assert!(same(&newest_complete(dir.path()).unwrap().unwrap().checkpoint, &other));
    save(dir.path(), &checkpoint(6)).unwrap();
    assert_eq!(steps(dir.path()), [6, 5]);
    save(dir.path(), &checkpoint(5)).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["step-00000005", "step-00000006"]);
    assert!(same(&load(&path).unwrap(), &checkpoint(5)));
}

#[test]
fn prune_keeps_the_newest_and_the_best() {
    let dir = TempDir::new().unwrap();
    (1..=6).for_each(|s| drop(save(dir.path(), &checkpoint(s)).unwrap()));
    std::fs::create_dir(dir.path().join("somebody's folder")).unwrap();
    // Of a removal that was killed.
    let half_removed = dir.path().join(".tmp-step-00000000");
    std::fs::create_dir(&half_removed).unwrap();
    assert_eq!(prune(dir.path(), 2, Some(3)).unwrap().len(), 3);
    assert_eq!(steps(dir.path()), [6, 5, 3]);
    assert!(!half_removed.exists());
    // A damaged one does not count as newest.
    save(dir.path(), &checkpoint(7)).unwrap();
    std::fs::remove_file(dir.path().join("step-00000007").join(MANIFEST)).unwrap();
    prune(dir.path(), 2, None).unwrap();
    assert_eq!(steps(dir.path()), [7, 6, 5]);
    assert!(dir.path().join("somebody's folder").exists());
}

#[test]
fn checkpoint_hostile_manifests_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = save(dir.path(), &checkpoint(1)).unwrap();
    let sound = read_manifest(&path).unwrap();
    type Edit = fn(&mut Manifest);
    let edits: [(Edit, &str); 6] = [
        (|m| m.version = 2, "of version 2, this program reads 1"),
        (|m| m.state_bytes = u64::MAX, "bytes, expected 18446744073709551615"),
        (|m| m.tensors[0].shape = vec![30, 20], "is F32 [20, 30], expected F32 [30, 20]"),
        (|m| m.tensors[0].name = "a\u{1b}b".into(), "tensor a\\u{1b}b is missing"),
        (|m| m.tensors.truncate(1), "lists 1 tensors"),
        (|m| m.tensors[1].blake3 = "0".repeat(64), "does not match its hash"),
    ];
    for (edit, expected) in edits {
        let mut manifest: Manifest = serde_json::from_value(serde_json::to_value(&sound).unwrap()).unwrap();
        edit(&mut manifest);
        std::fs::write(path.join(MANIFEST), seal(&manifest)).unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "expected ..{expected}.., found: {error}");
    }
    // Never waits for a pipe or reads a device.
    std::fs::remove_file(path.join(MANIFEST)).unwrap();
    std::fs::create_dir(path.join(MANIFEST)).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("not an ordinary file, but a folder"));
}

/// What the two tests below run in a process of its own; nothing unless they ask.
#[test]
fn child_saves_for_the_tests_below() {
    let Some(dir) = std::env::var_os("TERCET_TEST_SAVES_INTO") else { return };
    let from: u64 = std::env::var("TERCET_TEST_SAVES_FROM").unwrap().parse().unwrap();
    for step in from.. {
        match save(Path::new(&dir), &checkpoint(step)) {
            Ok(_) => println!("\nsaved {step}"),
            Err(e) => {
                println!("\nrefused {step}: {e}");
                break;
            }
        }
        prune(Path::new(&dir), 2, None).unwrap();
        if std::env::var_os("TERCET_TEST_SAVES_ONCE").is_some() {
            break;
        }
    }
}

const CHILD: &str = "checkpoint::tests::child_saves_for_the_tests_below";

#[test]
#[cfg(unix)]
fn checkpoint_killed_anywhere_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let mut next = 1;
    for round in 0..25u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--nocapture"])
            .env("TERCET_TEST_SAVES_INTO", dir.path())
            .env("TERCET_TEST_SAVES_FROM", next.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::result::Result::ok);
        // Let it save a few, then kill it in the middle of something.
        let mut saved =
            lines.by_ref().filter_map(|l| l.strip_prefix("saved ").map(|s| s.parse::<u64>().unwrap()));
        let mut last = saved.nth(round as usize % 3).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(round * 397 % 4000));
        child.kill().unwrap();
        child.wait().unwrap();
        last = saved.last().unwrap_or(last);
        let newest = newest_complete(dir.path()).unwrap().unwrap();
        assert!(newest.skipped.is_empty(), "{:?}", newest.skipped);
        assert!(newest.checkpoint.step >= last, "{} after {last} was saved", newest.checkpoint.step);
        assert!(same(&newest.checkpoint, &checkpoint(newest.checkpoint.step)));
        next = newest.checkpoint.step + 1;
    }
}

#[test]
#[cfg(unix)]
fn checkpoint_on_a_full_disk_is_refused_and_harms_nothing() {
    let dir = TempDir::new().unwrap();
    save(dir.path(), &checkpoint(1)).unwrap();
    // A limit on file length stands for a full disk; blocks of 512 bytes, the state takes about 6.
    for blocks in 0..7 {
        let out = Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--nocapture"])
            .env("TERCET_TEST_SAVES_INTO", dir.path())
            .env("TERCET_TEST_SAVES_FROM", "2")
            .env("TERCET_TEST_SAVES_ONCE", "1")
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&out.stdout).into_owned();
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        if out.contains("saved 2") {
            assert!(blocks >= 3, "{blocks} blocks were enough?");
            assert!(same(&load(&dir.path().join(dir_name(2))).unwrap(), &checkpoint(2)));
            return;
        }
        assert!(out.contains("refused 2: cannot write"), "{blocks} blocks: {out}");
        assert_eq!(names, ["step-00000001"], "nothing is left behind");
        assert!(load(&dir.path().join(dir_name(1))).is_ok());
    }
    panic!("the last limit should have been enough");
}
