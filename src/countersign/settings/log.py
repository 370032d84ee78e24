"""Structured logs on standard error (structlog): one line of JSON per event, or for people.

Events carry facts (addresses, hostnames, reasons), never message content, session IDs,
passwords or keys.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor

from countersign.settings.values import Log


def configure_log(settings: Log, **context: Any) -> None:
    """Set up logging for this process; ``context`` is added to each event.

    Call it once, before the first event: loggers are cached for speed.
    """
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**context)
    structlog.configure(
        processors=[*_COMMON, *_renderers(settings)],
        wrapper_class=structlog.make_filtering_bound_logger(_level(settings)),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
    # Libraries (asyncio's slow callbacks, for one) log through the standard module.
    logging.basicConfig(
        stream=sys.stderr,
        level=max(_level(settings), logging.WARNING),
        format="%(levelname)s %(name)s: %(message)s",
        force=True,
    )


class _StandardError:
    """Standard error as it is when something is written: loggers are kept longer than it may be."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _renderers(settings: Log) -> list[Processor]:
    if settings.format == "json":
        return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _level(settings: Log) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]
