//! The model page: a file's metadata and tensors, a tensor's numbers and picture, files that do not run.

use std::path::Path;

use eframe::egui::accesskit::Toggled;
use eframe::egui::{Key, Modifiers, OutputCommand};
use egui_kittest::kittest::{NodeT, Queryable};
use formats::blocks::{TensorType, TypeId, pack};
use formats::gguf::{Gguf, GgufWriter, Metadata};
use formats::measure::measure;
use gui::{Answers, Command, Detail, ModelCommand, Page, PictureMove, Start};

use crate::fixture::{Fixture, shipped_model};

const TENSOR: &str = "blk.1.ffn_down.weight";

fn run(f: &mut Fixture, command: ModelCommand) {
    f.harness.state_mut().send(Command::Model(command));
    f.until("it is done", |app| !app.is_busy());
    f.harness.run_steps(2);
}

/// What was put on the clipboard while something was done.
fn copied(f: &mut Fixture, command: ModelCommand) -> String {
    f.harness.state_mut().send(Command::Model(command));
    for _ in 0..2000 {
        f.harness.step();
        for command in &f.harness.output().platform_output.commands {
            if let OutputCommand::CopyText(text) = command {
                return text.clone();
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("nothing was copied");
}

/// Whether something with these words in its name is there.
fn sees(f: &Fixture, words: &str) -> bool {
    f.harness.query_all_by_label_contains(words).next().is_some()
}

fn type_in(f: &mut Fixture, field: &str, text: &str) {
    f.harness.get_by_label(field).focus();
    f.harness.run_steps(2);
    f.harness.get_by_label(field).type_text(text);
    f.harness.run_steps(3);
}

/// A file that is sound but not one of our models.
fn foreign(path: &Path) {
    let mut meta = Metadata::new();
    meta.insert("general.architecture", "llama");
    meta.insert("general.name", "Of others");
    meta.insert("llama.block_count", 3u32);
    meta.insert("tokenizer.ggml.tokens", (0..50_257).map(|i| format!("t{i}")).collect::<Vec<_>>());
    let mut writer = GgufWriter::new(meta);
    let mut bytes = Vec::new();
    pack(TensorType::TQ2_0, &(0..512 * 300).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<_>>(), &mut bytes)
        .unwrap();
    writer.add_tensor("blk.0.ffn_up.weight", TensorType::TQ2_0, &[512, 300], bytes).unwrap();
    writer.add_tensor("blk.0.odd.weight", TypeId::from_id(6).unwrap(), &[64, 2], vec![7; 88]).unwrap();
    writer.write(path).unwrap();
}

#[test]
fn the_page_shows_the_files_sizes_and_a_first_tensor() {
    let mut f = Fixture::open(Page::Model);
    f.until("it is at rest", |app| !app.is_busy());
    for words in [
        "bits per weight",
        "6.73 M weights",
        "87.7 % ternary",
        "2,048 vocabulary",
        "Runs on CPU",
        "5.45 MiB memory at 512 tokens",
    ] {
        assert!(sees(&f, words), "{words}");
    }
    assert!(f.harness.query_by_label("3.05").is_some());
    // The largest ternary tensor is looked at without being asked for.
    assert!(sees(&f, "Weights of blk.0.ffn_up.weight"));
}

#[test]
fn a_tensor_that_is_filtered_and_chosen_is_measured_right() {
    let mut f = Fixture::open(Page::Model);
    f.until("it is at rest", |app| !app.is_busy());
    type_in(&mut f, "Filter tensors", "1.ffn_down");
    assert!(f.harness.query_by_label("blk.0.ffn_down.weight").is_none());
    f.click(TENSOR);
    f.until("it is measured", |app| !app.is_busy());
    f.harness.run_steps(2);

    let gguf = Gguf::open(&shipped_model()).unwrap();
    let ternary = measure(&gguf.tensor(TENSOR).unwrap()).unwrap().ternary.unwrap();
    let [minus, zero, plus] = ternary.shares().map(|v| format!("{:.1} %", v * 100.0));
    let shares = format!("Shares of the values: -1  {minus}, 0  {zero}, +1  {plus}");
    assert!(f.harness.query_by_label(&shares).is_some(), "{shares}");
    assert!(f.harness.query_by_label("Histogram of the scales").is_some());
    let mean = ternary.scale_moments().mean();
    assert!((0.01..0.1).contains(&mean), "shown with five digits: {mean}");

    // The file's other order, and the arrows once the list has the focus.
    run(&mut f, ModelCommand::FindTensors("attn_norm".into()));
    f.click("blk.2.attn_norm.weight");
    f.until("it is measured", |app| !app.is_busy());
    f.harness.key_press(Key::ArrowDown);
    f.harness.run_steps(2);
    f.until("it is measured", |app| !app.is_busy());
    f.harness.run_steps(2);
    assert!(sees(&f, "384 weights") && sees(&f, "Histogram of the weights"));
    let mut named = f.harness.query_all_by_label("blk.3.attn_norm.weight");
    assert!(
        named.any(|n| n.accesskit_node().toggled() == Some(Toggled::True)),
        "the row below is the chosen one"
    );
    drop(named);
    f.click("Order by offset");
    f.click("Order by offset");
    let table = copied(&mut f, ModelCommand::CopyTensors);
    let names: Vec<&str> = table.lines().skip(1).filter_map(|l| l.split('\t').next()).collect();
    assert_eq!(names, [3, 2, 1, 0].map(|i| format!("blk.{i}.attn_norm.weight")));
}

#[test]
fn metadata_is_filtered_unfolded_and_copied_whole() {
    let mut f = Fixture::open(Page::Model);
    f.until("it is at rest", |app| !app.is_busy());
    type_in(&mut f, "Filter metadata", "ggml.tokens");
    f.click("tokenizer.ggml.tokens");
    run(&mut f, ModelCommand::FindKeys("ROMEO".into()));
    assert!(sees(&f, "tokenizer.ggml.tokens ") && f.harness.query_by_label("general.name").is_none());
    let json = copied(&mut f, ModelCommand::CopyMetadata);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["tokenizer.ggml.tokens"].as_array().unwrap().len(), 2048);
    assert_eq!(json["tercet.context_length"], 512);
    assert_eq!(copied(&mut f, ModelCommand::CopyValue("general.name".into())), "Tercet");
    assert_eq!(copied(&mut f, ModelCommand::CopyRow("tercet.block_count".into())), "tercet.block_count\t4");
    let line = copied(&mut f, ModelCommand::CopyTensor(TENSOR.into()));
    let table = copied(&mut f, ModelCommand::CopyTensors);
    assert!(table.lines().any(|l| l == line));
    assert!(table.contains("blk.1.ffn_down.weight\t1152 x 384\tQ1_58\t117504\t"), "{table}");
}

#[test]
fn a_picture_is_saved_with_a_pixel_for_each_weight() {
    let png = |d: &Path| Answers { open: None, save: Some(d.join("weights.png")) };
    let mut f = Fixture::with(png, Start { page: Some(Page::Model), ..Start::default() });
    run(&mut f, ModelCommand::Select(TENSOR.into()));
    f.click("Save the picture as PNG…");
    f.until("it is saved", |app| app.said().iter().any(|s| s.starts_with("Saved")));
    let image = image::open(f.folder.path().join("weights.png")).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (1152, 384));
    let gguf = Gguf::open(&shipped_model()).unwrap();
    let weights = gguf.tensor(TENSOR).unwrap().to_f32().unwrap();
    // One colour for each sign, the same for every weight of that sign.
    let mut colors = [None; 3];
    for (weight, pixel) in weights.iter().zip(image.pixels()) {
        let at = if *weight == 0.0 { 1 } else { 1 + weight.signum() as isize };
        let known = colors[at as usize].get_or_insert(*pixel);
        assert_eq!(known, pixel);
    }
    assert!(colors[0] != colors[1] && colors[1] != colors[2] && colors[0] != colors[2]);
    // A folder that is not there: a sentence, and no file.
    let nowhere = f.folder.path().join("no/where.png");
    run(&mut f, ModelCommand::SavePictureTo(nowhere));
    assert!(f.harness.state().said().iter().any(|s| s.contains("was not saved") && s.contains("where.png")));
}

#[test]
fn a_file_that_does_not_run_is_listed_with_the_reason() {
    let mut f = Fixture::open(Page::Model);
    let path = f.folder.path().join("llama.gguf");
    foreign(&path);
    f.harness.state_mut().send(Command::Open(path));
    f.until_label("cannot be opened");
    f.until("it is read", |app| !app.is_busy());
    f.harness.run_steps(2);
    assert!(sees(&f, "llama") && sees(&f, "Does not run") && sees(&f, "Of others"));
    assert!(sees(&f, "Weights of blk.0.ffn_up.weight"), "what is of a known type is drawn");
    f.click("tokenizer.ggml.tokens");
    assert!(sees(&f, "tokenizer.ggml.tokens 3 t3"), "the vocabulary is unfolded");
    // All 50,257 elements are searched, off the frame.
    run(&mut f, ModelCommand::FindKeys("t4999".into()));
    f.until_label("tokenizer.ggml.tokens 49999 t49999");
    run(&mut f, ModelCommand::FindKeys(String::new()));
    f.click("blk.0.odd.weight");
    assert!(sees(&f, "Q5_0 tensors are listed"));
    // Read, the message goes, and the page is about the open model again.
    f.click("Dismiss");
    f.until("it is back", |app| !app.is_busy());
    f.until_label("Runs on CPU");
    // A file that is nothing at all leaves the page as it is.
    let nothing = f.folder.path().join("nothing.gguf");
    std::fs::write(&nothing, "no model").unwrap();
    f.harness.state_mut().send(Command::Open(nothing));
    f.until_label("cannot be opened");
    f.until("it is read", |app| !app.is_busy());
    assert!(sees(&f, "Runs on CPU"));
}

#[test]
fn a_file_that_vanishes_or_changes_under_the_page_gives_a_sentence() {
    let copy = |d: &Path| {
        std::fs::copy(shipped_model(), d.join("copy.gguf")).unwrap();
        Answers::default()
    };
    let folder = |f: &Fixture| f.folder.path().join("copy.gguf");
    let mut f = Fixture::with(copy, Start { page: Some(Page::Model), ..Start::default() });
    let path = folder(&f);
    f.harness.state_mut().send(Command::Open(path.clone()));
    f.harness.run_steps(2);
    f.until("it is open", |app| !app.is_busy());
    std::fs::remove_file(&path).unwrap();
    run(&mut f, ModelCommand::Select("blk.3.attn_q.weight".into()));
    f.until_label("This tensor cannot be looked at");
    assert!(sees(&f, "copy.gguf"), "the sentence names the file");
    // What was looked at before stays.
    run(&mut f, ModelCommand::Select("blk.0.ffn_up.weight".into()));
    assert!(sees(&f, "Weights of blk.0.ffn_up.weight") && !sees(&f, "This tensor cannot be looked at"));
}

#[test]
fn the_picture_moves_by_keys_and_commands_and_tensors_change_quickly() {
    let mut f = Fixture::open(Page::Model);
    f.until("it is at rest", |app| !app.is_busy());
    for step in [PictureMove::Whole, PictureMove::Zoom(9), PictureMove::Actual, PictureMove::Zoom(-20)] {
        run(&mut f, ModelCommand::Picture(step));
    }
    run(&mut f, ModelCommand::Picture(PictureMove::Zoom(4)));
    f.harness.get_by_label("Weights of blk.0.ffn_up.weight").hover();
    f.harness.run_steps(3);
    hovered_weight_is_right(&f, "blk.0.ffn_up.weight");
    f.harness.get_by_label("Weights of blk.0.ffn_up.weight").focus();
    f.harness.run_steps(2);
    for key in [Key::Plus, Key::Plus, Key::ArrowRight, Key::ArrowDown, Key::Minus] {
        f.harness.key_press(key);
        f.harness.run_steps(1);
    }
    // Faster than anything can be measured: only the last one counts.
    for _ in 0..40 {
        f.harness.state_mut().send(Command::Model(ModelCommand::Step(1)));
        f.harness.step();
    }
    f.until("it is measured", |app| !app.is_busy());
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::E);
    f.harness.run_steps(3);
    assert!(f.harness.query_by_label("Filter tensors").is_none(), "the picture has the page");
    f.click("Show the lists again");
    assert!(f.harness.query_by_label("Filter tensors").is_some());
}

/// The line under the picture, "row 1,020, column 17   -1 x 0.03944", against the file.
fn hovered_weight_is_right(f: &Fixture, tensor: &str) {
    let node = f.harness.get_by_label_contains("column ");
    let line = node.accesskit_node().label().or(node.accesskit_node().value()).unwrap().replace(',', "");
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, row, _, col, code, _, scale] = words[..] else { panic!("{line}") };
    let gguf = Gguf::open(&shipped_model()).unwrap();
    let tensor = gguf.tensor(tensor).unwrap();
    let at = row.parse::<usize>().unwrap() * tensor.info.dims.row() as usize + col.parse::<usize>().unwrap();
    let weight = tensor.to_f32().unwrap()[at];
    let ternary = measure(&tensor).unwrap().ternary.unwrap();
    let shown = code.parse::<f32>().unwrap() * scale.parse::<f32>().unwrap();
    assert!((shown - weight).abs() < 1e-4, "{line}, but {weight}");
    assert!((scale.parse::<f32>().unwrap() - ternary.scales[at / 128].to_f32()).abs() < 1e-4, "{line}");
}

#[test]
fn hyper_connections_and_tokens_are_shown() {
    let mut f = Fixture::open(Page::Model);
    f.until("it is at rest", |app| !app.is_busy());
    f.click("Streams");
    assert!(sees(&f, "Layer 3 feed-forward: reads"));
    run(&mut f, ModelCommand::Detail(Detail::Tokens));
    run(&mut f, ModelCommand::Tokenize("ROMEO".into()));
    let header = formats::gguf::Header::open(&shipped_model()).unwrap();
    let tokenizer = formats::tokenizer::Tokenizer::from_gguf(header.metadata()).unwrap();
    let ids = tokenizer.encode("ROMEO");
    f.until_label(&format!("{} tokens for 5 bytes", ids.len()));
    let last = ids[ids.len() - 1];
    assert!(f.harness.query_all_by_label_contains(&format!(" {last}")).next().is_some());
}

#[test]
fn a_file_is_held_against_another_one() {
    let mut f = Fixture::open(Page::Model);
    f.until("it is at rest", |app| !app.is_busy());
    let other = f.folder.path().join("other.gguf");
    crate::fixture::write_chat_model(&other, "{{ messages }}");
    f.click("Compare");
    type_in(&mut f, "Path of the other file", &other.display().to_string());
    f.harness.get_all_by_label("Compare").last().unwrap().click();
    f.harness.run_steps(3);
    f.until_label("shakespeare.gguf against other.gguf");
    assert!(sees(&f, "tokenizer.chat_template not set against {{ messages }}"));
    assert!(sees(&f, "114 tensors are the same"));
    let none = f.folder.path().join("none.gguf");
    run(&mut f, ModelCommand::CompareWith(none));
    f.until_label("The files cannot be compared");
    assert!(sees(&f, "none.gguf"));
    run(&mut f, ModelCommand::CompareWith(shipped_model()));
    f.until_label("hold the same");
}

#[test]
fn a_chat_template_is_shown_at_work() {
    let mut f = Fixture::open(Page::Model);
    f.until("it is at rest", |app| !app.is_busy());
    assert!(f.harness.query_by_label("Template").is_none(), "this model does not converse");
    let other = f.folder.path().join("chat.gguf");
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
    crate::fixture::write_chat_model(&other, template);
    f.harness.state_mut().send(Command::Open(other));
    f.harness.run_steps(2);
    f.until("it is open", |app| !app.is_busy());
    f.click("Template");
    f.until_label("<system>Answer in one line.<user>Who are you?");
    assert!(sees(&f, template));
}
