//! Where data go when the preferred place is closed to the account that the server runs as.

use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{Error, Result};

/// Returns `preferred` where the server can use it, and otherwise a place of its own below
/// `/var/lib/subgrant`.
///
/// The second happens only to root, in a checkout below a directory such as `/root`, which no other account
/// may enter. The name then holds a hash of the preferred path, so that two checkouts do not share data.
pub fn reachable_data_dir(preferred: &Path) -> Result<PathBuf> {
    let preferred = std::path::absolute(preferred).map_err(Error::io("resolve", preferred))?;
    let Some(account) = Account::for_server(&preferred.join("cluster"))? else {
        return Ok(preferred);
    };
    if account.first_closed_directory(&preferred).is_none() {
        return Ok(preferred);
    }
    Ok(Path::new("/var/lib/subgrant").join(short_name(&preferred)))
}

/// Sixteen hexadecimal digits that tell paths apart: FNV-1a, 64 bits. Whoever could forge a collision could
/// write to both directories anyway.
pub(crate) fn short_name(path: &Path) -> String {
    let hash = path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_fnv_1a() {
        // From the reference implementation's test vectors, as the names must not change between releases.
        assert_eq!(short_name(Path::new("")), "cbf29ce484222325");
        assert_eq!(short_name(Path::new("foobar")), "85944171f73967e8");
    }

    #[test]
    fn a_place_that_is_open_to_everybody_is_kept() {
        let preferred = std::env::temp_dir().join("not-there-yet/.data");
        assert_eq!(reachable_data_dir(&preferred).unwrap(), preferred);
    }
}
