//! The dashboard's page: what was built of `web/`, embedded into the program, and how it is served.
//!
//! Invariants: only what was embedded is served, no path of a request reaches a file system; no page may run a script
//! or apply a style that is not a file of its own, nor be shown within another's. Deliberately absent: the build of the
//! page, which is `cargo xtask web`. Without it the crate compiles, and says on the page how to get one.

mod encoding;
mod files;
mod security;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};

use files::{File, Lifetime};

/// What stands on the page as long as it is not built.
const NOT_BUILT: &str = include_str!("not_built.html");

/// Where other parts of the server answer, so that a mistyped address there is not taken for one of the page's.
const RESERVED: [&str; 2] = ["/api", "/docs"];

/// The answer to a request that nothing else has answered; `None` where there is no such page either.
///
/// The page finds its way by addresses of its own, which the server does not know. So whoever navigates (asks for HTML)
/// gets the page, whatever the address; scripts and tools that ask for something else do not.
pub fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    if let Some(file) = files::find(path, encoding::accepted(headers)) {
        return Some(respond(file, headers));
    }
    let is_page = path == "/" || (navigates(headers) && !is_reserved(path));
    is_page.then(|| match files::find("/index.html", encoding::accepted(headers)) {
        Some(page) => respond(page, headers),
        None => respond(File::not_built(NOT_BUILT.as_bytes()), headers),
    })
}

fn navigates(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn is_reserved(path: &str) -> bool {
    let is_below = |prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]))
    };
    files::is_asset(path) || RESERVED.into_iter().any(is_below)
}

fn respond(file: File, request: &HeaderMap) -> Response {
    let is_known = knows(request, &file.tag);
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(file.content) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    security::add(headers);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(match file.lifetime {
            Lifetime::Forever => "public, max-age=31536000, immutable",
            Lifetime::UntilNextBuild => "no-cache",
        }),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers
        .insert(header::ETAG, HeaderValue::try_from(file.tag).expect("a quoted hexadecimal number is ASCII"));
    if !is_known {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::try_from(file.media_type).expect("media types are ASCII"),
        );
        if let Some(encoding) = file.encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
    }
    response
}

/// Whether the client has this very content already (RFC 9110, 13.1.2; proxies may have made the tag a weak one).
fn knows(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}
