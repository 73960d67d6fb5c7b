//! The tree as one nested answer.

use serde_json::{Value, json};
use subgrant_tests::{Api, TestServer};

async fn stage() -> (TestServer, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    (server, root)
}

fn labels(node: &Value) -> Value {
    let children = node["children"].as_array();
    let below = children.map(|children| children.iter().map(labels).collect::<Vec<_>>());
    json!([node["label"], below])
}

#[tokio::test]
async fn nodes_are_nested_with_their_own_and_their_subtrees_sums() {
    let (_, root) = stage().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let (agent, _) = team.child("agent", 500).await;
    team.child("idle", 100).await;
    assert_eq!((team.spend(5).await.status, agent.spend(30).await.status), (201, 201));

    let whole = root.get("/delegation/tree").await;
    assert_eq!(whole.status, 200, "{}", whole.body);
    let expected = json!(["Root Key", [["team", [["agent", []], ["idle", []]]]]]);
    assert_eq!(labels(&whole.body), expected);
    let sums = |pointer: &str| {
        let node = whole.body.pointer(pointer).expect("the node is shown");
        (node["spent_credits"].clone(), node["own_spent_credits"].clone(), node["depth"].clone())
    };
    assert_eq!(sums(""), (json!(35), json!(0), json!(0)));
    assert_eq!(sums("/children/0"), (json!(35), json!(5), json!(1)));
    assert_eq!(sums("/children/0/children/0"), (json!(30), json!(30), json!(2)));
    assert_eq!(whole.body["children"][0]["remaining_credits"], 965);

    let shallow = root.get("/delegation/tree?depth=1").await;
    assert_eq!(
        labels(&shallow.body),
        json!(["Root Key", [["team", null]]]),
        "the picture ends, the tree does not"
    );
    let part = root.get(&format!("/delegation/tree?root={team_id}&depth=0")).await;
    assert_eq!(labels(&part.body), json!(["team", null]));
    assert_eq!(labels(&agent.get("/delegation/tree").await.body), json!(["agent", []]));
}

#[tokio::test]
async fn a_large_level_shows_its_beginning_and_where_it_goes_on() {
    let (_, root) = stage().await;
    let (team, team_id) = root.child("team", 1_000).await;
    for number in 0..53 {
        assert_eq!(team.mint(&format!("agent {number}"), 1).await.status, 201);
    }
    let tree = team.get("/delegation/tree").await;
    let shown = tree.body["children"].as_array().expect("children are shown").clone();
    assert_eq!(shown.len(), 50);
    let cursor = tree.text("/children_next_cursor");
    let rest = team.get(&format!("/delegation?parent_id={team_id}&cursor={cursor}")).await;
    let rest = rest.body["data"].as_array().expect("a list").clone();
    let names: Vec<_> = shown.iter().chain(&rest).map(|node| node["label"].clone()).collect();
    let expected: Vec<_> = (0..53).map(|number| json!(format!("agent {number}"))).collect();
    assert_eq!(names, expected, "nothing is missing and nothing stands twice");
}

#[tokio::test]
async fn what_is_not_the_callers_and_what_is_out_of_range_is_refused() {
    let (_, root) = stage().await;
    let (team, _) = root.child("team", 10).await;
    let (_, sibling_id) = root.child("sibling", 10).await;
    for id in [sibling_id.as_str(), "dlg_00000000000000000000000000", "nonsense"] {
        assert_eq!(
            team.get(&format!("/delegation/tree?root={id}")).await.refusal(),
            (404, "not_found"),
            "{id}"
        );
    }
    for query in ["depth=33", "depth=-1", "depth=x", "surprise=1"] {
        assert_eq!(
            team.get(&format!("/delegation/tree?{query}")).await.refusal(),
            (422, "validation"),
            "{query}"
        );
    }
}
