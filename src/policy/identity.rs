//! Reads `[identity]`: placeholder identifiers, and the traits that make a customer known.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::SourceLocation;
use super::read::{TomlItem, TomlTable};
use super::weights::once;
use crate::event::{Event, EventKind, Map, Reason, Rejection, cut};

/// The placeholders that programs send when they know no customer, in lower case. As identifiers they
/// would make one customer of many.
const PLACEHOLDERS: &[&str] = &[
    "",
    "-",
    "-1",
    "0",
    // Of Android: the address of devices without one of their own, and one id that many share.
    "02:00:00:00:00:00",
    "9774d56d682e549c",
    "(none)",
    "(not set)",
    "(null)",
    "[object null]",
    "[object object]",
    "[object undefined]",
    "<nil>",
    "<none>",
    "<null>",
    "anon",
    "anonymous",
    "anonymous user",
    "anonymous-user",
    "anonymous_user",
    "anonymoususer",
    "customer_id",
    "customerid",
    "default",
    "distinct_id",
    "distinctid",
    "email",
    "empty",
    "false",
    "guest",
    "guest user",
    "guest-user",
    "guest_user",
    "id",
    "inf",
    "infinity",
    "invalid",
    "n/a",
    "na",
    "nan",
    "nil",
    "no-user",
    "no_user",
    "none",
    "not set",
    "not-set",
    "not_authenticated",
    "not_set",
    "null",
    "nulluuid",
    "true",
    "unauthenticated",
    "undef",
    "undefined",
    "unidentified",
    "unknown",
    "unknown user",
    "unknown-user",
    "unknown_user",
    "unset",
    "user_id",
    "userid",
    "void",
    "{}",
    "[]",
];

/// Names of traits that identify a person, normalised: see [`bare`]. What a visitor may tell before that,
/// such as a city or a language, does not make the customer known.
const TELLING: &[&str] = &[
    "account",
    "accountid",
    "accountnumber",
    "birthdate",
    "birthday",
    "cardnumber",
    "contract",
    "contractid",
    "contractnumber",
    "customerid",
    "customernumber",
    "dateofbirth",
    "displayname",
    "dob",
    "email",
    "emailaddress",
    "familyname",
    "firstname",
    "fullname",
    "givenname",
    "iban",
    "lastname",
    "login",
    "loyaltynumber",
    "mail",
    "memberid",
    "membernumber",
    "mobile",
    "mobilenumber",
    "mobilephone",
    "msisdn",
    "name",
    "nationalid",
    "passport",
    "passportnumber",
    "phone",
    "phonenumber",
    "policynumber",
    "ssn",
    "street",
    "surname",
    "taxid",
    "telephone",
    "userid",
    "username",
];

/// Placeholder identifiers, and the traits that make a customer known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRule {
    placeholders: BTreeSet<Box<str>>,
    /// The length of the longest of them, in bytes.
    longest: usize,
    /// Identifiers that look like placeholders, and are customers here.
    customers: BTreeSet<Box<str>>,
    /// Traits that make a customer known; none: those of [`TELLING`].
    known_by: Option<Box<[Box<str>]>>,
}

impl Default for IdentityRule {
    fn default() -> IdentityRule {
        let placeholders = PLACEHOLDERS.iter().map(|text| (*text).into()).collect();
        IdentityRule::new(placeholders, BTreeSet::new(), None)
    }
}

impl IdentityRule {
    fn new(
        placeholders: BTreeSet<Box<str>>,
        customers: BTreeSet<Box<str>>,
        known_by: Option<Box<[Box<str>]>>,
    ) -> IdentityRule {
        let longest = placeholders.iter().map(|text| text.len()).max().unwrap_or(0);
        IdentityRule { placeholders, longest, customers, known_by }
    }

    /// Whether a text is a placeholder that programs send without a customer: in any case, quoted or not,
    /// padded, all zeros in any grouping, or an unfilled template placeholder.
    pub fn is_placeholder(&self, text: &str) -> bool {
        let plain = plain(text);
        let is_listed = plain.len() <= self.longest && self.placeholders.contains(&*plain);
        is_listed || (is_hole(&plain) && !self.customers.contains(&*plain))
    }

    /// Whether one of these traits makes the customer known.
    pub fn is_known_by(&self, traits: &Map) -> bool {
        match &self.known_by {
            None => traits.iter().any(|(name, _)| TELLING.contains(&&*bare(name))),
            Some(names) => names.iter().any(|name| traits.get(name).is_some()),
        }
    }

    /// # Errors
    /// [`Reason::BadCustomer`] for a channel's event whose customer or link target is a placeholder.
    pub fn check(&self, event: &Event) -> Result<(), Rejection> {
        // A forwarded event was checked where it entered, and must not be lost.
        if event.forwarding.is_some() {
            return Ok(());
        }
        let refused = |found: &str| {
            Rejection::new(
                Reason::BadCustomer,
                format!(
                    "expected the identifier of one customer, found `{}`, a placeholder that \
                     programs send when they know no customer; use an identifier of the device, or \
                     list it in the policy's `[identity]` under `customers` if it is a real \
                     customer",
                    cut(found, 64).escape_debug()
                ),
            )
        };
        if self.is_placeholder(event.customer.as_str()) {
            return Err(refused(event.customer.as_str()));
        }
        match &event.kind {
            EventKind::Link(link) if self.is_placeholder(&link.to) => Err(refused(&link.to)),
            _ => Ok(()),
        }
    }
}

/// The name of a trait in lower case and without the characters between its words.
fn bare(name: &str) -> String {
    let letters = name.chars().filter(|one| one.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// A text without the characters that make no difference here.
fn plain(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let text = text.trim_matches(['"', '\'', '`']).trim();
    let is_zero = |byte: u8| matches!(byte, b'0' | b'-' | b'{' | b'}' | b'.' | b':');
    if text.contains('0') && text.bytes().all(is_zero) {
        return "0".into();
    }
    if text.chars().any(char::is_uppercase) { text.to_lowercase().into() } else { text.into() }
}

/// The openings of placeholders in template languages, anywhere in the text, and the text of an object
/// that a program converts by mistake.
const OPENINGS: [&str; 9] = ["{{", "${", "#{", "{%", "{!", "<%", "[[", "*|", "[object "];

/// The delimiters of a placeholder that is the whole text.
const AROUND: [(&str, &str); 6] =
    [("{", "}"), ("<", ">"), ("%%", "%%"), ("%", "%"), ("$", ""), (":", "")];

/// Whether a text, in lower case, is or contains an unfilled template placeholder.
fn is_hole(text: &str) -> bool {
    let Some(first) = text.bytes().find(|byte| b"{$#<[*%:".contains(byte)) else { return false };
    if first == b'%' {
        // A program that puts a template into a URL escapes it, and some escape twice.
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
        if *decoded != *text {
            return is_hole(&decoded);
        }
    }
    let is_name = |text: &str| {
        text.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && text.chars().all(|one| one.is_alphanumeric() || "_-. ".contains(one))
    };
    // Some write an identifier of 32 hexadecimal digits in braces; it is a real customer.
    let is_number = |text: &str| text.bytes().all(|one| one.is_ascii_hexdigit() || one == b'-');
    OPENINGS.iter().any(|mark| text.contains(mark))
        || AROUND.iter().any(|(before, behind)| {
            let within = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
            within.is_some_and(|name| is_name(name) && !(*before == "{" && is_number(name)))
        })
}

pub(super) fn read(table: &TomlTable<'_>, known: &mut Option<(SourceLocation, IdentityRule)>) {
    let Some((item, table)) = once(table, "identity", known.as_ref().map(|(place, _)| place))
    else {
        return;
    };
    let texts = |key| -> Option<Vec<(TomlItem<'_>, &str)>> {
        let list = table.get(key)?.list()?;
        Some(list.into_iter().filter_map(|item| Some((item, item.text()?))).collect())
    };
    let mut placeholders = IdentityRule::default().placeholders;
    for (_, text) in texts("placeholders").unwrap_or_default() {
        placeholders.insert(plain(text).into());
    }
    let mut customers = BTreeSet::new();
    for (item, text) in texts("customers").unwrap_or_default() {
        let plain = plain(text);
        let is_listed = placeholders.remove(&*plain);
        if is_hole(&plain) {
            customers.insert(plain.into());
        } else if !is_listed {
            item.wrong(format!(
                "expected a placeholder, such as `guest`, which is a customer here, found \
                 `{text}`, which is no placeholder; leave it out"
            ));
        }
    }
    let known_by =
        texts("known-by").map(|traits| traits.into_iter().map(|(_, name)| name.into()).collect());
    table.finish();
    *known = Some((item.place(), IdentityRule::new(placeholders, customers, known_by)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Files, Mistakes, Policy, load};

    fn policy(of_identity: &str) -> Result<Policy, Mistakes> {
        let policy = format!("[policy]\nname = \"p\"\nlanguages = [\"en\"]\n{of_identity}");
        load(&Files::new([("p.toml", &policy)]))
    }

    #[test]
    fn placeholders_of_programs_are_not_identifiers() {
        let rule = IdentityRule::default();
        for nobody in [
            "undefined",
            "NULL",
            "None",
            "nil",
            "NaN",
            "Anonymous",
            "GUEST",
            "unknown",
            "N/A",
            "[object Object]",
            "\"null\"",
            " undefined ",
            "0",
            "-1",
            "00000000-0000-0000-0000-000000000000",
            "{00000000-0000-0000-0000-000000000000}",
            "0000000000",
            "0.0",
            "true",
            "False",
            " ",
            "\t",
            "''",
        ] {
            assert!(rule.is_placeholder(nobody), "{nobody:?}");
        }
        for somebody in ["ann", "10", "100-0", "-12", "nullarbor", "guest-17", "unknown.soldier@x"]
        {
            assert!(!rule.is_placeholder(somebody), "{somebody:?}");
        }
    }

    #[test]
    fn an_unfilled_template_placeholder_is_not_an_identifier() {
        let rule = IdentityRule::default();
        for nobody in [
            "{{customer.id}}",
            "{{ customer.id }}",
            "user-{{id}}",
            "${userId}",
            "#{user.id}",
            "<%= user.id %>",
            "{% raw %}",
            "{!Contact.Id}",
            "[[user]]",
            "*|EMAIL|*",
            "%%EMAIL%%",
            "%USER_ID%",
            "$user_id",
            ":id",
            "{userId}",
            "<user_id>",
            "<your customer id>",
            "[object Promise]",
            "user-[object Object]",
            "%7B%7Bid%7D%7D",
            "%257B%257Bid%257D%257D",
            "%24%7buserId%7d",
            "%3Cuser_id%3E",
        ] {
            assert!(rule.is_placeholder(nobody), "{nobody:?}");
        }
        for somebody in [
            "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
            "urn:uuid:3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "<ann@example.com>",
            "ann%40example.com",
            "100%",
            "$17",
            "a$b",
            "crm:17",
            "#17",
            "[17]",
            "*",
        ] {
            assert!(!rule.is_placeholder(somebody), "{somebody:?}");
        }
        let rule = policy("[identity]\ncustomers = [\"$Ann\"]").unwrap().identity;
        assert!(!rule.is_placeholder("$ann") && rule.is_placeholder("$bob"));
    }

    #[test]
    fn a_policy_adds_placeholders_to_the_list_and_removes_some() {
        let rule = policy("[identity]\nplaceholders = [\"Kiosk\"]\ncustomers = [\"guest\", \"0\"]")
            .unwrap();
        let is_nobody = |text| rule.identity.is_placeholder(text);
        assert!(is_nobody("kiosk") && is_nobody("KIOSK") && is_nobody("null"));
        assert!(!is_nobody("Guest") && !is_nobody("000"));
        let mistakes = policy("[identity]\ncustomers = [\"ann\"]").unwrap_err().to_string();
        assert!(
            mistakes.contains("expected a placeholder, such as `guest`")
                && mistakes.contains("found `ann`, which is no placeholder"),
            "{mistakes}"
        );
    }

    #[test]
    fn a_customer_is_known_by_the_default_identifying_traits_or_those_of_the_policy() {
        let traits = |name: &str| -> Map { [(name, 1_i64.into())].into_iter().collect() };
        let default = policy("").unwrap().identity;
        for telling in ["email", "first_name", "firstName", "Phone Number", "account-id"] {
            assert!(default.is_known_by(&traits(telling)), "{telling}");
        }
        for other in ["city", "language", "plan", "newsletter"] {
            assert!(!default.is_known_by(&traits(other)), "{other}");
        }
        assert!(!default.is_known_by(&Map::default()));
        let of_policy = policy("[identity]\nknown-by = [\"plan\"]").unwrap().identity;
        assert!(of_policy.is_known_by(&traits("plan")) && !of_policy.is_known_by(&traits("email")));
    }
}
