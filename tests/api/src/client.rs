//! A small client that keeps status, headers and body.

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

/// A client of one server, with or without a token.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    /// `http://127.0.0.1:<port>`.
    pub origin: String,
    token: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The JSON body; `null` where there is none.
    pub body: Value,
}

impl Api {
    /// A client without a token.
    pub fn new(origin: String) -> Self {
        Self { http: reqwest::Client::new(), origin, token: None }
    }

    /// The same client with a bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The bearer token, if the client has one.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request below `/api/cloud`, with the client's token, that can still be changed.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/cloud{path}", self.origin));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request to a path of the whole server, without the client's token.
    pub fn request_at(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin))
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    /// `POST` of a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(Method::POST, path).json(body)).await
    }

    /// `POST` of a JSON body with an idempotency key.
    pub async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Reply {
        Reply::of(self.request(Method::POST, path).header("Idempotency-Key", key).json(body)).await
    }

    /// Mints a child of the token's own node and returns the reply; the caller checks it.
    pub async fn mint(&self, label: &str, budget: u64) -> Reply {
        self.post("/delegation", &json!({ "label": label, "budget_credits": budget })).await
    }

    /// Mints a child that must succeed, and returns a client with its token, and its id.
    pub async fn child(&self, label: &str, budget: u64) -> (Self, String) {
        let reply = self.mint(label, budget).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        (self.with_token(&reply.text("/token")), reply.text("/id"))
    }

    /// Spends from the token's own node.
    pub async fn spend(&self, amount: u64) -> Reply {
        self.post("/spend", &json!({ "amount_credits": amount })).await
    }

    /// Holds credits of the token's own node for some time, such as `5m`.
    pub async fn hold(&self, amount: u64, expires_in: &str) -> Reply {
        self.post("/hold", &json!({ "amount_credits": amount, "expires_in": expires_in })).await
    }

    /// Makes a hold that must succeed and outlasts the test, and returns its id.
    pub async fn held(&self, amount: u64) -> String {
        let reply = self.hold(amount, "1h").await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.text("/id")
    }

    /// Captures a hold.
    pub async fn capture(&self, hold: &str, amount: u64) -> Reply {
        self.post(&format!("/hold/{hold}/capture"), &json!({ "amount_credits": amount })).await
    }

    /// Does what a path ending says to a delegation: `revoke`, `freeze`, `unfreeze`.
    pub async fn act(&self, delegation: &str, verb: &str) -> Reply {
        self.post(&format!("/delegation/{delegation}/{verb}"), &json!({})).await
    }

    /// Changes a delegation's settings, whatever its version.
    pub async fn update(&self, delegation: &str, body: &Value) -> Reply {
        self.update_if(delegation, "*", body).await
    }

    /// Changes a delegation's settings on a condition.
    pub async fn update_if(&self, delegation: &str, if_match: &str, body: &Value) -> Reply {
        let request = self.request(Method::PATCH, &format!("/delegation/{delegation}"));
        Reply::of(request.header("If-Match", if_match).json(body)).await
    }

    /// Gives a spend back, wholly or in part.
    pub async fn refund(&self, spend: &str, amount: Option<u64>) -> Reply {
        let body = match amount {
            Some(amount) => json!({ "amount_credits": amount, "reason": "test" }),
            None => json!({ "reason": "test" }),
        };
        self.post(&format!("/spend/{spend}/refund"), &body).await
    }

    /// What the token's own node has spent, held, set aside for children, and available.
    pub async fn balances(&self) -> Value {
        let own = self.get("/delegation/self").await;
        assert_eq!(own.status, 200, "{}", own.body);
        let fields = ["spent_credits", "held_credits", "reserved_for_children_credits", "available_credits"];
        json!(fields.map(|field| &own.body[field]))
    }
}

impl Reply {
    /// Sends a request and reads the answer.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("the answer arrives whole");
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self { status, headers, body }
    }

    /// A text in the body, by JSON pointer.
    pub fn text(&self, pointer: &str) -> String {
        let value = self.body.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no text at {pointer} in {}", self.body)).to_owned()
    }

    /// A whole number in the body, by JSON pointer.
    pub fn number(&self, pointer: &str) -> u64 {
        let value = self.body.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("no number at {pointer} in {}", self.body))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The problem's code; empty where the body is no problem.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Status and code at once.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}
