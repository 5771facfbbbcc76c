//! Rows as files: Markdown for people, CSV for tables, JSON for programs. In CSV and JSON a row is one flat object; where the
//! file goes is the caller's business.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::markdown;
use crate::row::Row;

/// How to write rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The machine, and a table for each kind of figure; models in llama-bench's columns.
    Markdown,
    /// One table, [`COLUMNS`] wide; cells that a row does not have are empty.
    Csv,
    /// An array with one object, on one line, for each row.
    Json,
    /// One object on each line.
    JsonLines,
}

/// Columns of CSV: every key that a row may have.
pub const COLUMNS: [&str; 88] = [
    "test",
    "shape",
    "kernel",
    "batch",
    "threads",
    "hot",
    "us",
    "gops",
    "gops_best",
    "gbs",
    "ceiling_gops",
    "bandwidth_gbs",
    "share",
    "speedup",
    "max_abs_err",
    "error",
    "model",
    "size_bytes",
    "params",
    "depth",
    "tokens_per_second",
    "sd",
    "repetitions",
    "first_token_ms",
    "load_ms",
    "peak_memory_bytes",
    "token_us",
    "matmuls_us",
    "ratio",
    "qkv_us",
    "o_us",
    "gate_up_us",
    "down_us",
    "head_us",
    "matmul_bytes",
    "matmul_ops",
    "working_set_bytes",
    "huge_pages",
    "cpu",
    "features",
    "cores",
    "cache_bytes",
    "system",
    "version",
    "adapter",
    "backend",
    "driver",
    "software",
    "memory_bytes",
    "shaders",
    "device_us",
    "device_share",
    "dispatches",
    "submissions",
    "bytes_up",
    "bytes_down",
    "reason",
    "commit",
    "debug_build",
    "date",
    "ram_bytes",
    "governor",
    "load_average",
    "on_battery",
    "sha256",
    "us_each",
    "tokens_per_second_each",
    "note",
    "address",
    "endpoint",
    "streams",
    "arrivals_per_second",
    "requests",
    "failed",
    "seconds",
    "prompt_tokens",
    "cached_tokens",
    "answer_tokens",
    "prompt_tokens_per_second",
    "first_token_p50_ms",
    "first_token_p95_ms",
    "first_token_p99_ms",
    "between_tokens_p50_ms",
    "between_tokens_p95_ms",
    "between_tokens_p99_ms",
    "request_p50_ms",
    "request_p95_ms",
    "request_p99_ms",
];

/// Writes all rows.
///
/// # Errors
/// The writer's own.
pub fn write(rows: &[Row], format: Format, out: &mut dyn Write) -> io::Result<()> {
    let objects = || rows.iter().map(object).collect::<Vec<_>>();
    match format {
        Format::Json => json(&objects(), out),
        Format::JsonLines => {
            objects().iter().try_for_each(|row| writeln!(out, "{}", serde_json::to_string(row)?))
        }
        Format::Csv => csv(&objects(), out),
        Format::Markdown => markdown::write(rows, out),
    }
}

/// A row as it is written to CSV and JSON.
pub fn object(row: &Row) -> Map<String, Value> {
    match serde_json::to_value(row) {
        Ok(Value::Object(object)) => object,
        other => unreachable!("a row is an object of plain values, not {other:?}"),
    }
}

fn json(rows: &[Map<String, Value>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "[")?;
    for (i, row) in rows.iter().enumerate() {
        let comma = if i + 1 < rows.len() { "," } else { "" };
        writeln!(out, "{}{comma}", serde_json::to_string(row)?)?;
    }
    writeln!(out, "]")
}

fn csv(rows: &[Map<String, Value>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for row in rows {
        let cells: Vec<String> = COLUMNS.iter().map(|column| quoted(&text(row.get(*column)))).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// A cell of RFC 4180.
fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into()
    }
}

/// A value in a cell; a list is separated by spaces.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list.iter().map(|v| text(Some(v))).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{
        BandwidthRow, CeilingRow, DeviceRow, GpuModelRow, GpuProductRow, LoadRow, MachineRow, MatmulsRow,
        ModelRow, NoteRow, ProductRow, ServingRow, Skipped,
    };

    fn rows() -> Vec<Row> {
        let product = ProductRow {
            test: "product",
            shape: "256x128".into(),
            kernel: "avx2",
            batch: 2,
            threads: 1,
            hot: true,
            us: Some(12.3456789),
            gops: Some(178.25),
            gops_best: Some(180.5),
            gbs: Some(23.0),
            ceiling_gops: Some(415.0),
            bandwidth_gbs: None,
            share: Some(178.25 / 415.0),
            speedup: Some(31.5),
            max_abs_err: 0.0,
            error: None,
            us_each: vec![12.5, 12.25],
        };
        let wrong =
            ProductRow { max_abs_err: f64::INFINITY, error: Some("3 differ".into()), ..product.clone() };
        let pp512 = ModelRow {
            test: "pp512".into(),
            model: "showcase".into(),
            size_bytes: 904 << 20,
            params: 2_500_000,
            kernel: "avx2",
            threads: 2,
            depth: 0,
            tokens_per_second: Some(12345.678),
            sd: Some(0.5),
            repetitions: 5,
            first_token_ms: Some(3.25),
            peak_memory_bytes: None,
            max_abs_err: 0.0,
            error: None,
            tokens_per_second_each: vec![12345.0, 12346.0],
        };
        vec![
            Row::Machine(MachineRow {
                test: "machine",
                cpu: "A \"fast\" one, with | and comma".into(),
                features: vec!["avx2", "fma"],
                cores: 2,
                cache_bytes: vec![32 << 10, 512 << 10],
                huge_pages: None,
                system: "linux x86_64".into(),
                version: "0.1.0",
                commit: "c0ffee".into(),
                debug_build: true,
                date: "2026-11-25T13:12:54Z".into(),
                ram_bytes: Some(8 << 30),
                governor: None,
                load_average: Some(1.5),
                on_battery: Some(true),
            }),
            Row::Ceiling(CeilingRow { test: "ceiling", threads: 2, ceiling_gops: None }),
            Row::Bandwidth(BandwidthRow {
                test: "read",
                threads: 2,
                working_set_bytes: 16 << 10,
                huge_pages: true,
                bandwidth_gbs: 406.0,
            }),
            Row::Product(product),
            Row::Product(wrong),
            Row::Load(LoadRow {
                test: "load",
                model: "showcase".into(),
                size_bytes: 1,
                params: 2,
                kernel: "avx2",
                load_ms: 1.5,
                peak_memory_bytes: Some(1 << 20),
                sha256: Some("00ff".into()),
            }),
            Row::Model(pp512.clone()),
            Row::Model(ModelRow {
                test: "tg128".into(),
                depth: 64,
                tokens_per_second: None,
                sd: None,
                first_token_ms: None,
                error: Some("token 9 is 1".into()),
                ..pp512
            }),
            Row::Matmuls(MatmulsRow {
                test: "matmuls",
                model: "showcase".into(),
                kernel: "avx2",
                threads: 2,
                depth: 0,
                token_us: 200.0,
                matmuls_us: 100.0,
                ratio: 2.0,
                qkv_us: 1.0,
                o_us: 2.0,
                gate_up_us: 3.0,
                down_us: 4.0,
                head_us: 90.0,
                matmul_bytes: 1000,
                matmul_ops: 7530,
                gbs: 10.0,
                ceiling_gops: None,
                bandwidth_gbs: 20.0,
            }),
            Row::Device(DeviceRow {
                test: "device",
                adapter: "A card".into(),
                backend: "Vulkan".into(),
                driver: "1.2".into(),
                software: false,
                memory_bytes: Some(8 << 30),
                shaders: "f16".into(),
            }),
            Row::GpuProduct(GpuProductRow {
                test: "gpu product",
                shape: "256x128".into(),
                kernel: "gemv",
                adapter: "A card".into(),
                batch: 1,
                us: Some(3.0),
                device_us: None,
                gops: Some(4.0),
                gbs: Some(5.0),
                max_abs_err: 0.0,
                error: None,
                us_each: vec![3.0],
            }),
            Row::GpuModel(GpuModelRow {
                test: "gpu tg128".into(),
                model: "showcase".into(),
                adapter: "A card".into(),
                depth: 0,
                tokens_per_second: Some(12.5),
                sd: Some(0.5),
                repetitions: 5,
                first_token_ms: None,
                device_share: Some(0.5),
                dispatches: Some(44.0),
                submissions: Some(1.0),
                bytes_up: Some(8.0),
                bytes_down: Some(4.0),
                max_abs_err: 1e-5,
                error: None,
                tokens_per_second_each: vec![12.5],
            }),
            Row::Serving(ServingRow {
                test: "serve",
                model: "a|b".into(),
                address: "http://127.0.0.1:8082/v1".into(),
                endpoint: "chat",
                streams: Some(4),
                arrivals_per_second: None,
                requests: 16,
                failed: 1,
                seconds: 2.5,
                prompt_tokens: Some(128.0),
                cached_tokens: Some(0.5),
                answer_tokens: Some(64.0),
                tokens_per_second: 409.6,
                prompt_tokens_per_second: 819.2,
                first_token_p50_ms: Some(10.0),
                first_token_p95_ms: Some(20.0),
                first_token_p99_ms: Some(30.5),
                between_tokens_p50_ms: None,
                between_tokens_p95_ms: None,
                between_tokens_p99_ms: None,
                request_p50_ms: Some(1.0),
                request_p95_ms: Some(2.0),
                request_p99_ms: Some(3.0),
                error: Some("status 429: busy".into()),
            }),
            Row::Skipped(Skipped { test: "tg128".into(), reason: "no room".into() }),
            Row::Note(NoteRow { test: "note", note: "Text was written meanwhile.".into() }),
        ]
    }

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        write(&rows(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_reads_back_as_one_object_a_row() {
        let text = written(Format::Json);
        let read: Vec<Map<String, Value>> = serde_json::from_str(&text).unwrap();
        assert_eq!((read.len(), text.lines().count()), (rows().len(), rows().len() + 2));
        assert_eq!(read[3]["us"], 12.3456789);
        assert_eq!((&read[3]["error"], &read[4]["error"]), (&Value::Null, &Value::from("3 differ")));
        assert_eq!((&read[3]["max_abs_err"], &read[4]["max_abs_err"]), (&Value::from(0.0), &Value::Null));
        assert_eq!(read[6]["test"], "pp512");
        let lines = written(Format::JsonLines);
        assert_eq!(lines.lines().count(), rows().len());
        assert!(text.contains(lines.lines().next().unwrap()), "the same objects");
        let mut nothing = Vec::new();
        write(&[], Format::Json, &mut nothing).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<Value>>(&nothing).unwrap().len(), 0);
    }

    /// A line of CSV as its cells.
    fn cells(line: &str) -> Vec<String> {
        let (mut cells, mut inside) = (vec![String::new()], false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if inside && chars.peek() == Some(&'"') => {
                    cells.last_mut().unwrap().push(chars.next().unwrap())
                }
                '"' => inside = !inside,
                ',' if !inside => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells
    }

    #[test]
    fn csv_has_every_key_of_every_row_and_reads_back() {
        let text = written(Format::Csv);
        let mut lines = text.lines();
        let header = cells(lines.next().unwrap());
        assert_eq!(header, COLUMNS);
        for (row, line) in rows().iter().zip(lines.by_ref()) {
            let cells = cells(line);
            assert_eq!(cells.len(), COLUMNS.len(), "{line}");
            for (key, value) in object(row) {
                let column =
                    COLUMNS.iter().position(|c| **c == key).unwrap_or_else(|| panic!("{key} has no column"));
                assert_eq!(cells[column], super::text(Some(&value)), "{key}");
            }
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn markdown_has_llama_benchs_columns_and_says_what_is_wrong() {
        let text = written(Format::Markdown);
        let models = "| model | size | params | backend | threads | test | t/s | first token |\n\
                      | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |\n\
                      | showcase | 904.00 MiB | 2.50 M | CPU avx2 | 2 | pp512 | 12345.68 ± 0.50 | 3.250 ms |\n\
                      | showcase | 904.00 MiB | 2.50 M | CPU avx2 | 2 | tg128 @ d64 | wrong: token 9 is 1 |  |\n\
                      | showcase | 1 KiB | 0.00 M | A card | - | tg128 | 12.50 ± 0.50 |  |\n";
        assert!(text.contains(&models.replace("1 KiB", "0 KiB")), "{text}");
        for part in [
            "- A \"fast\" one, with | and comma, 2 threads",
            "tercet 0.1.0 at c0ffee, 2026-11-25T13:12:54Z",
            "A debug build",
            "load average 1.5 on 2 threads",
            "from its battery",
            "tg128 was not measured: no room",
            "Text was written meanwhile",
            "| 256x128 | avx2 | 1 | 2 | caches | 12.35 | 178.2 | 23.00 | 43.0 % | 31.50 |",
            "| wrong: 3 differ | - | - |",
            "| a\\|b | 4 at once, chat | 16 | 128.0 | 64.00 | 409.6 | 819.2 | 10.00 / 20.00 / 30.50 | - / - / - | 1.000 / 2.000 / 3.000 | 1: status 429: busy |",
            "| reading 16 KiB each, huge pages | 2 | 406.0 GB/s |",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        for table in text.split("\n\n").skip(1) {
            let widths: Vec<usize> =
                table.lines().map(|l| l.replace("\\|", "").matches('|').count()).collect();
            assert!(widths.windows(2).all(|w| w[0] == w[1]), "{table}");
        }
    }
}
