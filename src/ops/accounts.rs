//! Staff accounts: making them, logging in and out, and the tokens of programs.

use sha2::{Digest as _, Sha256};

use super::{Context, Error, clock, password};
use crate::core::model::{
    Account, AccountName, ApiToken, Label, Span, Timestamp, TokenId, TokenScopes, UserId,
};
use crate::store::{AccountRights, LoginFailures, NewAccount, NewToken};

/// A session that nobody used for so long has ended.
pub const SESSION_IDLE: Span = Span::from_hours(8);
/// A session ends after so long, used or not.
pub const SESSION_LENGTH: Span = Span::from_hours(7 * 24);
/// Writing each request's time would make every page a write.
const TOUCH_EVERY: Span = Span::from_seconds(60);

/// Failed log-ins are counted over so long.
const FAILURE_WINDOW: Span = Span::from_seconds(15 * 60);
/// Failures of one account from one address within the window; then both wait.
const FAILURES_HERE: u32 = 5;
/// Failures from one address, whatever the account.
const FAILURES_ADDRESS: u32 = 20;
/// Failures of one account, wherever from: high, so that a stranger cannot lock its owner out by a few tries.
const FAILURES_ACCOUNT: u32 = 100;

/// What came of a log-in.
pub enum LogIn {
    /// It succeeded: whose account it is, staff or not, and the secret of the session.
    Welcome(Account, String),
    /// Name or password are wrong, or the account may not log in: one answer for all.
    Refused,
    /// Too many failed lately; not even looked at.
    TooMany,
}

/// A session that is in force.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose it is.
    pub account: Account,
    /// What a form of this session carries, so that no other site can send it.
    pub form_token: String,
}

/// Adds an account.
///
/// # Errors
/// When the name is taken or the password is none.
pub fn create_account(
    context: &Context,
    name: &AccountName,
    password: &str,
    is_superuser: bool,
) -> Result<UserId, Error> {
    let new = NewAccount {
        name: name.clone(),
        password: password::hash(password)?,
        is_staff: true,
        is_superuser,
    };
    Ok(context
        .store
        .create_account(&new, &context.actor, clock::now())?)
}

/// Sets the password of an account and logs it out everywhere.
///
/// # Errors
/// When there is no such account or the password is none.
pub fn set_password(
    context: &Context,
    actor: &str,
    name: &AccountName,
    password: &str,
) -> Result<(), Error> {
    let found = context.store.credentials(name)?;
    let account = found
        .ok_or_else(|| Error::UnknownAccount { name: name.clone() })?
        .account;
    let hash = password::hash(password)?;
    Ok(context
        .store
        .set_password(account.id, &hash, actor, clock::now())?)
}

/// Says that `password` is the one of the account, for whoever changes it.
///
/// # Errors
/// When the database cannot be read.
pub fn is_password_of(
    context: &Context,
    name: &AccountName,
    password: &str,
) -> Result<bool, Error> {
    let found = context.store.credentials(name)?;
    Ok(password::is_right(
        password,
        found.as_ref().map(|c| c.password.as_str()),
    ))
}

/// Sets what an account may do.
///
/// # Errors
/// When there is no such account, or nobody could manage accounts then.
pub fn set_rights(
    context: &Context,
    actor: &str,
    user: UserId,
    rights: AccountRights,
) -> Result<(), Error> {
    Ok(context
        .store
        .set_rights(user, rights, actor, clock::now())?)
}

/// Logs in from `address`.
///
/// # Errors
/// When the database cannot be used; a wrong password is no error.
pub fn log_in(
    context: &Context,
    name: &str,
    password: &str,
    address: &str,
) -> Result<LogIn, Error> {
    let now = clock::now();
    let since = now.minus(FAILURE_WINDOW);
    // What is no name is counted too, cut to what a row should hold.
    let key: String = name
        .chars()
        .take(AccountName::MAX_LENGTH)
        .collect::<String>()
        .to_ascii_lowercase();
    let failures = context.store.login_failures(&key, address, since)?;
    if is_too_many(failures) {
        return Ok(LogIn::TooMany);
    }
    let found = match name.parse::<AccountName>() {
        Ok(name) => context.store.credentials(&name)?,
        Err(_) => None,
    };
    let is_right = password::is_right(password, found.as_ref().map(|c| c.password.as_str()));
    let account = found
        .map(|found| found.account)
        .filter(|account| is_right && account.is_active);
    let Some(account) = account else {
        context
            .store
            .note_login_failure(&key, address, now, since)?;
        return Ok(LogIn::Refused);
    };
    context.store.forget_login_failures(&key, address)?;
    let secret = secret("")?;
    context
        .store
        .begin_session(account.id, &hash(&secret), address, now)?;
    Ok(LogIn::Welcome(account, secret))
}

fn is_too_many(failures: LoginFailures) -> bool {
    failures.here >= FAILURES_HERE
        || failures.address >= FAILURES_ADDRESS
        || failures.account >= FAILURES_ACCOUNT
}

/// The session of a secret, if it is in force.
///
/// # Errors
/// When the database cannot be used.
pub fn session(context: &Context, secret: &str) -> Result<Option<Session>, Error> {
    let now = clock::now();
    let key = hash(secret);
    let Some(found) = context.store.session(&key)? else {
        return Ok(None);
    };
    let is_over = now > found.last_seen_at.plus(SESSION_IDLE)
        || now > found.created_at.plus(SESSION_LENGTH)
        || !found.account.is_active;
    if is_over {
        log_out(context, secret)?;
        return Ok(None);
    }
    if now > found.last_seen_at.plus(TOUCH_EVERY) {
        context.store.touch_session(&key, now)?;
    }
    Ok(Some(Session {
        account: found.account,
        form_token: hash(&format!("form of {secret}")),
    }))
}

/// Ends a session.
///
/// # Errors
/// When the database cannot be used.
pub fn log_out(context: &Context, secret: &str) -> Result<(), Error> {
    let now = clock::now();
    Ok(context.store.end_session(
        &hash(secret),
        now.minus(SESSION_IDLE),
        now.minus(SESSION_LENGTH),
    )?)
}

/// The moment a token ends that lasts `length` from now; one without a length does not end by itself.
#[must_use]
pub fn expiry(length: Option<Span>) -> Option<Timestamp> {
    length.map(|length| clock::now().plus(length))
}

/// Makes a token for a program. It is returned once and cannot be read again.
///
/// # Errors
/// When the database cannot be used.
pub fn create_token(
    context: &Context,
    actor: &str,
    name: &Label,
    scopes: &TokenScopes,
    expires_at: Option<Timestamp>,
) -> Result<(TokenId, String), Error> {
    let secret = secret("pobsync_")?;
    let new = NewToken {
        name: name.clone(),
        hash: hash(&secret),
        scopes: scopes.clone(),
        expires_at,
    };
    let id = context.store.create_token(&new, actor, clock::now())?;
    Ok((id, secret))
}

/// Takes a token back.
///
/// # Errors
/// When there is none in force.
pub fn revoke_token(context: &Context, actor: &str, token: TokenId) -> Result<(), Error> {
    Ok(context.store.revoke_token(token, actor, clock::now())?)
}

/// The token of a secret, if it is in force.
///
/// # Errors
/// When the database cannot be used.
pub fn token(context: &Context, secret: &str) -> Result<Option<ApiToken>, Error> {
    let now = clock::now();
    let found = context.store.token_by_hash(&hash(secret))?;
    let Some(token) = found.filter(|token| token.is_in_force(now)) else {
        return Ok(None);
    };
    if token
        .last_used_at
        .is_none_or(|last| now > last.plus(TOUCH_EVERY))
    {
        context.store.touch_token(token.id, now)?;
    }
    Ok(Some(token))
}

/// Says that a token is not that of somebody who is staff no longer: who made it while they were would still be in with
/// it. One that was made on the command line, by a name that is no account's, is the server's own.
///
/// # Errors
/// When the database cannot be read.
pub fn is_token_of_staff(context: &Context, token: &ApiToken) -> Result<bool, Error> {
    let Ok(name) = token.created_by.parse::<AccountName>() else {
        return Ok(true);
    };
    let maker = context.store.credentials(&name)?;
    Ok(maker.is_none_or(|maker| maker.account.is_active && maker.account.is_staff))
}

/// 256 random bits behind a prefix that tells scanners of leaked secrets what they found.
fn secret(prefix: &str) -> Result<String, Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::Program {
        message: format!("the system gives no random bytes: {error}"),
        help: String::new(),
    })?;
    Ok(format!("{prefix}{}", hex(&bytes)))
}

/// Random secrets need no slow hash. Looking up by hash also takes the same time whatever is right of a guess.
fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder {
        context: Context,
        _folder: tempfile::TempDir,
    }

    fn with_alice() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("p.db")).unwrap();
        let context = Context::create(&path).unwrap();
        create_account(&context, &alice(), "correct horse battery", true).unwrap();
        Folder {
            context,
            _folder: folder,
        }
    }

    fn alice() -> AccountName {
        "alice".parse().unwrap()
    }

    fn try_in(context: &Context, password: &str, address: &str) -> LogIn {
        log_in(context, "Alice", password, address).unwrap()
    }

    #[test]
    fn a_log_in_begins_a_session_that_ends_with_a_log_out() {
        let folder = with_alice();
        let context = &folder.context;
        let LogIn::Welcome(account, secret) = try_in(context, "correct horse battery", "::1")
        else {
            panic!("refused");
        };
        assert_eq!(account.name, alice());
        let found = session(context, &secret).unwrap().unwrap();
        assert_ne!(found.form_token, secret);
        assert!(session(context, "another").unwrap().is_none());
        log_out(context, &secret).unwrap();
        assert!(session(context, &secret).unwrap().is_none());
    }

    #[test]
    fn a_new_password_logs_out_everywhere() {
        let folder = with_alice();
        let context = &folder.context;
        let LogIn::Welcome(_, secret) = try_in(context, "correct horse battery", "::1") else {
            panic!("refused");
        };
        set_password(context, "alice", &alice(), "another horse battery").unwrap();
        assert!(session(context, &secret).unwrap().is_none());
        assert!(matches!(
            try_in(context, "correct horse battery", "::1"),
            LogIn::Refused
        ));
    }

    #[test]
    fn five_failures_make_account_and_address_wait_and_no_other_address() {
        let folder = with_alice();
        let context = &folder.context;
        for _ in 0..5 {
            assert!(matches!(
                try_in(context, "wrong", "192.0.2.1"),
                LogIn::Refused
            ));
        }
        assert!(matches!(
            try_in(context, "correct horse battery", "192.0.2.1"),
            LogIn::TooMany
        ));
        assert!(matches!(
            try_in(context, "correct horse battery", "192.0.2.2"),
            LogIn::Welcome(..)
        ));
    }

    #[test]
    fn an_address_that_tries_many_names_waits() {
        let folder = with_alice();
        let context = &folder.context;
        for i in 0..20 {
            log_in(context, &format!("user{i}"), "wrong", "192.0.2.1").unwrap();
        }
        assert!(matches!(
            try_in(context, "correct horse battery", "192.0.2.1"),
            LogIn::TooMany
        ));
    }

    #[test]
    fn who_is_no_longer_staff_is_told_so_and_the_last_superuser_stays() {
        let folder = with_alice();
        let context = &folder.context;
        let id = create_account(
            context,
            &"bob".parse().unwrap(),
            "bobs long password",
            false,
        );
        let none = AccountRights {
            is_active: true,
            is_staff: false,
            is_superuser: false,
        };
        let LogIn::Welcome(_, secret) =
            log_in(context, "bob", "bobs long password", "::1").unwrap()
        else {
            panic!("refused");
        };
        set_rights(context, "alice", id.unwrap(), none).unwrap();
        let of_bob = session(context, &secret).unwrap().unwrap();
        assert!(!of_bob.account.is_staff);
        let again = log_in(context, "bob", "bobs long password", "::1").unwrap();
        assert!(matches!(again, LogIn::Welcome(account, _) if !account.is_staff));
        let wrong = log_in(context, "bob", "not that one", "::1").unwrap();
        assert!(matches!(wrong, LogIn::Refused));
        let nobody = AccountRights {
            is_active: false,
            ..none
        };
        let bob = context.store.credentials(&"bob".parse().unwrap()).unwrap();
        set_rights(context, "alice", bob.unwrap().account.id, nobody).unwrap();
        assert!(session(context, &secret).unwrap().is_none());
        let refused = log_in(context, "bob", "bobs long password", "::1").unwrap();
        assert!(matches!(refused, LogIn::Refused));
        let alice = context.store.credentials(&alice()).unwrap().unwrap();
        assert!(set_rights(context, "alice", alice.account.id, none).is_err());
        let LogIn::Welcome(..) = try_in(context, "correct horse battery", "::1") else {
            panic!("the refused change left a trace");
        };
    }

    #[test]
    fn a_token_works_until_it_is_taken_back_or_over() {
        let folder = with_alice();
        let context = &folder.context;
        let scopes: TokenScopes = "read plan".parse().unwrap();
        let name: Label = "ci".parse().unwrap();
        let (id, secret) = create_token(context, "alice", &name, &scopes, None).unwrap();
        assert!(secret.starts_with("pobsync_") && secret.len() == 72);
        assert_eq!(token(context, &secret).unwrap().unwrap().scopes, scopes);
        revoke_token(context, "alice", id).unwrap();
        assert!(token(context, &secret).unwrap().is_none());
        assert!(revoke_token(context, "alice", id).is_err());
        let (_, of_alice) = create_token(context, "alice", &name, &scopes, None).unwrap();
        let of_alice = token(context, &of_alice).unwrap().unwrap();
        let (_, of_root) = create_token(context, "root", &name, &scopes, None).unwrap();
        let of_root = token(context, &of_root).unwrap().unwrap();
        assert!(is_token_of_staff(context, &of_alice).unwrap());
        let bob = "bob".parse().unwrap();
        create_account(context, &bob, "bobs long password", true).unwrap();
        let id = context
            .store
            .credentials(&alice())
            .unwrap()
            .unwrap()
            .account
            .id;
        let none = AccountRights {
            is_active: true,
            is_staff: false,
            is_superuser: false,
        };
        set_rights(context, "bob", id, none).unwrap();
        assert!(!is_token_of_staff(context, &of_alice).unwrap());
        assert!(is_token_of_staff(context, &of_root).unwrap());
        let over = Some(Timestamp::from_millis(1));
        let (_, old) = create_token(context, "alice", &name, &scopes, over).unwrap();
        assert!(token(context, &old).unwrap().is_none());
    }

    #[test]
    fn no_secret_stands_in_the_database() {
        let folder = with_alice();
        let context = &folder.context;
        let LogIn::Welcome(_, session) = try_in(context, "correct horse battery", "::1") else {
            panic!("refused");
        };
        let (_, token) = create_token(
            context,
            "alice",
            &"ci".parse().unwrap(),
            &"apply".parse().unwrap(),
            None,
        )
        .unwrap();
        let copy = context.state_folder.join("copy.db");
        context.store.backup_to(&copy).unwrap();
        let bytes = std::fs::read(copy).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(holds("alice"));
        for secret in ["correct horse battery", &session, &token] {
            assert!(!holds(secret));
        }
    }
}
