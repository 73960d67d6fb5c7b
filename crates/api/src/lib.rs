//! The wire types of Subgrant's HTTP API, shared by the server and the Rust client.
//!
//! Invariants: what is written here is what goes over the wire, field for field; unknown fields of requests are
//! refused; amounts are JSON integers.
//!
//! Deliberately absent: rules. A request that has the right shape may still be refused.

mod alert;
mod audit;
mod budget;
mod config;
mod delegation;
mod event;
mod export;
mod hold;
mod ledger;
mod metadata;
mod number;
mod object;
mod order;
mod people;
mod period;
mod problem;
mod report;
mod revocation;
mod route;
mod service;
mod spend;
mod tenant;
mod verify;
mod webhook;

pub use alert::{Alert, AlertKind, AlertList, CreateAlert};
pub use audit::{AuditEntry, AuditList};
pub use budget::{
    BudgetGroup, BudgetLine, BudgetReport, DailyCredits, DaySpent, Forecast, ForecastBasis, ForecastReason,
    RunOut,
};
pub use config::Configuration;
pub use delegation::{
    Action, Allocation, ChangeEffects, CreateDelegation, CreatedDelegation, Delegation, DelegationList,
    DelegationTree, FreezeDelegation, IssuedToken, IssuedTokenList, Limit, LimitState, Period,
    RestrictDelegation, RestrictedDelegation, Revocation, RevokeDelegation, RotateDelegation,
    RotatedDelegation, Status, UpdateDelegation, UpdatedDelegation,
};
pub use event::{
    AdoptedFacts, ClosedFacts, CreatedFacts, Event, EventBody, FrozenFacts, HoldFacts, NoFacts, RevokedFacts,
    RotatedFacts, SpentBy, SummaryFacts, UserFacts,
};
pub use export::{ExportDelegation, ExportEnd, ExportEntry, ExportHeader, ExportLine, LEDGER_FORMAT};
pub use hold::{CaptureHold, CreateHold, ExtendHold, Hold, HoldList, HoldStatus, ListedHold, ReleaseHold};
pub use ledger::{EntryKind, Identities, LedgerEntry, LedgerFault, LedgerList, LedgerProof, LedgerStretch};
pub use metadata::{Metadata, canonical};
pub use object::Object;
pub use order::Order;
pub use people::{
    AcceptInvitation, AcceptPasswordReset, ChangePassword, ConfirmEmail, CreateInvitation, CreateUser,
    CreatedUser, Invitation, InvitationList, Member, MemberList, OpenInvitation, OpenSession,
    RequestEmailConfirmation, RequestPasswordReset, Role, SessionList, UpdateUser,
};
pub use period::{AccountingPeriod, AccountingPeriodList, ChangePeriod, PeriodStatus};
pub use problem::{FieldError, Problem};
pub use report::{SpendReport, SpendReportLine, SpendSums};
pub use revocation::{ReplacedToken, RevocationEntry, RevocationFeed, RevocationKind};
pub use route::{PricedRoute, ReplacedRoutes, RouteWarning, ServiceRoutes};
pub use service::{CreateService, CreatedService, Service, ServiceList};
pub use spend::{BatchItem, BatchOutcome, CreateSpend, RefundSpend, Spend, SpendBatch, SpendBatchResult};
pub use tenant::{
    Membership, RotateRoot, RotatedRoot, Session, SignIn, SignUp, SignedUp, SwitchTenant, Tenant,
    TenantSettings, UpdateTenant, User,
};
pub use verify::{RequestToVerify, Verification, VerifyToken};
pub use webhook::{
    CreateWebhook, CreatedWebhook, DeliveryStatus, LastDelivery, TestWebhook, Webhook, WebhookDelivery,
    WebhookDeliveryList, WebhookEvent, WebhookList,
};
