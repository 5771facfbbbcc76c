//! A program that a test has started. It does not outlive the test, whatever the test finds.

use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Output};

/// A child that is killed and waited for when it is let go.
pub struct Running(Option<Child>);

impl Running {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Running {
        Running(Some(command.spawn().unwrap()))
    }

    /// Takes care of a child that somebody else started.
    pub fn of(child: Child) -> Running {
        Running(Some(child))
    }

    /// What it wrote, once it has ended.
    pub fn output(mut self) -> Output {
        self.0.take().expect("a child until it is let go").wait_with_output().unwrap()
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect("a child until it is let go")
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect("a child until it is let go")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Most have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Tests of signals left their trainers behind when one of their assertions failed.
#[test]
#[cfg(unix)]
fn programs_do_not_outlive_a_test_that_fails() {
    let child = Running::start(Command::new("sleep").arg("600"));
    let id = child.id().to_string();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _child = child;
        std::panic::resume_unwind(Box::new("a test that fails"));
    }));
    assert!(failed.is_err());
    let there = Command::new("kill").args(["-0", &id]).output().unwrap();
    assert!(!there.status.success(), "it is still there");
}

#[test]
fn programs_are_started_by_what_ends_them() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        files += 1;
        assert!(
            path.ends_with("running.rs") || !text.contains(".spawn()"),
            "{} starts a program without Running",
            path.display()
        );
    }
    assert!(files > 10);
}
