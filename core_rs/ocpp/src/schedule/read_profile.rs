//! One installed profile as JSON: the payload of the `SetChargingProfile` that installs it. OCPP 1.6 5.16, 7.8

use crate::protocol::Protocol;
use crate::protocol::moment;
use crate::protocol::schema::Direction;
use crate::protocol::validate::{Mode, validate};
use crate::protocol::value::Value;
use crate::protocol::violation::{Path, Violation};
use crate::schedule::form::{self, Findings};
use crate::schedule::limit::{Tenths, Unit};
use crate::schedule::profile::{Installed, Kind, Period, Profile, Purpose, Recurrency, Schedule};
use crate::schedule::read::too_many;

/// Longer than the time between any two moments of a question. Longer times are cut to this, which changes nothing and
/// cannot overflow.
const FAR_S: i64 = 1 << 39;

/// Most periods of a schedule: as many as a frame may have items in an array.
const MOST_PERIODS: usize = 4_096;

/// Read a profile and the connector it is for. `None` when a rule is broken.
pub(crate) fn installed(
    protocol: &'static Protocol,
    item: &mut Value<'_>,
    path: &Path<'_>,
    findings: &mut Findings,
) -> Option<Installed> {
    let schema = protocol.schema();
    let message = schema.message("SetChargingProfile").expect("a protocol with smart charging has it");
    let mut broken =
        validate(schema, schema.payload(message, Direction::Request), Direction::Request, item, Mode::Strict)
            .violations;
    if broken.is_empty() {
        broken = message.rules.iter().flat_map(|rule| rule.broken_by(item)).collect();
    }
    if broken.is_empty() {
        return typed(item, path, findings);
    }
    let prefix = path.pointer();
    for violation in broken {
        findings.push(Violation { pointer: format!("{prefix}{}", violation.pointer), ..violation });
    }
    None
}

/// The values of a payload that has been found valid.
fn typed(item: &Value<'_>, path: &Path<'_>, findings: &mut Findings) -> Option<Installed> {
    let path = path.name("csChargingProfiles");
    let profile = item.get("csChargingProfiles")?;
    let kind = match (profile.get("chargingProfileKind")?.as_str()?, recurrency(profile)) {
        ("Absolute", _) => Kind::Absolute,
        ("Relative", _) => Kind::Relative,
        (_, recurrency) => Kind::Recurring(recurrency?),
    };
    let schedule = schedule(profile.get("chargingSchedule")?, &path.name("chargingSchedule"), findings)?;
    Some(Installed {
        connector_id: u32::try_from(integer(item, "connectorId")?).unwrap_or(u32::MAX),
        profile: Profile {
            id: integer(profile, "chargingProfileId")?,
            transaction_id: integer(profile, "transactionId"),
            stack_level: integer(profile, "stackLevel")?,
            purpose: Purpose::named(profile.get("chargingProfilePurpose")?.as_str()?)?,
            kind,
            valid_from_s: seconds(profile, "validFrom"),
            valid_to_s: seconds(profile, "validTo"),
            schedule,
        },
    })
}

fn recurrency(profile: &Value<'_>) -> Option<Recurrency> {
    match profile.get("recurrencyKind")?.as_str()? {
        "Daily" => Some(Recurrency::Daily),
        _ => Some(Recurrency::Weekly),
    }
}

fn schedule(schedule: &Value<'_>, path: &Path<'_>, findings: &mut Findings) -> Option<Schedule> {
    let Some(Value::Array(items)) = schedule.get("chargingSchedulePeriod") else { return None };
    let path = path.name("chargingSchedulePeriod");
    let most = MOST_PERIODS;
    if items.len() > most {
        too_many(&path, most, findings);
        return None;
    }
    let mut periods = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let limit = limit(item, &path.index(place).name("limit"), findings);
        periods.push(Period {
            start_s: integer(item, "startPeriod")?.min(FAR_S),
            limit: limit.unwrap_or_default(),
            number_phases: integer(item, "numberPhases").and_then(|phases| u8::try_from(phases).ok()),
        });
    }
    Some(Schedule {
        start_s: seconds(schedule, "startSchedule"),
        duration_s: integer(schedule, "duration").map(|duration_s| duration_s.min(FAR_S)),
        unit: Unit::named(schedule.get("chargingRateUnit")?.as_str()?)?,
        periods,
    })
}

fn limit(period: &Value<'_>, path: &Path<'_>, findings: &mut Findings) -> Option<Tenths> {
    let Some(Value::Number(text)) = period.get("limit") else { return None };
    form::tenths(text, path, findings)
}

fn integer(value: &Value<'_>, name: &str) -> Option<i64> {
    match value.get(name)? {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

fn seconds(value: &Value<'_>, name: &str) -> Option<i64> {
    moment::parse(value.get(name)?.as_str()?)
}
