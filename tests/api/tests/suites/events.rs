//! Live changes: what is told, to whom, once and in order.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_api::Event;
use subgrant_server::http::HttpOptions;
use subgrant_service::AppOptions;
use subgrant_tests::{Api, EventStream, Reply, Sent, TestServer};

/// Fails unless the event is as the OpenAPI document describes it.
fn check(sent: &Sent) {
    let event: Event = serde_json::from_value(sent.data.clone())
        .unwrap_or_else(|error| panic!("{} is not as documented: {error}: {}", sent.event, sent.data));
    assert_eq!((&sent.id, sent.text("/kind")), (&event.id, sent.event.clone()));
    assert!(sent.id.starts_with("evt_") && sent.id.len() == 30, "{}", sent.id);
    assert!(!sent.data.to_string().contains("sgt_"), "an event never shows a token: {}", sent.data);
}

/// The next so many events.
async fn take(stream: &mut EventStream, count: usize) -> Vec<Sent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(stream.next().await);
    }
    events.iter().for_each(check);
    events
}

fn kinds(events: &[Sent]) -> Vec<&str> {
    events.iter().map(|event| event.event.as_str()).collect()
}

/// The ids of the debits that a stream tells up to the given number of them, in order.
async fn spends(stream: &mut EventStream, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let event = stream.next().await;
        if event.event == "spend.recorded" {
            ids.push(event.text("/data/id"));
        }
    }
    ids
}

#[tokio::test]
async fn a_stream_tells_every_change_as_it_happens() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (mut stream, ready) = root.watch(None).await;
    assert_eq!(ready.event, "stream.ready");
    check(&ready);
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));

    let (team, team_id) = root.child("team", 1_000).await;
    let (agent, agent_id) = team.child("agent", 100).await;
    let spent = agent.spend(30).await;
    assert_eq!(root.refund(&spent.text("/id"), Some(10)).await.status, 201);
    let hold = agent.held(20).await;
    let extend = agent.post(&format!("/hold/{hold}/extend"), &json!({ "expires_in": "2h" })).await;
    assert_eq!(extend.status, 200, "{}", extend.body);
    assert_eq!(agent.capture(&hold, 5).await.status, 201);
    let released = agent.held(7).await;
    assert_eq!(agent.post(&format!("/hold/{released}/release"), &json!({})).await.status, 200);
    assert_eq!(root.act(&team_id, "freeze").await.status, 200);
    assert_eq!(root.act(&team_id, "unfreeze").await.status, 200);
    let rotate = root.post(&format!("/delegation/{agent_id}/rotate"), &json!({ "grace": "1h" })).await;
    assert_eq!(rotate.status, 200, "{}", rotate.body);
    assert_eq!(root.act(&agent_id, "revoke").await.status, 200);
    assert_eq!(root.post("/root/rotate", &json!({ "grace": "1h" })).await.status, 200);

    let events = take(&mut stream, 15).await;
    let expected = [
        "delegation.created",
        "delegation.created",
        "spend.recorded",
        "spend.refunded",
        "hold.created",
        "hold.extended",
        "spend.recorded",
        "hold.captured",
        "hold.created",
        "hold.released",
        "delegation.frozen",
        "delegation.unfrozen",
        "delegation.rotated",
        "delegation.revoked",
        "root.rotated",
    ];
    assert_eq!(kinds(&events), expected);
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id), "ids are in order");
    assert_eq!(events[1].data["path"], json!([tenant.root_id, team_id, agent_id]));
    assert_eq!(
        (events[2].text("/data/id"), events[2].number("/data/amount_credits")),
        (spent.text("/id"), 30)
    );
    assert_eq!(events[7].data["data"]["captured_credits"], 5);
    assert_eq!(events[7].text("/data/hold_id"), hold);
    assert_eq!(events[13].data["data"]["credits_freed"], 75);
    let last =
        events.iter().rev().find_map(|event| event.delegation(&team_id)).expect("the team's state is told");
    assert_eq!(
        last,
        &root.get(&format!("/delegation/{team_id}")).await.body,
        "an event carries the state itself"
    );
}

#[tokio::test]
async fn one_spend_tells_the_new_balances_of_every_level_that_the_watcher_sees() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (engineering, engineering_id) = root.child("Engineering", 10_000).await;
    let (team, team_id) = engineering.child("ML Team", 5_000).await;
    let (reviewer, reviewer_id) = team.child("code-reviewer", 1_000).await;
    let (mut all, _) = root.watch(None).await;
    let (mut own, _) = team.watch(None).await;
    assert_eq!(reviewer.spend(100).await.status, 201);
    let remaining =
        |event: &Sent, id: &str| event.delegation(id).map(|node| node["remaining_credits"].clone());
    let event = all.until("spend.recorded").await;
    assert_eq!(event.data["path"], json!([tenant.root_id, engineering_id, team_id, reviewer_id]));
    assert_eq!(event.delegation(&tenant.root_id).expect("the root")["spent_credits"], 100);
    let bars = [&engineering_id, &team_id, &reviewer_id].map(|id| remaining(&event, id));
    assert_eq!(bars, [Some(json!(9_900)), Some(json!(4_900)), Some(json!(900))]);

    let event = own.until("spend.recorded").await;
    assert_eq!(event.data["path"], json!([team_id, reviewer_id]), "what is above the watcher is not told");
    let bars = [&engineering_id, &team_id, &reviewer_id].map(|id| remaining(&event, id));
    assert_eq!(bars, [None, Some(json!(4_900)), Some(json!(900))]);
}

#[tokio::test]
async fn a_token_is_told_of_its_own_subtree_only() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, _) = root.child("team", 1_000).await;
    let (sibling, sibling_id) = root.child("sibling", 1_000).await;
    let (agent, _) = team.child("agent", 100).await;
    let (mut stream, _) = team.watch(None).await;
    assert_eq!(sibling.spend(5).await.status, 201);
    let (_, below_id) = sibling.child("below the sibling", 10).await;
    assert_eq!(root.spend(5).await.status, 201);
    assert_eq!(sibling.held(1).await.len(), 31);
    assert_eq!(root.act(&sibling_id, "revoke").await.status, 200);
    assert_eq!(root.post("/root/rotate", &json!({ "grace": "1h" })).await.status, 200);
    let spent = agent.spend(1).await;
    let first = stream.next().await;
    assert_eq!((first.event.as_str(), first.text("/data/id")), ("spend.recorded", spent.text("/id")));
    let told = first.data.to_string();
    assert!(!told.contains(&sibling_id) && !told.contains(&below_id), "{told}");
}

#[tokio::test]
async fn a_broken_stream_goes_on_after_the_last_id_without_loss_or_repetition_and_on_any_server() {
    let server = TestServer::start().await;
    let replica = server.replica().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, _) = root.child("team", 100_000).await;
    let (_, ready) = root.watch(None).await;
    let (here, there) =
        (team.clone(), Api::new(replica.api.origin.clone()).with_token(team.token().unwrap()));
    let writer = |api: Api| {
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for amount in 1..=100 {
                let spent = api.spend(amount).await;
                assert_eq!(spent.status, 201, "{}", spent.body);
                ids.push(spent.text("/id"));
                if amount % 10 == 0 {
                    assert_eq!(api.held(1).await.len(), 31);
                }
            }
            ids
        })
    };
    let writers = [writer(here), writer(there)];
    // A reader that breaks off after every few events, and comes back at the other server.
    let (mut last, mut seen, mut ids) = (ready.id, Vec::new(), Vec::new());
    let watchers = [root.clone(), Api::new(replica.api.origin.clone()).with_token(&tenant.root_token)];
    for round in 0.. {
        let (mut stream, ready) = watchers[round % 2].watch(Some(&last)).await;
        assert_eq!((ready.event.as_str(), &ready.id), ("stream.ready", &last));
        for _ in 0..7 {
            if seen.len() + 20 == 220 && ids.len() == 220 {
                break;
            }
            let event = stream.next().await;
            check(&event);
            last.clone_from(&event.id);
            ids.push(event.id.clone());
            if event.event == "spend.recorded" {
                seen.push(event.text("/data/id"));
            }
        }
        if ids.len() >= 220 {
            break;
        }
    }
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.expect("the writer ends well"));
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "in order, and none twice");
    let ledger: Vec<_> = root.all("/ledger?").await.iter().map(|entry| entry["id"].clone()).collect();
    assert_eq!(json!(seen), json!(ledger), "what was told is the ledger, entry by entry");
    assert_eq!((seen.len(), written.len()), (200, 200));
}

#[tokio::test]
async fn changes_at_another_server_are_told_too() {
    let server = TestServer::start().await;
    let replica = server.replica().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (mut stream, _) = root.watch(None).await;
    let there = Api::new(replica.api.origin.clone()).with_token(root.token().unwrap());
    let (_, id) = there.child("made there", 10).await;
    assert_eq!(stream.until("delegation.created").await.text("/delegation_id"), id);
    let spent = there.spend(1).await.text("/id");
    assert_eq!(stream.until("spend.recorded").await.text("/data/id"), spent);
}

#[tokio::test]
async fn many_entries_at_once_come_summed_up_and_each_counts_once() {
    let options = AppOptions { event_page: 40, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, team_id) = root.child("team", 100_000).await;
    let (other, other_id) = root.child("other", 100_000).await;
    let (_, ready) = root.watch(None).await;
    let items: Vec<_> = (0..300)
        .map(|n| json!({ "amount_credits": 2, "token": if n % 3 == 0 { other.token() } else { team.token() } }))
        .collect();
    assert_eq!(root.post("/spend/batch", &json!({ "items": items })).await.status, 200);
    assert_eq!(team.held(1).await.len(), 31);

    let (mut of_all, mut of_team) =
        (root.watch(Some(&ready.id)).await.0, team.watch(Some(&ready.id)).await.0);
    for (stream, expected) in [(&mut of_all, [200, 100]), (&mut of_team, [200, 0])] {
        let (mut entries, mut spent, mut summaries) = ([0, 0], 0, 0);
        loop {
            let event = stream.next().await;
            check(&event);
            match event.event.as_str() {
                "hold.created" => break,
                "spend.recorded" => {
                    entries[usize::from(event.text("/data/delegation_id") == other_id)] += 1;
                    spent += event.number("/data/amount_credits");
                }
                _ => {
                    summaries += 1;
                    for node in event.data["data"]["by_delegation"].as_array().expect("a list") {
                        entries[usize::from(node["delegation_id"] == other_id)] +=
                            node["entries"].as_u64().unwrap();
                        spent += node["spent_credits"].as_u64().unwrap();
                    }
                }
            }
        }
        assert_eq!((entries, spent), (expected, 2 * expected.iter().sum::<u64>()));
        assert!(summaries > 0, "so many entries come summed up");
    }
    let told = of_all_state(&root, &ready.id, &team_id).await;
    assert_eq!(told["spent_credits"], 400, "the newest state comes with them");
}

/// The last state of a delegation that a stream tells before the hold.
async fn of_all_state(api: &Api, from: &str, id: &str) -> Value {
    let (mut stream, _) = api.watch(Some(from)).await;
    let mut state = Value::Null;
    loop {
        let event = stream.next().await;
        if let Some(node) = event.delegation(id) {
            state = node.clone();
        }
        if event.event == "hold.created" {
            return state;
        }
    }
}

#[tokio::test]
async fn who_does_not_read_is_dropped_and_may_go_on_later_without_loss() {
    let options = AppOptions {
        max_streams: 1,
        stream_buffer: 4,
        stream_patience: Duration::from_millis(500),
        event_page: 100_000,
        ..AppOptions::default()
    };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (mut slow, ready) = root.watch(None).await;
    let filler = "x".repeat(2_000);
    let items: Vec<_> =
        (0..8_000).map(|_| json!({ "amount_credits": 1, "metadata": { "filler": filler } })).collect();
    let batch = root.post("/spend/batch", &json!({ "items": items })).await;
    assert_eq!(batch.status, 200, "a reader that stalls holds nobody up");
    wait_for_room(&root).await;
    let mut told = slow.to_end().await;
    assert!(told.len() < 8_000, "it was not all kept for the one that did not read");
    let last = told.last().map_or(ready.id, |event| event.id.clone());
    told.retain(|event| event.event == "spend.recorded");
    let mut seen: Vec<_> = told.iter().map(|event| event.text("/data/id")).collect();
    let (mut again, _) = reopened(&root, &last).await;
    seen.extend(spends(&mut again, 8_000 - seen.len()).await);
    let made: Vec<_> = batch.body["data"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(json!(seen), json!(made));
}

/// Goes on after an id as soon as there is room.
async fn reopened(api: &Api, last: &str) -> (EventStream, Sent) {
    for _ in 0..3_000 {
        let request = api.request(Method::GET, "/event").header("Last-Event-ID", last);
        let answer = request.send().await.expect("the server answers");
        if answer.status().as_u16() == 200 {
            return EventStream::of(answer).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("there is no room");
}

/// Waits until another stream may be opened.
async fn wait_for_room(api: &Api) {
    for _ in 0..3_000 {
        let reply = api.request(Method::GET, "/event").send().await.expect("the server answers");
        if reply.status().as_u16() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the stream that nobody reads keeps its place");
}

#[tokio::test]
async fn a_stream_ends_when_its_credential_does() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    for (verb, code) in [("revoke", "revoked"), ("freeze", "frozen"), ("rotate", "revoked")] {
        let (team, team_id) = root.child("team", 100).await;
        let (agent, _) = team.child("agent", 10).await;
        let (mut of_team, _) = team.watch(None).await;
        let (mut of_agent, _) = agent.watch(None).await;
        assert_eq!(root.act(&team_id, verb).await.status, 200);
        let closed = of_team.to_end().await.pop().expect("the end is told");
        check(&closed);
        assert_eq!(
            (closed.event.as_str(), closed.text("/data/code").as_str()),
            ("stream.closed", code),
            "{verb}"
        );
        if verb != "rotate" {
            let closed = of_agent.to_end().await.pop().expect("the end is told");
            assert_eq!(closed.text("/data/code"), code, "{verb} above");
        }
    }
    let expiring =
        root.post("/delegation", &json!({ "label": "x", "budget_credits": 1, "expiry": "2s" })).await;
    let (mut stream, _) = root.with_token(&expiring.text("/token")).watch(None).await;
    assert_eq!(stream.to_end().await.pop().expect("the end is told").text("/data/code"), "expired");

    let session = server.api.with_session(&tenant.session);
    let (mut stream, _) = session.watch(None).await;
    assert_eq!(session.delete("/session").await.status, 204);
    let closed = stream.to_end().await.pop().expect("the end is told");
    assert_eq!((closed.event.as_str(), closed.text("/data/code").as_str()), ("stream.closed", "expired"));

    let (mut stream, _) = root.watch(None).await;
    assert_eq!(root.post("/root/rotate", &json!({})).await.status, 200);
    assert_eq!(stream.to_end().await.pop().expect("the end is told").text("/data/code"), "revoked");
}

#[tokio::test]
async fn a_resume_point_that_cannot_be_continued_says_so() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (_, ready) = root.watch(None).await;
    assert_eq!(root.spend(1).await.status, 201);
    let position = ready.id.parse::<subgrant_domain::EventId>().unwrap();
    let (at, place) = subgrant_domain::EventPosition::read(position).unwrap();
    let eight_days_ago = at - jiff::SignedDuration::from_hours(8 * 24);
    let beyond = subgrant_domain::EventPosition { ledger_seq: 1_000, ..place };
    for (what, id) in [("too old", place.id(eight_days_ago)), ("of another database", beyond.id(at))] {
        let (mut stream, reset) = root.watch(Some(&id.to_string())).await;
        assert_eq!(reset.event, "stream.reset", "{what}");
        check(&reset);
        let spent = root.spend(1).await.text("/id");
        assert_eq!(stream.until("spend.recorded").await.text("/data/id"), spent, "it goes on from now");
    }
    let (mut stream, _) = root.watch(Some(&ready.id)).await;
    assert_eq!(stream.next().await.event, "spend.recorded");
    // As a browser says it that cannot send the header; one that comes back sends both, and means the header.
    let request = root.request(Method::GET, &format!("/event?last_event_id={}", ready.id));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn malformed_resume_points_and_unknown_parameters_are_refused() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let random = format!("evt_{}", "7".repeat(26));
    for id in [
        "nonsense",
        "evt_",
        "dlg_01jd0000000000000000000001",
        "evt_01jd000000000000000000000l",
        random.as_str(),
    ] {
        let header = Reply::of(root.request(Method::GET, "/event").header("Last-Event-ID", id)).await;
        assert_eq!(header.refusal(), (422, "validation"), "{id}");
        let query = root.get(&format!("/event?last_event_id={id}")).await;
        assert_eq!(query.refusal(), (422, "validation"), "{id}");
    }
    assert_eq!(root.get("/event?surprise=1").await.refusal(), (422, "validation"));
    let (writer, _) = root.child("writer", 10).await;
    let blind = subgrant_tests::attenuate(writer.token().unwrap(), &[b"actions = spend"]);
    assert_eq!(root.with_token(&blind).get("/event").await.refusal(), (403, "action_not_permitted"));
}

#[tokio::test]
async fn a_tenant_may_open_only_so_many_streams_and_gets_them_back() {
    let options = AppOptions { max_streams: 2, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let other = server.api.with_token(&server.sign_up().await.root_token);
    let first = root.watch(None).await;
    let _second = root.watch(None).await;
    let refused = root.get("/event").await;
    refused.assert_problem(429, "too_many_streams", "a third stream");
    assert!(refused.header("retry-after").is_some());
    let _theirs = other.watch(None).await;
    drop(first);
    wait_for_room(&root).await;
}

#[tokio::test]
async fn streams_outlive_the_time_limit_of_handlers_and_end_with_the_server() {
    let http = HttpOptions { handler_timeout: Duration::from_millis(500), ..HttpOptions::default() };
    let server = TestServer::start_with(http, AppOptions::default()).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (mut stream, _) = root.watch(None).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = root.spend(1).await.text("/id");
    assert_eq!(stream.until("spend.recorded").await.text("/data/id"), spent);
    server.app.end_streams();
    assert!(stream.to_end().await.is_empty(), "the end of a server is no end of the credential");
    assert_eq!(root.get("/event").await.refusal(), (503, "draining"));
}
