//! `cargo xtask load`: makes a tenant of any size, so that whoever wants to can measure.

#![expect(clippy::print_stdout, reason = "a command line talks to its terminal")]

use clap::Parser;
use serde_json::json;
use subgrant_domain::AttributeText;
use subgrant_service::{App, AppOptions, Browser, MasterKey, SignupRequest};
use subgrant_store::{Database, DatabaseOptions, Shares};
use subgrant_tests::{Size, load};
use zeroize::Zeroizing;

/// Fills a migrated database with one large tenant and prints its tokens as JSON.
#[derive(Parser)]
struct Options {
    /// The database, as a superuser.
    #[arg(long, env = "SUBGRANT_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// The master key of the server that will serve it: 64 hexadecimal digits.
    #[arg(long, env = "SUBGRANT_MASTER_KEY", hide_env_values = true)]
    master_key: String,
    /// Nodes of the tree.
    #[arg(long, default_value_t = 1_000_000)]
    nodes: usize,
    /// How many of them are children of one node.
    #[arg(long, default_value_t = 200_000)]
    siblings: usize,
    /// Entries of the ledger.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// The address of the tenant's owner.
    #[arg(long, default_value = "load@subgrant.example")]
    email: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    subgrant_store::migrate(&options.database_url, None).await?;
    let connect = DatabaseOptions {
        url: options.database_url.clone(),
        max_connections: 2,
        acquire_timeout: std::time::Duration::from_secs(5),
        shares: Shares::of(2),
    };
    let key = MasterKey::from_hex(&options.master_key)?;
    let database = Database::connect(&connect).await?;
    if !key.belongs_to(&database).await? {
        return Err("this is not the master key of the database".into());
    }
    let app = App::new(database, key, AppOptions::default());
    let password = Zeroizing::new("load-password".to_owned());
    let request = SignupRequest {
        organization: AttributeText::new("Load")?,
        email: options.email,
        password: password.clone(),
        idempotency_key: None,
        browser: Browser::default(),
        request_id: None,
    };
    let signed_up = app.sign_up(request).await?.value;
    let root = app.authenticate_token(&signed_up.root_token, None, None).await?;
    let size = Size { nodes: options.nodes, siblings: options.siblings, entries: options.entries };
    let loaded = load(&app, &options.database_url, &root, size).await;
    let document = json!({
        "tenant": signed_up.tenant, "password": *password, "root": signed_up.root, "root_token": *signed_up.root_token,
        "everything": loaded.everything, "everything_token": loaded.everything_token,
        "tiny": loaded.tiny, "tiny_token": loaded.tiny_token,
        "wide": loaded.wide, "deep": loaded.deep, "team": loaded.team,
    });
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}
