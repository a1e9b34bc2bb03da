//! Reads `[broadcasts]`: the scopes that the policy expects, and the paths to index.

use super::read::{TomlItem, TomlTable};
use super::reader::PolicyReader;
use super::{Audience, Path, Root};
use crate::config::limits;

/// Reads `index`, the paths by which customers are to be found fast; `scopes` was read before.
pub(super) fn read(table: &TomlTable<'_>, reader: &PolicyReader, indexed: &mut Vec<Path>) {
    let Some(table) = table.get("broadcasts").and_then(TomlItem::table) else { return };
    for scope in table.get("scopes").and_then(TomlItem::list).unwrap_or_default() {
        if scope.text().is_some_and(str::is_empty) {
            scope.wrong("expected the scope of a broadcast, found an empty one");
        }
    }
    for item in table.get("index").and_then(TomlItem::list).unwrap_or_default() {
        if let Some(path) = path(item, reader) {
            if indexed.contains(&path) {
                item.wrong(format!("`{path}` is listed twice"));
            } else if indexed.len() == limits::INDEXED_PATHS {
                let most = limits::INDEXED_PATHS;
                item.wrong(format!("expected at most {most} paths in the index, found more"));
            } else {
                indexed.push(path);
            }
        }
    }
    table.finish();
}

/// A trait or a fact: only these change exclusively by an input.
fn path(item: TomlItem<'_>, reader: &PolicyReader) -> Option<Path> {
    let text = item.text()?;
    let wrong = |message: String| {
        item.wrong(message);
        None
    };
    let condition = match Audience::compile(text) {
        Ok(condition) => condition,
        Err(error) => return wrong(error.message),
    };
    let is_steady = |path: &Path| matches!(path.root, Root::Profile | Root::Facts);
    match condition.paths() {
        [path] if path.to_string() == text && path.names.len() == 1 && is_steady(path) => {
            match reader.names.check(path, &[]) {
                Ok(()) => Some(path.clone()),
                Err(message) => wrong(message),
            }
        }
        _ => wrong(format!("expected a trait or a fact, such as `profile.region`, found `{text}`")),
    }
}

/// The scopes that a policy declares, without errors: those are reported when the section is read.
pub(super) fn gather(table: &TomlTable<'_>) -> Vec<String> {
    let table = table.get("broadcasts").and_then(TomlItem::as_table);
    let scopes = table.and_then(|table| table.get("scopes")).map_or(Vec::new(), TomlItem::as_list);
    scopes.into_iter().filter_map(TomlItem::as_text).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use crate::policy::{Files, Mistakes, Policy, load};

    fn policy(of_broadcasts: &str) -> Result<Policy, Mistakes> {
        let policy = format!(
            r#"
[policy]
name = "p"
languages = ["en"]
{of_broadcasts}
[[rules]]
name = "fires"
on = "broadcast:fires"
when = "shared.fire.level > 3 && has(shared.floods) && event.name == 'x'"
then = [{{ set = "told", to = "shared.fires.level" }}]

[[rules]]
name = "any"
on = "broadcast"
then = [{{ set = "told", to = "1" }}]
"#
        );
        load(&Files::new([("p.toml", policy.as_str())]))
    }

    #[test]
    fn mistakes_in_broadcasts_are_reported_with_the_nearest_name() {
        let mistakes = policy(
            r#"
[broadcasts]
scopes = ["fires", "floods", ""]
index = ["profile.region", "profile.region", "context.place", "profile.a.b", "profil.x", "now", "facts.tld"]
more = 1
"#,
        );
        insta::assert_snapshot!(mistakes.unwrap_err(), @r#"
        p.toml:7:30: expected the scope of a broadcast, found an empty one
         7 | scopes = ["fires", "floods", ""]
           |                              ^

        p.toml:8:29: `profile.region` is listed twice
         8 | index = ["profile.region", "profile.region", "context.place", "profile.a.b", "profil.x", "now", "facts.tld"]
           |                             ^^^^^^^^^^^^^^

        p.toml:8:47: expected a trait or a fact, such as `profile.region`, found `context.place`
         8 | index = ["profile.region", "profile.region", "context.place", "profile.a.b", "profil.x", "now", "facts.tld"]
           |                                               ^^^^^^^^^^^^^

        p.toml:8:64: expected a trait or a fact, such as `profile.region`, found `profile.a.b`
         8 | index = ["profile.region", "profile.region", "context.place", "profile.a.b", "profil.x", "now", "facts.tld"]
           |                                                                ^^^^^^^^^^^

        p.toml:8:79: unknown name `profil`; did you mean `profile`?
         8 | index = ["profile.region", "profile.region", "context.place", "profile.a.b", "profil.x", "now", "facts.tld"]
           |                                                                               ^^^^^^^^

        p.toml:8:91: expected a trait or a fact, such as `profile.region`, found `now`
         8 | index = ["profile.region", "profile.region", "context.place", "profile.a.b", "profil.x", "now", "facts.tld"]
           |                                                                                           ^^^

        p.toml:8:98: no rule sets a fact `tld`; did you mean `told`?
         8 | index = ["profile.region", "profile.region", "context.place", "profile.a.b", "profil.x", "now", "facts.tld"]
           |                                                                                                  ^^^^^^^^^

        p.toml:9:1: unknown key `more`; expected one of scopes, index
         9 | more = 1
           | ^^^^

        p.toml:14:9: unknown scope `fire`; did you mean `fires`?
         14 | when = "shared.fire.level > 3 && has(shared.floods) && event.name == 'x'"
            |         ^^^^^^^^^^^^^^^^^

        p.toml:14:56: unknown field of the event `name`; expected one of channel, detail, time, type
         14 | when = "shared.fire.level > 3 && has(shared.floods) && event.name == 'x'"
            |                                                        ^^^^^^^^^^

        p.toml:19:7: expected the scope of a broadcast after `broadcast:`, found none
         19 | on = "broadcast"
            |       ^^^^^^^^^
        "#);
    }

    #[test]
    fn a_policy_without_scopes_accepts_any_scope() {
        let mistakes = policy("").unwrap_err().to_string();
        assert!(!mistakes.contains("unknown scope"), "{mistakes}");
    }

    #[test]
    fn a_policy_lists_its_indexed_paths() {
        let policy = load(&Files::new([(
            "p.toml",
            "[policy]\nname = \"p\"\nlanguages = [\"en\"]\n\
             [broadcasts]\nindex = [\"profile.region\", \"facts.told\"]\n\
             [[rules]]\nname = \"r\"\non = \"page\"\nthen = [{ set = \"told\", to = \"1\" }]\n",
        )]))
        .unwrap();
        let paths: Vec<String> = policy.indexed.iter().map(ToString::to_string).collect();
        assert_eq!(paths, ["profile.region", "facts.told"]);
    }
}
