//! What a request costs, as its route tells.

use axum::http::Method;

use super::rates::Limit;

/// Requests that are limited together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Health: never limited.
    Exempt,
    /// What needs no credential and costs next to nothing.
    Open,
    /// What strangers have hashed.
    SignUp,
    /// Signing in.
    Session,
    /// Mail that strangers ask for.
    Reset,
    /// Money that moves, and whether a token is good.
    Spend,
    /// Looking.
    Read,
    /// Everything else that changes something.
    Write,
    /// Reports.
    Report,
    /// Exports and proofs.
    Export,
    /// Mail, webhooks and passwords of members.
    Mail,
}

impl Class {
    /// Of a route by its template; `None`: of none of the API's.
    pub(super) fn of(method: &Method, template: Option<&str>) -> Self {
        let Some(template) = template else { return Self::Open };
        let Some(path) = template.strip_prefix("/api/cloud") else {
            return if matches!(template, "/livez" | "/readyz" | "/metrics") {
                Self::Exempt
            } else {
                Self::Open
            };
        };
        let reads = method.is_safe();
        match path {
            "/spend" | "/spend/batch" | "/spend/{id}/refund" if !reads => Self::Spend,
            "/hold" | "/hold/{id}/capture" | "/hold/{id}/extend" | "/hold/{id}/release" if !reads => {
                Self::Spend
            }
            // As often as there are requests at a resource server.
            "/verify" => Self::Spend,
            _ if path.starts_with("/authorize/") => Self::Spend,
            "/signup" | "/invite/accept" | "/password/reset/accept" => Self::SignUp,
            "/session" if *method == Method::POST => Self::Session,
            "/password/reset" => Self::Reset,
            "/report/spend" | "/report/budget" | "/report/forecast" => Self::Report,
            "/ledger/export" | "/ledger/proof" | "/export/focus" => Self::Export,
            "/invite" | "/user" | "/password" | "/email/confirm" | "/webhook/{id}/test" if !reads => {
                Self::Mail
            }
            "/openapi.json" | "/docs" | "/config" => Self::Open,
            _ if reads => Self::Read,
            _ => Self::Write,
        }
    }

    /// What strangers do is limited by their address.
    pub(super) fn of_address(self) -> Option<Limit> {
        match self {
            Self::SignUp => Some(Limit::AddressSignups),
            Self::Session => Some(Limit::AddressSessions),
            Self::Reset => Some(Limit::AddressMails),
            _ => None,
        }
    }

    /// What is done with a credential is limited by token and tenant.
    pub(super) fn of_credential(self) -> (Option<Limit>, Option<Limit>) {
        match self {
            Self::Spend => (Some(Limit::TokenSpends), Some(Limit::TenantSpends)),
            Self::Read => (Some(Limit::TokenReads), Some(Limit::TenantReads)),
            Self::Write => (Some(Limit::TokenWrites), Some(Limit::TenantWrites)),
            Self::Report => (None, Some(Limit::TenantReports)),
            Self::Export => (None, Some(Limit::TenantExports)),
            Self::Mail => (None, Some(Limit::TenantMails)),
            Self::Exempt | Self::Open | Self::SignUp | Self::Session | Self::Reset => (None, None),
        }
    }

    /// Whether it takes a credential.
    pub(super) fn needs_credential(self) -> bool {
        self.of_credential() != (None, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::openapi;

    #[test]
    fn every_call_that_needs_a_credential_is_limited_by_tenant() {
        let document = serde_json::to_value(openapi::document()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (name, operation) in item.as_object().unwrap() {
                let Ok(method) = Method::from_bytes(name.to_uppercase().as_bytes()) else { continue };
                let class = Class::of(&method, Some(path));
                let is_secured = operation["security"].as_array().is_some_and(|needs| !needs.is_empty());
                assert!(!is_secured || class.of_credential().1.is_some(), "{name} {path} is {class:?}");
                let is_limited = class.needs_credential() || class.of_address().is_some();
                let is_free = matches!(class, Class::Exempt | Class::Open) && *name == "get";
                assert!(is_limited || is_free, "{name} {path} is {class:?}");
            }
        }
    }
}
