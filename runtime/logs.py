"""Logs: JSON lines on stderr, without secrets, whoever writes them: this project, a library, or Python about a defect."""

import logging
import sys
import traceback
from types import TracebackType

import structlog

from runtime.masking import Mask


def log_as_json(mask: Mask) -> None:
    """From now on everything that is logged in this process is a JSON line in which `mask` has replaced the secrets."""
    structlog.configure(
        processors=[
            mask.processor,  # before the renderer, which spells quotes and umlauts in another way
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _defect


class _Libraries(logging.Handler):
    """Passes on what libraries log; they know nothing of JSON or secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        trace = {} if record.exc_info is None else {"exception": "".join(traceback.format_exception(*record.exc_info))}
        structlog.get_logger().log(min(record.levelno, logging.ERROR), record.getMessage().strip(), logger=record.name, **trace)


def _defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python would print of an error that nobody expected."""
    structlog.get_logger().error("a defect: please report it", exception="".join(traceback.format_exception(kind, error, trace)))
