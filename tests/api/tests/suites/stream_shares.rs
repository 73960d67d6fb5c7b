//! Streams of events have a bound for each tenant, and nobody in it takes them all.

use subgrant_server::http::HttpOptions;
use subgrant_service::AppOptions;
use subgrant_tests::{Api, EventStream, TestServer};

/// Opens streams until one is refused.
async fn take_all(api: &Api) -> Vec<EventStream> {
    let mut streams = Vec::new();
    loop {
        let response = api.request(reqwest::Method::GET, "/event").send().await.expect("the server answers");
        match response.status().as_u16() {
            200 => streams.push(EventStream::of(response).await.0),
            429 => return streams,
            status => panic!("{status}"),
        }
        assert!(streams.len() < 1_000, "there is no bound");
    }
}

#[tokio::test]
async fn a_leaf_takes_its_share_and_the_owner_and_its_siblings_find_theirs() {
    let options = AppOptions { max_streams: 20, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let tenant = server.sign_up().await;
    let (root, owner) = (server.api.with_token(&tenant.root_token), server.owner(&tenant));
    let (viewer, _) = server.join(&owner, "viewer@tenant.example", "viewer").await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, _) = team.child("leaf", 100).await;
    let (sibling, _) = team.child("sibling", 100).await;

    let mut taken = take_all(&leaf).await;
    assert_eq!(taken.len(), 4, "a fifth");
    // What it makes below itself counts with it.
    for number in 0..5 {
        let (below, _) = leaf.child(&format!("below {number}"), 1).await;
        taken.extend(take_all(&below).await);
    }
    assert_eq!(taken.len(), 5, "a quarter, two levels below the root");
    let _sibling = sibling.watch(None).await;
    let _team = team.watch(None).await;
    let of_owner = owner.watch(None).await;

    // All others together take all that there is, and each owner still finds one.
    drop(of_owner);
    let others = [take_all(&viewer).await, take_all(&sibling).await, take_all(&team).await];
    assert_eq!(
        others.iter().map(Vec::len).sum::<usize>() + taken.len() + 2,
        14,
        "{others:?}",
        others = others.each_ref().map(Vec::len)
    );
    let rest = take_all(&root).await;
    assert!(!rest.is_empty());
    let (mut seen, _) = owner.watch(None).await;
    assert_eq!(leaf.spend(1).await.status, 201);
    seen.until("spend.recorded").await;
}
