//! How answers of the backend are declared, so that all of them are read with the same tolerance.

use serde::Deserialize;
use serde_json::Number;

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
    };
}
pub(crate) use open_enum;

/// Declares an object that a server sends. Members that are missing or `null` have their default; members that are not
/// declared are passed over.
macro_rules! open_struct {
    ($(#[$meta:meta])* $visibility:vis $name:ident { $($(#[$member_meta:meta])* $member:ident: $type:ty,)* }) => {
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        $(#[$meta])*
        #[non_exhaustive]
        $visibility struct $name {
            $($(#[$member_meta])* #[serde(deserialize_with = "crate::limits::null_as_default")] pub $member: $type,)*
        }
    };
}
pub(crate) use open_struct;

pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A number of things. Servers that count in floating point write `1.0`.
pub(crate) fn count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    whole(&number).ok_or_else(|| serde::de::Error::custom("not a whole number of things"))
}

/// The same, of which nothing may be told.
pub(crate) fn optional_count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<Number>::deserialize(deserializer)?;
    let count = |number| whole(&number).ok_or_else(|| serde::de::Error::custom("not a whole number of things"));
    number.map(count).transpose()
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
