//! What the user may do for whom the program works.

/// capabilities(7), CAP_CHOWN.
const CHOWN: u32 = 0;

/// Says that the user is not root and that what it calls may set owners all the same.
pub(super) fn may_set_owners() -> bool {
    if rustix::process::geteuid().is_root() {
        return false;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    has_ambient(&status, CHOWN)
}

/// Capabilities that are not ambient are lost with the call of another program.
fn has_ambient(status: &str, capability: u32) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("CapAmb:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set >> capability & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::{CHOWN, has_ambient};

    #[test]
    fn the_ambient_set_decides() {
        let status = |set: &str| format!("Uid:\t1\nCapEff:\t000001ffffffffff\nCapAmb:\t{set}\n");
        assert!(has_ambient(&status("000000000000000f"), CHOWN));
        assert!(!has_ambient(&status("0000000000000002"), CHOWN));
        assert!(!has_ambient(&status("nonsense"), CHOWN) && !has_ambient("", CHOWN));
    }
}
