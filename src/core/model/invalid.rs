//! The one error of every checked value.

/// Says that a text is not a valid value, what was expected instead, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not {expected}", crate::core::model::visible(value))]
pub struct Invalid {
    /// The text that was refused, as it came; escape it before showing it.
    pub value: String,
    /// What would have been accepted, with its article: "a host name".
    pub expected: &'static str,
    /// How to mend it, one sentence; empty where `expected` says it all.
    pub help: String,
}

impl Invalid {
    /// Makes the error for `value`.
    pub fn new(value: impl Into<String>, expected: &'static str, help: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            expected,
            help: help.into(),
        }
    }
}

/// Implements the text traits of a checked newtype over a string whose `FromStr` does the checking.
macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text of the value.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::core::model::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text_newtype;

/// Implements serde for such a newtype as its text, checked by its `FromStr` and copied no more often than it must be.
macro_rules! text_on_the_wire {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::core::model::invalid::Parsing::new())
            }
        }
    };
}
pub(crate) use text_on_the_wire;

/// Reads a text into what it stands for.
pub(super) struct Parsing<T>(std::marker::PhantomData<T>);

impl<T> Parsing<T> {
    pub(super) fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T: std::str::FromStr<Err = Invalid>> serde::de::Visitor<'_> for Parsing<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}
