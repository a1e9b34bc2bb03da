//! What the writer of a mail wrote, without the older thread that stands below it, above it or around
//! it, and without the signature.
//!
//! Mail is read line by line. Lines that begin with `>` are quoted, and the line above them that says who
//! wrote them goes with them, so what stands between quoted lines stays. Below such a line without
//! `>`, below a divider (`-----Original Message-----`), below the head of an older message
//! (`From: … Sent: … Subject: …`) and below a signature's delimiter (`-- `), nothing is the
//! writer's own.

use std::borrow::Cow;

use super::text::folded;
use crate::config::limits;

/// A line above a quoted message is no longer than this, even if a program broke it into several.
const ATTRIBUTION_BYTES: usize = 300;
/// A program breaks it into at most so many lines.
const ATTRIBUTION_LINES: usize = 3;
/// Within so many lines after the sender stands what else makes the head of a message.
const HEAD_LINES: usize = 8;
/// A line below a message that a program wrote is no longer than this.
const FOOTER_BYTES: usize = 80;
/// Such a rule is drawn by a program, above the head of an older message.
const RULE_LETTERS: usize = 10;

/// What mail programs write around threads, in lower case and without accents.
#[derive(Debug, Default)]
pub(super) struct Threads {
    wrote: Vec<Box<str>>,
    begins: Vec<Box<str>>,
    dividers: Vec<Box<str>>,
    from: Vec<Box<str>>,
    sent: Vec<Box<str>>,
    subject: Vec<Box<str>>,
    to: Vec<Box<str>>,
    footers: Vec<Box<str>>,
}

impl Threads {
    /// Adds a line `wrote: wrote | a écrit`.
    pub(super) fn add(&mut self, line: &str) -> Result<usize, String> {
        let (key, phrases) = line.split_once(':').unwrap_or((line, ""));
        let shelf = match key.trim() {
            "wrote" => &mut self.wrote,
            "begins" => &mut self.begins,
            "divider" => &mut self.dividers,
            "from" => &mut self.from,
            "sent" => &mut self.sent,
            "subject" => &mut self.subject,
            "to" => &mut self.to,
            "footer" => &mut self.footers,
            other => {
                let other = super::mistake::shown(other);
                return Err(format!(
                    "expected `wrote:`, `begins:`, `divider:`, `from:`, `sent:`, `subject:`, `to:` or \
                     `footer:`, found `{other}`"
                ));
            }
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

    /// Takes in what another says.
    pub(super) fn join(&mut self, other: Threads) {
        let join = |into: &mut Vec<Box<str>>, from: Vec<Box<str>>| {
            for phrase in from {
                if !into.contains(&phrase) {
                    into.push(phrase);
                }
            }
        };
        join(&mut self.wrote, other.wrote);
        join(&mut self.begins, other.begins);
        join(&mut self.dividers, other.dividers);
        join(&mut self.from, other.from);
        join(&mut self.sent, other.sent);
        join(&mut self.subject, other.subject);
        join(&mut self.to, other.to);
        join(&mut self.footers, other.footers);
    }

    /// The writer's own words: the text as it is where it holds no thread; at least the first
    /// [`limits::MESSAGE_READ_BYTES`] of them.
    pub(super) fn own_words<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !text.contains('\n') && !is_quoted(text) && !self.is_footer(text) {
            return Cow::Borrowed(text);
        }
        let lines: Vec<&str> = text.lines().collect();
        let mut own = String::new();
        let mut is_cut = false;
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            if own.len() > limits::MESSAGE_READ_BYTES {
                break;
            }
            if is_quoted(line) || self.is_footer(line) {
                is_cut = true;
                at += 1;
                continue;
            }
            if let Some(after) = self.attribution(&lines, at) {
                is_cut = true;
                let next = lines[after..].iter().find(|line| !line.trim().is_empty());
                if next.is_none_or(|line| is_quoted(line)) {
                    at = after;
                    continue;
                }
                break;
            }
            if self.is_divider(line)
                || self.is_head(&lines[at..])
                || is_rule(line) && self.is_head(after_blanks(&lines[at + 1..]))
                || line.trim_end() == "--" && !own.trim().is_empty()
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

    /// The line after the lines at `at` that say who wrote what is quoted below them.
    fn attribution(&self, lines: &[&str], at: usize) -> Option<usize> {
        let mut whole = String::new();
        for (count, line) in lines[at..].iter().take(ATTRIBUTION_LINES).enumerate() {
            let line = line.trim();
            if line.is_empty() || is_quoted(line) || whole.len() + line.len() > ATTRIBUTION_BYTES {
                return None;
            }
            if count > 0 {
                whole.push(' ');
            }
            whole.push_str(line);
            if line.ends_with([':', '：']) {
                return self.says_who_wrote(&whole).then_some(at + count + 1);
            }
            // Only a line that begins like one is worth joining with the next.
            if count == 0 && !self.begins_like_one(&whole) {
                return None;
            }
        }
        None
    }

    fn begins_like_one(&self, line: &str) -> bool {
        let line = normal(line);
        line.contains('@') || self.begins.iter().any(|begin| starts_with(&line, begin))
    }

    fn says_who_wrote(&self, line: &str) -> bool {
        let line = normal(line);
        let has_verb = self.wrote.iter().any(|verb| has_words(&line, verb));
        let has_begin = self.begins.iter().any(|begin| starts_with(&line, begin));
        has_verb && (line.contains('@') || has_begin && has_moment(&line))
    }

    fn is_divider(&self, line: &str) -> bool {
        let line = line.trim();
        if line.len() > FOOTER_BYTES {
            return false;
        }
        let bare =
            line.trim_matches(|c: char| matches!(c, '-' | '_' | '*' | '#' | '=' | '–' | '—'));
        let (dashes, colon) = (line.len() - bare.len() >= 4, line.ends_with(':'));
        (dashes || colon) && {
            let words = normal(bare.trim().trim_end_matches(':'));
            self.dividers.iter().any(|divider| **divider == *words)
        }
    }

    /// Whether lines begin with the head of an older message.
    fn is_head(&self, lines: &[&str]) -> bool {
        let Some(sender) = lines.first().and_then(|line| self.value_of(line, &self.from)) else {
            return false;
        };
        // A journey has a `from`, a `to` and a `date`, too.
        let head = lines[1..].iter().take(HEAD_LINES).take_while(|line| !line.trim().is_empty());
        let mut further = 0;
        for line in head {
            if [&self.sent, &self.subject].iter().any(|keys| self.value_of(line, keys).is_some()) {
                return true;
            }
            further += usize::from(self.value_of(line, &self.to).is_some());
        }
        further > 0 && sender.contains('@')
    }

    /// What stands after one of these keys and its colon.
    fn value_of<'a>(&self, line: &'a str, keys: &[Box<str>]) -> Option<&'a str> {
        let (key, value) = line.split_once(':')?;
        if key.len() > FOOTER_BYTES {
            return None;
        }
        let key = normal(key.trim_matches(|c: char| c.is_whitespace() || c == '*'));
        keys.iter().any(|known| **known == *key).then(|| value.trim())
    }

    fn is_footer(&self, line: &str) -> bool {
        let line = line.trim();
        (8..=FOOTER_BYTES).contains(&line.len()) && {
            let line = normal(line.trim_start_matches(['[', '(', '<', '*', '_', '-', ' ']));
            self.footers.iter().any(|footer| starts_with(&line, footer))
        }
    }
}

/// Whether a line is quoted. A face such as `>:(` is not.
fn is_quoted(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix('>');
    rest.is_some_and(|rest| {
        let rest = rest.trim_end();
        let quotes = |c: char| c == '>' || c.is_whitespace() || c.is_alphanumeric();
        rest.is_empty() || rest.starts_with(quotes)
    })
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= RULE_LETTERS && line.chars().all(|c| matches!(c, '_' | '-' | '='))
}

fn after_blanks<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let first = lines.iter().position(|line| !line.trim().is_empty()).unwrap_or(lines.len());
    &lines[first..]
}

/// Lower case, no accents, single blanks.
fn normal(text: &str) -> String {
    let lower = folded(&text.to_lowercase().replace('’', "'"));
    let mut normal = String::with_capacity(lower.len());
    for word in lower.split_whitespace() {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.push_str(word);
    }
    normal
}

/// Whether a text begins with these words.
fn starts_with(text: &str, words: &str) -> bool {
    text.strip_prefix(words).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Whether these words stand in a text, as whole words.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, found)| {
        !text[..at].ends_with(char::is_alphanumeric)
            && !text[at + found.len()..].starts_with(char::is_alphanumeric)
    })
}

/// Whether a text names a year or a time of day.
fn has_moment(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    text.split(|c: char| !c.is_ascii_digit())
        .any(|digits| digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20")))
        || text.match_indices([':', 'h']).any(|(at, mark)| {
            text[..at].ends_with(is_digit) && text[at + mark.len()..].starts_with(is_digit)
        })
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
    fn a_quoted_thread_is_not_the_writers_own() {
        for line in [
            "On Tue, 3 Feb 2026 at 08:01, Care <care@shop.example> wrote:",
            "On Feb 3, 2026, at 8:01 AM, Care wrote:",
            "Care <care@shop.example> writes:",
            "Le mar. 3 févr. 2026 à 08:01, Service <care@shop.example> a écrit :",
            "Le 03/02/2026 à 08:01, Service a écrit\u{a0}:",
            "Am Di., 3. Feb. 2026 um 08:01 Uhr schrieb Care <care@shop.example>:",
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
    fn the_head_of_an_older_message_ends_the_writers_own() {
        for head in [
            "From: Care <care@shop.example>\nSent: Tuesday, February 3, 2026 8:01 AM\nTo: Ann\nSubject: RE: lamp",
            "*From:* Care\n*Sent:* Tuesday\n*To:* Ann\n*Subject:* lamp",
            "De : Care\nEnvoyé : mardi 3 février 2026 08:01\nÀ : Anne\nObjet : RE: lampe",
            "De\u{a0}: Care <care@shop.example>\nDate\u{a0}: mardi\nÀ\u{a0}: Anne",
            "Von: Care\nGesendet: Dienstag\nAn: Ann\nBetreff: AW: Lampe",
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
    fn a_divider_ends_the_writers_own() {
        for divider in [
            "-----Original Message-----",
            "----- Message d'origine -----",
            "-----Message d’origine-----",
            "---------- Forwarded message ---------",
            "---------- Message transféré ---------",
            "-----Ursprüngliche Nachricht-----",
            "-----Oorspronkelijk bericht-----",
            "-----Mensaje original-----",
            "-----Messaggio originale-----",
            "-----Mensagem original-----",
            "Begin forwarded message:",
            "##- Please type your reply above this line -##",
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
        ] {
            assert_eq!(own(&format!("Still broken.\n\n{line}")), "Still broken.", "{line}");
        }
    }

    #[test]
    fn answers_between_quoted_lines_stay() {
        let text = "On Tue, 3 Feb 2026, Care wrote:\n> Did you restart it?\nYes, twice.\n\n> Is the light on?\nNo.\n";
        assert_eq!(own(text), "Yes, twice.\n\nNo.");
    }

    #[test]
    fn what_is_no_thread_stays_as_it_is() {
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
        fn any_text_has_own_words_that_stand_in_it(
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
            // What is own stays so.
            proptest::prop_assert_eq!(&*Languages::embedded().own_words(&own), &own);
        }
    }
}
