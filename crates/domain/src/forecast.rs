//! When a budget runs out, if spending goes on as it did.
//!
//! A day's spending is taken as a random amount with the mean and the variance of the days looked at, each day independent
//! of the others. What *t* days consume then has the mean *μt* and the variance *σ²(t + t²/n)*: the days' own scatter, and
//! that the mean is itself known from *n* days only. The band is where that sum, with its quantiles of 10 % and 90 % (normal
//! approximation), reaches what remains.

/// Of days fewer than these nothing is said.
const FEWEST_DAYS: usize = 3;

/// The 90 % quantile of the standard normal distribution.
const Z: f64 = 1.281_551_565_544_6;

/// In how many days the rest is spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunOut {
    /// With a probability of one in ten it is spent before.
    pub early: f64,
    /// At the mean rate.
    pub expected: f64,
    /// With a probability of one in ten it lasts longer; `None`: it may last for good.
    pub late: Option<f64>,
}

/// What a day consumes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DailyRate {
    /// The mean's lower bound, with the same probability; never below nothing.
    pub low: f64,
    /// The mean.
    pub expected: f64,
    /// The mean's upper bound.
    pub high: f64,
    variance: f64,
    days: f64,
}

impl DailyRate {
    /// The rate of the given days; `None` where they are too few.
    #[expect(clippy::cast_precision_loss, reason = "an estimate, and no amount")]
    pub fn of(days: &[i128]) -> Option<Self> {
        if days.len() < FEWEST_DAYS {
            return None;
        }
        let n = days.len() as f64;
        let expected = days.iter().map(|day| *day as f64).sum::<f64>() / n;
        let squares: f64 = days.iter().map(|day| (*day as f64 - expected).powi(2)).sum();
        let variance = squares / (n - 1.0);
        let margin = Z * (variance / n).sqrt();
        Some(Self { low: (expected - margin).max(0.0), expected, high: expected + margin, variance, days: n })
    }

    /// In how many days `remaining` is spent; `None` where no more is spent than given back.
    ///
    /// Both ends solve `(μt − R)² = z²σ²(t + t²/n)`.
    pub fn run_out(&self, remaining: f64) -> Option<RunOut> {
        if self.expected <= 0.0 {
            return None;
        }
        let scatter = Z * Z * self.variance;
        let a = self.expected.powi(2) - scatter / self.days;
        let b = 2.0 * remaining * self.expected + scatter;
        let root = (b * b - 4.0 * a * remaining * remaining).max(0.0).sqrt();
        Some(RunOut {
            early: 2.0 * remaining * remaining / (b + root),
            expected: remaining / self.expected,
            late: (a > 0.0).then(|| (b + root) / (2.0 * a)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn even_spending_has_no_band() {
        let rate = DailyRate::of(&[100; 28]).unwrap();
        assert_eq!((rate.low, rate.expected, rate.high), (100.0, 100.0, 100.0));
        let RunOut { early, expected, late } = rate.run_out(250.0).unwrap();
        for days in [early, expected, late.unwrap()] {
            assert!((days - 2.5).abs() < 1e-9, "{days}");
        }
    }

    #[test]
    fn too_few_days_and_no_spending_say_nothing() {
        assert_eq!(DailyRate::of(&[5, 5]), None);
        assert_eq!(DailyRate::of(&[0; 10]).unwrap().run_out(10.0), None);
        assert_eq!(DailyRate::of(&[3, 0, -3, -1]).unwrap().run_out(10.0), None);
    }

    #[test]
    fn rare_spending_may_last_for_good() {
        let rate = DailyRate::of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 100]).unwrap();
        let run_out = rate.run_out(1_000.0).unwrap();
        assert!((run_out.expected - 100.0).abs() < 1e-9 && run_out.late.is_none() && run_out.early < 100.0);
    }

    proptest! {
        #[test]
        fn the_band_contains_what_is_expected_and_solves_its_equation(
            days in proptest::collection::vec(0_i128..10_000, 3..60), remaining in 1_u32..100_000_000
        ) {
            prop_assume!(days.iter().any(|day| *day > 0));
            let (rate, remaining) = (DailyRate::of(&days).unwrap(), f64::from(remaining));
            let RunOut { early, expected, late } = rate.run_out(remaining).unwrap();
            prop_assert!(0.0 < early && early <= expected * (1.0 + 1e-9), "{early} {expected}");
            prop_assert!(late.is_none_or(|late| late >= expected * (1.0 - 1e-9)), "{late:?} {expected}");
            prop_assert!(rate.low <= rate.expected && rate.expected <= rate.high);
            for t in [Some(early), late].into_iter().flatten().filter(|t| *t < 1e9) {
                let miss = (rate.expected * t - remaining).abs();
                let margin = Z * (rate.variance * (t + t * t / rate.days)).sqrt();
                prop_assert!((miss - margin).abs() <= 1e-6 * (remaining + margin), "{miss} {margin}");
            }
        }
    }
}
