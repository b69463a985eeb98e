//! The way to a server: certificates that are right and wrong, a user that the socket knows, and what `check` says of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::mariadb::Server;
use crate::common::program::Program;

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl")
        .args(args.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl is installed by tests/run");
    assert!(output.status.success(), "openssl {args}: {output:?}");
}

/// An authority of the tests' own: NAME.pem is what it is known by.
fn authority(folder: &Path, name: &str) -> PathBuf {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ),
    );
    folder.join(format!("{name}.pem"))
}

/// A server that an authority called `right` vouches for, under the name `localhost` alone.
fn certified(folder: &Path) -> Server {
    authority(folder, "right");
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
    );
    openssl(
        folder,
        "x509 -req -in server.csr -CA right.pem -CAkey right.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
    let at = |name: &str| folder.join(name).display().to_string();
    Server::start(&[
        &format!("--ssl-cert={}", at("server.pem")),
        &format!("--ssl-key={}", at("server.key")),
        "--innodb-flush-log-at-trx-commit=1",
    ])
}

#[test]
fn a_server_is_known_by_its_certificate_and_a_user_by_the_socket() {
    let program = Program::new();
    let folder = tempfile::tempdir().unwrap();
    let server = certified(folder.path());
    let right = folder.path().join("right.pem");
    let wrong = authority(folder.path(), "wrong");
    let name = server.new_database();
    server.execute("CREATE USER secure IDENTIFIED BY 'hunter2' REQUIRE SSL");
    server.execute(&format!("GRANT ALL PRIVILEGES ON {name}.* TO secure"));
    let tries = |code: i32, host: &str, options: &str| {
        let port = server.port();
        let url = format!("mysql://secure:hunter2@{host}:{port}/{name}?{options}");
        let said = program.ends(code, &["init", "--database", &url]);
        assert!(!said.err.contains("hunter2"), "{}", said.err);
        said.err
    };
    let right = format!("ssl-ca={}", right.display());
    let wrong = format!("ssl-ca={}", wrong.display());

    tries(0, "localhost", &right);
    tries(0, "localhost", "ssl-mode=required");
    tries(0, "127.0.0.1", &format!("{right}&ssl-mode=verify-ca"));
    for (host, options) in [
        // Another authority, or none but the public ones.
        ("localhost", wrong.clone()),
        ("localhost", format!("{wrong}&ssl-mode=verify-ca")),
        ("localhost", "ssl-mode=verify-identity".to_owned()),
        // The certificate is of another name.
        ("127.0.0.1", right.clone()),
    ] {
        let said = tries(69, host, &options);
        assert!(said.contains("certificate"), "{host} {options}: {said}");
    }
    // The server asks for TLS, and the address does not.
    let said = tries(69, "localhost", "ssl-mode=disabled");
    assert!(said.contains("denied"), "{said}");

    known_by_the_socket(&program, &server);
}

/// Who works on this machine is who the system says that it is.
fn known_by_the_socket(program: &Program, server: &Server) {
    let name = server.new_database();
    server.execute("ALTER USER root@localhost IDENTIFIED VIA unix_socket");
    server.execute("CREATE USER somebody@localhost IDENTIFIED VIA unix_socket");
    server.execute(&format!(
        "GRANT ALL PRIVILEGES ON {name}.* TO somebody@localhost"
    ));
    let url = server.url(&name);
    program.ends(0, &["init", "--database", &url]);
    program.ends(0, &["hosts", "--database", &url]);
    let other = url.replace("root@", "somebody@");
    let said = program.ends(69, &["hosts", "--database", &other]);
    assert!(said.err.contains("denied"), "{}", said.err);

    let sound = program.json(1, &["check", "--database", &url]);
    let said = of_the_server(&sound);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("on this machine"), "{said:?}");
    server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    server.execute("SET GLOBAL max_allowed_packet = 1048576");
    let risky = program.json(1, &["check", "--database", &url]);
    let said = of_the_server(&risky).join("\n");
    assert!(
        said.contains("set innodb_flush_log_at_trx_commit=1"),
        "{said}"
    );
    assert!(said.contains("set max_allowed_packet=256M"), "{said}");
    assert!(said.contains("max_allowed_packet is 1.0 MiB"), "{said}");
}

fn of_the_server(findings: &serde_json::Value) -> Vec<String> {
    let findings = findings.as_array().unwrap().iter();
    findings
        .filter(|finding| finding["what"] == "server")
        .map(|finding| format!("{} {}", finding["message"], finding["help"]))
        .collect()
}
