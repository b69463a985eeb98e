//! The way to the server, and what may be there.

use mysql::prelude::Queryable as _;
use rstest::rstest;

use crate::store::{MariaDb, ServerAddress, Store, StoreError};

use super::Place;

fn open(text: &str) -> Result<MariaDb, StoreError> {
    MariaDb::open_or_create(&text.parse().unwrap())
}

#[test]
fn an_empty_database_is_made_ours_only_if_asked() {
    let place = Place::new();
    let error = MariaDb::open(&place.address).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    let lineage = place.store().lineage().unwrap();
    let again = MariaDb::open(&place.address).unwrap();
    assert_eq!(again.lineage().unwrap(), lineage);
    assert_ne!(Place::new().store().lineage().unwrap(), lineage);
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let place = Place::new();
    place
        .raw()
        .query_drop("CREATE TABLE articles (id INT)")
        .unwrap();
    let error = MariaDb::open_or_create(&place.address).unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    let tables: Vec<String> = place.raw().query("SHOW TABLES").unwrap();
    assert_eq!(tables, ["articles"]);
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let begun = std::time::Instant::now();
    for text in [
        format!("mysql://u:hunter2@127.0.0.1:{port}/d"),
        "mysql://u:hunter2@localhost/d?socket=/nonexistent/socket".to_owned(),
    ] {
        let error = open(&text).unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        assert!(!told(&error).contains("hunter2"));
    }
    assert!(
        begun.elapsed() < super::super::PATIENCE,
        "nobody waits for it"
    );
}

/// All that is said of an error.
fn told(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?} {:?}", error.help());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

#[test]
fn users_passwords_and_databases_that_are_not_there_are_told_without_the_password() {
    let place = Place::new();
    let server = place.server;
    let user = format!("u_{}", place.name);
    server.execute(&format!("CREATE USER {user} IDENTIFIED BY 'right#1'"));
    server.execute(&format!(
        "GRANT ALL PRIVILEGES ON {}.* TO {user}",
        place.name
    ));
    let at = |password: &str, name: &str| {
        format!(
            "mysql://{user}:{password}@127.0.0.1:{}/{name}",
            server.port()
        )
    };
    open(&at("right%231", &place.name)).unwrap();
    let error = open(&at("hunter2", &place.name)).unwrap_err();
    assert!(matches!(error, StoreError::Denied { .. }), "{error}");
    assert!(!told(&error).contains("hunter2"), "{}", told(&error));
    let error = open(&at("right%231", "mysql")).unwrap_err();
    assert!(matches!(error, StoreError::Denied { .. }), "{error}");
    assert!(error.help().unwrap().contains(&format!("TO '{user}'")));
    let error = open(&server.url("nowhere")).unwrap_err();
    assert!(matches!(error, StoreError::NoDatabase { .. }), "{error}");
    assert!(error.help().unwrap().contains("CREATE DATABASE `nowhere`"));
}

#[test]
fn a_password_may_stand_in_a_file() {
    let place = Place::new();
    let user = format!("f_{}", place.name);
    place
        .server
        .execute(&format!("CREATE USER {user} IDENTIFIED BY 'in a file'"));
    place.server.execute(&format!(
        "GRANT ALL PRIVILEGES ON {}.* TO {user}",
        place.name
    ));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let address: ServerAddress = format!(
        "mysql://{user}@127.0.0.1:{}/{}?password-file={}",
        place.server.port(),
        place.name,
        file.display()
    )
    .parse()
    .unwrap();
    let error = MariaDb::open_or_create(&address).unwrap_err();
    assert!(matches!(error, StoreError::PasswordFile { .. }), "{error}");
    std::fs::write(&file, "in a file\nand a note\n").unwrap();
    let store = MariaDb::open_or_create(&address).unwrap();
    assert!(store.lineage().is_ok());
    let error = open(&format!(
        "mysql://{user}@localhost/d?password-env=NO_SUCH_VARIABLE"
    ))
    .unwrap_err();
    assert!(
        matches!(error, StoreError::PasswordVariable { .. }),
        "{error}"
    );
}

#[test]
fn a_server_without_tls_is_not_spoken_to_where_tls_was_asked_for() {
    let place = Place::new();
    for mode in ["required", "verify-ca", "verify-identity"] {
        let error = open(&format!(
            "mysql://root@127.0.0.1:{}/{}?ssl-mode={mode}",
            place.server.port(),
            place.name
        ))
        .unwrap_err();
        assert!(matches!(error, StoreError::Tls { .. }), "{error}");
        assert!(error.help().unwrap().contains("ssl-mode=disabled"));
    }
}

#[rstest]
#[case(
    "INSERT INTO refinery_schema_history VALUES (999, 'future', '2030-01-01T00:00:00Z', '1')",
    "schema version 999"
)]
#[case(
    "UPDATE refinery_schema_history SET checksum = '12345'",
    "was not made by this"
)]
#[case(
    "UPDATE refinery_schema_history SET applied_on = 'yesterday'",
    "damaged"
)]
#[case("UPDATE refinery_schema_history SET checksum = 'x'", "damaged")]
#[case("UPDATE refinery_schema_history SET name = NULL", "damaged")]
fn a_schema_that_is_not_ours_is_refused_and_does_not_panic(
    #[case] damage: &str,
    #[case] said: &str,
) {
    let place = Place::new();
    drop(place.store());
    place.raw().query_drop(damage).unwrap();
    let error = MariaDb::open(&place.address).unwrap_err();
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn a_user_without_rights_to_make_tables_is_told_which_are_missing() {
    let place = Place::new();
    let user = format!("r_{}", place.name);
    place.server.execute(&format!("CREATE USER {user}"));
    place
        .server
        .execute(&format!("GRANT SELECT ON {}.* TO {user}", place.name));
    let error = open(&format!(
        "mysql://{user}@127.0.0.1:{}/{}",
        place.server.port(),
        place.name
    ))
    .unwrap_err();
    let text = told(&error);
    assert!(text.contains("denied"), "{text}");
}
