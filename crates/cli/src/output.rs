//! What goes to standard output: tables for eyes, JSON and YAML for programs.

pub(crate) mod ask;
pub(crate) mod changes;
pub(crate) mod servers;
pub(crate) mod status;
pub(crate) mod timeline;
pub(crate) mod watch;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::arguments::Format;
use crate::failure::{Failure, failed};

/// Prints `value` in the form that was asked for; `table` makes the one for eyes.
pub(crate) fn print<T: Serialize>(
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    match format {
        Format::Table => data(table(value).trim_end()),
        Format::Json => data(serde_json::to_string_pretty(value).map_err(failed)?),
        Format::Yaml => data(serde_saphyr::to_string(value).map_err(failed)?.trim_end()),
    }
}

/// Prints lines of data. A reader that went away (`| head`) is no failure.
pub(crate) fn data(text: impl std::fmt::Display) -> Result<(), Failure> {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

/// A table as `kubectl get` prints it: capital headings, no lines.
pub(crate) fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings);
    table.add_rows(rows);
    let last = headings.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A missing value in a table.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
