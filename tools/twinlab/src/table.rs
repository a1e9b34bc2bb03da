use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use jumeau::models::Features;

/// A file of tab-separated fields, with the column names in the first line.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Table> {
        let content = fs::read_to_string(path)
            .with_context(|| format!("cannot read the table {}", path.display()))?;
        Table::parse(&content).with_context(|| format!("in {}", path.display()))
    }

    pub(crate) fn parse(content: &str) -> anyhow::Result<Table> {
        let mut lines = content.lines();
        let fields = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        let names = lines.next().ok_or_else(|| anyhow!("expected a line of names"))?;
        let columns = fields(names);
        if columns.len() == 1 && names.contains([',', ';']) {
            bail!("expected names with tabs between them, found `{names}`");
        }
        let rows: Vec<_> = lines.map(fields).collect();
        for (number, row) in rows.iter().enumerate() {
            if row.len() != columns.len() {
                let (expected, found) = (columns.len(), row.len());
                bail!("line {}: expected {expected} fields, found {found}", number + 2);
            }
        }
        if rows.is_empty() {
            bail!("expected lines below the names, found none");
        }
        Ok(Table { columns, rows })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The index of a column.
    pub(crate) fn column(&self, name: &str) -> anyhow::Result<usize> {
        let found = self.columns.iter().position(|column| column == name);
        found
            .ok_or_else(|| anyhow!("expected a column `{name}`, found {}", self.columns.join(", ")))
    }

    pub(crate) fn text(&self, row: usize, column: usize) -> &str {
        &self.rows[row][column]
    }

    pub(crate) fn number(&self, row: usize, column: usize) -> anyhow::Result<f64> {
        let text = self.text(row, column);
        text.parse().with_context(|| {
            let name = &self.columns[column];
            format!("line {}: expected a number in `{name}`, found `{text}`", row + 2)
        })
    }

    /// A number for which `is_right` holds, which is said as `expected`.
    pub(crate) fn number_that(
        &self,
        (row, column): (usize, usize),
        expected: &str,
        is_right: impl Fn(f64) -> bool,
    ) -> anyhow::Result<f64> {
        let number = self.number(row, column)?;
        if !is_right(number) {
            let (name, found) = (&self.columns[column], self.text(row, column));
            bail!("line {}: expected {expected} in `{name}`, found `{found}`", row + 2);
        }
        Ok(number)
    }

    /// The features of each row: all columns except `without`. A column with only numbers is numeric.
    pub(crate) fn features(&self, without: &[usize]) -> Vec<Features> {
        let is_missing = |text: &str| text.is_empty() || text == "NA";
        let columns: Vec<(usize, bool)> = (0..self.columns.len())
            .filter(|column| !without.contains(column))
            .map(|column| {
                let mut texts = self.rows.iter().map(|row| row[column].as_str());
                (column, texts.all(|text| is_missing(text) || text.parse::<f64>().is_ok()))
            })
            .collect();
        let of = |row: &Vec<String>| {
            let mut features = Features::new();
            for (column, is_number) in &columns {
                let (name, text) = (&self.columns[*column], row[*column].as_str());
                match text.parse() {
                    _ if is_missing(text) => features.unknown(name),
                    Ok(number) if *is_number => features.number(name, number),
                    _ => features.text(name, text),
                }
            }
            features
        };
        self.rows.iter().map(of).collect()
    }
}
