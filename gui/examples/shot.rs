//! throw-away
use std::sync::Arc;
fn main() {
    let mut a = std::env::args().skip(1);
    let page = gui::Page::named(&a.next().unwrap()).unwrap();
    let out = a.next().unwrap();
    let size = match a.next().as_deref() { Some("small") => [900.0, 600.0], _ => [1280.0, 800.0] };
    let dark = a.next().as_deref() != Some("light");
    let mode = a.next().unwrap_or_default();
    let env = gui::Env { program: "tercet".into(), config_dir: None, cache_dir: None, runs_dir: "/tmp/runs".into(), shipped_model: Some("models/shakespeare.gguf".into()), commit: "x".into(), dialogs: Arc::new(gui::Answers::default()) };
    let g = gui::Command::Generate;
    let mut commands = vec![];
    if !mode.is_empty() { commands = vec![g(gui::GenerateCommand::Seed(1)), g(gui::GenerateCommand::Write)]; }
    if mode.contains("prob") { commands.push(g(gui::GenerateCommand::Probabilities)); }
    if mode.contains("strip") { commands.push(g(gui::GenerateCommand::Strip)); }
    if mode.contains("palette") { commands.push(gui::Command::Palette); }
    let p = gui::Picture { page, size, scale: 1.0, dark, commands };
    gui::screenshot(env, gui::Start { file: None, page: Some(page) }, &p, std::path::Path::new(&out)).unwrap();
}
