"""Where rods may be: a whitened matched filter at many angles, and its peaks taken out one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_lptem_diffusion.particles.finding.capsule import RodShape
from napari_lptem_diffusion.particles.finding.noise import NoiseCorrelation
from napari_lptem_diffusion.particles.finding.rod_loops import capsule_value
from napari_lptem_diffusion.particles.finding.transforms import transforms_on

Array = NDArray[np.float32]
_TILE = 384
_MOST_PER_TILE = 400
_MOST_COVER = 2.0
"""Rods that would cover a tile more often than this are not all real."""
_LEAST_ENERGY = 0.3
_MOST_NEAR_A_PLACE = 8
_SHADOW = 0.3
"""Beside a rod, what is left of it must not count: peaks below this share of its signal to noise are ignored."""

_Region = tuple[tuple[slice, slice], tuple[slice, slice], tuple[float, float, float] | None]
"""Where peaks count (y, x), what is filtered for them, and a disc (x, y, radius) that they must lie in."""


@dataclass(frozen=True)
class Candidates:
    """Peaks of the filter, strongest first; positions in px of the filtered image, angles in radians."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    angle: NDArray[np.float64]
    snr: NDArray[np.float64]


@dataclass(frozen=True)
class FilterBank:
    """Matched filters of one rod shape at evenly spaced angles.

    Attributes
    ----------
    kernels : ndarray
        (angles, 2 * reach + 1, 2 * reach + 1) whitened templates; the response to white or correlated
        noise of the calibrated kind has unit variance.
    overlaps : ndarray
        (angles, angles, 4 * reach + 1, 4 * reach + 1): response of the second angle around a rod of the first that
        has unit response.
    unit_response : float
        Response to a rod of amplitude 1, mean over angles.
    texture : float
        Standard deviation of the response in frames without rods: 1 where there is only noise, more where
        film and dirt add to it.
    torch_device : str, optional
        Where torch filters; without it, scipy does.
    spectra : dict
        Spectra of the kernels by the shape of the grid, kept as they are needed, where they are.
    """

    shape: RodShape
    angles: NDArray[np.float64]
    kernels: Array
    overlaps: Array
    unit_response: float
    texture: float = 1.0
    torch_device: str | None = None
    spectra: dict[tuple[int, int], Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def reach(self) -> int:
        """Half the side of a kernel."""
        return int(self.kernels.shape[1]) // 2

    def responses(self, image: Array) -> Array:
        """Signal to noise of a rod at every angle and pixel of a normalised image.

        Parameters
        ----------
        image : ndarray
            (y, x).

        Returns
        -------
        ndarray
            (angles, y, x). Near the border the part of the rod in view counts.
        """
        rows, columns = (fft.next_fast_len(n + 2 * self.reach, real=True) for n in image.shape)
        there = transforms_on(self.torch_device)
        spectrum = there.forward(there.put(image), (rows, columns)) * self._spectrum((rows, columns))
        full = there.backward(spectrum, (rows, columns))[:, : image.shape[0], : image.shape[1]]
        return np.ascontiguousarray(there.take(full), dtype=np.float32)

    def _spectrum(self, shape: tuple[int, int]) -> Any:
        """Spectra of the filters on a grid of *shape*, centred on its corner; computed once."""
        if shape not in self.spectra:
            padded = np.zeros((len(self.kernels), *shape), dtype=np.float32)
            padded[:, : self.kernels.shape[1], : self.kernels.shape[2]] = self.kernels
            there = transforms_on(self.torch_device)
            centred = there.put(np.roll(padded, (-self.reach, -self.reach), axis=(1, 2)))
            self.spectra[shape] = there.forward(centred, shape).conj()
        return self.spectra[shape]

    def candidates(self, image: Array, threshold: float) -> Candidates:
        """Find peaks above *threshold*, subtracting each rod before the next is sought (CLEAN).

        Parameters
        ----------
        image : ndarray
            (y, x) normalised.
        threshold : float
            In units of the noise of the filtered image.
        """
        regions = ((core, outer, None) for core, outer in _tiles(image.shape, 2 * self.reach))
        area = min(image.size, _TILE**2)
        most = int(np.clip(_MOST_COVER * area / (self.shape.length * self.shape.width), 1, _MOST_PER_TILE))
        return self._peaks(image, regions, threshold, most)

    def look(self, image: Array, places: NDArray[np.float64], within: float, threshold: float) -> Candidates:
        """Find peaks above *threshold* within a distance of given *places*; as `candidates`, but there alone.

        Parameters
        ----------
        image : ndarray
            (y, x) normalised.
        places : ndarray
            (places, 2): x and y, px of *image*.
        within : float
            px of *image*.
        threshold : float
            In units of the noise of the filtered image.
        """
        half, margin = int(np.ceil(within)), 2 * self.reach
        regions = []
        for place in places:
            x, y = np.rint(place).astype(int)
            if not (-half <= x < image.shape[1] + half and -half <= y < image.shape[0] + half):
                continue
            core = (_clipped(y - half, y + half + 1, image.shape[0]), _clipped(x - half, x + half + 1, image.shape[1]))
            outer = (
                _clipped(core[0].start - margin, core[0].stop + margin, image.shape[0]),
                _clipped(core[1].start - margin, core[1].stop + margin, image.shape[1]),
            )
            regions.append((core, outer, (float(place[0]), float(place[1]), within)))
        return self._peaks(image, regions, threshold, _MOST_NEAR_A_PLACE)

    def _peaks(self, image: Array, regions: Iterable[_Region], threshold: float, most: int) -> Candidates:
        """Peaks in the cores of *regions*, each peak once."""
        found: dict[tuple[int, int], tuple[float, float]] = {}
        borders = self._border_gains(image.shape)
        for core, outer, disc in regions:
            response = self.responses(image[outer])
            rows, columns = (gain[:, part] for gain, part in zip(borders, outer, strict=True))
            raised_y, raised_x = (np.flatnonzero((gain != 1).any(axis=0)) for gain in (rows, columns))
            response[:, raised_y] *= rows[:, raised_y, None]
            response[:, :, raised_x] *= columns[:, None, raised_x]
            for x, y, angle, strength in self._clean(response, threshold * self.texture, most):
                x, y, snr = x + outer[1].start, y + outer[0].start, strength / self.texture
                inside = core[0].start <= y < core[0].stop and core[1].start <= x < core[1].stop
                if inside and (disc is None or np.hypot(x - disc[0], y - disc[1]) <= disc[2]):
                    found.setdefault((x, y), (angle, snr))
        ordered = sorted(found.items(), key=lambda one: -one[1][1])
        table = np.array([(*place, *rest) for place, rest in ordered], dtype=float).reshape(-1, 4)
        return Candidates(table[:, 0], table[:, 1], table[:, 2], table[:, 3])

    def _clean(self, response: Array, threshold: float, most: int) -> Iterator[tuple[int, int, float, float]]:
        best = response.max(axis=0)
        needed = np.full(best.shape, threshold, dtype=np.float32)
        n = 2 * self.reach
        for _ in range(most):
            peak = int(np.argmax(best - needed))
            y, x = divmod(peak, best.shape[1])
            snr = float(best[y, x])
            if snr < needed[y, x]:
                return
            angle = int(np.argmax(response[:, y, x]))
            rows = slice(max(y - n, 0), min(y + n + 1, best.shape[0]))
            columns = slice(max(x - n, 0), min(x + n + 1, best.shape[1]))
            part = (
                slice(rows.start - y + n, rows.stop - y + n),
                slice(columns.start - x + n, columns.stop - x + n),
            )
            response[:, rows, columns] -= snr * self.overlaps[(angle, slice(None), *part)]
            best[rows, columns] = response[:, rows, columns].max(axis=0)
            near = (
                slice(max(y - self.reach, 0), y + self.reach + 1),
                slice(max(x - self.reach, 0), x + self.reach + 1),
            )
            needed[near] = np.maximum(needed[near], _SHADOW * snr)
            yield x, y, float(self.angles[angle]), snr

    def _border_gains(self, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """How much a response near the border must be raised so that noise has unit variance, per axis."""
        energy = self.kernels.astype(float) ** 2
        gains = []
        for axis, n in ((1, shape[0]), (2, shape[1])):
            profile = energy.sum(axis=3 - axis)
            share = np.cumsum(profile / profile.sum(axis=1, keepdims=True), axis=1)
            gain = np.ones((len(energy), n))
            for k in range(min(self.reach, n)):
                inside = share[:, self.reach + k]
                gain[:, k] *= np.maximum(inside, _LEAST_ENERGY) ** -0.5
                gain[:, n - 1 - k] *= np.maximum(inside, _LEAST_ENERGY) ** -0.5
            gains.append(gain.astype(np.float32))
        return gains[0], gains[1]


def build_filter_bank(shape: RodShape, noise: NoiseCorrelation) -> FilterBank:
    """Build the matched filters of *shape* (px of the image they will run on) for noise of the given correlation."""
    angles, kernels, templates = matched_kernels(shape, noise)
    unit_response = float((kernels * templates).sum(axis=(1, 2)).mean())
    return FilterBank(shape, angles, kernels.astype(np.float32), _overlaps(kernels, templates), unit_response)


def matched_kernels(
    shape: RodShape, noise: NoiseCorrelation, reach: int | None = None, count: int | None = None
) -> tuple[NDArray[np.float64], Array, Array]:
    """Return evenly spaced angles and at each the whitened filter and the image of a rod, (angles, y, x).

    The filter is the image over the noise power, without its mean; normalised by the noise that it lets through.
    To compare shapes, give half the side of the filters and the number of angles; else these go with the shape.
    """
    elongation = max(shape.length / max(shape.width, 1e-6), 1)
    usual = int(np.clip(2 * round(2 * elongation + 1), 4, 24)) if elongation > 1.05 else 1
    angles = np.arange(count or usual) * np.pi / (count or usual)
    n = shape.reach if reach is None else reach
    grid = np.arange(-n, n + 1, dtype=np.float32)
    c, s = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    along = c * grid[None, None, :] + s * grid[None, :, None]
    across = c * grid[None, :, None] - s * grid[None, None, :]
    templates = capsule_value(along.astype(np.float32), across.astype(np.float32), shape)

    power = noise.power((2 * n + 1, 2 * n + 1))
    spectrum = fft.rfft2(templates) / power
    spectrum[:, 0, 0] = 0
    spectrum /= np.sqrt(_inner(spectrum * power, spectrum, 2 * n + 1))[:, None, None]
    return angles, fft.irfft2(spectrum, templates.shape[1:]), templates


def _inner(first: NDArray[np.complex128], second: NDArray[np.complex128], columns: int) -> NDArray[np.float64]:
    """Sum over the image plane of the product of two real images given by their half spectra."""
    weights = np.full(first.shape[2], 2.0)
    weights[0] = 1
    if columns % 2 == 0:
        weights[-1] = 1
    total = ((first.conj() * second).real @ weights).sum(axis=1)
    mean: NDArray[np.float64] = total / (first.shape[1] * columns)
    return mean


def _overlaps(kernels: Array, templates: Array) -> Array:
    """Response of every filter to every template, (template, filter, y, x), 1 at the centre for the same angle."""
    n = kernels.shape[1] - 1
    size = 2 * n + 1
    spectra = np.conj(fft.rfft2(kernels, (size, size)))
    overlaps = np.empty((len(kernels), len(kernels), size, size), dtype=np.float32)
    for index, template in enumerate(templates):
        response = np.roll(fft.irfft2(fft.rfft2(template, (size, size)) * spectra, (size, size)), (n, n), (1, 2))
        overlaps[index] = response / response[index, n, n]
    return overlaps


def _tiles(shape: tuple[int, ...], margin: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Cut an image into cores that fill it and the same with a margin."""
    for top in range(0, shape[0], _TILE):
        for left in range(0, shape[1], _TILE):
            bottom, right = min(top + _TILE, shape[0]), min(left + _TILE, shape[1])
            outer = (
                _clipped(top - margin, bottom + margin, shape[0]),
                _clipped(left - margin, right + margin, shape[1]),
            )
            yield (slice(top, bottom), slice(left, right)), outer


def _clipped(start: int, stop: int, n: int) -> slice:
    return slice(max(start, 0), min(stop, n))
