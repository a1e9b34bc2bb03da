//! The text of an HTML message, as some mail programs and forms send it.
//!
//! The result is only analysed, never shown: tags are removed, blocks become lines, entities become
//! letters. Quoted text is replaced by a line `>`, as in plain mail, by which [`thread`](super::thread)
//! recognises the line above it. This is not a document parser: anything that is not a known tag is kept,
//! because people write `<`, too.

/// The maximum length of a tag; one with embedded images would not be parsed anyway.
const TAG_BYTES: usize = 4_096;
/// After this many `<` without a tag, no further tag is expected: each costs a search up to the length of
/// a tag.
const FALSE_TAGS: usize = 64;
/// The maximum length of an entity, from `&` to `;`.
const ENTITY_BYTES: usize = 12;

/// Elements with a line break before and after.
const BLOCKS: &str = "!doctype address article blockquote body center dd div dl dt fieldset footer form h1 h2 \
    h3 h4 h5 h6 header hr html li main o:p ol p pre section table tbody tfoot thead title tr ul";
/// Elements within a line.
const INLINE: &str = "a b big br code del em font i img ins label link mark meta s small span strike strong \
    sub sup td th tt u";
/// Elements whose content is skipped, and their ends.
const SILENT: [(&str, &str); 4] = [
    ("head", "</head>"),
    ("script", "</script>"),
    ("style", "</style>"),
    ("template", "</template>"),
];
/// Parts of a tag that mark a quotation of another message; other block quotes are indented text.
const QUOTED: [&str; 3] = ["cite", "_quote", "border-left"];
/// Parts of the tags below which Outlook and Yahoo put an older thread.
const OLDER: [&str; 3] = ["appendonsend", "divrplyfwdmsg", "yahoo_quoted"];

/// Named entities that occur in mails.
const ENTITIES: &str = "amp& lt< gt> quot\" apos' rsquo’ lsquo‘ ldquo“ rdquo” laquo« raquo» hellip… ndash– \
    mdash— bull• middot· euro€ pound£ deg° copy© reg® trade™ agraveà acircâ aumlä aacuteá atildeã aringå \
    aeligæ ccedilç egraveè eacuteé ecircê eumlë igraveì iacuteí icircî iumlï ntildeñ ograveò oacuteó \
    ocircô otildeõ oumlö oslashø oeligœ ugraveù uacuteú ucircû uumlü yacuteý yumlÿ szligß";

/// The text of a message that is evidently HTML; none if it is not. It is not longer than the message.
pub(super) fn plain(text: &str) -> Option<String> {
    let trimmed = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let begins = trimmed.starts_with("<!--") || tag(trimmed).is_some_and(|tag| tag.is_evident);
    let closes = || {
        let mut ends = text.match_indices("</").take(FALSE_TAGS).map(|(at, _)| &text[at..]);
        ends.any(|end| {
            tag(end).is_some_and(|tag| matches!(&*tag.name, "html" | "body" | "div" | "p"))
        })
    };
    if !begins && !closes() {
        return None;
    }
    let mut page = HtmlText { keeps_lines: !begins, ..HtmlText::default() };
    page.read(text);
    Some(page.out.trim().to_owned())
}

/// A text that is not HTML with letters in place of its entities, as some networks send it; none if it has none.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let Some((letter, length)) = entity(&rest[before.len()..]) else {
            // The letters since the last entity stay.
            if !out.is_empty() {
                out.extend([before, "&"]);
            }
            rest = after;
            continue;
        };
        if out.is_empty() {
            out.push_str(&text[..text.len() - rest.len()]);
        }
        out.push_str(before);
        out.push(letter);
        rest = &rest[before.len() + length..];
    }
    (!out.is_empty()).then(|| out + rest)
}

#[derive(Debug, Default)]
struct HtmlText {
    out: String,
    /// The current depth of quotation.
    quotes: usize,
    /// Whether line breaks of the source are line breaks of the text: if the message does not begin with
    /// HTML, or within `<pre>`.
    keeps_lines: bool,
    within_pre: usize,
    /// Whether a blank precedes the next text.
    is_apart: bool,
    /// Whether the last line ended at a `<br>` after a word, perhaps within a sentence.
    is_broken: bool,
}

impl HtmlText {
    fn read(&mut self, text: &str) {
        let mut rest = text;
        // An element without an end is searched for once, so that the total time is linear in the length.
        let mut endless: Vec<&str> = Vec::new();
        let mut failures = 0;
        while let Some(next) = rest.chars().next() {
            let mut past = |end: &'static str, from: usize| {
                let found = (!endless.contains(&end)).then(|| find(&rest[from..], end)).flatten();
                if found.is_none() {
                    endless.push(end);
                }
                found.map(|at| from + at + end.len())
            };
            let tag = (next == '<' && failures < FALSE_TAGS).then(|| tag(rest)).flatten();
            failures += usize::from(next == '<' && tag.is_none());
            let read = if rest.starts_with("<!--") {
                past("-->", 4).unwrap_or(4)
            } else if let Some(tag) = tag {
                let has_any = |words: [&str; 3]| {
                    words.iter().any(|word| find(&rest[..tag.length], word).is_some())
                };
                if has_any(OLDER) {
                    return;
                }
                self.tag(&tag, has_any(QUOTED));
                let silent = SILENT.iter().find(|(name, _)| *name == tag.name && !tag.is_end);
                silent.and_then(|(_, end)| past(end, tag.length)).unwrap_or(tag.length)
            } else if next == '&'
                && let Some((letter, length)) = entity(rest)
            {
                self.letter(letter);
                length
            } else {
                self.letter(next);
                next.len_utf8()
            };
            rest = &rest[read..];
        }
    }

    fn tag(&mut self, tag: &Tag, is_quote: bool) {
        let deeper = |depth: usize| if tag.is_end { depth.saturating_sub(1) } else { depth + 1 };
        match &*tag.name {
            "br" => {
                let goes_on = |c: char| c.is_alphanumeric() || c == ',';
                let is_broken = self.out.ends_with(goes_on);
                self.line();
                self.is_broken = is_broken;
            }
            "td" | "th" => self.is_apart = true,
            name if has(BLOCKS, name) => {
                self.is_broken = false;
                if !self.is_fresh() {
                    self.line();
                }
                match name {
                    "blockquote" if self.quotes > 0 => self.quotes = deeper(self.quotes),
                    "blockquote" if is_quote && !tag.is_end => {
                        self.out.push_str(">\n");
                        self.quotes = 1;
                    }
                    "pre" => self.within_pre = deeper(self.within_pre),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn is_fresh(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    fn line(&mut self) {
        if self.quotes == 0 {
            self.out.push('\n');
        }
        (self.is_apart, self.is_broken) = (false, false);
    }

    fn letter(&mut self, letter: char) {
        match letter {
            _ if self.quotes > 0 => {}
            '\n' if self.keeps_lines || self.within_pre > 0 => self.line(),
            ' ' | '\t' | '\r' | '\n' | '\u{a0}' => self.is_apart = true,
            _ => {
                if self.is_broken && letter.is_lowercase() {
                    // The next line continues the sentence.
                    self.out.pop();
                    self.out.push(' ');
                } else if self.is_apart && !self.is_fresh() {
                    self.out.push(' ');
                }
                (self.is_apart, self.is_broken) = (false, false);
                self.out.push(letter);
            }
        }
    }
}

#[derive(Debug)]
struct Tag {
    name: String,
    is_end: bool,
    /// Whether a person would hardly begin with it.
    is_evident: bool,
    length: usize,
}

/// The tag at the beginning of a text, if it is a known one.
fn tag(text: &str) -> Option<Tag> {
    let rest = text.strip_prefix('<')?;
    let is_end = rest.starts_with('/');
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '!' | ':');
    let length = rest.find(|c: char| !named(c)).filter(|length| *length <= ENTITY_BYTES)?;
    let name = rest[..length].to_ascii_lowercase();
    let is_known = has(BLOCKS, &name)
        || has(INLINE, &name)
        || SILENT.iter().any(|(silent, _)| *silent == name);
    let after = &rest[length..];
    if !is_known || !after.starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/')) {
        return None;
    }
    let mut quote = None;
    let end = after.bytes().take(TAG_BYTES).position(|byte| match (byte, quote) {
        (b'"' | b'\'', None) => {
            quote = Some(byte);
            false
        }
        (_, Some(open)) => {
            if byte == open {
                quote = None;
            }
            false
        }
        (b'<', None) => true,
        _ => byte == b'>',
    })?;
    if !after[end..].starts_with('>') {
        return None;
    }
    let is_plain = after[..end].trim_matches('/').trim().is_empty();
    let is_evident = name.len() > 1 || is_plain || after[..end].contains('=');
    Some(Tag { name, is_end, is_evident, length: text.len() - after.len() + end + 1 })
}

fn has(names: &str, name: &str) -> bool {
    names.split_whitespace().any(|known| known == name)
}

/// The positions of ASCII words in a text, ignoring case.
fn find(text: &str, words: &str) -> Option<usize> {
    text.as_bytes()
        .windows(words.len())
        .position(|part| part.eq_ignore_ascii_case(words.as_bytes()))
}

/// The letter of the entity at the beginning of a text, and its length.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(ENTITY_BYTES).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let letter = if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        char::from_u32(code)?
    } else if name == "nbsp" {
        ' '
    } else {
        let small = name.to_ascii_lowercase();
        let letter = ENTITIES.split_whitespace().find_map(|entity| {
            entity.strip_prefix(small.as_str()).filter(|letter| letter.chars().count() == 1)
        })?;
        let letter = letter.chars().next()?;
        let is_capital = name.starts_with(|c: char| c.is_ascii_uppercase());
        if is_capital { letter.to_uppercase().next()? } else { letter }
    };
    Some((letter, end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(text: &str) -> String {
        crate::language::Languages::embedded().own_words(text).into_owned()
    }

    #[test]
    fn a_message_in_html_is_read_as_its_text() {
        for (html, text) in [
            ("<div>One lamp</div><div>is broken<br>Again</div>", "One lamp\nis broken\nAgain"),
            (
                "<p>Ma commande est arriv&eacute;e &agrave;&nbsp;l&#8217;&Eacute;tat neuf</p>",
                "Ma commande est arrivée à l’État neuf",
            ),
            (
                "<html><head><title>x</title><style>p { color: red }</style></head><body>It &lt;b&gt; is\n late</body></html>",
                "It <b> is late",
            ),
            ("<!-- a --><p>late<script>steal()</script></p>", "late"),
            ("late, see <img alt=\"a > b\" src='x'>below</div>", "late, see below"),
            ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
            ("<table><tr><td>lamp</td><td>2</td></tr></table>", "lamp 2"),
            ("<pre>one\ntwo</pre>", "one\ntwo"),
            (
                "<p>I would like to talk<br> to a human<br>Ann<br><br>late</p>",
                "I would like to talk to a human\nAnn\n\nlate",
            ),
            ("<div>late<br></div><div>and broken</div>", "late\nand broken"),
            ("<b>STOP</b>", "STOP"),
            ("<P CLASS=MsoNormal>late<o:p></o:p></P>", "late"),
            ("<blockquote style=\"border: none\">indented</blockquote>", "indented"),
        ] {
            assert_eq!(own(html), text, "{html}");
        }
    }

    #[test]
    fn unclosed_tags_are_read_as_text() {
        let hostile = format!("<p>late</p>{}", "<div \"".repeat(10_000));
        let read = own(&hostile);
        assert!(read.starts_with("late\n<div \"<div"), "{}", &read[..20]);
        assert_eq!(read.len(), hostile.len() - "<p></p>".len() + 1);
    }

    #[test]
    fn quoted_html_is_not_the_writers_own_text() {
        for thread in [
            "<br><div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">Le mar. 3 f&eacute;vr. 2026 &agrave; 08:01, \
             Care &lt;<a href=\"mailto:care@shop.example\">care@shop.example</a>&gt; a &eacute;crit&nbsp;:<br></div>\
             <blockquote class=\"gmail_quote\">Sorry<blockquote>for that</blockquote>!</blockquote></div>",
            "<div><br><blockquote type=\"cite\"><div>On 3 Feb 2026, at 08:01, Care wrote:</div><br>Sorry</blockquote></div>",
            "<div id=\"appendonsend\"></div><hr><div id=\"divRplyFwdMsg\"><b>From:</b> Care<br></div>Sorry",
            "<hr><div><b>From:</b> Care &lt;care@shop.example&gt;<br><b>Sent:</b> 3 February 2026 08:01<br>\
             <b>To:</b> Ann<br><b>Subject:</b> lamp</div><div>Sorry</div>",
            "<div id=\"ydp1yahoo_quoted_1\" class=\"yahoo_quoted\"><div>On Tuesday, Care wrote:</div>Sorry</div>",
        ] {
            assert_eq!(own(&format!("<div>It is late</div>{thread}")), "It is late", "{thread}");
        }
        let between = "<blockquote type=cite>Is it on?</blockquote><p>Yes</p><blockquote type=cite>Is it warm?</blockquote><p>No</p>";
        assert_eq!(own(between), "Yes\nNo");
    }

    #[test]
    fn text_with_angle_brackets_is_not_html() {
        for text in [
            "<3 this shop",
            "a < b and b > c",
            "<i am angry>",
            "use <enter> here",
            "<smile> I want a <div>",
            "x </b> y",
            "<",
            "</",
            "<>",
            "<a",
            "<Ann@home.example> wrote",
        ] {
            assert_eq!(plain(text), None, "{text}");
            assert_eq!(own(text), text);
        }
    }

    #[test]
    fn parsing_a_message_of_markup_takes_time_linear_in_its_length() {
        for mark in ["<!--", "<style>", "<a \"", "<p <", "&#", "</div", "<blockquote type=cite>"] {
            let text = format!("<p>{}", mark.repeat(200_000));
            assert!(plain(&text).is_some_and(|plain| plain.len() <= text.len()), "{mark}");
        }
    }

    proptest! {
        #[test]
        fn any_html_has_a_text_no_longer_than_itself(
            parts in prop::collection::vec(
                prop_oneof![
                    "\\PC{0,9}", "</?(p|div|pre|td|br|blockquote type=cite|blockquote|style|script|head)>",
                    "&(lt|nbsp|eacute|#[0-9]{1,6}|#x[0-9a-f]{1,5}|[a-z]{0,9});?", "[ \\n<>&\"'=/!-]{0,6}",
                ],
                0..30,
            ),
        ) {
            let text = format!("<p>{}", parts.concat());
            let plain = plain(&text);
            prop_assert!(plain.is_some_and(|plain| plain.len() <= text.len()));
        }
    }
}
