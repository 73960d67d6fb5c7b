//! Tenants and their root tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new organisation and its owner.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "organization": "Acme", "email": "owner@acme.example", "password": "correct horse battery staple"
}))]
pub struct SignUp {
    /// The organisation's name.
    pub organization: String,
    /// The owner's address.
    pub email: String,
    /// 8–1,024 bytes.
    pub password: String,
}

/// A tenant with its owner. The root token is shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SignedUp {
    /// The tenant.
    pub tenant: Tenant,
    /// The owner.
    pub user: User,
    /// The root token: unlimited, for administration only.
    pub root_token: String,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// `ten_…`.
    #[schema(example = "ten_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// Its name.
    pub organization: String,
    /// The root of its tree: `dlg_…`.
    pub root_delegation_id: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// An organisation with what its people can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "ten_01kaq2v0j8e4kbhgdw2n4cmxf1", "organization": "Acme",
    "root_delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf2", "created_at": "2026-11-27T09:28:11.204511Z",
    "time_zone": "Europe/Berlin", "currency": "EUR", "credit_price": "0.01"
}))]
pub struct TenantSettings {
    /// Name, root, and since when.
    #[serde(flatten)]
    pub tenant: Tenant,
    /// In which days, weeks and months begin: a name of the IANA time zone database.
    pub time_zone: String,
    /// In which credits are priced: an ISO 4217 code.
    pub currency: String,
    /// What one credit costs: a decimal number, as text so that nothing rounds it.
    pub credit_price: String,
}

/// What to set; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"time_zone": "Europe/Berlin", "currency": "EUR", "credit_price": "0.01"}))]
pub struct UpdateTenant {
    /// The organisation's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// A name of the IANA time zone database, such as `Europe/Berlin`. Days, weeks and months begin by it at once, in
    /// reports and in window limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// An ISO 4217 code, such as `EUR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Above 0 and up to 1000000, with up to 12 decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_price: Option<String>,
}

/// A person who signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// `usr_…`.
    #[schema(example = "usr_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// In lower case.
    pub email: String,
    /// owner, admin, finance or viewer.
    pub role: String,
}

/// How to replace the root token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"grace": "1h"}))]
pub struct RotateRoot {
    /// How long the old root token stays good, as a duration; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// Refuse every token of the tenant that was issued before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_issued_before: Option<String>,
}

/// A new root token, shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RotatedRoot {
    /// The new root token.
    pub root_token: String,
    /// Until when the old root tokens are good.
    pub previous_valid_until: String,
}

/// Who signs in.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "owner@acme.example", "password": "correct horse battery staple"}))]
pub struct SignIn {
    /// The address.
    pub email: String,
    /// The password.
    pub password: String,
    /// `ten_…` of the organisation to sign in to; absent: the one that the account has belonged to for longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
}

/// Where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tenant_id": "ten_01kaq2v0j8e4kbhgdw2n4cmxf1"}))]
pub struct SwitchTenant {
    /// `ten_…` of an organisation that the account belongs to.
    pub tenant_id: String,
}

/// An organisation that an account belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// `ten_…`.
    pub tenant_id: String,
    /// The organisation's name.
    pub organization: String,
    /// owner, admin, finance or viewer.
    pub role: String,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The tenant.
    pub tenant: Tenant,
    /// The user.
    pub user: User,
    /// Whether the person has confirmed the address by mail.
    pub email_confirmed: bool,
    /// The organisations that the account belongs to, this one included.
    pub tenants: Vec<Membership>,
}
