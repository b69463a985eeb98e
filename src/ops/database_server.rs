//! Whether the database server is set to what we need of it.

use super::check::{Finding, Level, failed, finding};
use crate::core::model::ByteCount;
use crate::store::{ServerAddress, ServerLook, Way};

const WHAT: &str = "server";

/// What MariaDB comes with: less has been chosen by somebody who did not know of us.
const USUAL_PACKET: ByteCount = ByteCount(16 << 20);

/// A value is sent in a packet with others, and a fleet grows: a plan larger than this part of a packet is near its end.
const ROOM_FOR_PLANS: u64 = 4;

/// Looks at the server at `address`, to which a connection was made a moment ago.
pub(super) fn check(address: &ServerAddress) -> Vec<Finding> {
    match ServerLook::at(address) {
        Ok(look) => judged(&look),
        Err(error) => vec![failed(WHAT, &error.into())],
    }
}

fn judged(look: &ServerLook) -> Vec<Finding> {
    let way = match look.way {
        Way::Near => "on this machine",
        Way::Verified => "under TLS, known by its certificate",
        Way::Unverified => "under TLS",
        Way::Clear => "in the clear",
    };
    let mut found = vec![finding(
        Level::Good,
        WHAT,
        format!("{}, {way}", look.version),
        "",
    )];
    if !look.is_durable {
        found.push(finding(
            Level::Advice,
            WHAT,
            "what was committed last is lost with the power: innodb_flush_log_at_trx_commit is not 1",
            "set innodb_flush_log_at_trx_commit=1 on the server: what authorises deletions must survive",
        ));
    }
    if look.largest_plan.0 > look.max_packet.0 / ROOM_FOR_PLANS || look.max_packet < USUAL_PACKET {
        found.push(finding(
            Level::Advice,
            WHAT,
            format!(
                "max_allowed_packet is {}, and the largest plan so far has {}: a larger one may not fit",
                look.max_packet, look.largest_plan
            ),
            "set max_allowed_packet=256M on the server",
        ));
    }
    match look.way {
        Way::Near | Way::Verified => {}
        Way::Unverified => found.push(finding(
            Level::Advice,
            WHAT,
            "nothing shows that it is the server and not somebody in between",
            "give the authority of its certificate in the address: ssl-ca=FILE",
        )),
        Way::Clear => found.push(finding(
            Level::Problem,
            WHAT,
            "whoever is on the way can read all that is sent, and write approvals of their own",
            "let the server have a certificate, and name its authority in the address instead of ssl-mode=disabled: ssl-ca=FILE",
        )),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> ServerLook {
        ServerLook {
            version: "10.11.19-MariaDB".to_owned(),
            is_durable: true,
            max_packet: USUAL_PACKET,
            largest_plan: ByteCount(1 << 20),
            way: Way::Verified,
        }
    }

    fn worst(look: &ServerLook) -> (Level, usize) {
        let found = judged(look);
        let worst = found.iter().map(|f| f.level).max();
        (worst.unwrap_or(Level::Good), found.len())
    }

    #[test]
    fn a_server_as_it_should_be_is_one_line() {
        assert_eq!(worst(&sound()), (Level::Good, 1));
        let near = ServerLook {
            way: Way::Near,
            ..sound()
        };
        assert_eq!(worst(&near), (Level::Good, 1));
    }

    #[test]
    fn each_setting_that_could_be_better_is_told() {
        let not_durable = ServerLook {
            is_durable: false,
            ..sound()
        };
        let small = ServerLook {
            max_packet: ByteCount(1 << 20),
            largest_plan: ByteCount(0),
            ..sound()
        };
        let nearly_full = ServerLook {
            largest_plan: ByteCount(5 << 20),
            ..sound()
        };
        let anybody = ServerLook {
            way: Way::Unverified,
            ..sound()
        };
        for look in [not_durable, small, nearly_full, anybody] {
            assert_eq!(worst(&look), (Level::Advice, 2), "{look:?}");
        }
    }

    #[test]
    fn a_way_in_the_clear_is_a_problem() {
        let clear = ServerLook {
            way: Way::Clear,
            ..sound()
        };
        assert_eq!(worst(&clear), (Level::Problem, 2));
    }
}
