//! People of a tenant, as tests need them.

use serde_json::json;

use crate::{Api, Tenant, TestServer};

/// The password of everybody in these tests.
pub const PASSWORD: &str = "correct horse battery staple";

impl TestServer {
    /// A browser in which the tenant's owner is signed in.
    pub fn owner(&self, tenant: &Tenant) -> Api {
        self.api.with_session(&tenant.session)
    }

    /// Makes somebody a member who must be free to become one, and returns a browser with that person's session, and
    /// the person's id.
    pub async fn join(&self, owner: &Api, email: &str, role: &str) -> (Api, String) {
        let body = json!({ "email": email, "role": role, "password": PASSWORD });
        let created = owner.post("/user", &body).await;
        assert_eq!(created.status, 201, "{}", created.body);
        (self.signed_in(email, PASSWORD).await, created.text("/id"))
    }

    /// Signs somebody in who must be let in.
    pub async fn signed_in(&self, email: &str, password: &str) -> Api {
        let reply = self.api.post("/session", &json!({ "email": email, "password": password })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        self.api.with_session(&reply.session())
    }
}
