//! The ledger as a file: checked offline, by the program and by somebody who has read the documentation only.

use std::{fs, process::Command};

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Program, Scratch, TestServer};

/// Follows `docs/ledger-format.md` and nothing else.
const AUDITOR: &str = r#"
import hashlib, json, struct, sys

FIELDS = ["seq", "id", "kind", "delegation_id", "amount_credits", "cost_center", "department", "recorded_at_us",
          "idempotency_key", "description", "metadata", "reverses"]
previous, count, total, own, nodes, end = bytes(32), 0, 0, {}, {}, None
for text in sys.stdin.buffer:
    assert text.endswith(b"\n") and end is None
    line = json.loads(text)
    if line["type"] == "ledger":
        assert line["format"] == "subgrant-ledger/1"
    elif line["type"] == "entry":
        count += 1
        assert line["seq"] == count, f"entry {count} is not there"
        digest = hashlib.sha256(b"subgrant/ledger/v1" + previous)
        for name in FIELDS:
            value = line[name]
            if value is None:
                digest.update(b"\xff\xff\xff\xff")
            else:
                data = str(value).encode()
                digest.update(struct.pack(">I", len(data)) + data)
        previous = digest.digest()
        assert previous.hex() == line["hash"], f"entry {count} was altered"
        amount = -line["amount_credits"] if line["kind"] == "refund" else line["amount_credits"]
        total += amount
        own[line["delegation_id"]] = own.get(line["delegation_id"], 0) + amount
    elif line["type"] == "delegation":
        nodes[line["id"]] = line
    else:
        end = line
assert (end["entries"], end["head_hash"], end["delegations"]) == (count, previous.hex(), len(nodes)), "cut off"
below = {}
for node in nodes.values():
    below[node["parent_id"]] = below.get(node["parent_id"], 0) + node["spent_credits"]
for name, node in nodes.items():
    assert node["spent_credits"] == own.get(name, 0) + below.get(name, 0), f"{name} is unequal"
assert below[None] == total
print(previous.hex())
"#;

async fn books() -> (TestServer, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let body =
        json!({ "label": "Straße", "budget_credits": 1_000, "cost_center": "Köln", "department": "ML Team" });
    let team = root.with_token(&root.post("/delegation", &body).await.text("/token"));
    let (agent, _) = team.child("agent", 500).await;
    for (api, body) in [
        (&agent, json!({ "amount_credits": 10 })),
        (
            &agent,
            json!({ "amount_credits": 20, "description": "review of \"#42\"\n– done", "metadata": { "b": [1, null], "a": "ü" } }),
        ),
        (&team, json!({ "amount_credits": 5, "description": "" })),
        (&root, json!({ "amount_credits": 7 })),
        (&agent, json!({ "amount_credits": 30 })),
    ] {
        let spent = api.post_with_key("/spend", "key", &body).await;
        assert!([201, 422].contains(&spent.status), "{}", spent.body);
        if spent.status == 422 {
            assert_eq!(api.post("/spend", &body).await.status, 201);
        }
    }
    let first = root.get("/ledger").await.text("/data/0/id");
    assert_eq!(root.refund(&first, Some(4)).await.status, 201);
    (server, root)
}

async fn export(api: &Api) -> String {
    let response = api.request(Method::GET, "/ledger/export").send().await.expect("the server answers");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    response.text().await.expect("the export arrives whole")
}

fn verify(text: &str, args: &[&str]) -> Result<Value, String> {
    let program = Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), ["ledger", "verify"]);
    let output = program.args(args.iter().copied()).input(text).run();
    if output.status.success() {
        return Ok(serde_json::from_str(&output.stdout).expect("verify prints JSON"));
    }
    assert_eq!(output.stdout, "", "a failure prints nothing that a pipe would take for its result");
    Err(output.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_found_intact_by_the_program_and_by_whoever_has_read_its_documentation() {
    let (_server, root) = books().await;
    let text = export(&root).await;
    let proof = root.get("/ledger/proof").await;
    let head = proof.text("/head_hash");
    let verified = verify(&text, &[]).expect("intact");
    assert_eq!(
        (&verified["entries"], &verified["head_hash"]),
        (&json!(6), &json!(head)),
        "as the proof says"
    );
    assert_eq!(verified["delegations"], 3);
    assert_eq!(proof.body["through"], verified["through"]);

    let scratch = Scratch::new();
    let (script, file) = (scratch.path("auditor.py"), scratch.path("export.ndjson"));
    fs::write(&script, AUDITOR).unwrap();
    fs::write(&file, &text).unwrap();
    let audited = Command::new("python3").arg(&script).stdin(fs::File::open(&file).unwrap()).output();
    let audited = audited.expect("Python is installed");
    assert!(audited.status.success(), "{}", String::from_utf8_lossy(&audited.stderr));
    assert_eq!(String::from_utf8_lossy(&audited.stdout).trim(), head);

    let by_name = Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), ["ledger", "verify", &file]).run();
    assert!(by_name.status.success(), "{}", by_name.stderr);
    for noted in [format!("6:{head}"), format!("6:{}", head.to_uppercase())] {
        assert!(verify(&text, &["--noted", &noted]).is_ok());
    }
    let zeros = "0".repeat(64);
    assert!(
        verify(&text, &["--noted", &format!("3:{zeros}")])
            .unwrap_err()
            .contains("entry 3, or one before it, was rewritten")
    );
    assert!(verify(&text, &["--noted", &format!("7:{zeros}")]).unwrap_err().contains("entry 7"));
    assert!(verify(&text, &["--noted", "nonsense"]).is_err());
}

#[tokio::test]
async fn whatever_is_done_to_an_export_is_found_and_named() {
    let (_server, root) = books().await;
    let text = export(&root).await;
    let lines: Vec<_> = text.lines().collect();
    let is_entry = |line: &&str| line.contains("\"type\":\"entry\"");
    let first = lines.iter().position(is_entry).expect("there are entries");
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let altered = |index: usize, from: &str, to: &str| {
        assert!(lines[index].contains(from), "{}", lines[index]);
        let line = lines[index].replacen(from, to, 1);
        let mut lines = lines.clone();
        lines[index] = &line;
        joined(&lines)
    };
    let mut faults = vec![
        (altered(first, "\"amount_credits\":10", "\"amount_credits\":11"), "entry 1 was altered"),
        (altered(first + 1, "done", "not done"), "entry 2 was altered"),
        (altered(first + 1, "[1,null]", "[1, null]"), "entry 2 was altered"),
        (altered(first + 1, "ü", "u"), "entry 2 was altered"),
        (altered(first + 2, "\"description\":\"\"", "\"description\":null"), "entry 3 was altered"),
        (altered(first + 3, "\"cost_center\":null", "\"cost_center\":\"Köln\""), "entry 4 was altered"),
        (altered(first + 5, "refund", "spend"), "entry 6 was altered"),
        (altered(first + 2, "\"seq\":3", "\"seq\":30"), "entries 3 to 29 are missing"),
        (altered(lines.len() - 1, "\"entries\":6", "\"entries\":7"), "newest entries are missing"),
        (altered(lines.len() - 2, "\"spent_credits\":5", "\"spent_credits\":6"), "has spent"),
        (text.trim_end().to_owned(), "cut off in the middle of a line"),
        (joined(&lines[..first + 4]), "cut off after entry 4 of 6"),
        (joined(&lines[1..]), "the beginning is missing"),
        (joined(&lines[..lines.len() - 1]), "cut off"),
        (format!("{text}{{}}\n"), "line"),
        (format!("{text}{}\n", lines[first]), "after the end"),
        (String::new(), "cut off"),
        ("nonsense\n".to_owned(), "no line of an export"),
    ];
    let mut with = |change: &dyn Fn(&mut Vec<&str>), fault: &'static str| {
        let mut lines = lines.clone();
        change(&mut lines);
        faults.push((joined(&lines), fault));
    };
    with(
        &|lines| {
            lines.remove(first + 1);
        },
        "entry 2 is missing",
    );
    with(&|lines| drop(lines.drain(first + 1..first + 3)), "entries 2 to 3 are missing");
    with(
        &|lines| {
            lines.remove(first + 5);
        },
        "missing",
    );
    with(&|lines| lines.swap(first + 1, first + 2), "entries 2 and 3 are swapped");
    with(&|lines| lines.insert(first + 2, lines[first + 1]), "entry 2 stands there twice");
    with(
        &|lines| {
            lines.remove(lines.len() - 2);
        },
        "2 of 3 delegations",
    );
    for (text, fault) in faults {
        let named = verify(&text, &[]).expect_err(fault);
        assert!(named.contains(fault), "{fault}: {named}");
        assert!(
            named.starts_with("error: ") && named.trim_end().lines().count() == 1,
            "one sentence: {named}"
        );
    }
}

#[tokio::test]
async fn only_the_root_exports_and_an_empty_ledger_is_intact() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let verified = verify(&export(&root).await, &[]).expect("intact");
    assert_eq!((&verified["entries"], &verified["head_hash"]), (&json!(0), &json!("0".repeat(64))));
    let (team, _) = root.child("team", 10).await;
    assert_eq!(team.get("/ledger/export").await.refusal(), (403, "action_not_permitted"));
    assert_eq!(server.api.get("/ledger/export").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_export_is_the_same() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let key = server.master_key_hex();
    let program = |tenant: &str| {
        Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), ["ledger", "export", "--tenant", tenant])
            .args(["--database-url", &server.database.url, "--master-key", &key])
            .run()
    };
    // The key becomes the database's with its first use by a program.
    let exported = program(&tenant.id);
    assert!(exported.status.success(), "{}", exported.stderr);
    assert!(verify(&exported.stdout, &[]).is_ok());
    let unknown = program("ten_01jd0000000000000000000001");
    assert!(!unknown.status.success() && unknown.stderr.contains("no tenant"), "{}", unknown.stderr);
}
