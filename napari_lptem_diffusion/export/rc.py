"""Settings of matplotlib for a figure; they are the whole process's, so that one thread at a time has its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

from matplotlib import rc_context

_LOCK = RLock()


@contextmanager
def drawing_with(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw or save a figure with *settings* of matplotlib, while no other thread draws with its own."""
    with _LOCK, rc_context(dict(settings or {})):
        yield
