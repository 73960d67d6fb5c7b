//! A browser that has signed in to an account before: its guesses are counted apart from everybody else's, so that strangers do
//! not shut an account's owner out. It is no credential.

use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::App;

/// How long a browser is known.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 400);

/// A known browser: the account, and the moment and number by which it is told from others. The server stores none of it: an
/// authentication code shows that it is the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) account: Uuid,
    nonce: Uuid,
}

impl Device {
    /// What its guesses are counted by.
    pub(crate) fn id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        id[..16].copy_from_slice(self.account.as_bytes());
        id[16..].copy_from_slice(self.nonce.as_bytes());
        id
    }
}

impl App {
    /// What a browser that has signed in to an account is to show the next time.
    pub(crate) fn device_cookie(&self, account: Uuid) -> Zeroizing<String> {
        let device = Device { account, nonce: Uuid::now_v7() };
        let code = self.device_code(&device);
        Zeroizing::new(format!("{}.{}", hex::encode(device.id()), hex::encode(code)))
    }

    /// Reads a cookie; `None` where it is not one of ours, or too old.
    pub(crate) fn known_device(&self, cookie: &str) -> Option<Device> {
        let (id, code) = cookie.split_once('.')?;
        let (mut bytes, mut shown) = ([0; 32], [0; 32]);
        hex::decode_to_slice(id, &mut bytes).ok()?;
        hex::decode_to_slice(code, &mut shown).ok()?;
        let (account, nonce) = bytes.split_at(16);
        let device =
            Device { account: Uuid::from_slice(account).ok()?, nonce: Uuid::from_slice(nonce).ok()? };
        if !bool::from(self.device_code(&device).ct_eq(&shown)) {
            return None;
        }
        let (seconds, _) = device.nonce.get_timestamp()?.to_unix();
        let made_at = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
        (made_at.checked_add(LIFETIME).ok()? > Timestamp::now()).then_some(device)
    }

    fn device_code(&self, device: &Device) -> [u8; 32] {
        self.shared().master_key.code(&[b"subgrant/device/v1".as_slice(), &device.id()].concat())
    }
}
