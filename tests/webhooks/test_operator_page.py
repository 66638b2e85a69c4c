"""Each command of docs/webhooks.md, and its code, as a developer would run them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.operator_page import OperatorPage
from tests.support.receiver import Message, Receiver
from tests.webhooks.conftest import Desk

pytestmark = pytest.mark.slow

_CALLS = {
    "python": "\nimport json, sys\n"
    "given = json.load(sys.stdin)\n"
    "print(verify(given['headers'], given['body'].encode(), given['secret']))\n",
    "javascript": "\nconst given = JSON.parse(require('fs').readFileSync(0));\n"
    "console.log(verify(given.headers, Buffer.from(given.body), given.secret));\n",
}


def verdict(page: OperatorPage, language: str, folder: Path, message: Message, **changes: str) -> str:
    """Run the code of the page on a message, and return what it says of it."""
    [code] = re.findall(rf"```{language}\n(.+?)```", page.text, re.DOTALL)
    # js: a module of the old kind, whatever is around it.
    script = folder / ("verify.py" if language == "python" else "verify.cjs")
    script.write_text(code + _CALLS[language])
    given = {"headers": dict(message.headers), "body": message.body.decode(), **changes}
    command = [sys.executable if language == "python" else "node", str(script)]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
    return done.stdout.strip().lower()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_create_try_list_and_send_again(desk: Desk, receiver: Receiver) -> None:
    page = OperatorPage("webhooks.md")
    await page.log_in(desk.server, ("read", "write"), WEBHOOK=receiver.url)
    create, test, log, dead, resend, replay, enable, secret, remove = page.commands
    await desk.register("A")
    made = await page.run(create)
    page.know(ID=made["id"])
    assert (await page.run(test))["is_delivered"] is True
    await desk.write("A")
    await receiver.until(lambda: len(receiver.taken()) == 2)
    page.know(EVENT=receiver.taken()[1].event["id"])
    assert len((await page.run(log))["items"]) == 1
    assert (await page.run(dead))["items"] == []
    assert await page.run(resend) == 202
    await receiver.until(lambda: len(receiver.taken()) == 3)
    await page.run(replay)
    await receiver.until(lambda: len(receiver.taken()) == 4)
    assert (await page.run(enable))["state"] == "active"
    assert (await page.run(secret))["secret"] != made["secret"]
    assert await page.run(remove) == 204


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_the_code_verifies_messages(
    desk: Desk, receiver: Receiver, tmp_path: Path, language: str
) -> None:
    if language == "javascript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    page = OperatorPage("webhooks.md")
    made = await desk.webhook(receiver.url)
    replaced = await desk.operator.post(f"/webhooks/{made['id']}/secret", None)
    await desk.operator.post(f"/webhooks/{made['id']}/test", None)
    [message] = receiver.messages
    for secret in (made["secret"], replaced["secret"]):
        assert verdict(page, language, tmp_path, message, secret=secret) == "true"
    forged = verdict(page, language, tmp_path, message, secret=made["secret"], body="{}")
    other = verdict(page, language, tmp_path, message, secret="whsec_" + "A" * 43 + "=")
    assert (forged, other) == ("false", "false")
    old = {**message.headers, "webhook-timestamp": "1700000000"}
    late = Message(old, message.body, 200)
    assert verdict(page, language, tmp_path, late, secret=made["secret"]) == "false"
