//! Limits in integer tenths, their units, and the conversion between units.

use std::fmt;

/// Unit of a limit. OCPP 1.6 7.12
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Amperes on each phase.
    Ampere,
    /// Watts in total over all phases.
    Watt,
}

impl Unit {
    /// The unit of that name in frames, or in either spelling of the configuration key. Errata 3.86
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        match text {
            "A" | "Current" => Some(Self::Ampere),
            "W" | "Power" => Some(Self::Watt),
            _ => None,
        }
    }

    /// The name in frames.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ampere => "A",
            Self::Watt => "W",
        }
    }
}

/// An amount in tenths of its unit. OCPP 1.6 7.14 allows one digit after the point, so this is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenths(i64);

impl Tenths {
    /// An amount of zero.
    pub const ZERO: Self = Self(0);
    /// Make an amount from its number of tenths.
    #[must_use]
    pub const fn new(tenths: i64) -> Self {
        Self(tenths)
    }

    /// The number of tenths.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Read the text of a JSON number exactly; `None` when it is not a multiple of 0.1 or exceeds 64 bits.
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or((1, mantissa), |rest| (-1, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return digits.bytes().all(|byte| byte == b'0').then_some(Self::ZERO);
        }
        let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
        let places = i64::try_from(fraction.len()).ok()?.checked_sub(dropped)?;
        // 21.4 has one place, and is 214 tenths.
        let power = 1_i64.checked_sub(places)?.checked_add(exponent.parse().ok()?)?;
        let factor = 10_i64.checked_pow(u32::try_from(power).ok()?)?;
        significant.parse::<i64>().ok()?.checked_mul(factor)?.checked_mul(sign).map(Self)
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, tenth) = (self.0.unsigned_abs() / 10, self.0.unsigned_abs() % 10);
        match tenth {
            0 => write!(formatter, "{sign}{whole}"),
            _ => write!(formatter, "{sign}{whole}.{tenth}"),
        }
    }
}

/// Phases of a period without `numberPhases`. OCPP 1.6 7.14
pub const DEFAULT_PHASES: u8 = 3;

/// Smallest current that can be signalled to a vehicle over the control pilot. IEC 61851-1
pub const LEAST_SIGNALLED: Tenths = Tenths::new(60);

/// The supply of the charge point, which decides how amperes and watts are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// Alternating current.
    Alternating {
        /// Nominal volts between line and neutral, 1 to 1000: 230, not the 400 between two lines.
        nominal_voltage_v: u16,
    },
    /// Direct current: the vehicle sets the voltage, so watts and amperes cannot be converted.
    Direct,
}

impl Supply {
    /// The same limit in another unit: `P = I * V * n`, with the phases that all limits at that moment leave (3 if
    /// none is named). Towards amperes it is rounded down, which is the safe side. `None`: direct current has no
    /// such conversion.
    #[must_use]
    pub fn convert(self, limit: Tenths, from: Unit, to: Unit, number_phases: Option<u8>) -> Option<Tenths> {
        if from == to {
            return Some(limit);
        }
        let Self::Alternating { nominal_voltage_v } = self else { return None };
        let watts_per_ampere =
            i64::from(nominal_voltage_v) * i64::from(number_phases.unwrap_or(DEFAULT_PHASES));
        Some(match to {
            Unit::Ampere => Tenths(limit.0.div_euclid(watts_per_ampere)),
            Unit::Watt => Tenths(limit.0.saturating_mul(watts_per_ampere)),
        })
    }

    /// Whether a charge point can signal this limit, or can only pause the vehicle (C9): with alternating current,
    /// anything between nothing and six amperes on each phase cannot be signalled.
    #[must_use]
    pub fn can_signal(self, limit: Tenths, unit: Unit, number_phases: Option<u8>) -> bool {
        let least = self.convert(LEAST_SIGNALLED, Unit::Ampere, unit, number_phases);
        self == Self::Direct || limit == Tenths::ZERO || least.is_none_or(|least| limit >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        for (text, tenths) in [
            ("21.4", Some(214)),
            ("21.45", None),
            ("21.40", Some(214)),
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("-0.5", Some(-5)),
            ("1.64e1", Some(164)),
            ("1.64e0", None),
            ("164E-1", Some(164)),
            ("160e-1", Some(160)),
            ("1e18", None),
            ("1e17", Some(1_000_000_000_000_000_000)),
            ("0e999999999999999999999", Some(0)),
            ("1e999999999999999999999", None),
            ("1e-9223372036854775808", None),
            ("0.30000000000000004", None),
            ("92233720368547758080", None),
        ] {
            assert_eq!(Tenths::from_decimal(text), tenths.map(Tenths::new), "{text}");
        }
    }

    #[test]
    fn tenths_are_written_as_the_shortest_decimal() {
        for (tenths, text) in [(0, "0"), (5, "0.5"), (-5, "-0.5"), (160, "16"), (214, "21.4")] {
            assert_eq!(Tenths::new(tenths).to_string(), text);
        }
    }

    #[test]
    fn watts_become_amperes_rounded_down_and_back_exactly() {
        let supply = Supply::Alternating { nominal_voltage_v: 230 };
        let convert = |tenths, from, to, phases| {
            supply.convert(Tenths::new(tenths), from, to, phases).expect("alternating current converts").get()
        };
        assert_eq!(convert(110_000, Unit::Watt, Unit::Ampere, None), 159);
        assert_eq!(convert(110_000, Unit::Watt, Unit::Ampere, Some(1)), 478);
        assert_eq!(convert(160, Unit::Ampere, Unit::Watt, None), 110_400);
        assert_eq!(convert(160, Unit::Ampere, Unit::Watt, Some(2)), 73_600);
        assert_eq!(Supply::Direct.convert(Tenths::ZERO, Unit::Watt, Unit::Ampere, None), None);
    }
}
