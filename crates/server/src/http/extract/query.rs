//! Query strings and path parameters.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use subgrant_api::FieldError;
use subgrant_domain::{Id, IdKind};

use crate::http::problem::Problem;

/// A query string that was read into `T`.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| {
            let text = rejection.body_text();
            let detail =
                text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text).to_owned();
            // "unknown field `x`" and "duplicate field `x`" quote the name; "x: what is wrong" begins with it.
            let quoted = detail.split('`').nth(1).filter(|_| detail.contains(" field `"));
            let name = quoted.or_else(|| detail.split(':').next());
            let pointer = format!("?{}", name.unwrap_or_default());
            Problem::validation(vec![FieldError { pointer, code: "invalid_query".to_owned(), detail }])
        })
    }
}

/// The id in the path. What is no id of its kind names nothing: 404.
pub(crate) struct PathId<K: IdKind>(pub(crate) Id<K>);

impl<S: Send + Sync, K: IdKind> FromRequestParts<S> for PathId<K> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Path(text): Path<String> =
            Path::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// The two ids in the path, likewise.
pub(crate) struct PathIds<A: IdKind, B: IdKind>(pub(crate) Id<A>, pub(crate) Id<B>);

impl<S: Send + Sync, A: IdKind, B: IdKind> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::from_request_parts(parts, state).await;
        let Path((first, second)): Path<(String, String)> = path.map_err(|_| Problem::not_found())?;
        match (first.parse(), second.parse()) {
            (Ok(first), Ok(second)) => Ok(Self(first, second)),
            _ => Err(Problem::not_found()),
        }
    }
}
