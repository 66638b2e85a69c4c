"""The inputs of jobs that are started in the console. Their names are those of the bodies that REST takes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, get_args

from app.commands.locations import SCHEMES
from app.commands.records import WhenOffline
from app.console.input_fields import FormField, FormGroup, under
from app.diagnostics.records import JobKind
from app.errors import FieldViolation, InvalidInput
from app.files.records import StoredFile
from app.firmware.rules.locations import LOCATION_LIMIT
from app.firmware.rules.signing import CERTIFICATE_LIMIT, SIGNATURE_LIMIT
from app.ocpp.v16 import RegistrationStatus
from app.smart_charging.calendar import Day
from app.types import Json

CHARGE_POINT: Final = "charge_point"
ALL: Final = "all"
"""The tick for every charge point of the tenant. It is not part of a body."""
_IDENTITY = FormField(CHARGE_POINT, "Charge point", "text", True, "Its identity.", max_length=48)
_RETRIES = (
    FormField("retries", "Tries", "integer", False, "How often to try again. Empty: it decides."),
    FormField("retry_interval_s", "Pause", "integer", False, "Seconds between two tries. Empty: it decides."),
)
_FILE_ID: Final = "file_id"
_FIRMWARE = FormGroup(
    "",
    f"Either where charge points fetch it ({', '.join(SCHEMES)}), or a file that this server keeps.",
    True,
    (
        FormField(
            "location",
            "Location",
            "text",
            False,
            "A URL. A password in it is not shown again.",
            max_length=LOCATION_LIMIT,
        ),
        FormField(_FILE_ID, "Stored file", "choice", False, "The newest ones. POST /v1/files stores one."),
        FormField(
            "target_version",
            "Version",
            "text",
            False,
            "Charge points report it afterwards. It helps to judge whether the update worked.",
            max_length=50,
        ),
        *_RETRIES,
    ),
    "Firmware",
)
_SIGNATURE = FormGroup(
    "signed",
    "The manufacturer delivers it with signed firmware. SignedUpdateFirmware is sent then.",
    False,
    (
        FormField(
            "signed.signing_certificate",
            "Certificate",
            "long_text",
            True,
            "PEM of the firmware signing certificate, without intermediate certificates.",
            max_length=CERTIFICATE_LIMIT,
        ),
        FormField(
            "signed.signature",
            "Signature",
            "text",
            True,
            "Base64 of the signature over the SHA-256 of the file: RSA-PSS or ECDSA.",
            max_length=SIGNATURE_LIMIT,
        ),
        FormField("signed.install_date", "Install", "time", False, "Empty: at once."),
    ),
    "Signature",
)
FIRMWARE_UPDATE: Final = (
    FormGroup("", "", True, (_IDENTITY,)),
    _FIRMWARE,
    FormGroup(
        "",
        "",
        True,
        (
            FormField("retrieve_date", "Fetch", "time", False, "Empty: now."),
            FormField(
                "timeout_s",
                "Times out after",
                "integer",
                False,
                "Seconds without a new status. Empty: as the server is set.",
            ),
        ),
        "Times",
    ),
    _SIGNATURE,
)
_KINDS: Final[Mapping[str, str]] = {
    "diagnostics": "Diagnostics (GetDiagnostics)",
    "diagnostics_log": "Log of diagnostics (GetLog)",
    "security_log": "Log of security events (GetLog)",
}
DIAGNOSTICS: Final = (
    FormGroup(
        "",
        "",
        True,
        (
            _IDENTITY,
            FormField(
                "kind",
                "What",
                "choice",
                True,
                "GetLog belongs to the security extension, which old charge points do not have.",
                choices=get_args(JobKind),
                words=_KINDS,
            ),
            FormField(
                "location",
                "Location",
                "text",
                False,
                "A directory of yours: http, https, ftp, ftps or sftp. Empty: this server.",
            ),
            FormField("start_time", "From", "time", False, "Only entries from this time on."),
            FormField("stop_time", "To", "time", False, "Only entries up to this time."),
            *_RETRIES,
            FormField(
                "timeout_s",
                "Times out after",
                "integer",
                False,
                "Seconds until it counts as timed out. Empty: as the server is set.",
            ),
        ),
    ),
)
_SELECTION: Final = (
    FormField("labels", "Labels", "lines", False, "They have all of them, such as site:north."),
    FormField("vendor", "Vendor", "text", False, "As they last booted, in exact case.", max_length=100),
    FormField("model", "Model", "text", False, "As they last booted, in exact case.", max_length=100),
    FormField("firmware_version", "Firmware", "text", False, "As they last booted.", max_length=100),
    FormField("prefix", "Identity begins with", "text", False, "In exact case.", max_length=48),
    FormField(
        "search", "Identity or name begins with", "text", False, "In upper or lower case.", max_length=100
    ),
    FormField(
        "registration_status",
        "Registration",
        "choice",
        False,
        "As this server answers their BootNotification.",
        choices=get_args(RegistrationStatus),
    ),
)
_IDENTITIES = FormField("identities", "Identities", "lines", False, "Exactly these.")
_DAYS: Final[tuple[str, ...]] = get_args(Day)
CAMPAIGN: Final = (
    FormGroup("", "", True, (FormField("name", "Name", "text", True, "For people."),)),
    _FIRMWARE,
    *under(
        "targets",
        (
            FormGroup(
                "",
                "Those that match everything below when the campaign is made.",
                True,
                (*_SELECTION, _IDENTITIES),
                "Charge points",
            ),
        ),
    ),
    FormGroup(
        "waves",
        "A wave begins when the one before has ended.",
        True,
        (
            FormField("waves.canary", "First small wave", "integer", False, "Charge points. Empty: none."),
            FormField("waves.first", "First ones", "lines", False, "Identities that are updated first."),
            FormField(
                "waves.percents",
                "Shares of the others",
                "integers",
                False,
                "Percents that add up to 100, such as 20 80. Empty: one wave.",
            ),
        ),
        "Waves",
    ),
    FormGroup(
        "stop_on_failures",
        "How many failures within a wave stop the campaign, whichever is reached first.",
        True,
        (
            FormField("stop_on_failures.count", "Charge points", "integer", False, "Empty: any number."),
            FormField("stop_on_failures.percent", "Percent of the wave", "integer", False, "Empty: any."),
        ),
        "Stop on failures",
    ),
    FormGroup(
        "window",
        "When updates may be sent, in local time. Without it: at any time.",
        False,
        (
            FormField(
                "window.time_zone", "Time zone", "text", True, "Such as Europe/Brussels.", max_length=64
            ),
            FormField("window.days", "Days", "ticks", True, "The window opens on these.", choices=_DAYS),
            FormField("window.from", "From", "text", True, "As HH:MM.", max_length=5),
            FormField(
                "window.to", "To", "text", True, "As HH:MM. Before From: the next morning.", max_length=5
            ),
        ),
        "Maintenance window",
    ),
    FormGroup(
        "",
        "",
        True,
        (
            FormField("concurrency", "At the same time", "integer", False, "Updates. Empty: 50."),
            FormField(
                "job_timeout_s",
                "An update times out after",
                "integer",
                False,
                "Seconds without a new status. Empty: 21600.",
            ),
            FormField(
                "wave_wait_s",
                "Wait for charge points that are not connected",
                "integer",
                False,
                "Seconds, until the next wave begins without them. Empty: 86400.",
            ),
            FormField("ends_at", "Begin nothing after", "time", False, "Empty: in 30 days."),
        ),
        "Pace",
    ),
    _SIGNATURE,
)
CAMPAIGN_AT_FIRST: Final = {"stop_on_failures.percent": "10", "waves.percents": "100"}
"""The values that a new campaign is shown with."""
_WHEN_OFFLINE: Final[Mapping[str, str]] = {
    "fail": "They get nothing",
    "queue": "They get it when they connect",
}
_BULK: Final = (
    FormGroup(
        "",
        "Name them, or say what they have in common, or take all.",
        True,
        (
            FormField("charge_points", "Identities", "lines", False, "Exactly these."),
            *under("filter", (FormGroup("", "", True, _SELECTION),))[0].fields,
            FormField(ALL, "All charge points", "tick", False, "Every one of the tenant."),
        ),
        "Charge points",
    ),
    FormGroup(
        "",
        "",
        True,
        (
            FormField(
                "when_offline",
                "Charge points that are not connected",
                "choice",
                True,
                "Whether the command waits for them.",
                choices=get_args(WhenOffline),
                words=_WHEN_OFFLINE,
            ),
            FormField(
                "timeout_s",
                "Time for an answer",
                "integer",
                False,
                "Seconds for each charge point. Empty: as the server is set.",
            ),
            FormField("not_before", "Send", "time", False, "Empty: now."),
            FormField("expires_at", "Expires", "time", False, "When what waits expires."),
            FormField("expires_in", "Expires in", "integer", False, "Seconds, instead of a time."),
        ),
        "Times",
    ),
)
BULK_AT_FIRST: Final = {"when_offline": "fail"}


def with_files(groups: Sequence[FormGroup], files: Sequence[StoredFile]) -> tuple[FormGroup, ...]:
    """Return the same inputs, in which the stored files can be chosen."""
    words = {str(file.id): f"{file.name} ({file.created_at:%Y-%m-%d %H:%M} UTC)" for file in files}
    return tuple(
        replace(
            group,
            fields=tuple(
                replace(one, choices=tuple(words), words=words) if one.name == _FILE_ID else one
                for one in group.fields
            ),
        )
        for group in groups
    )


def bulk_groups(action: str, groups: Sequence[FormGroup]) -> tuple[FormGroup, ...]:
    """Return the inputs of a bulk. groups: those of its command."""
    of_command = under("payload", groups)
    first = replace(of_command[0], title=action)
    return (first, *of_command[1:], *_BULK)


def campaign_body(payload: Json) -> Json:
    """Return the body of a campaign. payload: what its form means."""
    # An empty limit means that there is none, and no charge points never mean all.
    return {"targets": {}, "stop_on_failures": {}, **payload}


def bulk_body(action: str, payload: Json) -> Json:
    """Return the body of a bulk. payload: what its form means.

    Raises:
        InvalidInput: it does not say which charge points, or says it twice.
    """
    body = {"payload": {}, **payload, "action": action}
    is_for_all = body.pop(ALL, False)
    chosen = [name for name in ("charge_points", "filter") if name in body]
    if is_for_all and chosen:
        raise InvalidInput([FieldViolation(f"/{ALL}", "given_twice", "is ticked, and some are chosen, too")])
    if not is_for_all and not chosen:
        detail = "name some, say what they have in common, or take all"
        raise InvalidInput([FieldViolation("/charge_points", "missing", detail)])
    if is_for_all:
        body["filter"] = {}
    return body
