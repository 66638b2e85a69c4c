//! The distribution of a site's power. The interpreter is released while it is computed.
#![allow(clippy::needless_pass_by_value)] // PyO3 passes what it has converted.
#![allow(clippy::too_many_arguments)] // Named ones, as Python sees them.

use ocpp_core::site::{
    Activity, Distribution, Fault, Loading, Memory, Node, Overload, Phase, PhaseRotation, PhaseSet, Place,
    Quantity, Reason, Reserve, Rules, Session, Share, Site, distribute,
};
use pyo3::prelude::*;

use crate::errors;

type PerPhase = (i64, i64, i64);
/// Limit, margin, uncontrolled, reserved, allocated.
type LoadingRow = (Option<i64>, i64, i64, i64, i64);

#[pyclass(frozen, module = "app._core")]
pub struct SiteNode(Node);

#[pymethods]
impl SiteNode {
    #[new]
    #[pyo3(signature = (
        id, parent, limit_a, limit_w=None, margin_a=0, margin_w=0, uncontrolled_a=(0, 0, 0), unbalance_a=None
    ))]
    fn new(
        id: String,
        parent: Option<String>,
        limit_a: Option<PerPhase>,
        limit_w: Option<i64>,
        margin_a: i64,
        margin_w: i64,
        uncontrolled_a: PerPhase,
        unbalance_a: Option<i64>,
    ) -> Self {
        let (limit_a, uncontrolled_a) = (limit_a.map(Into::into), uncontrolled_a.into());
        Self(Node { id, parent, limit_a, limit_w, margin_a, margin_w, uncontrolled_a, unbalance_a })
    }
}

#[pyclass(frozen, module = "app._core")]
pub struct SiteReserve(Reserve);

#[pymethods]
impl SiteReserve {
    #[new]
    #[pyo3(signature = (id, node, current_a, phases, phase_rotation="Unknown"))]
    fn new(
        id: String,
        node: String,
        current_a: i64,
        phases: Vec<String>,
        phase_rotation: &str,
    ) -> PyResult<Self> {
        let (phases, phase_rotation) = (self::phases(&phases)?, rotation(phase_rotation)?);
        Ok(Self(Reserve { id, node, current_a, phases, phase_rotation }))
    }
}

#[pyclass(frozen, module = "app._core")]
pub struct SiteMemory(Memory);

#[pymethods]
impl SiteMemory {
    #[new]
    #[pyo3(signature = (activity, for_s, connected_for_s=0, served_s=0, single_phase_for_s=None))]
    fn new(
        activity: &str,
        for_s: u32,
        connected_for_s: u32,
        served_s: u32,
        single_phase_for_s: Option<u32>,
    ) -> PyResult<Self> {
        let activity = match activity {
            "charging" => Activity::Charging(for_s),
            "paused" => Activity::Paused(for_s),
            "new" => Activity::New,
            other => return Err(errors::unknown_word("activity", other)),
        };
        Ok(Self(Memory { activity, connected_for_s, served_s, single_phase_for_s }))
    }

    fn after(&self, elapsed_s: u32) -> Self {
        Self(self.0.after(elapsed_s))
    }

    #[getter]
    fn activity(&self) -> &'static str {
        match self.0.activity {
            Activity::Charging(_) => "charging",
            Activity::Paused(_) => "paused",
            Activity::New => "new",
        }
    }

    #[getter]
    fn for_s(&self) -> u32 {
        match self.0.activity {
            Activity::Charging(for_s) | Activity::Paused(for_s) => for_s,
            Activity::New => self.0.connected_for_s,
        }
    }

    #[getter]
    fn connected_for_s(&self) -> u32 {
        self.0.connected_for_s
    }

    #[getter]
    fn served_s(&self) -> u32 {
        self.0.served_s
    }

    #[getter]
    fn single_phase_for_s(&self) -> Option<u32> {
        self.0.single_phase_for_s
    }
}

#[pyclass(frozen, module = "app._core")]
pub struct SiteSession(Session);

#[pymethods]
impl SiteSession {
    #[new]
    #[pyo3(signature = (
        id, node, minimum_a, maximum_a, phases, phase_rotation="Unknown", *, step_a=1, priority=0, weight=10,
        charging_for_s=None, paused_for_s=None, connected_for_s=0, present_a=None, can_switch_phases=false,
        memory=None
    ))]
    fn new(
        id: String,
        node: String,
        minimum_a: i64,
        maximum_a: i64,
        phases: Vec<String>,
        phase_rotation: &str,
        step_a: i64,
        priority: u8,
        weight: i64,
        charging_for_s: Option<u32>,
        paused_for_s: Option<u32>,
        connected_for_s: u32,
        present_a: Option<i64>,
        can_switch_phases: bool,
        memory: Option<&Bound<'_, SiteMemory>>,
    ) -> PyResult<Self> {
        let memory = memory.map(|memory| memory.get().0).unwrap_or_default();
        let activity = match (charging_for_s, paused_for_s) {
            (Some(for_s), _) => Activity::Charging(for_s),
            (None, Some(for_s)) => Activity::Paused(for_s),
            (None, None) => memory.activity,
        };
        let (phases, phase_rotation) = (self::phases(&phases)?, rotation(phase_rotation)?);
        Ok(Self(Session {
            id,
            node,
            phases,
            phase_rotation,
            minimum_a,
            maximum_a,
            step_a,
            priority,
            weight,
            activity,
            connected_for_s: connected_for_s.max(memory.connected_for_s),
            served_s: memory.served_s,
            present_a,
            can_switch_phases,
            single_phase_for_s: memory.single_phase_for_s,
        }))
    }
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct SiteFault {
    pointer: String,
    code: &'static str,
    detail: String,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct SiteOverload {
    node: usize,
    quantity: &'static str,
    excess: i64,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct SiteShare {
    limit_a: i64,
    below_signalled: bool,
    phases: Vec<&'static str>,
    memory: Py<SiteMemory>,
    reason: &'static str,
    node: Option<usize>,
    quantity: Option<&'static str>,
    kept_for: Option<usize>,
    remaining_s: Option<u32>,
}

#[pyclass(frozen, module = "app._core")]
pub struct SiteDistribution {
    solved: Result<Distribution, Vec<Fault>>,
}

#[pymethods]
impl SiteDistribution {
    #[getter]
    fn faults(&self) -> Vec<SiteFault> {
        let faults = self.solved.as_ref().err().into_iter().flatten();
        let fault = |fault: &Fault| SiteFault {
            pointer: fault.pointer.clone(),
            code: fault.code,
            detail: fault.detail.clone(),
        };
        faults.map(fault).collect()
    }

    #[getter]
    fn limits_a(&self) -> Vec<i64> {
        let shares = self.solved.iter().flat_map(|found| &found.shares);
        shares.map(|share| share.limit_a).collect()
    }

    #[getter]
    fn shares(&self, py: Python<'_>) -> PyResult<Vec<SiteShare>> {
        let shares = self.solved.iter().flat_map(|found| &found.shares);
        shares.map(|share| self::share(py, share)).collect()
    }

    #[getter]
    fn loadings(&self) -> Vec<Vec<LoadingRow>> {
        let loadings = self.solved.iter().flat_map(|found| &found.loadings);
        let row =
            |each: &Loading| (each.limit, each.margin, each.uncontrolled, each.reserved, each.allocated);
        loadings.map(|each| each.iter().map(row).collect()).collect()
    }

    #[getter]
    fn overloads(&self) -> Vec<SiteOverload> {
        let overloads = self.solved.iter().flat_map(|found| &found.overloads);
        let overload = |each: &Overload| SiteOverload {
            node: each.place.node,
            quantity: quantity(each.place.quantity),
            excess: each.excess,
        };
        overloads.map(overload).collect()
    }
}

#[pyfunction]
#[pyo3(signature = (
    nodes, sessions, reserves=vec![], *, nominal_voltage=230, strict_priority=false, quantum_s=900,
    minimum_on_s=300, minimum_off_s=300, minimum_single_phase_s=600, dead_band_a=10, dead_band_percent=5,
    rise_a=None
))]
pub fn distribute_site(
    py: Python<'_>,
    nodes: Vec<Py<SiteNode>>,
    sessions: Vec<Py<SiteSession>>,
    reserves: Vec<Py<SiteReserve>>,
    nominal_voltage: i64,
    strict_priority: bool,
    quantum_s: u32,
    minimum_on_s: u32,
    minimum_off_s: u32,
    minimum_single_phase_s: u32,
    dead_band_a: i64,
    dead_band_percent: i64,
    rise_a: Option<i64>,
) -> PyResult<SiteDistribution> {
    let site = Site {
        nominal_voltage,
        nodes: nodes.iter().map(|node| node.get().0.clone()).collect(),
        reserves: reserves.iter().map(|reserve| reserve.get().0.clone()).collect(),
    };
    let sessions: Vec<Session> = sessions.iter().map(|session| session.get().0.clone()).collect();
    let rules = Rules {
        strict_priority,
        quantum_s,
        minimum_on_s,
        minimum_off_s,
        minimum_single_phase_s,
        dead_band_a,
        dead_band_percent,
        rise_a,
    };
    let solved = py.detach(|| errors::guarded(|| distribute(&site, &sessions, &rules)))?;
    Ok(SiteDistribution { solved })
}

fn share(py: Python<'_>, share: &Share) -> PyResult<SiteShare> {
    let mut found = SiteShare {
        limit_a: share.limit_a,
        below_signalled: share.is_below_signalled(),
        phases: share.phases.iter().map(Phase::name).collect(),
        memory: Py::new(py, SiteMemory(share.memory))?,
        reason: reason(share.reason),
        node: None,
        quantity: None,
        kept_for: None,
        remaining_s: None,
    };
    match share.reason {
        Reason::Limit(place) | Reason::Waiting(place) => found.name(place),
        Reason::KeptFor { place, session } => {
            found.name(place);
            found.kept_for = Some(session);
        }
        Reason::Resting { remaining_s } => found.remaining_s = Some(remaining_s),
        Reason::OwnMaximum | Reason::Held | Reason::CannotCharge => {}
    }
    Ok(found)
}

impl SiteShare {
    fn name(&mut self, place: Place) {
        self.node = Some(place.node);
        self.quantity = Some(quantity(place.quantity));
    }
}

const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::OwnMaximum => "own_maximum",
        Reason::Limit(_) => "node_limit",
        Reason::Waiting(_) => "waiting",
        Reason::KeptFor { .. } => "kept_for_another",
        Reason::Resting { .. } => "resting",
        Reason::Held => "held",
        Reason::CannotCharge => "cannot_charge",
    }
}

const fn quantity(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::L1 => "L1",
        Quantity::L2 => "L2",
        Quantity::L3 => "L3",
        Quantity::Power => "power",
        Quantity::UnbalanceL1 => "unbalance_L1",
        Quantity::UnbalanceL2 => "unbalance_L2",
        Quantity::UnbalanceL3 => "unbalance_L3",
    }
}

fn phases(names: &[String]) -> PyResult<PhaseSet> {
    let phase = |name: &String| Phase::named(name).ok_or_else(|| errors::unknown_word("phase", name));
    names.iter().map(phase).collect()
}

fn rotation(name: &str) -> PyResult<PhaseRotation> {
    PhaseRotation::named(name).ok_or_else(|| errors::unknown_word("phase rotation", name))
}
