//! The customers whom a message concerns besides the customer of its subject; used to find all data about
//! a customer. The messages may be of any version, and damaged.

use serde_json::Value as Json;

use super::{Customer, EventType, Header, envelope, json, owner_hash};

/// The customers mentioned by a message besides its addressee: forwarding identifiers, owners of the
/// carried memory, and the target of a `link` or `unlink`. Parsed like an event that is processed, so the
/// same customers are found; malformed events are read as far as possible.
pub fn named_in(headers: &[Header<'_>], payload: &[u8]) -> Vec<Customer> {
    read(headers, payload, named).unwrap_or_default()
}

/// Whether a message tells the former owner of an identifier that it is this customer's now; it contains
/// only a hash, which anybody who knows the name can compute.
pub fn is_left_to(customer: &Customer, headers: &[Header<'_>], payload: &[u8]) -> bool {
    let is_theirs = |kind: &str, data: &Json| {
        let leaves = kind.parse::<EventType>().is_err() && data["sense"] == "leaves";
        leaves && data["memory"].as_u64() == Some(owner_hash(customer.as_str()))
    };
    read(headers, payload, is_theirs).unwrap_or(false)
}

/// Parses the type and data of a message.
fn read<T>(
    headers: &[Header<'_>],
    payload: &[u8],
    judge: impl FnOnce(&str, &Json) -> T,
) -> Option<T> {
    let text = json::text(payload).ok()?;
    let opened = envelope::open("", headers, &text, 0);
    if let Ok(envelope::Opened { kind, data: Some(data), .. }) = &opened
        && let Ok(data) = serde_json::from_str(data)
    {
        return Some(judge(kind, &data));
    }
    let whole = serde_json::from_str::<Json>(&text).ok()?;
    Some(judge(whole["type"].as_str().unwrap_or_default(), &whole["data"]))
}

fn named(kind: &str, data: &Json) -> Vec<Customer> {
    let texts: Vec<&Json> = match kind.parse() {
        Ok(EventType::Link) => vec![&data["to"]],
        Ok(EventType::Unlink) => vec![&data["from"]],
        Ok(_) => return Vec::new(),
        Err(_) => {
            let own = list(&data["via"]).chain([&data["from"], &data["data"]["to"]]);
            let memory = list(&data["memory"]["identifiers"]);
            let memory = memory.flat_map(|known| [&known["customer"], &known["through"]]);
            return customers(own.chain([&data["data"]["from"]]).chain(memory));
        }
    };
    customers(texts.into_iter())
}

fn list(found: &Json) -> impl Iterator<Item = &Json> {
    found.as_array().into_iter().flatten()
}

fn customers<'a>(found: impl Iterator<Item = &'a Json>) -> Vec<Customer> {
    let mut customers: Vec<Customer> =
        found.filter_map(|text| Customer::new(text.as_str()?).ok()).collect();
    customers.sort_unstable();
    customers.dedup();
    customers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kind: Option<&str>, payload: &str) -> String {
        let headers: Vec<Header<'_>> = kind.map(|kind| ("Ce-Type", kind)).into_iter().collect();
        let named = named_in(&headers, payload.as_bytes());
        named.iter().map(Customer::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_message_that_takes_an_identifier_away_names_its_new_owner() {
        let ann = Customer::new("ann").unwrap();
        let left = |sense: &str, memory: u64| {
            let message = format!(
                r#"{{"type":"jumeau.pass","data":{{"sense":"{sense}","memory":{memory},"via":[]}}}}"#
            );
            is_left_to(&ann, &[], message.as_bytes())
        };
        assert!(left("leaves", owner_hash("ann")));
        assert!(!left("leaves", owner_hash("bob")));
        assert!(!left("joins", owner_hash("ann")));
    }

    #[test]
    fn a_message_names_its_forwarder_and_its_remembered_customers() {
        let forwarded = r#"{"type":"jumeau.pass","subject":"ann","data":{"via":["bob","tab"],
            "kind":"link","data":{"to":"ann"},
            "memory":{"traits":{"friend":"eve"},
                      "identifiers":[{"customer":"carl","through":"dora"}]}}}"#;
        assert_eq!(named(None, forwarded), "ann bob carl dora tab");
        assert_eq!(named(None, r#"{"type":"link","data":{"to":"bob"}}"#), "bob");
        assert_eq!(named(Some("unlink"), r#"{"from":"bob"}"#), "bob");
    }

    #[test]
    fn names_in_an_accepted_event_are_found_in_any_spelling() {
        // {"to":"bob"}
        let base64 = r#"{"type":"link","data_base64":"eyJ0byI6ImJvYiJ9"}"#;
        assert_eq!(named(None, base64), "bob");
        assert_eq!(named(Some("\"%6Cink\""), r#"{"to":"bob"}"#), "bob");
        assert_eq!(
            named(None, r#"{"type":"link","data":{"to":"b\ud83d","n":1e300}}"#),
            "b\u{FFFD}"
        );
        let content = [("Content-Type", "application/cloudevents+json"), ("ce-type", "track")];
        let link = r#"{"type":"link","data":{"to":"bob"}}"#;
        assert_eq!(named_in(&content, link.as_bytes()).len(), 1);
        // Its time is invalid, so it was rejected; it names a customer all the same.
        assert_eq!(named(None, r#"{"type":"link","time":"x","data":{"to":"bob"}}"#), "bob");
    }

    #[test]
    fn identifiers_in_other_fields_are_not_names() {
        assert_eq!(named(None, r#"{"type":"track","data":{"name":"x","to":"bob"}}"#), "");
        assert_eq!(named(None, r#"{"type":"message","data":{"from":"customer"}}"#), "");
        assert_eq!(named(None, "no json"), "");
        assert_eq!(named(None, r#"{"type":"link","data":{"to":7}}"#), "");
    }
}
