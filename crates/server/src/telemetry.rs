//! Log lines, and traces for whoever has a collector.
//!
//! Traces are off unless the standard variables of OpenTelemetry name an endpoint, and cost nothing then: their spans have a
//! target of their own that nobody listens to.

mod collector;
mod exporter;
mod settings;

use std::{io::IsTerminal, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use subgrant_service::TRACES;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt, registry, registry::LookupSpan,
    util::SubscriberInitExt,
};

use exporter::Exporter;
use settings::Settings;

/// How long what was not exported yet may hold up the end of the program.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// How log lines look.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What is to be ended with the program.
pub(crate) struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts both. Needs a runtime; may be called once.
    pub(crate) fn start(filter: EnvFilter, format: LogFormat) -> Result<Self, String> {
        let provider = Settings::from_environment()?.as_ref().map(provider).transpose()?;
        let off = format!("{TRACES}=off").parse().expect("a constant directive");
        start_logging(filter.add_directive(off), format, provider.as_ref());
        Ok(Self { provider })
    }

    /// Exports what is left, as far as time permits.
    pub(crate) async fn close(self) {
        let Some(provider) = self.provider else { return };
        // The exporter's thread needs this one's runtime.
        let closing = move || provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        match tokio::task::spawn_blocking(closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last traces were not exported"),
            Err(error) => tracing::warn!(%error, "the last traces were not exported"),
        }
    }
}

/// The same log lines either way. Without traces nothing but the filter stands before a line or a span.
fn start_logging(filter: EnvFilter, format: LogFormat, provider: Option<&SdkTracerProvider>) {
    let is_coloured = std::io::stderr().is_terminal();
    let Some(provider) = provider else {
        let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_coloured);
        return match format {
            LogFormat::Text => lines.init(),
            LogFormat::Json => lines.json().init(),
        };
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(is_coloured);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    registry().with(lines.with_filter(filter)).with(traces(provider)).init();
}

fn traces<S: Subscriber + for<'a> LookupSpan<'a>>(provider: &SdkTracerProvider) -> impl Layer<S> {
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("subgrant"));
    let layer = layer.with_location(false).with_threads(false).with_level(false).with_target(false);
    // The parent is the span around, whatever spans of log lines are in between.
    let layer = layer.with_tracked_inactivity(false).with_context_activation(false);
    layer.with_filter(Targets::new().with_target(TRACES, LevelFilter::TRACE))
}

fn provider(settings: &Settings) -> Result<SdkTracerProvider, String> {
    let resource = Resource::builder()
        .with_attributes(settings.default_service_name().map(|name| KeyValue::new("service.name", name)))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()))
        .build();
    let exporter = Exporter::new(settings.exporter()?);
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}
