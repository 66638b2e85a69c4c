"""Each command of docs/migration.md, as a user would run it."""

import re
import shutil
from typing import get_args

import pytest

from app.migration.rules.differences import Change
from app.migration.schemas import TranslationFound
from tests.support.operator_page import OperatorPage

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = OperatorPage("migration.md")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_show_what_the_page_says(address: str) -> None:
    PAGE.know(SERVER=address)
    differences, mapping, fault, answer = [await PAGE.run(command) for command in PAGE.commands]
    assert len(differences["added"]) == 27
    assert mapping["messages"]["StatusNotification"]["to"] == ["StatusNotification", "NotifyEvent"]
    assert [message["action"] for message in fault["messages"]] == ["StatusNotification", "NotifyEvent"]
    assert answer["messages"][0]["payload"] == {"idTokenInfo": {"status": "Accepted"}}


@pytest.mark.parametrize(
    "name",
    [
        *get_args(Change),
        *sorted({"lost", "invented", "needs", "impossible"} & TranslationFound.model_fields.keys()),
    ],
)
async def test_the_page_explains_each_word(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| \w+", PAGE.text, re.MULTILINE)
