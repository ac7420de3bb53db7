//! Figures of several rounds, and the Markdown tables of their medians.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Whose figure it is: the columns of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// The programs of this repository.
    Ours,
    /// Apache's.
    Apache,
    /// A bare loop of the system calls that nobody can do without.
    Floor,
}

/// When ours is good enough.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// No goal was set.
    None,
    /// Below this figure.
    Below(f64),
    /// At least this figure.
    Above(f64),
    /// At most Apache's figure times this.
    AtMost(f64),
    /// At least Apache's figure times this.
    AtLeast(f64),
    /// At most Apache's figure times the first, and the floor's times the second.
    Within(f64, f64),
}

/// One row: what was measured.
#[derive(Debug)]
struct Row {
    label: String,
    goal: Goal,
    figures: BTreeMap<Who, Vec<f64>>,
}

/// One table: rows in the order in which they were first measured.
#[derive(Debug)]
pub(crate) struct Table {
    title: &'static str,
    rows: Vec<Row>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(title: &'static str) -> Table {
        Table { title, rows: Vec::new() }
    }

    /// Adds the figure of one round, and says it on stderr.
    pub(crate) fn add(&mut self, who: Who, label: &str, goal: Goal, figure: f64) {
        eprintln!("  {:7} {label}: {}", format!("{who:?}"), digits(figure));
        let index = self.rows.iter().position(|row| row.label == label).unwrap_or_else(|| {
            self.rows.push(Row { label: label.to_owned(), goal, figures: BTreeMap::new() });
            self.rows.len() - 1
        });
        self.rows[index].figures.entry(who).or_default().push(figure);
    }

    /// The table as Markdown; empty without rows.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        if self.rows.is_empty() {
            return text;
        }
        let _ = writeln!(text, "| {} | ours | Apache | floor | goal |", self.title);
        let _ = writeln!(text, "|---|--:|--:|--:|---|");
        for row in &self.rows {
            let figure = |who| row.figures.get(&who).map(|figures| median(figures));
            let shown = |who| figure(who).map_or_else(String::new, digits);
            let (ours, apache, floor) = (shown(Who::Ours), shown(Who::Apache), shown(Who::Floor));
            let verdict = verdict(row.goal, figure(Who::Ours), figure(Who::Apache), figure(Who::Floor));
            let _ = writeln!(text, "| {} | {ours} | {apache} | {floor} | {verdict} |", row.label);
        }
        text
    }
}

fn verdict(goal: Goal, ours: Option<f64>, apache: Option<f64>, floor: Option<f64>) -> String {
    let (text, met) = match goal {
        Goal::None => return String::new(),
        Goal::Below(limit) => (format!("below {limit}"), ours.map(|ours| ours < limit)),
        Goal::Above(limit) => (format!("above {limit}"), ours.map(|ours| ours > limit)),
        Goal::AtMost(part) => {
            (format!("≤ {part} × Apache"), ours.zip(apache).map(|(ours, apache)| ours <= part * apache))
        }
        Goal::AtLeast(part) => {
            (format!("≥ {part} × Apache"), ours.zip(apache).map(|(ours, apache)| ours >= part * apache))
        }
        Goal::Within(part, times) => {
            let met = |(ours, (apache, floor))| ours <= part * apache && ours <= times * floor;
            (format!("≤ {part} × Apache, ≤ {times} × floor"), ours.zip(apache.zip(floor)).map(met))
        }
    };
    match met {
        Some(true) => format!("{text}: met"),
        Some(false) => format!("{text}: **missed**"),
        None => text,
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Three significant digits, thousands apart.
fn digits(figure: f64) -> String {
    match figure.abs() {
        size if size >= 1000.0 => {
            let rounded = figure.round().abs() as u64;
            let text = rounded.to_string();
            let mut apart = String::new();
            for (index, digit) in text.chars().enumerate() {
                if index > 0 && (text.len() - index).is_multiple_of(3) {
                    apart.push(' ');
                }
                apart.push(digit);
            }
            apart
        }
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}
