//! From where each part of a range is read: from the longest periods that fit, and ever finer towards its edges.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use subgrant_domain::{NodePath, Period, quarter_of};
use subgrant_store::rollups::{
    Horizon,
    sums::{GroupBy, Level},
};

use super::period::next_start;

/// What holds the sums of a part of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The ledger itself.
    Entries,
    /// The sums that are written with the ledger.
    Quarters,
    /// The summaries of a level.
    Summaries(Level),
}

/// A part of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) source: Source,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// The summaries that can answer a report, longest periods first: an interval must be a union of them, and hours are
/// kept for whole tenants only.
pub(super) fn levels(interval: Option<Period>, group_by: GroupBy, within: &NodePath) -> &'static [Level] {
    let longest: &[Level] = match interval {
        None | Some(Period::Month) => &[Level::Month, Level::Day, Level::Hour],
        Some(Period::Day | Period::Week) => &[Level::Day, Level::Hour],
        Some(Period::Hour) => &[Level::Hour],
    };
    let has_hours = within.depth() == 0 && !group_by.delegation;
    if has_hours { longest } else { longest.split_last().map_or(&[], |(_, others)| others) }
}

/// Splits a range. Summaries serve as far as they reach, and only if they were made in the tenant's present zone.
pub(super) fn split(range: (Timestamp, Timestamp), levels: &[Level], horizon: &Horizon) -> Vec<Segment> {
    let (zone, name) = &horizon.zone;
    let through = horizon.summarised.as_ref().filter(|summarised| summarised.time_zone == *name);
    let mut segments = Vec::new();
    match through {
        Some(summarised) => split_by(range, levels, summarised.through, zone, &mut segments),
        None => split_quarters(range, &mut segments),
    }
    segments
}

fn split_by(
    (from, to): (Timestamp, Timestamp),
    levels: &[Level],
    through: Timestamp,
    zone: &TimeZone,
    segments: &mut Vec<Segment>,
) {
    if from >= to {
        return;
    }
    let Some((level, finer)) = levels.split_first() else { return split_quarters((from, to), segments) };
    let period = period_of(*level);
    let start = next_start(period, from, zone);
    let (end, _) = period.window(to.min(through), zone);
    if start >= end {
        return split_by((from, to), finer, through, zone, segments);
    }
    split_by((from, start), finer, through, zone, segments);
    segments.push(Segment { source: Source::Summaries(*level), from: start, to: end });
    split_by((end, to), finer, through, zone, segments);
}

fn split_quarters((from, to): (Timestamp, Timestamp), segments: &mut Vec<Segment>) {
    let start = quarter_of(from + (SignedDuration::from_mins(15) - SignedDuration::from_nanos(1)));
    let end = quarter_of(to);
    let parts = if start < end {
        vec![(Source::Entries, from, start), (Source::Quarters, start, end), (Source::Entries, end, to)]
    } else {
        vec![(Source::Entries, from, to)]
    };
    let parts = parts.into_iter().filter(|(_, from, to)| from < to);
    segments.extend(parts.map(|(source, from, to)| Segment { source, from, to }));
}

/// The calendar's word for a level.
pub(super) fn period_of(level: Level) -> Period {
    match level {
        Level::Hour => Period::Hour,
        Level::Day => Period::Day,
        Level::Month => Period::Month,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subgrant_store::rollups::Summarised;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn horizon(zone: &str, summarised: Option<(&str, &str)>) -> Horizon {
        Horizon {
            seq: 1,
            recorded_at: Some(at("2027-01-01T00:00:00Z")),
            first: Some(at("2026-01-01T00:00:00Z")),
            zone: (TimeZone::get(zone).unwrap(), zone.to_owned()),
            summarised: summarised.map(|(through, time_zone)| Summarised {
                through: at(through),
                time_zone: time_zone.to_owned(),
            }),
        }
    }

    fn shown(range: (&str, &str), levels: &[Level], horizon: &Horizon) -> Vec<String> {
        let segments = split((at(range.0), at(range.1)), levels, horizon);
        assert!(
            segments.windows(2).all(|pair| pair[0].to == pair[1].from),
            "no gap and no overlap: {segments:?}"
        );
        assert_eq!(segments.first().map(|segment| segment.from), Some(at(range.0)));
        assert_eq!(segments.last().map(|segment| segment.to), Some(at(range.1)));
        segments.iter().map(|Segment { source, from, .. }| format!("{source:?} {from}")).collect()
    }

    #[test]
    fn a_ragged_range_is_read_from_the_longest_periods_and_ever_finer_towards_its_edges() {
        let horizon = horizon("Asia/Kathmandu", Some(("2026-12-31T00:00:00Z", "Asia/Kathmandu")));
        let found = shown(
            ("2026-01-30T10:17:00Z", "2026-04-02T00:20:00Z"),
            &Level::ALL.map(|l| l).into_iter().rev().collect::<Vec<_>>(),
            &horizon,
        );
        let expected = [
            "Entries 2026-01-30T10:17:00Z",
            "Quarters 2026-01-30T10:30:00Z",
            "Summaries(Hour) 2026-01-30T11:15:00Z",
            "Summaries(Day) 2026-01-30T18:15:00Z",
            "Summaries(Month) 2026-01-31T18:15:00Z",
            "Summaries(Day) 2026-03-31T18:15:00Z",
            "Summaries(Hour) 2026-04-01T18:15:00Z",
            "Quarters 2026-04-02T00:15:00Z",
        ];
        assert_eq!(found[..7], expected[..7]);
        assert_eq!(found[7], "Entries 2026-04-02T00:15:00Z");
    }

    #[test]
    fn what_is_not_summarised_is_read_from_quarters() {
        let range = ("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z");
        let behind = horizon("UTC", Some(("2026-03-10T05:30:00Z", "UTC")));
        let expected = ["Summaries(Day) 2026-01-01T00:00:00Z", "Quarters 2026-03-10T00:00:00Z"];
        assert_eq!(shown(range, &[Level::Day], &behind), expected);
        for other in [None, Some(("2026-12-31T00:00:00Z", "Europe/Berlin"))] {
            let all = ["Quarters 2026-01-01T00:00:00Z"];
            assert_eq!(shown(range, &[Level::Month, Level::Day], &horizon("UTC", other)), all);
        }
    }

    #[test]
    fn a_range_within_a_quarter_is_read_from_the_ledger() {
        let found =
            shown(("2026-01-30T10:17:00Z", "2026-01-30T10:29:59Z"), &[Level::Day], &horizon("UTC", None));
        assert_eq!(found, ["Entries 2026-01-30T10:17:00Z"]);
        let found = shown(("2026-01-30T10:17:00Z", "2026-01-30T10:44:59Z"), &[], &horizon("UTC", None));
        assert_eq!(found, ["Entries 2026-01-30T10:17:00Z"]);
    }
}
