//! Writing families of metrics, one after the other.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use crate::{Counters, Histogram, Moment};

/// What a scrape is answered with, in the making.
pub struct Page<'a>(DescriptorEncoder<'a>);

/// The labels of a series.
type Labels<'a> = [(&'a str, &'a str)];

impl<'a> Page<'a> {
    /// Begins to write.
    pub fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Counters that differ in one label.
    pub fn counters(&mut self, name: &str, help: &str, label: &str, counters: &Counters) -> fmt::Result {
        let series = counters.read().map(|(value, count)| ([(label, value)], count));
        self.counter_series(name, help, series)
    }

    /// Counters with any labels.
    pub fn counter_series<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in series {
            family.encode_family(&&labels[..])?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        family.encode_gauge(&whole(value))
    }

    /// Numbers that go up and down, and differ in one label.
    pub fn gauges(&mut self, name: &str, help: &str, label: &str, values: &[(&str, usize)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.iter().try_for_each(|(of, value)| {
            family.encode_family(&&[(label, *of)][..])?.encode_gauge(&whole(*value))
        })
    }

    /// When something last happened; nothing where it never did. `_timestamp_seconds` is added to the name.
    pub fn moment(&mut self, name: &str, help: &str, moment: &Moment) -> fmt::Result {
        let Some(seconds) = moment.unix_seconds() else { return Ok(()) };
        let name = format!("{name}_timestamp");
        let mut family = self.0.encode_descriptor(&name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        family.encode_gauge(&seconds)
    }

    /// How counts are distributed.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        write_histogram(&mut self.0.encode_descriptor(name, help, None, MetricType::Histogram)?, histogram)
    }

    /// How times are distributed. `_seconds` is added to the name.
    pub fn seconds(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let family = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram);
        write_histogram(&mut family?, histogram)
    }

    /// The same with any labels.
    pub fn seconds_series<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = ([(&'l str, &'l str); N], &'l Histogram)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, histogram) in series {
            write_histogram(&mut family.encode_family(&&labels[..])?, histogram)?;
        }
        Ok(())
    }

    /// Facts that do not change.
    pub fn info(&mut self, name: &str, help: &str, facts: &Labels<'_>) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&facts)
    }
}

fn write_histogram(metric: &mut MetricEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    let (sum, count, buckets) = histogram.read();
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

fn whole(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
