//! `create-superuser`, `set-password` and `token`: staff accounts and the tokens of programs.

use std::io::{IsTerminal as _, Read as _};

use camino::Utf8Path;

use super::args::{AccountArgs, TokenCommand, TokenCreateArgs};
use super::lists::moment;
use super::output::Output;
use crate::core::model::{ApiToken, Timestamp, TokenId, TokenScopes};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};
use crate::render::{Column, table};

/// A password file longer than this is none.
const LONGEST_FILE: u64 = 4096;

#[derive(serde::Serialize)]
struct Done<'a> {
    outcome: Outcome,
    account: &'a str,
}

/// Makes an account that may see the pages; a superuser manages accounts and tokens too.
pub(super) fn create(
    context: &Context,
    args: &AccountArgs,
    is_superuser: bool,
    output: &Output,
) -> Result<Outcome, Error> {
    let password = new_password(args.password_file.as_deref())?;
    ops::create_account(context, &args.name, &password, is_superuser)?;
    let done = Done {
        outcome: Outcome::Done,
        account: args.name.as_str(),
    };
    output.data(&done, |_| {
        format!("{} can log in: pobsync serve\n", args.name)
    });
    Ok(Outcome::Done)
}

pub(super) fn set_password(
    context: &Context,
    args: &AccountArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let password = new_password(args.password_file.as_deref())?;
    ops::set_password(context, &context.actor, &args.name, &password)?;
    let done = Done {
        outcome: Outcome::Done,
        account: args.name.as_str(),
    };
    output.data(&done, |_| {
        format!(
            "The password of {} is set; it is logged out everywhere.\n",
            args.name
        )
    });
    Ok(Outcome::Done)
}

pub(super) fn token(
    context: &Context,
    command: &TokenCommand,
    output: &Output,
) -> Result<Outcome, Error> {
    match command {
        TokenCommand::Create(args) => create_token(context, args, output),
        TokenCommand::List => list_tokens(context, output),
        TokenCommand::Revoke { token } => {
            ops::revoke_token(context, &context.actor, TokenId(*token))?;
            output.say(&format!("Token {token} is taken back."));
            Ok(Outcome::Done)
        }
    }
}

#[derive(serde::Serialize)]
struct Created<'a> {
    outcome: Outcome,
    id: TokenId,
    token: &'a str,
}

fn create_token(
    context: &Context,
    args: &TokenCreateArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let scopes = TokenScopes::new(args.scopes.iter().copied()).ok_or_else(|| {
        crate::core::model::Invalid::new("", "scopes", "name at least one with --scope")
    })?;
    let (id, secret) = ops::create_token(
        context,
        &context.actor,
        &args.name,
        &scopes,
        ops::expiry(args.expires_in),
    )?;
    let created = Created {
        outcome: Outcome::Done,
        id,
        token: &secret,
    };
    output.say("This is shown once; keep it where only its user can read it.");
    output.data(&created, |_| format!("{secret}\n"));
    Ok(Outcome::Done)
}

fn list_tokens(context: &Context, output: &Output) -> Result<Outcome, Error> {
    let tokens = context.store.api_tokens()?;
    let at = |time: Option<Timestamp>| time.map_or("never".to_owned(), moment);
    output.data(&tokens, |style| {
        let cells = |t: &ApiToken| {
            vec![
                t.id.0.to_string(),
                t.name.to_string(),
                t.scopes.to_string(),
                moment(t.created_at),
                t.created_by.clone(),
                at(t.expires_at),
                at(t.last_used_at),
                t.revoked_at.map_or(String::new(), moment),
            ]
        };
        let columns = [
            Column("TOKEN", true),
            Column("NAME", false),
            Column("SCOPES", false),
            Column("CREATED", false),
            Column("BY", false),
            Column("EXPIRES", false),
            Column("LAST USED", false),
            Column("REVOKED", false),
        ];
        table(
            &columns,
            &tokens.iter().map(cells).collect::<Vec<_>>(),
            style,
        )
    });
    Ok(Outcome::Done)
}

/// The first line of a file (`-` is stdin), or what somebody types twice. Never an argument: other users see those.
fn new_password(file: Option<&Utf8Path>) -> Result<String, Error> {
    if let Some(path) = file {
        return first_line(path);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Program {
            message: "no password was given, and there is no terminal to ask on".to_owned(),
            help: "name a file whose first line it is: --password-file FILE".to_owned(),
        });
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|source| Error::File {
            doing: "read a password from",
            path: "the terminal".to_owned(),
            source,
        })
    };
    let password = ask("Password: ")?;
    if ask("The same again: ")? == password {
        Ok(password)
    } else {
        Err(Error::Password {
            problem: "the two are not the same".to_owned(),
        })
    }
}

fn first_line(path: &Utf8Path) -> Result<String, Error> {
    let mut text = String::new();
    let read = if path == "-" {
        std::io::stdin()
            .take(LONGEST_FILE)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
    };
    read.map_err(|source| Error::File {
        doing: "read",
        path: path.to_string(),
        source,
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
