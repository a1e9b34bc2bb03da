//! The audience of a broadcast: a condition received over the bus, not from the policy.

use super::{CompileError, Expression, Path, Root, Scope, Truth};
use crate::event::Value;

/// A condition on a customer that does not depend on the current event.
#[derive(Debug)]
pub struct Audience(Expression);

/// The roots that a condition may read.
const ROOTS: [Root; 7] = [
    Root::Profile,
    Root::Context,
    Root::Facts,
    Root::Preferences,
    Root::Consents,
    Root::Cases,
    Root::Now,
];

impl Audience {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The first mistake, as for any expression; also if it reads something that is not always available,
    /// such as the current event, or nests list macros too deeply.
    pub fn compile(source: &str) -> Result<Audience, CompileError> {
        let expression = Expression::compile(source)?.received_from_bus()?;
        for path in expression.paths() {
            if !ROOTS.contains(&path.root) {
                let offset = source.find(&path.to_string()).unwrap_or_default();
                let roots = ROOTS.map(Root::name).join(", ");
                let message = format!(
                    "`{path}` cannot be used in the `where` of a broadcast; use one of {roots}"
                );
                return Err(CompileError::new(offset, message));
            }
        }
        Ok(Audience(expression))
    }

    /// The source of the condition.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// The paths that it reads, each once.
    pub fn paths(&self) -> &[Path] {
        self.0.paths()
    }

    /// Evaluates the condition.
    pub fn test(&self, scope: &dyn Scope) -> Truth {
        self.0.test(scope)
    }

    /// Simple necessary conditions: each says that a path has one of these values. They come from `path
    /// == value` or `path in [value, …]` joined by `&&`, so an index on any one of the paths finds every
    /// matching customer, and possibly some others.
    pub fn lookups(&self) -> Vec<(&Path, Vec<Value>)> {
        self.0.lookups()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookups(source: &str) -> String {
        let condition = Audience::compile(source).unwrap();
        let lookups = condition.lookups().into_iter().map(|(path, values)| {
            let values: Vec<String> = values.iter().map(Value::to_string).collect();
            format!("{path}: {}", values.join(" "))
        });
        lookups.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn an_index_uses_the_top_level_terms_of_a_condition() {
        for (source, expected) in [
            ("profile.region == 'NSW'", "profile.region: NSW"),
            ("'NSW' == profile.region", "profile.region: NSW"),
            ("profile.region in ['NSW', 'VIC'] && profile.age > 3", "profile.region: NSW VIC"),
            (
                "profile.region == 'NSW' && (facts.tier in [1, 2.5] && context.x == true)",
                "profile.region: NSW; facts.tier: 1 2.5; context.x: true",
            ),
            ("profile.region == 'NSW' || profile.age > 3", ""),
            ("!(profile.region == 'NSW')", ""),
            ("profile.region != 'NSW'", ""),
            ("profile.region == null", ""),
            ("profile.region in ['NSW', null]", ""),
            ("profile.region == profile.city", ""),
            ("'a' in profile.tags", ""),
            ("now > timestamp('2026-03-02T09:00:00Z')", ""),
        ] {
            assert_eq!(lookups(source), expected, "{source}");
        }
    }

    #[test]
    fn a_condition_reads_only_state_that_every_twin_has() {
        let mistake = |source| {
            let error = Audience::compile(source).unwrap_err();
            (error.offset, error.message)
        };
        let (offset, message) = mistake("profile.region == 'NSW' && event.type == 'track'");
        assert_eq!(offset, 27);
        assert!(message.starts_with("`event.type` cannot be used"), "{message}");
        assert!(mistake("shared.fires == 1").1.contains("`shared.fires`"));
        assert_eq!(
            mistake("profle.region == 1").1,
            "unknown name `profle`; did you mean `profile`?"
        );
    }
}
