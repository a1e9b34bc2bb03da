//! A sheet of titled sections with aligned columns.

use std::fmt::Write as _;

use comfy_table::{Cell, ContentArrangement, LineStyle, Row, Table, presets};

use super::ink::{Inked, TITLE};

/// A text that grows section by section, at most so many columns wide.
pub(crate) struct Sheet {
    text: String,
    width: u16,
}

impl Sheet {
    /// An empty sheet.
    pub(crate) fn new(width: u16) -> Sheet {
        Sheet { text: String::new(), width }
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{line}");
    }

    /// A section, unless it has no rows.
    pub(crate) fn section<R: Into<Row>>(&mut self, title: &str, rows: Vec<R>) {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "\n{}", Inked(TITLE, title));
        self.rows(rows);
    }

    /// Rows with aligned columns.
    pub(crate) fn rows<R: Into<Row>>(&mut self, rows: Vec<R>) {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width)
            .enforce_styling();
        for row in rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut() {
            column.set_padding((2, 0));
        }
        for line in table.lines() {
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
    }

    /// A table with a header.
    pub(crate) fn table<R: Into<Row>>(
        &mut self,
        header: &[&str],
        rows: Vec<R>,
        numbers_from: usize,
    ) {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width)
            .enforce_styling()
            .set_header(header.iter().map(Cell::new).collect::<Vec<_>>());
        for row in rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(numbers_from) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        let _ = writeln!(self.text, "{table}");
    }

    /// The whole text.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}
