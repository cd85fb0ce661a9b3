"""The screen of a run, as a logger plugin of Snakemake: `logger: goodpart` in the profiles.

On a terminal it shows a progress bar a rule (snakemake-logger-plugin-rich). In a file, a pipe or the log of a
scheduler it writes one line a job. Both show the end of a failed job's log.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from pathlib import Path

from rich.text import Text
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import OutputSettingsLoggerInterface
from snakemake_logger_plugin_rich.handler import RichLogHandler

LOG_LINES = 15  # of a failed job's log that are shown
# Events and messages of Snakemake that a line a job makes superfluous.
DROPPED = (
    *(LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED),
    *(LogEvent.PROGRESS, LogEvent.RULEGRAPH),
)
CHATTER = (
    *("Select jobs to execute", "Execute ", "Using workflow specific profile", "Building DAG of jobs"),
    *("Assuming unrestricted shared filesystem", "Using shell:", "host:", "Provided ", "Rules claiming more"),
    "Exiting because a job execution failed",
)
COMMAND_FAILED = (
    "RuleException:\nCalledProcessError"  # repeats the whole command; the log says what went wrong
)


def failure(record: logging.LogRecord, message: str | None = None) -> str:
    """What is shown of a failed job: its rule and message, the end of its log, and where the log is."""
    lines = [f"Failed: {record.rule_name}{': ' if message else ''}{message or ''}"]
    for name in getattr(record, "log", None) or []:
        path = Path(name.split(" (")[0])
        lines.append(f"  The end of its log, {path}:")
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                lines += [f"    {line.rstrip()}" for line in deque(file, LOG_LINES)]
        except OSError as error:
            lines.append(f"    ({error.strerror})")
    return "\n".join(lines)


class PlainLines(logging.Handler):
    """Snakemake's own lines, but one a job."""

    def __init__(self, settings: OutputSettingsLoggerInterface) -> None:
        super().__init__()
        self.output = ColorizingTextHandler(
            nocolor=settings.nocolor, stream=sys.stdout if settings.stdout else sys.stderr
        )
        self.output.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        self.addFilter(
            DefaultFilter(
                *(settings.quiet, settings.debug_dag, settings.verbose),
                *(settings.dryrun, settings.printshellcmds),
            )
        )
        self.everything = settings.verbose or settings.printshellcmds
        self.reasons = Quietness.REASON not in (settings.quiet or ())
        self.started, self.total = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, unless a job's line already says it."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.total = record.stats.get("total", 0)
        if not self.everything:
            if event in DROPPED or (event is None and record.getMessage().startswith(CHATTER)):
                return
            if event == LogEvent.JOB_INFO:
                self.started += 1
                record = with_text(record, self.job_line(record))
        elif event == LogEvent.JOB_INFO:  # Snakemake would show the message in place of files and threads
            record = logging.makeLogRecord({**record.__dict__, "rule_msg": None})
        self.output.handle(record)

    def job_line(self, record: logging.LogRecord) -> str:
        """Time, number of the job, rule, and the rule's message or its wildcards."""
        wildcards = ", ".join(f"{name}={value}" for name, value in (record.wildcards or {}).items())
        what = record.rule_msg or wildcards
        number = f"{self.started:>{len(str(self.total))}}/{self.total}"
        line = f"{time.strftime('%H:%M:%S')} [{number}] {record.rule_name}{': ' if what else ''}{what}"
        return f"{line}\n    Reason: {record.reason}" if self.reasons and record.reason else line


def with_text(record: logging.LogRecord, text: str) -> logging.LogRecord:
    """A record of the same level that holds this text alone."""
    return logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, None, None)


class LogHandler(LogHandlerBase):
    """Bars on a terminal, lines elsewhere."""

    def __post_init__(self) -> None:
        """Choose by the stream that Snakemake writes to."""
        stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.bars = stream.isatty()
        self.shown = (RichLogHandler if self.bars else PlainLines)(settings=self.common_settings)
        self.messages: dict[int, str | None] = {}  # of the jobs that have started, by their number

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record to the handler that was chosen; a failure is shown alike by both."""
        event = getattr(record, "event", None)
        if not self.shown.filter(record) or record.getMessage().startswith(COMMAND_FAILED):
            return
        if event == LogEvent.JOB_INFO:
            self.messages[record.jobid] = record.rule_msg
        if event != LogEvent.JOB_ERROR:
            self.shown.emit(record)
            return
        text = failure(record, self.messages.get(record.jobid))
        if self.bars:
            handler = self.shown.event_handler
            handler.progress_display.mark_rule_failed(record.rule_name)
            handler.console.print(Text(text, style="red"), soft_wrap=True)
        else:
            self.shown.output.handle(with_text(record, text))

    def close(self) -> None:
        """Take the bars off the screen."""
        self.shown.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """It replaces Snakemake's own lines."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake writes its log file itself."""
        return False

    @property
    def has_filter(self) -> bool:
        """Each of the two handlers drops what it does not show."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Each of the two handlers formats its own records."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No graph is drawn."""
        return False
