//! Retention rules in one line, as the command line takes them: `daily=7 weekly=4 within=30d`.

use std::num::NonZeroU32;

use super::{Count, Invalid, Keep, Rule};

/// A day has so many in 270 years; the file takes no more either.
const LARGEST: u32 = 100_000;

impl std::str::FromStr for Keep {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut keep = Self::default();
        for word in text.split_whitespace() {
            let refused = |help: &str| Invalid::new(word, "a retention rule", help);
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| refused("write rules as `daily=7 weekly=4 within=30d`"))?;
            let rule = |name: &str| Rule::ALL.into_iter().find(|rule| rule.as_str() == name);
            if let Some(rule) = rule(name) {
                let count = match value {
                    "unlimited" => Count::Unlimited,
                    number => Count::Number(
                        number
                            .parse::<NonZeroU32>()
                            .ok()
                            .filter(|n| n.get() <= LARGEST)
                            .ok_or_else(|| {
                                refused(
                                    "a count is a whole number from 1 to 100000, or `unlimited`",
                                )
                            })?,
                    ),
                };
                set(keep.count_mut(rule), count, word)?;
            } else if let Some(rule) = (name == "within").then_some(Rule::Last).or_else(|| {
                name.strip_prefix("within-")
                    .and_then(rule)
                    .filter(|rule| *rule != Rule::Last)
            }) {
                set(keep.within_mut(rule), value.parse()?, word)?;
            } else {
                return Err(refused(
                    "rules are last, hourly, daily, weekly, monthly, quarterly, yearly, within and within-hourly to within-yearly",
                ));
            }
        }
        if keep.is_empty() {
            return Err(Invalid::new(
                text,
                "a set of retention rules",
                "name at least one rule: a policy that keeps nothing is refused",
            ));
        }
        Ok(keep)
    }
}

fn set<T>(slot: &mut Option<T>, value: T, word: &str) -> Result<(), Invalid> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Invalid::new(
            word,
            "a retention rule",
            "the rule is given twice",
        )),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::core::model::Keep;

    #[test]
    fn rules_are_read_by_name() {
        let keep: Keep = "daily=7  weekly=unlimited within=30d within-monthly=1y"
            .parse()
            .unwrap();
        let json = serde_json::to_value(&keep).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"daily": 7, "weekly": "unlimited", "within": "30d", "within-monthly": "1y"})
        );
    }

    #[rstest]
    #[case("")]
    #[case("daily")]
    #[case("daily=0")]
    #[case("daily=-1")]
    #[case("daily=100001")]
    #[case("daily=7 daily=8")]
    #[case("dialy=7")]
    #[case("within-last=3d")]
    #[case("within=3w")]
    fn what_is_no_rule_is_refused(#[case] text: &str) {
        assert!(text.parse::<Keep>().is_err(), "{text:?}");
    }
}
