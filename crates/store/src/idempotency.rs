//! The recorded answers of writes that carried an `Idempotency-Key`.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sha2::{Digest, Sha256};
use subgrant_domain::{Id, ServiceId};
use uuid::Uuid;

use crate::{LockedTx, Result, error::read};

/// Where a key is unique: within a tenant, for one principal and route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Stands for the node or user on whose behalf the request was made: see [`Key::new`].
    pub principal: Uuid,
    /// Method and route template.
    pub route: &'static str,
    /// The caller's key.
    pub key: String,
}

impl Key {
    /// A key of a node or user, who is named by the first half of `SHA-256("subgrant/idempotency/v1" ‖ 0 ‖ prefix of the id's
    /// kind ‖ id)`: makers of offline children choose ids, and must not come upon the answers of something else.
    pub fn new<K: subgrant_domain::IdKind>(principal: Id<K>, route: &'static str, key: String) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update("subgrant/idempotency/v1\0")
            .chain_update(K::PREFIX)
            .chain_update(principal.as_uuid().as_bytes())
            .finalize()
            .into();
        let principal = Uuid::from_slice(&digest[..16]).expect("16 bytes");
        Self { principal, route, key }
    }

    /// A request that the gateway in front of a service has named. Whose token came with it is no part of the key: the
    /// same name with another token is to be noticed.
    pub fn at_gateway(service: ServiceId, request: String) -> Self {
        Self::new(service, GATEWAY, request)
    }
}

/// Stands for the route of requests at gateways; the function `idempotency_forget` knows it too.
const GATEWAY: &str = "request at a gateway";

/// A recorded answer.
#[derive(Debug, Clone)]
pub struct Record {
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// The HTTP status.
    pub status: u16,
    /// The JSON answer without secrets.
    pub response: String,
    /// When it was given.
    pub recorded_at: Timestamp,
}

/// How long a recorded answer is kept; the function `idempotency_forget` knows it too.
pub const KEPT_HOURS: i32 = 48;

/// The same for a request at a gateway: retries come within seconds, and what is kept longer might be used again.
const KEPT_AT_GATEWAYS_MINUTES: i32 = 10;

/// The recorded ones among `keys`. Those that were kept long enough are forgotten, so that nobody has to sweep first.
pub async fn by_keys(tx: &mut LockedTx, keys: &[Key]) -> Result<Vec<(Key, Record)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (tenant, columns) = (tx.tenant_uuid(), Columns::of(keys.iter()));
    let rows = sqlx::query!(
        r#"WITH found AS MATERIALIZED (
               SELECT k.position, i.*
               FROM unnest($2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY AS k (principal_id, route, key, position)
               JOIN idempotency i ON i.tenant_id = $1 AND i.principal_id = k.principal_id AND i.route = k.route
                   AND i.key = k.key),
           forgotten AS (
               DELETE FROM idempotency i USING found f
               WHERE f.created_at <= clock_timestamp() - CASE f.route WHEN $6 THEN make_interval(mins => $7)
                       ELSE make_interval(hours => $5) END AND i.tenant_id = $1
                   AND i.key = f.key AND i.principal_id = f.principal_id AND i.route = f.route
               RETURNING f.position)
           SELECT position AS "position!", fingerprint AS "fingerprint!", status AS "status!", response AS "response!",
               created_at AS "created_at!: jiff_sqlx::Timestamp"
           FROM found WHERE position NOT IN (SELECT position FROM forgotten)"#,
        tenant,
        &columns.principals,
        &columns.routes,
        &columns.keys,
        KEPT_HOURS,
        GATEWAY,
        KEPT_AT_GATEWAYS_MINUTES
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let index = usize::try_from(row.position - 1).expect("ordinality counts from 1");
            let record = Record {
                fingerprint: read(row.fingerprint.as_slice().try_into())?,
                status: read(u16::try_from(row.status))?,
                response: row.response,
                recorded_at: row.created_at.to_jiff(),
            };
            Ok((keys[index].clone(), record))
        })
        .collect()
}

/// Records answers.
pub async fn insert(tx: &mut LockedTx, records: &[(Key, Record)]) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant_uuid();
    let columns = Columns::of(records.iter().map(|(key, _)| key));
    let fingerprints: Vec<_> = records.iter().map(|(_, record)| record.fingerprint.to_vec()).collect();
    let statuses: Vec<_> = records.iter().map(|(_, record)| record.status.cast_signed()).collect();
    let responses: Vec<_> = records.iter().map(|(_, record)| record.response.clone()).collect();
    let times: Vec<_> = records.iter().map(|(_, record)| record.recorded_at.to_sqlx()).collect();
    sqlx::query!(
        "INSERT INTO idempotency (tenant_id, principal_id, route, key, fingerprint, status, response, created_at)
         SELECT $1, principal_id, route, key, fingerprint, status, response, created_at
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::smallint[], $7::text[], $8::timestamptz[])
             AS new (principal_id, route, key, fingerprint, status, response, created_at)",
        tenant,
        &columns.principals,
        &columns.routes,
        &columns.keys,
        &fingerprints,
        &statuses,
        &responses,
        &times as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

struct Columns {
    principals: Vec<Uuid>,
    routes: Vec<String>,
    keys: Vec<String>,
}

impl Columns {
    fn of<'a>(keys: impl Iterator<Item = &'a Key> + Clone) -> Self {
        Self {
            principals: keys.clone().map(|key| key.principal).collect(),
            routes: keys.clone().map(|key| key.route.to_owned()).collect(),
            keys: keys.map(|key| key.key.clone()).collect(),
        }
    }
}
