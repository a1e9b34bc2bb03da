//! Random expressions for property tests.

use proptest::prelude::*;

/// Expressions with these leaves: of every kind that has a compiled form, and of some kinds without.
pub(super) fn expressions(leaves: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaves = prop::sample::select(leaves).prop_map(str::to_owned);
    leaves.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "&&", "||", "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%",
        ]);
        let function = prop::sample::select(vec![
            "!",
            "-",
            "timestamp",
            "days",
            "abs",
            "round",
            "lower",
            "size",
            "string",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (function, inner.clone()).prop_map(|(function, of)| format!("{function}({of})")),
            inner.clone().prop_map(|of| format!("({of}).contains(\"b\")")),
            (inner.clone(), inner.clone())
                .prop_map(|(value, instead)| format!("default({value}, {instead})")),
            (inner.clone(), inner.clone())
                .prop_map(|(text, phrases)| format!("mentions({text}, {phrases})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(test, yes, no)| format!("({test} ? {yes} : {no})")),
        ]
    })
}
