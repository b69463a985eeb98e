//! Staff accounts and the tokens of programs, without their secrets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invalid::text_newtype;
use super::run::words;
use super::{Invalid, Timestamp};

/// A row of `users`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub i64);

/// A row of `api_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub i64);

/// The name of an account: letters, digits and `@.+-_`, at most 150 characters, as the older service had it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

text_newtype!(AccountName);

impl AccountName {
    /// A longer name is none.
    pub const MAX_LENGTH: usize = 150;

    /// The name in lower case, under which no two accounts may meet.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for AccountName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_name = !text.is_empty()
            && text.len() <= Self::MAX_LENGTH
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"@.+-_".contains(&b));
        if is_name && !text.starts_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                text,
                "the name of an account",
                "use at most 150 letters, digits, `@`, `.`, `+`, `-` and `_`, and no `-` in front",
            ))
        }
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its row.
    pub id: UserId,
    /// Its name.
    pub name: AccountName,
    /// May log in at all.
    pub is_active: bool,
    /// May see the pages.
    pub is_staff: bool,
    /// May manage accounts and tokens.
    pub is_superuser: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its password was set.
    pub password_changed_at: Timestamp,
    /// When it logged in last.
    pub last_login_at: Option<Timestamp>,
}

words!(/// What a program may do with its token.
TokenScope, "a scope", {
    /// Look at everything.
    Read = "read",
    /// Have plans made.
    Plan = "plan",
    /// Apply plans.
    Apply = "apply",
});

/// What a token may be used for: each scope by itself, at least one. Stored as words between blanks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenScopes(std::collections::BTreeSet<TokenScope>);

impl TokenScopes {
    /// Says that it covers `scope`.
    #[must_use]
    pub fn contains(&self, scope: TokenScope) -> bool {
        self.0.contains(&scope)
    }

    /// Collects scopes; none are no scopes.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = TokenScope>) -> Option<Self> {
        let scopes: std::collections::BTreeSet<TokenScope> = scopes.into_iter().collect();
        (!scopes.is_empty()).then_some(Self(scopes))
    }
}

impl fmt::Display for TokenScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.pad(&words.join(" "))
    }
}

impl FromStr for TokenScopes {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let scopes: Vec<TokenScope> = text
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Self::new(scopes)
            .ok_or_else(|| Invalid::new(text, "scopes", "write `read`, `plan`, `apply` or several"))
    }
}

/// A token that a program shows instead of a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its row.
    pub id: TokenId,
    /// What it is for, in the words of whoever made it.
    pub name: super::Label,
    /// What it may be used for.
    pub scopes: TokenScopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl ApiToken {
    /// Says that it is neither taken back nor at its end.
    #[must_use]
    pub fn is_in_force(&self, at: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| at < end)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("alice", true)]
    #[case("alice@example.net", true)]
    #[case("", false)]
    #[case("-rf", false)]
    #[case("a b", false)]
    #[case("a/b", false)]
    #[case("аlice", false)] // a Cyrillic letter
    fn account_names_are_plain(#[case] text: &str, #[case] is_name: bool) {
        assert_eq!(text.parse::<AccountName>().is_ok(), is_name, "{text:?}");
        assert!("a".repeat(151).parse::<AccountName>().is_err());
    }

    #[test]
    fn scopes_are_words_each_once_and_never_none() {
        let scopes: TokenScopes = "plan,read plan".parse().unwrap();
        assert_eq!(scopes.to_string(), "read plan");
        assert!(scopes.contains(TokenScope::Plan) && !scopes.contains(TokenScope::Apply));
        assert!("".parse::<TokenScopes>().is_err());
        assert!("read,write".parse::<TokenScopes>().is_err());
    }
}
