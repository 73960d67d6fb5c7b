//! A month's charges as a table of the FinOps Open Cost and Usage Specification, version 1.2
//! (<https://focus.finops.org/focus-specification/v1-2/>).

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::json;
use subgrant_domain::AttributeText;
use subgrant_service::{Charge, ChargeKind, FocusExport, ServiceError};

use crate::{
    http::Pieces,
    table::{inert, rows},
};

/// The specification's version.
pub(crate) const VERSION: &str = "1.2";

/// What sells the credits, makes the service and issues what would be an invoice.
const PROVIDER: &str = "Subgrant";

/// The unit in which everything is measured and priced: a virtual currency.
const UNIT: &str = "Credits";

/// The one thing that has a price.
const SKU: &str = "credit";

/// What a charge says in a column.
type Cell = for<'a> fn(&'a Cells<'_>) -> Cow<'a, str>;

/// For what does not apply to delegated spending.
const NOTHING: Cell = |_| Cow::Borrowed("");

const COST: Cell = |cells| Cow::Borrowed(&cells.cost);
const PRICE: Cell = |cells| Cow::Borrowed(&cells.price);
const QUANTITY: Cell = |cells| Cow::Borrowed(&cells.quantity);
const ONE: Cell = |_| Cow::Borrowed("1.0");
const CREDITS: Cell = |_| Cow::Borrowed(UNIT);
const SUBGRANT: Cell = |_| Cow::Borrowed(PROVIDER);
const CREDIT: Cell = |_| Cow::Borrowed(SKU);
const COST_CENTER: Cell = |cells| attribute(cells.charge.cost_center.as_ref());
const DEPARTMENT: Cell = |cells| attribute(cells.charge.department.as_ref());

/// Every column of the specification in its order, then our own.
const COLUMNS: [(&str, Cell); 59] = [
    ("AvailabilityZone", NOTHING),
    ("BilledCost", COST),
    ("BillingAccountId", |cells| cells.export.tenant.to_string().into()),
    ("BillingAccountName", |cells| inert(cells.export.settings.organization.as_str()).into()),
    ("BillingAccountType", |_| "Organization".into()),
    ("BillingCurrency", |cells| cells.export.settings.currency.code().into()),
    ("BillingPeriodEnd", |cells| instant(cells.export.ends_at)),
    ("BillingPeriodStart", |cells| instant(cells.export.starts_at)),
    ("CapacityReservationId", NOTHING),
    ("CapacityReservationStatus", NOTHING),
    ("ChargeCategory", |_| "Usage".into()),
    // Null for a correction within the current billing period: so says version 1.2, where a quantity may be negative.
    ("ChargeClass", |cells| {
        if cells.charge.kind == ChargeKind::Correction { "Correction" } else { "" }.into()
    }),
    ("ChargeDescription", |cells| description(cells.charge.kind).into()),
    ("ChargeFrequency", |_| "Usage-Based".into()),
    ("ChargePeriodEnd", |cells| instant(cells.charge.ends_at)),
    ("ChargePeriodStart", |cells| instant(cells.charge.starts_at)),
    ("CommitmentDiscountCategory", NOTHING),
    ("CommitmentDiscountId", NOTHING),
    ("CommitmentDiscountName", NOTHING),
    ("CommitmentDiscountQuantity", NOTHING),
    ("CommitmentDiscountStatus", NOTHING),
    ("CommitmentDiscountType", NOTHING),
    ("CommitmentDiscountUnit", NOTHING),
    ("ConsumedQuantity", QUANTITY),
    ("ConsumedUnit", CREDITS),
    ("ContractedCost", COST),
    ("ContractedUnitPrice", PRICE),
    ("EffectiveCost", COST),
    ("InvoiceId", NOTHING),
    ("InvoiceIssuerName", SUBGRANT),
    ("ListCost", COST),
    ("ListUnitPrice", PRICE),
    ("PricingCategory", |_| "Standard".into()),
    ("PricingCurrency", CREDITS),
    ("PricingCurrencyContractedUnitPrice", ONE),
    ("PricingCurrencyEffectiveCost", QUANTITY),
    ("PricingCurrencyListUnitPrice", ONE),
    ("PricingQuantity", QUANTITY),
    ("PricingUnit", CREDITS),
    ("ProviderName", SUBGRANT),
    ("PublisherName", SUBGRANT),
    ("RegionId", NOTHING),
    ("RegionName", NOTHING),
    ("ResourceId", |cells| cells.charge.delegation.to_string().into()),
    ("ResourceName", |cells| inert(&cells.charge.label).into()),
    ("ResourceType", |_| "Delegation".into()),
    ("ServiceCategory", |_| "Other".into()),
    ("ServiceName", |_| "Delegated spending".into()),
    ("ServiceSubcategory", |_| "Other (Other)".into()),
    ("SkuId", CREDIT),
    ("SkuMeter", |_| "Credits spent".into()),
    ("SkuPriceDetails", NOTHING),
    ("SkuPriceId", CREDIT),
    ("SubAccountId", COST_CENTER),
    ("SubAccountName", COST_CENTER),
    ("SubAccountType", |cells| if cells.charge.cost_center.is_some() { "Cost center" } else { "" }.into()),
    ("Tags", |cells| tags(cells.charge).into()),
    ("x_CostCenter", COST_CENTER),
    ("x_Department", DEPARTMENT),
];

/// The rows of an export, many at a time.
pub(crate) struct FocusTable {
    export: FocusExport,
    has_begun: bool,
}

impl FocusTable {
    pub(crate) fn of(export: FocusExport) -> Self {
        Self { export, has_begun: false }
    }
}

impl Pieces for FocusTable {
    async fn next(&mut self) -> Result<Option<String>, ServiceError> {
        if !self.has_begun {
            self.has_begun = true;
            return Ok(Some(rows([COLUMNS.map(|(name, _)| name)])));
        }
        let Some(charges) = self.export.next().await? else { return Ok(None) };
        let cells: Vec<_> = charges.iter().map(|charge| Cells::of(&self.export, charge)).collect();
        Ok(Some(rows(cells.iter().map(Cells::row))))
    }
}

/// A charge, with what several columns say of it.
struct Cells<'e> {
    export: &'e FocusExport,
    charge: &'e Charge,
    quantity: String,
    price: String,
    cost: String,
}

impl<'e> Cells<'e> {
    fn of(export: &'e FocusExport, charge: &'e Charge) -> Self {
        let price = export.settings.credit_price;
        Self {
            export,
            charge,
            quantity: decimal(charge.credits.to_string()),
            price: decimal(price.to_string()),
            cost: decimal(price.cost_of(charge.credits)),
        }
    }

    fn row(&self) -> Vec<Cow<'_, str>> {
        COLUMNS.iter().map(|(_, cell)| cell(self)).collect()
    }
}

/// With a point, from which readers tell that a column is one of decimals even where all of its numbers are whole.
fn decimal(number: String) -> String {
    if number.contains('.') { number } else { number + ".0" }
}

fn attribute(text: Option<&AttributeText>) -> Cow<'_, str> {
    text.map(|text| inert(text.as_str())).unwrap_or_default().into()
}

fn description(kind: ChargeKind) -> &'static str {
    match kind {
        ChargeKind::Usage => "Credits spent",
        ChargeKind::Refund => "Credits given back",
        ChargeKind::Correction => "Credits given back of an earlier month",
    }
}

/// The attributes as they were set; a JSON object is no formula.
fn tags(charge: &Charge) -> String {
    let texts = [("cost_center", &charge.cost_center), ("department", &charge.department)];
    let tags: serde_json::Map<_, _> = texts
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?.as_str()))))
        .collect();
    if tags.is_empty() { String::new() } else { serde_json::Value::Object(tags).to_string() }
}

/// To the second, as the specification has it: days begin at whole ones.
fn instant(at: Timestamp) -> Cow<'static, str> {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}
