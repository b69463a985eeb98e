//! Accounts, sessions and tokens.

use serde_json::json;

use crate::core::model::{Account, AccountName, ApiToken, Timestamp, TokenId, UserId};
use crate::store::StoreError;
use crate::store::accounts::{
    AccountRights, Accounts, Credentials, LoginFailures, NewAccount, NewToken, SessionRecord,
};
use crate::store::session::{Database, Row, Session, all, args, first};

use super::meta::record_aside;
use super::reader::Reader;

const ACCOUNT: &str = "u.id, u.name, u.is_active, u.is_staff, u.is_superuser, u.created_at, u.password_changed_at, u.last_login_at";
const TOKEN: &str =
    "id, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at";

impl<D: Database> Accounts for D {
    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT} FROM users u ORDER BY u.name_key");
        self.read(|s| all(s, &sql, args![], read_account))
    }

    fn credentials(&self, name: &AccountName) -> Result<Option<Credentials>, StoreError> {
        let sql = format!("SELECT {ACCOUNT}, u.password FROM users u WHERE u.name_key = ?");
        self.read(|s| {
            first(s, &sql, args![name.folded().as_str()], |row| {
                let mut reader = Reader::new(row, "users");
                Ok(Credentials {
                    account: account(&mut reader)?,
                    password: reader.text("password")?.to_owned(),
                })
            })
        })
    }

    fn create_account(
        &self,
        new: &NewAccount,
        actor: &str,
        at: Timestamp,
    ) -> Result<UserId, StoreError> {
        self.write(|s| create(s, new, actor, at))
    }

    fn set_password(
        &self,
        user: UserId,
        password: &str,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|s| {
            let account = by_id(s, user)?;
            s.execute(
                "UPDATE users SET password = ?, password_changed_at = ? WHERE id = ?",
                args![password, at, user.0],
            )?;
            end_sessions(s, user)?;
            let summary = format!("password of {} set", account.name);
            record_aside(s, actor, at, summary, &json!({"user": account.name}))
        })
    }

    fn set_rights(
        &self,
        user: UserId,
        rights: AccountRights,
        actor: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|s| set_rights(s, user, rights, actor, at))
    }

    fn begin_session(
        &self,
        user: UserId,
        token_hash: &str,
        address: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|s| {
            s.execute(
                "INSERT INTO sessions (token_hash, user_id, created_at, last_seen_at, address) \
                 VALUES (?, ?, ?, ?, ?)",
                args![token_hash, user.0, at, at, address],
            )?;
            s.execute(
                "UPDATE users SET last_login_at = ? WHERE id = ?",
                args![at, user.0],
            )?;
            Ok(())
        })
    }

    fn session(&self, token_hash: &str) -> Result<Option<SessionRecord>, StoreError> {
        let sql = format!(
            "SELECT {ACCOUNT}, x.created_at, x.last_seen_at FROM sessions x \
             JOIN users u ON u.id = x.user_id WHERE x.token_hash = ?"
        );
        self.read(|s| {
            first(s, &sql, args![token_hash], |row| {
                let mut reader = Reader::new(row, "sessions");
                Ok(SessionRecord {
                    account: account(&mut reader)?,
                    created_at: reader.time("created_at")?,
                    last_seen_at: reader.time("last_seen_at")?,
                })
            })
        })
    }

    fn touch_session(&self, token_hash: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|s| {
            s.execute(
                "UPDATE sessions SET last_seen_at = ? WHERE token_hash = ?",
                args![at, token_hash],
            )
            .map(drop)
        })
    }

    fn end_session(
        &self,
        token_hash: &str,
        idle_since: Timestamp,
        begun_before: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|s| {
            s.execute(
                "DELETE FROM sessions WHERE token_hash = ? OR last_seen_at < ? OR created_at < ?",
                args![token_hash, idle_since, begun_before],
            )
            .map(drop)
        })
    }

    fn login_failures(
        &self,
        account: &str,
        address: &str,
        since: Timestamp,
    ) -> Result<LoginFailures, StoreError> {
        self.read(|s| {
            let mut count = |condition: &str, args: &[crate::store::session::Val<'_>]| {
                let sql =
                    format!("SELECT COUNT(*) FROM login_failures WHERE at >= ? AND {condition}");
                let found = first(s, &sql, args, |row| {
                    Reader::new(row, "login_failures").int("count")
                })?;
                Ok::<u32, StoreError>(found.and_then(|n| u32::try_from(n).ok()).unwrap_or(0))
            };
            Ok(LoginFailures {
                here: count(
                    "account = ? AND address = ?",
                    args![since, account, address],
                )?,
                account: count("account = ?", args![since, account])?,
                address: count("address = ?", args![since, address])?,
            })
        })
    }

    fn note_login_failure(
        &self,
        account: &str,
        address: &str,
        at: Timestamp,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|s| {
            s.execute("DELETE FROM login_failures WHERE at < ?", args![since])?;
            s.insert(
                "INSERT INTO login_failures (account, address, at) VALUES (?, ?, ?)",
                args![account, address, at],
            )
            .map(drop)
        })
    }

    fn forget_login_failures(&self, account: &str, address: &str) -> Result<(), StoreError> {
        self.write(|s| {
            s.execute(
                "DELETE FROM login_failures WHERE account = ? AND address = ?",
                args![account, address],
            )
            .map(drop)
        })
    }

    fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let sql = format!("SELECT {TOKEN} FROM api_tokens ORDER BY id DESC");
        self.read(|s| all(s, &sql, args![], read_token))
    }

    fn create_token(
        &self,
        new: &NewToken,
        actor: &str,
        at: Timestamp,
    ) -> Result<TokenId, StoreError> {
        self.write(|s| {
            let scopes = new.scopes.to_string();
            let id = s.insert(
                "INSERT INTO api_tokens (name, token_hash, scopes, created_at, created_by, expires_at) \
                 VALUES (?, ?, ?, ?, ?, ?)",
                args![
                    new.name.as_str(),
                    new.hash.as_str(),
                    scopes.as_str(),
                    at,
                    actor,
                    new.expires_at
                ],
            )?;
            let summary = format!("token {} made for {scopes}", new.name);
            let detail = json!({"token": id, "name": new.name, "scopes": scopes, "expires_at": new.expires_at});
            record_aside(s, actor, at, summary, &detail)?;
            Ok(TokenId(id))
        })
    }

    fn revoke_token(&self, token: TokenId, actor: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|s| {
            let met = s.execute(
                "UPDATE api_tokens SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL",
                args![at, actor, token.0],
            )?;
            if met == 0 {
                return Err(StoreError::Unknown {
                    what: "token in force",
                    id: token.0.to_string(),
                });
            }
            let summary = format!("token {} taken back", token.0);
            record_aside(s, actor, at, summary, &json!({"token": token}))
        })
    }

    fn token_by_hash(&self, hash: &str) -> Result<Option<ApiToken>, StoreError> {
        let sql = format!("SELECT {TOKEN} FROM api_tokens WHERE token_hash = ?");
        self.read(|s| first(s, &sql, args![hash], read_token))
    }

    fn touch_token(&self, token: TokenId, at: Timestamp) -> Result<(), StoreError> {
        self.write(|s| {
            s.execute(
                "UPDATE api_tokens SET last_used_at = ? WHERE id = ?",
                args![at, token.0],
            )
            .map(drop)
        })
    }
}

fn create(
    session: &mut dyn Session,
    new: &NewAccount,
    actor: &str,
    at: Timestamp,
) -> Result<UserId, StoreError> {
    let key = new.name.folded();
    let taken = first(
        session,
        "SELECT id FROM users WHERE name_key = ?",
        args![key.as_str()],
        |_| Ok(()),
    )?;
    if taken.is_some() {
        return Err(StoreError::AccountExists {
            name: new.name.clone(),
        });
    }
    let id = session.insert(
        "INSERT INTO users (name, name_key, password, is_active, is_staff, is_superuser, created_at, password_changed_at) \
         VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
        args![
            new.name.as_str(),
            key.as_str(),
            new.password.as_str(),
            new.is_staff,
            new.is_superuser,
            at,
            at
        ],
    )?;
    let summary = format!("account {} made", new.name);
    let detail =
        json!({"user": new.name, "is_staff": new.is_staff, "is_superuser": new.is_superuser});
    record_aside(session, actor, at, summary, &detail)?;
    Ok(UserId(id))
}

fn set_rights(
    session: &mut dyn Session,
    user: UserId,
    rights: AccountRights,
    actor: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let account = by_id(session, user)?;
    session.execute(
        "UPDATE users SET is_active = ?, is_staff = ?, is_superuser = ? WHERE id = ?",
        args![
            rights.is_active,
            rights.is_staff,
            rights.is_superuser,
            user.0
        ],
    )?;
    let left = first(
        session,
        "SELECT id FROM users WHERE is_active = 1 AND is_staff = 1 AND is_superuser = 1",
        args![],
        |_| Ok(()),
    )?;
    if left.is_none() {
        return Err(StoreError::LastSuperuser { name: account.name });
    }
    // Who is no longer staff finds every page closed, and is told so.
    if !rights.is_active {
        end_sessions(session, user)?;
    }
    let word = |is: bool, word: &'static str| is.then_some(word);
    let words: Vec<&str> = [
        word(rights.is_active, "active"),
        word(rights.is_staff, "staff"),
        word(rights.is_superuser, "superuser"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let what = if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    };
    let summary = format!("account {} is now {what}", account.name);
    record_aside(
        session,
        actor,
        at,
        summary,
        &json!({"user": account.name, "rights": words}),
    )
}

fn end_sessions(session: &mut dyn Session, user: UserId) -> Result<(), StoreError> {
    session
        .execute("DELETE FROM sessions WHERE user_id = ?", args![user.0])
        .map(drop)
}

fn by_id(session: &mut dyn Session, user: UserId) -> Result<Account, StoreError> {
    let sql = format!("SELECT {ACCOUNT} FROM users u WHERE u.id = ?");
    first(session, &sql, args![user.0], read_account)?.ok_or_else(|| StoreError::Unknown {
        what: "account",
        id: user.0.to_string(),
    })
}

fn read_account(row: &dyn Row) -> Result<Account, StoreError> {
    account(&mut Reader::new(row, "users"))
}

fn account(row: &mut Reader<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        id: UserId(row.int("id")?),
        name: row.parse("name")?,
        is_active: row.flag("is_active")?,
        is_staff: row.flag("is_staff")?,
        is_superuser: row.flag("is_superuser")?,
        created_at: row.time("created_at")?,
        password_changed_at: row.time("password_changed_at")?,
        last_login_at: row.opt_time("last_login_at")?,
    })
}

fn read_token(row: &dyn Row) -> Result<ApiToken, StoreError> {
    let mut row = Reader::new(row, "api_tokens");
    Ok(ApiToken {
        id: TokenId(row.int("id")?),
        name: row.parse("name")?,
        scopes: row.parse("scopes")?,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?.to_owned(),
        expires_at: row.opt_time("expires_at")?,
        last_used_at: row.opt_time("last_used_at")?,
        revoked_at: row.opt_time("revoked_at")?,
    })
}
