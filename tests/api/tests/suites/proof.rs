//! The ledger's proof: intact where it is, and the fault named where somebody has rewritten it.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use subgrant_domain::{EntryHash, TenantId};
use subgrant_server::http::HttpOptions;
use subgrant_service::AppOptions;
use subgrant_tests::{Api, TestServer};

async fn books() -> (TestServer, Api, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, _) = root.child("team", 1_000).await;
    let (agent, _) = team.child("agent", 500).await;
    for amount in [10, 20, 30] {
        assert_eq!(agent.spend(amount).await.status, 201);
    }
    assert_eq!(team.spend(5).await.status, 201);
    (server, root, agent)
}

/// Rewrites the ledger as only the database's owner can, and returns what the proof then says.
async fn after(sql: &str) -> serde_json::Value {
    let (server, root, _) = books().await;
    let superuser = server.database.superuser().await;
    superuser.execute(AssertSqlSafe(sql.to_owned())).await.expect("the owner can do anything");
    let proof = root.get("/ledger/proof").await;
    assert_eq!((proof.status, &proof.body["intact"]), (200, &json!(false)), "{sql}: {}", proof.body);
    proof.body["first_fault"].clone()
}

#[tokio::test]
async fn untouched_books_are_intact_and_the_proof_says_how_far_it_looked() {
    let (_, root, agent) = books().await;
    let proof = root.get("/ledger/proof").await;
    assert_eq!(proof.status, 200, "{}", proof.body);
    assert_eq!((&proof.body["intact"], &proof.body["first_fault"]), (&json!(true), &json!(null)));
    assert_eq!(proof.number("/entries"), 4);
    assert_eq!(proof.text("/head_hash").len(), 64);
    let last = root.get("/ledger").await.body["data"][3]["recorded_at"].clone();
    assert_eq!(proof.body["through"], last);
    assert_eq!(agent.get("/ledger/proof").await.refusal(), (403, "action_not_permitted"));
}

#[tokio::test]
async fn empty_books_are_intact() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let proof = root.get("/ledger/proof").await;
    assert_eq!((proof.number("/entries"), &proof.body["intact"]), (0, &json!(true)));
    assert_eq!(proof.body["through"], json!(null));
}

#[tokio::test]
async fn a_tampered_row_is_found_and_named() {
    for change in ["amount = 2", "description = 'other'", "cost_center = 'Other'", "metadata = '{\"a\":1}'"] {
        let fault = after(&format!("UPDATE ledger SET {change} WHERE seq = 2")).await;
        assert_eq!((&fault["kind"], &fault["seq"]), (&json!("hash_mismatch"), &json!(2)), "{change}");
    }
}

#[tokio::test]
async fn a_deleted_row_is_found_and_named() {
    let fault = after("DELETE FROM ledger WHERE seq = 2").await;
    assert_eq!((&fault["kind"], &fault["seq"]), (&json!("gap"), &json!(3)));
    let fault = after("DELETE FROM ledger WHERE seq = 4").await;
    assert_eq!((&fault["kind"], &fault["seq"]), (&json!("truncated"), &json!(4)));
}

#[tokio::test]
async fn a_swapped_pair_is_found_and_named() {
    let swap = "UPDATE ledger SET seq = CASE seq WHEN 2 THEN 3 ELSE 2 END WHERE seq IN (2, 3)";
    let fault = after(&format!("ALTER TABLE ledger DROP CONSTRAINT ledger_pkey; {swap}")).await;
    assert_eq!((&fault["kind"], &fault["seq"]), (&json!("hash_mismatch"), &json!(2)));
}

/// Picks the balances of some delegations.
fn of(condition: &str) -> String {
    format!("delegation_id IN (SELECT id FROM delegations WHERE {condition})")
}

#[tokio::test]
async fn balances_that_the_ledger_does_not_explain_are_found() {
    let fault =
        after(&format!("UPDATE balances SET spent = spent + 1 WHERE {}", of("label = 'agent'"))).await;
    assert_eq!(fault["kind"], "node_unequal_children");
    let fault = after(&format!("UPDATE balances SET spent = spent + 1 WHERE {}", of("depth = 0"))).await;
    assert_eq!(fault["kind"], "ledger_unequal_root");
}

/// Books with twelve entries, of which one proof verifies five.
async fn long_books() -> (TestServer, Api, Api) {
    let options = AppOptions { proof_measure: 5, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, _) = root.child("team", 1_000).await;
    let (agent, _) = team.child("agent", 500).await;
    for amount in 1..=12 {
        assert_eq!(agent.spend(amount).await.status, 201);
    }
    (server, root, agent)
}

async fn proof(root: &Api) -> Value {
    let proof = root.get("/ledger/proof").await;
    assert_eq!(proof.status, 200, "{}", proof.body);
    proof.body
}

async fn tamper(server: &TestServer, sql: &str) {
    let superuser = server.database.superuser().await;
    superuser.execute(AssertSqlSafe(sql.to_owned())).await.expect("the owner can do anything");
}

/// Asks again and again until a fault is found.
async fn found_within(root: &Api, most: usize) -> Value {
    for _ in 0..most {
        let proof = proof(root).await;
        if proof["intact"] == false {
            return proof["first_fault"].clone();
        }
    }
    panic!("nothing is found in {most} proofs");
}

#[tokio::test]
async fn a_proof_goes_on_where_the_last_one_ended_and_says_what_it_covered() {
    let (_server, root, agent) = long_books().await;
    let first = proof(&root).await;
    assert_eq!((&first["intact"], &first["complete"]), (&json!(true), &json!(false)));
    assert_eq!((&first["entries"], &first["ledger_entries"]), (&json!(5), &json!(12)));
    assert_eq!(first["newly_verified"], json!({ "from": 1, "through": 5 }));
    assert_eq!(first["identities"]["ledger_equals_root"], json!(null), "that cannot be known yet");
    assert_eq!(proof(&root).await["newly_verified"], json!({ "from": 6, "through": 10 }));
    let third = proof(&root).await;
    assert_eq!((&third["entries"], &third["newly_verified"]["from"]), (&json!(12), &json!(11)));
    assert_eq!(third["verified_again"], json!({ "from": 1, "through": 3 }), "the rest of the measure");
    assert_eq!(third["identities"]["ledger_equals_root"], true);
    let last = root.get("/ledger").await.body["data"][11]["recorded_at"].clone();
    assert_eq!(third["through"], last);
    assert_eq!(agent.spend(1).await.status, 201);
    let fourth = proof(&root).await;
    assert_eq!(fourth["newly_verified"], json!({ "from": 13, "through": 13 }));
    assert_eq!(fourth["verified_again"], json!({ "from": 4, "through": 7 }));
    assert_eq!(fourth["rounds"], 0);
    proof(&root).await;
    assert_eq!(proof(&root).await["rounds"], 1, "thirteen entries were verified once more");
    let anew = root.get("/ledger/proof?full=true").await;
    assert_eq!((anew.number("/entries"), &anew.body["newly_verified"]["from"]), (5, &json!(1)));
}

#[tokio::test]
async fn what_is_rewritten_behind_the_checkpoint_is_found_by_the_next_round_and_by_a_full_proof() {
    for (change, expected) in [
        ("UPDATE ledger SET description = 'other' WHERE seq = 2", "hash_mismatch"),
        // The node's own sum tells of these, if the round has not come by yet.
        ("UPDATE ledger SET amount = 9 WHERE seq = 2", "hash_mismatch"),
        ("DELETE FROM ledger WHERE seq = 4", "gap"),
    ] {
        let (server, root, _) = long_books().await;
        for _ in 0..3 {
            assert_eq!(proof(&root).await["intact"], true);
        }
        tamper(&server, change).await;
        let fault = found_within(&root, 6).await;
        assert!(fault["kind"] == expected || fault["kind"] == "node_unequal_children", "{change}: {fault}");
        assert_eq!(found_within(&root, 1).await, fault, "and by every one after that");
        let full = root.get("/ledger/proof?full=true").await;
        assert_eq!(
            (&full.body["intact"], &full.body["first_fault"]["kind"]),
            (&json!(false), &json!(expected))
        );
    }
    // Books that fit into one proof are verified as a whole each time.
    let (server, root, _) = books().await;
    let (first, second) = (proof(&root).await, proof(&root).await);
    assert_eq!(
        (&first["complete"], &second["complete"], &second["rounds"]),
        (&json!(true), &json!(true), &json!(2))
    );
    tamper(&server, "UPDATE ledger SET amount = amount + 1 WHERE seq = 1").await;
    assert_eq!(found_within(&root, 1).await, json!({ "kind": "hash_mismatch", "seq": 1 }));
}

#[tokio::test]
async fn a_chain_that_was_computed_anew_contradicts_what_was_proved() {
    let (server, root, _) = books().await;
    assert_eq!(proof(&root).await["intact"], true);
    tamper(&server, "UPDATE ledger SET description = 'rewritten' WHERE seq = 2").await;
    let superuser = server.database.superuser().await;
    let id = sqlx::query_scalar("SELECT tenant_id FROM tenants").fetch_one(&superuser).await.unwrap();
    let mut tx = server.app.database().begin_read(TenantId::from_uuid(id)).await.unwrap();
    let mut hash = EntryHash::GENESIS;
    for (entry, _) in subgrant_store::ledger::chain(&mut tx, 0, 100).await.unwrap() {
        hash = hash.next(&entry);
        let text = hex::encode(hash.0);
        let set = format!("hash = decode('{text}', 'hex')");
        tamper(&server, &format!("UPDATE ledger SET {set} WHERE seq = {}", entry.seq)).await;
        tamper(&server, &format!("UPDATE ledger_heads SET {set}")).await;
    }
    assert_eq!(found_within(&root, 1).await, json!({ "kind": "hash_mismatch", "seq": 4 }));
}

#[tokio::test]
async fn a_checkpoint_that_somebody_else_has_written_is_not_believed() {
    let (server, root, _) = long_books().await;
    for forged in [
        "seq = 12",
        "hash = decode(repeat('ab', 32), 'hex')",
        "total = 1",
        "round_seq = 4",
        "rounds = 99",
        "mac = decode(repeat('00', 32), 'hex')",
    ] {
        proof(&root).await;
        tamper(&server, &format!("UPDATE ledger_checkpoints SET {forged}")).await;
        assert_eq!(found_within(&root, 1).await, json!({ "kind": "checkpoint_forged" }), "{forged}");
        assert_eq!(
            found_within(&root, 1).await,
            json!({ "kind": "checkpoint_forged" }),
            "until somebody looks"
        );
        assert_eq!(root.get("/ledger/proof?full=true").await.body["intact"], true);
        assert_eq!(proof(&root).await["intact"], true);
    }
    let other = server.api.with_token(&server.sign_up().await.root_token);
    proof(&other).await;
    let copy = "UPDATE ledger_checkpoints c SET seq = o.seq, hash = o.hash, total = o.total, round_seq = o.round_seq,
        round_hash = o.round_hash, round_total = o.round_total, rounds = o.rounds,
        round_completed_at = o.round_completed_at, node_place = o.node_place, node_seq = o.node_seq,
        node_sum = o.node_sum, mac = o.mac
        FROM ledger_checkpoints o WHERE o.tenant_id <> c.tenant_id AND o.seq > c.seq";
    tamper(&server, copy).await;
    assert_eq!(found_within(&other, 1).await["kind"], "checkpoint_forged", "one tenant's is not another's");
}

#[tokio::test]
async fn balances_are_checked_part_by_part_a_node_with_many_entries_too() {
    let (server, root, _) = long_books().await;
    for number in 0..9 {
        root.child(&format!("leaf {number}"), 1).await;
    }
    let part = proof(&root).await;
    assert!(part["identities"]["nodes_checked"].as_u64().unwrap() < 12, "{part}");
    assert_eq!(part["identities"]["nodes"], 12);
    for _ in 0..10 {
        assert_eq!(proof(&root).await["intact"], true);
    }
    for (label, change) in [("agent", "spent = spent + 1"), ("leaf 8", "own_spent = own_spent + 1")] {
        let node = of(&format!("label = '{label}'"));
        tamper(&server, &format!("UPDATE balances SET {change} WHERE {node}")).await;
        assert_eq!(found_within(&root, 12).await["kind"], "node_unequal_children", "{label}: {change}");
        let undo = change.replace('+', "-");
        tamper(&server, &format!("UPDATE balances SET {undo} WHERE {node}")).await;
        for _ in 0..8 {
            assert_eq!(proof(&root).await["intact"], true);
        }
    }
}

#[tokio::test]
async fn what_a_proof_does_not_understand_it_refuses() {
    let (_server, root, _) = books().await;
    for query in ["full=perhaps", "from=1", "full=true&full=true"] {
        let refused = root.get(&format!("/ledger/proof?{query}")).await;
        assert_eq!(refused.refusal(), (422, "validation"), "{query}");
    }
}
