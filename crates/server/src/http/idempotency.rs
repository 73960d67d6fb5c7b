//! What makes two requests the same.

use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subgrant_api::canonical;
use subgrant_service::IdempotencyKey;

use super::{extract::IdempotencyHeader, problem::Problem};

/// A body and, where the caller sends a key, what this request has in common with its repetitions: the key, the target, and
/// the body as it was understood.
pub(crate) struct Keyed<B>(pub(crate) Option<IdempotencyKey>, pub(crate) B);

impl<S: Send + Sync, B: FromRequest<S, Rejection = Problem> + Serialize> FromRequest<S> for Keyed<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let header = IdempotencyHeader::from_request_parts(&mut parts, state).await?;
        let target = parts.uri.clone();
        let body = B::from_request(Request::from_parts(parts, body), state).await?;
        Ok(Self(key(header, target.path(), &body), body))
    }
}

/// The caller's key with a digest of target and body. The body is digested as it was understood, so that spaces, the
/// order of fields and spelled-out defaults do not matter.
pub(crate) fn key(header: IdempotencyHeader, target: &str, body: &impl Serialize) -> Option<IdempotencyKey> {
    let key = header.0?;
    let mut body = serde_json::to_string(body).expect("request bodies are plain structs");
    // The caller's own object is kept to the letter, and is the only part that has more than one spelling here.
    if body.contains("\"metadata\":{") {
        body = canonical(&body);
    }
    let fingerprint =
        Sha256::new().chain_update(target).chain_update([0]).chain_update(body).finalize().into();
    Some(IdempotencyKey { key, fingerprint })
}

/// The key of an item that has none of its own, in a batch that has one.
pub(crate) fn derived(batch_key: &str, position: usize) -> String {
    let key = format!("{batch_key}#{position}");
    if key.len() <= 255 { key } else { hex::encode(Sha256::digest(key)) }
}
