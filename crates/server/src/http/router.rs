//! Which path leads where.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, HeaderValue, Method, Uri},
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{HttpState, handlers, middleware as layers, openapi, problem::Problem};

const BASE: &str = "/api/cloud";

/// The whole server, as one service.
pub fn router(state: HttpState) -> Router {
    let (api, document) = api_router().split_for_parts();
    let json = document.to_json().expect("the document is plain data");
    let specification = move || {
        let json = json.clone();
        async move { ([("content-type", HeaderValue::from_static("application/json"))], json).into_response() }
    };
    let docs =
        SwaggerUi::new("/docs").config(Config::from(format!("{BASE}/openapi.json")).validator_url("none"));
    Router::new()
        .merge(api)
        .route(&format!("{BASE}/openapi.json"), get(specification))
        .route(&format!("{BASE}/docs"), get(|| async { Redirect::permanent("/docs/") }))
        .merge(docs)
        .fallback(page)
        // The layer below has read the body within limits of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(state.clone(), layers::detach))
        .layer(middleware::from_fn_with_state(state.clone(), layers::read_body))
        .layer(middleware::from_fn(layers::identify))
        .with_state(state)
}

/// What no other route answers: the dashboard, or nothing.
async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    subgrant_dashboard::answer(&method, uri.path(), &headers).ok_or_else(Problem::not_found)
}

/// Every documented call.
pub(super) fn api_router() -> OpenApiRouter<HttpState> {
    let api = OpenApiRouter::new()
        .routes(routes!(handlers::tenant::sign_up))
        .routes(routes!(handlers::tenant::rotate_root))
        .routes(routes!(handlers::settings::show, handlers::settings::update))
        .routes(routes!(handlers::delegation::create, handlers::delegation::list))
        .routes(routes!(handlers::delegation::own))
        .routes(routes!(handlers::delegation::tree))
        .routes(routes!(handlers::delegation::one, handlers::delegation::update::update))
        .routes(routes!(handlers::delegation::revoke))
        .routes(routes!(handlers::delegation::freeze))
        .routes(routes!(handlers::delegation::unfreeze))
        .routes(routes!(handlers::delegation::token::rotate))
        .routes(routes!(handlers::delegation::token::restrict))
        .routes(routes!(handlers::delegation::token::list))
        .routes(routes!(handlers::spend::create))
        .routes(routes!(handlers::spend::one))
        .routes(routes!(handlers::spend::refund))
        .routes(routes!(handlers::batch::spend))
        .routes(routes!(handlers::hold::create, handlers::hold::list))
        .routes(routes!(handlers::hold::capture))
        .routes(routes!(handlers::hold::extend))
        .routes(routes!(handlers::hold::release))
        .routes(routes!(handlers::spend::ledger))
        .routes(routes!(handlers::books::proof))
        .routes(routes!(handlers::books::export))
        .routes(routes!(handlers::books::audit))
        .routes(routes!(handlers::report::spend))
        .routes(routes!(handlers::report::budget::budget))
        .routes(routes!(handlers::report::forecast::forecast))
        .routes(routes!(handlers::event::stream))
        .routes(routes!(handlers::session::create, handlers::session::show, handlers::session::delete))
        .routes(routes!(handlers::people::list, handlers::people::create))
        .routes(routes!(handlers::people::one, handlers::people::update, handlers::people::delete))
        .routes(routes!(handlers::sessions::list, handlers::sessions::end_all))
        .routes(routes!(handlers::sessions::end_one))
        .routes(routes!(handlers::invitation::create))
        .routes(routes!(handlers::invitation::accept))
        .routes(routes!(handlers::password::change))
        .routes(routes!(handlers::password::request_reset))
        .routes(routes!(handlers::password::accept_reset))
        .routes(routes!(handlers::alert::list, handlers::alert::create))
        .routes(routes!(handlers::alert::delete))
        .routes(routes!(handlers::webhook::list, handlers::webhook::create))
        .routes(routes!(handlers::webhook::delete))
        .routes(routes!(handlers::webhook::deliveries))
        .routes(routes!(handlers::webhook::test))
        .routes(routes!(handlers::verify::verify))
        .routes(routes!(handlers::config::show));
    let mut router = OpenApiRouter::with_openapi(openapi::Base::openapi())
        .nest(BASE, api)
        .routes(routes!(handlers::health::live))
        .routes(routes!(handlers::health::ready));
    openapi::complete(router.get_openapi_mut());
    router
}
