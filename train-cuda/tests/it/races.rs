//! Every kernel once more with every access to memory watched: between threads, lanes, blocks and branches of a graph.

use std::process::Command;

use crate::harness::watched_modules;

#[test]
fn no_kernel_has_a_race() {
    let Some(modules) = watched_modules() else { return };
    let run = |filters: &[&str]| {
        let own = std::env::current_exe().expect("the test's own path");
        let mut command = Command::new(own);
        command.args(filters).env("TERCET_EMULATOR_MODULES", &modules);
        let output = command.output().expect("the test's own binary runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said.lines().filter(|line| line.ends_with("... ok")).count()
    };
    let kernels = run(&[
        "--skip",
        "step::",
        "--skip",
        "paper::",
        "--skip",
        "recompute::",
        "--skip",
        "several::",
        "--skip",
        "races::",
    ]);
    assert!(kernels >= 40, "{kernels} tests ran");
    assert_eq!(run(&["step::evaluation", "step::a_step_that"]), 2);
}
