//! Values that stand in the configuration, or only say where they stand.

use serde::{Deserialize, Serialize};

use super::{AbsolutePath, Invalid};

/// A value, or the name of an environment variable or file that holds it.
///
/// References are resolved on use: plans, diffs, logs and pages show the reference, never what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value<T> {
    /// `(env)"NAME"`: the environment variable `NAME` of the process that uses it.
    Env {
        /// The variable's name.
        env: String,
    },
    /// `(file)"/run/credentials/x"`: the first line of a file on the server that uses it.
    File {
        /// The file's path.
        file: AbsolutePath,
    },
    /// The value itself.
    Literal(T),
}

/// Where references are looked up: the edge that may read the environment and files.
pub trait Lookup {
    /// The environment variable `name`.
    fn env(&self, name: &str) -> Option<String>;
    /// The first line of the file at `path`.
    ///
    /// # Errors
    /// What the operating system said.
    fn file(&self, path: &AbsolutePath) -> std::io::Result<String>;
}

/// Says why a reference could not be resolved. Never holds what the reference stood for.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The environment does not have the variable.
    #[error("environment variable {0} is not set")]
    Unset(String),
    /// The file could not be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: AbsolutePath,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What was found there is not such a value; it may be secret, so it is not shown.
    #[error("what {reference} stands for is not {expected}")]
    NotValid {
        /// The reference as the configuration writes it.
        reference: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl<T: std::str::FromStr<Err = Invalid> + Clone> Value<T> {
    /// Finds the value.
    ///
    /// # Errors
    /// When the variable is not set, the file cannot be read, or what it holds is not such a value.
    pub fn resolve(&self, lookup: &dyn Lookup) -> Result<T, ValueError> {
        let text = match self {
            Self::Literal(value) => return Ok(value.clone()),
            Self::Env { env } => lookup
                .env(env)
                .ok_or_else(|| ValueError::Unset(env.clone()))?,
            Self::File { file } => lookup.file(file).map_err(|source| ValueError::Unreadable {
                path: file.clone(),
                source,
            })?,
        };
        text.parse().map_err(|e: Invalid| ValueError::NotValid {
            reference: self.reference(),
            expected: e.expected,
        })
    }
}

impl<T> Value<T> {
    /// The value, if it stands in the configuration itself.
    pub fn literal(&self) -> Option<&T> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Env { .. } | Self::File { .. } => None,
        }
    }

    fn reference(&self) -> String {
        match self {
            Self::Literal(_) => String::new(),
            Self::Env { env } => format!("(env)\"{env}\""),
            Self::File { file } => format!("(file)\"{file}\""),
        }
    }
}

impl<T: std::fmt::Display> std::fmt::Display for Value<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Literal(value) => value.fmt(f),
            Self::Env { .. } | Self::File { .. } => f.pad(&self.reference()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lookup, Value};
    use crate::core::model::{AbsolutePath, Address};

    struct OneVariable(&'static str);

    impl Lookup for OneVariable {
        fn env(&self, name: &str) -> Option<String> {
            (name == "ADDR").then(|| self.0.to_owned())
        }

        fn file(&self, _: &AbsolutePath) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn a_reference_is_checked_like_a_literal_and_never_shows_what_it_holds() {
        let value: Value<Address> = Value::Env { env: "ADDR".into() };
        assert_eq!(
            value.resolve(&OneVariable("192.0.2.1")).unwrap().as_str(),
            "192.0.2.1"
        );
        let error = value
            .resolve(&OneVariable("-oProxyCommand=secret"))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "what (env)\"ADDR\" stands for is not an IP address or a DNS name"
        );
        assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"env":"ADDR"}"#);
    }
}
