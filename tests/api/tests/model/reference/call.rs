//! One request, with everything it names resolved, and how it is written in HTTP.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    token::{Caveat, action_words},
    world::{Limit, World},
};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The owner, in the dashboard.
    Session,
    /// Whoever holds the token with this number.
    Token(usize),
    Nobody,
    Malformed,
    /// The root token with another signature.
    Tampered,
    /// The root token of another tenant.
    OtherTenant,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) action: Action,
    pub(crate) key: Option<String>,
    /// Which of the server's processes is asked.
    pub(crate) at_replica: bool,
}

/// How long something shall last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// So that its end can be waited for.
    Brief,
    Hour,
    TwoHours,
    /// What is no duration for this purpose.
    Hostile(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    After(Lasts),
    At(Timestamp),
}

/// What is asked for. Numbers are places in the lists of [`World`]; one beyond a list's end is an unknown id. Amounts are
/// what is written into the JSON, sensible or not.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Spend { amount: Value, dry_run: bool },
    Batch { items: Vec<Item>, is_lines: bool },
    Hold { amount: Value, lasts: Lasts },
    Capture { hold: usize, amount: Value },
    Extend { hold: usize, lasts: Lasts },
    Release { hold: usize },
    Refund { entry: usize, amount: Option<Value> },
    Mint(Mint),
    Change(Change),
    Revoke { node: usize, dry_run: bool, if_version: Option<u64>, if_descendants: Option<u64> },
    Freeze { node: usize },
    Unfreeze { node: usize },
    Rotate { node: usize, grace: Option<Lasts> },
    Restrict { node: usize, caveats: Vec<Caveat> },
    RotateRoot { grace: Option<Lasts>, revoke_before: Option<(usize, Timestamp)> },
    Verify { token: Caller, source_ip: Option<&'static str> },
    Own,
    One { node: usize },
    List,
    Tree { top: Option<usize> },
    Ledger { node: Option<usize> },
    Proof,
}

impl Action {
    /// Whether a token that was shown to a service, for a request there, may be used so.
    pub(crate) fn is_for_services(&self) -> bool {
        matches!(
            self,
            Self::Spend { .. }
                | Self::Batch { .. }
                | Self::Hold { .. }
                | Self::Capture { .. }
                | Self::Extend { .. }
                | Self::Release { .. }
                | Self::Restrict { .. }
                | Self::Verify { .. }
                | Self::Own
        )
    }
}

/// One debit of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) amount: Value,
    pub(crate) key: Option<String>,
    pub(crate) token: Option<Caller>,
}

/// A child to be minted; what is absent is inherited.
#[derive(Clone, Debug)]
pub(crate) struct Mint {
    pub(crate) parent: Option<usize>,
    pub(crate) label: String,
    pub(crate) budget: Value,
    pub(crate) carve: Option<bool>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) actions: Option<u8>,
    pub(crate) max_per_spend: Option<u64>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) max_depth: Option<u64>,
    pub(crate) cost_center: Option<String>,
    pub(crate) department: Option<String>,
}

/// New settings of a node; what is absent stays.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) node: usize,
    /// The version on which it is based; 0 is any, and absent is none.
    pub(crate) if_match: Option<u64>,
    pub(crate) label: Option<String>,
    pub(crate) budget: Option<Value>,
    /// `Some(None)`: none any more.
    pub(crate) max_per_spend: Option<Option<u64>>,
    pub(crate) limits: Option<Vec<Limit>>,
    /// `Some(None)`: none of its own.
    pub(crate) expiry: Option<Option<Expiry>>,
}

impl Lasts {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Brief => "1200ms",
            Self::Hour => "1h",
            Self::TwoHours => "2h",
            Self::Hostile(which) => ["0s", "soon", "-1h", "P1M", ""][which % 5],
        }
    }

    /// `None` where the text is no duration.
    pub(crate) fn duration(self) -> Option<SignedDuration> {
        match self {
            Self::Brief => Some(SignedDuration::from_millis(1_200)),
            Self::Hour => Some(SignedDuration::from_hours(1)),
            Self::TwoHours => Some(SignedDuration::from_hours(2)),
            Self::Hostile(_) => None,
        }
    }
}

impl Expiry {
    fn text(self) -> String {
        match self {
            Self::After(lasts) => lasts.text().to_owned(),
            Self::At(at) => at.to_string(),
        }
    }
}

impl Action {
    /// What kind it is, for the tally.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Spend { dry_run: true, .. } => "dry run",
            Self::Spend { .. } => "spend",
            Self::Batch { is_lines: true, .. } => "batch (lines)",
            Self::Batch { .. } => "batch",
            Self::Hold { .. } => "hold",
            Self::Capture { .. } => "capture",
            Self::Extend { .. } => "extend",
            Self::Release { .. } => "release",
            Self::Refund { .. } => "refund",
            Self::Mint(_) => "mint",
            Self::Change(_) => "change",
            Self::Revoke { dry_run: true, .. } => "preview",
            Self::Revoke { .. } => "revoke",
            Self::Freeze { .. } => "freeze",
            Self::Unfreeze { .. } => "unfreeze",
            Self::Rotate { .. } => "rotate",
            Self::Restrict { .. } => "restrict",
            Self::RotateRoot { .. } => "rotate root",
            Self::Verify { .. } => "verify",
            Self::Own => "self",
            Self::One { .. } => "one",
            Self::List => "list",
            Self::Tree { .. } => "tree",
            Self::Ledger { .. } => "ledger",
            Self::Proof => "proof",
        }
    }

    /// Whether another tenant's root token can only be told that there is no such thing.
    pub(crate) fn names_something(&self) -> bool {
        match self {
            Self::Mint(mint) => mint.parent.is_some(),
            Self::Spend { .. }
            | Self::Batch { .. }
            | Self::Hold { .. }
            | Self::RotateRoot { .. }
            | Self::Own
            | Self::List
            | Self::Proof => false,
            Self::Tree { top } => top.is_some(),
            Self::Ledger { node } => node.is_some(),
            _ => true,
        }
    }
}

const NO_SUCH_NODE: &str = "dlg_00000000000000000000000000";

impl World {
    fn node_id(&self, node: usize) -> &str {
        self.nodes.get(node).map_or(NO_SUCH_NODE, |node| &node.id)
    }

    fn hold_path(&self, hold: usize, verb: &str) -> String {
        let id = self.holds.get(hold).map_or("hold_00000000000000000000000000", |hold| &hold.id);
        format!("/hold/{id}/{verb}")
    }

    /// Method, path below the base, and body.
    pub(crate) fn request(&self, action: &Action) -> (Method, String, Option<Value>) {
        let post = |path: String, body: Value| (Method::POST, path, Some(body));
        let node_path = |node: &usize, verb: &str| format!("/delegation/{}/{verb}", self.node_id(*node));
        match action {
            Action::Spend { amount, dry_run: false } => {
                post("/spend".to_owned(), json!({ "amount_credits": amount }))
            }
            Action::Spend { amount, dry_run } => {
                post("/spend".to_owned(), json!({ "amount_credits": amount, "dry_run": dry_run }))
            }
            Action::Batch { items, .. } => {
                let items: Vec<_> = items.iter().map(|item| self.item_body(item)).collect();
                post("/spend/batch".to_owned(), json!({ "items": items }))
            }
            Action::Hold { amount, lasts } => {
                post("/hold".to_owned(), json!({ "amount_credits": amount, "expires_in": lasts.text() }))
            }
            Action::Capture { hold, amount } => {
                post(self.hold_path(*hold, "capture"), json!({ "amount_credits": amount }))
            }
            Action::Extend { hold, lasts } => {
                post(self.hold_path(*hold, "extend"), json!({ "expires_in": lasts.text() }))
            }
            Action::Release { hold } => post(self.hold_path(*hold, "release"), json!({})),
            Action::Refund { entry, amount } => {
                let id = self.entries.get(*entry).map_or("spd_00000000000000000000000000", |entry| &entry.id);
                let mut body = json!({ "reason": "model" });
                if let Some(amount) = amount {
                    body["amount_credits"] = amount.clone();
                }
                post(format!("/spend/{id}/refund"), body)
            }
            Action::Mint(mint) => post("/delegation".to_owned(), self.mint_body(mint)),
            Action::Change(change) => {
                let path = format!("/delegation/{}", self.node_id(change.node));
                (Method::PATCH, path, Some(change_body(change)))
            }
            Action::Revoke { node, dry_run, if_version, if_descendants } => {
                let mut body = json!({ "dry_run": dry_run });
                if let Some(version) = if_version {
                    body["if_version"] = json!(version);
                }
                if let Some(descendants) = if_descendants {
                    body["if_descendants"] = json!(descendants);
                }
                post(node_path(node, "revoke"), body)
            }
            Action::Freeze { node } => post(node_path(node, "freeze"), json!({})),
            Action::Unfreeze { node } => post(node_path(node, "unfreeze"), json!({})),
            Action::Rotate { node, grace } => post(node_path(node, "rotate"), grace_body(*grace)),
            Action::Restrict { node, caveats } => {
                post(node_path(node, "restrict"), json!({ "caveats": self.texts(caveats) }))
            }
            Action::RotateRoot { grace, revoke_before } => {
                let mut body = grace_body(*grace);
                if let Some((_, instant)) = revoke_before {
                    body["revoke_issued_before"] = json!(instant.to_string());
                }
                post("/root/rotate".to_owned(), body)
            }
            Action::Verify { token, source_ip } => {
                let mut body = json!({ "token": self.token_text(*token) });
                if let Some(address) = source_ip {
                    body["request"] = json!({ "source_ip": address });
                }
                post("/verify".to_owned(), body)
            }
            look => (Method::GET, self.look_path(look), None),
        }
    }

    fn look_path(&self, look: &Action) -> String {
        match look {
            Action::Own => "/delegation/self".to_owned(),
            Action::One { node } => format!("/delegation/{}", self.node_id(*node)),
            Action::List => "/delegation?limit=100".to_owned(),
            Action::Tree { top: None } => "/delegation/tree?depth=32".to_owned(),
            Action::Tree { top: Some(top) } => {
                format!("/delegation/tree?depth=32&root={}", self.node_id(*top))
            }
            Action::Ledger { node: None } => "/ledger?limit=100".to_owned(),
            Action::Ledger { node: Some(node) } => {
                format!("/ledger?limit=100&delegation_id={}", self.node_id(*node))
            }
            Action::Proof => "/ledger/proof".to_owned(),
            other => unreachable!("{other:?} is no look"),
        }
    }

    fn item_body(&self, item: &Item) -> Value {
        let mut body = json!({ "amount_credits": item.amount });
        if let Some(key) = &item.key {
            body["idempotency_key"] = json!(key);
        }
        if let Some(token) = item.token {
            body["token"] = json!(self.token_text(token));
        }
        body
    }

    fn mint_body(&self, mint: &Mint) -> Value {
        let mut body = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("parent_id", mint.parent.map(|parent| json!(self.node_id(parent))));
        set("label", Some(json!(mint.label)));
        set("budget_credits", Some(mint.budget.clone()));
        set("allocation", mint.carve.map(|carve| json!(if carve { "carve" } else { "cap" })));
        set("expiry", mint.expiry.map(|expiry| json!(expiry.text())));
        set("actions", mint.actions.map(|actions| json!(action_words(actions))));
        set("max_per_spend", mint.max_per_spend.map(|most| json!(most)));
        set("max_depth", mint.max_depth.map(|levels| json!(levels)));
        set("cost_center", mint.cost_center.as_ref().map(|text| json!(text)));
        set("department", mint.department.as_ref().map(|text| json!(text)));
        let limits: Vec<_> = mint.limits.iter().map(|limit| limit.json()).collect();
        set("limits", (!limits.is_empty()).then_some(json!(limits)));
        Value::Object(body)
    }

    /// The text of a token, good or not.
    pub(crate) fn token_text(&self, caller: Caller) -> String {
        match caller {
            Caller::Token(token) => self.tokens[token].text.clone(),
            Caller::OtherTenant => self.strangers[0].clone(),
            Caller::Tampered => self.strangers[1].clone(),
            Caller::Session | Caller::Nobody | Caller::Malformed => "sgt_nonsense".to_owned(),
        }
    }
}

fn grace_body(grace: Option<Lasts>) -> Value {
    grace.map_or_else(|| json!({}), |grace| json!({ "grace": grace.text() }))
}

fn change_body(change: &Change) -> Value {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    set("label", change.label.as_ref().map(|label| json!(label)));
    set("budget_credits", change.budget.clone());
    set("max_per_spend", change.max_per_spend.map(|most| json!(most)));
    let limits = |limits: &Vec<Limit>| limits.iter().map(|limit| limit.json()).collect();
    set("limits", change.limits.as_ref().map(limits));
    set("expiry", change.expiry.map(|expiry| json!(expiry.map(Expiry::text))));
    Value::Object(body)
}

impl Limit {
    pub(crate) fn json(self) -> Value {
        json!({ "per": self.per.word(), "credits": self.credits })
    }
}
