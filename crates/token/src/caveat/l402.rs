//! The caveats that L402 clients know. Source: bLIP 26, "Macaroon caveats", and its reference server, Aperture.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use super::{Caveat, expiry, list};
use crate::CaveatError;

/// The name of an L402 service: `[a-z_]+`, because caveat names are made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L402Name(String);

/// `services=name:tier,name:tier`: where the token may be used. Tiers are 0–255; this crate carries them unjudged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L402Services(Vec<(L402Name, u8)>);

/// `<service>_capabilities=read,write`: says nothing about other services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L402Capabilities {
    /// The service that it is about.
    pub service: L402Name,
    capabilities: Vec<String>,
}

/// `<service>_valid_until=<unix seconds>`: says nothing about other services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L402ValidUntil {
    /// The service that it is about.
    pub service: L402Name,
    /// The first instant at which the token no longer works there. Written in whole seconds.
    pub until: Timestamp,
}

impl L402Name {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl L402Services {
    /// Whether the service is in the list.
    pub fn contains(&self, service: &str) -> bool {
        self.0.iter().any(|(name, _)| name.as_str() == service)
    }

    /// The services and their tiers, as listed.
    pub fn iter(&self) -> impl Iterator<Item = (&L402Name, u8)> {
        self.0.iter().map(|(name, tier)| (name, *tier))
    }
}

impl L402Capabilities {
    /// A service and a list of its capabilities, as after the `=`.
    pub fn new(service: L402Name, capabilities: &str) -> Result<Self, CaveatError> {
        let capabilities = list::parse(capabilities, |word| {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
            if word.is_empty() || !word.bytes().all(is_word) {
                return Err(CaveatError::Malformed);
            }
            Ok(word.to_owned())
        })?;
        Ok(Self { service, capabilities })
    }

    /// Whether the capability is in the list.
    pub fn contains(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|allowed| allowed == capability)
    }
}

/// Reads a caveat whose name starts with a service. The value arrives as its check left it, so that an unknown name is
/// reported as such whatever its value.
pub(super) fn from_parts(name: &str, value: Result<&str, CaveatError>) -> Result<Caveat, CaveatError> {
    let service = |name: &str| name.parse().map_err(|_| CaveatError::Unknown);
    if let Some(name) = name.strip_suffix("_capabilities") {
        let service = service(name)?;
        return L402Capabilities::new(service, value?).map(Caveat::L402Capabilities);
    }
    if let Some(name) = name.strip_suffix("_valid_until") {
        let service = service(name)?;
        let until = expiry::parse_unix_seconds(value?)?;
        return Ok(Caveat::L402ValidUntil(L402ValidUntil { service, until }));
    }
    Err(CaveatError::Unknown)
}

impl FromStr for L402Name {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if text.is_empty() || !is_name {
            return Err(CaveatError::Malformed);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for L402Services {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        list::parse(text, |word| {
            let (name, tier) = word.split_once(':').ok_or(CaveatError::Malformed)?;
            let number: u8 = tier.parse().map_err(|_| CaveatError::Malformed)?;
            if number.to_string() != tier {
                return Err(CaveatError::Malformed);
            }
            Ok((name.parse()?, number))
        })
        .map(Self)
    }
}

impl fmt::Display for L402Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for L402Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, tier)) in self.0.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            write!(f, "{separator}{name}:{tier}")?;
        }
        Ok(())
    }
}

impl fmt::Display for L402Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_capabilities=", self.service)?;
        list::write(f, &self.capabilities)
    }
}

impl fmt::Display for L402ValidUntil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_valid_until={}", self.service, self.until.as_second())
    }
}
