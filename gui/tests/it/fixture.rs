//! The app under test: without a window, in folders of its own, with dialogs that answer at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use formats::gguf::{Gguf, GgufWriter};
use gui::{Answers, App, Env, Page, Start};
use tempfile::TempDir;

/// Frames that anything may take: minutes on a busy machine.
const FRAMES: usize = 20_000;

/// The app and its folders.
pub struct Fixture {
    pub folder: TempDir,
    pub harness: Harness<'static, App>,
}

/// The model that ships with the program.
pub fn shipped_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf")
}

/// The shipped model with a chat template, written to a file.
pub fn write_chat_model(to: &Path, template: &str) {
    let gguf = Gguf::open(&shipped_model()).unwrap();
    let mut metadata = gguf.metadata().clone();
    metadata.insert("tokenizer.chat_template", template);
    let mut writer = GgufWriter::new(metadata);
    for info in gguf.tensors().iter() {
        let tensor = gguf.tensor(&info.name).unwrap();
        writer.add_tensor(&info.name, tensor.ty().unwrap(), &info.dims, tensor.bytes.to_vec()).unwrap();
    }
    writer.write(to).unwrap();
}

/// Surroundings in a folder.
pub fn env(folder: &Path, dialogs: Answers) -> Env {
    Env {
        program: "tercet".into(),
        config_dir: Some(folder.join("config")),
        cache_dir: Some(folder.join("cache")),
        runs_dir: folder.join("runs"),
        shipped_model: Some(shipped_model()),
        commit: "test".into(),
        dialogs: Arc::new(dialogs),
        discard: |path| std::fs::remove_dir_all(path).map_err(|e| e.to_string()),
        cards: || Err(train_cuda::Error::NoDriver),
    }
}

impl Fixture {
    /// The app on a page with the shipped model open.
    pub fn open(page: Page) -> Fixture {
        Self::with(|_| Answers::default(), Start { page: Some(page), ..Start::default() })
    }

    /// The app, with dialogs that may name files in its folder.
    pub fn with(dialogs: impl FnOnce(&Path) -> Answers, start: Start) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let env = env(folder.path(), dialogs(folder.path()));
        Self::build(folder, env, start)
    }

    /// The app on the training page, in surroundings that are changed.
    pub fn training(change: impl FnOnce(&mut Env)) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let mut env = env(folder.path(), Answers::default());
        change(&mut env);
        Self::build(folder, env, Start { page: Some(Page::Training), ..Start::default() })
    }

    fn build(folder: TempDir, env: Env, start: Start) -> Fixture {
        let mut fixture = Fixture { harness: build(env, start), folder };
        fixture.until("the app is at rest", |app| !app.is_busy());
        fixture
    }

    /// The app on the generate page, with these settings on disk.
    pub fn with_settings(toml: &str) -> Fixture {
        let config = |d: &Path| {
            std::fs::create_dir_all(d.join("config")).unwrap();
            std::fs::write(d.join("config/settings.toml"), toml).unwrap();
            Answers::default()
        };
        Self::with(config, Start { page: Some(Page::Generate), ..Start::default() })
    }

    /// The app closed and started again in the same folders.
    pub fn restarted(self) -> Fixture {
        let Fixture { folder, mut harness } = self;
        eframe::App::on_exit(harness.state_mut());
        drop(harness);
        let env = env(folder.path(), Answers::default());
        let mut fixture = Fixture { harness: build(env, Start::default()), folder };
        fixture.until("the app is at rest", |app| !app.is_busy());
        fixture
    }

    /// Frames until something is so; a last one draws it.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&mut App) -> bool) {
        for _ in 0..FRAMES {
            self.harness.step();
            if is_so(self.harness.state_mut()) {
                self.harness.step();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still waiting: {what}; said {:?}", self.harness.state().said());
    }

    /// Frames until a label is there.
    pub fn until_label(&mut self, label: &str) {
        for _ in 0..FRAMES {
            self.harness.step();
            if self.harness.query_all_by_label_contains(label).next().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no \"{label}\" to be seen; said {:?}", self.harness.state().said());
    }

    /// Clicks what has this label, and draws the consequence.
    pub fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }
}

fn build(env: Env, start: Start) -> Harness<'static, App> {
    Harness::builder()
        .allow_missing_glyphs()
        .with_size(vec2(1280.0, 800.0))
        .with_render_cursor(false)
        .with_wait_for_pending_images(false)
        .build_eframe(move |cc| App::new(&cc.egui_ctx, env, start))
}
