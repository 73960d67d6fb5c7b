//! The use cases of Subgrant: lock, read, plan, apply, commit.
//!
//! Invariants: every write takes the tenant's lock before it reads what it decides on; the planner in
//! `subgrant-domain` is the only rule book; a write, its idempotency record and its audit entry commit together or not
//! at all; debits of a tenant go through one queue per process, and the lock makes several processes safe together.
//!
//! Deliberately absent: HTTP. Callers may be handlers, background work or a command line.

mod acceptance;
mod access;
mod adoption;
mod alert;
mod app;
mod attempts;
mod audit;
mod authorize;
pub mod background;
mod caller;
mod chain;
mod confirmation;
mod credential;
mod delegation;
mod device;
mod engine;
mod event;
mod export;
mod exports;
mod focus;
mod freeze;
mod hold;
mod hold_list;
mod idempotency;
mod invitation;
mod issued;
mod known;
mod ledger;
mod list;
mod locked;
mod master_key;
mod metrics;
mod mint;
mod outbox;
mod password;
mod people;
mod period;
mod prices;
mod proof;
mod readiness;
mod receipt;
mod reissue;
mod report;
mod reset;
mod resource_server;
mod revoke;
mod root_token;
mod rotate;
mod secret;
mod service_key;
mod session;
mod sessions;
mod settings;
mod sign_in;
mod signup;
mod spend;
mod tree;
mod update;
mod usage;
mod verify;
mod view;
mod webhook;
mod window_counters;

pub use acceptance::{Acceptance, Accepting};
pub use access::{AccessError, BlockedAt, Principal, Via};
pub use alert::{AlertError, AlertPage, AlertView, NewAlert};
pub use app::{App, AppOptions, ServiceError};
pub use attempts::AttemptLimits;
pub use audit::AuditPage;
pub use authorize::{AtGateway, Authorization, AuthorizeError, ForwardedRequest, GatewayError, ShownToken};
pub use caller::Caller;
pub use confirmation::ConfirmationSecret;
pub use credential::CredentialError;
pub use engine::{EngineError, TRACES};
pub use event::{
    Delivery, EventContent, EventView, FeedCursor, FeedError, Revocation, RevocationDelivery, RevocationKind,
    RevocationPage, SpentBy, Start, SubscribeError,
};
pub use export::{ExportError, ExportPiece, LedgerExport};
pub use exports::ExportsBusy;
pub use focus::{Charge, ChargeKind, FocusError, FocusExport};
pub use freeze::{Freeze, FreezeError};
pub use hold_list::{HoldListRequest, HoldPage};
pub use idempotency::{IdempotencyKey, Outcome};
pub use invitation::{InvitationSecret, Invited};
pub use issued::IssuedToken;
pub use known::KnownToken;
pub use ledger::{LedgerPage, LedgerRequest};
pub use list::{DelegationPage, ListError, ListRequest, With};
pub use master_key::{MasterKey, MasterKeyError};
pub use metrics::{COMPLETED, FAILED, GIVEN_UP, Metrics, PUT_OFF, SENT};
pub use mint::{ExpiryRequest, MintError, MintRequest, Minted};
pub use outbox::{Mail, MailRoute, Outgoing};
pub use password::HashingOptions;
pub use people::{CreatedMember, MemberPage, NewMember, PeopleError};
pub use period::{Closing, PeriodChange, PeriodError, PeriodPage, PeriodView};
pub use prices::{CheaperCatchAll, cheaper_catch_alls};
pub use proof::{CheckedNodes, Fault, Proof, ProofFrom};
pub use readiness::Readiness;
pub use receipt::{HoldReceipt, SpendError, SpendReceipt};
pub use report::{
    Bound, BudgetGroup, BudgetLine, BudgetOwner, BudgetReport, BudgetReportRequest, BudgetSums, Forecast,
    ForecastReason, GroupBy, MAX_INTERVALS, ReportError, ReportLine, RollupCheck, RollupDifference, RunOutAt,
    SpendReport, SpendReportRequest,
};
pub use reset::{ResetAcceptance, ResetError, ResetSecret};
pub use resource_server::{RegisterError, RegisteredServer, ResourceServer};
pub use revoke::{RevokeError, RevokeReceipt, RevokeRequest};
pub use root_token::{RotateError, RotateRequest, RotatedRoot};
pub use rotate::{RestrictError, RotateDelegationError, RotatedDelegation};
pub use session::{Browser, Membership, Opened, SessionSecret, SignedIn};
pub use settings::{SettingsChange, TenantView};
pub use sign_in::{SignInError, SwitchError};
pub use signup::{SignedUp, SignupError, SignupRequest};
pub use spend::{BatchSpend, SpendRequest};
pub use subgrant_store::{
    Order,
    alerts::Threshold,
    audit::{AuditFilter, Recorded},
    delegations::StatusFilter,
    holds::{HoldEntry, HoldStatus, Note as HoldNote},
    outbox::{Item as OutboxItem, Kind as OutboxKind, Lane as OutboxLane},
    people::{Invitation, Member},
    revocations::Replaced,
    service_routes::PricedRoute,
    sessions::Session,
    settings::Settings,
    webhooks::{Delivery as WebhookDelivery, DeliveryStatus, Webhook},
};
pub use tree::Branch;
pub use update::{Effects, UpdateError, UpdateRequest, Updated};
pub use usage::{Asked, Usage};
pub use verify::{Verification, VerifyRequest};
pub use view::{DelegationView, LimitUse};
pub use webhook::{
    Call, CallOutcome, CreatedWebhook, DeliveryPage, NewWebhook, WEBHOOK_EVENTS, WebhookError,
};
