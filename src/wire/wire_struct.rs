//! Structs that keep the members this crate does not know.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Declares an object that is read to be given back: its members, and a map of those that this crate does not know.
///
/// `name?: Type` is an `Option<Type>`: `None` where it is missing or `null`, and then not written.
///
/// `serde(flatten)` is for writing only. Reading by it would first copy all members into a buffer.
macro_rules! wire_struct {
    ($(#[$meta:meta])* $name:ident {
        $($(#[doc = $doc:literal])* $(#[serde($($serde:tt)*)])? $member:ident $(?: $optional:ty)? $(: $type:ty)?,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $doc])* pub $member: $(Option<$optional>)? $($type)?,)*
            /// Members that this crate does not know.
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        const _: () = {
            type Public = $name;

            // Not `Public` itself: that would get functions of its own, which come before those of the traits and lose
            // `extra`.
            #[derive(serde::Serialize, serde::Deserialize)]
            #[serde(remote = "Public", expecting = "an object")]
            struct Known {
                $(
                    $(#[serde($($serde)*)])?
                    $(#[serde(default, skip_serializing_if = "Option::is_none")] $member: Option<$optional>)?
                    $($member: $type)?,
                )*
                #[serde(flatten, skip_deserializing)]
                extra: serde_json::Map<String, serde_json::Value>,
            }

            impl serde::Serialize for Public {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    Known::serialize(self, serializer)
                }
            }

            impl<'de> serde::Deserialize<'de> for Public {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let mut extra = serde_json::Map::new();
                    let known = $crate::wire::KnownMembers { deserializer, extra: &mut extra };
                    let read = Known::deserialize(known)?;
                    Ok(Self { extra, ..read })
                }
            }
        };
    };
}
pub(crate) use wire_struct;

/// Shows a struct the members that it names, and puts the others into `extra`.
pub(crate) struct KnownMembers<'e, D> {
    pub(crate) deserializer: D,
    pub(crate) extra: &'e mut Map<String, Value>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for KnownMembers<'_, D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserializer.deserialize_map(MemberVisitor { known, visitor, extra: self.extra })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(D::Error::custom("only a struct has known members"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct MemberVisitor<'e, V> {
    known: &'static [&'static str],
    visitor: V,
    extra: &'e mut Map<String, Value>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for MemberVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(KnownMemberAccess { known: self.known, members, extra: self.extra })
    }
}

struct KnownMemberAccess<'e, A> {
    known: &'static [&'static str],
    members: A,
    extra: &'e mut Map<String, Value>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KnownMemberAccess<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.members.next_key_seed(MemberName)? {
            if self.known.contains(&&*name) {
                let name: CowStrDeserializer<'_, A::Error> = name.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
            self.extra.insert(name.into_owned(), self.members.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.members.next_value_seed(seed)
    }
}

/// The name of a member, borrowed where it has no escapes. (`Cow<str>` would always copy.)
struct MemberName;

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de> Visitor<'de> for MemberName {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
