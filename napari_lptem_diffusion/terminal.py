"""Progress and Ctrl-C in a terminal."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from tqdm import tqdm


class ProgressBars:
    """One bar with ETA for each stage on standard error; a line for each where that is no terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> ProgressBars:
        return self

    def __call__(self, done: int, total: int, message: str) -> None:
        """Show *done* of *total* for the stage *message*."""
        if message != self._stage:
            self._close()
            self._stage = message
            if sys.stderr.isatty():
                self._bar = tqdm(total=total, desc=message, leave=True, dynamic_ncols=True)
            else:
                print(f"{message} ...", file=sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class StopOnInterrupt:
    """The first Ctrl-C (or SIGTERM) asks the work to stop, the second ends it; call it to know whether to stop."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopOnInterrupt:
        if threading.current_thread() is threading.main_thread():  # signals reach no other
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask) or signal.SIG_DFL
        return self

    def __call__(self) -> bool:
        """Say whether the user asked to stop."""
        return self._asked

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        for handled in self._before:
            signal.signal(handled, signal.default_int_handler)
        print("\nStopping; press Ctrl-C again to end at once.", file=sys.stderr)
