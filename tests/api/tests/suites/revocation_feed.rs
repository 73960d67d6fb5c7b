//! The revocation feed: a service that verifies tokens by itself refuses what Subgrant refuses.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use subgrant_api::{
    RevocationEntry, RevocationFeed,
    RevocationKind::{self, Frozen, Revoked, Rotated, Unfrozen},
};
use subgrant_domain::{EventId, EventPosition};
use subgrant_tests::{Api, EventStream, Reply, Tenant, TestServer, attenuate};
use subgrant_token::{RequestContext, VerificationKey, verify};

struct Stage {
    server: TestServer,
    tenant: Tenant,
    root: Api,
    service: Api,
    id: String,
}

async fn stage() -> Stage {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (service, id) = registered(&root).await;
    Stage { server, tenant, root, service, id }
}

async fn registered(root: &Api) -> (Api, String) {
    let made = root.post("/service", &json!({ "name": "Reports" })).await;
    (root.with_token(&made.text("/verification_key")), made.text("/id"))
}

/// A delegation for the service, and its id.
async fn minted(api: &Api, service: &str) -> (Api, String) {
    let body = json!({ "label": "agent", "budget_credits": 5, "audience": service });
    let reply = api.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (api.with_token(&reply.text("/token")), reply.text("/id"))
}

async fn page(reader: &Api, query: &str) -> RevocationFeed {
    let reply = reader.get(&format!("/revocation?{query}")).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{}", reply.body);
    serde_json::from_value(reply.body.clone()).unwrap_or_else(|error| panic!("{error}: {}", reply.body))
}

/// Everything that there is, page by page, and where to go on.
async fn rest(reader: &Api, since: Option<&str>, limit: u8) -> (Vec<RevocationEntry>, String) {
    let (mut entries, mut since) = (Vec::new(), since.map(str::to_owned));
    loop {
        let query = since.map(|since| format!("&since={since}")).unwrap_or_default();
        let page = page(reader, &format!("limit={limit}{query}")).await;
        assert!(page.data.len() <= usize::from(limit), "{:?}", page.data);
        entries.extend(page.data);
        if !page.has_more {
            return (entries, page.next_cursor);
        }
        since = Some(page.next_cursor);
    }
}

fn told(entries: &[RevocationEntry]) -> Vec<(RevocationKind, &str)> {
    entries.iter().map(|entry| (entry.kind, entry.delegation_id.as_str())).collect()
}

/// A resource server as an outsider writes it: a key, the feed, and no other way to Subgrant.
#[derive(Default)]
struct ResourceServer {
    stopped: HashSet<String>,
    replaced: HashMap<String, Timestamp>,
    cursor: Option<String>,
}

impl ResourceServer {
    async fn catch_up(&mut self, reader: &Api) {
        let (entries, cursor) = rest(reader, self.cursor.as_deref(), 100).await;
        self.cursor = Some(cursor);
        for entry in entries {
            match entry.kind {
                RevocationKind::Revoked | RevocationKind::Frozen => {
                    self.stopped.insert(entry.delegation_id);
                }
                RevocationKind::Unfrozen => {
                    self.stopped.remove(&entry.delegation_id);
                }
                RevocationKind::Rotated => self.replaced.extend(
                    entry
                        .replaced
                        .into_iter()
                        .map(|old| (old.digest, old.valid_until.parse().expect("a time"))),
                ),
                RevocationKind::CutOff => panic!("nobody has cut anything off"),
            }
        }
    }

    fn accepts(&self, key: &str, token: &str) -> bool {
        let key = VerificationKey::parse(key).expect("a key");
        let now = Timestamp::now();
        let Ok(verified) = verify(token, &key, &RequestContext::at(now)) else { return false };
        let digest = hex(verified.last_digest().expect("a delegation").as_bytes());
        verified.delegations().all(|id| !self.stopped.contains(&id.to_string()))
            && self.replaced.get(&digest).is_none_or(|end| *end > now)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

#[tokio::test]
async fn a_service_that_reads_the_feed_refuses_what_subgrant_refuses() {
    let Stage { root, service, id, .. } = stage().await;
    let key = service.token().expect("a key").to_owned();
    let (team, team_id) = root.child("team", 1_000).await;
    let (desk, desk_id) = team.child("desk", 500).await;
    let (first, first_id) = minted(&desk, &id).await;
    let (second, second_id) = minted(&team, &id).await;
    let child = json!({ "label": "below", "budget_credits": 2, "parent_id": second_id });
    let child = root.post("/delegation", &child).await;
    let (below, below_id) = (root.with_token(&child.text("/token")), child.text("/id"));
    let offline = root.with_token(&attenuate(below.token().expect("a token"), &[b"budget = 1"]));
    let (third, third_id) = minted(&root, &id).await;
    let all = [&first, &second, &below, &offline, &third];
    let mut server = ResourceServer::default();
    let rotate = async |grace: &str| {
        let path = format!("/delegation/{third_id}/rotate");
        third.with_token(&root.post(&path, &json!({ "grace": grace })).await.text("/token"))
    };
    let mut rotated = Vec::new();
    for step in 0..9 {
        match step {
            1 => drop(root.act(&desk_id, "freeze").await),
            2 => drop(root.act(&desk_id, "unfreeze").await),
            3 => rotated.push(rotate("1h").await),
            4 => rotated.push(rotate("0s").await),
            5 => drop(root.act(&below_id, "revoke").await),
            6 => drop(root.act(&second_id, "freeze").await),
            7 => drop(root.act(&team_id, "revoke").await),
            8 => drop(root.act(&third_id, "revoke").await),
            _ => {}
        }
        server.catch_up(&service).await;
        // One that has just come reads how things stand.
        let mut newcomer = ResourceServer::default();
        newcomer.catch_up(&service).await;
        for (position, api) in all.iter().copied().chain(&rotated).enumerate() {
            let token = api.token().expect("a token");
            let online = json!({ "token": token });
            let good = service.post("/verify", &online).await.body["valid"] == true;
            assert_eq!(server.accepts(&key, token), good, "step {step}, token {position}");
            assert_eq!(newcomer.accepts(&key, token), good, "step {step}, token {position}, a newcomer");
        }
    }
    assert!(server.stopped.contains(&team_id) && !server.stopped.contains(&first_id));
    assert!(all.iter().all(|api| !server.accepts(&key, api.token().expect("a token"))));
}

#[tokio::test]
async fn a_service_is_told_what_concerns_it_and_the_root_everything() {
    let Stage { server, tenant, root, service, id } = stage().await;
    let (other, other_id) = registered(&root).await;
    let (team, team_id) = root.child("team", 100).await;
    let (_, plain_id) = root.child("plain", 100).await;
    let (_, own_id) = minted(&team, &id).await;
    let (_, theirs_id) = minted(&team, &other_id).await;
    let from = page(&root, "").await.next_cursor;
    assert_eq!(root.act(&plain_id, "revoke").await.status, 200);
    assert_eq!(root.act(&theirs_id, "freeze").await.status, 200);
    assert_eq!(root.post(&format!("/delegation/{own_id}/rotate"), &json!({})).await.status, 200);
    assert_eq!(root.post(&format!("/delegation/{team_id}/rotate"), &json!({})).await.status, 200);
    assert_eq!(root.act(&team_id, "revoke").await.status, 200);
    let everything =
        vec![(Revoked, plain_id.as_str()), (Frozen, &theirs_id), (Rotated, &own_id), (Revoked, &team_id)];
    for (reader, expected) in [
        (&root, everything.clone()),
        (&server.owner(&tenant), everything),
        (&service, vec![(Rotated, &*own_id), (Revoked, &team_id)]),
        (&other, vec![(Frozen, &*theirs_id), (Revoked, &team_id)]),
    ] {
        let (live, _) = rest(reader, Some(&from), 100).await;
        assert_eq!(told(&live), expected);
        assert!(live.iter().all(|entry| entry.id.is_some()));
        let (one_by_one, _) = rest(reader, Some(&from), 1).await;
        assert_eq!(one_by_one, live, "whatever the size of a page");
        // As things stand now, whatever has happened; in the order of the ids.
        let (beginning, _) = rest(reader, None, 1).await;
        let mut sorted = expected.clone();
        sorted.sort_by_key(|(_, id)| *id);
        assert_eq!(told(&beginning), sorted);
        assert!(beginning.iter().all(|entry| entry.id.is_none()));
        let text = serde_json::to_string(&live).expect("plain data");
        assert!(!text.contains("agent") && !text.contains("sgt_"), "ids and times alone: {text}");
    }
}

#[tokio::test]
async fn what_happens_while_the_beginning_is_read_is_told_after_it() {
    let Stage { root, service, id, .. } = stage().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (_, own_id) = minted(&root, &id).await;
        assert_eq!(root.act(&own_id, "freeze").await.status, 200);
        ids.push(own_id);
    }
    let first = page(&service, "limit=1").await;
    assert!(first.has_more && first.next_cursor.contains('.'), "{}", first.next_cursor);
    assert_eq!(root.act(&ids[0], "unfreeze").await.status, 200);
    assert_eq!(root.act(&ids[2], "revoke").await.status, 200);
    let (others, cursor) = rest(&service, Some(&first.next_cursor), 1).await;
    let (changes, end) = rest(&service, Some(&cursor), 100).await;
    assert_eq!(told(&first.data), [(Frozen, &*ids[0])]);
    assert_eq!(told(&others), [(Frozen, &*ids[1]), (Revoked, &*ids[2])]);
    assert_eq!(told(&changes), [(Unfrozen, &*ids[0]), (Revoked, &*ids[2])]);
    assert_eq!(rest(&service, Some(&end), 100).await.0, []);
    let stream = service.request(Method::GET, &format!("/revocation?since={}", first.next_cursor));
    let refused = Reply::of(stream.header("Accept", "text/event-stream")).await;
    refused.assert_invalid(&["?since"], "a stream has no beginning");
}

#[tokio::test]
async fn a_cut_off_is_told_to_every_service() {
    let Stage { server, tenant, service, .. } = stage().await;
    let owner = server.owner(&tenant);
    let from = page(&service, "").await.next_cursor;
    assert_eq!(owner.post("/root/rotate", &json!({ "grace": "1h" })).await.status, 200);
    assert_eq!(rest(&service, Some(&from), 100).await.0, [], "a new root token ends no other");
    let before = Timestamp::now() - SignedDuration::from_secs(1);
    let cut_off = json!({ "revoke_issued_before": before.to_string() });
    assert_eq!(owner.post("/root/rotate", &cut_off).await.status, 200);
    let (live, _) = rest(&service, Some(&from), 100).await;
    let (beginning, _) = rest(&service, None, 100).await;
    for entries in [live, beginning] {
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!((entries[0].kind, &entries[0].delegation_id), (RevocationKind::CutOff, &tenant.root_id));
        let told: Timestamp =
            entries[0].issued_before.as_deref().expect("an instant").parse().expect("a time");
        assert_eq!(told.as_microsecond(), before.as_microsecond());
    }
}

#[tokio::test]
async fn the_stream_tells_the_same_and_goes_on_where_it_broke_off() {
    let Stage { root, service, id, .. } = stage().await;
    let (agent, own_id) = minted(&root, &id).await;
    let open = async |last: Option<&str>, query: &str| {
        let request = service.request(Method::GET, &format!("/revocation{query}"));
        let request = request.header("Accept", "text/event-stream");
        let request = if let Some(last) = last { request.header("Last-Event-ID", last) } else { request };
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status().as_u16(), 200);
        EventStream::of(response).await
    };
    let from = page(&service, "").await.next_cursor;
    let (mut stream, ready) = open(None, "").await;
    assert_eq!(
        (ready.event.as_str(), stream.header("content-type")),
        ("stream.ready", Some("text/event-stream"))
    );
    assert_eq!(agent.spend(1).await.status, 201);
    assert_eq!(root.act(&own_id, "freeze").await.status, 200);
    assert_eq!(root.act(&own_id, "unfreeze").await.status, 200);
    let (frozen, unfrozen) = (stream.next().await, stream.next().await);
    assert_eq!((frozen.event.as_str(), unfrozen.event.as_str()), ("frozen", "unfrozen"));
    assert_eq!(frozen.text("/delegation_id"), own_id);
    let (paged, _) = rest(&service, Some(&from), 100).await;
    assert_eq!(json!(paged), json!([frozen.data, unfrozen.data]), "a page tells the same");
    drop(stream);

    let rotated = root.post(&format!("/delegation/{own_id}/rotate"), &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    assert_eq!(root.act(&own_id, "revoke").await.status, 200);
    for query in ["", "?since=evt_01kaq2v0j8e00004000000g001"] {
        let (mut stream, _) = open(Some(&frozen.id), query).await;
        let kinds = [stream.next().await, stream.next().await, stream.next().await].map(|event| event.event);
        assert_eq!(kinds, ["unfrozen", "rotated", "revoked"]);
    }
    let (mut stream, _) = open(None, &format!("?since={}", unfrozen.id)).await;
    let rotated = stream.next().await;
    assert_eq!(rotated.data["replaced"].as_array().map(Vec::len), Some(1), "{}", rotated.data);

    assert_eq!(root.delete(&format!("/service/{id}")).await.status, 204);
    let closed = stream.until("stream.closed").await;
    assert_eq!(closed.text("/code"), "revoked");
    service.get("/revocation").await.assert_problem(401, "revoked", "a deleted service");
}

#[tokio::test]
async fn a_cursor_that_is_too_old_or_of_another_make_is_refused() {
    let Stage { service, .. } = stage().await;
    let now: EventId = page(&service, "").await.next_cursor.parse().expect("an event's id");
    let (at, position) = EventPosition::read(now).expect("a place");
    let old = position.id(at - SignedDuration::from_hours(24 * 8));
    let beyond = EventPosition { ledger_seq: position.ledger_seq + 1, number: 0 }.id(at);
    for cursor in [old.to_string(), beyond.to_string(), format!("{old}.{}", "0".repeat(26))] {
        let reply = service.get(&format!("/revocation?since={cursor}")).await;
        reply.assert_problem(410, "cursor_expired", &cursor);
    }
    let stream = service.request(Method::GET, &format!("/revocation?since={old}"));
    let response = stream.header("Accept", "text/event-stream").send().await.expect("the server answers");
    assert_eq!(EventStream::of(response).await.1.event, "stream.reset");
    for cursor in [
        "",
        "x",
        "evt_",
        "evt_01kaq2v0j8e00004000000g001.",
        "dlg_01jd0000000000000000000001",
        "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz",
    ] {
        let reply = service.get(&format!("/revocation?since={cursor}")).await;
        reply.assert_invalid(&["?since"], cursor);
        let stream = service.request(Method::GET, &format!("/revocation?since={cursor}"));
        let refused = Reply::of(stream.header("Accept", "text/event-stream")).await;
        refused.assert_invalid(&["?since"], cursor);
    }
    service.get("/revocation?limit=0").await.assert_invalid(&["?limit"], "no page");
    let other = service.request(Method::GET, "/revocation").header("Accept", "text/html");
    Reply::of(other).await.assert_problem(406, "not_acceptable", "neither");
}

#[tokio::test]
async fn a_key_opens_the_feed_and_verification_and_nothing_else() {
    let Stage { server, root, service, id, tenant } = stage().await;
    let (agent, _) = minted(&root, &id).await;
    let (other, other_id) = registered(&root).await;
    let token = agent.token().expect("a token");
    let verdict = async |api: &Api, request: Value| {
        let reply = api.post("/verify", &json!({ "token": token, "request": request })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["valid"].clone()
    };
    assert_eq!(verdict(&service, json!({})).await, true, "it is the service");
    assert_eq!(verdict(&service, json!({ "service": id })).await, true);
    assert_eq!(verdict(&other, json!({})).await, false, "it is another");
    let body = json!({ "token": token, "request": { "service": other_id } });
    service.post("/verify", &body).await.assert_invalid(&["/request/service"], "it speaks for itself");

    for path in ["/service", "/delegation", "/delegation/self", "/ledger", "/event", "/audit"] {
        service.get(path).await.assert_problem(401, "malformed", path);
    }
    service.spend(1).await.assert_problem(401, "malformed", "a key is no token");
    let key = service.token().expect("a key");
    let stolen = VerificationKey::parse(key).expect("a key");
    let foreign = server.sign_up().await;
    let made_up = |tenant: &str, service: &str| {
        let key =
            VerificationKey::new(tenant.parse().expect("an id"), service.parse().expect("an id"), [7; 32]);
        root.with_token(&key.to_text())
    };
    for (api, code) in [
        (root.with_token("svk_"), "malformed"),
        (root.with_token(&key[..key.len() - 1]), "malformed"),
        (made_up(&tenant.id, &id), "forged"),
        (made_up(&tenant.id, "svc_01jd0000000000000000000001"), "forged"),
        (made_up(&foreign.id, &id), "forged"),
        (made_up("ten_01jd0000000000000000000001", &id), "forged"),
    ] {
        api.get("/revocation").await.assert_problem(401, code, "not a key of ours");
        api.post("/verify", &json!({ "token": token })).await.assert_problem(401, code, "not a key of ours");
    }
    assert_eq!(stolen.service().to_string(), id);
}
