//! What the README says about the code is what the code says.

use jumeau::config::limits;
use jumeau::event::{EventType, Reason};

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_lists_every_limit() {
    let table = limits::table();
    assert!(README.contains(&table), "put this table into README.md:\n{table}");
}

#[test]
fn the_readme_names_every_type_of_event() {
    for kind in EventType::ALL {
        assert!(README.contains(&format!("`{kind}`")), "{kind} is not in README.md");
    }
}

#[test]
fn the_readme_names_every_reason_of_a_dead_letter() {
    for reason in Reason::ALL {
        assert!(README.contains(&format!("`{reason}`")), "{reason} is not in README.md");
    }
}
