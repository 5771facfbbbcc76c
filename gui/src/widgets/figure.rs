//! Numbers as people read them.

use std::time::Duration;

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// `862 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{} {}", three_digits(value), UNITS[unit]) }
}

/// `8,512` or `31.4`, by size.
pub fn per_second(rate: f64) -> String {
    if rate >= 100.0 { count(rate.round() as u64) } else { three_digits(rate) }
}

/// `34.7 %`.
pub fn share(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// `1.8 ms`, `3.1 s`, `2:03`, `1:02:03`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    if seconds < 1e-3 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{} ms", three_digits(seconds * 1e3))
    } else if seconds < 59.5 {
        format!("{seconds:.1} s")
    } else if whole < 3600 {
        format!("{}:{:02}", whole / 60, whole % 60)
    } else {
        format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
    }
}

fn three_digits(v: f64) -> String {
    if v >= 99.95 {
        format!("{v:.0}")
    } else if v >= 9.995 {
        format!("{v:.1}")
    } else {
        format!("{v:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [5, 999, 1000, 2_633_440, 904 << 20].map(bytes),
            ["5 B", "999 B", "0.98 KiB", "2.51 MiB", "904 MiB"]
        );
        assert_eq!([0.52, 31.42, 142.3, 8512.4].map(per_second), ["0.52", "31.4", "142", "8,512"]);
        let times = [40e-6, 1.8e-3, 0.25, 3.12, 123.0, 3723.0].map(Duration::from_secs_f64);
        assert_eq!(times.map(duration), ["40 µs", "1.80 ms", "250 ms", "3.1 s", "2:03", "1:02:03"]);
    }
}
