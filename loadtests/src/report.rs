//! Figures as a table and as JSON.

use crate::machine;
use anyhow::Context;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The figures of one scenario, in the order they were measured.
pub struct Report {
    scenario: &'static str,
    figures: Vec<Figure>,
    /// What was measured: versions, settings, what was left out.
    facts: Vec<(String, String)>,
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// Lowest and highest, where it is the median of several.
    spread: Option<(f64, f64)>,
}

impl Report {
    /// An empty one.
    pub fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            figures: Vec::new(),
            facts: vec![("machine".to_owned(), machine::describe())],
        }
    }

    /// Adds a figure with its unit.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            name: name.into(),
            value,
            unit,
            spread: None,
        });
    }

    /// Adds the median of `values`, with the lowest and the highest of them where they are several.
    pub fn add_median(&mut self, name: impl Into<String>, values: &[f64], unit: &'static str) {
        let Some((value, lowest, highest)) = median(values) else {
            return;
        };
        self.figures.push(Figure {
            name: name.into(),
            value,
            unit,
            spread: (values.len() > 1).then_some((lowest, highest)),
        });
    }

    /// Adds p50, p99 and the most of delays in microseconds.
    pub fn add_delays(&mut self, name: &str, delays: &Histogram<u64>) {
        for (quantile, label) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
            let value = delays.value_at_quantile(quantile) as f64 / 1_000.0;
            self.add(format!("{name}, {label}"), value, "ms");
        }
    }

    /// Adds something that is no figure.
    pub fn tell(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.facts.push((name.into(), text.into()));
    }

    /// Prints the table and writes `<out>/<scenario>.json`.
    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    pub fn finish(self, out: &Path) -> anyhow::Result<()> {
        println!("\n{}", self.scenario);
        for (name, text) in &self.facts {
            println!("  {name}: {text}");
        }
        for Figure {
            name,
            value,
            unit,
            spread,
        } in &self.figures
        {
            let spread = spread.map_or(String::new(), |(lowest, highest)| {
                format!("  ({lowest:.2} to {highest:.2})")
            });
            println!("  {name:<58} {value:>14.2} {unit}{spread}");
        }
        std::fs::create_dir_all(out)?;
        let path = out.join(format!("{}.json", self.scenario));
        std::fs::write(&path, serde_json::to_string_pretty(&self.json())?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn json(self) -> Value {
        let figures: Map<String, Value> = self
            .figures
            .into_iter()
            .map(|figure| {
                let mut entry = json!({"value": figure.value, "unit": figure.unit});
                if let Some((lowest, highest)) = figure.spread {
                    entry["lowest"] = lowest.into();
                    entry["highest"] = highest.into();
                }
                (figure.name, entry)
            })
            .collect();
        let facts: Map<String, Value> = self
            .facts
            .into_iter()
            .map(|(name, text)| (name, text.into()))
            .collect();
        json!({"scenario": self.scenario, "facts": facts, "figures": figures})
    }
}

/// Median (the lower of two in the middle), lowest and highest.
pub fn median(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((
        *sorted.get((sorted.len().checked_sub(1)?) / 2)?,
        *sorted.first()?,
        *sorted.last()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_stands_with_its_spread_and_a_single_value_alone() {
        let mut report = Report::new("test");
        report.add_median("several", &[3.0, 1.0, 2.0], "ms");
        report.add_median("one", &[5.0], "ms");
        report.add_median("none", &[], "ms");
        report.tell("peer", "1.2");
        let json = report.json();
        assert_eq!(
            json["figures"]["several"],
            json!({"value": 2.0, "unit": "ms", "lowest": 1.0, "highest": 3.0})
        );
        assert_eq!(json["figures"]["one"], json!({"value": 5.0, "unit": "ms"}));
        assert_eq!(
            (json["figures"].as_object().map(Map::len), &json["facts"]["peer"]),
            (Some(2), &json!("1.2"))
        );
    }
}
