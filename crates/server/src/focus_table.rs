//! A month's charges as a table of the FinOps Open Cost and Usage Specification, version 1.2
//! (<https://focus.finops.org/focus-specification/v1-2/>).

use jiff::Timestamp;
use serde_json::json;
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

/// Every column of the specification in its order, then our own.
const COLUMNS: [&str; 59] = [
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_CostCenter",
    "x_Department",
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
            return Ok(Some(rows(std::iter::once(COLUMNS))));
        }
        let charges = self.export.next().await?;
        Ok(charges.map(|charges| rows(charges.iter().map(|charge| row(&self.export, charge)))))
    }
}

/// What a charge says in every column; nothing where a column does not apply.
fn row(export: &FocusExport, charge: &Charge) -> Vec<String> {
    let cells = Cells::of(export, charge);
    COLUMNS.iter().map(|column| cells.at(column)).collect()
}

struct Cells<'a> {
    export: &'a FocusExport,
    charge: &'a Charge,
    price: String,
    cost: String,
}

impl<'a> Cells<'a> {
    fn of(export: &'a FocusExport, charge: &'a Charge) -> Self {
        let price = export.settings.credit_price;
        Self {
            export,
            charge,
            price: decimal(price.to_string()),
            cost: decimal(price.cost_of(charge.credits)),
        }
    }

    fn at(&self, column: &str) -> String {
        let Self { export, charge, price, cost } = self;
        let cost_center = charge.cost_center.as_ref().map(|text| inert(text.as_str()));
        let department = charge.department.as_ref().map(|text| inert(text.as_str()));
        match column {
            "BilledCost" | "ContractedCost" | "EffectiveCost" | "ListCost" => cost.clone(),
            "ContractedUnitPrice" | "ListUnitPrice" => price.clone(),
            "PricingCurrencyContractedUnitPrice" | "PricingCurrencyListUnitPrice" => decimal("1".to_owned()),
            "ConsumedQuantity" | "PricingQuantity" | "PricingCurrencyEffectiveCost" => {
                decimal(charge.credits.to_string())
            }
            "ConsumedUnit" | "PricingUnit" | "PricingCurrency" => UNIT.to_owned(),
            "BillingAccountId" => export.tenant.to_string(),
            "BillingAccountName" => inert(export.settings.organization.as_str()),
            "BillingAccountType" => "Organization".to_owned(),
            "BillingCurrency" => export.settings.currency.code().to_owned(),
            "BillingPeriodStart" => instant(export.starts_at),
            "BillingPeriodEnd" => instant(export.ends_at),
            "ChargeCategory" => "Usage".to_owned(),
            "ChargeClass" if charge.kind == ChargeKind::Correction => "Correction".to_owned(),
            "ChargeDescription" => description(charge.kind).to_owned(),
            "ChargeFrequency" => "Usage-Based".to_owned(),
            "ChargePeriodStart" => instant(charge.starts_at),
            "ChargePeriodEnd" => instant(charge.ends_at),
            "InvoiceIssuerName" | "ProviderName" | "PublisherName" => PROVIDER.to_owned(),
            "PricingCategory" => "Standard".to_owned(),
            "ResourceId" => charge.delegation.to_string(),
            "ResourceName" => inert(&charge.label),
            "ResourceType" => "Delegation".to_owned(),
            "ServiceCategory" => "Other".to_owned(),
            "ServiceName" => "Delegated spending".to_owned(),
            "ServiceSubcategory" => "Other (Other)".to_owned(),
            "SkuId" | "SkuPriceId" => SKU.to_owned(),
            "SkuMeter" => "Credits spent".to_owned(),
            "SubAccountType" if cost_center.is_some() => "Cost center".to_owned(),
            "SubAccountId" | "SubAccountName" | "x_CostCenter" => cost_center.unwrap_or_default(),
            "x_Department" => department.unwrap_or_default(),
            "Tags" => tags(charge),
            _ => String::new(),
        }
    }
}

/// With a point, from which readers tell that a column is one of decimals even where all of its numbers are whole.
fn decimal(number: String) -> String {
    if number.contains('.') { number } else { number + ".0" }
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
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
