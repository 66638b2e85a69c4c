"""The frames of tests/vectors/frames.toml through the core's Python face; the Rust tests read them too."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.ocpp import Dispatch, Ignored, Link, Refused, Send
from tests.support.protocol import OCPP16

VECTORS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[1] / "vectors" / "frames.toml").read_text()
)["frame"]

by_name = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])


@by_name
def test_link_comes_to_the_outcome(vector: dict[str, Any]) -> None:
    link = Link(OCPP16, "central_system", strict=vector.get("mode") == "strict")
    match vector["outcome"], link.receive(vector["text"], 0.0):
        case "dispatch", [Dispatch() as call]:
            found = [f"{deviation.kind} {deviation.pointer}" for deviation in call.deviations]
            assert found == vector.get("deviations", [])
            if "payload" in vector:
                assert call.payload == json.loads(vector["payload"])
        case "refused", [Refused() as refused, Send() as answer]:
            first = refused.violations[0]
            assert (refused.code, first.pointer, first.reason) == (
                vector["code"],
                vector["pointer"],
                vector["reason"],
            )
            assert answer.text == vector.get("answer", answer.text)
            assert json.loads(answer.text)[0] == 4
        case "ignored", [Ignored() as ignored]:
            assert ignored.reason == vector["reason"]
        case outcome, effects:
            pytest.fail(f"expected {outcome}, not {effects}")


@by_name
def test_verdict_on_the_frame_agrees_with_the_link(vector: dict[str, Any]) -> None:
    verdict = OCPP16.check_frame(vector["text"], "charge_point", vector.get("mode") == "strict")
    if vector["outcome"] == "refused":
        assert [violation.code for violation in verdict.violations][:1] == [vector["code"]]
        assert verdict.kind == "call"
    elif vector["outcome"] == "dispatch":
        assert verdict.violations == []
        assert verdict.kind == "call"
