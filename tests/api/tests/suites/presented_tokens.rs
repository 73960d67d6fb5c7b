//! What a token shows is what binds it: `/self`, `/verify`, answers and refusals speak of the token that is presented.

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, attenuate};

async fn stage() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

async fn mint(parent: &Api, body: Value) -> (Api, String) {
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (parent.with_token(&reply.text("/token")), reply.text("/id"))
}

async fn own(api: &Api) -> Reply {
    let reply = api.get("/delegation/self").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply
}

#[tokio::test]
async fn an_old_token_shows_its_own_budget_after_the_delegations_was_raised() {
    let (_, _, root) = stage().await;
    let (old, id) = root.child("agent", 10).await;
    assert_eq!(old.spend(10).await.status, 201);
    let raised = root.update(&id, &json!({ "budget_credits": 100 })).await;
    let newer = root.with_token(&raised.text("/token"));
    let facts = async |api: &Api| {
        let shown = own(api).await;
        let fields =
            ["budget_credits", "remaining_credits", "available_credits", "effective_remaining_credits"];
        fields.map(|field| shown.body[field].as_u64().unwrap())
    };
    assert_eq!(facts(&old).await, [10, 0, 0, 0]);
    assert_eq!(facts(&newer).await, [100, 90, 90, 90]);
    let refused = old.spend(1).await;
    refused.assert_problem(402, "budget_exhausted", "its own budget is spent");
    assert_eq!(refused.number("/max_affordable_credits"), 0);
    let detail = refused.text("/detail");
    assert!(detail.contains("This token's own budget is 10 credits"), "{detail}");
    assert_eq!(root.get(&format!("/delegation/{id}")).await.number("/budget_credits"), 100);
    let refused = old.post("/delegation", &json!({ "label": "x", "budget_credits": 5 })).await;
    assert!(refused.text("/detail").contains("This token's own budget"), "{}", refused.body);
}

#[tokio::test]
async fn a_restricted_copy_shows_what_binds_it() {
    let (_, _, root) = stage().await;
    let body = json!({ "label": "team", "budget_credits": 1_000, "expiry": "2090-01-01T00:00:00Z", "max_depth": 5,
        "limits": [{ "per": "month", "credits": 900 }] });
    let (team, id) = mint(&root, body).await;
    let caveats = [
        "expires = 2080-01-01T00:00:00Z",
        "max_per_spend = 7",
        "actions = spend,read",
        "limit = 40/day",
        "max_depth = 1",
        "cost_center = Search",
    ];
    let restricted = team.post(&format!("/delegation/{id}/restrict"), &json!({ "caveats": caveats })).await;
    let copy = root.with_token(&restricted.text("/token"));
    assert_eq!(copy.spend(6).await.status, 201);
    let verified = root.post("/verify", &json!({ "token": copy.token().unwrap() })).await;
    let alone = copy.get(&format!("/delegation/{id}")).await;
    let shown_by_verify = &verified.body["delegation"];
    assert_eq!(verified.number("/effective_remaining_credits"), 34, "{}", verified.body);
    for shown in [&own(&copy).await.body, &alone.body, shown_by_verify] {
        assert_eq!(shown["expires_at"], "2080-01-01T00:00:00Z");
        assert_eq!(shown["max_per_spend"], 7);
        assert_eq!(shown["actions"], json!(["spend", "read"]));
        assert_eq!(shown["max_depth"], 1);
        assert_eq!(shown["cost_center"], "Search");
        let limits: Vec<_> = shown["limits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|limit| {
                (
                    limit["per"].as_str().unwrap(),
                    limit["credits"].as_u64().unwrap(),
                    limit["used_credits"].as_u64(),
                )
            })
            .collect();
        assert_eq!(limits, [("month", 900, Some(6)), ("day", 40, Some(6))]);
        assert_eq!(shown["effective_remaining_credits"], 34);
        let listed: Vec<_> = shown["caveats"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(listed.ends_with(&caveats), "{listed:?}");
        assert!(
            !listed.iter().any(|caveat| caveat.contains('.') && caveat.starts_with("delegation")),
            "no nonce"
        );
    }
    let whole = own(&team).await;
    assert_eq!(
        (whole.body["max_per_spend"].clone(), whole.number("/effective_remaining_credits")),
        (Value::Null, 894)
    );
    let above = root.get(&format!("/delegation/{id}")).await;
    assert_eq!(
        (above.text("/expires_at"), above.number("/limits/0/used_credits")),
        ("2090-01-01T00:00:00Z".into(), 6)
    );
}

#[tokio::test]
async fn each_limit_tells_what_is_used_and_the_least_of_all_is_what_remains() {
    let (_, _, root) = stage().await;
    let limited = |label: &str, budget: u64, credits: u64| json!({ "label": label, "budget_credits": budget, "limits": [{ "per": "day", "credits": credits }] });
    let (team, _) = mint(&root, limited("team", 2_000, 150)).await;
    let (agent, id) = mint(&team, limited("agent", 1_000, 100)).await;
    let spent = agent.spend(70).await;
    assert_eq!((spent.number("/remaining_credits"), spent.number("/effective_remaining_credits")), (930, 30));
    let shown = own(&agent).await;
    assert_eq!(shown.number("/limits/0/used_credits"), 70);
    let resets_at: jiff::Timestamp = shown.text("/limits/0/resets_at").parse().unwrap();
    assert!(resets_at > jiff::Timestamp::now(), "{resets_at}");
    assert_eq!(shown.number("/effective_remaining_credits"), 30);
    assert_eq!(shown.number("/remaining_credits"), 930);
    // A sibling uses up what the team may spend today: the agent's own limit has 30 left, the team's 5.
    let (sibling, _) = team.child("sibling", 500).await;
    assert_eq!(sibling.spend(75).await.status, 201);
    assert_eq!(own(&agent).await.number("/effective_remaining_credits"), 5);
    assert_eq!(agent.spend(6).await.refusal(), (402, "limit_exceeded"));
    assert_eq!(agent.hold(5, "1h").await.number("/effective_remaining_credits"), 0, "what is held counts");
    // A limit that is set later counts what was spent before it.
    let changed = root.update(&id, &json!({ "limits": [{ "per": "week", "credits": 80 }] })).await;
    assert_eq!(changed.number("/limits/0/used_credits"), 70, "{}", changed.body);
    // Lists do not tell, because they would have to sum up for every node.
    let listed = root.get("/delegation/tree?depth=1").await;
    assert_eq!(listed.body["children"][0]["limits"][0], json!({ "per": "day", "credits": 150 }));
}

#[tokio::test]
async fn waiting_helps_where_it_helps_with_everything_that_refuses() {
    let (_, _, root) = stage().await;
    let limits = json!([{ "per": "hour", "credits": 10 }, { "per": "month", "credits": 10 }]);
    let (agent, _) = mint(&root, json!({ "label": "agent", "budget_credits": 100, "limits": limits })).await;
    assert_eq!(agent.spend(10).await.status, 201);
    let refused = agent.spend(1).await;
    refused.assert_problem(402, "limit_exceeded", "both are full");
    let shown = own(&agent).await;
    let resets: Vec<jiff::Timestamp> =
        [0, 1].map(|at| shown.text(&format!("/limits/{at}/resets_at")).parse().unwrap()).to_vec();
    assert_eq!(refused.text("/retry_at"), resets.iter().max().unwrap().to_string(), "not the next hour");
    // Where the budget refuses as well, or what is held stays held, waiting promises nothing.
    let (poor, _) = mint(&root, json!({ "label": "poor", "budget_credits": 10, "limits": limits })).await;
    assert_eq!(poor.spend(10).await.status, 201);
    assert!(poor.spend(1).await.body["retry_at"].is_null());
    let (holder, _) =
        mint(&root, json!({ "label": "holder", "budget_credits": 100, "limits": limits })).await;
    assert_eq!(holder.hold(8, "1h").await.status, 201);
    let refused = holder.spend(5).await;
    assert_eq!((refused.code(), refused.body["retry_at"].clone()), ("limit_exceeded", Value::Null));
}

#[tokio::test]
async fn a_refund_gives_the_budget_back_and_not_the_window() {
    let (_, _, root) = stage().await;
    let body =
        json!({ "label": "agent", "budget_credits": 1_000, "limits": [{ "per": "day", "credits": 100 }] });
    let (agent, _) = mint(&root, body).await;
    let spent = agent.spend(100).await.text("/id");
    assert_eq!(root.refund(&spent, None).await.status, 201);
    let shown = own(&agent).await;
    assert_eq!((shown.number("/remaining_credits"), shown.number("/limits/0/used_credits")), (1_000, 100));
    assert_eq!(agent.spend(1).await.refusal(), (402, "limit_exceeded"), "as the API's document says");
}

#[tokio::test]
async fn a_narrowed_copy_captures_no_more_than_it_may_spend() {
    let (_, _, root) = stage().await;
    let (agent, id) = root.child("agent", 1_000).await;
    let copy = |caveat: &str| root.with_token(&attenuate(agent.token().unwrap(), &[caveat.as_bytes()]));
    let hold = agent.held(300).await;
    let per_spend = copy("max_per_spend = 1").capture(&hold, 300).await;
    per_spend.assert_problem(402, "max_per_spend_exceeded", "the copy spends at most 1 at a time");
    assert_eq!(per_spend.number("/max_affordable_credits"), 1);
    let limited = copy("limit = 1/day");
    limited.capture(&hold, 300).await.assert_problem(402, "limit_exceeded", "and 1 a day");
    assert_eq!(limited.capture(&hold, 1).await.status, 201, "which it may");
    let other = agent.held(10).await;
    assert_eq!(limited.capture(&other, 1).await.refusal(), (402, "limit_exceeded"), "but once");
    assert_eq!(agent.capture(&other, 10).await.status, 201);
    // A token of before the budget was raised captures nothing beyond its own.
    let raised = root.update(&id, &json!({ "budget_credits": 5_000 })).await;
    let newer = root.with_token(&raised.text("/token"));
    let large = newer.held(2_000).await;
    let refused = agent.capture(&large, 2_000).await;
    refused.assert_problem(402, "budget_exhausted", "its own budget is 1,000");
    assert_eq!(refused.number("/max_affordable_credits"), 989);
    assert_eq!(newer.capture(&large, 2_000).await.status, 201);
}
