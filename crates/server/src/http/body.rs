//! JSON bodies: size, type, nesting, shape; each with its own status.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::error::Category;
use serde_path_to_error::Segment;
use subgrant_api::{FieldError, Object};

use super::problem::Problem;

/// How deep arrays and objects may nest.
const MAX_NESTING: usize = 32;

/// A body that was read as JSON into `T`.
#[derive(Serialize)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The same where the body may be left out.
#[derive(Serialize)]
pub(crate) struct OptionalJsonBody<T>(pub(crate) T);

/// No body; one that is sent all the same means nothing.
#[derive(Serialize)]
pub(crate) struct NoBody;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        parse_json(&json_bytes(request).await?).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(_: Request, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let bytes = body_bytes(body).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, bytes.into());
        JsonBody::from_request(request, state).await.map(|JsonBody(value)| Self(value))
    }
}

/// What some editors and spreadsheets begin every text with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The whole body, whatever it is, without a byte-order mark.
pub(crate) async fn body_bytes(body: Body) -> Result<Bytes, Problem> {
    // It is here already, within its limits of size and time.
    let read = axum::body::to_bytes(body, usize::MAX).await;
    let bytes = read.map_err(|_| unparsable("The body could not be read."))?;
    let is_marked = bytes.starts_with(BYTE_ORDER_MARK);
    Ok(if is_marked { bytes.slice(BYTE_ORDER_MARK.len()..) } else { bytes })
}

/// The whole body of a request that says that it is JSON.
pub(crate) async fn json_bytes(request: Request) -> Result<Bytes, Problem> {
    let is_json = is_json(&request);
    let bytes = body_bytes(request.into_body()).await?;
    if !is_json {
        let detail = "Send the body as JSON, with Content-Type: application/json.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    Ok(bytes)
}

/// `application/json` and its relatives (`application/merge-patch+json`), with any parameters.
fn is_json(request: &Request) -> bool {
    let value =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads JSON: 400 where it is none, 422 with a pointer where it has another shape than `T`.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // JSON's parser looks only into the strings that it keeps.
    std::str::from_utf8(bytes).map_err(|_| unparsable("The body is not UTF-8."))?;
    if nests_too_deep(bytes) {
        return Err(unparsable("The body nests deeper than 32 levels."));
    }
    // Whether it is JSON at all comes first, so that a wrong field before a syntax error does not hide it.
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| not_json(&error))?;
    parse_unread(bytes)
}

/// Reads JSON whose parts, if they are raw, are to be read later: each with [`parse_json`] and errors of its own.
pub(crate) fn parse_unread<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer);
    let value = read.map(|Object(value)| value).map_err(|error| match error.inner().classify() {
        Category::Data => Problem::validation(vec![field_error(&error)]),
        _ => not_json(error.inner()),
    })?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Problem {
    unparsable(format!("The body is not JSON: {error}."))
}

fn unparsable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "unparsable", detail)
}

/// Counts brackets outside strings. Text that is not JSON may be miscounted; the parser refuses it anyway.
fn nests_too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX_NESTING {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn field_error(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let message = error.inner().to_string();
    // serde_json appends the position, which the pointer says better, and names Rust's types.
    let message = message.split(" at line ").next().unwrap_or_default();
    let message = message.replace("expected u64", "expected a whole number, zero or more");
    let message = message.replace("expected u32", "expected a whole number, zero or more");
    let message = message.replace("expected i64", "expected a whole number");
    let message = message.replace("expected struct ", "expected an object: ");
    let mut steps: Vec<String> = vec![String::new()];
    steps.extend(error.path().iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } | Segment::Enum { variant: key } => Some(escaped(key)),
        Segment::Unknown => None,
    }));
    let (code, named) = match message.split('`').nth(1) {
        Some(name) if message.starts_with("missing field") => ("missing", Some(name)),
        Some(name) if message.starts_with("duplicate field") => ("duplicate", Some(name)),
        Some(_) if message.starts_with("unknown field") => ("unknown_field", None),
        _ => ("invalid_type", None),
    };
    if let Some(name) = named.map(escaped)
        && steps.last() != Some(&name)
    {
        steps.push(name);
    }
    FieldError { pointer: steps.join("/"), code: code.to_owned(), detail: message }
}

/// A step of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use subgrant_api::CreateDelegation;

    fn problem(body: &str) -> (u16, String) {
        let problem = parse_json::<CreateDelegation>(body.as_bytes()).unwrap_err();
        let response = problem.render("req_test");
        let body = tokio_test_body(response);
        let pointer = body["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        (problem.status.as_u16(), pointer)
    }

    fn tokio_test_body(response: axum::response::Response) -> serde_json::Value {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(axum::body::to_bytes(response.into_body(), usize::MAX)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_wrong_shape_is_422_and_says_where() {
        for (body, pointer) in [
            (r#"{"label": "x"}"#, "/budget_credits"),
            (r#"{"label": "x", "budget_credits": "1"}"#, "/budget_credits"),
            (r#"{"label": "x", "budget_credits": -1}"#, "/budget_credits"),
            (r#"{"label": "x", "budget_credits": 1.5}"#, "/budget_credits"),
            (r#"{"label": "x", "budget_credits": 1, "surprise": 1}"#, "/surprise"),
            (
                r#"{"label": "x", "budget_credits": 1, "limits": [{"per": "year", "credits": 1}]}"#,
                "/limits/0/per",
            ),
            (r#"{"label": "x", "label": "y", "budget_credits": 1}"#, "/label"),
        ] {
            assert_eq!(problem(body), (422, pointer.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_is_not_json_is_400() {
        let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
        for body in ["", "{", "nonsense", "{} {}", "\u{feff}{}", &deep] {
            assert_eq!(problem(body).0, 400, "{body}");
        }
        assert!(!nests_too_deep(br#"{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["}"#));
    }
}
