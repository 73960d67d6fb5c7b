//! Reading the segments of a report.

use jiff::{SignedDuration, Timestamp};
use subgrant_domain::{DelegationId, Period};
use subgrant_store::{
    TenantTx,
    rollups::{
        Horizon, spenders,
        sums::{self, Level, Nodes, Query, Sum},
    },
};

use super::{
    ReportError,
    segments::{Segment, Source, period_of},
};

/// The sums of a subtree of so few nodes are looked up node by node.
const FEW: usize = 300;

/// Who has spent is looked up by day in a range up to this long, and by month in a longer one.
const SHORT: SignedDuration = SignedDuration::from_hours(48);

/// What reading a report's segments takes.
pub(super) struct Reader<'a> {
    pub(super) horizon: &'a Horizon,
    /// Of the whole range.
    pub(super) query: Query<'a>,
    /// One line for each of these.
    pub(super) interval: Option<Period>,
    /// More lines than these are refused.
    pub(super) max_lines: usize,
}

/// The nodes of a subtree among which those that spent are.
enum Spenders {
    /// These, at any time.
    Always(Vec<DelegationId>),
    /// These, as far as summaries reach.
    Summarised(Vec<DelegationId>),
    /// To be found out for each segment.
    Unknown,
}

impl Reader<'_> {
    /// Reads all segments, in order.
    pub(super) async fn read(
        &self,
        tx: &mut TenantTx,
        segments: &[Segment],
    ) -> Result<Vec<Sum>, ReportError> {
        let mut found = Vec::new();
        sums::prepare(tx).await?;
        self.refuse_crowd(tx, segments).await?;
        if self.query.within.depth() == 0 {
            for segment in segments {
                found.extend(self.read_of(tx, *segment, Nodes::All).await?);
            }
            return Ok(found);
        }
        let spenders = self.spenders(tx).await?;
        for segment in segments {
            for part in self.parts(*segment) {
                found.extend(self.read_below(tx, part, &spenders).await?);
            }
        }
        Ok(found)
    }

    /// Refuses a report by delegation of which one period alone shows that it has too many lines, before all of it is added up.
    async fn refuse_crowd(&self, tx: &mut TenantTx, segments: &[Segment]) -> Result<(), ReportError> {
        let longest = [Level::Month, Level::Day].into_iter().find_map(|level| {
            let mut segments = segments.iter().rev();
            Some((level, segments.find(|segment| segment.source == Source::Summaries(level))?))
        });
        let Some((level, segment)) = longest.filter(|_| self.query.group_by.delegation) else {
            return Ok(());
        };
        // The segment's last period begins within it.
        let last = segment.to - SignedDuration::from_nanos(1);
        let range = (period_of(level).window(last, &self.horizon.zone.0).0, segment.to);
        let (within, most) = (self.query.within, self.max_lines);
        let mut is_crowd = spenders::are_more_than(tx, level, range, most).await?;
        if is_crowd && within.depth() > 0 {
            is_crowd = spenders::within(tx, level, range, within).await?.len() > most;
        }
        if is_crowd { Err(ReportError::TooManyLines { most }) } else { Ok(()) }
    }

    async fn spenders(&self, tx: &mut TenantTx) -> Result<Spenders, ReportError> {
        if let Some(all) = spenders::all_of(tx, self.query.within, FEW).await? {
            return Ok(Spenders::Always(all));
        }
        let range = (self.query.from, self.query.to);
        match self.summarised_through() {
            // They are needed for every segment.
            Some(through) if self.query.group_by.delegation && range.0 < through => {
                Ok(Spenders::Summarised(self.spenders_in(tx, range).await?))
            }
            _ => Ok(Spenders::Unknown),
        }
    }

    /// Who has spent in a range, or in the days or months in which it begins and ends, as far as summaries reach.
    async fn spenders_in(
        &self,
        tx: &mut TenantTx,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<DelegationId>, ReportError> {
        let level = if to.duration_since(from) > SHORT { Level::Month } else { Level::Day };
        let (start, _) = period_of(level).window(from, &self.horizon.zone.0);
        Ok(spenders::within(tx, level, (start, to), self.query.within).await?)
    }

    /// A segment of quarters in two where summaries end, so that one part is of what they can tell about.
    fn parts(&self, segment: Segment) -> Vec<Segment> {
        match self.summarised_through() {
            Some(through)
                if segment.source == Source::Quarters && segment.from < through && through < segment.to =>
            {
                vec![Segment { to: through, ..segment }, Segment { from: through, ..segment }]
            }
            _ => vec![segment],
        }
    }

    async fn read_below(
        &self,
        tx: &mut TenantTx,
        segment: Segment,
        spenders: &Spenders,
    ) -> Result<Vec<Sum>, ReportError> {
        let is_summarised = self.summarised_through().is_some_and(|through| segment.to <= through);
        let found;
        let nodes = match spenders {
            Spenders::Always(ids) => Nodes::EachOf(ids),
            Spenders::Summarised(ids) if is_summarised => Nodes::EachOf(ids),
            Spenders::Unknown if is_summarised && segment.source == Source::Quarters => {
                found = self.spenders_in(tx, (segment.from, segment.to)).await?;
                Nodes::EachOf(&found)
            }
            Spenders::Summarised(_) | Spenders::Unknown => Nodes::Within,
        };
        self.read_of(tx, segment, nodes).await
    }

    async fn read_of(
        &self,
        tx: &mut TenantTx,
        Segment { source, from, to }: Segment,
        nodes: Nodes<'_>,
    ) -> Result<Vec<Sum>, ReportError> {
        let is_by_period =
            matches!(source, Source::Summaries(level) if self.interval == Some(period_of(level)));
        let query = Query { from, to, nodes, is_by_period, ..self.query };
        Ok(match source {
            Source::Entries => sums::of_entries(tx, &query).await?,
            Source::Quarters => sums::of_quarters(tx, &query).await?,
            Source::Summaries(level) => sums::of_summaries(tx, level, &query).await?,
        })
    }

    /// How far summaries tell who has spent; `None` where they are of another calendar.
    fn summarised_through(&self) -> Option<Timestamp> {
        let summarised = self.horizon.summarised.as_ref();
        Some(summarised.filter(|summarised| summarised.time_zone == self.horizon.zone.1)?.through)
    }
}
