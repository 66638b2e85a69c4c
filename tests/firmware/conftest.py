"""Fixtures of the tests of firmware updates."""

import pytest

from app.tenants.records import TenantRecord
from tests.firmware.story import Story
from tests.support.api import Api
from tests.support.scripted_commands import ScriptedCommands


@pytest.fixture
def story(api: Api, operator: TenantRecord, token: str, scripted: ScriptedCommands) -> Story:
    """Return a tenant without charge points."""
    return Story(api, operator, token, scripted)
