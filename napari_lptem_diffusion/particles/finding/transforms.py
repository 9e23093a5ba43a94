"""Fourier transforms of real images, on the processor by scipy or on another device by torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_lptem_diffusion.errors import InputError


@dataclass(frozen=True)
class Transforms:
    """Transforms over the last two axes of arrays that lie where they are done.

    Attributes
    ----------
    put, take : callable
        An array of numpy to there and back.
    forward, backward : callable
        Of an array there and the shape (y, x) of the grid: to the half spectrum, and back.
    """

    put: Callable[[NDArray[Any]], Any]
    forward: Callable[[Any, tuple[int, int]], Any]
    backward: Callable[[Any, tuple[int, int]], Any]
    take: Callable[[Any], NDArray[Any]]


@lru_cache
def transforms_on(device: str | None) -> Transforms:
    """Return scipy's transforms, or torch's on a *device*.

    Parameters
    ----------
    device : str, optional
        As torch names it; without one, scipy on the processor.

    Raises
    ------
    InputError
        If torch sees no such device.
    """
    if device is None:
        return Transforms(np.asarray, fft.rfft2, partial(fft.irfft2, overwrite_x=True), np.asarray)
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"The device for detection is {device}, and torch finds no CUDA device here; expected cpu.")
    return Transforms(
        lambda image: torch.from_numpy(image).to(device),
        torch.fft.rfft2,
        torch.fft.irfft2,
        lambda image: np.asarray(image.cpu().numpy()),
    )
