//! `show HOST`: every effective value and where it was set.

use super::args::{Common, HostArg};
use super::file_path;
use super::output::Output;
use crate::core::desired::explain;
use crate::core::plan::Outcome;
use crate::ops::{self, Error};
use crate::render::{Column, table};

#[derive(serde::Serialize)]
struct Setting {
    path: String,
    value: String,
    origin: String,
}

pub(super) fn run(common: &Common, args: &HostArg, output: &Output) -> Result<Outcome, Error> {
    let loaded = ops::load_explained(&file_path(common, None))?;
    let host = ops::desired_host(&loaded.desired, &args.host)?;
    let settings: Vec<Setting> = explain(host)
        .into_iter()
        .map(|(path, value, origin)| Setting {
            path,
            value,
            origin,
        })
        .collect();
    output.data(&settings, |style| {
        let rows: Vec<Vec<String>> = settings
            .iter()
            .map(|s| vec![s.path.clone(), s.value.clone(), s.origin.clone()])
            .collect();
        table(
            &[
                Column("SETTING", false),
                Column("VALUE", false),
                Column("SET BY", false),
            ],
            &rows,
            style,
        )
    });
    Ok(Outcome::Done)
}
