//! Members and invitations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a member may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything; only owners make, change and remove owners.
    Owner,
    /// Manages delegations and every member but the owners.
    Admin,
    /// Reads everything.
    Finance,
    /// Reads everything.
    #[default]
    Viewer,
}

/// A member of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// `usr_…`.
    #[schema(example = "usr_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// In lower case.
    pub email: String,
    /// What the member may do.
    pub role: Role,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberList {
    /// Oldest first.
    pub data: Vec<Member>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}

/// Somebody who becomes a member at once. To let people choose their own password, invite them.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ann@acme.example", "role": "viewer", "password": "correct horse battery staple"}))]
pub struct CreateUser {
    /// The address; no other member may have it.
    pub email: String,
    /// What the member may do.
    pub role: Role,
    /// 8–1,024 bytes; absent: one is made up and shown in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A new member.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedUser {
    /// The member.
    #[serde(flatten)]
    pub member: Member,
    /// The password that was made up, shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// The sessions of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// Newest first.
    pub data: Vec<OpenSession>,
}

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "ses_01kaq2v0j8e4kbhgdw2n4cmxf1", "current": true, "created_at": "2026-11-27T09:28:11.204511Z",
    "expires_at": "2026-11-27T21:28:11.204511Z", "source_ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)"
}))]
pub struct OpenSession {
    /// `ses_…`: no secret.
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When it was opened: RFC 3339, UTC.
    pub created_at: String,
    /// When it ends by itself: RFC 3339, UTC.
    pub expires_at: String,
    /// From where it was opened.
    pub source_ip: Option<String>,
    /// What the browser called itself.
    pub user_agent: Option<String>,
}

/// How a member changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "admin"}))]
pub struct UpdateUser {
    /// What the member may do from now on.
    pub role: Role,
}

/// Somebody who is invited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ann@acme.example", "role": "viewer"}))]
pub struct CreateInvitation {
    /// The address.
    pub email: String,
    /// What the person will be allowed to do.
    pub role: Role,
}

/// An invitation. Its token is shown once, and is for the invited person alone.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// The id that the person will have: `usr_…`.
    pub id: String,
    /// The address.
    pub email: String,
    /// What the person will be allowed to do.
    pub role: Role,
    /// What the person accepts the invitation with, once.
    pub token: String,
    /// Until when.
    pub expires_at: String,
    /// Whether the person is sent a mail with the token: where a mail server is configured and your own address is confirmed. Where
    /// not, hand it over yourself.
    #[serde(default)]
    pub mailed: bool,
}

/// The invitations that nobody has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationList {
    /// Newest first.
    pub data: Vec<OpenInvitation>,
}

/// An invitation that can still be accepted. Its token was shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "usr_01kaq2v0j8e4kbhgdw2n4cmxf1", "email": "ann@acme.example", "role": "viewer",
    "created_at": "2026-11-27T09:28:11.204511Z", "expires_at": "2026-12-04T09:28:11.204511Z"
}))]
pub struct OpenInvitation {
    /// The id that the person will have: `usr_…`.
    pub id: String,
    /// The address.
    pub email: String,
    /// What the person will be allowed to do.
    pub role: Role,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Until when it can be accepted.
    pub expires_at: String,
}

/// Accepts an invitation.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "inv_01kaq2….9f2c…", "password": "correct horse battery staple"}))]
pub struct AcceptInvitation {
    /// The invitation's token.
    pub token: String,
    /// The password of an account that the address has, or the one that the person chooses: 8–1,024 bytes. Without it, the account
    /// that is signed in accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Replaces the password of whoever is signed in.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"current_password": "correct horse battery staple", "new_password": "other horse, other staple"}))]
pub struct ChangePassword {
    /// The password until now.
    pub current_password: String,
    /// 8–1,024 bytes.
    pub new_password: String,
}

/// Asks for a mail with which a new password can be set.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ann@acme.example"}))]
pub struct RequestPasswordReset {
    /// The account's address.
    pub email: String,
}

/// Sets a new password with what was mailed.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "rst_01kaq2….9f2c…", "password": "correct horse battery staple"}))]
pub struct AcceptPasswordReset {
    /// What the mail's link carries after `#token=`.
    pub token: String,
    /// 8–1,024 bytes.
    pub password: String,
}

/// Asks for a mail with which the own address is confirmed. It has no fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestEmailConfirmation {}

/// Confirms an address.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "eml_0195….9f2c…"}))]
pub struct ConfirmEmail {
    /// What the mail's link carries after `#token=`.
    pub token: String,
}
