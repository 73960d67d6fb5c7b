//! Which path leads where.

use axum::{
    Router,
    extract::State,
    handler::Handler,
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::map_response,
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{HttpState, handlers, middleware::HttpService, openapi, problem::Problem};

const BASE: &str = "/api/cloud";

/// The whole server, as one service.
pub fn service(state: HttpState) -> HttpService {
    let (api, document) = api_router().split_for_parts();
    let json = document.to_json().expect("the document is plain data");
    let specification = move || {
        let json = json.clone();
        async move { ([("content-type", HeaderValue::from_static("application/json"))], json).into_response() }
    };
    let docs =
        SwaggerUi::new("/docs").config(Config::from(format!("{BASE}/openapi.json")).validator_url("none"));
    let routes = Router::new()
        .merge(api)
        .route(&format!("{BASE}/openapi.json"), get(specification))
        .route(&format!("{BASE}/docs"), get(|| async { Redirect::permanent("/docs/") }))
        .merge(Router::from(docs).layer(map_response(protected)))
        .fallback(page)
        .with_state(state.clone());
    HttpService::new(state, routes)
}

/// What the page of the documentation may load, and that no other page may frame it.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Adds what protects the page of the documentation, from which requests can be tried.
async fn protected(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCS_POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// `/metrics` alone, for an address of its own.
pub fn metrics_service(state: HttpState) -> HttpService {
    let show =
        async |State(state): State<HttpState>, headers: HeaderMap| handlers::metrics::text(&state, &headers);
    HttpService::new(state.clone(), Router::new().route("/metrics", get(show)).with_state(state))
}

/// Every route that requests are told apart by, and whether it has a call that takes no credential.
pub(super) fn templates() -> impl Iterator<Item = (String, bool)> {
    let documented = openapi::document().paths.paths.into_iter().map(|(path, item)| {
        let calls = [item.get, item.put, item.post, item.patch, item.delete, item.head, item.options];
        let is_for_anybody = calls
            .into_iter()
            .flatten()
            .any(|call| call.security.is_none_or(|credentials| credentials.is_empty()));
        (path.replace("/forward/{path}", "/forward/{*path}"), is_for_anybody)
    });
    let others = ["/api/cloud/openapi.json", "/api/cloud/docs", "/docs", "/docs/{*file}"];
    documented.chain(others.map(|path| (path.to_owned(), true)))
}

/// What no other route answers: the dashboard, or nothing.
async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    subgrant_dashboard::answer(&method, uri.path(), &headers).ok_or_else(Problem::not_found)
}

/// Every documented call.
pub(super) fn api_router() -> OpenApiRouter<HttpState> {
    let calls = vec![
        routes!(handlers::tenant::sign_up),
        routes!(handlers::tenant::rotate_root),
        routes!(handlers::settings::show, handlers::settings::update),
        routes!(handlers::delegation::create, handlers::delegation::list),
        routes!(handlers::delegation::own),
        routes!(handlers::delegation::tree),
        routes!(handlers::delegation::one, handlers::delegation::update::update),
        routes!(handlers::delegation::revoke),
        routes!(handlers::delegation::freeze),
        routes!(handlers::delegation::unfreeze),
        routes!(handlers::delegation::token::rotate),
        routes!(handlers::delegation::token::restrict),
        routes!(handlers::delegation::token::list),
        routes!(handlers::spend::create),
        routes!(handlers::spend::one),
        routes!(handlers::spend::refund),
        routes!(handlers::batch::spend),
        routes!(handlers::hold::create, handlers::hold::list),
        routes!(handlers::hold::one),
        routes!(handlers::hold::capture),
        routes!(handlers::hold::extend),
        routes!(handlers::hold::release),
        routes!(handlers::spend::ledger),
        routes!(handlers::books::proof),
        routes!(handlers::books::export),
        routes!(handlers::books::audit),
        routes!(handlers::report::spend),
        routes!(handlers::report::budget::budget),
        routes!(handlers::report::forecast::forecast),
        routes!(handlers::period::list),
        routes!(handlers::period::close),
        routes!(handlers::period::reopen),
        routes!(handlers::focus::export),
        routes!(handlers::event::stream),
        routes!(handlers::alert::list, handlers::alert::create),
        routes!(handlers::alert::delete),
        routes!(handlers::webhook::list, handlers::webhook::create),
        routes!(handlers::webhook::delete),
        routes!(handlers::webhook::deliveries),
        routes!(handlers::webhook::test),
        routes!(handlers::service::list, handlers::service::create),
        routes!(handlers::service::one, handlers::service::delete),
        routes!(handlers::revocation::read),
        routes!(handlers::route::show, handlers::route::replace),
        with_any_method(routes!(handlers::authorize::authorize), handlers::authorize::authorize),
        with_any_method(routes!(handlers::authorize::forward), handlers::authorize::forward),
        routes!(handlers::verify::verify),
        routes!(handlers::config::show),
    ];
    let base = OpenApiRouter::with_openapi(openapi::Base::openapi());
    let calls = calls.into_iter().chain(calls_of_people());
    let mut router = calls.fold(base, |router, call| router.routes(at_base(call)));
    router = router.routes(routes!(handlers::health::live)).routes(routes!(handlers::health::ready));
    router = router.routes(routes!(handlers::metrics::show));
    // What stands for several segments does not stand for none.
    router =
        router.route(&format!("{BASE}/authorize/{{service_id}}/forward/"), any(handlers::authorize::forward));
    openapi::complete(router.get_openapi_mut());
    router
}

/// Those that concern people and their sessions.
fn calls_of_people() -> Vec<UtoipaMethodRouter<HttpState>> {
    vec![
        routes!(handlers::session::create, handlers::session::show, handlers::session::delete),
        routes!(handlers::session::switch),
        routes!(handlers::people::list, handlers::people::create),
        routes!(handlers::people::one, handlers::people::update, handlers::people::delete),
        routes!(handlers::sessions::list, handlers::sessions::end_all),
        routes!(handlers::sessions::end_one),
        routes!(handlers::invitation::list, handlers::invitation::create),
        routes!(handlers::invitation::withdraw),
        routes!(handlers::invitation::accept),
        routes!(handlers::confirmation::request),
        routes!(handlers::confirmation::accept),
        routes!(handlers::password::change),
        routes!(handlers::password::request_reset),
        routes!(handlers::password::accept_reset),
    ]
}

/// Documented with some methods, answered alike with any other.
fn with_any_method<T: 'static>(
    (schemas, paths, methods): UtoipaMethodRouter<HttpState>,
    handler: impl Handler<T, HttpState>,
) -> UtoipaMethodRouter<HttpState> {
    (schemas, paths, methods.fallback(handler))
}

/// Not a nested router, which would write each request's address anew.
fn at_base((schemas, mut paths, methods): UtoipaMethodRouter<HttpState>) -> UtoipaMethodRouter<HttpState> {
    paths.paths = paths.paths.into_iter().map(|(path, item)| (format!("{BASE}{path}"), item)).collect();
    (schemas, paths, methods)
}
