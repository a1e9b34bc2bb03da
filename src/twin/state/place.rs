//! Where the customer is in time: their time zone, and the hour of their day.

use chrono::Timelike;

use super::Twin;
use crate::event::{Time, Value, Zone};

/// The hour of the day, 0 to 23, in the customer's time zone, from the trait `timezone`; in UTC if there
/// is none. None: the trait's value is unknown.
pub(in crate::twin) fn hour(twin: &Twin, at: Time) -> Option<u32> {
    let zone = zone(twin).ok()?.unwrap_or(Zone::UTC);
    Some(at.to_utc().with_timezone(&zone).hour())
}

/// The trait with the customer's time zone.
pub const ZONE: &str = "timezone";

/// The customer's time zone, from the trait [`ZONE`]; none: there is no such trait.
///
/// # Errors
/// The trait's value, if it is not a known zone.
pub(in crate::twin) fn zone(twin: &Twin) -> Result<Option<Zone>, &Value> {
    Zone::of(twin.profile.traits.get(ZONE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Customer;

    #[test]
    fn the_hour_is_in_the_customers_time_zone() {
        let summer = Time::parse("2026-07-01T22:30:00Z").unwrap();
        let winter = Time::parse("2026-01-01T22:30:00Z").unwrap();
        let mut twin = Twin::new(Customer::new("ada").unwrap(), summer);
        assert_eq!(hour(&twin, summer), Some(22));
        twin.profile.traits.insert("timezone", "Europe/Brussels".into());
        assert_eq!((hour(&twin, summer), hour(&twin, winter)), (Some(0), Some(23)));
        twin.profile.traits.insert("timezone", "Middle/Earth".into());
        assert_eq!(hour(&twin, summer), None);
    }
}
