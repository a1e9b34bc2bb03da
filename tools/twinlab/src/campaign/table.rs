//! Reads a log of choices from CSV. The file is read twice: first to check every line and to learn which
//! columns are numeric, then to keep it in columns, with which ten million lines fit the memory of a desk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use jumeau::config::limits;
use jumeau::models::Features;

/// The greatest number of lines. Ten times as many would not fit the memory, and say no more.
pub(super) const LINES_MAX: usize = 10_000_000;
/// From so many different texts on, a column is probably a name of the customer and tells nothing.
const TEXTS_MANY: usize = 1_000;

/// A CSV file that can be read several times.
pub(super) struct CsvFile<F> {
    open: F,
    delimiter: u8,
    /// The names of the columns.
    pub(super) names: Vec<String>,
}

/// Opens a CSV file.
///
/// # Errors
/// If it cannot be opened, or its first line has no names of columns.
pub(super) fn csv_file(
    path: &Path,
    delimiter: u8,
) -> anyhow::Result<CsvFile<impl Fn() -> io::Result<File> + '_>> {
    CsvFile::new(move || File::open(path), delimiter)
}

impl<R: Read, F: Fn() -> io::Result<R>> CsvFile<F> {
    pub(super) fn new(open: F, delimiter: u8) -> anyhow::Result<CsvFile<F>> {
        let mut file = CsvFile { open, delimiter, names: Vec::new() };
        let mut names = StringRecord::new();
        file.check_encoding()?;
        file.reader()?.read_record(&mut names).map_err(|error| file.explained(error))?;
        file.names = names.iter().map(|name| name.trim().to_owned()).collect();
        if file.names.is_empty() {
            bail!("expected a line with the names of the columns, found an empty file");
        }
        for (at, name) in file.names.iter().enumerate() {
            if name.is_empty() {
                bail!(
                    "line 1: expected a name for each column, found none for column {}; name the column, \
                     or leave it out of the file (pandas: `to_csv(…, index=False)`)",
                    at + 1
                );
            }
            if file.names[..at].contains(name) {
                bail!("line 1: expected a name for each column, found `{name}` twice; rename one");
            }
        }
        Ok(file)
    }

    /// Refuses UTF-16, which spreadsheets write as "Unicode text": every second byte of plain text is 0.
    fn check_encoding(&self) -> anyhow::Result<()> {
        const START: u64 = 512;
        let mut start = Vec::new();
        let content = (self.open)().context("cannot read the log")?;
        content.take(START).read_to_end(&mut start).context("cannot read the log")?;
        let is_marked = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
        if is_marked || start.contains(&0) {
            bail!(
                "line 1: expected UTF-8, found UTF-16; save the file as `CSV UTF-8`, or convert it with \
                 `iconv -f utf-16 -t utf-8`"
            );
        }
        Ok(())
    }

    fn reader(&self) -> anyhow::Result<csv::Reader<R>> {
        let content = (self.open)().context("cannot read the log")?;
        let builder = &mut ReaderBuilder::new();
        Ok(builder.delimiter(self.delimiter).has_headers(false).from_reader(content))
    }

    /// The index of a column.
    pub(super) fn column(&self, name: &str) -> anyhow::Result<usize> {
        self.names.iter().position(|known| known == name).ok_or_else(|| {
            let found = self.names.join(", ");
            let other = [';', '\t', '|'].into_iter().find(|other| found.contains(*other));
            let hint = match other.filter(|_| self.names.len() == 1) {
                Some(other) => {
                    format!("; if columns end at `{}`, say --delimiter", other.escape_default())
                }
                None => "; --help says how to name other columns".to_owned(),
            };
            anyhow!("expected a column `{name}`, found {found}{hint}")
        })
    }

    /// Hands out each line below the names, with its number in the file.
    pub(super) fn lines(
        &self,
        mut take: impl FnMut(u64, &StringRecord) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut reader = self.reader()?;
        let mut record = StringRecord::new();
        let mut found = 0;
        while reader.read_record(&mut record).map_err(|error| self.explained(error))? {
            let line = record.position().map_or(0, csv::Position::line);
            if found > LINES_MAX {
                bail!(
                    "expected at most {LINES_MAX} lines, found more; take a random sample of them"
                );
            }
            if found > 0 {
                take(line, &record)?;
            }
            found += 1;
        }
        if found < 2 {
            bail!("expected lines below the names of the columns, found none");
        }
        Ok(())
    }

    fn explained(&self, error: csv::Error) -> anyhow::Error {
        let line = error.position().map_or(1, csv::Position::line);
        match error.into_kind() {
            ErrorKind::Utf8 { err, .. } => {
                let name = self.names.get(err.field()).map_or("the names", String::as_str);
                anyhow!(
                    "line {line}: expected UTF-8 in `{name}`, found other bytes; convert the file, for \
                     example with `iconv -f latin1 -t utf-8`"
                )
            }
            ErrorKind::UnequalLengths { expected_len, len, .. } => anyhow!(
                "line {line}: expected {expected_len} fields, found {len}; a text with a comma or a line \
                 break in it must be in double quotes"
            ),
            ErrorKind::Io(error) => anyhow!(error).context("cannot read the log"),
            _ => anyhow!("line {line}: expected comma-separated values"),
        }
    }
}

/// Whether a field says that its value is unknown.
fn is_missing(text: &str) -> bool {
    ["", "NA", "NaN", "nan", "null", "NULL", "None"].contains(&text)
}

/// What was known of each customer: the columns of the context.
#[derive(Debug, Default)]
pub(super) struct ContextTable {
    columns: Vec<ContextColumn>,
}

#[derive(Debug)]
struct ContextColumn {
    name: String,
    /// The place of the column in the file.
    place: usize,
    values: ContextValues,
}

#[derive(Debug)]
enum ContextValues {
    /// NaN where the value is unknown.
    Numbers(Vec<f64>),
    /// For each line the number of its text; [`UNKNOWN`] where the value is unknown.
    Texts { numbers: Vec<u32>, texts: Vec<Box<str>>, known: HashMap<Box<str>, u32> },
}

const UNKNOWN: u32 = u32::MAX;

impl ContextTable {
    /// A table of these columns of a file. All of them count as numeric, until a line says otherwise.
    pub(super) fn new(names: &[String], places: &[usize]) -> anyhow::Result<ContextTable> {
        if places.len() > limits::FEATURES {
            bail!(
                "expected at most {} columns of the context, found {}; name those that may matter with \
                 --context",
                limits::FEATURES,
                places.len()
            );
        }
        let column = |place: &usize| ContextColumn {
            name: names[*place].clone(),
            place: *place,
            values: ContextValues::Numbers(Vec::new()),
        };
        Ok(ContextTable { columns: places.iter().map(column).collect() })
    }

    /// Notes which columns are numeric: those with only numbers.
    pub(super) fn inspect(&mut self, line: &StringRecord) {
        for column in &mut self.columns {
            let text = &line[column.place];
            let is_number = is_missing(text) || text.parse().is_ok_and(f64::is_finite);
            if matches!(column.values, ContextValues::Numbers(_)) && !is_number {
                let (numbers, texts, known) = Default::default();
                column.values = ContextValues::Texts { numbers, texts, known };
            }
        }
    }

    /// Keeps the values of a line.
    pub(super) fn add(&mut self, line: &StringRecord) {
        for column in &mut self.columns {
            let text = &line[column.place];
            match &mut column.values {
                ContextValues::Numbers(numbers) => numbers.push(text.parse().unwrap_or(f64::NAN)),
                ContextValues::Texts { numbers, .. } if is_missing(text) => numbers.push(UNKNOWN),
                ContextValues::Texts { numbers, texts, known } => {
                    let number = known.get(text).copied().unwrap_or_else(|| {
                        let number = texts.len() as u32;
                        texts.push(text.into());
                        known.insert(text.into(), number);
                        number
                    });
                    numbers.push(number);
                }
            }
        }
    }

    /// The features of one line, counted from 0.
    pub(super) fn features(&self, line: usize) -> Features {
        let mut features = Features::new();
        for ContextColumn { name, values, .. } in &self.columns {
            match values {
                // One that is not finite counts as absent.
                ContextValues::Numbers(numbers) => features.number(name, numbers[line]),
                ContextValues::Texts { numbers, texts, .. } => {
                    match texts.get(numbers[line] as usize) {
                        Some(text) => features.text(name, text),
                        None => features.unknown(name),
                    }
                }
            }
        }
        features
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| &*column.name)
    }

    /// The columns that probably name the customer, each with the number of its texts.
    pub(super) fn identifying(&self) -> impl Iterator<Item = (&str, usize)> {
        self.columns.iter().filter_map(|column| match &column.values {
            ContextValues::Texts { texts, .. } if texts.len() > TEXTS_MANY => {
                Some((&*column.name, texts.len()))
            }
            _ => None,
        })
    }
}
