"""Writing drawn frames as a video file: whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_lptem_diffusion.errors import InputError, InputWarning
from napari_lptem_diffusion.export.folder import check_output_file, staged_file
from napari_lptem_diffusion.overlay_style import QUALITIES, OverlayStyle

VIDEO_SUFFIXES = (".mp4", ".gif")

Draw = Callable[[int], NDArray[np.uint8]]
"""Called as ``draw(frame)``; returns (y, x, 3) sRGB, of even and unchanging size."""

_H264_OPTIONS = {"preset": "superfast", "x264-params": "chroma-qp-offset=-12"}
"""Finer in colour than in grey: the noise, which costs the space, is grey, and thin coloured lines smear otherwise."""
_MOST_GIF_FRAMES = 200
"""A GIF is put together in memory."""


def check_video_path(path: str | Path, overwrite: bool = False) -> None:
    """Say before the work whether a video could be written to *path*.

    Raises
    ------
    InputError
        If the suffix is neither, or as `folder.check_output_file`.
    """
    path = Path(path)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        expected = " or ".join(VIDEO_SUFFIXES)
        raise InputError(f"The overlay movie {path} ends in {path.suffix!r}; {expected} was expected.")
    check_output_file(path, overwrite)


def write_video(draw: Draw, frames: int, path: str | Path, overwrite: bool, style: OverlayStyle) -> Path:
    """Draw *frames* frames and write them to *path*, by its suffix; return the path that was written.

    Of *style* the frame rate and, for MP4, the quality count; the size is that of what is drawn.

    Raises
    ------
    InputError
        As `check_video_path`, or if the disk is full or refuses.
    """
    path = Path(path)
    if path.suffix.lower() == ".mp4" and find_spec("av") is None:
        path = path.with_suffix(".gif")
        message = f"MP4 needs the package av (pip install av), which is missing: {path.name} was written instead."
        warnings.warn(message, InputWarning, stacklevel=2)
    check_video_path(path, overwrite)
    write = _write_mp4 if path.suffix.lower() == ".mp4" else _write_gif
    with staged_file(path) as staged:
        write(draw, frames, staged, style)
    return path


def _write_mp4(draw: Draw, frames: int, path: Path, style: OverlayStyle) -> None:
    import av

    first = draw(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream = container.add_stream(codec, rate=Fraction(style.frames_per_second).limit_denominator(1000))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(QUALITIES[style.quality]), **_H264_OPTIONS}
        for frame in range(frames):
            picture = first if frame == 0 else draw(frame)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _write_gif(draw: Draw, frames: int, path: Path, style: OverlayStyle) -> None:
    step = -(-frames // _MOST_GIF_FRAMES)
    pictures: Iterator[Image.Image] = (Image.fromarray(draw(frame)) for frame in range(0, frames, step))
    first = next(pictures)
    shown_ms = round(1000 * step / style.frames_per_second)
    first.save(path, save_all=True, append_images=pictures, duration=shown_ms, loop=0)
