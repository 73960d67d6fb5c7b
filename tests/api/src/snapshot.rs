//! All that a client can see of a tenant, to show that a refusal has changed nothing.

use serde_json::{Value, json};

use crate::Api;

impl Api {
    /// The caller's node, its whole subtree and the ledger, as they are now.
    pub async fn snapshot(&self) -> Value {
        let own = self.get("/delegation/self").await;
        assert_eq!(own.status, 200, "{}", own.body);
        json!({ "self": own.body, "list": self.all("/delegation?").await, "ledger": self.all("/ledger?").await })
    }

    /// Every item of a list, page by page. `path` ends in `?` or `&`.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}limit=100{cursor}")).await;
            assert_eq!(page.status, 200, "{}", page.body);
            items.extend(page.body["data"].as_array().expect("a list has data").iter().cloned());
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}
