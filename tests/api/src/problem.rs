//! What every refusal must look like, and tokens that provoke some.

use subgrant_token::Macaroon;

use crate::Reply;

impl Reply {
    /// Checks that this is a whole problem document with this status and code, which tells nothing internal.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str, case: &str) {
        assert_eq!(self.refusal(), (status, code), "{case}: {}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{case}");
        let text = |field: &str| self.body[field].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("type"), format!("urn:subgrant:problem:{code}"), "{case}");
        assert!(!text("title").is_empty() && !text("detail").is_empty(), "{case}: {}", self.body);
        assert_eq!(self.body["status"], status, "{case}");
        assert!(text("request_id").starts_with("req_"), "{case}: {}", self.body);
        assert_eq!(self.header("x-request-id"), Some(text("request_id").as_str()), "{case}");
        assert_eq!(self.header("www-authenticate"), (status == 401).then_some("Bearer"), "{case}");
        let lowered = self.body.to_string().to_lowercase();
        for leak in ["sqlx", "select ", "insert ", "panicked", "postgres", "sgt_", ".rs:"] {
            assert!(!lowered.contains(leak), "{case} tells {leak:?}: {}", self.body);
        }
    }

    /// Checks that this is a validation problem whose errors name exactly these places.
    #[track_caller]
    pub fn assert_invalid(&self, pointers: &[&str], case: &str) {
        self.assert_problem(422, "validation", case);
        let errors = self.body["errors"].as_array().unwrap_or_else(|| panic!("{case}: {}", self.body));
        let named: Vec<_> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default()).collect();
        assert_eq!(named, pointers, "{case}: {}", self.body);
        for error in errors {
            let is_told = |field: &str| error[field].as_str().is_some_and(|text| !text.is_empty());
            assert!(is_told("code") && is_told("detail"), "{case}: {}", self.body);
        }
    }
}

/// The token with caveats appended as they are, rightly signed, as any holder can.
pub fn attenuate(token: &str, caveats: &[&[u8]]) -> String {
    let macaroon = Macaroon::parse(token).expect("the token is good");
    macaroon.attenuate_bytes(caveats.iter().copied()).expect("the caveats fit").to_text()
}
