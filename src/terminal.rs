//! The only output to a terminal: text from outside is made harmless, then our own colours are added.
//!
//! Customers and channels write what they like, and a terminal does what some characters say: it
//! clears the screen, writes the clipboard, turns a line round. So whatever is printed goes through
//! [`say`], [`show`], [`warn`] or [`LogWriter`], which let no such character pass. Our own colours are
//! written as [`TextStyle`], which nobody outside can imitate, because it begins with a secret of this
//! process; they become what the terminal understands last of all.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::fmt::{self, Display};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, IsTerminal as _, Write};
use std::sync::{LazyLock, OnceLock};

use anstyle::Style;

/// The replacement for a character that would control the terminal.
pub const HARMLESS: char = '\u{fffd}';

/// The exit status of a program whose output could not be written.
pub const UNWRITTEN: u8 = 4;

/// Why output could not be written to standard output.
static WHY_UNWRITTEN: OnceLock<String> = OnceLock::new();

/// The prefix of our own sequences until they are printed.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("\u{1b}{:016x}", RandomState::new().hash_one(0_u8)));

/// A style of ours; `{}` begins it, `{:#}` ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle(Style);

impl TextStyle {
    /// Creates a style.
    pub const fn new(style: Style) -> TextStyle {
        TextStyle(style)
    }
}

impl Display for TextStyle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TextStyle(style) = self;
        let sequence = if out.alternate() { format!("{style:#}") } else { style.to_string() };
        out.write_str(&ours(&sequence))
    }
}

/// Marks the sequences in a text as our own. Only for texts that cannot contain others: text from outside
/// must go through [`line()`] or [`text`] before.
pub fn ours(styled: &str) -> Cow<'_, str> {
    if styled.contains('\u{1b}') {
        Cow::Owned(styled.replace('\u{1b}', &MARK))
    } else {
        Cow::Borrowed(styled)
    }
}

/// A text as one harmless line: line breaks and tabs become blanks. Our own styles are kept.
pub fn line(text: &str) -> Cow<'_, str> {
    keeping_ours(text, true)
}

/// A harmless text of several lines. Our own styles are kept.
pub fn text(text: &str) -> Cow<'_, str> {
    keeping_ours(text, false)
}

/// A text for a terminal with colours: harmless except for our own styles.
pub fn settled(text: &str) -> String {
    self::text(text).replace(MARK.as_str(), "\u{1b}")
}

/// A harmless text without our styles, for a file.
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(&settled(text)).to_string()
}

/// JSON in which every character that would control a terminal is escaped. The value is the same.
pub fn json(json: &str) -> Cow<'_, str> {
    // In JSON such a character occurs only in a string; a line break formats the text.
    let steers = |c: char| c != '\n' && steering(c) != Steering::No;
    if !json.contains(steers) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if steers(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Prints a line. If that fails, [`unwritten`] returns the reason.
pub fn say(line: impl Display) {
    let _ = is_read(line);
}

/// Prints a line of endless output; `false` once the reader is gone, as after `| head`.
pub fn is_read(line: impl Display) -> bool {
    is_written(print(&mut anstream::stdout(), &format!("{line}\n")))
}

/// Prints a text that contains its own line breaks. If that fails, [`unwritten`] returns the reason.
pub fn show(text: impl Display) {
    is_written(print(&mut anstream::stdout(), &text.to_string()));
}

/// Prints a page for a browser, which needs no protection from such characters: unchanged, unless the
/// output is a terminal. If that fails, [`unwritten`] returns the reason.
pub fn page(page: &str) {
    let mut out = io::stdout();
    if out.is_terminal() {
        show(page);
    } else {
        is_written(out.write_all(page.as_bytes()).and_then(|()| out.flush()));
    }
}

/// Why something could not be written to standard output, as a sentence; none if all was written, or if
/// the reader is gone, as after `| head`.
pub fn unwritten() -> Option<String> {
    WHY_UNWRITTEN.get().map(|why| format!("cannot write to standard output: {why}"))
}

fn is_written(done: io::Result<()>) -> bool {
    if let Err(error) = &done
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The first reason is reported.
        let _ = WHY_UNWRITTEN.set(error.to_string());
    }
    done.is_ok()
}

/// Prints a line to standard error.
pub fn warn(line: impl Display) {
    let _ = print(&mut anstream::stderr(), &format!("{line}\n"));
}

/// An error as one JSON object on one line, for callers that requested JSON: the sentence, and the exit
/// status.
pub fn error(sentence: &str, code: u8) -> String {
    let text = serde_json::json!({ "error": sentence, "code": code }).to_string();
    json(&text).into_owned()
}

/// Ends the process because of its arguments, as usual: with their mistake, or with the requested help.
/// Callers that requested JSON get JSON; and nothing can control the terminal, because a script may have
/// passed on text from outside.
pub fn exit(wrong: &clap::Error) -> ! {
    // With clap's colours, among which may be sequences from outside.
    let styled = wrong.render().ansi().to_string();
    let words = without_colours(&styled);
    let code = wrong.exit_code();
    let arguments: Vec<_> = std::env::args_os().collect();
    let is_strange = |argument: &std::ffi::OsString| controls_terminal(&argument.to_string_lossy());
    let mut options = arguments.iter().take_while(|argument| *argument != "--");
    if code != 0 && options.any(|argument| argument == "--json") {
        let sentence = words.trim_end().trim_start_matches("error: ");
        warn(error(sentence, u8::try_from(code).unwrap_or(1)));
        std::process::exit(code)
    }
    let text = if controls_terminal(&words) || arguments.iter().any(is_strange) {
        Cow::Borrowed(&*words)
    } else {
        ours(&styled)
    };
    if wrong.use_stderr() {
        ask(text);
        std::process::exit(code)
    }
    show(text);
    match unwritten() {
        Some(why) => {
            warn(why);
            std::process::exit(UNWRITTEN.into())
        }
        None => std::process::exit(code),
    }
}

/// A text without its colours.
fn without_colours(styled: &str) -> String {
    let mut words = String::with_capacity(styled.len());
    for (at, piece) in styled.split('\u{1b}').enumerate() {
        let colour = if at > 0 { colour(piece) } else { 0 };
        if at > 0 && colour == 0 {
            words.push('\u{1b}');
        }
        words.push_str(&piece[colour..]);
    }
    words
}

/// Prints a text to standard error, without ending the line.
pub fn ask(words: impl Display) {
    let _ = print(&mut anstream::stderr(), &words.to_string());
}

fn print(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(settled(text).as_bytes())?;
    out.flush()
}

/// Makes the message of a panic of this process harmless from now on: it may contain text from outside.
pub fn escape_panics() {
    std::panic::set_hook(Box::new(|panic| {
        warn(line(&panic.to_string()));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            warn(text(&trace.to_string()));
        }
    }));
}

/// Whether a text contains characters that control a terminal.
pub fn controls_terminal(text: &str) -> bool {
    self::text(text) != text
}

/// Writes a log, each event on one line, and harmless except for colours.
///
/// The colours are those of the formatter, which makes its own values harmless; this handles the rest.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogWriter {
    /// Whether the events are JSON.
    pub is_json: bool,
    /// Whether the formatter colours them.
    pub has_colours: bool,
}

impl LogWriter {
    /// An event in the form of the log.
    fn event<'a>(self, event: &'a str) -> Cow<'a, str> {
        if self.is_json {
            return json(event);
        }
        let (event, end) = match event.strip_suffix('\n') {
            Some(event) => (event, "\n"),
            None => (event, ""),
        };
        let mut safe = String::with_capacity(event.len() + 1);
        for (at, piece) in event.split('\u{1b}').enumerate() {
            let is_ours = at > 0 && self.has_colours;
            let colour = if is_ours { colour(piece) } else { 0 };
            if colour > 0 {
                safe.push('\u{1b}');
                safe.push_str(&piece[..colour]);
            } else if at > 0 {
                safe.push(HARMLESS);
            }
            safe.push_str(&harmless(&piece[colour..], true));
        }
        safe.push_str(end);
        Cow::Owned(safe)
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = String::from_utf8_lossy(bytes);
        io::stderr().write_all(self.event(&event).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The length of the colour sequence at the beginning of a text that follows an escape.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix('[') else { return 0 };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
    match end {
        Some(end) if parameters[end..].starts_with('m') => end + 2,
        _ => 0,
    }
}

/// Makes everything harmless except our own sequences.
fn keeping_ours(text: &str, is_line: bool) -> Cow<'_, str> {
    let mark = MARK.as_str();
    if !text.contains(mark) {
        return harmless(text, is_line);
    }
    let mut safe = String::with_capacity(text.len());
    for (at, piece) in text.split(mark).enumerate() {
        let sequence = if at > 0 { sequence(piece) } else { 0 };
        if sequence > 0 {
            safe.push_str(mark);
            safe.push_str(&piece[..sequence]);
        }
        safe.push_str(&harmless(&piece[sequence..], is_line));
    }
    Cow::Owned(safe)
}

/// The length of the sequence at the beginning of a text that follows a mark.
fn sequence(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix('[') else { return 0 };
    let end = parameters.find(|c: char| c.is_ascii_alphabetic());
    end.map_or(0, |end| end + 2)
}

/// How a character controls a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steering {
    /// Not at all.
    No,
    /// It controls the terminal.
    Yes,
    /// It joins letters, or keeps them apart: in some scripts and in emoji.
    Joins,
    /// It selects a form of the character before it.
    Selects,
    /// It is a letter of a flag's name.
    Flag,
}

/// Controls, direction marks, and invisible characters.
fn steering(c: char) -> Steering {
    match c {
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Steering::Yes,
        ' '..='\u{ac}' => Steering::No,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' => {
            Steering::Yes
        }
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' => {
            Steering::Yes
        }
        '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' => Steering::Yes,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e001f}' => Steering::Yes,
        '\u{200c}' | '\u{200d}' => Steering::Joins,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Steering::Selects,
        '\u{e0020}'..='\u{e007f}' => Steering::Flag,
        '\u{e0080}'..='\u{e0fff}' => Steering::Yes,
        _ => Steering::No,
    }
}

fn harmless(text: &str, is_line: bool) -> Cow<'_, str> {
    let is_fine = |c: char| steering(c) == Steering::No || (c == '\n' && !is_line);
    if text.chars().all(is_fine) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut letters = text.chars().peekable();
    // The character before, if it is visible; a flag counts as one until its name ends.
    let mut before: Option<char> = None;
    let mut is_flag = false;
    while let Some(c) = letters.next() {
        let next = letters.peek().copied();
        let is_kept = match (c, steering(c)) {
            (_, Steering::No) => true,
            ('\n' | '\t', _) if is_line => {
                safe.push(' ');
                before = None;
                continue;
            }
            ('\n' | '\t', _) => true,
            // Together with the line break it is one break.
            ('\r', _) if next == Some('\n') => continue,
            (_, Steering::Yes) => false,
            // Between letters of scripts that need it, and in emoji.
            (_, Steering::Joins) => {
                let is_script = |c: char| !c.is_ascii() && steering(c) == Steering::No;
                before.is_some_and(|before| {
                    is_script(before) || steering(before) == Steering::Selects
                }) && next.is_some_and(is_script)
            }
            (_, Steering::Selects) => before.is_some_and(|before| {
                let is_key = matches!(before, '#' | '*' | '0'..='9');
                (!before.is_ascii() || is_key) && steering(before) == Steering::No
            }),
            (_, Steering::Flag) => is_flag,
        };
        is_flag = c == '\u{1f3f4}' || (is_kept && steering(c) == Steering::Flag);
        before = is_kept.then_some(c);
        safe.push(if is_kept { c } else { HARMLESS });
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;
    use proptest::prelude::*;

    use super::*;

    const RED: TextStyle = TextStyle::new(AnsiColor::Red.on_default());

    const EVIL: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}]52;c;eA==\u{7}\u{1b}]8;;x\u{1b}\\ a\rb\u{8}c\u{7f} \
                        \u{9b}31m\u{90}q\u{202e}exe\u{2066}x\u{2069}\u{200f}\u{61c}\u{2028}\u{feff}";

    #[test]
    fn control_characters_are_shown_and_not_executed() {
        let safe = line(EVIL);
        insta::assert_snapshot!(safe, @r#"�[2J�]0;title��]52;c;eA==��]8;;x�\ a�b�c� �31m�q�exe�x�����"#);
    }

    #[test]
    fn ordinary_text_stays_unchanged() {
        for fine in [
            "Où est ma carte ? 12 €",
            "بطاقتي محظورة",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 1\u{fe0f}\u{20e3} 👨\u{1f3fd}\u{200d}💻 ❤\u{fe0f}\u{200d}🔥",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "漢字 葛\u{e0100}",
        ] {
            assert_eq!(line(fine), fine);
            assert_eq!(text(fine), fine);
        }
    }

    #[test]
    fn invisible_characters_become_visible() {
        for (hidden, shown) in [
            ("al\u{200b}ice", "al�ice"),
            ("al\u{200d}ice", "al�ice"),
            ("a\u{fe0f}", "a�"),
            ("é\u{fe00}\u{fe00}", "é\u{fe00}�"),
            ("x\u{e0061}\u{e0062}", "x��"),
            ("pay\u{ad}pal", "pay�pal"),
        ] {
            assert_eq!(line(hidden), shown);
        }
    }

    #[test]
    fn a_line_is_one_line_and_a_text_keeps_its_lines() {
        assert_eq!(line("a\r\nb\nc\td"), "a b c d");
        assert_eq!(text("a\r\nb\nc\td"), "a\nb\nc\td");
        assert_eq!(text("all is bad\rall is well"), "all is bad�all is well");
    }

    #[test]
    fn our_own_colours_are_added_last_and_cannot_be_forged() {
        let written = format!("{RED}\u{1b}[32mgood{RED:#} \u{1b}[1m");
        assert_eq!(settled(&written), "\u{1b}[31m�[32mgood\u{1b}[0m �[1m");
        assert_eq!(settled(&line(&written)), "\u{1b}[31m�[32mgood\u{1b}[0m �[1m");
        assert_eq!(plain(&written), "�[32mgood �[1m");
    }

    #[test]
    fn json_is_escaped_and_stays_the_same_value() {
        let value = serde_json::json!({ EVIL: [EVIL, "é\u{e0001}"] });
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&pretty);
        assert_eq!(line(&safe.replace('\n', "")), safe.replace('\n', ""));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn an_event_of_the_log_is_one_line_with_the_colours_of_its_formatter() {
        let log = LogWriter { is_json: false, has_colours: true };
        let event = "\u{1b}[2m10:00\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m a\nb\u{202e} \u{1b}[2J\n";
        assert_eq!(
            log.event(event),
            "\u{1b}[2m10:00\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m a b� �[2J\n"
        );
        let log = LogWriter { has_colours: false, ..log };
        assert_eq!(log.event("10:00 \u{1b}[33m a\n"), "10:00 �[33m a\n");
        let log = LogWriter { is_json: true, ..log };
        assert_eq!(log.event("{\"a\":\"\u{202e}\"}\n"), "{\"a\":\"\\u202e\"}\n");
    }

    proptest! {
        #[test]
        fn no_text_controls_the_terminal(written in any::<String>(), more in "[\\x00-\\x1f\u{7f}-\u{9f}\u{2000}-\u{2070}a]{0,20}") {
            let both = format!("{written}{more}");
            let steers = |c: char| steering(c) == Steering::Yes;
            prop_assert!(!line(&both).contains(steers));
            prop_assert!(!text(&both).replace(['\n', '\t'], "").contains(steers));
            let once = line(&both).into_owned();
            prop_assert_eq!(line(&once), once.as_str());
        }
    }
}
