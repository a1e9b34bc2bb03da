//! The language in which customers are spoken to, however it is written.

use serde_json::{Value, json};

use super::life::{Life, action, policy_of};

const POLICY: &str = r#"
[policy]
name = "languages"
languages = ["en", "fr", "pt-BR"]

[[rules]]
name = "news"
on = "track:News"
then = [{ act = "tell" }]

[[actions]]
name = "tell"
issue = "service"
value = 0.9
cooldown = "0s"
treatments = [{ channel = "app", text = { en = "news", fr = "nouvelles", pt-BR = "novas" } }]
"#;

/// The language of what a customer with these traits is told.
fn told(policy: &str, traits: &Value) -> String {
    let mut life = Life::of("ada", policy_of(policy));
    life.event("core", "identify", json!({ "traits": traits }));
    spoken(&mut life)
}

fn spoken(life: &mut Life) -> String {
    let reaction = life.did("News");
    action(&reaction).expect("it is told in any language").language.to_string()
}

#[test]
fn a_language_tag_is_recognised_in_any_capitals_and_form() {
    let codes = ["fra", "FRE", "fra-BE", "French", "french_BE"];
    let tags = ["fr", "FR", "Fr", " fr ", "fr-BE", "Fr-fr", "FR-BE", "fr_BE", "fr_BE.UTF-8"];
    for tag in tags.into_iter().chain(codes) {
        for name in ["language", "locale"] {
            assert_eq!(told(POLICY, &json!({ name: tag })), "fr", "{name} {tag:?}");
        }
        let mut life = Life::of("ada", policy_of(POLICY));
        life.event("web", "preference", json!({ "key": "language", "value": tag }));
        assert_eq!(spoken(&mut life), "fr", "preferred {tag:?}");
        let mut life = Life::of("ada", policy_of(POLICY));
        let message = json!({ "from": "customer", "text": "Non.", "language": tag });
        life.event("chat", "message", message);
        assert_eq!(spoken(&mut life), "fr", "written {tag:?}");
    }
    for tag in ["pt-BR", "pt_br", "PT-br"] {
        assert_eq!(told(POLICY, &json!({ "language": tag })), "pt-BR", "{tag}");
    }
}

#[test]
fn the_first_language_with_a_text_is_used() {
    assert_eq!(told(POLICY, &json!({ "language": ["FR", "en"] })), "fr");
    assert_eq!(told(POLICY, &json!({ "language": ["nl", "fr", "en"] })), "fr");
    assert_eq!(told(POLICY, &json!({ "language": [], "locale": "fr" })), "fr");
    let mut life = Life::of("ada", policy_of(POLICY));
    let wanted = json!({ "key": "language", "value": ["nl", "pt_BR"] });
    life.event("web", "preference", wanted);
    assert_eq!(spoken(&mut life), "pt-BR");
}

#[test]
fn a_policy_may_write_its_languages_in_any_capitals() {
    let loud = POLICY.replace(r#""en", "fr""#, r#""EN", "FR""#);
    let mixed = POLICY.replace("fr = ", "FR = ").replace("pt-BR = ", "PT_br = ");
    let long = POLICY.replace(r#""en", "fr""#, r#""English", "fra""#).replace("fr = ", "French = ");
    for policy in [loud.as_str(), &loud.replace("{ en = ", "{ EN = "), &mixed, &long] {
        for (tag, spoken) in [("fr", "fr"), ("FR", "fr"), ("en", "en"), ("pt-BR", "pt-BR")] {
            assert_eq!(told(policy, &json!({ "language": tag })), spoken, "{tag} of {policy}");
        }
    }
}

#[test]
fn an_unsupported_language_does_not_hide_another_of_the_customer() {
    for other in [json!("nl"), json!(""), json!("  "), json!("français"), json!(null), json!(7)] {
        let traits = json!({ "language": other, "locale": "fr_BE" });
        assert_eq!(told(POLICY, &traits), "fr", "{other}");
        let mut life = Life::of("ada", policy_of(POLICY));
        life.event("core", "identify", json!({ "traits": { "language": "fr" } }));
        if !other.is_null() {
            life.event("web", "preference", json!({ "key": "language", "value": other }));
        }
        assert_eq!(spoken(&mut life), "fr", "preferred {other}");
    }
    // A message is read in one of the policy's languages; that is weak evidence about a customer
    // who declared another language.
    let mut life = Life::of("ada", policy_of(POLICY));
    life.event("core", "identify", json!({ "traits": { "language": "nl" } }));
    let message = json!({ "from": "customer", "text": "Bonjour !", "language": "fr" });
    life.event("chat", "message", message);
    assert_eq!(spoken(&mut life), "en");
}
