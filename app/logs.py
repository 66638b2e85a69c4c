"""Structured logging, as JSON or for a console: event names are constants, the context is bound.

The caller binds the context (`tenant`, `charge_point`, `connection`, `message_id`). Payloads are logged at
the level debug only.
"""

import logging
import re
import sys
from io import StringIO
from typing import Any, Final, Literal

import orjson
import structlog

_HIDDEN: Final = "***"
_SUSPECT: Final = re.compile(r"://|\bsm_|/transfers/|[?&]|\b(?:Basic|Bearer) ", re.IGNORECASE)
"""One of these is in each text with a secret. Most texts have none, and are looked at once."""
_SECRETS: Final = (
    # The password of a URL, but not a port. It may hold an @ that was not encoded.
    re.compile(r"""(://[^\s/?#@:"'<>]*:)(?!\d*[/?#\s])[^\s"'<>]*(?=@)"""),
    # A token in the place of the user.
    re.compile(r"""(://)[^\s/?#@:"'<>]{16,}(?=@)"""),
    # The secret part of an API key, and the token of a URL for one file.
    re.compile(r"(\bsm_[A-Za-z0-9]{4,32}_)[A-Za-z0-9]{16,128}"),
    re.compile(r"(/transfers/)[A-Za-z0-9_-]{32,}"),
    re.compile(r"(\b(?:Basic|Bearer) )[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE),
    re.compile(
        r"""([?&;#][^=&;\s"'<>]*(?:token|signature|sig|key|secret|passw[a-z]*|credential|auth)=)[^&;\s"'<>]+""",
        re.IGNORECASE,
    ),
)
"""The secrets in texts that are not frames, each behind a group that stays. The core hides others."""

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def setup_logging(
    level: Literal["debug", "info", "warning", "error"], log_format: Literal["json", "console"]
) -> None:
    """Send all records, those of libraries included, to standard error in one format."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor
    if log_format == "json":
        shared += [structlog.processors.format_exc_info, hide_secrets]
        renderer = structlog.processors.JSONRenderer(serializer=_dumps)
    else:
        shared.append(hide_secrets)
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=_traceback_without_secrets
        )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # uvicorn logs this for each refused handshake, although the handshake was answered.
    logging.getLogger("uvicorn.error").addFilter(_is_not_a_refusal)
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries log from the level warning on. Their other records are not events of ours.
    root.setLevel(max(_LEVELS[level], logging.WARNING))


def _is_not_a_refusal(record: logging.LogRecord) -> bool:
    return record.msg != "ASGI callable returned without completing handshake."


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module. Its records have `name` in the field `module`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def without_secrets(text: str) -> str:
    """Return a text without the secrets that it may quote, such as the password in the URL of a database."""
    if _SUSPECT.search(text) is None:
        return text
    for pattern in _SECRETS:
        text = pattern.sub(rf"\1{_HIDDEN}", text)
    return text


def hide_secrets(_logger: Any, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Hide the secrets in all texts of a record: errors of libraries quote URLs and headers."""
    return {name: _shown(value) for name, value in event.items()}


def _shown(value: Any) -> Any:
    match value:
        case str():
            return without_secrets(value)
        case dict():
            return {name: _shown(member) for name, member in value.items()}
        case list() | tuple():
            return [_shown(item) for item in value]
        case _:
            return value


def _traceback_without_secrets(output: Any, exc_info: structlog.types.ExcInfo) -> None:
    # The default formatter prints all local variables, including secrets and whole batches.
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    output.write(without_secrets(text.getvalue()))


def masked(text: str | None) -> str | None:
    """Return an id tag as the log shows it: only the last three characters."""
    return text if text is None else "***" + text[-3:]


def _dumps(document: Any, **options: Any) -> str:
    return orjson.dumps(document, default=options.get("default", str)).decode()
