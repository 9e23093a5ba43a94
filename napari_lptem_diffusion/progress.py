"""How long work reports progress and is asked to stop, without knowing who listens."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, message)``; *message* names the stage, ``0 <= done <= total``."""

ShouldStop = Callable[[], bool]
"""Asked often; long work ends with `Stopped` soon after it answers True."""


class Stopped(Exception):
    """The user stopped the work; nothing was written."""


def report(progress: Progress | None, should_stop: ShouldStop | None, done: int, total: int, message: str) -> None:
    """Tell *progress* where the work is, then raise `Stopped` if *should_stop* says so.

    Raises
    ------
    Stopped
        If the user asked to stop.
    """
    if progress is not None:
        progress(done, total, message)
    if should_stop is not None and should_stop():
        raise Stopped(f"Stopped during {message}.")
