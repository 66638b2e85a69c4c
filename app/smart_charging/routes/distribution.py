"""`POST /v1/smart-charging/distribute`: distributes a site's power over its sessions, as a dry run.

Everything comes with the request. Nothing is stored, and nothing is sent to a charge point.
"""

from collections.abc import Iterable
from functools import partial

from fastapi import Request
from starlette.responses import Response

from app.computation import compute
from app.errors import FieldViolation, InvalidInput
from app.ocpp import (
    SiteDistribution,
    SiteMemory,
    SiteNode,
    SiteReserve,
    SiteSession,
    SiteShare,
    distribute_site,
)
from app.smart_charging.schemas.distribution import (
    YEAR_S,
    SessionStateInput,
    SiteQuestion,
    SiteSessionInput,
)
from app.smart_charging.schemas.site_distributed import (
    NodeLoading,
    Overload,
    QuantityLoading,
    SessionShare,
    SessionState,
    ShareReason,
    SiteDistributed,
    Unbalance,
)
from app.web.access import ReadAccess
from app.web.exact_json import read_exactly
from app.web.json_body import body_of, read_bytes, require_json
from app.web.problems import problems
from app.web.routers import api_router

router = api_router(prefix="/v1/smart-charging", tags=["smart-charging"])

BODY_LIMIT_BYTES = 2 * 1024 * 1024
"""Enough for the largest number of sessions, each with every member."""
_FAULTS_SHOWN = 50


@router.post(
    "/distribute",
    response_model=SiteDistributed,
    responses=problems(body=True),
    openapi_extra=body_of(SiteQuestion),
)
async def distribute_site_power(access: ReadAccess, request: Request) -> Response:
    """Distribute a site's power over charging sessions, and give the reason of each limit. A dry run.

    Sessions first get their minima, class by class, and in turns if not all of them fit. Then each class
    shares the rest by weighted max-min fairness, on each phase and at each node. The order of the lists does
    not matter: between equal sessions the id decides.
    """
    require_json(request)
    content = await read_bytes(request, BODY_LIMIT_BYTES)
    text = await compute(access.tenant_id, partial(_answer_to, content))
    return Response(text, media_type="application/json")


def _answer_to(content: bytes) -> str:
    """Do all that takes long. To read and write thousands of sessions takes as long as to distribute."""
    question = read_exactly(SiteQuestion, content)
    found = _distribute(question)
    if faults := found.faults:
        raise InvalidInput(
            [FieldViolation(fault.pointer, fault.code, fault.detail) for fault in faults[:_FAULTS_SHOWN]]
        )
    return _answer(question, found).model_dump_json()


def _refuse_contradictions(question: SiteQuestion) -> None:
    contradictions = [
        FieldViolation(
            f"/sessions/{index}/paused_for_s",
            "not_beside_charging_for_s",
            "A session charges or is paused, not both.",
        )
        for index, session in enumerate(question.sessions)
        if session.charging_for_s is not None and session.paused_for_s is not None
    ]
    if contradictions:
        raise InvalidInput(contradictions[:_FAULTS_SHOWN])


def _distribute(question: SiteQuestion) -> SiteDistribution:
    _refuse_contradictions(question)
    nodes = [
        SiteNode(
            node.id,
            node.parent,
            None if node.limit_a is None else node.limit_a.values(),
            node.limit_w,
            node.margin_a,
            node.margin_w,
            (0, 0, 0) if node.uncontrolled_a is None else node.uncontrolled_a.values(),
            node.unbalance_a,
        )
        for node in question.nodes
    ]
    reserves = [
        SiteReserve(each.id, each.node, each.current_a, each.phases, each.phase_rotation)
        for each in question.reserves
    ]
    return distribute_site(
        nodes,
        [_session(each, question.elapsed_s) for each in question.sessions],
        reserves,
        nominal_voltage=question.nominal_voltage,
        strict_priority=question.strict_priority,
        quantum_s=question.rotation.quantum_s,
        minimum_on_s=question.rotation.minimum_on_s,
        minimum_off_s=question.rotation.minimum_off_s,
        minimum_single_phase_s=question.rotation.minimum_single_phase_s,
        dead_band_a=question.steadiness.dead_band_a,
        dead_band_percent=question.steadiness.dead_band_percent,
        rise_a=question.steadiness.rise_a,
    )


def _session(session: SiteSessionInput, elapsed_s: int) -> SiteSession:
    return SiteSession(
        session.id,
        session.node,
        session.minimum_a,
        session.maximum_a,
        session.phases,
        session.phase_rotation,
        step_a=session.step_a,
        priority=session.priority,
        weight=session.weight,
        charging_for_s=session.charging_for_s,
        paused_for_s=session.paused_for_s,
        connected_for_s=session.connected_for_s,
        present_a=session.present_a,
        can_switch_phases=session.can_switch_phases,
        memory=None if session.state is None else _memory(session.state).after(elapsed_s),
    )


def _memory(state: SessionStateInput) -> SiteMemory:
    return SiteMemory(
        state.activity, state.for_s, state.connected_for_s, state.served_s, state.single_phase_for_s
    )


def _answer(question: SiteQuestion, found: SiteDistribution) -> SiteDistributed:
    shares = zip(question.sessions, found.shares, strict=True)
    loadings = zip(question.nodes, found.loadings, strict=True)
    return SiteDistributed(
        sessions=[_share(question, session.id, share) for session, share in shares],
        nodes=[_node(node.id, map(QuantityLoading.of, each)) for node, each in loadings],
        overloads=[
            Overload(node=question.nodes[each.node].id, quantity=each.quantity, excess=each.excess / 10)
            for each in found.overloads
        ],
    )


def _node(name: str, loadings: Iterable[QuantityLoading]) -> NodeLoading:
    l1, l2, l3, power, first, second, third = loadings
    has_unbalance = first.limit is not None
    return NodeLoading(
        id=name,
        L1=l1,
        L2=l2,
        L3=l3,
        power=power,
        unbalance=Unbalance(L1=first, L2=second, L3=third) if has_unbalance else None,
    )


def _share(question: SiteQuestion, name: str, share: SiteShare) -> SessionShare:
    memory = share.memory
    # A question takes no longer times than a year.
    switched = memory.single_phase_for_s
    return SessionShare(
        id=name,
        limit_a=share.limit_a / 10,
        phases=share.phases,
        reason=_reason(question, share),
        warning="below_signalled_minimum" if share.below_signalled else None,
        state=SessionState(
            activity=memory.activity,
            for_s=min(memory.for_s, YEAR_S),
            connected_for_s=min(memory.connected_for_s, YEAR_S),
            served_s=min(memory.served_s, YEAR_S),
            single_phase_for_s=None if switched is None else min(switched, YEAR_S),
        ),
    )


def _reason(question: SiteQuestion, share: SiteShare) -> ShareReason:
    return ShareReason(
        kind=share.reason,
        node=None if share.node is None else question.nodes[share.node].id,
        quantity=share.quantity,
        session=None if share.kept_for is None else question.sessions[share.kept_for].id,
        remaining_s=share.remaining_s,
    )
