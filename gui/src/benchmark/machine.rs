//! The machine of a result: what it says of itself, and what speaks against its figures.

use super::figure::Object;

/// What a result says of its machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Threads that it runs at once.
    pub cores: usize,
    /// Caches, nearest first.
    pub cache_bytes: Vec<u64>,
    /// Memory.
    pub ram_bytes: Option<u64>,
    /// Instruction sets.
    pub features: Vec<String>,
    /// Operating system and architecture.
    pub system: String,
    /// Version of the program, and its commit.
    pub program: String,
    /// When, in UTC.
    pub date: String,
    /// How clocks are chosen.
    pub governor: Option<String>,
    /// What the system says of huge pages.
    pub huge_pages: Option<String>,
    /// The model's file and its SHA-256.
    pub model: Option<(String, Option<String>)>,
    /// Graphics adapters: name, driver, whether it is the processor pretending.
    pub adapters: Vec<(String, String, bool)>,
    debug_build: bool,
    load_average: Option<f64>,
    on_battery: bool,
    /// What was noted while it ran.
    pub notes: Vec<String>,
}

/// How an adapter is called that is none.
pub const SOFTWARE: &str = "software rasterizer, not a GPU";

impl Machine {
    /// Takes in a row that describes something.
    pub fn take(&mut self, o: &Object<'_>) {
        let text = |key: &str| o.text(key).map(str::to_owned);
        match o.text("test") {
            Some("machine") => {
                self.cpu = text("cpu").unwrap_or_else(|| "unknown".into());
                self.cores = o.count("cores").unwrap_or(0);
                self.cache_bytes = o.numbers("cache_bytes").iter().map(|&b| b as u64).collect();
                self.ram_bytes = o.number("ram_bytes").map(|b| b as u64);
                let features = o.0.get("features").and_then(|f| f.as_array());
                self.features = features.map_or_else(Vec::new, |l| {
                    l.iter().filter_map(|f| f.as_str().map(str::to_owned)).collect()
                });
                self.system = text("system").unwrap_or_default();
                let commit =
                    text("commit").map_or(String::new(), |c| format!(" at {}", c.get(..10).unwrap_or(&c)));
                self.program = format!("tercet {}{commit}", text("version").unwrap_or_default());
                self.date = text("date").unwrap_or_default();
                self.governor = text("governor");
                self.huge_pages = text("huge_pages");
                self.debug_build = o.flag("debug_build").unwrap_or(false);
                self.load_average = o.number("load_average");
                self.on_battery = o.flag("on_battery").unwrap_or(false);
            }
            Some("load") => self.model = text("model").map(|name| (name, text("sha256"))),
            Some("device") => {
                let name = text("adapter").unwrap_or_default();
                if self.adapters.iter().all(|a| a.0 != name) {
                    let driver =
                        [text("backend"), text("driver")].into_iter().flatten().collect::<Vec<_>>().join(" ");
                    self.adapters.push((name, driver, o.flag("software").unwrap_or(false)));
                }
            }
            Some("note") => self.notes.extend(text("note")),
            _ => {}
        }
    }

    /// Whether anything is known.
    pub fn is_known(&self) -> bool {
        !self.cpu.is_empty()
    }

    /// The day it was measured.
    pub fn day(&self) -> &str {
        self.date.split('T').next().unwrap_or_default()
    }

    /// Whether an adapter is the processor pretending.
    pub fn is_software(&self, adapter: &str) -> bool {
        self.adapters.iter().any(|a| a.0 == adapter && a.2)
    }

    /// What speaks against the figures: a few words, and a sentence.
    pub fn warnings(&self) -> Vec<(String, String)> {
        let mut list = Vec::new();
        if self.debug_build {
            list.push((
                "debug build".to_owned(),
                "This program was built with checks that a release leaves out; build it with --release"
                    .to_owned(),
            ));
        }
        if let Some(load) = self.load_average.filter(|load| *load > 0.5 * self.cores.max(1) as f64) {
            let hint = format!(
                "Other programs kept the machine busy before anything was measured: {load:.1} threads of {} on average over a minute",
                self.cores
            );
            list.push((format!("load average {load:.1}"), hint));
        }
        if self.on_battery {
            list.push((
                "on battery".to_owned(),
                "The machine runs from its battery and may hold its clocks down".to_owned(),
            ));
        }
        if let Some(governor) =
            self.governor.as_deref().filter(|g| matches!(*g, "powersave" | "conservative"))
        {
            list.push((
                format!("{governor} governor"),
                "The system holds clocks down until they are asked for".to_owned(),
            ));
        }
        for (name, _, software) in &self.adapters {
            if *software {
                list.push((
                    format!("{}: {SOFTWARE}", short(name)),
                    format!(
                        "{name} is the processor pretending to be a GPU: its figures say nothing about one"
                    ),
                ));
            }
        }
        list.extend(self.notes.iter().map(|note| (note.trim_end_matches('.').to_owned(), note.clone())));
        list
    }
}

/// The first words of an adapter's name: what stands in brackets is for whoever asks.
pub fn short(name: &str) -> &str {
    name.split(" (").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::super::results::{Results, tests::example};
    use super::*;

    #[test]
    fn what_speaks_against_figures_is_said() {
        let m = Results::of(&example()).machine;
        assert_eq!((m.cpu.as_str(), m.cores, m.day()), ("Example 9000", 2, "2026-11-25"));
        assert_eq!(m.model, Some(("a.gguf".into(), Some("00ff".into()))));
        let words: Vec<String> = m.warnings().into_iter().map(|(w, _)| w).collect();
        let software = format!("llvmpipe: {SOFTWARE}");
        assert_eq!(
            words,
            ["debug build", "load average 1.8", "on battery", &software, "Text was written meanwhile"]
        );
        assert!(m.is_software("llvmpipe") && !m.is_software("A card"));
        let quiet = Machine { cores: 8, load_average: Some(1.8), cpu: "x".into(), ..Machine::default() };
        assert_eq!(quiet.warnings(), []);
        assert_eq!(short("llvmpipe (LLVM 15, 256 bits)"), "llvmpipe");
    }
}
