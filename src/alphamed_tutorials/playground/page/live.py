"""Tell a browser when a page is not what it was: server-sent events, each no more than "look again"."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

LOOK_SECONDS = 2  # between two looks at what a page shows, at least
SHARE = 0.02  # of the time that looking may take: a list of many tasks is looked at less often
WORD_SECONDS = 10  # until a word is sent though nothing happened, so that a lost connection is noticed


def mark(seen: Any) -> str:
    """Return a short text that is another one for anything else that is seen."""
    return hashlib.sha256(json.dumps(seen, sort_keys=True, default=str).encode()).hexdigest()[:16]


def changes(look: Callable[[], Any], seen: str) -> StreamingResponse:
    """Return a stream that has an event whenever what `look` returns has changed.

    Args:
        look: Returns what a page shows.
        seen: The mark of what the browser shows: when it connects again, it hears at once whether it missed something.
    """

    async def stream() -> AsyncIterator[str]:
        known, silent = seen, 0.0
        while True:
            started = time.monotonic()
            now = await run_in_threadpool(lambda: mark(look()))
            if now != known:
                known, silent = now, 0
                yield f"event: changed\ndata: {now}\n\n"
            elif silent >= WORD_SECONDS:
                silent = 0
                yield ": still the same\n\n"
            pause = max(LOOK_SECONDS, (time.monotonic() - started) / SHARE)
            await asyncio.sleep(min(pause, WORD_SECONDS))
            silent += pause

    return StreamingResponse(stream(), media_type="text/event-stream")
