//! The first steps: a starter file, the database, the root.

use camino::Utf8Path;

use super::configure::{GlobalEdit, check_root_path, configure_global};
use super::output_file::write_new;
use super::root::open_root;
use super::{Context, Error};
use crate::config::starter;
use crate::core::model::{AbsolutePath, GlobalSettings, Label};
use crate::store::{DatabaseAddress, StoreError};

/// Makes what is not there yet, and says what it made, a line each. Nothing that is there is changed.
///
/// # Errors
/// When the file, the database or the root cannot be made.
pub fn init(
    file: &Utf8Path,
    database: &DatabaseAddress,
    server: Option<&Label>,
    root: Option<&AbsolutePath>,
) -> Result<Vec<String>, Error> {
    let mut done = Vec::new();
    let opened = Context::open(database);
    if let Some(root) = root {
        check_root_path(root)?;
        if let Ok(context) = &opened {
            let context = context.working_for(server);
            check_root_of_server(&context, &context.store.global_settings()?, root)?;
        }
    }
    if file.exists() {
        done.push(format!("{file} is there already; it stays as it is."));
    } else {
        let text = starter(root.map_or("/mnt/backups/pobsync", AbsolutePath::as_str));
        write_new(file, &text)?;
        done.push(format!(
            "Wrote {file}: edit it, then pobsync validate and pobsync plan."
        ));
    }
    let is_new = matches!(opened, Err(Error::Store(StoreError::Missing { .. })));
    drop(opened);
    let context = Context::create(database)?.working_for(server);
    done.push(if is_new {
        format!("Made the database {database}.")
    } else {
        format!("The database {database} is there already.")
    });
    if let Some(path) = root {
        let global = context.store.global_settings()?;
        if global.root_of(context.me(&global)?.as_ref()) != Some(path) {
            let edit = GlobalEdit {
                backup_root: Some(path.clone()),
                ..GlobalEdit::default()
            };
            configure_global(&context, &edit)?;
        }
        let facts = context.own_facts_about(|_| false)?;
        let root = open_root(&context, &facts, super::clock::now())?;
        done.push(format!(
            "The backup root {path} is in use (id {}).",
            root.id()
        ));
    }
    Ok(done)
}

/// Refuses to set a root where a `server` node names another one: it would be that of nobody.
fn check_root_of_server(
    context: &Context,
    global: &GlobalSettings,
    path: &AbsolutePath,
) -> Result<(), Error> {
    let Some(server) = context.me(global)? else {
        return Ok(());
    };
    let own = global.server(&server);
    match own.and_then(|own| own.backup_root.as_ref()) {
        Some(own) if own != path => Err(Error::RootOfServer {
            server,
            own: own.clone(),
        }),
        _ => Ok(()),
    }
}
