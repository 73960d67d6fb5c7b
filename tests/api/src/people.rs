//! People of a tenant, as tests need them.

use serde_json::json;

use crate::{Api, SmtpServer, Tenant, TestServer};

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

    /// Lets somebody confirm the own address, with the link that is mailed, and returns the browser with the session that goes on.
    pub async fn confirmed(&self, person: &Api, smtp: &SmtpServer) -> Api {
        let before = smtp.mails().len();
        assert_eq!(person.post("/email/confirm", &json!({})).await.status, 202);
        let token = smtp.wait_for(before + 1).await[before].token("confirm");
        let reply = person.post("/email/confirm/accept", &json!({ "token": token })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        self.api.with_session(&reply.session())
    }

    /// Signs somebody in who must be let in.
    pub async fn signed_in(&self, email: &str, password: &str) -> Api {
        let reply = self.api.post("/session", &json!({ "email": email, "password": password })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        self.api.with_session(&reply.session())
    }
}
