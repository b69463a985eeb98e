//! Moving in from the older service, and back: its YAML into SQL or KDL, and SQL into its YAML.

use camino::Utf8Path;

use super::configure::{again, check_root_path, configure};
use super::output_file::write_new;
use super::{Context, Error, Export};
use crate::config::{self, Legacy, LegacyNote, LegacyText, Weight, legacy_files, read_legacy};
use crate::core::model::{
    GlobalSettings, HostId, HostName, Lineage, ManagedBy, Serial, SqlGlobal, SqlHost, SqlState,
    Timestamp,
};
use crate::store::{GlobalWrite, HostContent, HostWrite};

/// What an import came to.
#[derive(Debug, Clone, Default)]
pub struct LegacyImport {
    /// Hosts that are new.
    pub added: Vec<HostName>,
    /// Hosts that stand so already.
    pub unchanged: Vec<HostName>,
    /// The configuration that holds them; nothing if nothing was written.
    pub serial: Option<Serial>,
    /// What stays as it is in the database, although the files say otherwise.
    pub left: Vec<LegacyNote>,
}

/// Reads the files of the older service below `prefix`, and changes none.
///
/// # Errors
/// When they cannot be read, or hold mistakes; all of them are told.
pub fn load_legacy(prefix: &Utf8Path) -> Result<Legacy, Error> {
    let (global, hosts) = legacy_files(prefix)?;
    let legacy = read_legacy(global.as_ref(), &hosts);
    if legacy.has_mistakes() {
        let wrong = legacy
            .notes
            .iter()
            .filter(|note| note.weight == Weight::Wrong);
        return Err(Error::LegacyMistakes {
            mistakes: wrong
                .map(|note| format!("{}: {}", note.at, note.what))
                .collect(),
        });
    }
    Ok(legacy)
}

/// Adds the hosts to the database, managed by `cli`, and the settings of the service where there are none. What the
/// database holds already stays as it is. No policy is approved by it.
///
/// # Errors
/// When the database refuses.
pub fn import_legacy(context: &Context, legacy: &Legacy) -> Result<LegacyImport, Error> {
    again(|| import_once(context, legacy))
}

fn import_once(context: &Context, legacy: &Legacy) -> Result<LegacyImport, Error> {
    let facts = context.facts_about(|_| false)?;
    let mut import = LegacyImport::default();
    let mut writes = Vec::new();
    for (name, settings) in &legacy.hosts {
        let mut same_name = facts.state.hosts.iter();
        match same_name.find(|host| host.name.folded() == name.folded()) {
            None => {
                import.added.push(name.clone());
                writes.push(HostWrite::Create {
                    name: name.clone(),
                    content: Box::new(HostContent {
                        managed_by: ManagedBy::Cli,
                        settings: settings.clone(),
                        applied: None,
                    }),
                });
            }
            Some(host) if host.retired.is_none() && host.settings == *settings => {
                import.unchanged.push(name.clone());
            }
            Some(host) => {
                let how = match host.retired {
                    None => "is there already with other settings",
                    Some(_) => "was there and has left",
                };
                import.left.push(left(
                    &format!("host {name}"),
                    format!("it {how}, and stays as it is"),
                ));
            }
        }
    }
    let global = global_write(facts.state.global.as_ref(), legacy, &mut import.left);
    if let Some(root) = global
        .as_ref()
        .and_then(|write| write.settings.backup_root.as_ref())
    {
        check_root_path(root)?;
    }
    if global.is_some() || !writes.is_empty() {
        let done = configure(context, &facts, "import-legacy", global, writes)?;
        import.serial = Some(done.serial);
    }
    Ok(import)
}

fn left(at: &str, what: String) -> LegacyNote {
    LegacyNote {
        at: at.to_owned(),
        what,
        weight: Weight::Lost,
    }
}

/// Settings of the service that the database lacks; a root that is in use never moves.
fn global_write(
    sql: Option<&SqlGlobal>,
    legacy: &Legacy,
    notes: &mut Vec<LegacyNote>,
) -> Option<GlobalWrite> {
    let Some(sql) = sql else {
        return Some(GlobalWrite {
            managed_by: ManagedBy::Cli,
            settings: legacy.global.clone(),
            applied: None,
        });
    };
    let mut settings = sql.settings.clone();
    match (&sql.settings.backup_root, &legacy.global.backup_root) {
        (None, Some(root)) => settings.backup_root = Some(root.clone()),
        (Some(here), Some(there)) if here != there => {
            notes.push(left(
                "global",
                format!("the backup root is {here} here and {there} there, and stays"),
            ));
        }
        _ => {}
    }
    let built_in = GlobalSettings::default();
    let is_said = legacy.global.max_concurrent != built_in.max_concurrent
        || legacy.global.guard != built_in.guard;
    let differs = legacy.global.max_concurrent != sql.settings.max_concurrent
        || legacy.global.guard.max_delete != sql.settings.guard.max_delete;
    if is_said && differs {
        notes.push(left(
            "global",
            "max-concurrent and guard.max-delete stay as they are here".to_owned(),
        ));
    }
    (settings != sql.settings).then(|| GlobalWrite {
        managed_by: sql.managed_by,
        settings,
        applied: sql.applied.clone(),
    })
}

/// What the files ask for as KDL, under the name `name`.
///
/// # Errors
/// When no KDL file can ask for it.
pub fn legacy_as_kdl(legacy: &Legacy, name: &str) -> Result<Export, Error> {
    let now = Timestamp::from_millis(0);
    let hosts = legacy
        .hosts
        .iter()
        .enumerate()
        .map(|(i, (name, settings))| SqlHost {
            id: HostId(i64::try_from(i).unwrap_or(i64::MAX)),
            name: name.clone(),
            directory: name.clone(),
            managed_by: ManagedBy::Cli,
            settings: settings.clone(),
            applied: None,
            retired: None,
            pause: None,
            approved_policy: None,
            changed_at: now,
            changed_by: String::new(),
        });
    let state = SqlState {
        // No database stands behind it.
        lineage: Lineage::from_random([0; 16]),
        serial: Serial(0),
        global: Some(SqlGlobal {
            managed_by: ManagedBy::Cli,
            settings: legacy.global.clone(),
            applied: None,
            changed_at: now,
            changed_by: String::new(),
        }),
        hosts: hosts.collect(),
    };
    super::export(&state, name)
}

/// Writes what the database holds as files of the older service below `prefix`. Files that are there already and say
/// just that stay; others are never replaced.
///
/// # Errors
/// When a file or a link is in the way, before anything is written, or a file cannot be written.
pub fn export_legacy(context: &Context, prefix: &Utf8Path) -> Result<LegacyText, Error> {
    let state = context.store.load_state()?;
    let built_in = GlobalSettings::default();
    let global = state
        .global
        .as_ref()
        .map_or(&built_in, |global| &global.settings);
    let mut hosts: Vec<_> = state
        .hosts
        .iter()
        .filter(|host| host.retired.is_none())
        .map(|host| (&host.name, &host.settings))
        .collect();
    hosts.sort_by_key(|(name, _)| *name);
    let text = config::write_legacy(global, &hosts);
    let folders = [prefix.join("config"), prefix.join("config/hosts")];
    for folder in &folders {
        if folder.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
            let path = folder.to_string();
            return Err(Error::Exists { path });
        }
    }
    let mut new = Vec::new();
    for file in &text.files {
        let path = prefix.join(&file.path);
        let Ok(meta) = path.symlink_metadata() else {
            new.push((path, &file.text));
            continue;
        };
        let is_same = meta.is_file()
            && meta.len() == file.text.len() as u64
            && std::fs::read(&path).is_ok_and(|bytes| bytes == file.text.as_bytes());
        if !is_same {
            let path = path.into_string();
            return Err(Error::Exists { path });
        }
    }
    for folder in &folders {
        std::fs::create_dir_all(folder).map_err(|source| Error::File {
            doing: "make",
            path: folder.to_string(),
            source,
        })?;
    }
    for (path, text) in new {
        write_new(&path, text)?;
    }
    Ok(text)
}
