//! Two server processes on one database, shared by all cases: each case has a tenant of its own.

use std::{sync::OnceLock, time::Duration};

use reqwest::header;
use serde_json::Value;
use sqlx::PgPool;
use subgrant_tests::{Api, Reply, Tenant, TestServer};
use tokio::runtime::{Builder, Runtime};

use crate::reference::call::Caller;

pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) server: TestServer,
    replica: TestServer,
    /// Looks into every tenant.
    pub(crate) observer: PgPool,
    /// The root token of a tenant that no case is about.
    pub(crate) other_root_token: String,
}

impl Stage {
    pub(crate) fn get() -> &'static Self {
        static STAGE: OnceLock<Stage> = OnceLock::new();
        STAGE.get_or_init(|| {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let (server, replica, observer, other_root_token) = runtime.block_on(async {
                let server = TestServer::start().await;
                let replica = server.replica().await;
                let observer = server.database.superuser().await;
                let other_root_token = server.sign_up().await.root_token;
                (server, replica, observer, other_root_token)
            });
            Self { runtime, server, replica, observer, other_root_token }
        })
    }

    /// A new tenant whose calendar is that of a time zone.
    pub(crate) fn tenant(&self, zone: &str) -> Tenant {
        self.runtime.block_on(async {
            let tenant = self.server.sign_up().await;
            let statement = "UPDATE tenants SET time_zone = $2 WHERE tenant_id = $1";
            let id = tenant.id.parse::<subgrant_domain::TenantId>().unwrap().as_uuid();
            sqlx::query(statement).bind(id).bind(zone).execute(&self.observer).await.unwrap();
            tenant
        })
    }

    /// The client of one process, with a session or a token.
    pub(crate) fn request(
        &self,
        at_replica: bool,
        caller: Caller,
        credential: &str,
        (method, path, body): (reqwest::Method, String, Option<Value>),
    ) -> reqwest::RequestBuilder {
        let api: &Api = if at_replica { &self.replica.api } else { &self.server.api };
        let request = match caller {
            Caller::Nobody => api.request(method, &path),
            Caller::Session => api
                .request(method, &path)
                .header(header::COOKIE, format!("__Host-session={credential}"))
                .header(header::ORIGIN, &api.origin),
            _ => api.with_token(credential).request(method, &path),
        };
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let reply = async { tokio::time::timeout(Duration::from_mins(1), Reply::of(request)).await };
        self.runtime.block_on(reply).expect("the server answers within a minute")
    }

    pub(crate) fn send_at_once(&self, requests: Vec<reqwest::RequestBuilder>) -> Vec<Reply> {
        self.runtime.block_on(async {
            let sent: Vec<_> = requests.into_iter().map(|request| tokio::spawn(Reply::of(request))).collect();
            let mut replies = Vec::with_capacity(sent.len());
            for reply in sent {
                replies.push(reply.await.expect("the server answers"));
            }
            replies
        })
    }
}
