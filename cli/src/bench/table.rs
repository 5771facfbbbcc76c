//! Rows of a measurement as lines of a table: columns of fixed width, so that each line can be written as its row is known. A
//! heading goes where the kind of row changes.

use bench::{
    DeviceRow, GpuModelRow, GpuProductRow, MachineRow, MatmulsRow, ModelRow, ProductRow, Row, ServingRow,
};

/// What was written last, which decides where headings go.
#[derive(Default)]
pub struct Table {
    heading: String,
}

impl Table {
    /// The lines of one row, a heading before them where one is due.
    pub fn lines(&mut self, row: &Row) -> String {
        let (heading, line) = match row {
            Row::Machine(row) => (String::new(), machine(row)),
            Row::Ceiling(row) => (
                format!("{:>7}  multiply-adds from registers", "threads"),
                match row.ceiling_gops {
                    Some(gops) => format!("{:>7}  {gops:.0} GOPS", row.threads),
                    None => format!("{:>7}  no such instruction", row.threads),
                },
            ),
            Row::Bandwidth(row) => (
                format!("{:>7}  {:>10}  {:>5}  {:>9}", "threads", "each reads", "pages", "GB/s"),
                format!(
                    "{:>7}  {:>10}  {:>5}  {:>9.1}",
                    row.threads,
                    bytes(row.working_set_bytes as u64),
                    if row.huge_pages { "huge" } else { "small" },
                    row.bandwidth_gbs
                ),
            ),
            Row::Product(row) => (product_heading(), product(row)),
            Row::Load(row) => (
                String::new(),
                format!(
                    "{}: {} weights in {}, laid out for {} in {:.0} ms; peak memory {}",
                    row.model,
                    count(row.params),
                    bytes(row.size_bytes),
                    row.kernel,
                    row.load_ms,
                    row.peak_memory_bytes.map_or("unknown".into(), bytes)
                ),
            ),
            Row::Model(row) => (model_heading(), model(row)),
            Row::Matmuls(row) => (String::new(), matmuls(row)),
            Row::Device(row) => (String::new(), device(row)),
            Row::GpuProduct(row) => (gpu_product_heading(), gpu_product(row)),
            Row::GpuModel(row) => (gpu_model_heading(), gpu_model(row)),
            Row::Serving(row) => (serving_heading(), serving(row)),
            Row::Note(row) => (String::new(), row.note.clone()),
            Row::Skipped(row) => (self.heading.clone(), format!("{} not measured: {}", row.test, row.reason)),
        };
        if heading == self.heading {
            return format!("{line}\n");
        }
        let gap = if self.heading.is_empty() && heading.is_empty() { "" } else { "\n" };
        self.heading = heading;
        match &self.heading[..] {
            "" => format!("{gap}{line}\n"),
            heading => format!("{gap}{heading}\n{line}\n"),
        }
    }
}

fn machine(row: &MachineRow) -> String {
    let or = |text: String| if text.is_empty() { "unknown".to_owned() } else { text };
    let caches: Vec<String> = row.cache_bytes.iter().map(|&b| bytes(b)).collect();
    format!(
        "{}, {} threads, {}; tercet {} at {}\nfeatures {}\ncaches {}; huge pages {}",
        row.cpu,
        row.cores,
        row.system,
        row.version,
        row.commit,
        or(row.features.join(" ")),
        or(caches.join(", ")),
        row.huge_pages.as_deref().unwrap_or("unknown")
    )
}

fn product_heading() -> String {
    format!(
        "{:>11}  {:11} {:>5} {:>7} {:>4} {:>10} {:>7} {:>6} {:>7} {:>6} {:>6} {:>7}",
        "shape",
        "kernel",
        "batch",
        "threads",
        "from",
        "us",
        "GOPS",
        "GB/s",
        "ceiling",
        "memory",
        "share",
        "x plain"
    )
}

fn product(row: &ProductRow) -> String {
    let start = format!(
        "{:>11}  {:11} {:>5} {:>7} {:>4}",
        row.shape,
        row.kernel,
        row.batch,
        row.threads,
        if row.hot { "hot" } else { "cold" }
    );
    if let Some(error) = &row.error {
        return format!("{start}  WRONG: {error}, by up to {:e}", row.max_abs_err);
    }
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let share = row.share.map_or("-".into(), |s| format!("{:.1}%", 100.0 * s));
    format!(
        "{start} {:>10} {:>7} {:>6} {:>7} {:>6} {:>6} {:>7}",
        figure(row.us, 2),
        figure(row.gops, 1),
        figure(row.gbs, 1),
        figure(row.ceiling_gops, 0),
        figure(row.bandwidth_gbs, 1),
        share,
        figure(row.speedup, 1)
    )
}

fn model_heading() -> String {
    format!(
        "{:20} {:>10} {:>8} {:11} {:>7} {:>14} {:>20} {:>14}",
        "model", "size", "params", "backend", "threads", "test", "t/s", "first token"
    )
}

fn model(row: &ModelRow) -> String {
    let test = if row.depth > 0 { format!("{} @ d{}", row.test, row.depth) } else { row.test.clone() };
    let start = format!(
        "{:20} {:>10} {:>8} {:11} {:>7} {test:>14}",
        row.model,
        bytes(row.size_bytes),
        count(row.params),
        row.kernel,
        row.threads
    );
    if let Some(error) = &row.error {
        return format!("{start}  WRONG: {error}; logits differ by up to {:e}", row.max_abs_err);
    }
    format!(
        "{start} {:>20} {:>14}",
        format!("{} ± {}", figure(row.tokens_per_second, 2), figure(row.sd, 2)),
        row.first_token_ms.map_or(String::new(), |ms| format!("{ms:.2} ms"))
    )
}

fn matmuls(row: &MatmulsRow) -> String {
    let ceiling = row.ceiling_gops.map_or(String::new(), |gops| format!(" and {gops:.0} GOPS"));
    format!(
        "a token on {} threads after {}: {:.1} us = {:.2} x its products' {:.1} us \
         (qkv {:.1}, o {:.1}, gate and up {:.1}, down {:.1}, head {:.1});\n\
         {} at {:.1} GB/s, where the machine reads {:.1} GB/s{ceiling} is its ceiling",
        row.threads,
        row.depth,
        row.token_us,
        row.ratio,
        row.matmuls_us,
        row.qkv_us,
        row.o_us,
        row.gate_up_us,
        row.down_us,
        row.head_us,
        bytes(row.matmul_bytes),
        row.gbs,
        row.bandwidth_gbs
    )
}

fn device(row: &DeviceRow) -> String {
    let software = if row.software {
        "\nthis is a software rasterizer, not a GPU: its figures say nothing about one"
    } else {
        ""
    };
    let memory = row.memory_bytes.map_or(String::new(), |n| format!("memory: {}; ", bytes(n)));
    let DeviceRow { adapter, backend, driver, shaders, .. } = row;
    format!("{adapter} ({backend}, {driver}); {memory}shaders: {shaders}{software}")
}

fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".into(), |v| format!("{v:.digits$}"))
}

fn gpu_product_heading() -> String {
    format!(
        "{:>11}  {:6} {:>5} {:>12} {:>12} {:>8} {:>7}",
        "shape", "kernel", "batch", "us", "us in shader", "GOPS", "GB/s"
    )
}

fn gpu_product(row: &GpuProductRow) -> String {
    let start = format!("{:>11}  {:6} {:>5}", row.shape, row.kernel, row.batch);
    if let Some(error) = &row.error {
        return format!("{start}  WRONG: {error}, by up to {:e}", row.max_abs_err);
    }
    format!(
        "{start} {:>12} {:>12} {:>8} {:>7}",
        figure(row.us, 2),
        figure(row.device_us, 2),
        figure(row.gops, 1),
        figure(row.gbs, 2)
    )
}

fn gpu_model_heading() -> String {
    format!(
        "{:20} {:>16} {:>18} {:>13} {:>9} {:>10} {:>7} {:>8} {:>10} {:>10}",
        "model",
        "test",
        "t/s",
        "first token",
        "in shader",
        "dispatches",
        "submits",
        "bytes up",
        "bytes back",
        "logits off"
    )
}

fn gpu_model(row: &GpuModelRow) -> String {
    let test = if row.depth > 0 { format!("{} @ d{}", row.test, row.depth) } else { row.test.clone() };
    let start = format!("{:20} {test:>16}", row.model);
    if let Some(error) = &row.error {
        return format!("{start}  WRONG: {error}; logits differ by up to {:e}", row.max_abs_err);
    }
    format!(
        "{start} {:>18} {:>13} {:>9} {:>10} {:>7} {:>8} {:>10} {:>10}",
        format!("{} ± {}", figure(row.tokens_per_second, 2), figure(row.sd, 2)),
        row.first_token_ms.map_or(String::new(), |ms| format!("{ms:.2} ms")),
        row.device_share.map_or("-".into(), |s| format!("{:.0}%", 100.0 * s)),
        figure(row.dispatches, 2),
        figure(row.submissions, 3),
        figure(row.bytes_up, 1),
        figure(row.bytes_down, 1),
        format!("{:.1e}", row.max_abs_err)
    )
}

fn serving_heading() -> String {
    format!(
        "{:22} {:>8} {:>6} {:>6} {:>9} {:>9}  {:>25}  {:>22}  {:>25}",
        "asked",
        "requests",
        "prompt",
        "answer",
        "t/s",
        "read t/s",
        "first token, ms",
        "between tokens, ms",
        "request, ms"
    )
}

fn serving(row: &ServingRow) -> String {
    let asked = format!("{}, {}", row.endpoint, row.asked());
    let times = |times: [Option<f64>; 3], digits: usize| times.map(|time| figure(time, digits)).join(" / ");
    let [first, between, request] = row.times();
    let line = format!(
        "{asked:22} {:>8} {:>6} {:>6} {:>9.1} {:>9.1}  {:>25}  {:>22}  {:>25}",
        row.requests,
        figure(row.prompt_tokens, 0),
        figure(row.answer_tokens, 0),
        row.tokens_per_second,
        row.prompt_tokens_per_second,
        times(first, 1),
        times(between, 2),
        times(request, 0)
    );
    match &row.error {
        Some(error) => format!("{line}\n{} FAILED: {error}", row.failed),
        None => line,
    }
}

/// A size in the largest unit that leaves at least one of it.
pub fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..0x10_0000 => format!("{} KiB", short(n as f64 / 1024.0)),
        0x10_0000..0x4000_0000 => format!("{} MiB", short(n as f64 / 0x10_0000 as f64)),
        _ => format!("{} GiB", short(n as f64 / 0x4000_0000 as f64)),
    }
}

/// A number of weights.
fn count(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} K", short(n as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} M", short(n as f64 / 1e6)),
        _ => format!("{} B", short(n as f64 / 1e9)),
    }
}

fn short(x: f64) -> String {
    if x.fract() == 0.0 { format!("{x}") } else { format!("{x:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench::{CeilingRow, Skipped};

    #[test]
    fn table_has_a_heading_for_each_kind_and_columns_that_line_up() {
        let product = ProductRow {
            test: "product",
            shape: "50257x256".into(),
            kernel: "avx2-pshufb",
            batch: 128,
            threads: 16,
            hot: false,
            us: Some(123_456.789),
            gops: Some(2178.25),
            gops_best: Some(2180.5),
            gbs: Some(123.0),
            ceiling_gops: Some(6640.0),
            bandwidth_gbs: Some(400.0),
            share: Some(0.31),
            speedup: Some(1031.5),
            max_abs_err: 0.0,
            error: None,
            us_each: Vec::new(),
        };
        let mut table = Table::default();
        let first = table.lines(&Row::Product(product.clone()));
        let lines: Vec<&str> = first.lines().collect();
        assert_eq!((lines.len(), lines[1].chars().count()), (3, lines[2].chars().count()), "{first}");
        let bare = ProductRow { share: None, ceiling_gops: None, ..product.clone() };
        assert_eq!(table.lines(&Row::Product(bare)).lines().count(), 1);
        let wrong = ProductRow { error: Some("3 results differ".into()), ..product };
        assert!(table.lines(&Row::Product(wrong)).contains("WRONG: 3 results differ"));
        let ceiling = Row::Ceiling(CeilingRow { test: "ceiling", threads: 2, ceiling_gops: Some(830.4) });
        assert!(table.lines(&ceiling).ends_with("2  830 GOPS\n"));
        let skipped = Row::Skipped(Skipped { test: "tg128".into(), reason: "no room".into() });
        assert_eq!(table.lines(&skipped), "tg128 not measured: no room\n");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([bytes(7), bytes(32 << 10), bytes(3 << 29)], ["7 B", "32 KiB", "1.50 GiB"]);
        assert_eq!([count(2_500_000), count(2_000_000_000)], ["2.50 M", "2 B"]);
    }
}
