//! Figures as a table and as JSON.

use anyhow::Context;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The figures of one scenario, in the order they were measured.
pub struct Report {
    scenario: &'static str,
    figures: Vec<(String, f64, &'static str)>,
}

impl Report {
    /// An empty one.
    pub fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            figures: Vec::new(),
        }
    }

    /// Adds a figure with its unit.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push((name.into(), value, unit));
    }

    /// Prints the table and writes `<out>/<scenario>.json`.
    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    pub fn finish(self, out: &Path) -> anyhow::Result<()> {
        println!("\n{}", self.scenario);
        for (name, value, unit) in &self.figures {
            println!("  {name:<58} {value:>14.2} {unit}");
        }
        let figures: Map<String, Value> = self
            .figures
            .into_iter()
            .map(|(name, value, unit)| (name, json!({"value": value, "unit": unit})))
            .collect();
        std::fs::create_dir_all(out)?;
        let path = out.join(format!("{}.json", self.scenario));
        let text = serde_json::to_string_pretty(&json!({"scenario": self.scenario, "figures": figures}))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
