//! One tenant, one key, and tokens made from caveats as text.

use subgrant_domain::{RootKeyId, TenantId};
use subgrant_token::{CaveatError, Identifier, Macaroon, RootKey, TokenError, VerifiedToken};

pub(crate) const LOCATION: &str = "https://subgrant.example/";
pub(crate) const CHILD: &str = "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899";
pub(crate) const GRANDCHILD: &str = "delegation = dlg_01jd0000000000000000000002.9f2c00112233445566778899";
pub(crate) const SERVICE: &str = "svc_01jd0000000000000000000007";

pub(crate) fn root_key() -> RootKey {
    RootKey::from_bytes([7; 32])
}

pub(crate) fn identifier() -> Identifier {
    Identifier::Subgrant {
        tenant: "ten_01jd0000000000000000000003".parse::<TenantId>().unwrap(),
        root_key: "key_01jd0000000000000000000004".parse::<RootKeyId>().unwrap(),
    }
}

pub(crate) fn root_token() -> Macaroon {
    Macaroon::mint(&root_key(), LOCATION, &identifier()).unwrap()
}

/// A token with these caveats, valid or not, as any macaroon library would make it.
pub(crate) fn token<C: AsRef<[u8]>>(caveats: &[C]) -> Macaroon {
    root_token().attenuate_bytes(caveats.iter().map(AsRef::as_ref)).unwrap()
}

pub(crate) fn verify<C: AsRef<[u8]>>(caveats: &[C]) -> Result<VerifiedToken, TokenError> {
    token(caveats).verify(&root_key())
}

pub(crate) fn refused(index: usize, reason: CaveatError) -> TokenError {
    TokenError::Caveat { index, reason }
}
