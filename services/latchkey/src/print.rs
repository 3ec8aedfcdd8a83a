//! Answers for people: aligned columns; and for machines: one JSON value on stdout.

use std::io::{self, Write};

/// Writes rows under a heading, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    write_table(&mut io::stdout().lock(), heading, rows)
}

fn write_table<const N: usize>(out: &mut impl Write, heading: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = heading.map(|name| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading = heading.map(str::to_uppercase);
    for row in std::iter::once(&heading).chain(rows) {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Writes one JSON line.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(value)?)?;
    Ok(out.flush()?)
}

/// A moment as a day and a time in UTC.
pub(crate) fn moment(at: domain::Timestamp) -> String {
    // Days since 1970-01-01 to a civil date, by 400-year cycles that begin on a 1st of March.
    let seconds = at.seconds();
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (cycle, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    format!("{:04}-{month:02}-{of_month:02} {:02}:{:02} UTC", year + cycle * 400, rest / 3600, rest / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let rows = [["a".to_owned(), "long name".to_owned()], ["bbbb".to_owned(), "x".to_owned()]];
        let mut out = Vec::new();
        write_table(&mut out, ["id", "name"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ID    NAME\na     long name\nbbbb  x\n");
    }

    #[test]
    fn a_moment_is_a_civil_date() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (4_102_444_800, "2100-01-01 00:00 UTC"),
        ] {
            assert_eq!(moment(Timestamp::from_millis(seconds * 1000)), text);
        }
    }
}
