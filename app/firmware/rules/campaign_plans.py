"""The stored form of the plan and the source of a campaign: JSON, and back. Pure values."""

from datetime import datetime

from app.clock import utc_text
from app.firmware.records import CampaignPlan, FirmwareSource, SigningFacts
from app.firmware.rules.windows import window_of
from app.types import Json


def plan_of(stored: Json, ends_at: datetime) -> CampaignPlan:
    """Read a plan. stored: has the names of the API."""
    return CampaignPlan(
        canary=stored["waves"]["canary"],
        percents=tuple(stored["waves"]["percents"]),
        failure_count=stored["stop_on_failures"]["count"],
        failure_percent=stored["stop_on_failures"]["percent"],
        window=window_of(stored["window"]),
        job_timeout_s=stored["job_timeout_s"],
        wave_wait_s=stored["wave_wait_s"],
        concurrency=stored["concurrency"],
        ends_at=ends_at,
    )


def stored_source(source: FirmwareSource) -> Json:
    """Return a source in its stored form, in which its location has no password."""
    signing = source.signing
    return {
        "location": source.shown_location,
        "file_id": source.file_id,
        "retries": source.retries,
        "retry_interval_s": source.retry_interval_s,
        "signing_certificate": None if signing is None else signing.signing_certificate,
        "signature": None if signing is None else signing.signature,
        "install_date": None
        if signing is None or signing.install_date is None
        else utc_text(signing.install_date),
        "signature_note": source.signature_note,
        "target_version": source.target_version,
    }


def source_of(stored: Json) -> FirmwareSource:
    """Read a source. Its location is as it is shown; the caller knows the sealed one."""
    certificate, date = stored["signing_certificate"], stored["install_date"]
    install_date = None if date is None else datetime.fromisoformat(date)
    signing = None if certificate is None else SigningFacts(certificate, stored["signature"], install_date)
    return FirmwareSource(
        shown_location=stored["location"],
        file_id=stored["file_id"],
        retries=stored["retries"],
        retry_interval_s=stored["retry_interval_s"],
        signing=signing,
        signature_note=stored["signature_note"],
        target_version=stored["target_version"],
    )
