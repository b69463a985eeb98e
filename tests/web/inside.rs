//! Inside a snapshot: what is there is found, and nothing leads out of it.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use crate::site::{Site, Visitor};

const LOCAL: &str =
    r#"host "local-01" { address "local"; source "SOURCE"; rsync { specials #true } }"#;

struct Looked {
    site: Site,
    /// The address of the source inside the snapshot.
    here: String,
    /// The same on disk.
    data: std::path::PathBuf,
}

fn looked() -> Looked {
    let site = Site::start(LOCAL);
    let source = site.program.path("source");
    std::fs::create_dir(source.join("dir")).unwrap();
    std::fs::write(source.join("dir/passwd"), "ours").unwrap();
    std::fs::write(source.join("page.html"), "<script>alert(1)</script>").unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff\x1b[31m <b>\".txt");
    std::fs::write(source.join(odd), "odd").unwrap();
    std::fs::create_dir(source.join("%2e%2e")).unwrap();
    std::fs::write(source.join("%2e%2e/f"), "a name, no way up").unwrap();
    symlink("/etc/passwd", source.join("link")).unwrap();
    symlink("dir", source.join("inward")).unwrap();
    symlink("/proc/self/root", source.join("magic")).unwrap();
    for (name, kind) in [("fifo", "p"), ("null", "c")] {
        let mut command = std::process::Command::new("mknod");
        command.arg(source.join(name)).arg(kind);
        if kind == "c" {
            command.args(["1", "3"]);
        }
        assert!(command.status().unwrap().success());
    }
    site.program.ends(0, &["backup", "local-01"]);
    let name = site.program.visible("local-01", "manual").pop().unwrap();
    let inner = source.strip_prefix("/").unwrap().to_str().unwrap();
    let here = format!("/hosts/local-01/snapshots/manual/{name}/files/{inner}/");
    let data = site.program.data("local-01", "manual", &name).join(inner);
    Looked { site, here, data }
}

fn is_nothing(alice: &Visitor<'_>, path: &str) {
    let answer = alice.get(path);
    assert_eq!(answer.status, 404, "{path}");
    assert!(!answer.text().contains("root:"), "{path}");
}

#[test]
fn directories_are_listed_and_files_leave_as_attachments() {
    let looked = looked();
    let alice = looked.site.log_in();
    let page = alice.page(&looked.here);
    assert!(page.contains("href=\"") && page.contains("page.html</a>"));
    assert!(
        page.contains("odd\\xff\\u{1b}[31m &lt;b&gt;&quot;.txt"),
        "{page}"
    );
    assert!(page.contains("/etc/passwd") && page.contains("device, socket or fifo"));
    let bare = looked.here.trim_end_matches('/');
    assert_eq!(alice.get(bare).location(), looked.here);

    let file = alice.get(&format!("{}page.html", looked.here));
    assert_eq!(
        (file.status, file.text().as_str()),
        (200, "<script>alert(1)</script>")
    );
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-length", "25"),
        (
            "content-disposition",
            "attachment; filename=\"page.html\"; filename*=UTF-8''page.html",
        ),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(file.header(name), Some(value));
    }
    let policy = file.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("sandbox; default-src 'none'"),
        "{policy}"
    );

    let odd = format!("{}odd%ff%1B%5b31m%20%3Cb%3E%22.txt", looked.here);
    assert_eq!(alice.get(&odd).text(), "odd");
    let named_so = format!("{}%252e%252e/f", looked.here);
    assert_eq!(alice.get(&named_so).text(), "a name, no way up");
}

#[test]
fn nothing_leads_out_of_a_snapshot() {
    let looked = looked();
    let alice = looked.site.log_in();
    for rest in [
        "..",
        "../../../../../../../../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e%252fetc%252fpasswd",
        "%2e%2e/f",
        "dir%2fpasswd",
        "dir/./passwd",
        "dir//passwd",
        "/etc/passwd",
        "link",
        "link/",
        "inward/passwd",
        "magic/etc/passwd",
        "fifo",
        "null",
        "dir/passwd%00",
        "dir/passwd/",
        "page.html/x",
        "%",
        "%zz",
        "absent",
    ] {
        is_nothing(&alice, &format!("{}{rest}", looked.here));
    }
    let (host, _) = looked.here.split_once("/snapshots/").unwrap();
    for rest in ["..", "%2e%2e", "x%2f..%2f..", ".trash"] {
        is_nothing(
            &alice,
            &format!("{host}/snapshots/manual/{rest}/files/etc/passwd"),
        );
    }
}

#[test]
fn what_is_swapped_for_a_link_leads_nowhere() {
    let looked = looked();
    let alice = looked.site.log_in();
    let path = format!("{}dir/passwd", looked.here);
    assert_eq!(alice.get(&path).text(), "ours");
    std::fs::rename(looked.data.join("dir"), looked.data.join("moved")).unwrap();
    symlink("/etc", looked.data.join("dir")).unwrap();
    is_nothing(&alice, &path);
}
