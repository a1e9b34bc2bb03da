//! Recognises automatic messages of mail programs and help desks: out-of-office replies, failed
//! deliveries, unmonitored addresses, confirmations of receipt.
//!
//! A topic in such a message is not a wish. But people write the same words, too (`I am out of the
//! office`), and their messages must not be lost: one sentence is enough only if no person writes it;
//! otherwise another kind of such a sentence must occur in the message, and no word that only a person
//! would write.

use super::thread::unknown_key;
use crate::event::cut;

/// The length of the part that is checked: automatic messages are short.
const READ_BYTES: usize = 2_000;
/// The characteristic sentence is among the first ones.
const SENTENCES: usize = 5;
/// The maximum number of words that `...` stands for.
const GAP_WORDS: usize = 3;
/// The maximum length of a greeting.
const GREETING_WORDS: usize = 4;
/// The maximum number of words of a phrase.
const PHRASE_WORDS: usize = 16;

/// Phrases that identify automatic messages.
#[derive(Debug, Default)]
pub(super) struct Automatic {
    /// The beginnings of a subject line above the text, followed by a colon, a dash or the end of the
    /// line.
    subjects: Vec<Phrase>,
    greetings: Vec<Phrase>,
    /// Beginnings of sentences that no person writes.
    alone: Vec<Phrase>,
    /// Beginnings of sentences that need further evidence in the message.
    absence: Vec<Phrase>,
    meanwhile: Vec<Phrase>,
    receipt: Vec<Phrase>,
    promise: Vec<Phrase>,
    failure: Vec<Phrase>,
    cause: Vec<Phrase>,
    /// Words that only a person writes.
    person: Vec<Phrase>,
}

/// A sequence of words.
type Phrase = Vec<PhraseSlot>;

/// One position of a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PhraseSlot {
    /// One of these words; or none, if they are optional.
    Words { any: Vec<Box<str>>, may_lack: bool },
    /// Up to three words.
    Gap,
}

impl Automatic {
    /// Adds a line `absence: i am away | je suis absent/absente`.
    pub(super) fn add(&mut self, line: &str) -> Result<usize, String> {
        let (key, phrases) = line.split_once(':').unwrap_or((line, ""));
        let key = key.trim();
        let Some((_, shelf)) = self.shelves().into_iter().find(|(name, _)| *name == key) else {
            return Err(unknown_key(key, self.shelves().map(|(name, _)| name)));
        };
        let before = shelf.len();
        for written in phrases.split('|') {
            let phrase: Phrase = written.split_whitespace().map(slot).collect();
            let ends_with_words =
                |slot: Option<&PhraseSlot>| slot.is_some_and(|slot| *slot != PhraseSlot::Gap);
            if !ends_with_words(phrase.first()) || !ends_with_words(phrase.last()) {
                let written = super::text::shortened(written.trim());
                return Err(format!(
                    "expected phrases that begin and end with a word, with `|` between, found `{written}`"
                ));
            }
            if phrase.len() > PHRASE_WORDS {
                let written = super::text::shortened(written.trim());
                return Err(format!(
                    "expected a phrase of at most {PHRASE_WORDS} words, found `{written}`"
                ));
            }
            if !shelf.contains(&phrase) {
                shelf.push(phrase);
            }
        }
        Ok(shelf.len() - before)
    }

    /// The lists of phrases, by name.
    fn shelves(&mut self) -> [(&'static str, &mut Vec<Phrase>); 10] {
        [
            ("subject", &mut self.subjects),
            ("greeting", &mut self.greetings),
            ("alone", &mut self.alone),
            ("absence", &mut self.absence),
            ("meanwhile", &mut self.meanwhile),
            ("receipt", &mut self.receipt),
            ("promise", &mut self.promise),
            ("failure", &mut self.failure),
            ("cause", &mut self.cause),
            ("person", &mut self.person),
        ]
    }

    /// Adds the phrases of another one.
    pub(super) fn join(&mut self, mut other: Automatic) {
        for ((_, into), (_, from)) in self.shelves().into_iter().zip(other.shelves()) {
            for phrase in from.drain(..) {
                if !into.contains(&phrase) {
                    into.push(phrase);
                }
            }
        }
    }

    /// Whether this text, without an older thread below it, is automatic.
    pub(super) fn wrote(&self, own: &str) -> bool {
        let text = cut(own.trim(), READ_BYTES);
        let first: Vec<Sentence> = sentences(text).take(SENTENCES).collect();
        let opens = |phrases: &[Phrase]| {
            first.iter().filter(|sentence| !sentence.asks).any(|sentence| {
                let words = sentence.words();
                let words = self.ungreeted(&words);
                phrases.iter().any(|phrase| begins(words, phrase).is_some())
            })
        };
        // In most messages the search ends early.
        let has = |phrases: &[Phrase]| {
            sentences(text).any(|sentence| {
                let words = sentence.words();
                (0..words.len())
                    .any(|at| phrases.iter().any(|one| begins(&words[at..], one).is_some()))
            })
        };
        let is_told = self.is_subject(text)
            || opens(&self.alone)
            || opens(&self.absence) && has(&self.meanwhile)
            || opens(&self.receipt) && has(&self.promise)
            || opens(&self.failure) && has(&self.cause);
        is_told && !has(&self.person)
    }

    /// Whether the first line is the subject of an automatic message, above its text.
    fn is_subject(&self, text: &str) -> bool {
        let Some((first, rest)) = text.split_once('\n') else { return false };
        if rest.trim().is_empty() {
            return false;
        }
        let first = first.trim().trim_start_matches(['[', '(', '*', ' ']);
        let title = first.split([':', ']', ')', '*', '–', '—']).next().unwrap_or("");
        let title = title.split(" - ").next().unwrap_or("");
        let title = plain(title);
        let words: Vec<&str> = title.split_whitespace().collect();
        self.subjects.iter().any(|phrase| begins(&words, phrase) == Some(words.len()))
            && !first.ends_with(['?', '!'])
    }

    /// A sentence without the greeting before it: `Hello Ann, I am away`.
    fn ungreeted<'w, 't>(&self, words: &'w [&'t str]) -> &'w [&'t str] {
        let is_greeting = self.greetings.iter().any(|greeting| begins(words, greeting).is_some());
        match words.iter().position(|word| *word == ",") {
            Some(comma) if is_greeting && comma <= GREETING_WORDS => &words[comma + 1..],
            _ => words,
        }
    }
}

struct Sentence {
    /// The words in normal form, and commas, with blanks between.
    normal: String,
    /// Whether it is a question.
    asks: bool,
}

impl Sentence {
    fn words(&self) -> Vec<&str> {
        self.normal.split_whitespace().collect()
    }
}

/// The sentences of a text. Where a dot after a number may belong to a date (`bis 4. Mai im Urlaub`), the parts
/// are followed by both together.
fn sentences(text: &str) -> impl Iterator<Item = Sentence> {
    let parts = || parts(text);
    let next = parts().skip(1).map(Some).chain([None]);
    let mut start = 0;
    parts()
        .zip(next)
        .flat_map(move |(part, next)| {
            let from = start;
            start += part.len();
            let is_dated =
                part.strip_suffix('.').is_some_and(|p| p.ends_with(|c: char| c.is_ascii_digit()));
            let both = next.filter(|_| is_dated).map(|next| &text[from..start + next.len()]);
            [Some(part), both]
        })
        .flatten()
        .map(|sentence| Sentence { normal: plain(sentence), asks: sentence.ends_with('?') })
        .filter(|sentence| !sentence.normal.is_empty())
}

/// The text up to each mark, with the mark. A dot before a digit is none: `14.11.`, `10.30`.
fn parts(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let is_end = |(at, mark): &(usize, char)| match mark {
            '.' => !text[at + 1..].starts_with(|next: char| next.is_ascii_digit()),
            mark => matches!(mark, '!' | '?' | '\n' | '…' | ';' | '•'),
        };
        let end = text.char_indices().find(is_end).map(|(at, mark)| at + mark.len_utf8());
        let part;
        (part, text) = text.split_at(end.unwrap_or(text.len()));
        (!part.is_empty()).then_some(part)
    })
}

/// Words in normal form; hyphenated words are joined: `e-mail` is `email`. Commas count as words.
fn plain(text: &str) -> String {
    let normal = super::thread::normal(text);
    let mut plain = String::with_capacity(normal.len() + 8);
    for c in normal.chars() {
        match c {
            ',' => plain.push_str(" , "),
            ' ' | '(' | ')' | '*' | ':' => plain.push(' '),
            // The text after a quotation mark is somebody else's.
            '\'' | '"' | '“' | '„' | '«' => plain.push(c),
            c if c.is_alphanumeric() => plain.push(c),
            _ => {}
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

fn slot(written: &str) -> PhraseSlot {
    if written == "..." {
        return PhraseSlot::Gap;
    }
    let (written, may_lack) = match written.strip_suffix('?') {
        Some(written) => (written, true),
        None => (written, false),
    };
    let any = written.split('/').map(|word| plain(word).trim().into()).collect();
    PhraseSlot::Words { any, may_lack }
}

/// The number of these words that a phrase matches, starting at the first.
fn begins(words: &[&str], phrase: &[PhraseSlot]) -> Option<usize> {
    let Some((first, rest)) = phrase.split_first() else { return Some(0) };
    let after = |count: usize| {
        let words = words.get(count..)?;
        begins(words, rest).map(|more| count + more)
    };
    match first {
        PhraseSlot::Words { any, may_lack } => {
            let is_here = words.first().is_some_and(|word| any.iter().any(|one| **one == **word));
            let taken = is_here.then(|| after(1)).flatten();
            taken.or_else(|| may_lack.then(|| after(0)).flatten())
        }
        PhraseSlot::Gap => (0..=GAP_WORDS).find_map(after),
    }
}

#[cfg(test)]
mod tests {
    use crate::language::Languages;

    fn is_automatic(text: &str) -> bool {
        let languages = Languages::embedded();
        languages.is_automatic(&languages.own_words(text))
    }

    #[test]
    fn automatic_messages_are_recognised() {
        for text in [
            // Out-of-office replies.
            "Hi,\n\nI'm out of office until Tuesday 7 April and will not be reading mail. If it is urgent, please \
             contact my colleague Jo, or ask at the desk to speak to somebody.\n\nKind regards\nSam",
            "Hello and thanks for your message! I am currently on parental leave with limited access to email. I \
             will reply to your message when I am back.",
            "Thank you for your e-mail. I will be away from my desk from 3 to 9 May. In my absence please contact \
             help@home.example.",
            "Automatic reply: Your order 4711\n\nBack on Monday. Ask my team for an agent.",
            "Out of Office Re: Your order\n\nBack on Monday.",
            "[Auto-Reply] Your order\nWe are closed this week. To talk to a person, call 0800.",
            "Réponse automatique : votre commande\n\nJe reviens lundi. Demandez à parler à quelqu'un au 0800.",
            "Bonjour,\n\nMerci pour votre message. Je suis en congé jusqu'au 4 mai inclus. En cas d'urgence, vous \
             pouvez joindre ma collègue.",
            "Bonjour, je suis actuellement absente du bureau, sans accès à mes mails. En mon absence, merci de \
             contacter le service client pour parler à un conseiller.",
            "Absence du bureau : votre commande\nDe retour lundi.",
            "Automatische Antwort: Ihre Bestellung\n\nAb Montag bin ich wieder da. Fragen Sie nach einem Berater.",
            "Abwesenheitsnotiz: Ihre Bestellung\nZurück am Montag.",
            "Sehr geehrte Damen und Herren,\n\nvielen Dank für Ihre Nachricht. Ich bin derzeit nicht im Büro und ab dem \
             4. Mai wieder erreichbar. In dringenden Fällen wenden Sie sich bitte an meine Kollegin.",
            "Hallo, ich bin bis einschließlich 4. Mai im Urlaub. Ihre E-Mail wird nicht weitergeleitet.",
            "Ich bin bis 14.11. nicht im Büro. In dringenden Fällen erreichen Sie Frau Meier.",
            "Ich bin bis zum 14.11.2026 nicht im Büro. In dringenden Fällen wenden Sie sich an Frau Meier.",
            "Guten Tag, ich befinde mich bis 9. Mai in Elternzeit. Während meiner Abwesenheit vertritt mich Jo Adler.",
            // Unmonitored addresses.
            "This mailbox is not monitored. To talk to an agent, call 0800.",
            "Hello, this is an automated message, please do not answer it. Call us to speak to a person.",
            "We can't answer your e-mail, because it was sent to a no-reply address. Call to talk to a human.",
            "Ceci est un message automatique, merci de ne pas y répondre. Pour parler à un conseiller, appelez.",
            "Cette boîte mail n'est pas consultée. Pour parler à quelqu'un, composez le 0800.",
            "Dies ist eine automatisch generierte E-Mail, bitte antworten Sie nicht darauf. Rufen Sie uns an.",
            "Dieses Postfach wird nicht gelesen. Wenn Sie mit einem Mitarbeiter sprechen möchten, wählen Sie 0800.",
            "Diese Nachricht wurde automatisch erstellt.",
            // Failed deliveries.
            "Delivery has failed to these recipients or groups:\n\ncare@shop.example\nTo speak to a person, ask \
             your administrator.",
            "This is the mail system at host mx.home.example.\n\nI'm sorry to have to inform you that your message \
             could not be delivered to one or more recipients.",
            "** Address not found **\n\nYour message wasn't delivered to care@shop.example because the address \
             couldn't be found, or is unable to receive mail.",
            "This message was created automatically by mail delivery software. A message that you sent could not \
             be delivered to one or more of its recipients.",
            "Échec de la remise à ces destinataires ou groupes :\ncare@shop.example",
            "Votre message n'a pas pu être remis à care@shop.example, car l'adresse est introuvable.",
            "Unzustellbar: Ihre Bestellung\n\nFragen Sie Ihren Administrator.",
            "Ihre Nachricht an care@shop.example konnte nicht zugestellt werden.",
            "Adresse nicht gefunden\nIhre Nachricht wurde nicht zugestellt, da die Adresse nicht gefunden wurde.",
            // Confirmations of a help desk.
            "Your request (4711) has been received and is being reviewed by our support staff. An agent will get \
             back to you shortly.",
            "Thank you for contacting Home. We have received your request and one of our agents will respond as \
             soon as possible.",
            "Bonjour, nous avons bien reçu votre demande. Un conseiller vous répondra dans les plus brefs délais.",
            "Votre demande (4711) a bien été enregistrée. Merci de ne pas répondre à ce message.",
            "Eingangsbestätigung\n\nEin Berater ruft Sie an.",
            "Vielen Dank für Ihre Anfrage. Unser Team wird sich so schnell wie möglich bei Ihnen melden.",
            "Guten Tag, wir haben Ihre Anfrage erhalten. Ihre Ticketnummer lautet 4711.",
        ] {
            assert!(is_automatic(text), "{text}");
        }
    }

    #[test]
    fn messages_about_automatic_replies_are_not_automatic() {
        for text in [
            "",
            "I got your out of office, I want to talk to someone",
            "Your automatic reply says that nobody reads this. Can I talk to a person?",
            "Out of office? Again? Get me a human.",
            "Out of office: that is all that you send me, where is my lamp",
            "Automatic reply\n\nis all I get, I want to speak to an agent",
            "I am out of the office until Monday, please deliver on Tuesday",
            "I am on leave until 4 May. I want somebody to call me before.",
            "I'm away until Monday, in urgent cases call my mobile. And I need to talk to an agent.",
            "You wrote: this is an automatic reply. I am furious.",
            "\"This mailbox is not monitored.\" So who reads it? I am furious.",
            "Is this an automated message?",
            "This is an automated message, isn't it?",
            "Please do not reply to this message, call me",
            "Do not reply to me by e-mail, call me",
            "Your message could not be delivered to me, the link is broken",
            "Thank you for your message. I will get back to you tomorrow.",
            "Your request has been received by my lawyer, and I am furious.",
            "We have received your lamp and it is broken",
            "Thank you for contacting me, but I am still furious",
            "my parcel was undeliverable and nobody answers",
            "J'ai reçu votre réponse automatique, je veux parler à quelqu'un",
            "Je suis absente jusqu'à lundi, livrez mardi s'il vous plaît",
            "Je suis en congé jusqu'à lundi. En cas d'urgence appelez-moi, je voudrais parler à un conseiller.",
            "Ceci est un message automatique ? Je suis furieux",
            "Merci de ne pas répondre à ce message, appelez-moi",
            "Nous avons bien reçu votre colis mais il est cassé",
            "Votre demande a bien été reçue par mon avocat",
            "Ich habe Ihre automatische Antwort bekommen, ich will mit jemandem sprechen",
            "Ich bin bis Montag im Urlaub, bitte liefern Sie erst am Dienstag",
            "Ich bin im Urlaub. In dringenden Fällen rufen Sie mich an, und ich möchte mit einem Berater sprechen.",
            "Ist das eine automatische Antwort?",
            "Bitte antworten Sie nicht auf diese Nachricht, rufen Sie mich an",
            "Vielen Dank für Ihre Nachricht. Die Lampe ist trotzdem kaputt.",
            "Wir haben Ihre Nachricht erhalten und sind enttäuscht",
            "mein Paket war unzustellbar und niemand antwortet",
            "> This is an automatic reply.\n\nI want to talk to a human",
        ] {
            assert!(!is_automatic(text), "{text}");
        }
    }

    #[test]
    fn an_invalid_phrase_is_refused_with_the_reason() {
        let refused = |line: &str| super::Automatic::default().add(line).unwrap_err();
        insta::assert_snapshot!(refused("absent: i am away"), @"expected one of `subject:`, `greeting:`, `alone:`, `absence:`, `meanwhile:`, `receipt:`, `promise:`, `failure:`, `cause:`, `person:`, found `absent`");
        insta::assert_snapshot!(refused("absence: i am | ... away"), @"expected phrases that begin and end with a word, with `|` between, found `... away`");
        insta::assert_snapshot!(refused("absence:"), @"expected phrases that begin and end with a word, with `|` between, found ``");
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_checked(text in "(\\PC{0,5}|i am|away|[ ,.!?\\n:]|this is an? automatic){0,40}") {
            let _ = is_automatic(&text);
        }
    }
}
