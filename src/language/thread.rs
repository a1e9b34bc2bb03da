//! The writer's own text in a mail, without the older thread below, above or around it, and without the
//! signature.
//!
//! A mail is read line by line. Lines that begin with `>` are quoted, and the attribution line above them
//! belongs to them, so text between quoted lines is kept. After such a line without `>`, after a divider
//! (`-----Original Message-----`), after the head of an older message (`From: … Sent: … Subject: …`) and
//! after a signature's delimiter (`-- `), nothing is the writer's own.
//!
//! People write such lines, too: they tell when they wrote what, and forms begin with `From:`. A
//! customer's text must not be lost, so only lines that a program clearly wrote cut the text; everything
//! else is read.

mod line;

use std::borrow::Cow;

pub(super) use self::line::normal;
use self::line::{
    has_address, has_bracketed_address, has_clock, has_words, has_year, is_comparison,
    is_direction, is_quoted, is_rule, starts_with,
};
use crate::config::limits;

/// The maximum length of an attribution line, even if a program broke it into several.
const ATTRIBUTION_BYTES: usize = 300;
/// The maximum number of lines into which a program breaks it.
const ATTRIBUTION_LINES: usize = 3;
/// The maximum number of lines after the first in which the rest of a message's head occurs.
const HEAD_LINES: usize = 16;
/// The maximum length of a program's line below a message.
const FOOTER_BYTES: usize = 80;
/// The maximum number of further words in it.
const FOOTER_WORDS: usize = 8;
/// The maximum number of words after the device that it names, unless one is a number: `Sent from my
/// Galaxy S21 Ultra 5G`.
const DEVICE_WORDS: usize = 2;
/// The number of words from which a divider needs no dashes: `Begin forwarded message:`.
const DIVIDER_WORDS: usize = 3;

/// The phrases of mail programs around threads, in lower case and without accents.
#[derive(Debug, Default)]
pub(super) struct Threads {
    wrote: Vec<Box<str>>,
    begins: Vec<Box<str>>,
    narrators: Vec<Box<str>>,
    dividers: Vec<Box<str>>,
    from: Vec<Box<str>>,
    sent: Vec<Box<str>>,
    date: Vec<Box<str>>,
    subject: Vec<Box<str>>,
    to: Vec<Box<str>>,
    footers: Vec<Box<str>>,
    devices: Vec<Box<str>>,
}

/// The content of the lines of a message's head.
#[derive(Debug, Default)]
struct Head {
    has_sender: bool,
    /// Whether the sender is an address.
    has_address: bool,
    /// Whether it has a sending time, as programs write it and forms do not.
    is_sent: bool,
    /// Whether it has a date with a time of day.
    is_dated: bool,
    has_subject: bool,
    has_receiver: bool,
}

impl Threads {
    /// Adds a line `wrote: wrote | a écrit`.
    pub(super) fn add(&mut self, line: &str) -> Result<usize, String> {
        let (key, phrases) = line.split_once(':').unwrap_or((line, ""));
        let key = key.trim();
        let Some((_, shelf)) = self.shelves().into_iter().find(|(name, _)| *name == key) else {
            return Err(unknown_key(key, self.shelves().map(|(name, _)| name)));
        };
        let before = shelf.len();
        for phrase in phrases.split('|') {
            let phrase = normal(phrase);
            if phrase.is_empty() {
                return Err("expected phrases with `|` between, found nothing".to_owned());
            }
            if !shelf.iter().any(|known| **known == *phrase) {
                shelf.push(phrase.into());
            }
        }
        Ok(shelf.len() - before)
    }

    /// The lists of phrases, by name.
    fn shelves(&mut self) -> [(&'static str, &mut Vec<Box<str>>); 11] {
        [
            ("wrote", &mut self.wrote),
            ("begins", &mut self.begins),
            ("narrator", &mut self.narrators),
            ("divider", &mut self.dividers),
            ("from", &mut self.from),
            ("sent", &mut self.sent),
            ("date", &mut self.date),
            ("subject", &mut self.subject),
            ("to", &mut self.to),
            ("footer", &mut self.footers),
            ("device", &mut self.devices),
        ]
    }

    /// Adds the phrases of another one.
    pub(super) fn join(&mut self, mut other: Threads) {
        for ((_, into), (_, from)) in self.shelves().into_iter().zip(other.shelves()) {
            for phrase in from.drain(..) {
                if !into.contains(&phrase) {
                    into.push(phrase);
                }
            }
        }
    }

    /// The writer's own text: unchanged if it has no thread; at least the first
    /// [`limits::GRAVE_READ_BYTES`] of it.
    pub(super) fn own_words<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !text.contains('\n') && !is_quoted(text) && !self.is_footer(text) {
            return Cow::Borrowed(text);
        }
        let lines: Vec<&str> = text.lines().collect();
        // `> 5 days` is a comparison, unless it is in a quoted thread.
        let quotes = lines.iter().any(|line| is_quoted(line) && !is_comparison(line));
        let mut own = String::new();
        let mut is_cut = false;
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            if own.len() > limits::GRAVE_READ_BYTES {
                break;
            }
            if is_quoted(line) && (quotes || !is_comparison(line)) || self.is_footer(line) {
                is_cut = true;
                at += 1;
                continue;
            }
            if let Some((after, is_plain)) = self.attribution(&lines, at) {
                let next = lines[after..].iter().find(|line| !line.trim().is_empty());
                if next.map_or(is_plain, |line| is_quoted(line) && (quotes || is_plain)) {
                    is_cut = true;
                    at = after;
                    // A number below it is quoted as well.
                    while lines.get(at).is_some_and(|line| is_quoted(line)) {
                        at += 1;
                    }
                    continue;
                }
                if is_plain {
                    is_cut = true;
                    break;
                }
            }
            let above = own.trim_end().rsplit('\n').next().unwrap_or("");
            if self.is_divider(line)
                || self.is_head(&lines[at..], above)
                || is_rule(line) && self.is_head_below_rule(after_blanks(&lines[at + 1..]))
                || *line == "-- " && !above.is_empty()
            {
                is_cut = true;
                break;
            }
            own.push_str(line);
            own.push('\n');
            at += 1;
        }
        if is_cut { Cow::Owned(own.trim().to_owned()) } else { Cow::Borrowed(text) }
    }

    /// The line after the attribution lines at `at`, and whether a program clearly wrote them, so that
    /// the text below is quoted even without a mark.
    fn attribution(&self, lines: &[&str], at: usize) -> Option<(usize, bool)> {
        let mut whole = String::new();
        for (count, line) in lines[at..].iter().take(ATTRIBUTION_LINES).enumerate() {
            let line = line.trim().trim_end_matches(is_direction);
            if line.is_empty() || is_quoted(line) || whole.len() + line.len() > ATTRIBUTION_BYTES {
                return None;
            }
            if count > 0 {
                whole.push(' ');
            }
            whole.push_str(line);
            if line.ends_with([':', '：']) {
                // The text above a complete one is the writer's own, whatever it contains.
                let is_whole = !line.starts_with('<') && self.says_who_wrote(line, true).is_some();
                if count > 0 && is_whole {
                    return None;
                }
                let after = at + count + 1;
                let is_apart = (at == 0 || lines[at - 1].trim().is_empty())
                    && lines.get(after).is_none_or(|line| line.trim().is_empty());
                return self.says_who_wrote(&whole, is_apart).map(|is_plain| (after, is_plain));
            }
            let is_below_blank = at == 0 || lines[at - 1].trim().is_empty();
            if is_below_blank && self.goes_on_with_quote(&whole) {
                return Some((at + count + 1, true));
            }
            // Only a line that begins like one is worth joining with the next.
            if count == 0 && !self.begins_like_one(&whole) {
                return None;
            }
        }
        None
    }

    /// Whether the quotation begins on the attribution line itself, as below `Sent from Yahoo Mail`: `On
    /// Tue, 3 Feb 2026 at 8:01, Care<care@shop.example> wrote: It is sent.`
    fn goes_on_with_quote(&self, line: &str) -> bool {
        let Some((at, _)) = line.match_indices('>').next() else { return false };
        let Some(colon) = line[at..].find([':', '：']).map(|colon| at + colon) else {
            return false;
        };
        // After the address follows the verb, and nothing else with a colon.
        let attribution = normal(&line[..colon]);
        has_bracketed_address(&attribution)
            && has_year(&attribution)
            && has_clock(&attribution)
            && self.wrote.iter().any(|words| has_words(&attribution, words))
            && self.begins.iter().any(|begin| starts_with(&attribution, begin))
    }

    fn begins_like_one(&self, line: &str) -> bool {
        // The head of a message has addresses, too.
        let keys = [&self.from, &self.sent, &self.to, &self.subject];
        if keys.iter().any(|keys| self.value_of(line, keys).is_some()) {
            return false;
        }
        let normal = normal(line);
        has_address(&normal)
            || self.begins.iter().any(|begin| starts_with(&normal, begin))
            || has_year(&normal) && has_clock(&normal)
    }

    /// Whether a line is an attribution of the quotation below it; if so, whether a program clearly wrote
    /// it.
    fn says_who_wrote(&self, line: &str, is_apart: bool) -> Option<bool> {
        let line = normal(line);
        let is_moment = has_year(&line) && has_clock(&line);
        // With an address in brackets and a time, no verb is needed: each program uses a different one.
        if has_bracketed_address(&line) && is_moment {
            return Some(true);
        }
        // `On Monday at 9:30 I wrote to you:` is written by a person.
        let words = |of: &[Box<str>]| of.iter().any(|words| has_words(&line, words));
        let address = has_address(&line);
        if !words(&self.wrote) || !has_bracketed_address(&line) && words(&self.narrators) {
            return None;
        }
        let begins = self.begins.iter().any(|begin| starts_with(&line, begin));
        match (address, begins) {
            (true, _) => Some(true),
            (false, true) if line.chars().any(char::is_numeric) => Some(is_moment && is_apart),
            _ => None,
        }
    }

    fn is_divider(&self, line: &str) -> bool {
        let line = line.trim();
        if line.len() > 2 * FOOTER_BYTES {
            return false;
        }
        let bare =
            line.trim_matches(|c: char| matches!(c, '-' | '_' | '*' | '#' | '=' | '–' | '—'));
        let dashes = line.len() - bare.len() >= 4;
        // Only between dashes may words surround it: `##- Please type your reply above this line -##`.
        let words = normal(&bare.replace('-', " "));
        let words = words.trim_end_matches([':', '.', ' ']);
        self.dividers.iter().any(|divider| {
            let count = divider.split(' ').count();
            dashes && **divider == *words
                || dashes && count >= DIVIDER_WORDS && has_words(words, divider)
                || line.ends_with(':') && count >= DIVIDER_WORDS && **divider == *words
        })
    }

    /// Whether lines begin with the head of an older message, below a line of the writer's own.
    fn is_head(&self, lines: &[&str], above: &str) -> bool {
        let head = self.head(lines);
        // Forms and parcels have a `from`, a `to`, a `subject` and a `date`, too.
        let is_from_mail_program = head.is_sent && head.has_subject
            || head.is_sent && head.has_address && head.has_receiver;
        let is_introduced = above.is_empty() || above.trim_end().ends_with(':');
        let is_likely = head.has_address && head.has_receiver && head.is_dated;
        head.has_sender && (is_from_mail_program || is_likely && !is_introduced)
    }

    /// The same below a rule, which programs draw.
    fn is_head_below_rule(&self, lines: &[&str]) -> bool {
        let head = self.head(lines);
        head.has_sender && head.is_sent
    }

    /// The content of the lines of a head, if the first is one of these.
    fn head(&self, lines: &[&str]) -> Head {
        let mut head = Head::default();
        let mut is_below_key = false;
        for (at, line) in lines.iter().take(HEAD_LINES).enumerate() {
            // Some programs set blank lines between.
            if line.trim().is_empty() {
                is_below_key = false;
                continue;
            }
            let value = |keys: &[Box<str>]| self.value_of(line, keys);
            let is_key = if let Some(sender) = value(&self.from) {
                head.has_sender = true;
                head.has_address |= has_address(sender);
                true
            } else if value(&self.sent).is_some() {
                head.is_sent = true;
                true
            } else if at == 0 {
                // Others are not the first line of a head.
                false
            } else if let Some(date) = value(&self.date) {
                let date = normal(date);
                head.is_dated |= has_year(&date) && has_clock(&date);
                true
            } else if value(&self.subject).is_some() {
                head.has_subject = true;
                true
            } else if value(&self.to).is_some() {
                head.has_receiver = true;
                true
            } else {
                false
            };
            // Recipients may fill several lines.
            if !is_key && !is_below_key {
                break;
            }
            is_below_key = true;
        }
        head
    }

    /// The text after one of these keys and its colon.
    fn value_of<'a>(&self, line: &'a str, keys: &[Box<str>]) -> Option<&'a str> {
        let (key, value) = line.split_once([':', '：'])?;
        if key.len() > FOOTER_BYTES {
            return None;
        }
        let key = normal(key.trim_matches(|c: char| c.is_whitespace() || c == '*'));
        keys.iter().any(|known| **known == *key).then(|| value.trim())
    }

    /// Whether a program wrote a line below a message: it contains nothing else.
    fn is_footer(&self, line: &str) -> bool {
        let line = line.trim();
        if !(8..=FOOTER_BYTES).contains(&line.len()) {
            return false;
        }
        let line = normal(line.trim_start_matches(['[', '(', '<', '*', '_', '-', ' ']));
        self.footers.iter().any(|footer| {
            let (begin, names_device) = match footer.strip_suffix(" ...") {
                Some(begin) => (begin, true),
                None => (&**footer, false),
            };
            // The rest names the device or contains an address; it is not a sentence.
            let Some(rest) = line.strip_prefix(begin) else { return false };
            let words = rest.split('<').next().unwrap_or("").trim_end_matches([']', ')', '.', '_']);
            !rest.starts_with(char::is_alphanumeric)
                && words.split_whitespace().count() <= FOOTER_WORDS
                && !words.contains([',', ';', '!', '?'])
                && !words.contains(". ")
                && (!names_device || self.names_device(words))
        })
    }

    /// Whether words are the name of a device or a program and hardly more.
    fn names_device(&self, words: &str) -> bool {
        let ends = self.devices.iter().filter_map(|device| {
            let at = words.rfind(&**device)?;
            has_words(&words[at..], device).then_some(at + device.len())
        });
        ends.max().is_some_and(|end| {
            let after = &words[end..];
            after.split_whitespace().count() <= DEVICE_WORDS || after.contains(char::is_numeric)
        })
    }
}

fn after_blanks<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let first = lines.iter().position(|line| !line.trim().is_empty()).unwrap_or(lines.len());
    &lines[first..]
}

/// The error for a line with an unknown key.
pub(super) fn unknown_key(key: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    let known: Vec<String> = known.into_iter().map(|name| format!("`{name}:`")).collect();
    format!("expected one of {}, found `{}`", known.join(", "), super::text::shortened(key))
}

#[cfg(test)]
mod tests {
    use crate::language::Languages;

    fn own(text: &str) -> String {
        Languages::embedded().own_words(text).into_owned()
    }

    /// What is written above stays, and nothing of what is below.
    #[track_caller]
    fn cut_from(thread: &str) {
        assert_eq!(own(&format!("It works.\n\n{thread}")), "It works.", "{thread}");
        assert_eq!(own(thread), "", "{thread}");
    }

    #[test]
    fn a_quoted_thread_is_not_the_writers_own_text() {
        for line in [
            "On Tue, 3 Feb 2026 at 08:01, Care <care@shop.example> wrote:",
            "On Feb 3, 2026, at 8:01 AM, Care wrote:",
            "Care <care@shop.example> writes:",
            "Le mar. 3 févr. 2026 à 08:01, Service <care@shop.example> a écrit :",
            "Le 03/02/2026 à 08:01, Service a écrit\u{a0}:",
            "Am Di., 3. Feb. 2026 um 08:01 Uhr schrieb Care <care@shop.example>:",
            "Am 03.02.2026 um 08:01 schrieb Care:",
            "Am Dienstag, den 03.02.2026, 08:01 +0100 schrieb Care <care@shop.example>:",
            "Op di 3 feb. 2026 om 08:01 schreef Care <care@shop.example>:",
            "El mar, 3 feb 2026 a las 8:01, Care (<care@shop.example>) escribió:",
            "Il giorno mar 3 feb 2026 alle ore 08:01 Care <care@shop.example> ha scritto:",
            "Em ter., 3 de fev. de 2026 às 08:01, Care <care@shop.example> escreveu:",
            "A terça, 3/02/2026, 08:01, Care <care@shop.example> escreveu:",
            "On Tue, 3 Feb 2026 at 08:01, Customer Care of the Shop\n<care@shop.example> wrote:",
        ] {
            cut_from(&format!("{line}\n> We are happy to help.\n>> Bad!\n>"));
            // Some programs quote without a mark.
            cut_from(&format!("{line}\n\nWe are happy to help.\nBye"));
        }
    }

    #[test]
    fn the_header_lines_of_an_older_mail_end_the_writers_own_text() {
        for head in [
            "From: Care <care@shop.example>\nSent: Tuesday, February 3, 2026 8:01 AM\nTo: Ann\nSubject: RE: lamp",
            "*From:* Care\n*Sent:* Tuesday\n*To:* Ann\n*Subject:* lamp",
            "De : Care\nEnvoyé : mardi 3 février 2026 08:01\nÀ : Anne\nObjet : RE: lampe",
            "Von: Care\nGesendet: Dienstag\nAn: Ann\nBetreff: AW: Lampe",
            "Von: Care <care@shop.example>\nGesendet: Dienstag, 3. Februar 2026 08:01\nAn: Ann\nCc: Bo\nBetreff: WG: Lampe",
            "Van: Care\nVerzonden: dinsdag\nAan: Ann\nOnderwerp: lamp",
            "De: Care\nEnviado: martes\nPara: Ana\nAsunto: lámpara",
            "Da: Care\nInviato: martedì\nA: Anna\nOggetto: lampada",
            "De: Care\nEnviada em: terça-feira\nPara: Ana\nAssunto: lâmpada",
            "________________________________\nFrom: Care\nSent: Tuesday\nTo: Ann",
        ] {
            cut_from(&format!("{head}\n\nWe are happy to help."));
        }
    }

    #[test]
    fn each_programs_attribution_line_is_recognised() {
        for line in [
            "Care <care@shop.example> hat am 03.02.2026 08:01 CET geschrieben:",
            "Am Dienstag, 3. Februar 2026 um 08:01:00 MEZ hat Care <care@shop.example> Folgendes geschrieben:",
            "вт, 3 февр. 2026 г. в 08:01, Care <care@shop.example>:",
            "вт, 3 февр. 2026 г. в 08:01, Customer Care of the Shop\n<care@shop.example>:",
            "2026年2月3日(火) 8:01 Care <care@shop.example>:",
            "Care <care@shop.example> 于2026年2月3日周二 08:01写道：",
            "În mar., 3 feb. 2026 la 08:01, Care <care@shop.example> a scris:",
            "Care <care@shop.example> ezt írta (időpont: 2026. febr. 3., K, 8:01):",
            "Missatge de Care <care@shop.example> del dia dt., 3 de febr. 2026 a les 8:01:",
            "Στις Τρί 3 Φεβ 2026 στις 8:01 π.μ., ο χρήστης Care <care@shop.example> έγραψε:",
            "út 3. 2. 2026 v 8:01 odesílatel Care <care@shop.example> napsal:",
            "ti 3. helmik. 2026 klo 8.01 Care <care@shop.example> kirjoitti:",
            "בתאריך יום ג׳, 3 בפבר׳ 2026 ב-8:01 מאת Care <\u{202a}care@shop.example\u{202c}>:\u{202c}",
        ] {
            cut_from(&format!("{line}\n> We are happy to help.\n> 5 of us are here."));
            cut_from(&format!("{line}\n\nWe are happy to help.\nBye"));
        }
        // Without year, time and address, only a quotation below it distinguishes it from a narrative.
        cut_from("On Feb 3, Care wrote:\n> We are happy to help.");
    }

    #[test]
    fn text_right_above_a_thread_is_kept() {
        let text = "Write to ann@home.example\nOn Tue, 3 Feb 2026 at 08:01, Care <care@shop.example> wrote:\n> Hello";
        assert_eq!(own(text), "Write to ann@home.example");
    }

    #[test]
    fn the_header_lines_of_a_quoted_mail_may_have_blank_lines_and_any_order() {
        for head in [
            "From: Care <care@shop.example>\n\nSent: Tuesday, February 3, 2026 8:01 AM\n\nTo: Ann\n\nSubject: RE: lamp",
            "Gesendet: Dienstag, 3. Februar 2026\nVon: Care <care@shop.example>\nAn: Ann\nBetreff: Lampe",
            "From: Care\nSent: Tuesday\nTo: Ann <ann@home.example>;\n Bob <bob@home.example>\nSubject: lamp",
        ] {
            cut_from(&format!("{head}\n\nWe are happy to help."));
        }
        // Such a line is a form as well if nothing precedes it.
        let head = "De\u{a0}: Care <care@shop.example>\nDate\u{a0}: 3 février 2026 à 08:01\nÀ\u{a0}: Anne\nObjet\u{a0}: lampe\n\nAvec plaisir.";
        assert_eq!(own(&format!("Ça marche.\n\n{head}")), "Ça marche.");
        assert_eq!(own(head), head);
    }

    #[test]
    fn header_like_lines_of_a_customer_are_their_own_text() {
        for text in [
            "From: Ann\nSubject: lamp\n\nIt is broken.",
            "From: ann@home.example\nTo: care@shop.example\nDate: Tuesday\nSubject: lamp\n\nIt is broken.",
            "New message from the form:\nFrom: ann@home.example\nTo: care@shop.example\nDate: 3/2/2026 08:01\nSubject: lamp\n\nIt is broken.",
            "De : Anne\nRépondre à : anne@home.example\nObjet : lampe\n\nElle est cassée.",
            "From: Leeds\nTo: York\nSent: 3 May\nIt is not here.",
            "On Tuesday at 8:01 I wrote to you:\nis it sent?\nI am still waiting.",
            "On 3 Feb 2026 at 8:01 I wrote to you:\n\nis it sent?\n\nI am still waiting.",
            "On 3 February 2026 at 8:01 your agent wrote:\nit is sent.\nIt is not.",
            "On 3 February 2026 at 8:01 Sam from the shop wrote:\nit is sent.\nIt is not.",
            "On Tuesday I wrote to care@shop.example:\nis it sent?\nStill nothing.",
            "Le 3 février à 8h01 je vous ai écrit :\nest-ce parti ?\nToujours rien.",
            "Le 3 février 2026 à 8h01 votre agent a écrit :\nc'est parti.\nNon.",
            "Am 3. Februar 2026 um 8:01 Uhr habe ich geschrieben:\nist es da?\nNein.",
            "El 3 de febrero de 2026 a las 8:01 su agente escribió:\nya está.\nNo.",
            "> 5 days I am waiting",
            "I am waiting:\n> 5 days\nfor a lamp",
            "Original message:\nis it sent?",
            "Sent via a carrier and lost, it is not here",
            "Sent from the shop to the depot and back",
            "Sent from my phone, it never came through",
            "sent from my phone but nobody has answered me",
            "Envoyé par la poste et perdu",
            "Envoyé depuis mon téléphone mais sans aucune réponse",
            "It is late.\n--\nIt is broken, too.",
            "On Tuesday I was told: ask ann@home.example\nand I did, here is what she said:\nnothing.",
        ] {
            assert_eq!(own(text), text);
        }
    }

    #[test]
    fn a_quotation_may_begin_on_its_attribution_line() {
        for attribution in [
            "  On Tue, 3 Feb 2026 at 8:01, Care<care@shop.example> wrote:   ",
            "On Tuesday, February 3, 2026 at 08:01:22 AM GMT+1, Care <care@shop.example> wrote: ",
            "  Le mar. 3 févr. 2026 à 8:01, Care<care@shop.example> a écrit :   ",
            "On Tue, 3 Feb 2026 at 8:01, Care of the Happy Homes\n<care@shop.example> wrote:   ",
        ] {
            cut_from(&format!("{attribution}Sorry, it is late.\nWe will see to it."));
        }
        for text in [
            "On Tue, 3 Feb 2026 at 8:01 Care wrote: it is sent.\nIt is not.",
            "Le 3 février 2026 à 8:01 <care@shop.example> m'a appelée : rien.\nToujours rien.",
            "It is late.\nOn Tue, 3 Feb 2026 at 8:01, Care <care@shop.example> wrote: it is sent.\nNo.",
        ] {
            assert_eq!(own(text), text);
        }
    }

    #[test]
    fn a_divider_ends_the_writers_own_text() {
        for divider in [
            "-----Original Message-----",
            "----- Message d'origine -----",
            "-----Message d’origine-----",
            "---------- Forwarded message ---------",
            "---------- Message transféré ---------",
            "-----Ursprüngliche Nachricht-----",
            "---------- Weitergeleitete Nachricht ---------",
            "Anfang der weitergeleiteten Nachricht:",
            "-----Oorspronkelijk bericht-----",
            "-----Mensaje original-----",
            "-----Messaggio originale-----",
            "-----Mensagem original-----",
            "Begin forwarded message:",
            "##- Please type your reply above this line -##",
            "##- Veuillez saisir votre réponse au-dessus de cette ligne -##",
            "##- Bitte geben Sie Ihre Antwort über dieser Zeile ein. -##",
            "##- Escriba su respuesta por encima de esta línea -##",
            "----- Réponse au-dessus de cette ligne -----",
            "-------- Původní zpráva --------",
            "-------- 原始邮件 --------",
        ] {
            cut_from(&format!("{divider}\nFrom: Care\n\nWe are happy to help."));
        }
    }

    #[test]
    fn signatures_are_not_read() {
        assert_eq!(own("Still broken.\n-- \nAnn\nHappy Homes Ltd"), "Still broken.");
        for line in [
            "Sent from my iPhone",
            "Envoyé de mon iPhone",
            "Envoyé à partir de mon téléphone",
            "Von meinem iPhone gesendet",
            "Verstuurd vanaf mijn iPhone",
            "Enviado desde mi iPhone",
            "Inviato da iPhone",
            "Enviado do meu iPhone",
            "Get Outlook for iOS<https://aka.ms/o0ukef>",
            "Sent from Gmail Mobile",
            "Sent from my OnePlus",
            "Sent from my Galaxy S21 Ultra 5G",
            "Sent from my Samsung Galaxy tablet",
            "Envoyé depuis l'application Mail Orange",
            "Von meinem Galaxy gesendet",
            "Gesendet von meinem iPhone",
            "Diese Nachricht wurde von meinem iPad gesendet",
            "Gesendet mit der GMX Mail App",
            "Outlook für Android herunterladen",
            "Gesendet von Mail für Windows",
            "Diese Nachricht wurde von meinem Android Mobiltelefon mit GMX Mail gesendet.",
            "Outlook voor Android downloaden",
            "Enviado desde Yahoo Mail",
            "Inviato da Yahoo Mail",
            "Ottieni Outlook per iOS",
        ] {
            assert_eq!(own(&format!("Still broken.\n\n{line}")), "Still broken.", "{line}");
        }
    }

    #[test]
    fn answers_between_quoted_lines_are_kept() {
        let text = "On Tue, 3 Feb 2026, Care wrote:\n> Did you restart it?\nYes, twice.\n\n> Is the light on?\nNo.\n";
        assert_eq!(own(text), "Yes, twice.\n\nNo.");
    }

    #[test]
    fn text_without_a_thread_stays_unchanged() {
        for text in [
            "",
            "hello",
            ">:( again",
            "From: Paris\nTo: Rome\nDate: 3 May\nPlease change my flight.",
            "My husband wrote:\nhe never got it",
            "I asked two things:\n- the price\n- the date",
            "on Monday I called, at 9:15 I was told: wait\nand I am still waiting",
            "-- \nAnn",
            "De : Lyon\nÀ : Paris\nje voudrais changer mon billet",
            "I have it in writing:\n5 > 3",
            "sent from Leeds on Monday, still not here",
        ] {
            assert_eq!(own(text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn the_writers_own_words_are_a_part_of_any_text(
            lines in proptest::collection::vec(
                proptest::prop_oneof![
                    "\\PC{0,30}",
                    proptest::strategy::Just("> quoted".to_owned()),
                    proptest::strategy::Just("On 3 Feb 2026 A wrote:".to_owned()),
                    proptest::strategy::Just("From: a@b.example".to_owned()),
                    proptest::strategy::Just("--".to_owned()),
                    proptest::strategy::Just(String::new()),
                ],
                0..12,
            ),
        ) {
            let text = lines.join("\n");
            let own = own(&text);
            proptest::prop_assert!(own.lines().all(|line| text.contains(line)));
            // The writer's own text is kept.
            proptest::prop_assert_eq!(&*Languages::embedded().own_words(&own), &own);
        }
    }
}
