//! How what servers send is declared and decoded, so that all of it is read with the same tolerance. The ground floor: it
//! knows nothing of the rest of the crate.
//!
//! | declared by | what it is | what is not known |
//! | --- | --- | --- |
//! | [`open_enum!`] | a string out of a list | is kept, as `Other` |
//! | [`open_struct!`] | an object that is only read | is skipped; `with_raw()` has it |
//! | [`wire_struct!`] | an object that is read to be given back | is kept, in `extra` |
//!
//! An answer is read by [`from_json`], and other JSON that somebody else wrote by [`from_text`] or [`from_bytes`]: all of them
//! bound what it may cost. In an `open_struct!` a member that is missing or `null` has its default, a whole number
//! may be written as `1.0`, and an entry of a list that cannot be read is skipped. What its members may be is [`Wire`]: scalars,
//! `Option`, `Vec`, and everything that `open_enum!` or `open_struct!` declares. In a `wire_struct!` a member that may be
//! missing is written `name?: Type`; all others are required, unless an attribute of serde says otherwise
//! ([`null_as_default`], [`count`], [`optional_count`]).

mod bounded;
mod wire_struct;

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

pub(crate) use self::bounded::{Excess, check, from_bytes, from_text};
pub(crate) use self::wire_struct::{KnownMembers, wire_struct};

/// Declares an enum of the strings a server is known to send; any other string is kept as it came.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $wire:literal $(| $alias:literal)*,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// One that this crate does not know, as the server spelled it.
            Other(String),
        }

        impl $name {
            /// The spelling on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $wire,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($wire $(| $alias)* => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::wire::Wire for $name {}
    };
}
pub(crate) use open_enum;

/// Declares an object that a server sends and that is only read.
macro_rules! open_struct {
    ($(#[$meta:meta])* $visibility:vis $name:ident { $($(#[$member_meta:meta])* $member:ident: $type:ty,)* }) => {
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        $(#[$meta])*
        #[non_exhaustive]
        $visibility struct $name {
            $($(#[$member_meta])* #[serde(deserialize_with = "crate::wire::read_member")] pub $member: $type,)*
        }

        impl crate::wire::Wire for $name {}
    };
}
pub(crate) use open_struct;

/// Reads an answer that keeps the bounds of [`check`]. One that does not fit is read a second time, without those entries of
/// its lists that cannot be read: nearly all answers fit, and reading each entry on its own takes twice as long.
pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, JsonError> {
    check(json).map_err(JsonError::Excessive)?;
    let read = serde_json::from_slice(json).or_else(|error| {
        if !error.is_data() {
            return Err(error);
        }
        SKIPS_ENTRIES.set(true);
        let read = serde_json::from_slice(json);
        SKIPS_ENTRIES.set(false);
        read
    });
    read.map_err(JsonError::Unreadable)
}

/// Why an answer is not read.
#[derive(Debug)]
pub(crate) enum JsonError {
    Excessive(Excess),
    Unreadable(serde_json::Error),
}

thread_local! {
    /// Serde has no way to hand this down.
    static SKIPS_ENTRIES: Cell<bool> = const { Cell::new(false) };
}

/// What can stand in an answer, and how it is read.
pub(crate) trait Wire: DeserializeOwned {
    /// Whether a list is read without those of its entries that cannot be read.
    const CAN_BE_SKIPPED: bool = true;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl Wire for bool {}
impl Wire for f64 {}
impl Wire for String {}
impl Wire for Value {}
impl Wire for BTreeMap<String, Value> {}

/// Whole numbers, which some encoders write as `1.0`. What stands behind the point is dropped.
macro_rules! whole_numbers {
    ($($number:ty)*) => {
        $(
            impl Wire for $number {
                fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let number = Number::deserialize(deserializer)?;
                    let whole = number.as_i128().or_else(|| number.as_f64().map(|number| number as i128));
                    whole.and_then(|whole| whole.try_into().ok()).ok_or_else(|| D::Error::custom("it is out of range"))
                }
            }
        )*
    };
}
whole_numbers!(i32 i64 u64);

impl<T: Wire> Wire for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Tolerant<T>>::deserialize(deserializer)?.map(|read| read.0))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !SKIPS_ENTRIES.get() {
            return Ok(Vec::<Tolerant<T>>::deserialize(deserializer)?.into_iter().map(|read| read.0).collect());
        }
        let entries = Vec::<Entry<T>>::deserialize(deserializer)?;
        let all = entries.len();
        let read: Self = entries.into_iter().filter_map(|entry| entry.0).collect();
        let unreadable = all - read.len();
        if unreadable > 0 {
            tracing::warn!(unreadable, "entries of a list in an answer cannot be read");
        }
        Ok(read)
    }
}

/// For places that take what implements `Deserialize`.
pub(crate) struct Tolerant<T>(pub(crate) T);

impl<'de, T: Wire> Deserialize<'de> for Tolerant<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

/// An entry of a list, if it can be read.
struct Entry<T>(Option<T>);

impl<'de, T: Wire> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match T::read(Value::deserialize(deserializer)?) {
            Ok(entry) => Ok(Self(Some(entry))),
            Err(_) if T::CAN_BE_SKIPPED => Ok(Self(None)),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}

/// How `open_struct!` reads each of its members.
pub(crate) fn read_member<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Wire,
{
    Ok(Option::read(deserializer)?.unwrap_or_default())
}

/// For members of `wire_struct!` that may be `null`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A number of things. Servers that count in floating point write `1.0`.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    whole(&number).ok_or_else(|| D::Error::custom("not a whole number of things"))
}

/// A number of things that may be `null`.
pub(crate) fn optional_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<Number>::deserialize(deserializer)?;
    number.map(count).transpose().map_err(D::Error::custom)
}

pub(crate) fn whole(number: &Number) -> Option<u64> {
    // Up to here, floating point tells whole numbers apart.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    number.as_u64().or_else(|| {
        let number = number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=LARGEST).contains(number))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
        Some(number as u64)
    })
}
