//! The sums that reports read are what the ledger adds up to, whatever happened, and a check says so or says where not.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use serde_json::{Value, json};
use sqlx::Executor;
use subgrant_domain::TenantId;
use subgrant_tests::{Api, Program, TestServer, assert_books_balance, ledger_totals};
use tokio::task::JoinSet;

/// Spends, refunds, holds and captures of one client, by a fixed sequence; what comes of it depends on the others.
async fn traffic(api: Api, root: Api, number: u64) {
    let mut spends: Vec<String> = Vec::new();
    for step in 0..25_u64 {
        let roll = (number * 1_000 + step).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) >> 16;
        let amount = 1 + roll % 23;
        let reply = match roll / 64 % 6 {
            0 if !spends.is_empty() => root.refund(&spends.pop().unwrap(), Some(1)).await,
            1 => match api.hold(amount, "5m").await {
                held if held.status == 201 => api.capture(&held.text("/id"), 1).await,
                refused => refused,
            },
            2 => {
                let item = |n: u64| json!({ "amount_credits": amount + n });
                let items: Vec<_> = (0..5).map(item).collect();
                api.post("/spend/batch", &json!({ "items": items })).await
            }
            _ => {
                let reply = api.spend(amount).await;
                if reply.status == 201 {
                    spends.push(reply.text("/id"));
                }
                reply
            }
        };
        assert!([200, 201, 402].contains(&reply.status), "{}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_traffic_at_two_servers_every_sum_is_what_the_ledger_says() {
    let server = TestServer::start().await;
    let (replica, tenant) = (server.replica().await, server.sign_up().await);
    let root = server.api.with_token(&tenant.root_token);
    let mut clients = JoinSet::new();
    for number in 0..8_u64 {
        let body = json!({ "label": format!("agent {number}"), "budget_credits": 600, "allocation": "cap",
            "cost_center": (number % 3 > 0).then(|| format!("Centre {}", number % 3)) });
        let minted = root.post("/delegation", &body).await;
        let mut api = root.with_token(&minted.text("/token"));
        if number % 2 == 1 {
            api.origin.clone_from(&replica.api.origin);
        }
        clients.spawn(traffic(api, root.clone(), number));
    }
    let id: TenantId = tenant.id.parse().unwrap();
    // Summaries are made by both, while all of this goes on.
    let mut makers = JoinSet::new();
    for app in [server.app.clone(), replica.app.clone()] {
        makers.spawn(async move {
            for _ in 0..20 {
                app.summarise_spend(id).await.unwrap();
                assert_eq!(app.verify_rollups(id).await.unwrap().first_difference, None);
            }
        });
    }
    clients.join_all().await;
    makers.join_all().await;
    let check = server.app.verify_rollups(id).await.unwrap();
    let (entries, spent) = ledger_totals(&server, &tenant).await;
    assert_eq!((check.first_difference, check.entries), (None, entries));
    for groups in ["cost_center", "department", "delegation", "cost_center,department,delegation"] {
        let report = root.get(&format!("/report/spend?group_by={groups}")).await;
        let totals = (report.number("/total/spent_credits"), report.number("/total/entries"));
        assert_eq!(totals, (spent, entries), "{groups}");
        assert_eq!(report.number("/data_through_seq"), entries);
    }
}

/// The newest sum of a delegation stands beside its balances until its quarter of an hour is over.
#[tokio::test]
async fn sums_stay_exact_from_quarter_to_quarter_whichever_server_counts() {
    let server = TestServer::start().await;
    let (replica, tenant) = (server.replica().await, server.sign_up().await);
    let root = server.api.with_token(&tenant.root_token);
    let body = json!({ "label": "agent", "budget_credits": 10_000, "cost_center": "Mine" });
    let minted = root.post("/delegation", &body).await;
    let agent = root.with_token(&minted.text("/token"));
    let mut other = agent.clone();
    other.origin.clone_from(&replica.api.origin);
    let mut spends = Vec::new();
    for time in ["10:00:00", "10:14:59.999999", "10:15:00", "10:20:00", "12:00:00", "12:07:00"] {
        server.database.go_forward_to(&format!("2027-02-01T{time}Z")).await;
        for api in [&agent, &other, &agent] {
            let spend = api.spend(10).await;
            assert_eq!(spend.status, 201, "{}", spend.body);
            spends.push(spend.text("/id"));
        }
        assert_eq!(root.refund(&spends.remove(0), Some(7)).await.status, 201);
        assert_books_balance(&server, &tenant).await;
        assert_eq!(
            server.app.verify_rollups(tenant.id.parse().unwrap()).await.unwrap().first_difference,
            None
        );
    }
    let query =
        "/report/spend?from=2027-02-01T10:00:00Z&to=2027-02-01T13:00:00Z&interval=hour&group_by=cost_center";
    let report = root.get(query).await;
    let line = |place: usize| {
        let figure = |name: &str| report.number(&format!("/data/{place}/{name}"));
        (report.text(&format!("/data/{place}/cost_center")), figure("spent_credits"), figure("entries"))
    };
    assert_eq!([line(0), line(1)], [("Mine".to_owned(), 92, 16), ("Mine".to_owned(), 46, 8)]);
    let listed = root.get("/delegation?with=last_used").await;
    assert_eq!(listed.text(&format!("/last_used/{}", minted.text("/id"))), "2027-02-01T12:07:00Z");
}

async fn books() -> (TestServer, TenantId, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, _) = root.child("team", 1_000).await;
    let (agent, _) = team.child("agent", 500).await;
    for (time, amount) in
        [("2027-01-31T10:00:00Z", 10), ("2027-02-01T10:00:00Z", 20), ("2027-02-01T10:20:00Z", 30)]
    {
        server.database.go_forward_to(time).await;
        assert_eq!(agent.spend(amount).await.status, 201);
    }
    let id = tenant.id.parse().unwrap();
    server.app.summarise_spend(id).await.unwrap();
    (server, id, root)
}

#[tokio::test]
async fn sums_that_somebody_has_changed_are_found_named_and_made_anew() {
    for (damage, level) in [
        ("UPDATE spend_rollups SET gross = gross + 1 WHERE gross = 20", "quarter"),
        ("UPDATE spend_rollups SET refunded = 1 WHERE gross = 20", "quarter"),
        ("UPDATE spend_rollups SET entries = 2 WHERE gross = 20", "quarter"),
        ("UPDATE spend_rollups SET cost_center = 'Other' WHERE gross = 20", "quarter"),
        ("DELETE FROM spend_rollups WHERE gross = 20", "quarter"),
        ("DELETE FROM spend_rollups", "quarter"),
        ("UPDATE balances SET quarter_gross = 31 WHERE quarter_gross = 30", "quarter"),
        ("UPDATE balances SET quarter_entries = 0", "quarter"),
        (
            "INSERT INTO spend_rollups SELECT tenant_id, '2027-02-01 11:00Z', delegation_id, '', '', 5, 0, 1
             FROM spend_rollups LIMIT 1",
            "quarter",
        ),
        ("UPDATE spend_summaries SET gross = gross + 1 WHERE level = 'hour'", "hour"),
        ("UPDATE spend_summaries SET own_gross = own_gross + 1 WHERE level = 'day' AND own_gross > 0", "day"),
        ("DELETE FROM spend_summaries WHERE level = 'month'", "month"),
        ("UPDATE spend_summary_heads SET through = '2027-02-01T10:00:00Z'", "hour"),
    ] {
        let (server, tenant, root) = books().await;
        server.database.superuser().await.execute(damage).await.unwrap();
        let found = server.app.verify_rollups(tenant).await.unwrap().first_difference;
        let found = found.unwrap_or_else(|| panic!("{damage} goes unnoticed"));
        assert_eq!(found.level, level, "{damage}: {found:?}");
        assert_ne!(found.expected, found.stored, "{damage}");
        let mended = server.app.rebuild_rollups(tenant).await.unwrap();
        assert_eq!((mended.first_difference, mended.entries), (None, 3), "{damage}");
        let report =
            root.get("/report/spend?from=2027-01-01&to=2028-01-01&interval=month&group_by=delegation").await;
        let months = [report.number("/data/0/spent_credits"), report.number("/data/1/spent_credits")];
        assert_eq!(months, [10, 50], "{damage}");
    }
}

#[tokio::test]
async fn the_command_line_says_what_is_wrong_by_its_exit_code_and_mends_it() {
    let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let (server, tenant, _) = books().await;
    let pool = server.database.superuser().await;
    // The test's server has a key of its own, which nothing was checked against yet.
    pool.execute("DELETE FROM master_key_check").await.unwrap();
    let verify = |more: &[&str]| {
        let program = Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), ["report", "verify"]);
        let program = program.args(["--database-url", &server.database.url, "--master-key", key]);
        let output = program.args(more.iter().copied()).run();
        let document: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.stderr));
        (output.status.success(), document)
    };
    let (is_good, document) = verify(&[]);
    assert_eq!((is_good, &document["intact"]), (true, &json!(true)), "{document}");
    assert_eq!(
        (&document["tenants"][0]["entries"], &document["tenants"][0]["tenant"]),
        (&json!(3), &json!(tenant))
    );
    pool.execute("UPDATE spend_rollups SET gross = 21 WHERE gross = 20").await.unwrap();
    let (is_good, document) = verify(&["--tenant", &tenant.to_string()]);
    assert_eq!((is_good, &document["intact"]), (false, &json!(false)), "{document}");
    let difference = &document["tenants"][0]["first_difference"];
    assert_eq!(
        (&difference["level"], &difference["start"]),
        (&json!("quarter"), &json!("2027-02-01T10:00:00Z"))
    );
    assert_eq!(
        (&difference["expected"]["gross_credits"], &difference["stored"]["gross_credits"]),
        (&json!(20), &json!(21))
    );
    assert!(verify(&["--rebuild"]).0);
    assert!(verify(&[]).0);
}

#[tokio::test]
async fn what_was_spent_and_given_back_may_exceed_any_budget() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let most = 9_007_199_254_740_991_u64;
    let (leaf, _) = root.child("leaf", most).await;
    for _ in 0..3 {
        let spend = leaf.spend(most).await;
        assert_eq!(spend.status, 201, "{}", spend.body);
        assert_eq!(root.refund(&spend.text("/id"), None).await.status, 201);
    }
    // What would take a thousand more rounds.
    let pool = server.database.superuser().await;
    let many = "INSERT INTO spend_rollups SELECT tenant_id, bucket, delegation_id, cost_center, department, 1e30, 1e30, 1
         FROM spend_sums WHERE entries > 0";
    pool.execute(many).await.unwrap();
    assert_eq!(leaf.spend(1).await.status, 201);
    let report = root.request(reqwest::Method::GET, "/report/spend").send().await.unwrap();
    let text = report.text().await.unwrap();
    assert!(text.contains("\"gross_credits\":1000000000000027021597764222974,"), "{text}");
    assert!(text.contains("\"spent_credits\":1,"), "{text}");
}
