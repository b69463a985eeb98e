//! The settings of hosts as rows hold them, each text read once: most hosts of a fleet say the same but for where they are.

use std::collections::BTreeMap;

use crate::core::model::{HostSettings, Value};
use crate::store::StoreError;

use super::reader::Reader;

/// Where the address stands in the settings that this program writes, with sorted keys.
const BEFORE: [&str; 2] = [
    r#"{"accept-partial":false,"address":""#,
    r#"{"accept-partial":true,"address":""#,
];

/// A fleet says some dozens of things; what is beyond so many is read each time.
const REMEMBERED: usize = 256;

/// Settings that were read, by the text behind their address, for each of what may stand before it. Comparing a few of such
/// texts is faster than hashing one.
#[derive(Default)]
pub(super) struct SettingsRead([BTreeMap<String, HostSettings>; BEFORE.len()]);

impl SettingsRead {
    /// The settings that `text` is, a column of the row that `row` is at.
    pub(super) fn read(
        &mut self,
        row: &Reader<'_>,
        column: &'static str,
        text: &str,
    ) -> Result<HostSettings, StoreError> {
        let Some((i, address, behind)) = around_address(text) else {
            return row.read_json(column, text);
        };
        let Some(known) = self.0.get_mut(i) else {
            return row.read_json(column, text);
        };
        if let Some(same) = known.get(behind)
            && let Ok(address) = address.parse()
        {
            return Ok(HostSettings {
                address: Value::Literal(address),
                ..same.clone()
            });
        }
        let settings: HostSettings = row.read_json(column, text)?;
        if known.len() < REMEMBERED {
            known.insert(behind.to_owned(), settings.clone());
        }
        Ok(settings)
    }
}

/// Which of [`BEFORE`] stands before the address, the address, and what stands behind it.
fn around_address(text: &str) -> Option<(usize, &str, &str)> {
    let mut found = BEFORE.into_iter().enumerate();
    let (i, rest) = found.find_map(|(i, before)| Some((i, text.strip_prefix(before)?)))?;
    let (address, behind) = rest.split_once('"')?;
    // What is escaped is not the address as it is.
    (!address.contains('\\')).then_some((i, address, behind))
}

#[cfg(test)]
mod tests {
    use super::{SettingsRead, around_address};
    use crate::core::model::{HostSettings, Value, canonical_json};
    use crate::store::session::{Row, RowError};
    use crate::store::sql::reader::Reader;

    struct Numbered;

    impl Row for Numbered {
        fn int(&self, _: usize) -> Result<Option<i64>, RowError> {
            Ok(Some(7))
        }

        fn text(&self, _: usize) -> Result<Option<&str>, RowError> {
            Ok(None)
        }
    }

    fn written(settings: &HostSettings) -> String {
        canonical_json(&serde_json::to_value(settings).unwrap())
    }

    #[test]
    fn what_is_read_again_is_what_was_written() {
        let reader = Reader::new(&Numbered, "hosts");
        let mut read = SettingsRead::default();
        for address in ["a", "b.example.net", "2001:db8::1", "local"] {
            for accept_partial in [false, true] {
                for port in [22, 2222] {
                    let mut settings = HostSettings::at(Value::Literal(address.parse().unwrap()));
                    settings.accept_partial = accept_partial;
                    settings.ssh.port = port;
                    let text = written(&settings);
                    assert!(around_address(&text).is_some());
                    let found = read.read(&reader, "settings", &text).unwrap();
                    assert_eq!(found, settings);
                }
            }
        }
        assert_eq!(read.0.map(|known| known.len()), [2, 2]);
        let mut read = SettingsRead::default();
        let by_reference = HostSettings::at(Value::Env { env: "A".into() });
        let text = written(&by_reference);
        assert_eq!(read.read(&reader, "settings", &text).unwrap(), by_reference);
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_as_it_is_alone() {
        let reader = Reader::new(&Numbered, "hosts");
        let settings = HostSettings::at(Value::Literal("a".parse().unwrap()));
        let text = written(&settings);
        let mut read = SettingsRead::default();
        read.read(&reader, "settings", &text).unwrap();
        for wrong in [
            r#""-oProxyCommand=x""#,
            r#""a b""#,
            r#""a\"b""#,
            r#"{"env":1}"#,
            "7",
        ] {
            let text = text.replacen(r#""a""#, wrong, 1);
            let told = read.read(&reader, "settings", &text).unwrap_err();
            let alone = SettingsRead::default()
                .read(&reader, "settings", &text)
                .unwrap_err();
            assert_eq!(format!("{told:?}"), format!("{alone:?}"));
        }
        // An escaped letter is the letter.
        let text = text.replacen(r#""a""#, r#""\u0061""#, 1);
        assert_eq!(read.read(&reader, "settings", &text).unwrap(), settings);
    }
}
