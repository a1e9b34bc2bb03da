//! Warnings: what a policy may contain but probably does not intend.

use std::collections::BTreeSet;
use std::time::Duration;

use super::consents::KNOWN_PURPOSES;
use super::hint::hint;
use super::usage::PolicyUsage;
use super::{
    ActionDefinition, AutoEscalations, EscalationTarget, Files, Issue, Mistake, Policy, Queue,
    RuleStep, SourceLocation, Trigger,
};

/// Warnings about a policy as a whole, each with its line.
pub(super) fn advise(policy: &Policy, files: &Files, noticed: &PolicyUsage) -> Vec<Mistake> {
    let mut remarks: Vec<(&SourceLocation, String)> = Vec::new();
    needs(policy, noticed, &mut remarks);
    purposes(policy, noticed, &mut remarks);
    languages(policy, &mut remarks);
    speakers(policy, &mut remarks);
    deferred_decisions(policy, &mut remarks);
    twins(policy, &mut remarks);
    uplifts(policy, &mut remarks);
    experiments(policy, &mut remarks);
    remarks.into_iter().map(|(place, message)| remark(files, place, message)).collect()
}

/// A warning about the line of a location.
pub(super) fn remark(files: &Files, place: &SourceLocation, message: String) -> Mistake {
    let file = place.file();
    let content = files.iter().find(|(name, _)| *name == file).map_or("", |(_, content)| content);
    Mistake::on_line(file, content, place.line(), message)
}

fn needs<'a>(
    policy: &'a Policy,
    noticed: &PolicyUsage,
    remarks: &mut Vec<(&'a SourceLocation, String)>,
) {
    let raised: BTreeSet<usize> = policy
        .rules
        .iter()
        .flat_map(|rule| &rule.then)
        .filter_map(|step| match step {
            RuleStep::Raise { need, .. } => Some(*need),
            _ => None,
        })
        .collect();
    for (position, need) in policy.needs.iter().enumerate() {
        let name = &need.name;
        if !raised.contains(&position) {
            remarks.push((
                &need.place,
                format!("no rule raises the need `{name}`, so it never occurs"),
            ));
        }
        if policy.serving(position).is_empty() && !noticed.needs.contains(&**name) {
            remarks.push((
                &need.place,
                format!("no action serves the need `{name}`, and nothing else uses it"),
            ));
        }
    }
}

fn purposes<'a>(
    policy: &'a Policy,
    noticed: &'a PolicyUsage,
    remarks: &mut Vec<(&'a SourceLocation, String)>,
) {
    let issues = Issue::NAMES.iter().copied();
    let declared = policy.consents.keys().map(|name| &**name);
    let known: BTreeSet<&str> = declared.chain(issues).chain(KNOWN_PURPOSES).collect();
    let facts = policy.context.values().filter_map(|signal| signal.purposes.as_ref());
    let given: BTreeSet<&str> = facts.flat_map(|purposes| purposes.iter()).collect();
    let used: BTreeSet<&str> =
        policy.actions.iter().flat_map(|action| &action.uses).map(|purpose| &**purpose).collect();
    let undeclared = |purpose: &str| {
        let hint = hint(purpose, known.iter().copied());
        let otherwise = if hint.is_empty() { "; " } else { " Otherwise " };
        format!("undeclared purpose `{purpose}`{hint}{otherwise}declare it: [purposes.{purpose}]")
    };
    for action in &policy.actions {
        // The purpose of a sensitive fact needs no separate consent.
        if let Some(purpose) = &action.purpose
            && !known.contains(&**purpose)
            && !given.contains(&**purpose)
        {
            remarks.push((&action.place, undeclared(purpose)));
        }
    }
    for (purpose, place) in &noticed.purposes {
        if !known.contains(&**purpose) && !used.contains(&**purpose) {
            remarks.push((place, undeclared(purpose)));
        }
    }
    for signal in policy.context.values() {
        let names = signal.purposes.iter().flat_map(|purposes| purposes.iter());
        for purpose in names.filter(|name| !known.contains(name) && !used.contains(name)) {
            let mut hint = hint(purpose, known.iter().chain(&used).copied());
            if hint.is_empty() {
                hint = "; give an action this `purpose`, or leave it out here".to_owned();
            }
            remarks.push((&signal.place, format!("no action has the purpose `{purpose}`{hint}")));
        }
    }
}

fn languages<'a>(policy: &'a Policy, remarks: &mut Vec<(&'a SourceLocation, String)>) {
    let Some(first) = policy.languages.first() else { return };
    for action in &policy.actions {
        for treatment in &action.treatments {
            let is_missing = |tag: &&str| !treatment.texts.contains_key(*tag);
            let missing = tags(policy).filter(is_missing);
            let it = if missing.clone().count() == 1 { "it" } else { "them" };
            if let Some(tags) = named(missing) {
                remarks.push((
                    &treatment.place,
                    format!(
                        "no text in {tags}: customers who speak {it} get the text in `{first}`"
                    ),
                ));
            }
        }
    }
}

/// Escalations go to queues of which none speaks a language of the policy.
fn speakers<'a>(policy: &'a Policy, remarks: &mut Vec<(&'a SourceLocation, String)>) {
    let steps = policy.rules.iter().flat_map(|rule| &rule.then);
    let of_rules = steps.filter_map(|step| match step {
        RuleStep::Escalate { to, .. } => Some(to),
        _ => None,
    });
    let AutoEscalations { wish, bot, dissatisfaction } = &policy.escalates;
    let automatic = [wish.as_ref(), bot.as_ref().map(|(bot, _)| bot), dissatisfaction.as_ref()];
    let automatic = automatic.into_iter().flatten().map(|opens| &opens.to);
    let mut seen: Vec<&EscalationTarget> = Vec::new();
    for to in of_rules.chain(automatic) {
        if seen.contains(&to) {
            continue;
        }
        seen.push(to);
        let queues = policy.queues.iter().filter(|queue| match to {
            EscalationTarget::Queue(name) => queue.name == *name,
            EscalationTarget::Skill(skill) => queue.skills.contains(skill),
            EscalationTarget::Anybody => true,
        });
        let queues: Vec<&Queue> = queues.collect();
        let is_spoken = |tag: &str| queues.iter().any(|queue| queue.speaks(Some(tag)));
        let Some(first) = queues.first() else { continue };
        let Some(tags) = named(tags(policy).filter(|tag| !is_spoken(tag))) else { continue };
        remarks.push((
            &first.place,
            match to {
                EscalationTarget::Queue(name) => format!(
                    "customers who speak {tags} are escalated to `{name}`, but its `languages` do \
                     not include {tags}; add the language, or escalate to a `skill`"
                ),
                EscalationTarget::Skill(skill) => format!(
                    "customers who speak {tags} are escalated to the skill `{skill}`, but no queue \
                     with this skill has {tags} in its `languages`; add the language there, or the \
                     skill to another queue"
                ),
                EscalationTarget::Anybody => format!(
                    "customers who speak {tags} are escalated, but no queue has {tags} in its \
                     `languages`; add the language to a queue"
                ),
            },
        ));
    }
    for queue in &policy.queues {
        let Some(next) = queue.next.as_ref().and_then(|next| policy.queue(next)) else { continue };
        let is_lost = |tag: &&str| queue.speaks(Some(tag)) && !next.speaks(Some(tag));
        if let Some(tags) = named(tags(policy).filter(is_lost)) {
            let (name, next) = (&queue.name, &next.name);
            remarks.push((
                &queue.place,
                format!(
                    "after a missed deadline, `{name}` hands customers who speak {tags} to `{next}`, \
                     but its `languages` do not include {tags}; add the language, or name another \
                     `next`"
                ),
            ));
        }
    }
}

/// The languages of a policy.
fn tags(policy: &Policy) -> impl Iterator<Item = &str> + Clone {
    policy.languages.iter().map(|tag| &**tag)
}

/// Tags of languages for a sentence; none if there are none.
fn named<'a>(tags: impl Iterator<Item = &'a str>) -> Option<String> {
    let tags: Vec<String> = tags.map(|tag| format!("`{tag}`")).collect();
    (!tags.is_empty()).then(|| tags.join(" and "))
}

/// A decision deferred by quiet hours is made again by a timer, when the event is gone.
fn deferred_decisions<'a>(policy: &'a Policy, remarks: &mut Vec<(&'a SourceLocation, String)>) {
    if policy.contact.quiet.is_none() {
        return;
    }
    // An action for a placement is only taken on request, and never deferred.
    let may_wait = |action: &&ActionDefinition| {
        !action.vital && action.treatments.iter().any(|treatment| treatment.placement.is_none())
    };
    for action in policy.actions.iter().filter(may_wait) {
        let Some(path) = action.of_event().next() else { continue };
        let name = &action.name;
        remarks.push((
            &action.place,
            format!(
                "`{name}` reads {path}, which has no value any more after quiet hours deferred the \
                 action; `set` a fact on the event, and read the fact"
            ),
        ));
    }
}

/// What is dropped because it changes too little is measured again only where chance chooses. And goals are
/// awaited no longer than a customer is kept.
fn uplifts<'a>(policy: &'a Policy, remarks: &mut Vec<(&'a SourceLocation, String)>) {
    let random = policy.explore.as_ref().and_then(|explore| explore.random.as_ref());
    let is_tried = |issue| random.is_some_and(|random| random.issues.contains(&issue));
    let retention = policy.retention.iter();
    let kept =
        retention.flat_map(|rule| [("anonymous", rule.anonymous), ("inactive", rule.inactive)]);
    let kept: Vec<(&str, Duration)> = kept.filter_map(|(name, span)| Some((name, span?))).collect();
    for experiment in policy.experiments.iter().filter(|known| known.least_gain.is_some()) {
        for (name, _) in kept.iter().filter(|(_, span)| *span < experiment.within) {
            remarks.push((
                &experiment.place,
                format!(
                    "the uplift is learned only of customers who return: `{name}` in [retention] is shorter \
                     than `within`; make it longer, or `within` shorter"
                ),
            ));
        }
        let mut concerned = policy.actions.iter().filter(|action| experiment.covers(action));
        if let Some(action) = concerned.find(|action| !is_tried(action.issue)) {
            let issue = action.issue.name();
            remarks.push((
                &experiment.place,
                format!(
                    "`{}`, once it has too little uplift, is never tried again, even if that changes; let \
                     chance try it: `random = {{ share = 0.02, issues = [\"{issue}\"] }}` in [explore]",
                    action.name
                ),
            ));
        }
    }
}

/// An experiment whose actions and issues exclude each other compares nothing, and an action is measured by
/// one experiment only.
fn experiments<'a>(policy: &'a Policy, remarks: &mut Vec<(&'a SourceLocation, String)>) {
    for experiment in policy.experiments.iter() {
        let covered = || policy.actions.iter().filter(|action| experiment.covers(action));
        // An arm's own policy may have other actions.
        let is_own = experiment.arms.iter().all(|arm| arm.policy.is_none());
        let is_narrowed = !(experiment.actions.is_empty() && experiment.issues.is_empty());
        if is_own && is_narrowed && covered().next().is_none() {
            let why = match experiment.actions.is_empty() {
                true => "no action has one of its `issues`",
                false => "none of its `actions` has one of its `issues`",
            };
            remarks.push((
                &experiment.place,
                format!("{why}, so no customer ever enters the experiment; change one of them"),
            ));
        }
        if experiment.least_gain.is_none() {
            continue;
        }
        let before = policy.experiments.iter().take_while(|one| one.name != experiment.name);
        let before: Vec<_> = before.filter(|one| one.least_gain.is_some()).collect();
        let twice = covered().find_map(|action| {
            before.iter().find(|one| one.covers(action)).map(|one| (&action.name, &one.name))
        });
        if let Some((action, first)) = twice {
            remarks.push((
                &experiment.place,
                format!(
                    "the uplift of `{action}` is told by `{first}` alone, which is defined before; name \
                     other `actions` here, or remove `uplift`"
                ),
            ));
        }
    }
}

/// Two names of events that differ by one typo are probably meant to be the same.
fn twins<'a>(policy: &'a Policy, remarks: &mut Vec<(&'a SourceLocation, String)>) {
    /// Shorter names may be similar by chance.
    const LONG: usize = 6;
    let mut counted: Vec<(Trigger, &str, usize, &SourceLocation)> = Vec::new();
    for (trigger, detail, place) in &policy.heard {
        match counted.iter_mut().find(|known| (known.0, known.1) == (*trigger, &**detail)) {
            Some((_, _, times, _)) => *times += 1,
            None => counted.push((*trigger, detail, 1, place)),
        }
    }
    let has_number = |name: &str| name.contains(|c: char| c.is_ascii_digit());
    for (at, (trigger, detail, times, place)) in counted.iter().enumerate() {
        let other = counted.iter().enumerate().find(|(other_at, (other, name, more, _))| {
            trigger == other
                && (more > times || (more == times && *other_at < at))
                && detail.chars().count().min(name.chars().count()) >= LONG
                && !(has_number(detail) && has_number(name))
                && strsim::damerau_levenshtein(detail, name) == 1
        });
        if let Some((_, (_, name, _, elsewhere))) = other {
            remarks.push((
                place,
                format!(
                    "`{}` here, but `{}` in {elsewhere}; is one of them a typo?",
                    trigger.called(detail),
                    trigger.called(name)
                ),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Files, load};

    const HEAD: &str = r#"
[policy]
name = "test"
languages = ["en", "fr"]
"#;

    fn remarks(text: &str) -> String {
        let text = format!("{HEAD}{text}");
        let policy = load(&Files::new([("p.toml", &*text)])).unwrap_or_else(|e| panic!("{e}"));
        let line = |remark: &crate::policy::Mistake| {
            remark.to_string().lines().next().unwrap_or_default().to_owned()
        };
        policy.remarks.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn advice_names_its_line() {
        let reported = remarks(
            r#"
[needs.never]
describe = "never raised"
[needs.idle]
describe = "raised for nothing"
[needs.read]
describe = "raised, and gone by"
[needs.good]
describe = "raised and served"

[[rules]]
name = "raises"
on = "track:Flight Booked"
when = "!event.properties.paid && now > timestamp(event.properties.from)"
then = [
  { raise = "idle", strength = 0.5 },
  { raise = "read", strength = 0.5 },
  { raise = "good", strength = 0.5 },
]
[[rules]]
name = "again"
on = ["track:Flight Booked", "signal:card"]
when = "needs.read > 0.3 && has(facts.seen) && !facts.seen"
then = [{ set = "seen", to = "true" }]
[[rules]]
name = "a slip"
on = "track:Fligth Booked"
when = "event.properties.year > 2026-01-02"
then = [{ set = "seen", to = "consents.markting" }]

[[actions]]
name = "offer"
serves = ["good", "never"]
issue = "sales"
purpose = "markting"
value = 0.5
[[actions.treatments]]
channel = "app"
text.en = "Hello"
"#,
        );
        insta::assert_snapshot!(reported, @r#"
        p.toml:6:1: no rule raises the need `never`, so it never occurs
        p.toml:8:1: no action serves the need `idle`, and nothing else uses it
        p.toml:18:9: `!event.properties.paid` is not true where event.properties.paid has no value; write `!default(event.properties.paid, false)` if it should be true there
        p.toml:31:1: `track:Fligth Booked` here, but `track:Flight Booked` in p.toml:17; is one of them a typo?
        p.toml:32:33: `2026-01-02` without quotes is a subtraction, which gives 2023; write `timestamp("2026-01-02T00:00:00Z")`
        p.toml:35:1: undeclared purpose `markting`; did you mean `marketing`? Otherwise declare it: [purposes.markting]
        p.toml:41:1: no text in `fr`: customers who speak it get the text in `en`
        "#);
    }

    #[test]
    fn uplift_that_cannot_be_learned_gets_advice() {
        let text = r#"
[experiments.worth]
describe = "a voucher makes customers buy"
arms = { nothing = { share = 0.5, does = "nothing" }, usual = 0.5 }
actions = ["voucher"]
goal = "track:Bought"
within = "30d"
uplift = true
[[rules]]
name = "comes"
on = "track:Came"
then = [{ act = "voucher" }]
[[actions]]
name = "voucher"
issue = "sales"
value = 0.5
treatments = [{ channel = "app", text.en = "5 off.", text.fr = "5 de moins." }]
"#;
        let retention = "[retention]\nanonymous = \"7d\"\ninactive = \"60d\"\n";
        insta::assert_snapshot!(remarks(&format!("{text}{retention}")), @r#"
        p.toml:6:1: `voucher`, once it has too little uplift, is never tried again, even if that changes; let chance try it: `random = { share = 0.02, issues = ["sales"] }` in [explore]
        p.toml:6:1: the uplift is learned only of customers who return: `anonymous` in [retention] is shorter than `within`; make it longer, or `within` shorter
        "#);
        let random = "[explore]\nrandom = { share = 0.02, issues = [\"sales\"] }\n";
        assert_eq!(remarks(&format!("{text}{random}")), "");
    }

    #[test]
    fn experiments_on_nothing_and_two_uplifts_of_one_action_get_advice() {
        let experiment = |name: &str, more: &str| {
            format!(
                "[experiments.{name}]\ndescribe = \"x\"\nwithin = \"30d\"\ngoal = \"track:Bought\"\n\
                 arms = {{ nothing = {{ share = 0.5, does = \"nothing\" }}, usual = 0.5 }}\n{more}\n"
            )
        };
        let action = "[[rules]]\nname = \"comes\"\non = \"track:Came\"\nthen = [{ act = \"voucher\" }]\n\
                      [[actions]]\nname = \"voucher\"\nissue = \"sales\"\nvalue = 0.5\n\
                      treatments = [{ channel = \"app\", text.en = \"a\", text.fr = \"b\" }]\n\
                      [explore]\nrandom = { share = 0.02, issues = [\"sales\"] }\n";
        let all = [
            experiment("all", "uplift = true"),
            experiment("again", "uplift = { least_gain = 0.1 }\nactions = [\"voucher\"]"),
            experiment("plain", "actions = \"voucher\""),
            experiment("nothing", "issues = [\"service\"]"),
            experiment("neither", "actions = [\"voucher\"]\nissues = \"service\""),
        ];
        insta::assert_snapshot!(remarks(&format!("{}{action}", all.concat())), @r"
        p.toml:11:1: the uplift of `voucher` is told by `all` alone, which is defined before; name other `actions` here, or remove `uplift`
        p.toml:24:1: no action has one of its `issues`, so no customer ever enters the experiment; change one of them
        p.toml:30:1: none of its `actions` has one of its `issues`, so no customer ever enters the experiment; change one of them
        ");
    }

    #[test]
    fn a_deferrable_text_that_reads_its_event_gets_advice() {
        let action = |name: &str, more: &str, treatment: &str| {
            format!(
                "[[actions]]\nname = \"{name}\"\nissue = \"service\"\nvalue = 0.5\n{more}\n\
                 treatments = [{{ channel = \"app\", text.en = \"a\", text.fr = \"b\", \
                 {treatment} }}]\n"
            )
        };
        let actions = [
            action("plain", "", "tone = \"gentle\""),
            action("timed", "when = \"event.time < now\"", "tone = \"gentle\""),
            action("grave", "vital = true\nwhen = \"event.properties.a > 1\"", "tone = \"gentle\""),
            action("shown", "data.a = \"event.properties.a\"", "placement = \"hero\""),
            action("asks", "when = \"event.properties.a > 1\"", "tone = \"gentle\""),
            action("tells", "data.b = \"event.properties.b\"", "tone = \"gentle\""),
            action("chooses", "", "when = \"event.channel == 'shop'\""),
        ];
        let rules = "[[rules]]\nname = \"r\"\non = \"track:Paid\"\nthen = [\
                     {act = \"plain\"}, {act = \"timed\"}, {act = \"grave\"}, {act = \"asks\"}, \
                     {act = \"tells\"}, {act = \"chooses\"}]\n";
        let text = format!("{rules}{}", actions.concat())
            .replace("name = \"shown\"", "name = \"shown\"\nplacements = [\"hero\"]");
        assert_eq!(remarks(&text), "", "where there are no quiet hours, nothing is held");
        let reported = remarks(&format!("[contact]\nquiet = \"21:00-08:00\"\n{text}"));
        insta::assert_snapshot!(reported, @r"
        p.toml:37:1: `asks` reads event.properties.a, which has no value any more after quiet hours deferred the action; `set` a fact on the event, and read the fact
        p.toml:43:1: `tells` reads event.properties.b, which has no value any more after quiet hours deferred the action; `set` a fact on the event, and read the fact
        p.toml:49:1: `chooses` reads event.channel, which has no value any more after quiet hours deferred the action; `set` a fact on the event, and read the fact
        ");
    }

    #[test]
    fn an_escalation_to_a_queue_without_the_language_gets_advice() {
        let advice = remarks(
            r#"
[queues.care]
skills = ["leaving", "bills"]
languages = ["en"]
next = "supervisors"
[queues.bills]
skills = ["bills"]
languages = ["French"]
next = "care"
[queues.supervisors]
languages = ["fr"]
[queues.technicians]
[escalate]
bot = { skill = "leaving" }
[[rules]]
name = "escalates"
on = "track:Cancelled"
then = [
  { skill = "leaving", topic = "a" },
  { skill = "bills", topic = "b" },
  { escalate = "bills", topic = "c" },
  { escalate = "technicians", topic = "d" },
]
"#,
        );
        insta::assert_snapshot!(advice, @r"
        p.toml:6:1: after a missed deadline, `care` hands customers who speak `en` to `supervisors`, but its `languages` do not include `en`; add the language, or name another `next`
        p.toml:6:1: customers who speak `fr` are escalated to the skill `leaving`, but no queue with this skill has `fr` in its `languages`; add the language there, or the skill to another queue
        p.toml:10:1: after a missed deadline, `bills` hands customers who speak `fr` to `care`, but its `languages` do not include `fr`; add the language, or name another `next`
        p.toml:10:1: customers who speak `en` are escalated to `bills`, but its `languages` do not include `en`; add the language, or escalate to a `skill`
        ");
        let advice = remarks("[queues.care]\nlanguages = [\"fr\"]\n");
        insta::assert_snapshot!(advice, @"p.toml:5:1: customers who speak `en` are escalated, but no queue has `en` in its `languages`; add the language to a queue");
    }

    #[test]
    fn correct_policies_get_no_advice() {
        let reported = remarks(
            r#"
[needs.good]
describe = "raised and served"
[purposes.news]
[context.illness]
sensitivity = "sensitive"
purpose = ["care"]
[[rules]]
name = "raises"
on = ["track:Step 1", "track:Step 2", "consent"]
when = "!default(event.properties.paid, false) && profile.paid != null && !profile.paid"
then = [{ raise = "good", strength = 0.5 }]
[[rules]]
name = "may be contacted"
on = "consent"
when = "!event.granted && facts.day != '2026-01-02' && !(facts.n > 2) && consents.news"
then = [{ set = "day", to = "now" }, { set = "n", to = "2026 - facts.n - 2" }]
[[actions]]
name = "care"
serves = ["good"]
issue = "service"
purpose = "care"
value = 0.5
[[actions.treatments]]
channel = "app"
text.en = "Hello"
text.fr = "Bonjour"
[[actions]]
name = "offer"
serves = ["good"]
issue = "sales"
purpose = "marketing"
value = 0.5
[[actions.treatments]]
channel = "app"
text.en = "Hello"
text.fr = "Bonjour"
"#,
        );
        assert_eq!(reported, "");
    }
}
