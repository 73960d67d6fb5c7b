//! Addresses of people, one spelling to a mailbox.

use email_address::{EmailAddress, Options};

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as ann@acme.example")]
pub struct NotAnAddress;

/// The longest address that mail servers take, in bytes.
const MAX_BYTES: usize = 254;

/// Reads an address, and nothing around it: no name, brackets, quotes, comments or `mailto:`. In lower case, its domain as the
/// name system knows it, so that one mailbox has one spelling.
pub fn parse_email(text: &str) -> Result<String, NotAnAddress> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@').ok_or(NotAnAddress)?;
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| NotAnAddress)?;
    let address = format!("{}@{domain}", local.to_lowercase());
    let is_plain =
        local.chars().all(|letter| letter != '"' && !letter.is_control() && !letter.is_whitespace());
    let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
    let is_address = EmailAddress::parse_with_options(&address, options).is_ok();
    let is_number =
        domain.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if is_plain && is_address && !is_number && address.len() <= MAX_BYTES {
        Ok(address)
    } else {
        Err(NotAnAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        for (text, spelling) in [
            ("a@b.example", "a@b.example"),
            (" First.Last+tag@Sub.Example.COM ", "first.last+tag@sub.example.com"),
            ("pat@BÜCHER.example", "pat@xn--bcher-kva.example"),
            ("pat@xn--bcher-kva.example", "pat@xn--bcher-kva.example"),
            ("pat@exämple。com", "pat@xn--exmple-cua.com"),
            ("pat@\u{ff45}xample.com", "pat@example.com"),
            ("o'brien@example.com", "o'brien@example.com"),
        ] {
            assert_eq!(parse_email(text).as_deref(), Ok(spelling), "{text}");
        }
    }

    #[test]
    fn what_is_around_an_address_is_no_part_of_it() {
        for text in [
            "",
            "a",
            "a@b",
            "@b.c",
            "a@",
            "a@.c",
            "a@b.",
            "a@b@c.d",
            "a b@c.d",
            "a\n@b.c",
            "a@b..c",
            "<pat@x.example>",
            "mailto:pat@x.example",
            "pat@x.example;",
            "pat@x.example,",
            "Pat <pat@x.example>",
            "\"pat\"@x.example",
            "\"p at\"@x.example",
            "pat(home)@x.example",
            "pat@[127.0.0.1]",
            "pat@127.0.0.1",
            ".pat@x.example",
            "pat.@x.example",
            "p..t@x.example",
            "pat@-x.example",
            "pat@x_y.example",
            "pat@x.example.",
            "pat@x.exam ple",
            "a\0@b.example",
            "pat\u{200b}@x.example\r\nBcc: b@x.example",
        ] {
            assert_eq!(parse_email(text), Err(NotAnAddress), "{text}");
        }
    }
}
