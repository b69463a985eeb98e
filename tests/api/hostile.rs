//! What a merge request may hold that somebody else wrote.

use serde_json::{Value, json};

use crate::site::{Answer, Site, fleet};

fn told(answer: &Answer) -> Value {
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{}",
        answer.body
    );
    answer.json()
}

#[test]
fn hostile_configurations_are_refused_and_the_server_goes_on() {
    let site = Site::of(fleet(1));
    let token = site.token("plan");
    let secret = site.program.write(
        "secret.kdl",
        "host \"secret\" { address \"192.0.2.1\"; source \"/\" }\n",
    );
    let plan = |body: &str| site.post("/api/plan/", &token, "text/plain", body.as_bytes());

    let host =
        |inside: &str| format!("host \"a\" {{ address \"192.0.2.1\"; source \"/etc\"; {inside} }}");
    let references = plan(&format!(
        "global {{ notify \"x\" on=\"failure\" {{ webhook (env)\"POBSYNC_TOKEN\" }} }}\n{}",
        host("ssh { identity (file)\"/etc/shadow\" }")
    ));
    assert_eq!(references.status, 422, "{}", references.body);
    let details = told(&references)["details"].to_string();
    assert!(
        details.contains("POBSYNC_TOKEN") && details.contains("/etc/shadow"),
        "{details}"
    );
    assert!(!references.body.contains("root:"));

    for pattern in [
        "secret.kdl",
        "*.kdl",
        "**/*.kdl",
        secret.to_str().unwrap(),
        "../secret.kdl",
        "/etc/passwd",
    ] {
        let answer = plan(&format!("include \"{pattern}\"\n{}", host("")));
        assert_eq!(answer.status, 422, "{pattern}: {}", answer.body);
        assert!(!answer.body.contains("192.0.2.1\\"), "{pattern}");
        assert!(
            !told(&answer)["findings"].as_array().unwrap().is_empty(),
            "{pattern}"
        );
    }

    let bombs = [
        format!("{}{}", "/- a {".repeat(40), "}".repeat(40)),
        format!("{}{}", "a {".repeat(200_000), "}".repeat(200_000)),
        "/*".repeat(500_000),
        "a ".repeat(1_000_000),
        "\"".repeat(1_000_000),
        "#".repeat(1_000_000),
        "\u{feff}\u{0}".to_owned(),
        "x".repeat(4 << 20),
    ];
    for bomb in &bombs {
        let answer = plan(bomb);
        assert_eq!(answer.status, 422, "{:.40}: {:.400}", bomb, answer.body);
        told(&answer);
    }
    assert_eq!(plan(&"x".repeat((4 << 20) + 1)).status, 422);
    let binary = site.post("/api/plan/", &token, "text/plain", &[0xff, 0xfe, 0]);
    assert_eq!(binary.status, 422, "{}", binary.body);
    assert_eq!(plan("").status, 400);
    assert_eq!(plan(&host("")).status, 200);
}

#[test]
fn bundles_that_are_none_are_refused() {
    let site = Site::of(fleet(1));
    let token = site.token("plan");
    let plan = |body: &Value| {
        site.post(
            "/api/plan",
            &token,
            "application/json",
            body.to_string().as_bytes(),
        )
    };
    let bundle =
        |entry: &str, files: Value| json!({"configuration": {"entry": entry, "files": files}});
    let host = "host \"a\" { address \"192.0.2.1\"; source \"/etc\" }";

    let good = bundle(
        "c/main.kdl",
        json!({"c/main.kdl": "include \"h/*.kdl\"", "c/h/a.kdl": host}),
    );
    let answer = plan(&good);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let retired = answer.json()["summary"]["retire"].clone();
    assert_eq!(retired, 2);

    for (status, body) in [
        (422, bundle("main.kdl", json!({}))),
        (422, bundle("/etc/passwd", json!({"main.kdl": host}))),
        (
            422,
            bundle("c/main.kdl", json!({"c/main.kdl": host, "etc/x.kdl": host})),
        ),
        (
            422,
            bundle(
                "main.kdl",
                json!({"main.kdl": "include \"../x.kdl\"", "x.kdl": host}),
            ),
        ),
        (
            422,
            bundle("main.kdl", json!({"main.kdl": "include \"main.kdl\""})),
        ),
        (
            422,
            bundle("main.kdl", json!({"main.kdl": format!("{host}\u{1b}[31m")})),
        ),
        (
            422,
            json!({"configuration": {"entry": "m", "files": {"m": host}, "revision": "a\nb"}}),
        ),
        (
            400,
            json!({"configuration": {"entry": "m", "files": {"m": host}}, "allow": ["empty"]}),
        ),
        (
            400,
            json!({"configuration": {"entry": "m", "files": {"m": 1}}}),
        ),
        (400, json!([])),
    ] {
        let answer = plan(&body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    // Many small files are as bounded as one large one.
    let large: serde_json::Map<String, Value> = (0..5)
        .map(|n| (format!("{n}.kdl"), json!("x".repeat(1 << 20))))
        .collect();
    assert_eq!(plan(&bundle("0.kdl", Value::Object(large))).status, 422);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = site.post("/api/plan/", &token, "application/json", deep.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[test]
fn what_was_sent_is_parsed_by_threads_that_open_nothing() {
    let program = fleet(1);
    let log = program.path("calls");
    // With -D the child is the server, and the tracer ends with it.
    let strace = ["strace", "-D", "-f", "-q", "-o", log.to_str().unwrap()];
    let calls = "trace=landlock_create_ruleset,landlock_restrict_self,open,openat,openat2,connect,clone,clone3";
    let strace: Vec<&str> = strace.into_iter().chain(["-e", calls]).collect();
    let mut site = Site::under(program, &strace, &[]);
    let token = site.token("plan");
    let host = |n: usize| format!("host \"h{n}\" {{ address \"192.0.2.1\"; source \"/etc\" }}");
    let files = json!({"main.kdl": "include \"h/*.kdl\"", "h/1.kdl": host(1), "h/2.kdl": host(2)});
    let body = json!({"configuration": {"entry": "main.kdl", "files": files}}).to_string();
    let answer = site.post("/api/plan/", &token, "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    site.stop();
    let read = || std::fs::read_to_string(&log).unwrap();
    while !read().contains("+++ killed by") {
        std::thread::yield_now();
    }
    let log = read();
    if log.contains(" ENOSYS ") || log.contains(" EOPNOTSUPP ") {
        // This kernel has no Landlock.
        return;
    }
    // A thread of the parser, and those that it starts: the id stands first, and what clone made last.
    let mut confined = std::collections::HashSet::new();
    for line in log.lines() {
        let (id, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if call.starts_with("landlock_restrict_self") {
            assert!(call.ends_with(" = 0"), "{line}");
            confined.insert(id.to_owned());
        } else if confined.contains(id) && call.contains("clone") {
            let made = call.rsplit_once(" = ").map(|(_, made)| made.to_owned());
            confined.extend(made);
        } else if confined.contains(id) && call.starts_with("+++ exited") {
            // Its id may come again.
            confined.remove(id);
            continue;
        } else {
            assert!(!confined.contains(id), "{line}\n{log}");
        }
    }
    assert!(log.contains("landlock_restrict_self"), "{log}");
}

#[test]
fn more_than_a_configuration_can_be_is_not_even_read() {
    let site = Site::of(fleet(1));
    let token = site.token("plan");
    // The server may answer before all of it is sent, and close.
    let request = ureq::post(format!("{}/api/plan/", site.origin))
        .config()
        .http_status_as_error(false)
        .build()
        .header("authorization", format!("Bearer {token}"));
    if let Ok(answer) = request.send("x".repeat(9 << 20)) {
        assert_eq!(answer.status(), 413);
    }
    assert_eq!(site.get("/healthz", &[]).status, 200);
}
