//! The engine without HTTP: tokens are verified already, everything else is as in the server.

use std::{sync::Arc, time::Duration};

use subgrant_service::App;

use crate::{
    drive::drive,
    figures::Load,
    world::{Tenant, debit, key},
};

/// Lets `clients` spend, each from a leaf of its own as far as there are enough, evenly over the tenants.
pub(crate) async fn spend(app: &App, tenants: &[Arc<Tenant>], clients: usize, lasts: Duration) -> Load {
    let (app, tenants) = (app.clone(), tenants.to_vec());
    drive(clients, lasts, move |client| {
        let (app, tenant) = (app.clone(), Arc::clone(&tenants[client % tenants.len()]));
        let number = client / tenants.len() % tenant.leaves.len();
        async move {
            let leaf = &tenant.leaves[number];
            let spent = app.spend(&leaf.principal, debit(), Some(key())).await;
            spent.expect("no budget is near its end, and no queue is that long");
            1
        }
    })
    .await
}
