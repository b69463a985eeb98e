//! Accounts, sessions and tokens as the rest of the program sees them.

use crate::core::model::{
    Account, AccountName, ApiToken, Label, Timestamp, TokenId, TokenScopes, UserId,
};

use super::StoreError;

/// An account with the hash that its password is held against. The hash never leaves the program.
#[derive(Clone)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// The argon2id hash of its password, in PHC form.
    pub password: String,
}

/// A new account.
#[derive(Clone)]
pub struct NewAccount {
    /// Its name.
    pub name: AccountName,
    /// The argon2id hash of its password, in PHC form.
    pub password: String,
    /// May see the pages.
    pub is_staff: bool,
    /// May manage accounts and tokens.
    pub is_superuser: bool,
}

/// What an account may do from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of an account")]
pub struct AccountRights {
    pub is_active: bool,
    pub is_staff: bool,
    pub is_superuser: bool,
}

/// A session as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose it is.
    pub account: Account,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_seen_at: Timestamp,
}

/// A new token for a program.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What it is for.
    pub name: Label,
    /// SHA-256 of the token, in hexadecimal.
    pub hash: String,
    /// What it may be used for.
    pub scopes: TokenScopes,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// How many log-ins failed lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoginFailures {
    /// Of this account from this address.
    pub here: u32,
    /// Of this account.
    pub account: u32,
    /// From this address.
    pub address: u32,
}

/// What the web pages and the API ask of the database about people and programs. Each call is one transaction.
///
/// Everything that changes an account or a token leaves a line of history.
///
/// # Errors
/// Every call fails with [`StoreError`] when the database cannot be read or written.
pub trait Accounts {
    /// Every account, by name.
    fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// The account of this name, whatever its case, with the hash of its password.
    fn credentials(&self, name: &AccountName) -> Result<Option<Credentials>, StoreError>;

    /// Adds an account.
    ///
    /// # Errors
    /// [`StoreError::AccountExists`] if the name is taken.
    fn create_account(
        &self,
        new: &NewAccount,
        actor: &str,
        at: Timestamp,
    ) -> Result<UserId, StoreError>;

    /// Sets the hash of an account's password and ends all its sessions.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such an account.
    fn set_password(
        &self,
        user: UserId,
        password: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Sets what an account may do, and ends its sessions if it may no longer see the pages.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such an account; [`StoreError::LastSuperuser`] if nobody could manage accounts then.
    fn set_rights(
        &self,
        user: UserId,
        rights: AccountRights,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Begins a session and notes the log-in.
    fn begin_session(
        &self,
        user: UserId,
        token_hash: &str,
        address: &str,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// The session of a token, expired or not.
    fn session(&self, token_hash: &str) -> Result<Option<SessionRecord>, StoreError>;

    /// Notes that a session was used.
    fn touch_session(&self, token_hash: &str, at: Timestamp) -> Result<(), StoreError>;

    /// Ends one session; those that nobody used since `idle_since` or that began before `begun_before` go too.
    fn end_session(
        &self,
        token_hash: &str,
        idle_since: Timestamp,
        begun_before: Timestamp,
    ) -> Result<(), StoreError>;

    /// How many log-ins failed since `since`.
    fn login_failures(
        &self,
        account: &str,
        address: &str,
        since: Timestamp,
    ) -> Result<LoginFailures, StoreError>;

    /// Notes that a log-in failed; those before `since` are forgotten.
    fn note_login_failure(
        &self,
        account: &str,
        address: &str,
        at: Timestamp,
        since: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets what failed of an account from an address: somebody who knows the password is there.
    fn forget_login_failures(&self, account: &str, address: &str) -> Result<(), StoreError>;

    /// Every token, newest first, with those that are no longer in force.
    fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError>;

    /// Adds a token.
    fn create_token(
        &self,
        new: &NewToken,
        actor: &str,
        at: Timestamp,
    ) -> Result<TokenId, StoreError>;

    /// Takes a token back.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] without such a token in force.
    fn revoke_token(&self, token: TokenId, actor: &str, at: Timestamp) -> Result<(), StoreError>;

    /// The token with this hash, in force or not.
    fn token_by_hash(&self, hash: &str) -> Result<Option<ApiToken>, StoreError>;

    /// Notes that a token was used.
    fn touch_token(&self, token: TokenId, at: Timestamp) -> Result<(), StoreError>;
}
