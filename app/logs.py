"""Structured logging, as JSON or for a console: event names are constants, the context is bound.

The caller binds the context (`tenant`, `charge_point`, `connection`, `message_id`). Payloads are logged at
the level debug only.
"""

import logging
import sys
from typing import Any, Literal

import orjson
import structlog

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
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer(serializer=_dumps)
    else:
        # The default formatter prints all local variables, including secrets and whole batches.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
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


def masked(text: str | None) -> str | None:
    """Return an id tag as the log shows it: only the last three characters."""
    return text if text is None else "***" + text[-3:]


def _dumps(document: Any, **options: Any) -> str:
    return orjson.dumps(document, default=options.get("default", str)).decode()
