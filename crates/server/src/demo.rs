//! The demo tenant: the tree that every document uses.

use std::fmt::Write;

use subgrant_domain::{Allocation, AttributeText, ChildRequest, Credits, DelegationId, TenantId};
use subgrant_service::{App, Browser, ListRequest, MintRequest, Principal, SignupRequest};
use subgrant_store::accounts;
use zeroize::Zeroizing;

const EMAIL: &str = "demo@subgrant.example";
const PASSWORD: &str = "demo-password";

/// A node of the demo tree.
struct Node {
    label: &'static str,
    budget: u64,
    cost_center: Option<&'static str>,
    department: Option<&'static str>,
    children: &'static [Node],
}

const fn agent(label: &'static str, budget: u64) -> Node {
    Node { label, budget, cost_center: None, department: None, children: &[] }
}

const TREE: &[Node] = &[
    Node {
        label: "Engineering",
        budget: 10_000,
        cost_center: Some("Engineering"),
        department: None,
        children: &[
            Node {
                label: "ML Team",
                budget: 5_000,
                cost_center: None,
                department: Some("ML Team"),
                children: &[agent("code-reviewer", 1_000), agent("test-runner", 2_000)],
            },
            Node {
                label: "Platform Team",
                budget: 3_000,
                cost_center: None,
                department: Some("Platform Team"),
                children: &[agent("deploy-bot", 500)],
            },
        ],
    },
    Node {
        label: "Finance",
        budget: 5_000,
        cost_center: Some("Finance"),
        department: None,
        children: &[agent("expense-analyzer", 1_000)],
    },
];

/// What the demo printed.
pub(crate) struct Demo {
    root_token: Zeroizing<String>,
    /// Depth, label, budget, id and token of every node below the root, in order.
    nodes: Vec<(usize, &'static str, u64, DelegationId, Zeroizing<String>)>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The tenant of the oldest account with the demo's address.
async fn demo_tenant(app: &App) -> Result<Option<TenantId>, Failure> {
    let Some(account) = accounts::of_address(app.database(), EMAIL, 1).await?.pop() else { return Ok(None) };
    let membership = accounts::memberships(app.database(), account.id, 1).await?.pop();
    Ok(membership.map(|(tenant, _)| tenant))
}

/// Creates the demo tenant and whatever of its tree is missing, or has ended.
pub(crate) async fn ensure(app: &App) -> Result<Demo, Failure> {
    let tenant = if let Some(tenant) = demo_tenant(app).await? {
        tenant
    } else {
        let request = SignupRequest {
            organization: text("Demo"),
            email: EMAIL.to_owned(),
            password: Zeroizing::new(PASSWORD.to_owned()),
            idempotency_key: None,
            browser: Browser::default(),
            request_id: None,
        };
        app.sign_up(request).await?.value.tenant
    };
    let root_token = app.current_root_token(tenant).await?;
    let root = app.authenticate_token(&root_token, None, None).await?;
    let mut demo = Demo { root_token, nodes: Vec::new() };
    for node in TREE {
        Box::pin(ensure_node(app, &root, root.path.id(), node, 1, &mut demo)).await?;
    }
    Ok(demo)
}

async fn ensure_node(
    app: &App,
    root: &Principal,
    parent: DelegationId,
    node: &Node,
    depth: usize,
    demo: &mut Demo,
) -> Result<(), Failure> {
    let id = match find(app, root, parent, node).await? {
        Some(id) => id,
        None => app.mint(root, &request(parent, node), None).await?.value.delegation.id,
    };
    demo.nodes.push((depth, node.label, node.budget, id, app.operator_token(root.tenant, id).await?));
    for child in node.children {
        Box::pin(ensure_node(app, root, id, child, depth + 1, demo)).await?;
    }
    Ok(())
}

/// The node as an earlier start has made it, however many others have its label.
async fn find(
    app: &App,
    root: &Principal,
    parent: DelegationId,
    node: &Node,
) -> Result<Option<DelegationId>, Failure> {
    let label = text(node.label);
    // The tour ends with a revocation, and can be taken again.
    let has_ended = |status: &str| matches!(status, "revoked" | "expired");
    let mut wanted = ListRequest {
        parent: Some(parent),
        label_contains: Some(node.label.to_owned()),
        limit: 100,
        ..ListRequest::default()
    };
    loop {
        let page = app.delegations(root, &wanted).await?;
        let mut found = page.delegations.into_iter();
        if let Some(view) = found.find(|view| view.label == label && !has_ended(&view.status)) {
            return Ok(Some(view.id));
        }
        if page.next.is_none() {
            return Ok(None);
        }
        wanted.after = page.next;
    }
}

fn request(parent: DelegationId, node: &Node) -> MintRequest {
    MintRequest {
        parent: Some(parent),
        label: text(node.label),
        child: ChildRequest {
            budget: Credits::new(node.budget).expect("a small amount"),
            allocation: Allocation::Carve,
            expires_at: None,
            actions: None,
            max_per_spend: None,
            limits: Vec::new(),
            max_depth: None,
            cost_center: node.cost_center.map(text),
            department: node.department.map(text),
        },
        expiry: None,
        audience: None,
        extra_caveats: Vec::new(),
    }
}

fn text(literal: &str) -> AttributeText {
    AttributeText::new(literal).expect("the demo's texts are plain")
}

impl Demo {
    /// What a newcomer pastes next.
    pub(crate) fn instructions(&self, url: &str) -> String {
        let mut tree = String::from("    Root Key (no limit)\n");
        for (depth, label, budget, id, _) in &self.nodes {
            let indent = "  ".repeat(depth + 2);
            let _ = writeln!(tree, "{indent}{label} ({budget} credits)  {id}");
        }
        let reviewer = self.nodes.iter().find(|(_, label, ..)| *label == "code-reviewer");
        let reviewer_token = reviewer.map_or("", |(.., token)| token.as_str());
        let engineering = self.nodes.iter().find(|(_, label, ..)| *label == "Engineering");
        let engineering_id = engineering.map(|(.., id, _)| id.to_string()).unwrap_or_default();
        format!(
            r#"
The demo tenant is ready.

{tree}
Mint a delegation with the root token (this works when pasted into another shell):

    curl -X POST {url}/api/cloud/delegation \
      -H "Authorization: Bearer {root_token}" -H "Content-Type: application/json" \
      -d '{{"budget_credits": 1000, "cost_center": "Engineering", "department": "ML Team",
           "label": "code-reviewer", "expiry": "720h"}}'

For the commands below, keep tokens and an id in variables:

    export ROOT_TOKEN={root_token}
    export REVIEWER_TOKEN={reviewer_token}
    export ENGINEERING_ID={engineering_id}

Spend 100 credits as the agent code-reviewer, and see what every level has left:

    curl -X POST {url}/api/cloud/spend \
      -H "Authorization: Bearer $REVIEWER_TOKEN" -H "Content-Type: application/json" \
      -d '{{"amount_credits": 100, "description": "review of #42"}}'

    curl {url}/api/cloud/delegation -H "Authorization: Bearer $ROOT_TOKEN"

Revoke Engineering, and with it everything below:

    curl -X POST {url}/api/cloud/delegation/$ENGINEERING_ID/revoke -H "Authorization: Bearer $ROOT_TOKEN"

    curl {url}/api/cloud/delegation/self -H "Authorization: Bearer $REVIEWER_TOKEN"

The dashboard: {url}
    as {EMAIL}, with the password {PASSWORD}

The API's documentation: {url}/docs
"#,
            root_token = *self.root_token,
        )
    }
}
