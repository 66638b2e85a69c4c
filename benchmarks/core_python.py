"""Measures parsing and validation from Python: the core and the PyPI package `ocpp`, on the same frames.

There are two pairs. `payload` reads a text and returns the validated payload that a handler gets. `answer`
reads a text and returns the text of a validated answer, with a handler that does nothing.
"""

import gc
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import ocpp.messages
from ocpp.charge_point import camel_to_snake_case
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

from app.ocpp import Dispatch, Link, Protocol, Send
from benchmarks.corpus import Frame, frames
from benchmarks.plan import Plan
from benchmarks.summary import significant, summarize

ANSWERS = {
    "Authorize": '{"idTagInfo":{"status":"Accepted"}}',
    "BootNotification": '{"status":"Accepted","currentTime":"2026-03-01T08:00:00.000Z","interval":300}',
    "Heartbeat": '{"currentTime":"2026-03-01T08:00:00.000Z"}',
    "MeterValues": "{}",
    "StartTransaction": '{"transactionId":100001,"idTagInfo":{"status":"Accepted"}}',
    "StatusNotification": "{}",
    "StopTransaction": "{}",
}

Work = Callable[[list[str]], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """One implementation. run: handles all texts."""

    name: str
    run: Work


def measure(plan: Plan) -> dict[str, Any]:
    """Return CPU microseconds per frame of each subject, and how many times as slow `ocpp` is."""
    # By default it validates in another thread, which costs more CPU. This is its faster way.
    default, ocpp.messages.ASYNC_VALIDATION = ocpp.messages.ASYNC_VALIDATION, False
    protocol = Protocol.v16()
    # Objects that exist already are excluded from garbage collections during the measurement.
    gc.collect()
    gc.freeze()
    found = {frame.name: _measure_frame(protocol, frame, plan) for frame in frames()}
    gc.unfreeze()
    ocpp.messages.ASYNC_VALIDATION = default
    return {"unit": "CPU microseconds per frame", "frames": found}


def _measure_frame(protocol: Protocol, frame: Frame, plan: Plan) -> dict[str, Any]:
    subjects = [
        Subject("payload", _payload(protocol)),
        Subject("ocpp_payload", _ocpp_payload(frame.action)),
        Subject("answer", _answer(protocol, frame.action)),
        Subject("ocpp_answer", _ocpp_answer()),
    ]
    sizes = {subject.name: _batch_size(subject, frame, plan.micro_round_s) for subject in subjects}
    rounds: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    first = 1
    for _ in range(plan.micro_rounds):
        for subject in subjects:
            texts = frame.with_new_ids(first, sizes[subject.name])
            first += len(texts)
            rounds[subject.name].append(_cpu_us(subject, texts))
    figures: dict[str, Any] = {name: summarize(values) for name, values in rounds.items()}
    for pair in ("payload", "answer"):
        ratio = figures[f"ocpp_{pair}"]["median"] / figures[pair]["median"]
        figures[f"{pair}_times_faster"] = significant(ratio, 3)
    return {"bytes": len(frame.text), **figures}


def _batch_size(subject: Subject, frame: Frame, round_s: float) -> int:
    subject.run(frame.with_new_ids(900_000_000, 2))
    size = 1
    while True:
        took_s = _cpu_us(subject, frame.with_new_ids(910_000_000, size)) * size / 1e6
        if took_s >= round_s / 4 or size >= 50_000:
            return max(1, int(size * round_s / max(took_s, 1e-6)))
        size *= 4


def _cpu_us(subject: Subject, texts: list[str]) -> float:
    gc.collect()
    started = time.thread_time_ns()
    subject.run(texts)
    return (time.thread_time_ns() - started) / 1000.0 / len(texts)


def _payload(protocol: Protocol) -> Work:
    def run(texts: list[str]) -> None:
        for text in texts:
            verdict = protocol.check_frame(text, "charge_point")
            if verdict.payload is None:
                raise ValueError(verdict.violations)

    return run


def _answer(protocol: Protocol, action: str) -> Work:
    answer = ANSWERS[action]

    def run(texts: list[str]) -> None:
        link = Link(protocol, "central_system")
        for text in texts:
            [dispatch] = link.receive(text, 0.0)
            assert isinstance(dispatch, Dispatch)
            [sent] = link.reply(dispatch.unique_id, answer)
            assert isinstance(sent, Send)

    return run


def _ocpp_payload(action: str) -> Work:
    """Do what `ChargePoint.route_message` does before the handler, then make the dataclass of the package."""
    payload_class = getattr(call, action)

    def run(texts: list[str]) -> None:
        for text in texts:
            message = ocpp.messages.unpack(text)
            _finish(ocpp.messages.validate_payload(message, "1.6"))
            payload_class(**camel_to_snake_case(message.payload))

    return run


def _ocpp_answer() -> Work:
    charge_point = _ocpp_charge_point()

    def run(texts: list[str]) -> None:
        for text in texts:
            _finish(charge_point.route_message(text))

    return run


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits, without the cost of an event loop."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the coroutine waits for something")


class _Connection:
    async def send(self, text: str) -> None:
        if not text.startswith("[3,"):
            raise ValueError(text)


def _ocpp_charge_point() -> Any:
    """Make a charge point of the package, whose handlers only answer."""
    answers = {
        "Authorize": call_result.Authorize(id_tag_info={"status": "Accepted"}),
        "BootNotification": call_result.BootNotification("2026-03-01T08:00:00.000Z", 300, "Accepted"),
        "Heartbeat": call_result.Heartbeat("2026-03-01T08:00:00.000Z"),
        "MeterValues": call_result.MeterValues(),
        "StartTransaction": call_result.StartTransaction(100001, {"status": "Accepted"}),
        "StatusNotification": call_result.StatusNotification(),
        "StopTransaction": call_result.StopTransaction(),
    }
    handlers = {f"on_{action}": on(action)(_handler(action, answer)) for action, answer in answers.items()}
    return type("OcppChargePoint", (ChargePoint,), handlers)("CP-1", _Connection())


def _handler(action: str, answer: Any) -> Callable[..., Any]:
    def handle(self: Any, **_: Any) -> Any:
        return answer

    # The package finds a handler by its name.
    handle.__name__ = f"on_{action}"
    return handle
