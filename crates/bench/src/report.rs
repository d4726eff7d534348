//! Figures and how they are printed.

use std::fmt;

use serde::Serialize;

/// All figures of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The figures, in the order they were taken.
    pub figures: Vec<Figure>,
}

impl Report {
    /// Whether every figure is within its budget.
    pub fn holds(&self) -> bool {
        self.figures.iter().all(Figure::holds)
    }
}

/// On which side of the budget a figure must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// At most.
    AtMost,
    /// At least.
    AtLeast,
    /// Nothing is promised; it is told.
    Told,
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// On which side of `limit` it must be.
    pub budget: Budget,
    /// The promised figure.
    pub limit: f64,
    /// Everything that was measured for it.
    pub runs: Vec<f64>,
    /// How it was measured, and what else to know.
    pub note: String,
}

impl Figure {
    /// A figure that must be at most `limit`.
    pub fn at_most(
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        limit: f64,
        runs: Vec<f64>,
    ) -> Self {
        Figure {
            what: what.into(),
            value,
            unit,
            budget: Budget::AtMost,
            limit,
            runs,
            note: String::new(),
        }
    }

    /// A figure that must be at least `limit`.
    pub fn at_least(
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        limit: f64,
        runs: Vec<f64>,
    ) -> Self {
        Figure {
            budget: Budget::AtLeast,
            ..Figure::at_most(what, value, unit, limit, runs)
        }
    }

    /// A figure of which nothing is promised.
    pub fn told(what: impl Into<String>, value: f64, unit: &'static str, runs: Vec<f64>) -> Self {
        Figure {
            budget: Budget::Told,
            ..Figure::at_most(what, value, unit, 0.0, runs)
        }
    }

    /// Adds what else to know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether it is within its budget.
    pub fn holds(&self) -> bool {
        match self.budget {
            Budget::AtMost => self.value <= self.limit,
            Budget::AtLeast => self.value >= self.limit,
            Budget::Told => true,
        }
    }
}

/// Runs that are printed in full; of more, only their spread is.
const RUNS_PRINTED_MAX: usize = 40;

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.budget {
            Budget::AtMost => "≤",
            Budget::AtLeast => "≥",
            Budget::Told => "",
        };
        write!(f, "{:<64} {:>10.3} {:<6}", self.what, self.value, self.unit)?;
        if self.budget != Budget::Told {
            let verdict = if self.holds() { "holds" } else { "MISSED" };
            write!(f, " {sign} {:<8.3} {verdict}", self.limit)?;
        }
        if !self.note.is_empty() {
            write!(f, "\n    {}", self.note)?;
        }
        if self.runs.len() > RUNS_PRINTED_MAX {
            let mut sorted = self.runs.clone();
            sorted.sort_by(f64::total_cmp);
            let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
            write!(
                f,
                "\n    {} runs, {low:.3} to {high:.3}; p50 {:.3}, p90 {:.3}",
                sorted.len(),
                at(&sorted, 0.5),
                at(&sorted, 0.9)
            )?;
        } else if !self.runs.is_empty() {
            let runs: Vec<String> = self.runs.iter().map(|run| format!("{run:.3}")).collect();
            write!(f, "\n    runs: {}", runs.join(" "))?;
        }
        Ok(())
    }
}

/// A quantile of runs in any order; 0 where there are none.
pub fn quantile(runs: &[f64], q: f64) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    at(&sorted, q)
}

fn at(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let place = (q * (sorted.len() - 1) as f64).round() as usize;
    sorted[place.min(sorted.len() - 1)]
}
