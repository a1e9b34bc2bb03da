//! The state of a desk, and the effects of its keys. Pure.

use jumeau::api::{
    ActReply, DecideReply, EscalationReply, EscalationsReply, ListedEscalation, OfferedAction,
};
use jumeau::event::{Customer, OutcomeKind, Time};
use jumeau::twin::EscalationState;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The number of lines of a page up or down.
const PAGE: usize = 8;

/// The escalation of a request or input line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) customer: Customer,
    pub(crate) queue: Box<str>,
    pub(crate) escalation: Box<str>,
}

/// A request to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// List the open escalations.
    List,
    /// Show one with its brief.
    Show(Target),
    /// Request the next steps for its customer.
    Next(Target),
    /// Perform an act of the agent.
    Act(Target, Act),
}

/// An act of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Claim the escalation.
    Claim,
    /// Note what was said to the customer.
    Said(String),
    /// Note what was done.
    Note(String),
    /// Report the outcome of an offer.
    Offered {
        /// The decision of the offer.
        decision: Box<str>,
        /// The outcome.
        answer: OutcomeKind,
    },
    /// Hand it back, with a note for the next agent.
    HandBack(String),
    /// Resolve it, with a resolution in the company's own terms.
    Resolve(String),
}

/// A reply of the service.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    List(EscalationsReply),
    Story(Box<EscalationReply>),
    Offers(DecideReply),
    Done(Box<ActReply>),
}

/// The kind of the input line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typing {
    Said,
    Note,
    HandBack,
    Resolve,
}

impl Typing {
    /// The prompt.
    pub(crate) const fn asks(self) -> &'static str {
        match self {
            Typing::Said => "what did you say?",
            Typing::Note => "what did you do?",
            Typing::HandBack => "what should the next agent know?",
            Typing::Resolve => "outcome, in one word?",
        }
    }

    fn act(self, words: String) -> Act {
        match self {
            Typing::Said => Act::Said(words),
            Typing::Note => Act::Note(words),
            Typing::HandBack => Act::HandBack(words),
            Typing::Resolve => Act::Resolve(words),
        }
    }

    /// Whether an empty line is valid.
    const fn may_be_empty(self) -> bool {
        matches!(self, Typing::HandBack | Typing::Resolve)
    }
}

/// An input line. It stays about the escalation for which it was begun, whatever happens to the list
/// meanwhile.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) typing: Typing,
    pub(crate) words: String,
    pub(crate) about: Target,
}

/// The last result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A success.
    Good(String),
    /// A failure.
    Bad(String),
}

/// The state of a desk.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The agent.
    pub(crate) agent: String,
    /// The agent's queues; none: all.
    pub(crate) queues: Vec<String>,
    /// The current time.
    pub(crate) now: Time,
    /// Whether the broker is reachable.
    pub(crate) is_up: bool,
    /// The open escalations; none: not known yet.
    pub(crate) list: Option<Vec<ListedEscalation>>,
    /// The total number of open escalations.
    pub(crate) found: u64,
    /// The position of the selected one.
    pub(crate) at: usize,
    /// The first visible line of the brief.
    pub(crate) scroll: usize,
    pub(crate) line: Option<Line>,
    pub(crate) notice: Option<Notice>,
    /// Whether the agent quits.
    pub(crate) is_leaving: bool,
    story: Option<Box<EscalationReply>>,
    offers: Option<(Target, Vec<OfferedAction>)>,
}

impl Desk {
    /// An empty desk.
    pub(crate) fn new(agent: String, queues: Vec<String>, now: Time) -> Desk {
        Desk {
            agent,
            queues,
            now,
            is_up: true,
            list: None,
            found: 0,
            at: 0,
            scroll: 0,
            line: None,
            notice: None,
            is_leaving: false,
            story: None,
            offers: None,
        }
    }

    /// The selected escalation.
    pub(crate) fn selected(&self) -> Option<&ListedEscalation> {
        self.list.as_ref()?.get(self.at)
    }

    /// Its brief, once it has arrived.
    pub(crate) fn story(&self) -> Option<&EscalationReply> {
        let id = &self.selected()?.waiting.id;
        self.story.as_deref().filter(|story| story.escalation.id == *id)
    }

    /// The next steps for its customer, if they were requested.
    pub(crate) fn offers(&self) -> &[OfferedAction] {
        let target = self.target();
        self.offers
            .as_ref()
            .filter(|(about, _)| Some(about) == target.as_ref())
            .map_or(&[], |(_, offers)| offers)
    }

    /// Whether this agent holds it.
    pub(crate) fn is_mine(&self, one: &ListedEscalation) -> bool {
        one.waiting.state == EscalationState::Claimed
            && one.waiting.agent.as_deref() == Some(&self.agent)
    }

    fn target(&self) -> Option<Target> {
        let ListedEscalation { customer, waiting } = self.selected()?;
        Some(Target {
            customer: customer.clone(),
            queue: waiting.queue.clone(),
            escalation: waiting.id.clone(),
        })
    }

    fn show(&self) -> Vec<Ask> {
        self.target().map(Ask::Show).into_iter().collect()
    }

    /// The requests that a key causes.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Vec<Ask> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.is_leaving = key.code == KeyCode::Char('c');
            return Vec::new();
        }
        if let Some(line) = self.line.take() {
            return self.type_on(line, key.code);
        }
        self.notice = None;
        match key.code {
            KeyCode::Char('q') => self.is_leaving = true,
            KeyCode::Char('c') => return self.act(Act::Claim),
            KeyCode::Char('n') => return self.target().map(Ask::Next).into_iter().collect(),
            KeyCode::Char('y') => return self.offered(OutcomeKind::Accepted),
            KeyCode::Char('x') => return self.offered(OutcomeKind::Rejected),
            KeyCode::Char('s') => self.begin(Typing::Said),
            KeyCode::Char('w') => self.begin(Typing::Note),
            KeyCode::Char('b') => self.begin(Typing::HandBack),
            KeyCode::Char('r') => self.begin(Typing::Resolve),
            KeyCode::Down | KeyCode::Char('j') => return self.go(self.at.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => return self.go(self.at.saturating_sub(1)),
            KeyCode::PageDown | KeyCode::Char(' ') => {
                self.scroll = self.scroll.saturating_add(PAGE);
            }
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            _ => {}
        }
        Vec::new()
    }

    fn type_on(&mut self, mut line: Line, key: KeyCode) -> Vec<Ask> {
        match key {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Enter => {
                let words = line.words.trim();
                if !words.is_empty() || line.typing.may_be_empty() {
                    let act = line.typing.act(words.to_owned());
                    return vec![Ask::Act(line.about, act)];
                }
            }
            KeyCode::Backspace => drop(line.words.pop()),
            KeyCode::Char(letter) => line.words.push(letter),
            _ => {}
        }
        self.line = Some(line);
        Vec::new()
    }

    fn begin(&mut self, typing: Typing) {
        self.line = self.target().map(|about| Line { typing, words: String::new(), about });
    }

    fn act(&self, act: Act) -> Vec<Ask> {
        self.target().map(|target| Ask::Act(target, act)).into_iter().collect()
    }

    /// Reports the outcome of the best offer.
    fn offered(&mut self, answer: OutcomeKind) -> Vec<Ask> {
        let Some(offer) = self.offers().first() else {
            self.notice = Some(Notice::Bad("ask what to do next (n) first".to_owned()));
            return Vec::new();
        };
        let decision = offer.decision.clone();
        self.act(Act::Offered { decision, answer })
    }

    fn go(&mut self, to: usize) -> Vec<Ask> {
        let last = self.list.as_ref().map_or(0, Vec::len).saturating_sub(1);
        let to = to.min(last);
        if to == self.at {
            return Vec::new();
        }
        self.at = to;
        self.scroll = 0;
        self.show()
    }

    /// Handles a reply of the service; returns further requests.
    pub(crate) fn take_reply(&mut self, ask: &Ask, answer: Result<Answer, String>) -> Vec<Ask> {
        match (ask, answer) {
            // It was handed back or resolved meanwhile, and another one is selected.
            (Ask::Show(target), Err(_)) if self.target().as_ref() != Some(target) => Vec::new(),
            (_, Err(sentence)) => {
                self.notice = Some(Notice::Bad(sentence));
                // Another agent was quicker: the list then shows who.
                if matches!(ask, Ask::Act(..)) { vec![Ask::List] } else { Vec::new() }
            }
            (_, Ok(Answer::List(reply))) => self.lay_out(reply),
            (_, Ok(Answer::Story(story))) => {
                self.story = Some(story);
                Vec::new()
            }
            (Ask::Next(target), Ok(Answer::Offers(reply))) => {
                self.scroll = 0;
                if reply.offers.is_empty() {
                    let nothing = "nothing to offer now".to_owned();
                    self.notice = Some(Notice::Good(nothing));
                }
                self.offers = Some((target.clone(), reply.offers));
                Vec::new()
            }
            (Ask::Act(_, act), Ok(Answer::Done(done))) => {
                if matches!(act, Act::Offered { .. }) {
                    self.offers = None;
                }
                self.notice = Some(Notice::Good(confirmation(act, &done)));
                vec![Ask::List]
            }
            (_, Ok(Answer::Offers(_) | Answer::Done(_))) => Vec::new(),
        }
    }

    /// The selected escalation stays selected, wherever it is now; its brief may have changed, too.
    fn lay_out(&mut self, reply: EscalationsReply) -> Vec<Ask> {
        let held = self.selected().map(|one| one.waiting.id.clone());
        let list = reply.escalations;
        let stays = list.iter().position(|one| Some(&one.waiting.id) == held.as_ref());
        self.at = stays.unwrap_or_else(|| self.at.min(list.len().saturating_sub(1)));
        self.found = reply.found;
        self.list = Some(list);
        if stays.is_none() {
            self.scroll = 0;
        }
        self.show()
    }
}

/// The result of an act, as a sentence.
fn confirmation(act: &Act, done: &ActReply) -> String {
    let customer = &done.customer;
    match act {
        Act::Claim => {
            format!("{customer} is yours: automation is paused until you hand them back")
        }
        Act::Said(_) => format!("your note was added to {customer}'s conversation"),
        Act::Note(_) => "noted".to_owned(),
        Act::Offered { answer, .. } => format!("noted: {}", answer.name()),
        Act::HandBack(_) => format!("{customer} is handed back: automation resumes"),
        Act::Resolve(_) => format!("{customer}'s escalation is resolved"),
    }
}
