//! What a command prints.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use crate::failure::Failure;

/// What a command has to say: a text for people and an object for programs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    /// For people.
    pub text: String,
    /// For programs; an object.
    pub json: Value,
}

impl Report {
    /// A report whose object is `value` itself.
    pub(crate) fn new(text: impl Into<String>, value: &impl serde::Serialize) -> Self {
        // Everything that is printed is made of texts, numbers and lists of them.
        Self {
            text: text.into(),
            json: serde_json::to_value(value).unwrap_or_default(),
        }
    }

    /// Prints it in the form that was asked for.
    pub(crate) fn print(&self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            line(&self.json.to_string())
        } else {
            line(self.text.trim_end_matches('\n'))
        }
    }
}

/// Prints a line to standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    finish(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// Writes bytes to standard output as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    finish(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Tells people something beside the result.
pub(crate) fn note(text: &str) {
    // Who closed standard error does not want to know.
    let _written = writeln!(io::stderr(), "{text}");
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A reader that closed the pipe, such as `head`, has all that it wanted.
fn finish(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            std::process::exit(0);
        }
        Err(error) => Err(Failure::failed(format!(
            "standard output cannot be written: {error}"
        ))),
        Ok(()) => Ok(()),
    }
}

/// Tells of a failure: people on standard error, programs on standard output.
pub(crate) fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        let mut error = json!({
            "kind": failure.exit.name(), "exit": failure.exit.code(), "message": failure.message,
        });
        if let (Value::Object(members), Some(problem)) = (&mut error, &failure.problem) {
            let problem = serde_json::to_value(problem).unwrap_or_default();
            members.insert(
                "code".into(),
                problem.get("code").cloned().unwrap_or_default(),
            );
            members.insert("problem".into(), problem);
        }
        // A reader that is gone is not told.
        let _printed = writeln!(io::stdout(), "{}", json!({ "error": error }));
    } else {
        note(&format!("error: {}", failure.message));
    }
}

/// Rows as a table with aligned columns. The last column is not padded.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(
                ' ',
                width + 2 - cell.chars().count().min(width),
            ));
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(head.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

/// The first digits of an id, enough for people and for a reference.
pub(crate) fn short(id: impl ToString) -> String {
    id.to_string().chars().take(12).collect()
}

/// A time in milliseconds since 1970 as UTC, to the second.
pub(crate) fn time(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The date that is `days` after 1970-01-01, by Hinnant's algorithm over 400-year eras that start
/// in March (<https://howardhinnant.github.io/date_algorithms.html>, `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(time(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(time(1_735_689_599_999), "2024-12-31 23:59:59Z");
    }

    #[test]
    fn a_table_aligns_what_people_see() {
        let rows = [["é".into(), "1".into()], ["longer".into(), "2".into()]];
        assert_eq!(
            table(["name", "n"], &rows),
            "name    n\né       1\nlonger  2\n"
        );
    }
}
