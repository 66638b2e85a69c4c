//! Phases, sets of them, and how a connector is wired to the grid.

/// One phase of the grid, or one terminal of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Also called R.
    L1,
    /// Also called S.
    L2,
    /// Also called T.
    L3,
}

impl Phase {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];

    /// The index of the phase: 0, 1 or 2.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The phase of that name: `L1`, `L2` or `L3`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// The name of the phase.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }
}

/// Some of the three phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PhaseSet([bool; 3]);

impl PhaseSet {
    /// L1, L2 and L3.
    pub const ALL: Self = Self([true; 3]);

    /// Whether the set has the phase.
    #[must_use]
    pub const fn contains(self, phase: Phase) -> bool {
        self.0[phase.index()]
    }

    /// The number of phases in the set, 0 to 3.
    #[must_use]
    pub fn count(self) -> i64 {
        self.iter().map(|_| 1).sum()
    }

    /// The phases of the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::ALL.into_iter().filter(move |phase| self.contains(*phase))
    }
}

impl FromIterator<Phase> for PhaseSet {
    fn from_iter<I: IntoIterator<Item = Phase>>(phases: I) -> Self {
        let mut set = Self::default();
        for phase in phases {
            set.0[phase.index()] = true;
        }
        set
    }
}

/// How the terminals of a connector are wired to the phases of the grid, as in the configuration key
/// `ConnectorPhaseRotation`: the letters are the grid's phases at terminals L1, L2 and L3. OCPP 1.6
/// 9.1.7
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhaseRotation {
    /// Standard reference phasing.
    Rst,
    /// Reversed reference phasing.
    Rts,
    /// Reversed 240 degree rotation.
    Srt,
    /// Standard 120 degree rotation.
    Str,
    /// Standard 240 degree rotation.
    Trs,
    /// Reversed 120 degree rotation.
    Tsr,
    /// A single-phase or DC charge point: its phase is not given.
    NotApplicable,
    /// The rotation is not known, or not known yet.
    Unknown,
}

impl PhaseRotation {
    /// The rotation of that name in the configuration key.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RST" => Self::Rst,
            "RTS" => Self::Rts,
            "SRT" => Self::Srt,
            "STR" => Self::Str,
            "TRS" => Self::Trs,
            "TSR" => Self::Tsr,
            "NotApplicable" => Self::NotApplicable,
            "Unknown" => Self::Unknown,
            _ => return None,
        })
    }

    /// The phases of the grid that may carry the current of these terminals. If the wiring is not known, that is every
    /// phase, to be safe.
    #[must_use]
    pub fn grid_phases(self, terminals: PhaseSet) -> PhaseSet {
        let [l1, l2, l3] = Phase::ALL;
        let wired = match self {
            Self::Rst => [l1, l2, l3],
            Self::Rts => [l1, l3, l2],
            Self::Srt => [l2, l1, l3],
            Self::Str => [l2, l3, l1],
            Self::Trs => [l3, l1, l2],
            Self::Tsr => [l3, l2, l1],
            Self::NotApplicable | Self::Unknown => return PhaseSet::ALL,
        };
        terminals.iter().map(|terminal| wired[terminal.index()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rotation: &str, terminals: &[Phase]) -> Vec<Phase> {
        let rotation = PhaseRotation::named(rotation).expect("a known name");
        rotation.grid_phases(terminals.iter().copied().collect()).iter().collect()
    }

    #[test]
    fn the_letters_are_the_phases_of_the_grid_at_the_terminals() {
        for (rotation, first) in [
            ("RST", Phase::L1),
            ("RTS", Phase::L1),
            ("SRT", Phase::L2),
            ("STR", Phase::L2),
            ("TRS", Phase::L3),
            ("TSR", Phase::L3),
        ] {
            assert_eq!(grid(rotation, &[Phase::L1]), [first], "{rotation}");
            assert_eq!(grid(rotation, &Phase::ALL), Phase::ALL, "{rotation}");
        }
        assert_eq!(grid("STR", &[Phase::L1, Phase::L2]), [Phase::L2, Phase::L3]);
    }

    #[test]
    fn an_unknown_wiring_may_load_every_phase() {
        for rotation in ["NotApplicable", "Unknown"] {
            assert_eq!(grid(rotation, &[Phase::L1]), Phase::ALL, "{rotation}");
        }
        assert_eq!(PhaseRotation::named("rst"), None);
    }
}
