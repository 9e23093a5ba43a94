"""TIFF movies: plain, ImageJ, OME and BigTIFF, one page per frame or all frames behind one page."""

from __future__ import annotations

import json
import logging
import math
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, TIFF, TiffFile, TiffFileError, TiffFrame, TiffPage

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.frames import (
    Frame,
    FrameSource,
    Recording,
    Remark,
    UncompressedFrames,
    checked_dtype,
    checked_length,
    warn_of_cut,
)
from napari_lptem_diffusion.movie.grey import colour_note, to_grey
from napari_lptem_diffusion.movie.tiff_calibration import ome_pixels, tiff_calibration

# What is odd about a file is told in the user's words; tifffile's own reports would go to the console.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def open_tiff(path: Path) -> Recording:
    """Read the tags of a TIFF movie; its frames are read later.

    Raises
    ------
    InputError
        If it is not a TIFF file, holds fewer than 2 frames or more axes than (frames, y, x), or is compressed in a
        way that cannot be read here.

    Warns
    -----
    InputWarning
        If the file ends early; the whole frames are kept.
    """
    with opened_tiff(path) as tif:
        return _recording(tif, path)


@contextmanager
def opened_tiff(path: Path) -> Iterator[TiffFile]:
    """Open a TIFF file; whatever is wrong with its structure, also later, is told in one sentence."""
    try:
        with TiffFile(path) as tif:
            yield tif
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    except TiffFileError as error:
        raise InputError(f"{path.name} holds no TIFF image that can be read; a TIFF stack was expected.") from error
    except Exception as error:  # in a damaged file tifffile trips over almost anything
        raise InputError(f"{path.name} cannot be read as TIFF ({one_line(error)}).") from error


def _recording(tif: TiffFile, path: Path) -> Recording:
    first = first_page(tif, path.name)
    declared = _declared_frames(tif, first, path.name)
    frames, is_cut = _frames(tif, first, declared, path)
    checked_length(frames.shape[0], path.name)
    calibration, notes = tiff_calibration(tif, path.name)
    notes += page_notes(first, path.name)
    if is_cut:
        notes = warn_of_cut(path.name, frames.shape[0]) + notes
    return Recording(frames, calibration, notes, (path,))


def first_page(tif: TiffFile, name: str) -> TiffPage:
    """Return the first page of an open file.

    Raises
    ------
    InputError
        If it is no grey or colour image that can be read.
    """
    if not len(tif.pages):
        raise InputError(f"{name} holds no image: it is cut off or damaged.")
    page = tif.pages.first
    if page.dtype is None or page.axes not in ("YX", "YXS", "SYX"):
        raise InputError(
            f"{name} holds {page.bitspersample}-bit images with the axes {page.axes}, expected 8-, 16- or 32-bit "
            "grey or colour images."
        )
    if page.samplesperpixel == 2:
        raise InputError(f"{name} holds images of 2 channels, expected one grey channel or RGB.")
    checked_dtype(page.dtype, name)
    if page.compression != 1 and page.compression not in TIFF.DECOMPRESSORS:
        raise InputError(
            f"{name} is compressed by {COMPRESSION(page.compression).name}, which needs the Python package imagecodecs "
            "(pip install imagecodecs), or save it uncompressed."
        )
    return page


def page_notes(page: TiffPage, name: str) -> tuple[str, ...]:
    """Return what the user should know of how the values are stored."""
    if page.samplesperpixel > 1:
        return (colour_note(name),)
    if page.photometric == 3:
        return (f"{name} has a colour table, which is left out: the values behind it are read.",)
    if page.photometric == 0:
        return (Remark(f"{name} is marked to be shown inverted (white is zero); its values are read as they are."),)
    return ()


def _declared_frames(tif: TiffFile, page: TiffPage, name: str) -> int:
    """Return how many frames the metadata speaks of; 1 if of none."""
    axes = {axis: length for axis, length in _declared_axes(tif, page, name).items() if length > 1}
    if len(axes) > 1 or "C" in axes:
        found = " x ".join(f"{length} {_AXIS_NAMES.get(axis, axis)}" for axis, length in axes.items())
        raise InputError(f"{name} holds {found}, expected grey frames along one axis.")
    return math.prod(axes.values())


_AXIS_NAMES = {"T": "time points", "Z": "slices", "C": "channels"}


def _declared_axes(tif: TiffFile, page: TiffPage, name: str) -> dict[str, int]:
    """Return the axes besides y, x and colour in the metadata of OME, ImageJ or tifffile, with their lengths."""
    if tif.ome_metadata:
        _refuse_parts(tif.ome_metadata, name)
        pixels = ome_pixels(tif.ome_metadata)
        axes = {} if pixels is None else {axis: int(pixels.get(f"Size{axis}", "1")) for axis in "TZC"}
    elif tif.imagej_metadata is not None:
        keys = {"T": "frames", "Z": "slices", "C": "channels"}
        axes = {axis: int(tif.imagej_metadata.get(key, 1)) for axis, key in keys.items()}
        if math.prod(axes.values()) == 1:
            axes["T"] = int(tif.imagej_metadata.get("images", 1))
    elif page.shaped_description is not None and page.shaped_description.startswith("{"):
        shape = json.loads(page.shaped_description)["shape"][: -len(page.shape)]
        axes = {f"planes of axis {axis}": int(length) for axis, length in enumerate(shape)}
    else:
        axes = {}
    if page.samplesperpixel > 1:
        axes.pop("C", None)
    return axes


def _refuse_parts(ome_xml: str, name: str) -> None:
    """Refuse an OME-TIFF file that holds only a part of a movie, or more than one."""
    files = set(re.findall(r'<UUID\b[^>]*\bFileName="([^"]*)"', ome_xml))
    images = len(re.findall(r"<(?:\w+:)?Image\b", ome_xml))
    if len(files) > 1:
        raise InputError(f"{name} is one of {len(files)} OME-TIFF files of a movie, expected the movie in one file.")
    if images > 1:
        raise InputError(f"{name} holds {images} OME images, expected one movie.")


def _frames(tif: TiffFile, first: TiffPage, declared: int, path: Path) -> tuple[FrameSource, bool]:
    """Return the whole frames of a file, and whether some are missing."""
    pages = _whole_pages(tif, path.name)
    if not pages:
        raise InputError(f"{path.name} is cut off in its first frame; a movie needs at least 2.")
    # The last page points to a further one only where that one cannot be read.
    is_broken = len(pages) < len(tif.pages) or _next_directory(tif, pages[-1]) != 0
    starts = _starts(pages, first)
    if starts is None:
        return _DecodedPages(pages, first, path.name), is_broken or len(pages) < declared
    block = _frames_in_block(tif, first, declared) if is_broken or len(pages) == 1 else 1
    whole = min(block, (tif.filehandle.size - int(starts[0])) // first.nbytes)
    is_cut = is_broken or len(pages) < declared
    if whole > len(pages):
        starts = starts[0] + first.nbytes * np.arange(whole)
        is_cut = whole < max(block, declared)
    stored = np.dtype(first.dtype).newbyteorder(tif.byteorder)
    return UncompressedFrames(path, starts, (first.imagelength, first.imagewidth), stored), is_cut


def _frames_in_block(tif: TiffFile, first: TiffPage, declared: int) -> int:
    """Return how many frames follow one another from the first page on, by what the file says.

    ImageJ writes stacks above 4 GB with one page and declares how many frames lie behind it; other programs write
    all frames in one block and then the tags of the second page, which say how long the block is.
    """
    next_directory, start = _next_directory(tif, first), first.dataoffsets[0]
    if next_directory == 0:
        return declared
    return (next_directory - start) // first.nbytes if first.offset < start else 1


def _next_directory(tif: TiffFile, page: TiffPage | TiffFrame) -> int:
    """Return where the file says that the tags of the page after *page* are; 0 after the last.

    If *page*'s own tags are cut off, that is the end of the file.
    """
    file, layout = tif.filehandle, tif.tiff
    file.seek(page.offset)
    try:
        (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
        file.seek(page.offset + layout.tagnosize + tags * layout.tagsize)
        (offset,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    except struct.error:
        return file.size
    return int(offset)


def _whole_pages(tif: TiffFile, name: str) -> list[TiffPage | TiffFrame]:
    """Return the pages up to the first that is damaged or whose pixels reach beyond the end of the file."""
    tif.pages.set_keyframe(0)
    pages: list[TiffPage | TiffFrame] = []
    for index in range(len(tif.pages)):
        try:
            page = _page(tif, index)
            if _end(page) > tif.filehandle.size:
                break
        except (TiffFileError, LookupError, ValueError, struct.error):
            break
        pages.append(page)
        if isinstance(page, TiffPage):
            _check_alike(page, tif.pages.first, f"Frame {index} of {name}")
    for index in {len(pages) // 2, len(pages) - 1} if pages else ():
        with suppress(TiffFileError):  # the tags of the last page may be cut off behind those that are needed
            _check_alike(pages[index].aspage(), tif.pages.first, f"Frame {index} of {name}")
    return pages


def _page(tif: TiffFile, index: int) -> TiffPage | TiffFrame:
    """Return a page, read as far as needed to find its pixels, or wholly if it is unlike the first."""
    tif.pages.useframes = True
    try:
        return tif.pages[index]
    except RuntimeError:
        tif.pages.useframes = False
        return tif.pages[index]


def _check_alike(page: TiffPage, first: TiffPage, what: str) -> None:
    if (page.shape, page.dtype) != (first.shape, first.dtype):
        raise InputError(
            f"{what} has the shape {page.shape} and type {page.dtype}, expected {first.shape} and {first.dtype} "
            "as in the first frame."
        )


def _end(page: TiffPage | TiffFrame) -> int:
    """Return where the pixels of *page* end in the file."""
    return max(start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))


def _starts(pages: list[TiffPage | TiffFrame], first: TiffPage) -> NDArray[np.int64] | None:
    """Return where each frame begins, if each is uncompressed, grey and in one piece."""
    if not first.is_contiguous or first.samplesperpixel > 1:
        return None
    if any(_end(page) - page.dataoffsets[0] != first.nbytes or not _is_ordered(page) for page in pages):
        return None
    return np.array([page.dataoffsets[0] for page in pages], dtype=np.int64)


def _is_ordered(page: TiffPage | TiffFrame) -> bool:
    """Whether the strips of *page* follow one another without gaps."""
    ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    return list(page.dataoffsets[1:]) == ends[:-1]


class _DecodedPages:
    """Pages that have to be decoded: compressed, tiled, in colour. The file is open only while one is read."""

    def __init__(self, pages: list[TiffPage | TiffFrame], first: TiffPage, name: str) -> None:
        height, width = first.imagelength, first.imagewidth
        self.shape = (len(pages), height, width)
        self.dtype = np.dtype(first.dtype)
        self._pages = pages
        self._name = name
        self._lock = threading.Lock()

    def read(self, index: int) -> Frame:
        what = f"Frame {index} of {self._name}"
        with self._lock:
            frame = decoded_grey(self._pages[index], what)
        if frame.shape != self.shape[1:]:
            raise InputError(f"{what} has the shape {frame.shape}, expected {self.shape[1:]}.")
        return frame


def decoded_grey(page: TiffPage | TiffFrame, what: str) -> Frame:
    """Return the pixels of a page as a grey frame.

    Raises
    ------
    InputError
        If they cannot be decoded; *what* names the frame.
    """
    file = page.parent.filehandle
    was_closed = file.closed
    try:
        file.open()
        pixels = np.asarray(page.asarray())
    except Exception as error:  # every codec has its own exceptions
        raise InputError(f"{what} is damaged and cannot be read: {one_line(error)}.") from error
    finally:
        if was_closed:
            file.close()
    if page.axes == "YX":
        return pixels
    return to_grey(pixels if page.axes == "YXS" else np.moveaxis(pixels, 0, -1))


def one_line(error: BaseException) -> str:
    """Return the message of *error* without line breaks and full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
