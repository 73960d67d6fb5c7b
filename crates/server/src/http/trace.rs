//! The span of a request, for whoever collects traces (OpenTelemetry's semantic conventions for HTTP), and the caller's trace
//! that it continues (W3C Trace Context).

use std::str::FromStr;

use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use subgrant_service::TRACES;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// No id of ours is as long as this, and every token is longer.
const LONGEST_SEGMENT: usize = 64;

/// A request as part of a trace.
pub(super) struct Trace {
    span: Span,
    id: Option<TraceId>,
}

impl Trace {
    /// Begins the server's span as a child of the caller's, if there is one. `method` and `route` are names that are known
    /// beforehand.
    pub(super) fn begin(headers: &HeaderMap, uri: &Uri, method: &str, route: Option<&str>) -> Self {
        let parent = traceparent(headers);
        let span = tracing::trace_span!(
            target: TRACES,
            "request",
            otel.name = Empty,
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            url.path = Empty,
            url.scheme = "http",
            error.type = Empty,
        );
        let mut id = parent.as_ref().map(SpanContext::trace_id);
        if !span.is_disabled() {
            span.record("url.path", path(uri));
            let known_method = if method == "_OTHER" { "HTTP" } else { method };
            span.record(
                "otel.name",
                [Some(known_method), route].into_iter().flatten().collect::<Vec<_>>().join(" "),
            );
            if let Some(parent) = parent {
                // Fails where the span has begun already, which it has not.
                let _ = span.set_parent(Context::new().with_remote_span_context(parent));
            }
            id = Some(span.context().span().span_context().trace_id());
        }
        Self { span, id }
    }

    /// What goes into every log line of the request.
    pub(super) fn id(&self) -> Option<TraceId> {
        self.id
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// The request was answered.
    pub(super) fn end(self, status: StatusCode) {
        if self.span.is_disabled() {
            return;
        }
        self.span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            self.span.record("error.type", status.as_str());
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

/// The caller's span. A header that does not follow the specification to the letter is as good as none.
fn traceparent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut all = headers.get_all("traceparent").iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let mut fields = value.to_str().ok()?.split('-');
    let mut field = |length: usize| {
        let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        fields.next().filter(|field| field.len() == length && field.bytes().all(is_hex))
    };
    let (version, trace, parent, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    // Later versions may have more to say; the first does not, and the last one is none.
    if version == "ff" || version == "00" && fields.next().is_some() {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = headers.get("tracestate").and_then(|state| state.to_str().ok());
    let state = state.and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    let context =
        SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?, flags, true, state);
    context.is_valid().then_some(context)
}

/// The path, without what somebody may have put into it that belongs into a header.
fn path(uri: &Uri) -> String {
    let shown = |segment: &str| if segment.len() > LONGEST_SEGMENT { "REDACTED" } else { segment }.to_owned();
    uri.path().split('/').map(shown).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn read(values: &[&str]) -> Option<(String, String, bool)> {
        let values = values
            .iter()
            .map(|value| ("traceparent".parse().expect("a name"), value.parse().expect("a value")));
        let found = traceparent(&values.collect())?;
        Some((found.trace_id().to_string(), found.span_id().to_string(), found.is_sampled()))
    }

    #[test]
    fn a_traceparent_is_read() {
        let parent = "b7ad6b7169203331";
        for (flags, is_sampled) in [("01", true), ("00", false), ("03", true), ("fe", false)] {
            let found = read(&[&format!("00-{TRACE}-{parent}-{flags}")]);
            assert_eq!(found, Some((TRACE.to_owned(), parent.to_owned(), is_sampled)), "{flags}");
        }
        assert!(read(&[&format!("cc-{TRACE}-{parent}-01-what-the-future-will-be-like")]).is_some());
    }

    #[test]
    fn a_traceparent_that_is_none_is_ignored() {
        let good = format!("00-{TRACE}-b7ad6b7169203331-01");
        for bad in [
            String::new(),
            "00".to_owned(),
            good.to_uppercase(),
            good.replace("00-", "ff-"),
            good.replace("00-", "0-"),
            good.replace(TRACE, &"0".repeat(32)),
            good.replace("b7ad6b7169203331", &"0".repeat(16)),
            good.replace(TRACE, &TRACE[1..]),
            good.replace("-01", "-1"),
            good.replace("-01", ""),
            good.replace('-', "_"),
            good.replace("0af", "0ag"),
            format!("{good}-more"),
            format!("{good}-"),
            format!(" {good} x"),
        ] {
            assert_eq!(read(&[&bad]), None, "{bad}");
        }
        assert_eq!(read(&[&good, &good]), None, "two of them contradict each other");
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_token_in_a_path_is_not_shown() {
        let uri = format!("/api/cloud/delegation/sgt_{}?token=x", "A".repeat(100)).parse().expect("a path");
        assert_eq!(path(&uri), "/api/cloud/delegation/REDACTED");
        let uri = "/api/cloud/delegation/dlg_01m80bzmtseanvezjad4wrf5p6/token".parse().expect("a path");
        assert_eq!(path(&uri), "/api/cloud/delegation/dlg_01m80bzmtseanvezjad4wrf5p6/token");
    }
}
