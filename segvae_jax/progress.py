"""Progress of a long job on many maps."""

import datetime

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class MapProgress:
    """Shows progress and ETA on stderr: as a bar on a terminal, as lines in a log.

    Args:
      description: of the job, e.g. `generating`.
      total: number of maps.
      completed: number of maps that were done before this run.
    """

    def __init__(self, description: str, total: int, completed: int = 0):
        self._description, self._before = description, completed
        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn()
        self._progress = Progress(TextColumn(description), *columns, console=Console(stderr=True))
        self._task = self._progress.add_task("", total=total, completed=completed)

    def __enter__(self) -> "MapProgress":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def advance(self, count: int) -> None:
        """Adds `count` maps to those that are done."""
        self._progress.advance(self._task, count)

    def advance_logged(self, count: int) -> None:
        """Like `advance`, and prints a line at every tenth of the total if there is no terminal."""
        before = self._tenths()
        self.advance(count)
        if self._tenths() > before and not self._progress.console.is_terminal:
            self.print(self._description)

    def _tenths(self) -> int:
        task = self._progress.tasks[0]
        return int(10 * task.completed / max(1, task.total or 1))

    def print(self, text: str) -> None:
        """Prints `text` on one line, with progress and ETA."""
        task = self._progress.tasks[0]
        line = f"{text}: {task.completed:,} of {task.total:,} maps, ETA {self._left(task)}"
        self._progress.console.print(line, highlight=False, soft_wrap=True)

    def _left(self, task: Task) -> datetime.timedelta | str:
        """ETA from the mean pace. Rich uses only the latest steps, which processes may finish at the same time."""
        if task.completed == self._before:
            return "unknown"
        pace = (task.elapsed or 0) / (task.completed - self._before)
        return datetime.timedelta(seconds=round(pace * (task.remaining or 0)))
