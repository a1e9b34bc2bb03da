use super::*;
use crate::event::{Raw, parse};
use crate::language::Languages;
use crate::policy::{Files, load_with};

const POLICY: &str = r#"
[policy]
name = "shop"
languages = ["en"]

[needs.look]
describe = "something to look at"
expires = "1d"

[[rules]]
name = "somebody looks"
on = "track:Looked"
then = [{ raise = "look", strength = 0.5 }]

[[actions]]
name = "shoes"
serves = ["look"]
issue = "sales"
value = 0.8
cooldown = "0s"
[[actions.treatments]]
channel = "web"
text.en = "Shoes."

[[actions]]
name = "guide"
serves = ["look"]
issue = "nurture"
value = 0.5
cooldown = "0s"
[[actions.treatments]]
channel = "mail"
text.en = "A guide."
"#;

fn policy(text: &str) -> Policy {
    load_with(&Files::new([("shop.toml", text)]), &Languages::embedded()).unwrap()
}

/// A customer of a city with this many product views.
fn past(customer: &str, city: &str, looks: u64) -> (Customer, Past) {
    let id = Customer::new(customer).unwrap();
    let mut past = Past::default();
    let traits = format!(r#"{{"type":"identify","data":{{"traits":{{"city":"{city}"}}}}}}"#);
    let look = r#"{"type":"track","data":{"name":"Looked"}}"#.to_owned();
    let all = std::iter::once(traits).chain((0..looks).map(|_| look.clone()));
    for (sequence, payload) in (1..).zip(all) {
        let raw = Raw {
            channel: "web",
            customer: &id.token(),
            headers: &[],
            payload: payload.as_bytes(),
            sequence,
        };
        let at = Time::from_ms(1_760_000_000_000 + sequence.cast_signed() * 60_000);
        past.event(sequence, at, parse(&raw).unwrap());
    }
    (id, past)
}

fn report() -> RehearsalReport {
    let (live, other) = (policy(POLICY), policy(&POLICY.replace("value = 0.8", "value = 0.2")));
    let mut report = RehearsalReport::new(&live, &other, Some("city"));
    let pasts = [past("ann", "Ghent", 3), past("bob", "Ghent", 0), past("cid", "Liège", 12)];
    for (customer, past) in pasts {
        let policies = Pair { live: &live, other: &other };
        report.rehearse(&customer, &past, policies, Time::MIN, &Snapshot::nothing());
    }
    report
}

#[test]
fn customers_without_actions_are_worth_zero_without_a_sign() {
    let policy = policy(POLICY);
    let mut report = RehearsalReport::new(&policy, &policy, None);
    let (customer, past) = past("bob", "Ghent", 0);
    let policies = Pair { live: &policy, other: &policy };
    report.rehearse(&customer, &past, policies, Time::MIN, &Snapshot::nothing());
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("-0.0"), "{json}");
}

#[test]
fn a_report_is_shown_as_text() {
    insta::assert_snapshot!(text(&report()), @r"
    3 customers, 18 inputs
    from 2025-10-09T08:54:20Z to 2025-10-09T09:06:20Z
    live   shop b0d489443f32998d
    other  shop b3266a6f50a9dae4

                                        live       other      change
    actions                               15          15
      for each customer                 5.00        5.00
      that sell                           15           0       -100%
    customers reached                      2           2
    escalations                            0           0
    value                                3.0         1.9        -38%
      for each customer                1.000       0.625        -38%
    by issue
      nurture                              0          15         new
      sales                               15           0       -100%
    by channel
      mail                                 0          15         new
      web                                 15           0       -100%
    customers by actions
      0                                    1           1
      1                                    0           0
      2                                    0           0
      3                                    1           1
      4                                    0           0
      5                                    0           0
      6                                    0           0
      7                                    0           0
      8 or more                            1           1
    value by city
      Ghent (2)                        0.300       0.188        -38%
      Liège (1)                        2.400       1.500        -38%

    worth more to 0 customers, less to 2, the same to 1
    ");
}

#[test]
fn an_html_report_shows_every_figure_and_escapes_customers_text() {
    let mut report = report();
    report.across = Some("<b>city</b>".into());
    let page = html(&report);
    assert!(page.contains("Worth more to 0 customers, less to 2."), "{page}");
    assert!(page.contains("&lt;b&gt;city") && !page.contains("<b>city"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("<svg").count(), 5);
}
