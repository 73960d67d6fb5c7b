//! What requests at a service cost.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The price of some routes of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"route": "/v1/reports/*", "method": "GET,HEAD", "price_credits": 5, "price_sats": 20}))]
pub struct PricedRoute {
    /// Paths, as in the caveat `route`: a path, or with `*` at its end all that begin so; several with commas. Case and a slash
    /// at the end are compared exactly; `:@!$&'()*+,=` mean the same escaped and not.
    pub route: String,
    /// HTTP methods, as in the caveat `method`, such as `GET,POST`; absent: all. `HEAD` costs what `GET` costs, unless an
    /// earlier route names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What a request costs; 0: nothing, but it takes a good token.
    #[serde(deserialize_with = "crate::number::whole")]
    pub price_credits: u64,
    /// What it costs for whoever pays in sats; absent: it cannot be had for sats.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    #[schema(minimum = 1)]
    pub price_sats: Option<u64>,
}

/// What requests at a service cost, all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "service_id": "svc_01kaq2v0j8e4kbhgdw2n4cmxf1",
    "routes": [{"route": "/v1/reports/*", "method": "GET", "price_credits": 5, "price_sats": 20}]
}))]
pub struct ServiceRoutes {
    /// `svc_…`.
    pub service_id: String,
    /// At most 200. The first one that matches a request decides; what none matches is refused.
    #[serde(deserialize_with = "crate::object::list")]
    pub routes: Vec<PricedRoute>,
}

/// What requests at a service cost from now on, and what is doubtful about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "service_id": "svc_01kaq2v0j8e4kbhgdw2n4cmxf1",
    "routes": [
        {"route": "/v1/models/gpt:generate", "price_credits": 50},
        {"route": "/v1/*", "price_credits": 1}
    ],
    "warnings": [{
        "pointer": "/routes/1",
        "code": "cheaper_catch_all",
        "detail": "costs less than /routes/0, whose paths it takes in: one that is spelled differently, such as in other case or \
                   with a slash at the end, has the lower price"
    }]
}))]
pub struct ReplacedRoutes {
    /// `svc_…`.
    pub service_id: String,
    /// In the order in which they are tried.
    pub routes: Vec<PricedRoute>,
    /// What is probably not meant so. It counts all the same. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<RouteWarning>,
}

/// Something about a price that is probably not meant so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteWarning {
    /// Which route, as a JSON pointer into the answer.
    pub pointer: String,
    /// `cheaper_catch_all`: the route takes in paths of one that costs more.
    pub code: String,
    /// In words.
    pub detail: String,
}
