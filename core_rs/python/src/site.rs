//! The distribution of a site's power. The interpreter is released while it is computed.
#![allow(clippy::needless_pass_by_value)] // PyO3 passes what it has converted.
#![allow(clippy::too_many_arguments)] // Named ones, as Python sees them.

use ocpp_core::site::{
    Activity, Distribution, Fault, Node, Phase, PhaseRotation, PhaseSet, Place, Quantity, Reason, Reserve,
    Rules, Session, Site, distribute,
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
    #[pyo3(signature = (id, parent, limit_a, limit_w=None, margin_a=0, margin_w=0, uncontrolled_a=(0, 0, 0)))]
    fn new(
        id: String,
        parent: Option<String>,
        limit_a: Option<PerPhase>,
        limit_w: Option<i64>,
        margin_a: i64,
        margin_w: i64,
        uncontrolled_a: PerPhase,
    ) -> Self {
        let (limit_a, uncontrolled_a) = (limit_a.map(Into::into), uncontrolled_a.into());
        Self(Node { id, parent, limit_a, limit_w, margin_a, margin_w, uncontrolled_a })
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
pub struct SiteSession(Session);

#[pymethods]
impl SiteSession {
    #[new]
    #[pyo3(signature = (
        id, node, minimum_a, maximum_a, phases, phase_rotation="Unknown", *, step_a=1, priority=0, weight=10,
        charging_for_s=None, paused_for_s=None, connected_for_s=0
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
    ) -> PyResult<Self> {
        let activity = match (charging_for_s, paused_for_s) {
            (Some(for_s), _) => Activity::Charging(for_s),
            (None, Some(for_s)) => Activity::Paused(for_s),
            (None, None) => Activity::New,
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
            connected_for_s,
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
pub struct SiteShare {
    limit_a: i64,
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
    fn shares(&self) -> Vec<SiteShare> {
        let shares = self.solved.iter().flat_map(|found| &found.shares);
        shares.map(|share| self::share(share.limit_a, share.reason)).collect()
    }

    #[getter]
    fn loadings(&self) -> Vec<(LoadingRow, LoadingRow, LoadingRow, LoadingRow)> {
        let loadings = self.solved.iter().flat_map(|found| &found.loadings);
        let row = |each: &ocpp_core::site::Loading| {
            (each.limit, each.margin, each.uncontrolled, each.reserved, each.allocated)
        };
        loadings.map(|[l1, l2, l3, power]| (row(l1), row(l2), row(l3), row(power))).collect()
    }
}

#[pyfunction]
#[pyo3(signature = (
    nodes, sessions, reserves=vec![], *, nominal_voltage=230, strict_priority=false, quantum_s=900,
    minimum_on_s=300, minimum_off_s=300
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
) -> PyResult<SiteDistribution> {
    let site = Site {
        nominal_voltage,
        nodes: nodes.iter().map(|node| node.get().0.clone()).collect(),
        reserves: reserves.iter().map(|reserve| reserve.get().0.clone()).collect(),
    };
    let sessions: Vec<Session> = sessions.iter().map(|session| session.get().0.clone()).collect();
    let rules = Rules { strict_priority, quantum_s, minimum_on_s, minimum_off_s };
    let solved = py.detach(|| errors::guarded(|| distribute(&site, &sessions, &rules)))?;
    Ok(SiteDistribution { solved })
}

fn share(limit_a: i64, reason: Reason) -> SiteShare {
    let named = |reason, place: Option<Place>| SiteShare {
        limit_a,
        reason,
        node: place.map(|place| place.node),
        quantity: place.map(|place| quantity(place.quantity)),
        kept_for: None,
        remaining_s: None,
    };
    match reason {
        Reason::OwnMaximum => named("own_maximum", None),
        Reason::Limit(place) => named("node_limit", Some(place)),
        Reason::Waiting(place) => named("waiting", Some(place)),
        Reason::KeptFor { place, session } => {
            SiteShare { kept_for: Some(session), ..named("kept_for_another", Some(place)) }
        }
        Reason::Resting { remaining_s } => {
            SiteShare { remaining_s: Some(remaining_s), ..named("resting", None) }
        }
    }
}

const fn quantity(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::L1 => "L1",
        Quantity::L2 => "L2",
        Quantity::L3 => "L3",
        Quantity::Power => "power",
    }
}

fn phases(names: &[String]) -> PyResult<PhaseSet> {
    let phase = |name: &String| Phase::named(name).ok_or_else(|| errors::unknown_word("phase", name));
    names.iter().map(phase).collect()
}

fn rotation(name: &str) -> PyResult<PhaseRotation> {
    PhaseRotation::named(name).ok_or_else(|| errors::unknown_word("phase rotation", name))
}
