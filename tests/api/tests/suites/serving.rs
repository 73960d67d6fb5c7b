//! Environment, help, demo and shutdown of `subgrant serve`.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::{fs, net::TcpStream, process::Command, time::Duration};

use serde_json::{Value, json};
use sqlx::Connection;
use subgrant_tests::{Api, Program, Scratch, TestDatabase};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn subgrant<'a>(args: impl IntoIterator<Item = &'a str>) -> Program {
    Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_option_is_an_environment_variable_and_every_secret_a_file() {
    let (database, scratch) = (TestDatabase::create().await, Scratch::new());
    let (url, key, password) = (scratch.path("url"), scratch.path("key"), scratch.path("password"));
    fs::write(&url, format!("{}\n", database.url)).unwrap();
    fs::write(&key, format!("{KEY}\r\n")).unwrap();
    fs::write(&password, "long enough to keep\n").unwrap();
    let files = [("SUBGRANT_DATABASE_URL_FILE", url.as_str()), ("SUBGRANT_MASTER_KEY_FILE", key.as_str())];
    let create = subgrant(["tenant", "create", "--name", "A", "--email", "a@acme.example"]);
    let output = create.envs(&files).env("SUBGRANT_PASSWORD_FILE", &password).run();
    assert!(output.status.success(), "{}", output.stderr);
    let tenant: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(tenant.get("password"), None);

    let values = [("SUBGRANT_DATABASE_URL", database.url.as_str()), ("SUBGRANT_MASTER_KEY", KEY)];
    for secrets in [files, values] {
        let server = subgrant(["serve"])
            .envs(&secrets)
            .envs(&[
                ("SUBGRANT_LISTEN", "127.0.0.1:0"),
                ("SUBGRANT_PUBLIC_URL", "https://credits.acme.example"),
            ])
            .envs(&[
                ("SUBGRANT_CLOSED_SIGNUP", "true"),
                ("SUBGRANT_LOG", "info"),
                ("SUBGRANT_LOG_FORMAT", "json"),
            ])
            .envs(&[("SUBGRANT_MAX_CONNECTIONS", "3")])
            .start();
        let api = Api::new(server.origin.clone());
        let body = json!({ "organization": "B", "email": "b@b.example", "password": "long enough" });
        assert_eq!(api.post("/signup", &body).await.status, 403, "sign-up is closed");
        let root = api.with_token(tenant["root_token"].as_str().unwrap());
        let (leaf, _) = root.child("leaf", 5).await;
        let shown = subgrant(["token", "inspect", leaf.token().unwrap()]).run().stdout;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(leaf.spend(5).await.status, 201, "{shown}");
        assert!(server.stop().success());
    }
}

/// What `--help` says to a command.
fn help(command: &[&str]) -> String {
    let output = subgrant(command.iter().copied()).args(["--help"]).run();
    assert!(output.status.success(), "{}", output.stderr);
    output.stdout
}

#[test]
fn the_examples_of_help_can_be_pasted() {
    let top = help(&[]);
    for word in ["serve", "migrate", "tenant", "token", "--data-dir", "SUBGRANT_DATABASE_URL=postgres://"] {
        assert!(top.contains(word), "{word} is missing from {top}");
    }
    let examples: Vec<_> =
        top.lines().filter(|line| line.starts_with("  ") && line.contains("subgrant")).collect();
    assert!(examples.len() >= 2 && examples.iter().all(|line| !line.contains('`')), "{examples:#?}");
}

#[test]
fn help_names_the_environment_variable_of_every_option() {
    let shared = "DATABASE_URL DATABASE_URL_FILE DATA_DIR MASTER_KEY MASTER_KEY_FILE MAX_CONNECTIONS";
    let serve = format!(
        "{shared} LISTEN PUBLIC_URL CLOSED_SIGNUP DEMO METRICS_LISTEN LOG LOG_FORMAT SMTP_URL SMTP_URL_FILE MAIL_FROM WEBHOOK_ALLOW_PRIVATE TRUSTED_PROXY MAX_CLIENTS MAX_CLIENTS_PER_ADDRESS MAX_BYTES_IN_FLIGHT METRICS_PUBLIC"
    );
    let create = format!("{shared} PASSWORD_FILE NAME EMAIL");
    let mut missing = Vec::new();
    for (command, names) in [
        (&["serve"][..], serve.as_str()),
        (&["migrate"], "DATABASE_URL DATABASE_URL_FILE GRANT_TO"),
        (&["tenant", "create"], &create),
    ] {
        // Long entries are wrapped, also between the words of a variable's entry.
        let text = help(command).split_whitespace().collect::<Vec<_>>().join(" ");
        let is_missing = |name: &&str| !text.contains(&format!("[env: SUBGRANT_{name}"));
        missing.extend(names.split(' ').filter(is_missing).map(|name| format!("{command:?}: {name}")));
    }
    assert_eq!(missing, [""; 0]);
}

/// What the demo prints to be pasted, in order, each with the variables that it says to set before.
fn curls(printed: &str) -> Vec<String> {
    let lines = printed.lines().map(str::trim_start);
    let exports: String =
        lines.clone().filter(|line| line.starts_with("export ")).flat_map(|line| [line, "; "]).collect();
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        if goes_on {
            let command = commands.last_mut().expect("what goes on has begun");
            command.push('\n');
            command.push_str(line);
        } else if line.starts_with("curl ") {
            commands.push(format!("{exports}{line}"));
        } else {
            continue;
        }
        let is_inside_quotes = commands.last().is_some_and(|command| command.matches('\'').count() % 2 == 1);
        goes_on = line.ends_with('\\') || is_inside_quotes;
    }
    commands
}

/// Runs a command line as a shell would; its status and body.
fn paste(command: &str) -> (u16, Value) {
    let found = Command::new("sh").args(["-c", "command -v curl"]).output().unwrap();
    assert!(found.status.success(), "this test runs what the demo prints, and needs curl: install it");
    let command = format!("{command} --silent --show-error --write-out '\\n%{{http_code}}'");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.trim_end().rsplit_once('\n').unwrap_or_else(|| panic!("{command}: {text}"));
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// The lines of the tree with their ids.
fn tree(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| line.contains(" credits)") && line.contains("dlg_")).collect()
}

#[test]
fn what_the_demo_prints_is_the_tour_and_works_when_it_is_pasted() {
    let scratch = Scratch::new();
    let serve = || subgrant(["serve", "--demo", "--data-dir", &scratch.path("data")]).args(ANY_PORT).start();
    let server = serve();
    let first = server.printed();
    let commands = curls(&first);
    let [mint, spend, list, revoke, look] = commands.as_slice() else { panic!("{commands:#?}") };
    let (status, minted) = paste(mint);
    assert_eq!((status, &minted["remaining_credits"]), (201, &json!(1_000)), "{minted}");
    let (status, debited) = paste(spend);
    assert_eq!((status, &debited["remaining_credits"]), (201, &json!(900)), "{debited}");
    assert!(server.stop().success());

    let server = serve();
    let second = server.printed();
    assert_eq!(
        (tree(&second).len(), tree(&second)),
        (8, tree(&first)),
        "a second start finds the same nodes"
    );
    // Another port, and otherwise the same tokens.
    let moved = |command: &str| command.replace(&origin(&first), &origin(&second));
    let (status, listed) = paste(&moved(list));
    assert_eq!(status, 200, "{listed}");
    let node = |label: &str, field: &str| -> Value {
        let nodes = listed["data"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["label"] == label && node["depth"] != minted["depth"]);
        node.or_else(|| nodes.iter().find(|node| node["label"] == label)).unwrap()[field].clone()
    };
    assert_eq!(node("code-reviewer", "remaining_credits"), 900);
    assert_eq!(node("ML Team", "remaining_credits"), 4_900);
    assert_eq!(node("Engineering", "remaining_credits"), 9_900);
    assert_eq!(node("Root Key", "spent_credits"), 100);
    let (status, receipt) = paste(&moved(revoke));
    assert_eq!((status, &receipt["descendants"]), (200, &json!(5)), "{receipt}");
    let (status, refused) = paste(&moved(look));
    assert_eq!((status, &refused["code"]), (401, &json!("revoked")), "{refused}");
    assert!(server.stop().success());
    // The tour ends with a revocation, and can be taken again from the next start.
    let server = serve();
    let third = server.printed();
    assert_eq!(tree(&third).len(), 8);
    assert_eq!(tree(&third)[6..], tree(&first)[6..], "what was not revoked is still the same");
    for command in &curls(&third)[..2] {
        assert_eq!(paste(command).0, 201, "{command}");
    }
    assert!(server.stop().success());
}

/// `http://localhost:<port>`, as printed.
fn origin(printed: &str) -> String {
    let rest = &printed[printed.find("http://localhost:").expect("an address is printed")..];
    rest.split("/api").next().unwrap().to_owned()
}

#[test]
fn the_demo_prints_secrets_and_so_refuses_to_be_reached_from_elsewhere() {
    let scratch = Scratch::new();
    let serve = subgrant(["serve", "--demo", "--listen", "0.0.0.0:0", "--data-dir", &scratch.path("data")]);
    let output = serve.run();
    assert!(!output.status.success() && output.stderr.contains("loopback"), "{}", output.stderr);
    assert!(!fs::exists(scratch.path("data")).unwrap());
}

/// A data directory says where the books are, not who reaches the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_lead_to_private_networks_only_from_a_loopback_address_or_where_the_operator_says_so() {
    let cases: [(&str, &[&str], u16); 3] = [
        ("127.0.0.1:0", &[], 201),
        ("0.0.0.0:0", &[], 422),
        ("0.0.0.0:0", &["--webhook-allow-private"], 201),
    ];
    for (listen, options, status) in cases {
        let scratch = Scratch::new();
        let serve = subgrant(["serve", "--listen", listen, "--data-dir", &scratch.path("data")]);
        let server = serve.args(options.iter().copied()).start();
        let api = Api::new(server.origin.clone());
        let body =
            json!({ "organization": "x", "email": "x@x.example", "password": "correct horse battery" });
        let owner = api.with_session(&api.post("/signup", &body).await.session());
        let reply = owner.post("/webhook", &json!({ "url": "http://10.0.0.1/hook" })).await;
        assert_eq!(reply.status, status, "{listen} {options:?}: {}", reply.body);
        assert!(server.stop().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_answers_what_is_under_way_and_accepts_nothing_new() {
    let database = TestDatabase::create().await;
    let args = ["--database-url", &database.url, "--master-key", KEY];
    let create = ["tenant", "create", "--name", "A", "--email", "a@acme.example"];
    let tenant: Value = serde_json::from_str(&subgrant(create).args(args).run().stdout).unwrap();
    let server = subgrant(["serve"]).args(ANY_PORT).args(args).start();
    let root = Api::new(server.origin.clone()).with_token(tenant["root_token"].as_str().unwrap());
    let (leaf, _) = root.child("leaf", 100).await;

    // Somebody else holds the tenant's lock, so that the spend takes as long as this test wants.
    let mut other = sqlx::PgConnection::connect(&database.url).await.unwrap();
    let mut lock = other.begin().await.unwrap();
    sqlx::query("SELECT FROM ledger_heads FOR UPDATE").fetch_all(&mut *lock).await.unwrap();
    let slow = tokio::spawn(async move { leaf.spend(100).await });
    let observer = database.superuser().await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&observer).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    server.terminate();
    let address = server.origin.strip_prefix("http://").unwrap().to_owned();
    while TcpStream::connect(&address).is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!slow.is_finished(), "the slow request is neither cut off nor answered early");
    lock.rollback().await.unwrap();
    let spent = slow.await.unwrap();
    assert_eq!((spent.status, spent.number("/remaining_credits")), (201, 0), "{}", spent.body);
    assert!(server.wait().success(), "a server that was told to stop has done nothing wrong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_ends_its_streams_and_does_not_wait_for_their_readers() {
    let database = TestDatabase::create().await;
    let args = ["--database-url", &database.url, "--master-key", KEY];
    let create = ["tenant", "create", "--name", "A", "--email", "a@acme.example"];
    let tenant: Value = serde_json::from_str(&subgrant(create).args(args).run().stdout).unwrap();
    let server = subgrant(["serve"]).args(ANY_PORT).args(args).start();
    let root = Api::new(server.origin.clone()).with_token(tenant["root_token"].as_str().unwrap());
    let (mut stream, _) = root.watch(None).await;
    assert_eq!(root.spend(1).await.status, 201);
    assert_eq!(stream.next().await.event, "spend.recorded");
    server.terminate();
    assert!(stream.to_end().await.is_empty(), "the stream ends, and its credential does not");
    assert!(server.wait().success());
}
