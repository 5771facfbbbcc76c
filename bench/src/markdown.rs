//! Rows as Markdown for people: the machine in a few lines, then a table for each kind of figure. Models are written in llama-bench's
//! columns, so that one table can be held against the other.

use std::io::{self, Write};

use crate::row::{
    BandwidthRow, DeviceRow, GpuModelRow, GpuProductRow, LoadRow, MachineRow, MatmulsRow, ModelRow,
    ProductRow, Row, ServingRow,
};

/// Columns of a table: their names, and whether they hold numbers.
type Columns = &'static [(&'static str, bool)];

const MODELS: Columns = &[
    ("model", false),
    ("size", true),
    ("params", true),
    ("backend", false),
    ("threads", true),
    ("test", true),
    ("t/s", true),
    ("first token", true),
];
const PRODUCTS: Columns = &[
    ("rows x columns", true),
    ("kernel", false),
    ("threads", true),
    ("batch", true),
    ("from", false),
    ("us", true),
    ("GOPS", true),
    ("GB/s", true),
    ("share of the limit", true),
    ("x plain", true),
];
const LIMITS: Columns = &[("limit", false), ("threads", true), ("figure", true)];
const TOKENS: Columns = &[
    ("model", false),
    ("backend", false),
    ("threads", true),
    ("depth", true),
    ("token, us", true),
    ("products, us", true),
    ("ratio", true),
    ("GB/s", true),
];
const SERVING: Columns = &[
    ("model", false),
    ("asked", false),
    ("requests", true),
    ("prompt", true),
    ("answer", true),
    ("t/s", true),
    ("read t/s", true),
    ("first token, ms", true),
    ("between tokens, ms", true),
    ("request, ms", true),
    ("failed", true),
];
const LOADS: Columns = &[("model", false), ("backend", false), ("load", true), ("peak memory", true)];

/// Writes all rows.
///
/// # Errors
/// The writer's own.
pub fn write(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let (mut limits, mut products, mut loads, mut models, mut tokens, mut servings) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    let mut lines = Vec::new();
    // What a model's rows on a device do not say again.
    let mut load: Option<&LoadRow> = None;
    for row in rows {
        match row {
            Row::Machine(row) => lines.extend(machine(row)),
            Row::Device(row) => lines.push(device(row)),
            Row::Ceiling(row) => {
                let figure =
                    row.ceiling_gops.map_or("no such instruction".into(), |g| format!("{} GOPS", figure(g)));
                limits.push(vec!["multiply-adds from registers".into(), row.threads.to_string(), figure]);
            }
            Row::Bandwidth(row) => limits.push(bandwidth(row)),
            Row::Product(row) => products.push(product(row)),
            Row::GpuProduct(row) => products.push(gpu_product(row)),
            Row::Load(row) => {
                load = Some(row);
                let memory = row.peak_memory_bytes.map_or(String::new(), bytes);
                loads.push(vec![
                    row.model.clone(),
                    row.kernel.into(),
                    format!("{:.1} ms", row.load_ms),
                    memory,
                ]);
            }
            Row::Model(row) => models.push(model(row)),
            Row::GpuModel(row) => models.push(gpu_model(row, load)),
            Row::Matmuls(row) => tokens.push(matmuls(row)),
            Row::Serving(row) => servings.push(serving(row)),
            Row::Skipped(row) => lines.push(format!("{} was not measured: {}", row.test, row.reason)),
            Row::Note(row) => lines.push(row.note.clone()),
        }
    }
    for line in &lines {
        writeln!(out, "- {}", line.replace('\n', " "))?;
    }
    let mut first = lines.is_empty();
    for (columns, rows) in [
        (MODELS, models),
        (PRODUCTS, products),
        (TOKENS, tokens),
        (SERVING, servings),
        (LOADS, loads),
        (LIMITS, limits),
    ] {
        if !rows.is_empty() {
            if !std::mem::take(&mut first) {
                writeln!(out)?;
            }
            table(columns, &rows, out)?;
        }
    }
    Ok(())
}

fn table(columns: Columns, rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    writeln!(out, "{}", line(&columns.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()))?;
    let rule: Vec<&str> = columns.iter().map(|&(_, number)| if number { "---:" } else { "---" }).collect();
    writeln!(out, "| {} |", rule.join(" | "))?;
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        writeln!(out, "{}", line(&cells))?;
    }
    Ok(())
}

fn machine(row: &MachineRow) -> Vec<String> {
    let caches: Vec<String> = row.cache_bytes.iter().map(|&b| bytes(b)).collect();
    let some =
        |text: String, what: &str| if text.is_empty() { String::new() } else { format!(", {what}{text}") };
    let mut lines = vec![
        format!(
            "{}, {} threads, {}{}{}{}",
            row.cpu,
            row.cores,
            row.system,
            some(row.features.join(" "), ""),
            some(caches.join(" "), "caches "),
            some(row.ram_bytes.map_or(String::new(), bytes), "memory ")
        ),
        format!("tercet {} at {}, {}", row.version, row.commit, row.date),
    ];
    if row.debug_build {
        lines.push("A debug build: slower than the program is".into());
    }
    if let Some(load) = row.load_average.filter(|load| *load > 0.5 * row.cores as f64) {
        lines.push(format!("The machine was busy: load average {load:.1} on {} threads", row.cores));
    }
    if row.on_battery == Some(true) {
        lines.push("The machine ran from its battery".into());
    }
    lines
}

fn device(row: &DeviceRow) -> String {
    let software = if row.software { ", a software rasterizer, not a GPU" } else { "" };
    format!("{} ({}, {}; shaders {}){software}", row.adapter, row.backend, row.driver, row.shaders)
}

fn bandwidth(row: &BandwidthRow) -> Vec<String> {
    let pages = if row.huge_pages { "huge pages" } else { "small pages" };
    let what = format!("reading {} each, {pages}", bytes(row.working_set_bytes as u64));
    vec![what, row.threads.to_string(), format!("{} GB/s", figure(row.bandwidth_gbs))]
}

fn product(row: &ProductRow) -> Vec<String> {
    let or_dash = |value: Option<f64>| value.map_or("-".into(), figure);
    let mut cells = vec![
        row.shape.clone(),
        row.kernel.into(),
        row.threads.to_string(),
        row.batch.to_string(),
        if row.hot { "caches" } else { "memory" }.into(),
    ];
    cells.extend(wrong_or(&row.error, [or_dash(row.us), or_dash(row.gops), or_dash(row.gbs)]));
    cells.push(row.share.map_or("-".into(), |s| format!("{:.1} %", 100.0 * s)));
    cells.push(or_dash(row.speedup));
    cells
}

fn gpu_product(row: &GpuProductRow) -> Vec<String> {
    let or_dash = |value: Option<f64>| value.map_or("-".into(), figure);
    let kernel = format!("{} {}", row.adapter, row.kernel);
    let mut cells = vec![row.shape.clone(), kernel, "-".into(), row.batch.to_string(), "device".into()];
    cells.extend(wrong_or(&row.error, [or_dash(row.us), or_dash(row.gops), or_dash(row.gbs)]));
    cells.extend(["-".into(), "-".into()]);
    cells
}

fn wrong_or<const N: usize>(error: &Option<String>, cells: [String; N]) -> [String; N] {
    match error {
        Some(error) => std::array::from_fn(|i| if i == 0 { format!("wrong: {error}") } else { "-".into() }),
        None => cells,
    }
}

fn rate(error: &Option<String>, mean: Option<f64>, sd: Option<f64>) -> String {
    match (error, mean) {
        (Some(error), _) => format!("wrong: {error}"),
        (None, Some(mean)) => format!("{mean:.2} ± {:.2}", sd.unwrap_or(0.0)),
        (None, None) => "-".into(),
    }
}

fn named(test: &str, depth: usize) -> String {
    if depth > 0 { format!("{test} @ d{depth}") } else { test.to_owned() }
}

fn first_token(ms: Option<f64>) -> String {
    ms.map_or(String::new(), |ms| format!("{} ms", figure(ms)))
}

fn model(row: &ModelRow) -> Vec<String> {
    vec![
        row.model.clone(),
        bytes(row.size_bytes),
        count(row.params),
        format!("CPU {}", row.kernel),
        row.threads.to_string(),
        named(&row.test, row.depth),
        rate(&row.error, row.tokens_per_second, row.sd),
        first_token(row.first_token_ms),
    ]
}

fn gpu_model(row: &GpuModelRow, load: Option<&LoadRow>) -> Vec<String> {
    vec![
        row.model.clone(),
        load.map_or("-".into(), |l| bytes(l.size_bytes)),
        load.map_or("-".into(), |l| count(l.params)),
        row.adapter.clone(),
        "-".into(),
        named(row.test.trim_start_matches("gpu "), row.depth),
        rate(&row.error, row.tokens_per_second, row.sd),
        first_token(row.first_token_ms),
    ]
}

fn matmuls(row: &MatmulsRow) -> Vec<String> {
    vec![
        row.model.clone(),
        format!("CPU {}", row.kernel),
        row.threads.to_string(),
        row.depth.to_string(),
        figure(row.token_us),
        figure(row.matmuls_us),
        format!("{:.2}", row.ratio),
        figure(row.gbs),
    ]
}

fn serving(row: &ServingRow) -> Vec<String> {
    let or_dash = |value: Option<f64>| value.map_or("-".into(), figure);
    let [first, between, request] = row.times().map(|times| times.map(or_dash).join(" / "));
    vec![
        row.model.clone(),
        format!("{}, {}", row.asked(), row.endpoint),
        row.requests.to_string(),
        or_dash(row.prompt_tokens),
        or_dash(row.answer_tokens),
        figure(row.tokens_per_second),
        figure(row.prompt_tokens_per_second),
        first,
        between,
        request,
        match &row.error {
            Some(error) => format!("{}: {error}", row.failed),
            None => row.failed.to_string(),
        },
    ]
}

/// Four digits that count.
fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.digits$}")
}

/// As llama-bench writes sizes.
fn bytes(n: u64) -> String {
    match n {
        0..0x10_0000 => format!("{:.0} KiB", n as f64 / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.2} MiB", n as f64 / 0x10_0000 as f64),
        _ => format!("{:.2} GiB", n as f64 / 0x4000_0000 as f64),
    }
}

fn count(n: u64) -> String {
    if n < 1_000_000_000 { format!("{:.2} M", n as f64 / 1e6) } else { format!("{:.2} B", n as f64 / 1e9) }
}
