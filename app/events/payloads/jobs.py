"""Events of jobs: firmware updates and campaigns, diagnostics, local authorization lists."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from app.events.payloads.payload import Payload
from app.web.resources import EXAMPLE_TIME, Instant, Json


class FirmwareUpdateChangedEvent(Payload):
    """A firmware update was made, or is in another state, or its charge point reported another status."""

    type = "firmware_update.changed"

    id: UUID
    state: str = Field(description="As in the resource of the update.")
    reason: str | None = Field(description="Why it is in this state.")
    status: str | None = Field(description="The status that was reported last.")
    status_at: Instant | None
    target_version: str | None
    firmware_version_before: str | None
    firmware_version_after: str | None = Field(description="As the charge point booted after the command.")
    command_id: UUID | None
    retry_of: UUID | None = Field(description="The update that it repeats.")
    campaign_id: UUID | None
    created_at: Instant
    created_by: str
    ended_at: Instant | None

    example: ClassVar[Json] = {
        "id": "3b7c4f8a-51de-4a37-9a5f-7f2f0e6f3a55",
        "state": "installed",
        "reason": None,
        "status": "Installed",
        "status_at": EXAMPLE_TIME,
        "target_version": "6.7.0",
        "firmware_version_before": "6.6.0",
        "firmware_version_after": "6.7.0",
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "retry_of": None,
        "campaign_id": None,
        "created_at": EXAMPLE_TIME,
        "created_by": "key:3f9c2a7d41be",
        "ended_at": EXAMPLE_TIME,
    }


class FirmwareCampaignChangedEvent(Payload):
    """A campaign was made, is in another state, or has begun a wave.

    Its updates tell their own events, with its id as `campaign_id`.
    """

    type = "firmware_campaign.changed"

    id: UUID
    name: str
    state: str = Field(description="As in the resource of the campaign.")
    reason: str | None = Field(description="Why it is in this state.")
    waves_begun: int = Field(ge=0, description="How many waves have begun.")
    created_at: Instant
    created_by: str
    started_at: Instant | None
    ended_at: Instant | None
    ends_at: Instant

    example: ClassVar[Json] = {
        "id": "9d0c6a54-0b0a-4c52-8a7e-2f8a2b7d9b10",
        "name": "6.7.0 for all",
        "state": "running",
        "reason": None,
        "waves_begun": 1,
        "created_at": EXAMPLE_TIME,
        "created_by": "key:3f9c2a7d41be",
        "started_at": EXAMPLE_TIME,
        "ended_at": None,
        "ends_at": "2026-05-11T08:15:30.000Z",
    }


class DiagnosticsJobChangedEvent(Payload):
    """An upload of diagnostics was asked for, is in another state, or its file has come."""

    type = "diagnostics_job.changed"

    id: UUID
    kind: str = Field(description="As in the resource of the job.")
    state: str = Field(description="As in the resource of the job.")
    reported_status: str | None = Field(description="The last status that the charge point has sent for it.")
    reported_at: Instant | None
    file_id: UUID | None = Field(description="The file at `/v1/files`, when it has come to this server.")
    file_name: str | None = Field(description="As the charge point has announced it.")
    command_id: UUID | None
    retry_of: UUID | None = Field(description="The job that this one repeats.")
    requested_by: str
    created_at: Instant
    ended_at: Instant | None

    example: ClassVar[Json] = {
        "id": "7f8d1c52-0d53-4a90-9c3e-6f1d0f1c9a77",
        "kind": "diagnostics",
        "state": "uploading",
        "reported_status": "Uploading",
        "reported_at": EXAMPLE_TIME,
        "file_id": None,
        "file_name": "VW22-0013377-20260504.zip",
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "retry_of": None,
        "requested_by": "key:3f9c2a7d41be",
        "created_at": EXAMPLE_TIME,
        "ended_at": None,
    }


class LocalListChangedEvent(Payload):
    """More is known of the local authorization list of a charge point, or its synchronization was switched.

    Each SendLocalList that is answered, or whose answer is lost, tells one.
    """

    type = "local_list.changed"

    sync: bool = Field(description="false: the server sends no list to this charge point.")
    supported: bool = Field(description="false: the charge point says that it supports no such list.")
    known_version: int | None = Field(description="Of the last update that it accepted, or reported.")
    drifted: bool = Field(description="Whether another system has changed the list.")
    failures: int = Field(ge=0, description="Updates that failed one after the other.")
    status: str | None = Field(description="Its word about the last update, or `no_answer`, `refused`.")
    status_at: Instant | None

    example: ClassVar[Json] = {
        "sync": True,
        "supported": True,
        "known_version": 5,
        "drifted": False,
        "failures": 0,
        "status": "Accepted",
        "status_at": EXAMPLE_TIME,
    }
