//! Whether row-level security holds, table by table, as the catalogue lists them.
//!
//! A table that nobody thought of is a fault until it has a policy and the other tenant has a row in it.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::TestDatabase;

const ROLE: &str = "subgrant_app";

/// Read before the tenant is known, or for all tenants at once; they hold nothing but addresses, ids and times.
const DIRECTORY: [&str; 4] = ["tenant_directory", "memberships", "alert_directory", "outbox"];

/// Everything that lets `visitor` reach rows of `other`. Empty: nothing does.
pub async fn faults(database: &TestDatabase, visitor: Uuid, other: Uuid) -> Vec<String> {
    let mut admin = connect(database).await;
    let mut found = Vec::new();
    for (table, is_partition) in tables(&mut admin).await {
        if DIRECTORY.contains(&table.as_str()) {
            continue;
        }
        if is_partition {
            found.extend(partition_faults(&mut admin, &table).await);
            continue;
        }
        found.extend(catalogue_faults(&mut admin, &table).await);
        found.extend(access_faults(database, &mut admin, &table, visitor, other).await);
    }
    found
}

/// What the server's role may do that it must not.
pub async fn role_faults(database: &TestDatabase) -> Vec<String> {
    let mut admin = connect(database).await;
    let checks = [
        ("is a superuser", "SELECT rolsuper FROM pg_roles WHERE rolname = $1"),
        ("passes row-level security by", "SELECT rolbypassrls FROM pg_roles WHERE rolname = $1"),
        ("may create roles", "SELECT rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = $1"),
        ("owns a relation", "SELECT EXISTS (SELECT FROM pg_class WHERE relowner = $1::regrole)"),
        ("owns a function", "SELECT EXISTS (SELECT FROM pg_proc WHERE proowner = $1::regrole)"),
        ("owns a schema", "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspowner = $1::regrole)"),
        ("is a member of a role", "SELECT EXISTS (SELECT FROM pg_auth_members WHERE member = $1::regrole)"),
        ("may create in the schema", "SELECT has_schema_privilege($1, 'public', 'CREATE')"),
        ("may create schemas", "SELECT has_database_privilege($1, current_database(), 'CREATE')"),
    ];
    let mut found = Vec::new();
    for (what, query) in checks {
        let holds: bool =
            sqlx::query_scalar(query).bind(ROLE).fetch_one(&mut admin).await.expect("the catalogue answers");
        found.extend(holds.then(|| format!("{ROLE} {what}")));
    }
    found
}

/// The tables and views with a column `tenant_id`, and whether they are partitions.
async fn tables(admin: &mut PgConnection) -> Vec<(String, bool)> {
    sqlx::query_as(
        "SELECT c.relname::text, c.relispartition FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND a.attname = 'tenant_id' AND NOT a.attisdropped ORDER BY c.relname",
    )
    .fetch_all(admin)
    .await
    .expect("the catalogue answers")
}

/// A partition is reached through its parent, whose policy applies then; by its own name by nobody.
async fn partition_faults(admin: &mut PgConnection, table: &str) -> Option<String> {
    let may: bool = sqlx::query_scalar(
        "SELECT bool_or(has_table_privilege($1, $2::regclass, p))
         FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p",
    )
    .bind(ROLE)
    .bind(table)
    .fetch_one(admin)
    .await
    .expect("the catalogue answers");
    may.then(|| format!("{table}: {ROLE} can reach the partition itself"))
}

async fn catalogue_faults(admin: &mut PgConnection, table: &str) -> Option<String> {
    let is_forced: bool = sqlx::query_scalar(
        "SELECT relrowsecurity AND relforcerowsecurity
             OR relkind = 'v' AND coalesce('security_invoker=true' = ANY(reloptions), false)
         FROM pg_class WHERE oid = $1::regclass",
    )
    .bind(table)
    .fetch_one(admin)
    .await
    .expect("the catalogue answers");
    (!is_forced).then(|| format!("{table}: row-level security is not forced"))
}

/// Tries what must not work.
async fn access_faults(
    database: &TestDatabase,
    admin: &mut PgConnection,
    table: &str,
    visitor: Uuid,
    other: Uuid,
) -> Vec<String> {
    let row: Option<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT row_to_json(t)::text FROM {table} t WHERE tenant_id = $1 LIMIT 1"
    )))
    .bind(other)
    .fetch_optional(&mut *admin)
    .await
    .expect("a superuser sees every row");
    let Some(row) = row else { return vec![format!("{table}: the other tenant has no row to protect")] };
    let mut found = Vec::new();
    let mut role = connect(database).await;
    role.execute(AssertSqlSafe(format!("SET ROLE {ROLE}"))).await.expect("a superuser may become the role");
    let count = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{other}'");
    // Twice: before any tenant was set in the session, and after one was and the transaction has ended.
    for moment in ["before", "after"] {
        let blind: Result<i64, _> =
            sqlx::query_scalar(AssertSqlSafe(count.clone())).fetch_one(&mut role).await;
        found.extend(blind.is_ok().then(|| format!("{table}: can be read {moment} a tenant was set")));
        set_tenant(&mut role, visitor).await;
        role.execute("ROLLBACK").await.expect("a transaction can be rolled back");
    }
    let seen: Result<i64, _> = within(&mut role, visitor, count).await;
    found.extend((seen != Ok(0)).then(|| format!("{table}: reading the other tenant gives {seen:?}")));
    // Without WHERE and RETURNING, because with them the policies for reading protect the rows as well.
    let own = count_of(admin, table, visitor).await;
    for change in [format!("UPDATE {table} SET tenant_id = '{visitor}'"), format!("DELETE FROM {table}")] {
        let changed = affected(&mut role, visitor, &change).await;
        let is_refused = changed == Ok(own) || is_forbidden(&changed);
        found.extend(
            (!is_refused).then(|| format!("{table}: {change} gives {changed:?}, {own} are the visitor's")),
        );
    }
    let quoted = row.replace('\'', "''");
    let columns = written_columns(admin, table).await;
    let insert = format!(
        "WITH added AS (INSERT INTO {table} ({columns}) SELECT {columns} \
         FROM json_populate_record(NULL::{table}, '{quoted}') RETURNING 1) SELECT count(*) FROM added"
    );
    let added = within(&mut role, visitor, insert).await;
    found.extend((!is_forbidden(&added)).then(|| format!("{table}: inserting gives {added:?}")));
    found
}

/// Whether a policy or a privilege has kept something from being written, or that it is a view of several tables.
fn is_forbidden<T>(written: &Result<T, String>) -> bool {
    written.as_ref().err().is_some_and(|code| ["42501", "55000"].contains(&code.as_str()))
}

/// The columns that are not generated from others.
async fn written_columns(admin: &mut PgConnection, table: &str) -> String {
    sqlx::query_scalar(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
    )
    .bind(table)
    .fetch_one(admin)
    .await
    .expect("the catalogue answers")
}

/// A count within a transaction of the tenant, rolled back; or the SQLSTATE.
async fn within(role: &mut PgConnection, tenant: Uuid, statement: String) -> Result<i64, String> {
    set_tenant(role, tenant).await;
    let result = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut *role).await;
    role.execute("ROLLBACK").await.expect("a transaction can be rolled back");
    result.map_err(|error| sqlstate(&error))
}

/// How many rows a statement changes within a transaction of the tenant, rolled back; or the SQLSTATE.
async fn affected(role: &mut PgConnection, tenant: Uuid, statement: &str) -> Result<u64, String> {
    set_tenant(role, tenant).await;
    let result = role.execute(AssertSqlSafe(statement.to_owned())).await;
    role.execute("ROLLBACK").await.expect("a transaction can be rolled back");
    result.map(|done| done.rows_affected()).map_err(|error| sqlstate(&error))
}

async fn count_of(admin: &mut PgConnection, table: &str, tenant: Uuid) -> u64 {
    let query = format!("SELECT count(*) FROM {table} WHERE tenant_id = $1");
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(query))
        .bind(tenant)
        .fetch_one(admin)
        .await
        .expect("a superuser sees every row");
    count.cast_unsigned()
}

fn sqlstate(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.map_or_else(|| error.to_string(), std::borrow::Cow::into_owned)
}

async fn set_tenant(role: &mut PgConnection, tenant: Uuid) {
    let begin = format!("BEGIN; SET LOCAL subgrant.tenant_id = '{tenant}'");
    role.execute(AssertSqlSafe(begin)).await.expect("a tenant can be set");
}

async fn connect(database: &TestDatabase) -> PgConnection {
    PgConnection::connect(&database.url).await.expect("the test database accepts connections")
}
