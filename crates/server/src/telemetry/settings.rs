//! The standard variables of OpenTelemetry, as far as its libraries do not read them.

use std::{env, time::Duration};

use opentelemetry_otlp::{SpanExporter, WithHttpConfig};

use super::collector::Collector;

/// How long one export may take, where nothing else is said (as the specification has it).
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go.
pub(super) struct Settings {
    timeout: Duration,
    has_service_name: bool,
}

impl Settings {
    /// `None` where nobody wants traces.
    pub(super) fn from_environment() -> Result<Option<Self>, String> {
        Self::read(|name| {
            env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        })
    }

    fn read(value: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let of_traces = |name: &str| {
            value(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| value(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let is_disabled = value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_otlp = value("OTEL_TRACES_EXPORTER")
            .is_none_or(|value| value.split(',').any(|name| name.trim() == "otlp"));
        if of_traces("ENDPOINT").is_none() || is_disabled || !is_otlp {
            return Ok(None);
        }
        if let Some(protocol) = of_traces("PROTOCOL").filter(|protocol| protocol != "http/protobuf") {
            return Err(format!(
                "traces are sent as http/protobuf only, not as {protocol}: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, \
                 and name the collector's port for it, 4318 as a rule"
            ));
        }
        let timeout =
            of_traces("TIMEOUT").and_then(|text| text.parse().ok()).map_or(TIMEOUT, Duration::from_millis);
        let attributes = value("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let is_named = attributes.split(',').any(|attribute| attribute.trim().starts_with("service.name="));
        let has_service_name = is_named || value("OTEL_SERVICE_NAME").is_some();
        Ok(Some(Self { timeout, has_service_name }))
    }

    /// What this service is called where nobody has named it.
    pub(super) fn default_service_name(&self) -> Option<&'static str> {
        (!self.has_service_name).then_some("subgrant")
    }

    /// An exporter to the endpoint that the environment names.
    pub(super) fn exporter(&self) -> Result<SpanExporter, String> {
        let exporter =
            SpanExporter::builder().with_http().with_http_client(Collector::new(self.timeout)).build();
        exporter.map_err(|error| format!("traces cannot be exported: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Settings::read(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_traced_unless_an_endpoint_is_named_and_nothing_speaks_against_it() {
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert!(read(variables).is_ok_and(|settings| settings.is_none()), "{variables:?}");
        }
        for variables in [
            &[ENDPOINT][..],
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "console, otlp")],
            &[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
        ] {
            assert!(read(variables).is_ok_and(|settings| settings.is_some()), "{variables:?}");
        }
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_refused_at_the_start() {
        let refused = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(refused.is_err_and(|error| error.contains("http/protobuf")));
        let own = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ];
        assert!(read(&[ENDPOINT, own[0], own[1]]).is_ok());
    }

    #[test]
    fn the_service_has_a_name_of_its_own_only_where_nobody_gives_it_one() {
        let name = |variable| {
            read(&[ENDPOINT, variable]).ok().flatten().and_then(|read| read.default_service_name())
        };
        assert_eq!(name(("OTEL_TRACES_SAMPLER", "always_on")), Some("subgrant"));
        assert_eq!(name(("OTEL_SERVICE_NAME", "credits")), None);
        assert_eq!(name(("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=credits")), None);
    }
}
