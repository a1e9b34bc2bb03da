//! Simulated people with hidden tastes, changing moods, and needs.

use jumeau::models::{normal, seed, uniform};

/// The products that can be recommended, besides the one that is sold.
pub(crate) const GENRES: [&str; 6] = ["comedy", "drama", "nature", "science", "sport", "thriller"];
/// The product that is sold.
pub(crate) const PLAN: &str = "family_plan";
/// The tones.
pub(crate) const TONES: [&str; 2] = ["warm", "brief"];
/// The groups; each person belongs to one, which channels can tell.
pub(crate) const GROUPS: [&str; 4] = ["young", "parents", "older", "retired"];

/// The log-odds that a person without a particular taste accepts a recommendation.
const USUAL: f64 = -1.8;
/// The spread of tastes between groups, and between the persons of a group.
const OF_GROUP: f64 = 0.8;
const OF_PERSON: f64 = 1.0;
/// The effect of the tone on a person.
const OF_TONE: f64 = 0.6;
/// The effect of the worst or the best mood.
const OF_MOOD: f64 = 1.2;
/// The effect of the time of day: tastes differ between day and evening.
const OF_HOUR: f64 = 0.4;
/// The effect on the sold product for those who do not need it, and for those who do.
const UNNEEDED: f64 = -4.0;
const NEEDED: f64 = 0.2;
/// The share of a mood that remains on the next day.
const MOOD_LASTS: f64 = 0.8;
/// How often a need arises, and how many days it lasts.
const NEED_COMES: f64 = 0.03;
const NEED_LASTS: u32 = 4;

/// Something that can be shown: one of the genres or the plan, and a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// A position in [`GENRES`], or the plan after them.
    pub(crate) what: usize,
    /// A position in [`TONES`].
    pub(crate) tone: usize,
}

impl Choice {
    /// All choices.
    pub(crate) fn all() -> impl Iterator<Item = Choice> + Clone {
        (0..=GENRES.len()).flat_map(|what| (0..TONES.len()).map(move |tone| Choice { what, tone }))
    }

    /// The choice of an action and its treatment.
    pub(crate) fn of(action: &str, treatment: &str) -> Option<Choice> {
        let all = GENRES.into_iter().chain([PLAN]);
        let what = all.into_iter().position(|name| name == action)?;
        Some(Choice { what, tone: TONES.iter().position(|name| *name == treatment)? })
    }

    /// Its position among all choices.
    pub(crate) fn position(self) -> usize {
        self.what * TONES.len() + self.tone
    }

    fn is_sold(self) -> bool {
        self.what == GENRES.len()
    }
}

/// One person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    number: u64,
    seed: u64,
    /// A position in [`GROUPS`].
    pub(crate) group: usize,
    tastes: [f64; GENRES.len()],
    /// Above 0 prefers warm, below 0 brief.
    tone: f64,
    by_day: [f64; GENRES.len()],
    /// −1 to 1.
    pub(crate) mood: f64,
    /// Days for which more screens are still needed.
    needs: u32,
}

/// The state of a person on a visit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    /// Seconds since midnight.
    pub(crate) second: u32,
    /// Whether they say how they feel.
    pub(crate) speaks: bool,
    /// Whether they have just run out of screens.
    pub(crate) runs_out: bool,
}

impl Person {
    /// The person of a number, in a world with a seed.
    pub(crate) fn new(number: u64, world: u64) -> Person {
        let own = |what: u64| normal(seed(&[world, number, what]));
        let group = (uniform(seed(&[world, number, 0])) * GROUPS.len() as f64) as usize;
        let group = group.min(GROUPS.len() - 1);
        let of_group = |genre: u64| normal(seed(&[world, 1 << 40, group as u64, genre]));
        let by_day = |genre: u64| normal(seed(&[world, 2 << 40, genre]));
        let each = |of: &dyn Fn(u64) -> f64| std::array::from_fn(|genre| of(genre as u64));
        Person {
            number,
            seed: world,
            group,
            tastes: each(&|genre| OF_GROUP * of_group(genre) + OF_PERSON * own(10 + genre)),
            tone: OF_TONE * own(1),
            by_day: each(&|genre| OF_HOUR * by_day(genre)),
            mood: 0.0,
            needs: 0,
        }
    }

    fn chance(&self, day: u32, what: u64) -> f64 {
        uniform(seed(&[self.seed, self.number, 3 << 40, day.into(), what]))
    }

    /// Begins a day: moods change, needs arise and end.
    pub(crate) fn wake(&mut self, day: u32) -> Visit {
        let swing = normal(seed(&[self.seed, self.number, 4 << 40, day.into()]));
        let rest = (1.0 - MOOD_LASTS * MOOD_LASTS).sqrt() * 0.5;
        self.mood = (MOOD_LASTS * self.mood + rest * swing).clamp(-1.0, 1.0);
        self.needs = self.needs.saturating_sub(1);
        let runs_out = self.needs == 0 && self.chance(day, 0) < NEED_COMES;
        if runs_out {
            self.needs = NEED_LASTS;
        }
        Visit {
            // From eight in the morning to midnight.
            second: (28_800.0 + self.chance(day, 1) * 57_000.0) as u32,
            speaks: self.mood.abs() > 0.4 && self.chance(day, 2) < 0.5,
            runs_out,
        }
    }

    /// The true propensity of this person for a choice at this time, which no model knows.
    pub(crate) fn propensity(&self, choice: Choice, visit: &Visit) -> f64 {
        let likes = match (self.tastes.get(choice.what), self.by_day.get(choice.what)) {
            (Some(taste), Some(by_day)) => {
                let is_evening = visit.second >= 18 * 3_600;
                taste + if is_evening { -by_day } else { *by_day }
            }
            _ if self.needs > 0 => NEEDED - USUAL,
            _ => UNNEEDED - USUAL,
        };
        // On a bad day nobody accepts a sale.
        let mood = if choice.is_sold() && self.mood < -0.3 { -3.0 } else { OF_MOOD * self.mood };
        let tone = if choice.tone == 0 { self.tone } else { -self.tone };
        1.0 / (1.0 + (-(USUAL + likes + mood + tone)).exp())
    }

    /// The answer of this person: whether they accept.
    pub(crate) fn answers(&mut self, choice: Choice, visit: &Visit, day: u32) -> bool {
        let takes = self.chance(day, 3) < self.propensity(choice, visit);
        if takes && choice.is_sold() {
            self.needs = 0;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Visit = Visit { second: 43_200, speaks: false, runs_out: false };

    #[test]
    fn the_same_seed_gives_the_same_behaviour_of_a_person() {
        let life = || {
            let mut person = Person::new(7, 1);
            let lived = (0..50).map(|day| {
                let visit = person.wake(day);
                let all = Choice::all().map(|choice| person.propensity(choice, &visit));
                (visit.second, visit.runs_out, all.collect::<Vec<_>>())
            });
            lived.collect::<Vec<_>>()
        };
        assert_eq!(life(), life());
    }

    #[test]
    fn people_and_groups_differ_in_their_behaviour() {
        let liked = |number: u64| {
            let person = Person::new(number, 1);
            let best = Choice::all().max_by(|one, other| {
                person.propensity(*one, &NOON).total_cmp(&person.propensity(*other, &NOON))
            });
            (person.group, best.unwrap().what)
        };
        let mut all: Vec<_> = (0..200).map(liked).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > GROUPS.len() * 3, "{all:?}");
    }

    #[test]
    fn simulated_people_buy_in_need_and_never_on_a_bad_day() {
        let plan = Choice { what: GENRES.len(), tone: 0 };
        let at = |mood: f64, needs: u32| {
            Person { mood, needs, tone: 0.0, ..Person::new(1, 1) }.propensity(plan, &NOON)
        };
        assert!(at(-0.5, 3) < 0.1 && at(0.0, 0) < 0.1 && at(0.5, 3) > 0.5);
        assert_eq!(Choice::of(PLAN, "warm"), Some(plan));
        assert_eq!(plan.position(), Choice::all().count() - 2);
    }
}
