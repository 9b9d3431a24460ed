//! The time zone that times of day are told in: where the trace ran, wherever it is told.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::evidence::TimeZoneOf;

/// Returns this host's time zone, as evidence keeps it.
pub(super) fn here() -> TimeZoneOf {
    let zone = TimeZone::system();
    TimeZoneOf {
        offset_s: zone.to_offset(Timestamp::now()).seconds(),
        iana: zone.iana_name().map(str::to_owned),
    }
}

/// Returns the time zone of evidence; where its name is not known here, the offset that was in force as the
/// trace began stands for all of it.
pub(super) fn recorded(zone: &TimeZoneOf) -> TimeZone {
    let by_name = zone.iana.as_deref().map(TimeZone::get);
    if let Some(Ok(named)) = by_name {
        return named;
    }
    let offset = Offset::from_seconds(zone.offset_s);
    offset.map_or(TimeZone::UTC, TimeZone::fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(iana: Option<&str>, offset_s: i32) -> i32 {
        let zone = recorded(&TimeZoneOf {
            iana: iana.map(str::to_owned),
            offset_s,
        });
        zone.to_offset(Timestamp::UNIX_EPOCH).seconds()
    }

    #[test]
    fn a_name_that_is_not_known_gives_way_to_the_offset() {
        assert_eq!(offset(None, 3600), 3600);
        assert_eq!(offset(Some("Nowhere/At All"), -7200), -7200);
        assert_eq!(offset(Some("../../etc/passwd"), -7200), -7200);
        // No time zone is so far away.
        assert_eq!(offset(None, i32::MAX), 0);
    }
}
