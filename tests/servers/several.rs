//! Several servers with a root each on one database.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::On;
use crate::common::program::{Program, Said, names_below};
use crate::common::sql::Sql;
use crate::fleet::until;
use crate::support::Running;

/// Two servers, and hosts of `(name, server)`.
fn configure(program: &Program, hosts: &[(&str, &str)], retention: &str) {
    let source = program.path("source");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("one"), "one").unwrap();
    let hosts: String = hosts
        .iter()
        .map(|(name, server)| {
            let source = source.display();
            format!(
                "host \"{name}\" server=\"{server}\" {{ address \"local\"; source \"{source}\"; {retention} }}\n"
            )
        })
        .collect();
    let root = |name| root_of(program, name).display().to_string();
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ guard {{ max-delete 100; max-delete-percent 100; max-fleet-delete-percent 100 }} }}\n\
             server \"east\" {{ backup-root \"{}\" }}\n\
             server \"west\" {{ backup-root \"{}\"; max-concurrent 2 }}\n{hosts}",
            root("east"),
            root("west")
        ),
    );
}

fn root_of(program: &Program, server: &str) -> PathBuf {
    program.path(&format!("roots/{server}"))
}

fn visible(program: &Program, server: &str, host: &str, kind: &str) -> Vec<String> {
    names_below(&root_of(program, server).join(host).join(kind))
}

fn as_server(program: &Program, server: &str, args: &[&str]) -> Said {
    let args: Vec<&str> = ["--as", server].iter().chain(args).copied().collect();
    program.run(&args)
}

fn done(said: &Said, code: i32) {
    assert_eq!(said.code, code, "{}\n{}", said.out, said.err);
}

fn two(on: On) -> Program {
    let program = on.program();
    configure(
        &program,
        &[("web", "east"), ("db", "west")],
        "retention { keep last=2; kinds \"scheduled\" \"manual\" }; schedule cron=\"15 2 * * *\" prune=#true",
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program
}

fn each_backs_up_its_own(on: On) {
    let program = two(on);
    // Nobody said which server this is.
    let said = program.ends(64, &["backup", "web"]);
    assert!(said.err.contains("there are east, west"), "{}", said.err);
    assert!(said.err.contains("--as east"), "{}", said.err);
    let said = as_server(&program, "north", &["backup", "web"]);
    done(&said, 64);
    assert!(said.err.contains("no server called north"), "{}", said.err);
    // A host of the other one.
    let said = as_server(&program, "west", &["backup", "web"]);
    done(&said, 64);
    assert!(
        said.err.contains("web belongs to server east"),
        "{}",
        said.err
    );

    done(&as_server(&program, "east", &["backup", "web"]), 0);
    done(&as_server(&program, "west", &["backup", "db"]), 0);
    assert_eq!(visible(&program, "east", "web", "manual").len(), 1);
    assert_eq!(visible(&program, "west", "db", "manual").len(), 1);
    assert!(
        names_below(&root_of(&program, "west"))
            .iter()
            .all(|name| name != "web")
    );

    // Whoever only reads need not say who they are.
    let status = program.json(0, &["status"]);
    assert_eq!(status["well"], 2, "{status:#}");
    assert_eq!(status["servers"][0]["server"], "east");
    assert_eq!(status["servers"][1]["hosts"], 1);
    assert_eq!(status["servers"][0]["last_seen"], Value::Null);
    let plan = program.json(0, &["plan"]);
    let servers: Vec<&Value> = plan["retention"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["server"])
        .collect();
    assert_eq!(servers, ["west", "east"], "db is west, web is east");
    done(&as_server(&program, "east", &["scheduler", "--once"]), 0);
    let status = program.json(0, &["status"]);
    assert_eq!(status["servers"][0]["is_at_work"], true);
    assert_eq!(status["servers"][1]["is_at_work"], false);
    let said = program.run(&["scheduler", "--once"]);
    done(&said, 64);
}

#[test]
fn each_server_backs_up_its_own_hosts_into_its_root() {
    each_backs_up_its_own(On::Sqlite);
}

#[test]
fn each_server_backs_up_its_own_hosts_into_its_root_on_mariadb() {
    each_backs_up_its_own(On::MariaDb);
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap())
}

#[test]
fn a_moved_host_begins_anew_and_what_was_made_before_stays_under_retention() {
    let program = two(On::Sqlite);
    done(&as_server(&program, "east", &["backup", "web"]), 0);
    let before = visible(&program, "east", "web", "manual");
    done(&as_server(&program, "east", &["backup", "web"]), 0);
    let mut after = visible(&program, "east", "web", "manual");
    // Names of the same second tell nothing of their order.
    after.retain(|name| !before.contains(name));
    let ([first], [second]) = (&before[..], &after[..]) else {
        panic!("two")
    };
    let one = |name: &str| {
        let folder = root_of(&program, "east").join("web/manual").join(name);
        let source = program.path("source");
        inode(
            &folder
                .join("data")
                .join(source.strip_prefix("/").unwrap())
                .join("one"),
        )
    };
    assert_eq!(one(first), one(second), "the second is linked");

    let keep = |n: u32| {
        format!(
            "retention {{ keep last={n}; kinds \"scheduled\" \"manual\" }}; schedule cron=\"15 2 * * *\" prune=#true"
        )
    };
    configure(&program, &[("web", "west"), ("db", "west")], &keep(2));
    let said = program.ends(0, &["plan"]);
    assert!(
        said.out.replace('\n', " ").contains(
            "web moves from east to west: its next backup is a full one; 2 snapshots stay on east, under retention there by their own."
        ),
        "{}",
        said.out
    );
    program.ends(0, &["apply", "--yes"]);
    let said = as_server(&program, "east", &["backup", "web"]);
    done(&said, 64);
    let said = as_server(&program, "west", &["backup", "web"]);
    done(&said, 0);
    assert_eq!(visible(&program, "west", "web", "manual").len(), 1);
    assert_eq!(visible(&program, "east", "web", "manual").len(), 2);
    // Whoever restores here hears that this is not the last of it.
    let into = program.path("old").display().to_string();
    for args in [
        &["ls", "web"][..],
        &["ls", "web", "--snapshots"],
        &["restore", "web", "/", "--to", &into],
    ] {
        let said = as_server(&program, "east", args);
        done(&said, 0);
        assert!(
            said.err
                .contains("note: web belongs to west, where newer snapshots may be"),
            "{}",
            said.err
        );
        let into = program.path("new").display().to_string();
        let args: Vec<&str> = args
            .iter()
            .map(|a| {
                if a.ends_with("/old") {
                    into.as_str()
                } else {
                    a
                }
            })
            .collect();
        let said = as_server(&program, "west", &args);
        done(&said, 0);
        assert!(!said.err.contains("newer snapshots"), "{}", said.err);
    }
    let said = as_server(&program, "east", &["verify", "--all"]);
    assert!(said.out.contains("web: 2 snapshots"), "{}", said.out);

    // The plan has both, each by its own: nothing goes because of the other.
    let plan = program.json(0, &["plan", "--host", "web"]);
    let found: Vec<(String, usize, usize)> = plan["retention"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let count = |list: &str| r[list].as_array().unwrap().len();
            (
                r["server"].as_str().unwrap().to_owned(),
                count("keep"),
                count("delete"),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("west".to_owned(), 1, 0), ("east".to_owned(), 2, 0)]
    );
    let said = program.ends(0, &["retention", "web"]);
    assert!(
        said.out.contains("on east, where it was before"),
        "{}",
        said.out
    );

    // A shorter policy that is approved: the scheduler of the old server carries it out on what it has.
    configure(&program, &[("web", "west"), ("db", "west")], &keep(1));
    program.ends(0, &["apply", "--yes"]);
    assert_eq!(visible(&program, "east", "web", "manual").len(), 2);
    done(&as_server(&program, "west", &["scheduler", "--once"]), 0);
    assert_eq!(
        visible(&program, "east", "web", "manual").len(),
        2,
        "nobody else's root"
    );
    done(&as_server(&program, "east", &["scheduler", "--once"]), 0);
    assert_eq!(
        visible(&program, "east", "web", "manual"),
        std::slice::from_ref(second)
    );
    assert_eq!(visible(&program, "west", "web", "manual").len(), 1);
    // By name, and there alone.
    let said = as_server(&program, "east", &["retention", "web", "--apply", "--yes"]);
    done(&said, 0);
    assert_eq!(
        visible(&program, "east", "web", "manual"),
        std::slice::from_ref(second)
    );
}

#[test]
fn a_check_and_whoever_looks_into_snapshots_look_at_the_root_of_their_own_server() {
    let program = two(On::Sqlite);
    for (server, host) in [("east", "web"), ("west", "db")] {
        done(&as_server(&program, server, &["backup", host]), 0);
    }
    // So does whoever looks into snapshots; who does not say which server this is hears which ones there are.
    for (server, host) in [("east", "web"), ("west", "db")] {
        for verb in ["ls", "verify"] {
            done(&as_server(&program, server, &[verb, host]), 0);
        }
        let into = program.path(&format!("restored/{server}"));
        let into = into.to_str().unwrap();
        let args = ["restore", host, "/", "--to", into];
        done(&as_server(&program, server, &args), 0);
    }
    let said = program.run(&["ls", "web"]);
    done(&said, 64);
    assert!(said.err.contains("east, west"), "{}", said.err);
    // Nothing is sound of which nothing is here.
    for (verb, message) in [
        ("ls", "it belongs to west"),
        ("verify", "belongs to server west"),
    ] {
        let said = as_server(&program, "east", &[verb, "db"]);
        done(&said, 64);
        let help = said.err.replace('\n', " ");
        assert!(help.contains(message), "{help}");
        assert!(help.contains("pobsync --as west"), "{help}");
    }
    let said = as_server(&program, "east", &["verify", "--all"]);
    done(&said, 0);
    assert!(
        said.out.starts_with("web: 1 snapshot, 1 file read"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("db"), "{}", said.out);
    let lost = &visible(&program, "west", "db", "manual")[0];
    let folder = root_of(&program, "west").join("db/manual").join(lost);
    std::fs::rename(&folder, program.path("aside")).unwrap();
    let found = |server: &str| -> Vec<String> {
        let said = as_server(&program, server, &["check", "--format", "json"]);
        let findings: Vec<Value> = serde_json::from_str(&said.out).unwrap();
        let of_root = |f: &&Value| {
            ["root", "snapshots"].contains(&f["what"].as_str().unwrap()) && f["level"] == "problem"
        };
        let problems = findings.iter().filter(of_root);
        problems
            .map(|f| f["message"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(found("east"), [""; 0]);
    // What has the name of a host that was never here is none of it.
    std::os::unix::fs::symlink("/etc", root_of(&program, "east").join("db")).unwrap();
    assert_eq!(found("east"), [""; 0]);
    let [said] = &found("west")[..] else {
        panic!("{:?}", found("west"))
    };
    assert!(said.contains("recorded and without data on disk"), "{said}");
    assert!(said.contains(lost), "{said}");

    // A repair mends the rows of what was to be on its own root, and a measure walks that.
    let complete = |host: &str| -> usize {
        let rows = program.json(0, &["snapshots", host]);
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| row["status"] == "complete").count()
    };
    let said = as_server(&program, "east", &["check", "--repair", "--yes"]);
    assert!(!said.out.contains(lost), "{}", said.out);
    assert_eq!((complete("web"), complete("db")), (1, 1));
    let said = as_server(&program, "west", &["check", "--repair", "--yes"]);
    assert!(said.out.contains(lost), "{}\n{}", said.out, said.err);
    assert_eq!((complete("web"), complete("db")), (1, 0));
    done(&as_server(&program, "east", &["du", "web"]), 0);
    std::fs::remove_file(root_of(&program, "east").join("db")).unwrap();
    done(&as_server(&program, "east", &["discover-snapshots"]), 0);
    assert_eq!((complete("web"), complete("db")), (1, 0));
}

#[test]
fn what_a_file_says_of_servers_is_checked() {
    let program = Program::new();
    let refused = |text: &str, words: &str| {
        program.write("pobsync.kdl", text);
        let said = program.ends(65, &["validate"]);
        let said = said.err.replace('\n', " ");
        assert!(said.contains(words), "{words}: {said}");
    };
    let host = "host \"web\" { address \"local\"; source \"/etc\" }";
    refused(
        &format!(
            "server \"a\" {{ backup-root \"/r\" }}\nserver \"b\"\nglobal {{ backup-root \"/s\" }}\n{host}"
        ),
        "host web belongs to no server",
    );
    refused(&format!("server \"a\"\nserver \"a\"\n{host}"), "a");
    refused(
        "server \"backup-01\"\nhost \"web\" server=\"backup-1\" { address \"local\"; source \"/etc\" }",
        "backup-01",
    );
    refused(
        &format!("server \"a\" {{ backup-root \"/\" }}\n{host}"),
        "/",
    );
    refused(
        &format!("server \"a\" {{ colour \"red\" }}\n{host}"),
        "colour",
    );
    program.write(
        "pobsync.kdl",
        &format!("server \"a\" {{ backup-root \"/r\"; max-concurrent 3 }}\n{host}"),
    );
    program.ends(0, &["validate"]);
}

#[test]
fn a_lone_server_gets_a_name_and_goes_on_with_its_root() {
    let program = On::Sqlite.program();
    let host = |server: &str| {
        format!("{server}host \"web\" {{ address \"local\"; source \"/etc/hostname\" }}\n")
    };
    program.write(
        "pobsync.kdl",
        &format!("global {{ backup-root \"ROOT\" }}\n{}", host("")),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"ROOT\" }}\n{}",
            host("server \"east\"\n")
        ),
    );
    program.ends(0, &["apply", "--yes"]);
    // The only one there is need not be named.
    let said = program.ends(0, &["backup", "web"]);
    assert!(said.out.contains("linked against"), "{}", said.out);
    done(&as_server(&program, "east", &["backup", "web"]), 0);
    assert_eq!(program.visible("web", "manual").len(), 3);
    program.ends(0, &["discover-snapshots"]);
    let rows = program.json(0, &["snapshots"]);
    assert_eq!(rows.as_array().unwrap().len(), 3, "{rows:#}");
}

#[test]
fn a_root_is_taken_into_use_by_the_server_that_has_it() {
    let program = two(On::Sqlite);
    let root = |server: &str| root_of(&program, server).display().to_string();
    let file = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    let serial = || program.json(0, &["plan"])["serial"].clone();
    let before = serial();
    let said = program.ends(64, &["init", "--backup-root", &root("west")]);
    assert!(said.err.contains("there are east, west"), "{}", said.err);
    assert!(said.err.contains("--as east"), "{}", said.err);
    let said = as_server(&program, "east", &["init", "--backup-root", &root("west")]);
    done(&said, 64);
    assert!(said.err.contains(&root("east")), "{}", said.err);
    assert!(!root_of(&program, "west").exists(), "nothing was made");
    done(
        &as_server(&program, "west", &["init", "--backup-root", &root("west")]),
        0,
    );
    assert!(root_of(&program, "west").join(".pobsync-root").exists());
    assert_eq!(serial(), before, "the configuration stays as it was");
    assert_eq!(
        std::fs::read_to_string(program.path("pobsync.kdl")).unwrap(),
        file
    );
}

/// Two machines with the same path for their roots, and a wrong name said on the one of them.
#[test]
fn the_root_of_one_server_does_not_become_that_of_another_by_a_wrong_name() {
    let program = On::Sqlite.program();
    configure(&program, &[("web", "east"), ("db", "west")], "");
    let file = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    let root = |server: &str| root_of(&program, server).display().to_string();
    program.write("pobsync.kdl", &file.replace(&root("west"), &root("east")));
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    done(&as_server(&program, "east", &["backup", "web"]), 0);
    let owners = || Sql::of(&program).texts("SELECT server FROM roots");
    assert_eq!(owners(), ["east"]);
    for args in [&["backup", "db"][..], &["discover-snapshots"]] {
        let said = as_server(&program, "west", args);
        done(&said, 64);
        assert!(
            said.err
                .contains("is that of server east, and this is west"),
            "{}",
            said.err
        );
        assert!(said.err.contains("--as east"), "{}", said.err);
    }
    assert_eq!(owners(), ["east"]);
    done(&as_server(&program, "east", &["backup", "web"]), 0);
}

fn hosts_written_before_get_their_server(on: On) {
    let program = two(on);
    let mut sql = Sql::of(&program);
    // As a program left it that did not write the column; then what brings such a database up to date.
    sql.execute("UPDATE hosts SET server = NULL");
    sql.execute(match on {
        On::Sqlite => include_str!("../../migrations/sqlite/V14__servers_of_hosts.sql"),
        On::MariaDb => include_str!("../../migrations/mariadb/V14__servers_of_hosts.sql"),
    });
    let status = program.json(1, &["status"]);
    let hosts = |n: usize| status["servers"][n]["hosts"].clone();
    assert_eq!((hosts(0), hosts(1)), (1.into(), 1.into()), "{status:#}");
    let named = "SELECT name || ' ' || server FROM hosts ORDER BY name";
    assert_eq!(sql.texts(named), ["db west", "web east"]);
}

#[test]
fn hosts_that_were_written_before_servers_counted_get_theirs() {
    hosts_written_before_get_their_server(On::Sqlite);
}

#[test]
fn hosts_that_were_written_before_servers_counted_get_theirs_on_mariadb() {
    hosts_written_before_get_their_server(On::MariaDb);
}

#[test]
fn a_host_of_a_server_where_none_is_named_says_what_to_do() {
    let program = Program::new();
    program.write(
        "pobsync.kdl",
        "host \"web\" server=\"east\" { address \"local\"; source \"/etc\" }",
    );
    let said = program.ends(65, &["validate"]);
    let said = said.err.replace('\n', " ");
    assert!(
        said.contains("write `server \"east\" …` at the top"),
        "{said}"
    );
    assert!(said.contains("a lone server needs no name"), "{said}");
}

#[test]
fn a_server_that_is_gone_for_good_leaves_the_file_by_its_name() {
    let program = two(On::Sqlite);
    for (server, host) in [("east", "web"), ("west", "db")] {
        done(&as_server(&program, server, &["backup", host]), 0);
    }
    let file = program.path("pobsync.kdl");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("server \"west\""));
    let text = lines.collect::<Vec<_>>().join("\n");
    // Its host is to go somewhere else first.
    std::fs::write(&file, &text).unwrap();
    let said = program.ends(65, &["validate"]);
    assert!(said.err.contains("no server called west"), "{}", said.err);
    std::fs::write(&file, text.replace("server=\"west\"", "server=\"east\"")).unwrap();

    let said = program.ends(10, &["apply", "--yes"]);
    let words = said.out.replace(['\n', ' '], "");
    assert!(
        words.contains("serverwestleaves,and1snapshotof1host"),
        "{}",
        said.out
    );
    assert!(words.contains("--allowserver:west"), "{}", said.out);
    program.ends(0, &["apply", "--yes", "--allow", "server:west"]);

    // Nothing was deleted, and it is in sight no more; its host goes on elsewhere.
    assert_eq!(visible(&program, "west", "db", "manual").len(), 1);
    let plan = program.json(0, &["plan"]);
    assert_eq!(plan["retention"].as_array().unwrap().len(), 2, "{plan:#}");
    done(&as_server(&program, "west", &["backup", "db"]), 64);
    // The only one that is left need not be named.
    program.ends(0, &["backup", "db"]);
    assert_eq!(visible(&program, "east", "db", "manual").len(), 1);
    done(&as_server(&program, "east", &["scheduler", "--once"]), 0);
    let findings = program.json(0, &["status"])["findings"].clone();
    assert!(!findings.to_string().contains("west"), "{findings:#}");

    // A server that was given up too early is where it was.
    configure(
        &program,
        &[("web", "east"), ("db", "west")],
        "retention { keep last=2; kinds \"scheduled\" \"manual\" }; schedule cron=\"15 2 * * *\" prune=#true",
    );
    program.ends(0, &["apply", "--yes"]);
    done(&as_server(&program, "west", &["backup", "db"]), 0);
    assert_eq!(visible(&program, "west", "db", "manual").len(), 2);
}

#[test]
fn a_host_that_is_set_up_by_hand_belongs_to_the_server_that_does_it() {
    let program = two(On::Sqlite);
    let by_hand = [
        "configure-host",
        "new",
        "--address",
        "local",
        "--source",
        "/etc/hostname",
    ];
    let said = program.run(&by_hand);
    done(&said, 64);
    assert!(said.err.contains("--as east"), "{}", said.err);
    done(&as_server(&program, "west", &by_hand), 0);
    done(&as_server(&program, "west", &["backup", "new"]), 0);
    assert_eq!(visible(&program, "west", "new", "manual").len(), 1);
}

#[test]
fn a_root_that_servers_inherit_moves_under_none_of_them() {
    let program = On::Sqlite.program();
    let root = |name: &str| root_of(&program, name).display().to_string();
    program.write(
        "pobsync.kdl",
        &format!(
            "global {{ backup-root \"{}\" }}\nserver \"east\" {{ backup-root \"{}\" }}\nserver \"west\"\n\
             host \"web\" server=\"east\" {{ address \"local\"; source \"/etc/hostname\" }}\n\
             host \"db\" server=\"west\" {{ address \"local\"; source \"/etc/hostname\" }}\n",
            root("west"),
            root("east")
        ),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    done(&as_server(&program, "east", &["backup", "web"]), 0);
    let to = |path: &str| {
        [
            "configure-global".to_owned(),
            "--backup-root".into(),
            path.into(),
        ]
    };
    let (new, west) = (to(&root("new")), to(&root("west")));
    let new = new.each_ref().map(String::as_str);
    let west = west.each_ref().map(String::as_str);
    // Who has a root of its own has nothing to do with it; and nothing is on the other one yet.
    done(&as_server(&program, "east", &new), 0);
    done(&as_server(&program, "east", &west), 0);
    done(&as_server(&program, "west", &["backup", "db"]), 0);
    let refused = |said: &Said| {
        done(said, 10);
        let words = said.err.replace('\n', " ");
        let of = format!("the backup root {} of server west is in use", root("west"));
        assert!(words.contains(&of), "{words}");
        assert!(words.contains("`server` node of west"), "{words}");
    };
    refused(&program.run(&new));
    refused(&as_server(&program, "east", &new));
    refused(&as_server(&program, "west", &new));
    done(&program.run(&west), 0);
    // Where its own machine finds the same root at the new path, it may.
    std::fs::rename(root_of(&program, "west"), root_of(&program, "new")).unwrap();
    refused(&as_server(&program, "east", &new));
    done(&as_server(&program, "west", &new), 0);
    done(&as_server(&program, "west", &["backup", "db"]), 0);
    assert_eq!(visible(&program, "new", "db", "manual").len(), 2);
}

#[test]
fn a_plan_from_an_inventory_refuses_what_the_one_from_the_database_refuses() {
    let program = two(On::Sqlite);
    done(&as_server(&program, "east", &["backup", "web"]), 0);
    done(&as_server(&program, "west", &["backup", "db"]), 0);
    let schema = serde_json::from_str(include_str!("../../schema/inventory.schema.json")).unwrap();
    let refusals = |said: &Said| -> Value {
        let plan: Value = serde_json::from_str(&said.out).unwrap();
        plan["refusals"].clone()
    };
    let guards = |refusals: &Value| -> Vec<String> {
        let list = refusals.as_array().unwrap().iter();
        list.map(|r| r["guard"].as_str().unwrap().to_owned())
            .collect()
    };
    // One root elsewhere, and one server less, of which this file says nothing to whoever wrote the inventory.
    let file = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    let east = root_of(&program, "east").display().to_string();
    let west = file
        .lines()
        .find(|line| line.starts_with("server \"west\""));
    let changed = file
        .replace(&east, &format!("{east}-new"))
        .replace(west.unwrap(), "")
        .replace("server=\"west\"", "server=\"east\"");
    for (server, name) in [(None, "of-none.json"), (Some("west"), "of-west.json")] {
        let server = server.map_or(vec![], |name| vec!["--as", name]);
        let run = |args: &[&str]| {
            let args: Vec<&str> = server.iter().chain(args).copied().collect();
            program.run(&args)
        };
        done(&run(&["inventory", "--out", name]), 0);
        let text = std::fs::read_to_string(program.path(name)).unwrap();
        let inventory: Value = serde_json::from_str(&text).unwrap();
        assert!(jsonschema::is_valid(&schema, &inventory), "{inventory:#}");
        program.write("pobsync.kdl", &changed);
        let online = refusals(&program.run(&["plan", "--format", "json"]));
        assert_eq!(guards(&online), ["backup-root-moved", "server-leaves"]);
        let offline = program.run(&["plan", "--inventory", name, "--format", "json"]);
        assert_eq!(refusals(&offline), online, "{name}");
        program.write("pobsync.kdl", &file);
    }
}

/// Several servers on machines with the same path; the first of them goes on with the root there was.
#[test]
fn hosts_of_a_lone_server_that_are_given_to_another_one_are_told_and_listed_once() {
    let program = On::Sqlite.program();
    let file = |servers: &str, of: [&str; 2]| {
        format!(
            "global {{ backup-root \"ROOT\" }}\n{servers}\
             host \"web\"{} {{ address \"local\"; source \"/etc/hostname\" }}\n\
             host \"db\"{} {{ address \"local\"; source \"/etc/hostname\" }}\n",
            of[0], of[1]
        )
    };
    program.write("pobsync.kdl", &file("", ["", ""]));
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    program.ends(0, &["backup", "db"]);
    let of = [" server=\"east\"", " server=\"west\""];
    let both = file("server \"east\"\nserver \"west\"\n", of);
    program.write("pobsync.kdl", &both);
    let plan = program.json(0, &["plan"]);
    let schema = serde_json::from_str(include_str!("../../schema/plan.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&schema, &plan), "{plan:#}");
    let said = program.ends(0, &["plan"]).out.replace('\n', " ");
    assert!(
        said.contains(
            "db moves from the root there was to west: its next backup is a full one; 1 snapshot stays there, under retention by its own."
        ),
        "{said}"
    );
    assert!(!said.contains("web moves"), "{said}");
    program.ends(0, &["apply", "--yes"]);

    let on_roots = || -> Vec<(String, String, usize)> {
        let plan = program.json(0, &["plan"]);
        assert_eq!(plan["moves"], Value::Null);
        let retention = plan["retention"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found = retention.map(|r| {
            let kept = r["keep"].as_array().unwrap().len();
            (text(&r["host"]), text(&r["server"]), kept)
        });
        found.filter(|(.., kept)| *kept > 0).collect()
    };
    let once = [
        ("db".to_owned(), "east".to_owned(), 1),
        ("web".to_owned(), "east".to_owned(), 1),
    ];
    assert_eq!(on_roots(), once, "nobody has opened it yet");
    let as_east = as_server(&program, "east", &["plan", "--format", "json"]);
    done(&as_east, 0);
    done(&as_server(&program, "east", &["backup", "web"]), 0);
    assert_eq!(on_roots()[0], once[0]);
}

#[test]
fn what_cannot_be_pruned_after_a_move_is_told_once_a_day() {
    let program = two(On::Sqlite);
    for _ in 0..2 {
        done(&as_server(&program, "east", &["backup", "web"]), 0);
    }
    let policy = "retention { keep last=1; kinds \"scheduled\" \"manual\" }; schedule cron=\"15 2 * * *\" prune=#true";
    configure(&program, &[("web", "west"), ("db", "west")], policy);
    program.ends(0, &["apply", "--yes"]);
    // The disk is not there.
    let (root, away) = (root_of(&program, "east"), program.path("away"));
    std::fs::rename(&root, &away).unwrap();
    let args = ["--as", "east", "scheduler", "--loop", "--interval", "1"];
    let mut scheduler = Running::start(&program, &args);
    scheduler.says("is not pruned");
    // Every tick begins its chores with a sign of life, after those of the last one are done.
    let mut seen = BTreeSet::new();
    let mut sql = Sql::of(&program);
    until("some more ticks have gone by", || {
        seen.extend(sql.texts("SELECT CAST(last_seen AS TEXT) FROM servers WHERE name = 'east'"));
        seen.len() > 3
    });
    scheduler.signal(rustix::process::Signal::TERM);
    assert!(scheduler.wait().success(), "{:#?}", scheduler.log);
    let told = scheduler
        .log
        .iter()
        .filter(|line| line.contains("not pruned"));
    assert_eq!(told.count(), 1, "{:#?}", scheduler.log);

    // Whoever starts it again does so since the disk is back.
    std::fs::rename(&away, &root).unwrap();
    done(&as_server(&program, "east", &["scheduler", "--once"]), 0);
    assert_eq!(visible(&program, "east", "web", "manual").len(), 1);
}
