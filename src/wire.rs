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
//! bound what it may cost. In an `open_struct!` a member that is missing or `null` has its default, a whole number may be
//! written as `1.0`, and a member or an entry of a list that cannot be read is skipped and counted. An answer of which
//! nothing may be skipped is read by [`from_exact_json`], and such a member is [`Exact`]. What members may be is [`Wire`]:
//! scalars, `Option`, `Vec`, and everything that `open_enum!` or `open_struct!` declares. In a `wire_struct!` a member that may be
//! missing is written `name?: Type`; all others are required, unless an attribute of serde says otherwise
//! ([`null_as_default`], [`count`], [`optional_count`]).

mod bounded;
mod wire_struct;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
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

        impl crate::wire::Wire for $name {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::object(deserializer)
            }
        }
    };
}
pub(crate) use open_struct;

/// Reads an answer that keeps the bounds of [`check`], and says how many members and entries were skipped. One that does not
/// fit is read a second time, without what cannot be read: nearly all answers fit, and reading each part on its own takes
/// twice as long.
pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<(T, usize), JsonError> {
    match from_exact_json(json) {
        Ok(read) => Ok((read, 0)),
        Err(JsonError::Unreadable(error)) if error.is_data() => {
            SKIPPED.set(Some(0));
            let read = serde_json::from_slice(json);
            let skipped = SKIPPED.take();
            Ok((read.map_err(JsonError::Unreadable)?, skipped.unwrap_or_default()))
        }
        Err(error) => Err(error),
    }
}

/// Why an answer is not read.
#[derive(Debug)]
pub(crate) enum JsonError {
    Excessive(Excess),
    Unreadable(serde_json::Error),
}

/// Reads an answer that would mean something else without one of its parts: what administrators demand, or a confirmation.
pub(crate) fn from_exact_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, JsonError> {
    check(json).map_err(JsonError::Excessive)?;
    SKIPPED.set(None);
    serde_json::from_slice(json).map_err(JsonError::Unreadable)
}

thread_local! {
    /// How many parts of the answer were skipped; `None` while nothing may be. Serde has no way to hand this down.
    static SKIPPED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Counts a part that cannot be read, or gives its error where nothing may be skipped.
fn skip<E>(error: E) -> Result<(), E> {
    let skipped = SKIPPED.get().ok_or(error)?;
    SKIPPED.set(Some(skipped + 1));
    Ok(())
}

/// What can stand in an answer, and how it is read.
pub(crate) trait Wire: DeserializeOwned {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// An object. What serde derives also reads a list, by position.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Members<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(members))
        }
    }

    deserializer.deserialize_map(Members(PhantomData))
}

impl Wire for bool {}
impl Wire for String {}
impl Wire for Value {}

impl Wire for f64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number(deserializer)?.as_f64().ok_or_else(|| D::Error::custom("it is out of range"))
    }
}

/// A number; in an answer that does not fit otherwise, also as text: a default in its place could be taken for it.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
    if SKIPPED.get().is_none() {
        return Number::deserialize(deserializer);
    }
    match Value::deserialize(deserializer)? {
        Value::Number(number) => Ok(number),
        Value::String(text) => text.trim().parse().map_err(|_| D::Error::custom("it is no number")),
        _ => Err(D::Error::custom("it is no number")),
    }
}

/// Whole numbers, which some encoders write as `1.0`. What stands behind the point is dropped.
macro_rules! whole_numbers {
    ($($number:ty)*) => {
        $(
            impl Wire for $number {
                fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let number = number(deserializer)?;
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
        if SKIPPED.get().is_none() {
            return Ok(Vec::<Tolerant<T>>::deserialize(deserializer)?.into_iter().map(|read| read.0).collect());
        }
        let entries = Vec::<Entry<T>>::deserialize(deserializer)?;
        Ok(entries.into_iter().filter_map(|entry| entry.0).collect())
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if SKIPPED.get().is_none() {
            let entries = BTreeMap::<String, Tolerant<T>>::deserialize(deserializer)?;
            return Ok(entries.into_iter().map(|(name, read)| (name, read.0)).collect());
        }
        let entries = BTreeMap::<String, Entry<T>>::deserialize(deserializer)?;
        Ok(entries.into_iter().filter_map(|(name, entry)| Some((name, entry.0?))).collect())
    }
}

/// A member of which nothing may be skipped, nor what is around it: without it the answer would mean something else. A list
/// must not end for a cursor that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, Deserialize)]
pub(crate) struct Exact<T>(pub(crate) T);

impl<T: Wire> Wire for Exact<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let skipped = SKIPPED.take();
        let read = T::read(deserializer)?;
        SKIPPED.set(skipped);
        Ok(Self(read))
    }
}

/// For places that take what implements `Deserialize`.
pub(crate) struct Tolerant<T>(pub(crate) T);

impl<'de, T: Wire> Deserialize<'de> for Tolerant<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

/// An entry of a list, if it can be read. One whose `id` cannot be read is none: it could not be told from others.
struct Entry<T>(Option<T>);

impl<'de, T: Wire> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let has_odd_id = value.get("id").is_some_and(|id| !id.is_string() && !id.is_null());
        let skipped = SKIPPED.get();
        match T::read(value) {
            Ok(entry) if !has_odd_id || SKIPPED.get() == skipped => Ok(Self(Some(entry))),
            Ok(_) => Ok(Self(None)),
            Err(error) => skip(error).map(|()| Self(None)).map_err(D::Error::custom),
        }
    }
}

/// How `open_struct!` reads each of its members.
pub(crate) fn read_member<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Wire,
{
    if SKIPPED.get().is_none() {
        return Ok(Option::read(deserializer)?.unwrap_or_default());
    }
    match Option::read(Value::deserialize(deserializer)?) {
        Ok(read) => Ok(read.unwrap_or_default()),
        Err(error) => skip(error).map(|()| T::default()).map_err(D::Error::custom),
    }
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
