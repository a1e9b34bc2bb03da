//! An optional field may also be `null`, because many serializers write unset fields as `null`.

use serde::{Deserialize, Deserializer};

use super::Time;

/// The value of a field; `null` counts as absent.
///
/// # Errors
/// The errors of deserializing the value.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    or(from, T::default)
}

/// The same, for a field whose default when absent differs from its type's default.
///
/// # Errors
/// The errors of deserializing the value.
pub fn or<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
    default: impl FnOnce() -> T,
) -> Result<T, D::Error> {
    // Stored records contain all their fields, and no `null`.
    if from.is_human_readable() {
        Option::<T>::deserialize(from).map(|value| value.unwrap_or_else(default))
    } else {
        T::deserialize(from)
    }
}

/// A time; one before [`Time::EARLIEST_PLAUSIBLE`] is the zero value of a program without a clock, and counts as
/// absent.
///
/// # Errors
/// If it is not a time.
pub fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    // Stored records contain the value as it was received.
    let is_message = from.is_human_readable();
    let moment = Option::<Time>::deserialize(from)?;
    Ok(moment.filter(|moment| !is_message || *moment >= Time::EARLIEST_PLAUSIBLE))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Debug;

    use schemars::{JsonSchema, schema_for};
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use crate::event::{
        Analysis, AskData, Campaign, CaseData, ConsentData, EventKind, EventType, HandoffData,
        IdentifyData, InteractionData, LinkData, MessageData, NamedData, OutcomeData,
        PreferenceData, SharedFact, SignalData, UnlinkData,
    };

    /// Checks that every optional field may be `null`, which means the same as leaving it out, and that
    /// no other field may. `least` has the required fields; `nothing` names the fields in which `null`
    /// has a meaning.
    pub(crate) fn null_is_as_good_as_nothing<T>(least: &Value, nothing: &[&str])
    where
        T: JsonSchema + DeserializeOwned + PartialEq + Debug,
    {
        let read =
            |value: &Value| crate::event::json::read_bytes::<T>(value.to_string().as_bytes());
        let without = read(least).unwrap();
        let schema = schema_for!(T).to_value();
        let fields = schema["properties"].as_object().unwrap().keys();
        for name in fields.filter(|name| !nothing.contains(&name.as_str())) {
            let mut with = least.clone();
            with[name] = Value::Null;
            let value = read(&with);
            if least.get(name).is_some() {
                assert!(value.is_err(), "{name} of {least} is needed: {value:?}");
            } else {
                assert_eq!(value.ok().as_ref(), Some(&without), "{name} of {least}");
            }
        }
    }

    #[test]
    fn null_means_absent_in_every_event() {
        null_is_as_good_as_nothing::<IdentifyData>(&json!({ "traits": {} }), &[]);
        null_is_as_good_as_nothing::<LinkData>(&json!({ "to": "ann" }), &[]);
        null_is_as_good_as_nothing::<UnlinkData>(&json!({ "from": "ann" }), &[]);
        null_is_as_good_as_nothing::<NamedData>(&json!({ "name": "x" }), &[]);
        null_is_as_good_as_nothing::<MessageData>(&json!({ "text": "x", "from": "bot" }), &[]);
        null_is_as_good_as_nothing::<PreferenceData>(&json!({ "key": "seat" }), &[]);
        null_is_as_good_as_nothing::<ConsentData>(&json!({ "purpose": "x", "granted": true }), &[]);
        let least = json!({ "id": "1", "kind": "cart", "state": "started" });
        null_is_as_good_as_nothing::<InteractionData>(&least, &[]);
        null_is_as_good_as_nothing::<CaseData>(&json!({ "id": "1", "state": "open" }), &[]);
        // A signal of `null` is removed.
        null_is_as_good_as_nothing::<SignalData>(&json!({ "name": "x", "value": 1 }), &["value"]);
        let least = json!({ "decision": "1", "outcome": "seen" });
        null_is_as_good_as_nothing::<OutcomeData>(&least, &[]);
        null_is_as_good_as_nothing::<HandoffData>(&json!({ "state": "opened" }), &[]);
        null_is_as_good_as_nothing::<AskData>(&json!({}), &[]);
        null_is_as_good_as_nothing::<SharedFact>(&json!({}), &[]);
        null_is_as_good_as_nothing::<Campaign>(&json!({}), &[]);
        null_is_as_good_as_nothing::<Analysis>(&json!({ "valence": 0.5 }), &[]);
    }

    #[test]
    fn a_zero_time_of_a_program_counts_as_absent() {
        let zeros = ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1980-01-06T00:00:00Z"];
        for zero in zeros {
            let read =
                |kind: EventType, data: Value| EventKind::parse(kind, Some(&data.to_string()));
            let case = json!({ "id": "1", "state": "open", "due": zero, "opened": zero });
            let bare = json!({ "id": "1", "state": "open" });
            assert_eq!(read(EventType::Case, case), read(EventType::Case, bare), "{zero}");
            let consent = json!({ "purpose": "x", "granted": true, "expires": zero });
            let bare = json!({ "purpose": "x", "granted": true });
            assert_eq!(read(EventType::Consent, consent), read(EventType::Consent, bare), "{zero}");
        }
    }

    #[test]
    fn data_of_null_counts_as_absent() {
        assert_eq!(
            EventKind::parse(EventType::Ask, Some(" null ")),
            EventKind::parse(EventType::Ask, None)
        );
        let refused = EventKind::parse(EventType::Track, Some("null")).unwrap_err();
        assert!(refused.detail.ends_with("found: no data"), "{}", refused.detail);
    }
}
