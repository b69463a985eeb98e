use rstest::rstest;

use super::{AddressError, Password, ServerAddress, TlsMode};

fn address(text: &str) -> ServerAddress {
    text.parse().unwrap()
}

#[test]
fn all_parts_are_read() {
    let found = address(
        "mysql://backup%40ops:p%C3%A4ss%23%2F@db.example.net:3307/pobsync_1?ssl-mode=verify-ca&ssl-ca=/etc/ca.pem",
    );
    assert_eq!(found.user(), "backup@ops");
    assert_eq!(found.database(), "pobsync_1");
    assert_eq!((found.host.as_str(), found.port), ("db.example.net", 3307));
    assert!(found.password == Password::Given("päss#/".to_owned()));
    assert_eq!(found.tls.mode, TlsMode::VerifyAuthority);
    assert_eq!(found.tls.authorities.as_deref(), Some("/etc/ca.pem"));
}

#[rstest]
#[case("mysql://u@localhost/d", TlsMode::Disabled)]
#[case("mysql://u@127.0.0.1/d", TlsMode::Disabled)]
#[case("mariadb://u@[::1]/d", TlsMode::Disabled)]
#[case("mysql://u@db/d?socket=/run/mysqld/mysqld.sock", TlsMode::Disabled)]
#[case("mysql://u@db/d", TlsMode::Required)]
#[case("mysql://u@10.0.0.7/d", TlsMode::Required)]
#[case("mysql://u@db/d?ssl-mode=disabled", TlsMode::Disabled)]
#[case("mysql://u@db/d?ssl-mode=verify-full", TlsMode::VerifyIdentity)]
#[case("mysql://u@db/d?ssl-ca=/etc/ca.pem", TlsMode::VerifyIdentity)]
fn a_server_elsewhere_is_spoken_to_under_tls(#[case] text: &str, #[case] mode: TlsMode) {
    assert_eq!(address(text).tls.mode, mode);
}

#[rstest]
#[case("mysql://u@h/d", Password::None)]
#[case("mysql://u:@h/d", Password::None)]
#[case("mysql://u@h/d?password-file=/run/credentials/db", Password::File("/run/credentials/db".to_owned()))]
#[case("mysql://u@h/d?password-env=DB_PASSWORD", Password::Environment("DB_PASSWORD".to_owned()))]
fn a_password_has_one_source(#[case] text: &str, #[case] password: Password) {
    assert!(address(text).password == password);
}

#[rstest]
#[case("mysql://u:hunter2@h")]
#[case("mysql://u:hunter2@h/")]
#[case("mysql://u:hunter2@h/a/b")]
#[case("mysql://u:hunter2@h/a%20b")]
#[case("mysql://:hunter2@h/d")]
#[case("mysql://u%00:hunter2@h/d")]
#[case("mysql://u:hunter2@/d")]
#[case("mysql://u:hunter2@h:99999/d")]
#[case("mysql://u:hunter2#x@h/d")]
#[case("mysql://u:hunter2@h/d#x")]
#[case("mysql://u:hunter2@h/d?ssl-mode=preferred")]
#[case("mysql://u:hunter2@h/d?ssl-cert=/a")]
#[case("mysql://u:hunter2@h/d?compress=1")]
#[case("mysql://u:hunter2@h/d?password-file=/a")]
#[case("mysql://u@h/d?password-file=hunter2&password-env=hunter2")]
#[case("mysql://u@h/d?socket=hunter2&socket=hunter2")]
fn what_is_wrong_is_told_without_the_password(#[case] text: &str) {
    let error = text.parse::<ServerAddress>().unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn an_unknown_option_is_named() {
    let error = "mysql://u@h/d?tls=1".parse::<ServerAddress>().unwrap_err();
    assert_eq!(error, AddressError::UnknownOption("tls".to_owned()));
    assert!(error.to_string().contains("ssl-mode"));
}

#[test]
fn what_is_printed_holds_no_password() {
    let shown = |text| {
        let address = address(text);
        assert_eq!(format!("{address:?}"), address.to_string());
        address.to_string()
    };
    assert_eq!(shown("mysql://u:hunter2@h/d"), "mysql://u@h:3306/d");
    assert_eq!(
        shown("mariadb://u:hunter2@[fe80::1]:1/d"),
        "mysql://u@[fe80::1]:1/d"
    );
    assert_eq!(
        shown("mysql://u:hunter2@h/d?socket=/run/s"),
        "mysql://u@localhost/d?socket=/run/s"
    );
}

#[test]
fn a_path_is_no_address() {
    for path in [
        "/var/lib/pobsync/pobsync.db",
        "mysql",
        "file:///x",
        "./mysql:/x",
    ] {
        assert!(!ServerAddress::is_meant_by(path), "{path}");
    }
    assert!(ServerAddress::is_meant_by("MySQL://x"));
}
