//! The report as text, and as a page: both show the same sections.

use std::fmt::Write as _;

use crate::page;

/// The width of the text.
const WIDTH: usize = 100;

/// One part of the report: figures, and what they mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ReportSection {
    pub(crate) title: String,
    /// What the figures mean, in a sentence or two for each.
    pub(crate) meaning: String,
    /// The names of the columns; the last one is a text.
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    /// What a reader should know before they trust the figures.
    pub(crate) warnings: Vec<String>,
    /// What only the text shows, as it stands.
    pub(crate) plot: String,
    /// What only the page shows, as HTML.
    pub(crate) chart: String,
}

/// All sections as text.
pub(crate) fn text(sections: &[ReportSection]) -> String {
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", section.title.to_uppercase());
        wrapped(&mut text, "", &section.meaning);
        if !section.rows.is_empty() {
            text.push('\n');
            table(&mut text, section);
        }
        if !section.plot.is_empty() {
            let _ = write!(text, "\n{}", section.plot);
        }
        for warning in &section.warnings {
            text.push('\n');
            wrapped(&mut text, "! ", warning);
        }
    }
    text
}

/// A paragraph in lines of at most [`WIDTH`] characters.
fn wrapped(text: &mut String, start: &str, paragraph: &str) {
    let mut line = start.to_owned();
    let mut is_new = true;
    for word in paragraph.split_whitespace() {
        if !is_new && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(start.len());
            is_new = true;
        }
        if !is_new {
            line.push(' ');
        }
        line.push_str(word);
        is_new = false;
    }
    if !is_new {
        let _ = writeln!(text, "{line}");
    }
}

fn table(text: &mut String, section: &ReportSection) {
    let head: Vec<String> = section.columns.iter().map(|name| (*name).to_owned()).collect();
    let lines = || std::iter::once(&head).chain(&section.rows);
    let wide = |at: usize| {
        lines().filter_map(|line| line.get(at)).map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    for line in lines() {
        let mut cells = String::new();
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = match at + 1 == widths.len() {
                true => write!(cells, "  {cell}"),
                false => write!(cells, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", cells.trim_end());
    }
}

/// All sections as one page that needs no other file.
pub(crate) fn page(title: &str, sections: &[ReportSection]) -> String {
    let mut body = String::new();
    for section in sections {
        let _ = writeln!(
            body,
            "<section><h2>{}</h2>\n<p class=\"faint\">{}</p>",
            page::escaped(&section.title),
            page::escaped(&section.meaning)
        );
        for warning in &section.warnings {
            let _ = writeln!(body, "<p class=\"warning\">{}</p>", page::escaped(warning));
        }
        if !section.rows.is_empty() {
            body.push_str("<table><tr>");
            section.columns.iter().for_each(|name| {
                let _ = write!(body, "<th>{}</th>", page::escaped(name));
            });
            body.push_str("</tr>\n");
            for row in &section.rows {
                body.push_str("<tr>");
                row.iter().for_each(|cell| {
                    let _ = write!(body, "<td>{}</td>", page::escaped(cell));
                });
                body.push_str("</tr>\n");
            }
            body.push_str("</table>\n");
        }
        let _ = writeln!(body, "{}</section>", section.chart);
    }
    page::document(title, &body)
}
