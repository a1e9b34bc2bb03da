//! A sheet of titled sections with aligned columns.

use std::fmt::{Display, Write as _};

use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement, LineStyle, Table, presets};
use jumeau::terminal;

use super::style::{Styled, TITLE};

/// A text that grows section by section, at most so many columns wide. Each given line stays one line,
/// and each cell one cell, whatever untrusted text it contains.
pub(crate) struct Sheet {
    text: String,
    width: u16,
}

/// A cell of a table.
#[derive(Clone)]
pub(crate) struct Cell(comfy_table::Cell);

impl Cell {
    /// A cell with this text, as one line.
    #[expect(clippy::disallowed_methods, reason = "here what is written becomes harmless")]
    pub(crate) fn new(content: impl ToString) -> Cell {
        // A cell must not contain styles: their characters would count as columns.
        Cell(comfy_table::Cell::new(terminal::line(&terminal::plain(&content.to_string()))))
    }

    /// With a colour.
    pub(crate) fn fg(self, color: Color) -> Cell {
        Cell(self.0.fg(color))
    }

    /// With an attribute: bold, dim and the like.
    pub(crate) fn add_attribute(self, attribute: Attribute) -> Cell {
        Cell(self.0.add_attribute(attribute))
    }

    /// With an alignment.
    pub(crate) fn set_alignment(self, alignment: CellAlignment) -> Cell {
        Cell(self.0.set_alignment(alignment))
    }
}

impl Sheet {
    /// An empty sheet.
    pub(crate) fn new(width: u16) -> Sheet {
        Sheet { text: String::new(), width }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl Display) {
        push_line(&mut self.text, line);
    }

    /// Adds lines as they are.
    pub(crate) fn text(&mut self, text: &str) {
        let text = terminal::text(text);
        let _ = writeln!(self.text, "{}", text.trim_end_matches('\n'));
    }

    /// Adds a section, unless it has no rows.
    pub(crate) fn section(&mut self, title: &str, rows: Vec<Vec<Cell>>) {
        if rows.is_empty() {
            return;
        }
        self.line("");
        self.line(Styled(TITLE, title));
        self.rows(rows);
    }

    /// Adds rows with aligned columns.
    pub(crate) fn rows(&mut self, rows: Vec<Vec<Cell>>) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        self.fill(&mut table, rows);
        for column in table.column_iter_mut() {
            column.set_padding((2, 0));
        }
        self.lines_of(&table);
    }

    fn lines_of(&mut self, table: &Table) {
        for line in table.lines() {
            // Cells are escaped: the control characters here are the table's own.
            let _ = writeln!(self.text, "{}", terminal::ours(line.trim_end()));
        }
    }

    /// Adds columns with titles.
    pub(crate) fn columns(&mut self, header: &[&str], rows: Vec<Vec<Cell>>) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(header.iter().map(|title| Cell::new(title).0).collect::<Vec<_>>());
        self.fill(&mut table, rows);
        self.lines_of(&table);
    }

    /// Adds a table with a header.
    pub(crate) fn table(&mut self, header: &[&str], rows: Vec<Vec<Cell>>, numbers_from: usize) {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
        let header = header.iter().map(|title| Cell::new(title).0);
        table.set_header(header.collect::<Vec<_>>());
        self.fill(&mut table, rows);
        for column in table.column_iter_mut().skip(numbers_from) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let _ = writeln!(self.text, "{}", terminal::ours(&table.to_string()));
    }

    fn fill(&self, table: &mut Table, rows: Vec<Vec<Cell>>) {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width)
            .enforce_styling();
        for row in rows {
            table.add_row(row.into_iter().map(|Cell(cell)| cell));
        }
    }

    /// The whole text.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Adds one line to a text.
pub(crate) fn push_line(text: &mut String, line: impl Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", terminal::line(&line.to_string()));
}
