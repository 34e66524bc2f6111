//! One entry of the keyring, spoken to by a thread that may block.

use std::sync::Arc;

use keyring_core::{CredentialStore as Keyring, Error};

use crate::auth::store::{StoreError, StoreErrorKind, StoredCredentials, SwapOutcome};
use crate::exchange::Scrubber;

pub(super) const SERVICE: &str = "Codex Auth";
/// Beside an entry, for a moment: what a renewal writes to see whether it could.
const REHEARSAL: &str = "|renewal";
/// How much longer a renewal may make what is kept, in characters.
const GROWTH: usize = 256;
/// What the Credential Manager of Windows takes for one entry, in bytes of UTF-16.
const WINDOWS_LIMIT: usize = 2560;

pub(super) struct Entry {
    /// Its name, for a person.
    store: String,
    /// The places where it may be, in the order in which the official tool looks.
    places: Vec<keyring_core::Entry>,
    rehearsal: keyring_core::Entry,
    /// In bytes of UTF-16, where there is one.
    limit: Option<usize>,
}

impl Entry {
    pub(super) fn open(store: String, account: &str) -> Result<Self, StoreError> {
        let unavailable = |error: Error| {
            let reason = format!("{} ({})", platform::ADVICE, text_of(&error));
            StoreError::new(StoreErrorKind::Unavailable, &store, reason)
        };
        let keyring = platform::keyring().map_err(unavailable)?;
        let places = platform::places(&keyring, account).map_err(unavailable)?;
        let rehearsal = keyring.build(SERVICE, &format!("{account}{REHEARSAL}"), None).map_err(unavailable)?;
        Ok(Self { store, places, rehearsal, limit: cfg!(windows).then_some(WINDOWS_LIMIT) })
    }

    pub(super) fn read(&self) -> Result<Option<StoredCredentials>, StoreError> {
        let Some((_, text)) = self.find()? else { return Ok(None) };
        StoredCredentials::from_json(&text)
            .map(Some)
            .map_err(|error| StoreError::new(StoreErrorKind::Malformed, &self.store, error.to_string()))
    }

    /// Compares, replaces and reads back; one step only for those who take the locks.
    pub(super) fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError> {
        let current = self.read()?;
        if current.as_ref() != expected {
            return Ok(SwapOutcome::Changed(current));
        }
        match new {
            Some(new) => self.write(&new.to_json())?,
            None => self.remove()?,
        }
        let kept = self.read()?;
        if kept.as_ref() == new {
            return Ok(SwapOutcome::Done);
        }
        if kept.as_ref() == expected {
            let reason = "the keyring reported no error, and still keeps what it kept before";
            return Err(StoreError::new(StoreErrorKind::Unwritable, &self.store, reason));
        }
        Ok(SwapOutcome::Changed(kept))
    }

    /// Writes as much as a renewal will, beside what is kept, and takes it away again.
    pub(super) fn rehearse(&self) -> Result<(), StoreError> {
        let length = self.find()?.map_or(0, |(_, text)| text.encode_utf16().count());
        let text = " ".repeat(length + GROWTH);
        self.check_size(&text)?;
        self.rehearsal.set_password(&text).map_err(|error| self.unwritable(&error))?;
        match self.rehearsal.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(self.unwritable(&error)),
        }
    }

    fn find(&self) -> Result<Option<(&keyring_core::Entry, String)>, StoreError> {
        for place in &self.places {
            match place.get_password() {
                Ok(text) => return Ok(Some((place, text))),
                Err(Error::NoEntry) => {}
                Err(error) => return Err(self.failed(StoreErrorKind::Unavailable, &error)),
            }
        }
        Ok(None)
    }

    fn write(&self, text: &str) -> Result<(), StoreError> {
        self.check_size(text)?;
        let found = self.find()?.map(|(place, _)| place);
        let Some(place) = found.or(self.places.first()) else { return Ok(()) };
        place.set_password(text).map_err(|error| self.unwritable(&error))
    }

    fn remove(&self) -> Result<(), StoreError> {
        let Some((place, _)) = self.find()? else { return Ok(()) };
        place.delete_credential().map_err(|error| self.unwritable(&error))
    }

    fn check_size(&self, text: &str) -> Result<(), StoreError> {
        let size = 2 * text.encode_utf16().count();
        match self.limit {
            Some(limit) if size > limit => {
                let reason = format!(
                    "they need {size} bytes, and an entry of this keyring holds {limit} at the most. Keep them in a file"
                );
                Err(StoreError::new(StoreErrorKind::TooLarge, &self.store, reason))
            }
            _ => Ok(()),
        }
    }

    fn unwritable(&self, error: &Error) -> StoreError {
        self.failed(StoreErrorKind::Unwritable, error)
    }

    /// The library's error is not kept as a source: some of its variants hold the secret.
    fn failed(&self, kind: StoreErrorKind, error: &Error) -> StoreError {
        let (kind, reason) = match error {
            Error::NoStorageAccess(_) => (
                StoreErrorKind::Unavailable,
                format!("it is locked, or has no default keyring. Unlock it, or create one ({})", text_of(error)),
            ),
            Error::BadEncoding(_) | Error::BadDataFormat(..) => {
                (StoreErrorKind::Malformed, "the entry is not text".to_owned())
            }
            Error::Ambiguous(_) => {
                let reason = "several entries have this service and account. Remove all but one";
                (StoreErrorKind::Unreadable, reason.to_owned())
            }
            error => (kind, text_of(error)),
        };
        StoreError::new(kind, &self.store, reason)
    }
}

/// What the platform says, without anything that looks like a credential.
fn text_of(error: &Error) -> String {
    match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => {
            Scrubber::lookalikes().clean_line(&cause.to_string())
        }
        Error::NotSupportedByStore(reason) => reason.clone(),
        _ => "the keyring's library failed".to_owned(),
    }
}

#[cfg(any(
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "netbsd",
    target_os = "openbsd"
))]
mod platform {
    use std::collections::HashMap;

    use super::{Arc, Error, Keyring, SERVICE};

    pub(super) const ADVICE: &str = "no secret service runs. Start one in this session, such as gnome-keyring or \
        KWallet, or keep the credentials in a file";

    pub(super) fn keyring() -> Result<Arc<Keyring>, Error> {
        Ok(zbus_secret_service_keyring_store::Store::new()?)
    }

    /// The official tool's entries have a `target`; it also finds those without one, which other programs make.
    pub(super) fn places(keyring: &Arc<Keyring>, account: &str) -> Result<Vec<keyring_core::Entry>, Error> {
        let target = HashMap::from([("target", "default")]);
        Ok(vec![keyring.build(SERVICE, account, Some(&target))?, keyring.build(SERVICE, account, None)?])
    }
}

#[cfg(any(target_os = "macos", windows))]
mod platform {
    use super::{Arc, Error, Keyring, SERVICE};

    pub(super) const ADVICE: &str = "it did not open. Keep the credentials in a file";

    pub(super) fn keyring() -> Result<Arc<Keyring>, Error> {
        #[cfg(target_os = "macos")]
        let keyring = apple_native_keyring_store::keychain::Store::new()?;
        #[cfg(windows)]
        let keyring = windows_native_keyring_store::Store::new()?;
        Ok(keyring)
    }

    pub(super) fn places(keyring: &Arc<Keyring>, account: &str) -> Result<Vec<keyring_core::Entry>, Error> {
        Ok(vec![keyring.build(SERVICE, account, None)?])
    }
}

#[cfg(not(any(
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
    windows
)))]
mod platform {
    use super::{Arc, Error, Keyring};

    pub(super) const ADVICE: &str = "this platform has none. Keep the credentials in a file";

    pub(super) fn keyring() -> Result<Arc<Keyring>, Error> {
        Err(Error::NotSupportedByStore("there is no keyring to speak to".to_owned()))
    }

    pub(super) fn places(_: &Arc<Keyring>, _: &str) -> Result<Vec<keyring_core::Entry>, Error> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;
    use std::error::Error as _;

    use keyring_core::api::CredentialApi;
    use keyring_core::mock::{Cred, Store};
    use keyring_core::{Credential, Result as KeyringResult};

    use super::*;

    /// As on Windows, and nowhere kept.
    fn windows_entry() -> Entry {
        let keyring: Arc<Keyring> = Store::new().unwrap();
        let build = |account| keyring.build(SERVICE, account, None).unwrap();
        Entry {
            store: "the keyring".to_owned(),
            places: vec![build("cli|0")],
            rehearsal: build("cli|0|renewal"),
            limit: Some(WINDOWS_LIMIT),
        }
    }

    fn credentials_of_bytes(bytes: usize) -> StoredCredentials {
        let around = r#"{"key":""}"#.len();
        let credentials = StoredCredentials::from_json(&format!(r#"{{"key":"{}"}}"#, "k".repeat(bytes / 2 - around)));
        let credentials = credentials.unwrap();
        assert_eq!(2 * credentials.to_json().encode_utf16().count(), bytes);
        credentials
    }

    #[test]
    fn what_windows_has_no_room_for_is_refused_and_what_was_kept_stays() {
        let entry = windows_entry();
        let (fits, too_large) = (credentials_of_bytes(WINDOWS_LIMIT), credentials_of_bytes(WINDOWS_LIMIT + 2));
        assert_eq!(entry.swap(None, Some(&fits)).unwrap(), SwapOutcome::Done);
        let error = entry.swap(Some(&fits), Some(&too_large)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge);
        assert_eq!(
            error.to_string(),
            "the credentials in the keyring cannot be saved: they need 2562 bytes, and an entry of this keyring holds \
             2560 at the most. Keep them in a file"
        );
        assert_eq!(entry.read().unwrap(), Some(fits));
    }

    #[test]
    fn bytes_are_counted_as_windows_keeps_them() {
        let entry = windows_entry();
        entry.check_size(&"ü".repeat(1280)).unwrap();
        entry.check_size(&"𝄞".repeat(640)).unwrap();
        assert_eq!(entry.check_size(&"𝄞".repeat(641)).unwrap_err().kind(), StoreErrorKind::TooLarge);
    }

    #[test]
    fn a_renewal_that_might_not_fit_is_not_begun() {
        let entry = windows_entry();
        entry.swap(None, Some(&credentials_of_bytes(WINDOWS_LIMIT - 2 * GROWTH))).unwrap();
        entry.rehearse().unwrap();
        assert!(matches!(entry.rehearsal.get_password(), Err(Error::NoEntry)));
        let larger = credentials_of_bytes(WINDOWS_LIMIT - 2 * GROWTH + 2);
        entry.swap(entry.read().unwrap().as_ref(), Some(&larger)).unwrap();
        assert_eq!(entry.rehearse().unwrap_err().kind(), StoreErrorKind::TooLarge);
    }

    #[test]
    fn no_error_holds_what_the_keyring_keeps() {
        let entry = windows_entry();
        let secret = b"sk-MARK-0123456789abcdef".to_vec();
        let said = || Box::from("sk-MARK-0123456789abcdef is refused");
        let cases = [
            (Error::BadEncoding(secret.clone()), StoreErrorKind::Malformed),
            (Error::BadDataFormat(secret, said()), StoreErrorKind::Malformed),
            (Error::PlatformFailure(said()), StoreErrorKind::Unavailable),
            (Error::NoStorageAccess(said()), StoreErrorKind::Unavailable),
            (Error::Invalid("password".to_owned(), "MARK".to_owned()), StoreErrorKind::Unavailable),
        ];
        for (error, kind) in cases {
            let place = entry.places[0].as_any().downcast_ref::<Cred>().unwrap();
            place.set_error(error);
            let error = entry.read().unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!format!("{error} {error:?}").contains("MARK"), "{error:?}");
            assert!(error.source().is_none());
        }
    }

    /// Takes what it is given, and keeps what it has.
    #[derive(Debug)]
    struct Forgetful(&'static str);

    impl CredentialApi for Forgetful {
        fn set_secret(&self, _: &[u8]) -> KeyringResult<()> {
            Ok(())
        }

        fn get_secret(&self) -> KeyringResult<Vec<u8>> {
            Ok(self.0.into())
        }

        fn delete_credential(&self) -> KeyringResult<()> {
            Ok(())
        }

        fn get_credential(&self) -> KeyringResult<Option<Arc<Credential>>> {
            Ok(None)
        }

        fn get_specifiers(&self) -> Option<(String, String)> {
            None
        }

        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    #[test]
    fn what_was_not_kept_is_an_error_though_the_keyring_reports_none() {
        let place = keyring_core::Entry::new_with_credential(Arc::new(Forgetful(r#"{"key":"old"}"#)));
        let entry = Entry { places: vec![place], ..windows_entry() };
        let old = entry.read().unwrap();
        for new in [Some(credentials_of_bytes(100)), None] {
            let error = entry.swap(old.as_ref(), new.as_ref()).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unwritable);
            assert!(error.to_string().contains("still keeps"), "{error}");
        }
    }
}
