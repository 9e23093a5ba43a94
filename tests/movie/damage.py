"""Damage that files suffer, and what is asked of a reader then: an answer or a refusal in a sentence, nothing else."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.movie import open_movie


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, head: int | None = None) -> bytes:
    """Draw *whole* with some bytes of its first *head* changed, and perhaps cut off."""
    content = bytearray(whole)
    places = st.integers(0, min(head or len(whole), len(whole)) - 1)
    for place in draw(st.lists(places, max_size=4)):
        content[place] = draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    return bytes(content[: draw(st.just(len(whole)) | st.integers(1, len(whole)))])


def read_or_refused(path: Path, content: bytes) -> bool:
    """Write *content*, and return whether it can be read as a movie; the other outcome is a sentence on the file."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", InputWarning)
        try:
            movie = open_movie(path)
            frame = movie[len(movie) - 1]
        except InputError as error:
            refusal = str(error)
        else:
            assert isinstance(frame, np.ndarray)
            assert frame.shape == movie.shape[1:]
            return True
    assert path.name in refusal
    assert "\n" not in refusal
    return False
