//! Tables: every cell as wide as the widest of its column, with a tab behind it.

use crate::output::Console;

pub(super) fn print(console: &mut Console, headers: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headers[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}\t"));
        padded.collect::<Vec<_>>().concat()
    };
    console.line(&line(&headers.iter().map(|header| (*header).to_owned()).collect::<Vec<_>>()));
    for row in rows {
        console.line(&line(row));
    }
}
