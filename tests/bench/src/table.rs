//! The measurements as a table, and what was aimed at.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde_json::{Value, json};

use crate::{figures::Figures, scenario};

/// All lines of a run.
pub(crate) struct Results(pub(crate) Vec<Figures>);

/// A relation that the issue of the day asks for.
struct Aim {
    what: &'static str,
    ratio: Option<f64>,
    /// At least (`>=`) or at most.
    is_floor: bool,
    bound: f64,
}

impl Results {
    fn find(&self, name: &str) -> Option<&Figures> {
        self.0.iter().find(|figures| figures.name == name)
    }

    /// How many times the rate of `name` fits into `figures`' rate.
    fn times(&self, figures: &Figures, name: &str) -> Option<f64> {
        Some(figures.per_second / self.find(name)?.per_second)
    }

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header([
            "",
            "per second",
            "slowest–fastest",
            "p50 ms",
            "p99 ms",
            "× naive 64",
            "of ceiling",
            "CPU µs program",
            "CPU µs database",
            "WAL bytes",
        ]);
        for figures in &self.0 {
            let ratio = |name, digits| {
                self.times(figures, name).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.digits$}"))
            };
            let (slowest, fastest) = figures.range;
            table.add_row([
                figures.name.to_owned(),
                grouped(figures.per_second),
                format!("{}–{}", grouped(slowest), grouped(fastest)),
                format!("{:.2}", figures.p50_us / 1e3),
                format!("{:.2}", figures.p99_us / 1e3),
                ratio(scenario::NAIVE_64, 1),
                ratio(scenario::CEILING, 2),
                format!("{:.1}", figures.program_cpu_us),
                format!("{:.1}", figures.database_cpu_us),
                format!("{:.0}", figures.wal_bytes),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    fn aims(&self) -> Vec<Aim> {
        use scenario::{
            ALONE, BATCH_MANY, BESIDE, CEILING, COMMIT, DEPTH_4, DEPTH_32, ENGINE, ENGINE_1, HTTP_256, LARGE,
            NAIVE_8, NAIVE_64, REVOKE_LEAF, REVOKE_MANY, VERIFY, VERIFY_CRATE,
        };
        let rate = |name| self.find(name).map(|figures| figures.per_second);
        let p50 = |name| self.find(name).map(|figures| figures.p50_us);
        let p99 = |name| self.find(name).map(|figures| figures.p99_us);
        let over =
            |above: Option<f64>, below: Option<f64>| above.zip(below).map(|(above, below)| above / below);
        let aim = |what, ratio, is_floor, bound| Aim { what, ratio, is_floor, bound };
        vec![
            aim("engine × naive, 64 clients", over(rate(ENGINE), rate(NAIVE_64)), true, 40.0),
            aim("engine × naive, 8 clients", over(rate(ENGINE), rate(NAIVE_8)), true, 20.0),
            aim("engine of ceiling", over(rate(ENGINE), rate(CEILING)), true, 0.6),
            aim("HTTP spend × naive, 64 clients", over(rate(HTTP_256), rate(NAIVE_64)), true, 20.0),
            aim("HTTP spend p99 of naive's p50, 64 clients", over(p99(HTTP_256), p50(NAIVE_64)), false, 1.0),
            aim("batch of ceiling", over(rate(BATCH_MANY), rate(CEILING)), true, 0.6),
            aim("lone client's p50 of a bare commit's", over(p50(ENGINE_1), p50(COMMIT)), false, 1.3),
            aim("a tenant's p99 beside a flood of another's", over(p99(BESIDE), p99(ALONE)), false, 2.0),
            aim("a spend at depth 32 of one at depth 4", over(rate(DEPTH_4), rate(DEPTH_32)), false, 8.0),
            aim("engine in a large tenant of a small one's", over(rate(LARGE), rate(ENGINE)), true, 0.8),
            aim("revocation above all of a leaf's", over(p50(REVOKE_MANY), p50(REVOKE_LEAF)), false, 1.5),
            aim("verification, microseconds", rate(VERIFY).map(|rate| 1e6 / rate), false, 3.0),
            aim("verification × crate macaroon", over(rate(VERIFY), rate(VERIFY_CRATE)), true, 3.0),
        ]
    }

    /// One line for each aim whose scenarios were measured.
    pub(crate) fn verdict(&self) -> String {
        let lines = self.aims().into_iter().filter_map(|aim| {
            let ratio = aim.ratio?;
            let is_met = if aim.is_floor { ratio >= aim.bound } else { ratio <= aim.bound };
            let (sign, met) = (if aim.is_floor { "≥" } else { "≤" }, if is_met { "met" } else { "MISSED" });
            Some(format!("{:>8.2} {sign} {:<5} {met:<6}  {}\n", ratio, aim.bound, aim.what))
        });
        lines.collect()
    }

    pub(crate) fn json(&self) -> Value {
        let aims: Vec<_> = self.aims().into_iter().filter(|aim| aim.ratio.is_some()).collect();
        let aims: Vec<_> = aims
            .iter()
            .map(|aim| json!({ "what": aim.what, "measured": aim.ratio, "at_least": aim.is_floor, "bound": aim.bound }))
            .collect();
        json!({ "scenarios": self.0, "aims": aims })
    }
}

/// A rate with its thousands set apart.
fn grouped(rate: f64) -> String {
    let digits = format!("{rate:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
