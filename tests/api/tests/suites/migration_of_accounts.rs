//! What the migration to accounts makes of people that were there before.

use std::path::Path;

use sqlx::{AssertSqlSafe, Executor, PgPool, Row};
use subgrant_tests::TestDatabase;

/// An owner who signed up, a guest who was invited, a member who was made one, and one who has left.
const PEOPLE: &str = "
    INSERT INTO tenant_directory (tenant_id) VALUES ('00000000-0000-0000-0000-0000000000aa');
    INSERT INTO tenants (tenant_id, name, root_delegation_id)
        VALUES ('00000000-0000-0000-0000-0000000000aa', 't', '00000000-0000-0000-0000-000000000001');
    INSERT INTO users (tenant_id, id, email, password_hash, role, signup_idempotency_key, created_at, removed_at) VALUES
        ('00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000011', 'owner@a.example',
            '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRvd25lcg$aGFzaA', 'owner', 'key', '2026-01-01', NULL),
        ('00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000012', 'guest@a.example',
            '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRndWVzdA$aGFzaA', 'viewer', NULL, '2026-01-02', NULL),
        ('00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000013', 'made@a.example',
            '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRtYWRl$aGFzaA', 'viewer', NULL, '2026-01-03', NULL),
        ('00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000014', 'gone@a.example',
            '', 'viewer', NULL, '2026-01-04', '2026-01-05');
    INSERT INTO account_directory (email, tenant_id, user_id)
        SELECT email, tenant_id, id FROM users WHERE removed_at IS NULL;
    INSERT INTO invitations (tenant_id, user_id, email, role, digest, created_at, expires_at, accepted_at) VALUES
        ('00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000012', 'guest@a.example', 'viewer',
            sha256('x'), '2026-01-02', '2026-01-09', '2026-01-02');
    INSERT INTO sessions (tenant_id, digest, id, user_id, created_at, expires_at) VALUES
        ('00000000-0000-0000-0000-0000000000aa', sha256('s'), gen_random_uuid(), '00000000-0000-0000-0000-000000000011',
            now(), now() + interval '1 hour')";

/// The migrations in their order, whether they come before the one to accounts or not.
fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let files = std::fs::read_dir(folder).expect("the migrations are there");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a script"))).collect()
}

#[tokio::test]
async fn everybody_keeps_password_session_and_membership() {
    let database = TestDatabase::create_empty().await;
    let pool = PgPool::connect(&database.url).await.unwrap();
    let (before, after): (Vec<_>, Vec<_>) =
        scripts().into_iter().partition(|(name, _)| name.as_str() < "0041");
    let people = [("people".to_owned(), PEOPLE.to_owned())];
    for (name, script) in before.into_iter().chain(people).chain(after) {
        pool.execute(sqlx::raw_sql(AssertSqlSafe(script)))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let statement = "SELECT concat_ws(' ', a.email, s.salt, split_part(a.password_hash, '$', 5) = s.salt, is_managed,
            verified_at IS NULL, signup_idempotency_key)
        FROM accounts a JOIN account_addresses s USING (email) JOIN memberships m ON m.account_id = a.id ORDER BY a.email";
    let found: Vec<String> = pool.fetch_all(statement).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(
        found,
        [
            "guest@a.example c2FsdHNhbHRndWVzdA t f t",
            "made@a.example c2FsdHNhbHRtYWRl t t t",
            "owner@a.example c2FsdHNhbHRvd25lcg t f t key"
        ]
    );
    let statement = "SELECT count(*) FROM sessions s JOIN memberships m USING (tenant_id, user_id)
        JOIN accounts a ON a.id = m.account_id AND a.id = s.account_id AND a.password_version = s.password_version";
    let sessions: i64 = sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap();
    assert_eq!(sessions, 1, "whoever is signed in stays so");
    let names: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&pool).await.unwrap();
    assert_eq!(names, 4, "who was removed is still named in the audit log");
}
