//! The program as its user meets it: started as a process, with options, environment and signals.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::{fs, io::Read, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use subgrant_tests::{Api, Program, Scratch, TestDatabase};

/// What a master key may look like.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_KEY: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn subgrant<'a>(args: impl IntoIterator<Item = &'a str>) -> Program {
    Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), args)
}

/// A program that must fail with one sentence on standard error, and nothing else anywhere.
fn sentence(program: &Program) -> String {
    let output = program.run();
    assert!(!output.status.success(), "{program:?} must fail");
    assert_eq!(output.stdout, "", "{program:?} prints nothing that a pipe would take for its result");
    let text =
        output.stderr.trim_end().strip_prefix("error: ").unwrap_or_else(|| panic!("{}", output.stderr));
    assert!(!text.contains('\n') && !text.contains("panicked"), "not one sentence: {text}");
    text.to_owned()
}

/// `tenant create`, which must succeed; what it prints.
fn create_tenant(program: Program, email: &str) -> Value {
    let output = program.args(["--name", "Acme", "--email", email]).run();
    assert!(output.status.success(), "{}", output.stderr);
    serde_json::from_str(&output.stdout).expect("tenant create prints JSON")
}

fn tenant_program() -> Program {
    subgrant(["tenant", "create"])
}

async fn root_of(origin: &str, tenant: &Value) -> Api {
    let root = Api::new(origin.to_owned()).with_token(tenant["root_token"].as_str().unwrap());
    let view = root.get("/delegation/self").await;
    assert_eq!(
        (view.status, view.text("/id")),
        (200, tenant["root_delegation_id"].as_str().unwrap().to_owned())
    );
    root
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unprivileged_login_serves_what_the_owner_has_migrated() {
    let database = TestDatabase::create_empty().await;
    let login = database.create_login().await;
    let serve = || {
        subgrant(["serve"])
            .args(ANY_PORT)
            .args(["--database-url", &login.url])
            .env("SUBGRANT_MASTER_KEY", KEY)
    };
    let migrate = subgrant(["migrate", "--database-url", &database.url, "--grant-to", &login.name]);
    for _ in 0..2 {
        let output = migrate.run();
        assert!(output.status.success(), "{}", output.stderr);
    }
    let server = serve().start();
    let create = tenant_program().args(["--database-url", &login.url, "--master-key", KEY]);
    let tenant = create_tenant(create, "owner@acme.example");
    let root = root_of(&server.origin, &tenant).await;
    let (leaf, _) = root.child("leaf", 10).await;
    assert_eq!(leaf.spend(10).await.status, 201);
    assert!(server.stop().success());
    login.drop().await;
}

#[tokio::test]
async fn a_database_that_is_not_prepared_is_named_as_the_cause() {
    let database = TestDatabase::create_empty().await;
    let login = database.create_login().await;
    let serve = |url: &str| {
        sentence(&subgrant(["serve", "--master-key", KEY]).args(ANY_PORT).args(["--database-url", url]))
    };
    let refused = serve(&login.url);
    assert!(refused.contains("subgrant migrate") && refused.contains("subgrant_app"), "{refused}");
    let gone = serve(&login.url.replace(&login.name, "nobody_at_all"));
    assert!(gone.contains("nobody_at_all") && !gone.contains("timed out"), "the cause is hidden: {gone}");
    login.drop().await;
}

#[tokio::test]
async fn without_a_master_key_nothing_is_served() {
    let database = TestDatabase::create().await;
    let serve = || subgrant(["serve"]).args(ANY_PORT).args(["--database-url", &database.url]);
    let missing = sentence(&serve());
    assert!(missing.contains("master key") && missing.contains("--master-key-file"), "{missing}");
    let garbled = sentence(&serve().args(["--master-key", "secret"]));
    assert!(garbled.contains("64 hexadecimal digits") && !garbled.contains("secret"), "{garbled}");
}

#[tokio::test]
async fn data_that_were_sealed_under_another_master_key_are_neither_served_nor_added_to() {
    let database = TestDatabase::create().await;
    let create = || tenant_program().args(["--database-url", &database.url]);
    create_tenant(create().args(["--master-key", KEY]), "owner@acme.example");
    let name = ["--name", "Second", "--email", "second@acme.example"];
    let wrong = sentence(&create().args(["--master-key", OTHER_KEY]).args(name));
    assert!(wrong.contains("master key"), "{wrong}");
    let serve = subgrant(["serve"]).args(ANY_PORT).args(["--database-url", &database.url]);
    let wrong = sentence(&serve.args(["--master-key", OTHER_KEY]));
    assert!(wrong.contains("master key"), "{wrong}");
}

#[test]
fn a_taken_port_is_said_before_anything_is_made() {
    let scratch = Scratch::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = scratch.path("data");
    let refused = sentence(&subgrant(["serve", "--listen", &address, "--data-dir", &data]));
    assert!(refused.contains(&address) && refused.contains("--listen"), "{refused}");
    assert!(!fs::exists(&data).unwrap(), "the data directory was made all the same");
}

#[test]
fn a_file_is_no_data_directory() {
    let scratch = Scratch::new();
    let serve = |data: &str| subgrant(["serve", "--data-dir", data]).args(ANY_PORT);
    let file = scratch.path("file");
    fs::write(&file, "mine").unwrap();
    for path in [file.clone(), format!("{file}/below")] {
        assert!(sentence(&serve(&path)).contains("--data-dir"), "{path}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_directory_with_the_files_of_another_is_left_exactly_as_it_was() {
    let scratch = Scratch::new();
    let foreign = scratch.path("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(format!("{foreign}/photo.jpg"), "mine").unwrap();
    let refused = sentence(&subgrant(["serve", "--data-dir", &foreign]).args(ANY_PORT));
    assert!(refused.contains(&foreign), "{refused}");
    let names: Vec<_> = fs::read_dir(&foreign).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["photo.jpg"], "something was put beside the files of another");
}

#[test]
fn a_directory_that_postgresql_cannot_reach_is_not_half_made() {
    let scratch = Scratch::new();
    // Closed to an ordinary user; to root only because PostgreSQL does not run as root.
    let closed = scratch.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let refused = sentence(&subgrant(["serve", "--data-dir", &format!("{closed}/data")]).args(ANY_PORT));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refused.contains(&closed), "{refused}");
    assert!(!fs::exists(format!("{closed}/data")).unwrap(), "a data directory was half made");
}

#[test]
fn a_missing_postgresql_is_said_before_anything_is_made() {
    let scratch = Scratch::new();
    let data = scratch.path("data");
    let serve =
        subgrant(["serve", "--data-dir", &data]).args(ANY_PORT).env("SUBGRANT_PG_BINDIR", scratch.path(""));
    assert!(sentence(&serve).contains("SUBGRANT_PG_BINDIR"));
    assert!(!fs::exists(&data).unwrap(), "a data directory was half made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_created_once_per_address_with_the_password_of_the_file() {
    let (database, scratch) = (TestDatabase::create().await, Scratch::new());
    let create = || tenant_program().args(["--database-url", &database.url, "--master-key", KEY]);
    let first = create_tenant(create(), "Owner@Acme.example");
    assert_eq!(first["user"]["email"], "owner@acme.example");
    assert!(first["password"].as_str().is_some_and(|password| password.len() >= 16), "made up and shown");
    let again = ["--name", "Acme", "--email", "owner@ACME.example"];
    let refused = sentence(&create().args(again));
    assert!(refused.to_lowercase().contains("owner@acme.example") && refused.contains("exists"), "{refused}");

    let file = scratch.path("password");
    fs::write(&file, "short\n").unwrap();
    let with_file = || create().args(["--password-file", &file]);
    assert!(sentence(&with_file().args(["--name", "B", "--email", "b@acme.example"])).contains("8 to 1024"));
    fs::write(&file, "long enough to keep\n").unwrap();
    let tenant = create_tenant(with_file(), "b@acme.example");
    assert_eq!(tenant.get("password"), None, "a given password is not repeated");
    let missing = sentence(&create().args(["--password-file", &scratch.path("none")]).args(again));
    assert!(missing.contains(&scratch.path("none")), "{missing}");
    for wrong in [["--name", "", "--email", "c@acme.example"], ["--name", "C", "--email", "nobody"]] {
        assert!(sentence(&create().args(wrong)).contains("--"), "names the option");
    }
    let server =
        subgrant(["serve"]).args(ANY_PORT).args(["--database-url", &database.url, "--master-key", KEY]);
    let server = server.start();
    root_of(&server.origin, &tenant).await;
    root_of(&server.origin, &first).await;
}

#[tokio::test]
async fn a_token_is_inspected_offline_from_an_argument_or_from_standard_input() {
    let database = TestDatabase::create().await;
    let create = tenant_program().args(["--database-url", &database.url, "--master-key", KEY]);
    let tenant = create_tenant(create, "owner@acme.example");
    let token = tenant["root_token"].as_str().unwrap();
    let inspect = subgrant(["token", "inspect"]);
    let by_argument = inspect.clone().args([token]).run();
    let by_input = inspect.clone().input(&format!("{token}\n")).run();
    assert!(by_argument.status.success() && by_input.status.success(), "{}", by_input.stderr);
    assert_eq!(by_argument.stdout, by_input.stdout);
    let shown: Value = serde_json::from_str(&by_argument.stdout).unwrap();
    assert_eq!((&shown["tenant"], &shown["verified"]), (&tenant["tenant"]["id"], &json!(false)));
    for text in ["", "nonsense", &token[..token.len() - 9]] {
        assert!(sentence(&inspect.clone().input(text)).contains("not a Subgrant token"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_database_is_found_again_with_its_tenants_and_its_key() {
    let scratch = Scratch::new();
    let data = scratch.path("data");
    let serve = || subgrant(["serve", "--data-dir", &data]).args(ANY_PORT);
    let tenant = create_tenant(tenant_program().args(["--data-dir", &data]), "owner@acme.example");
    let mode = |name: &str| fs::metadata(format!("{data}/{name}")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("master.key"), 0o600);
    let server = serve().start();
    let busy = sentence(&serve());
    assert!(busy.contains("in use"), "{busy}");
    let (leaf, _) = root_of(&server.origin, &tenant).await.child("leaf", 100).await;
    assert_eq!(leaf.spend(30).await.status, 201);
    assert!(server.stop().success());

    let server = serve().start();
    let root = root_of(&server.origin, &tenant).await;
    assert_eq!(root.get("/delegation/self").await.number("/spent_credits"), 30);
    let leaf = Api::new(server.origin.clone()).with_token(leaf.token().unwrap());
    assert_eq!(leaf.spend(1).await.number("/remaining_credits"), 69);
    assert!(server.stop().success());

    fs::rename(format!("{data}/master.key"), scratch.path("kept.key")).unwrap();
    assert!(sentence(&serve()).contains("master.key"), "no new key is made for old data");
    let mut key = String::new();
    fs::File::open(scratch.path("kept.key")).unwrap().read_to_string(&mut key).unwrap();
    let server = serve().env("SUBGRANT_MASTER_KEY", key.trim()).start();
    root_of(&server.origin, &tenant).await;
}
