//! Handlers: parse at the boundary, call one use case, translate its answer.

pub(super) mod alert;
pub(super) mod authorize;
pub(super) mod batch;
pub(super) mod books;
pub(super) mod config;
pub(super) mod confirmation;
pub(super) mod delegation;
pub(super) mod event;
pub(super) mod focus;
pub(super) mod health;
pub(super) mod hold;
pub(super) mod invitation;
pub(super) mod metrics;
pub(super) mod password;
pub(super) mod people;
pub(super) mod period;
pub(super) mod report;
pub(super) mod revocation;
pub(super) mod route;
pub(super) mod service;
pub(super) mod session;
pub(super) mod sessions;
pub(super) mod settings;
pub(super) mod spend;
pub(super) mod tenant;
pub(super) mod verify;
pub(super) mod webhook;

use serde::Deserialize;
use subgrant_domain::{Id, IdKind};
use utoipa::IntoParams;

use super::{problem::Problem, validate::Validator};

/// Which page of a list that takes nothing else.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// 1–100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The page size of a list: 1–100, 50 where nothing is said.
fn page_limit(validator: &mut Validator, limit: Option<u64>) -> u8 {
    match limit.map(u8::try_from) {
        None => 50,
        Some(Ok(limit @ 1..=100)) => limit,
        Some(_) => {
            validator.refuse("?limit", "out_of_range", "must be from 1 to 100");
            1
        }
    }
}

/// What a list goes on from; nothing where there is no cursor, or one that is noted as an error.
fn page_start<K: IdKind>(validator: &mut Validator, cursor: Option<&str>) -> Option<Id<K>> {
    let start = cursor.map(Id::from_suffix).transpose().map_err(|_| "is not a cursor of this list");
    validator.check("?cursor", "invalid_cursor", start).flatten()
}

/// A value whose absence the validator has noted as an error before.
fn noted<T>(value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(Problem::internal)
}
