"""What takes longer than a page should: one job a task, in the background; the page says since when it waits for it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ...errors import TutorialError

MOMENT = 2  # seconds
logger = logging.getLogger(__name__)


@dataclass
class Job:
    """One job.

    Attributes:
        kind: What it does: `verify`, `submit`, `export`.
        since: When it began, or when it ended.
        is_running: Whether it has not ended.
        refusal: Why it ended without what it was for.
    """

    kind: str
    since: float = field(default_factory=time.time)
    is_running: bool = True
    refusal: str = ""


class Jobs:
    """All jobs of a node's page; of each task the last one."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def of(self, task: str) -> Job | None:
        """Return a task's last job."""
        return self._jobs.get(task)

    def do(self, task: str, kind: str, work: Callable[[], object]) -> None:
        """Begin a job, and wait a moment: what is done at once is done when the page is seen.

        Raises:
            TutorialError: Another one of the task has not ended.
        """
        with self._lock:
            if (job := self._jobs.get(task)) and job.is_running:
                raise TutorialError("something is being done for this task already: wait until that has ended")
            job = self._jobs[task] = Job(kind)
        thread = threading.Thread(target=self._do, args=(job, work), name=kind, daemon=True)
        thread.start()
        thread.join(MOMENT)

    def _do(self, job: Job, work: Callable[[], object]) -> None:
        try:
            work()
        except TutorialError as error:
            job.refusal = str(error)
        except Exception:
            logger.exception("a job of the page: %s", job.kind)
            job.refusal = "something went wrong that should not: see agent.log in the node's folder"
        job.since, job.is_running = time.time(), False
