"""Tracks for Fiji's TrackMate: the file that it loads (XML, version 7 and later) and its table of spots (CSV).

Written after TrackMate's own reader: J.-Y. Tinevez et al., "TrackMate: an open and extensible platform for
single-particle tracking", Methods 115 (2017); D. Ershov et al., "TrackMate 7", Nature Methods 19 (2022).
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd

from napari_lptem_diffusion import __version__
from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.export.folder import check_output_file, staged_file
from napari_lptem_diffusion.export.tables import rods_with_motion
from napari_lptem_diffusion.particles import rod_outlines

if TYPE_CHECKING:
    from napari_lptem_diffusion.analysis import Analysis

_FILE_VERSION = "7.0.0"
_RADIUS_PX = 5.0
"""Where the size of the rods is not known."""


@dataclass(frozen=True)
class _Feature:
    """A number of TrackMate: its key, its name in full and in short, and what it measures."""

    key: str
    name: str
    short: str
    dimension: str = "NONE"
    is_int: bool = False

    def declaration(self) -> str:
        said = {"feature": self.key, "name": self.name, "shortname": self.short, "dimension": self.dimension}
        return _element("Feature", said | {"isint": str(self.is_int).lower()})


def _with_interval(key: str, name: str, short: str) -> list[_Feature]:
    low, high = f"{name}, 5 %", f"{name}, 95 %"
    return [_Feature(key, name, short), _Feature(f"{key}_LOW", low, low), _Feature(f"{key}_HIGH", high, high)]


_MOTION = [
    *_with_interval("MIXING_RATIO", "Mixing ratio (1: FBM, 0: CTRW)", "Mixing ratio"),
    *_with_interval("ALPHA_FBM", "FBM exponent", "alpha FBM"),
    *_with_interval("ALPHA_CTRW", "CTRW exponent", "alpha CTRW"),
]
_SPOT = [
    _Feature("QUALITY", "Quality", "Quality", "QUALITY"),
    _Feature("POSITION_X", "X", "X", "POSITION"),
    _Feature("POSITION_Y", "Y", "Y", "POSITION"),
    _Feature("POSITION_Z", "Z", "Z", "POSITION"),
    _Feature("POSITION_T", "T", "T", "TIME"),
    _Feature("FRAME", "Frame", "Frame", is_int=True),
    _Feature("RADIUS", "Radius", "R", "LENGTH"),
    _Feature("VISIBILITY", "Visibility", "Visibility", is_int=True),
    _Feature("ROD_LENGTH", "Rod length", "Rod length", "LENGTH"),
    _Feature("ROD_WIDTH", "Rod width", "Rod width", "LENGTH"),
    _Feature("ROD_ANGLE", "Rod angle", "Rod angle", "ANGLE"),
    _Feature("LOCALIZATION_ERROR", "Localization error", "Loc. error", "LENGTH"),
    *_MOTION,
    _Feature("CHANGE_PROBABILITY", "Probability of a change", "P change"),
]
_EDGE = [
    _Feature("SPOT_SOURCE_ID", "Source spot ID", "Source ID", is_int=True),
    _Feature("SPOT_TARGET_ID", "Target spot ID", "Target ID", is_int=True),
    _Feature("LINK_COST", "Edge cost", "Cost", "COST"),
    _Feature("DISPLACEMENT", "Displacement", "Disp.", "LENGTH"),
]
_TRACK = [
    _Feature("TRACK_INDEX", "Track index", "Index", is_int=True),
    _Feature("TRACK_ID", "Track ID", "ID", is_int=True),
    _Feature("NUMBER_SPOTS", "Number of spots in track", "N spots", is_int=True),
    _Feature("NUMBER_GAPS", "Number of gaps", "N gaps", is_int=True),
    _Feature("TRACK_DURATION", "Track duration", "Duration", "TIME"),
    _Feature("TRACK_START", "Track start", "Track start", "TIME"),
    _Feature("TRACK_STOP", "Track stop", "Track stop", "TIME"),
    *(_Feature(f"TRACK_{f.key}", f"{f.name}, whole track", f.short) for f in _MOTION),
    _Feature("TRACK_MODEL_MISMATCH", "Model mismatch, whole track", "Mismatch"),
    _Feature("TRACK_IMMOBILE", "Immobile", "Immobile", is_int=True),
]

# All that TrackMate's display settings hold: it fills in nothing that is left out. Colours by mixing ratio.
_DISPLAY = {
    "name": "CurrentDisplaySettings",
    "spotUniformColor": "204, 51, 204, 255",
    "spotColorByType": "SPOTS",
    "spotColorByFeature": "MIXING_RATIO",
    "spotDisplayRadius": 1.0,
    "spotDisplayedAsRoi": True,
    "spotMin": 0.0,
    "spotMax": 1.0,
    "spotShowName": False,
    "trackMin": 0.0,
    "trackMax": 1.0,
    "trackColorByType": "TRACKS",
    "trackColorByFeature": "TRACK_MIXING_RATIO",
    "trackUniformColor": "204, 204, 51, 255",
    "undefinedValueColor": "0, 0, 0, 255",
    "missingValueColor": "89, 89, 89, 255",
    "highlightColor": "51, 230, 51, 255",
    "trackDisplayMode": "FULL",
    "colormap": "Viridis",
    "limitZDrawingDepth": False,
    "drawingZDepth": 10.0,
    "fadeTracks": True,
    "fadeTrackRange": 30,
    "useAntialiasing": True,
    "spotVisible": True,
    "trackVisible": True,
    "font": {"name": "Arial", "style": 1, "size": 12, "pointSize": 12.0, "fontSerializedDataVersion": 1},
    "lineThickness": 1.0,
    "selectionLineThickness": 4.0,
    "trackschemeBackgroundColor1": "128, 128, 128, 255",
    "trackschemeBackgroundColor2": "192, 192, 192, 255",
    "trackschemeForegroundColor": "0, 0, 0, 255",
    "trackschemeDecorationColor": "0, 0, 0, 255",
    "trackschemeFillBox": False,
    "spotFilled": False,
    "spotTransparencyAlpha": 1.0,
}


def save_trackmate(analysis: Analysis, path: str | Path, overwrite: bool = False) -> Path:
    """Write the rods and tracks of *analysis* for TrackMate.

    Positions are in nm and times in s where the movie has a calibration, else in pixels and frames; as in TrackMate
    the centre of the first pixel is 0. Rods keep their outlines. The image is looked for beside the file, under the
    name of the movie.

    Parameters
    ----------
    analysis : Analysis
    path : path
        ``.xml``: all rods, the tracks and the motion, as TrackMate loads it. A particle seen only once is a spot
        without a track, as TrackMate has no tracks of one spot. ``.csv``: the table of spots with TrackMate's
        four lines of header.
    overwrite : bool

    Returns
    -------
    Path
        *path*.

    Raises
    ------
    InputError
        If *path* has another suffix, exists and *overwrite* is False, or cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".xml", ".csv"):
        raise InputError(f"{path.name} ends in {suffix or 'nothing'}; .xml or .csv was expected for TrackMate.")
    check_output_file(path, overwrite)
    lines = _xml(analysis) if suffix == ".xml" else _csv(analysis)
    with staged_file(path) as staged, staged.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def spot_table(analysis: Analysis) -> pd.DataFrame:
    """Return every rod as a spot of TrackMate, sorted by frame.

    Returns
    -------
    DataFrame
        Index: the spot's ID. ``particle`` (Int64, missing for rods in no track) and the features, named by their keys,
        in TrackMate's units (angles in rad).
    """
    tracked = rods_with_motion(analysis)
    place = ["frame", "x", "y"]
    known = pd.MultiIndex.from_frame(tracked[place])
    loose = analysis.detections[~pd.MultiIndex.from_frame(analysis.detections[place]).isin(known)]
    rods = pd.concat([tracked.astype({"particle": "Int64"}), loose]).sort_values(
        ["frame", "particle", "y", "x"], ignore_index=True
    )
    rods = rods.reindex(columns=list(dict.fromkeys([*rods.columns, "length", "width", "angle_deg", "snr"])))
    length, _, interval, _ = _scales(analysis)
    area_px2 = rods["width"] * (rods["length"] - rods["width"]) + np.pi / 4 * rods["width"] ** 2
    spots = pd.DataFrame({"particle": rods["particle"], "QUALITY": rods["snr"].fillna(1.0)})
    spots["POSITION_X"], spots["POSITION_Y"], spots["POSITION_Z"] = rods["x"] * length, rods["y"] * length, 0.0
    spots["POSITION_T"], spots["FRAME"] = rods["frame"] * interval, rods["frame"]
    spots["RADIUS"] = np.sqrt(area_px2 / np.pi).fillna(_RADIUS_PX) * length
    spots["VISIBILITY"] = 1
    spots["ROD_LENGTH"], spots["ROD_WIDTH"] = rods["length"] * length, rods["width"] * length
    spots["ROD_ANGLE"] = np.radians(rods["angle_deg"])
    if "localization_error" in rods:
        spots["LOCALIZATION_ERROR"] = rods["localization_error"] * length
    for feature in (*_MOTION, _SPOT[-1]):
        spots[feature.key] = rods[feature.key.lower()]
    return spots


def _scales(analysis: Analysis) -> tuple[float, str, float, str]:
    """Length of a pixel and of a frame in TrackMate's units, with these."""
    calibration = analysis.movie.calibration
    pixel, interval = calibration.pixel_size_nm, calibration.frame_interval_s
    return pixel or 1.0, "nm" if pixel else "pixel", interval or 1.0, "sec" if interval else "frame"


def _csv(analysis: Analysis) -> Iterator[str]:
    spots = spot_table(analysis)
    features = [feature for feature in _SPOT if feature.key in spots]
    _, length_unit, _, time_unit = _scales(analysis)
    units = {"POSITION": length_unit, "LENGTH": length_unit, "TIME": time_unit, "ANGLE": "radians"}
    units["QUALITY"] = "quality"
    yield ",".join(["LABEL", "ID", "TRACK_ID", *(feature.key for feature in features)])
    yield ",".join(["Label", "Spot ID", "Track ID", *(feature.name.replace(",", "") for feature in features)])
    yield ",".join(["Label", "Spot ID", "Track ID", *(feature.short.replace(",", "") for feature in features)])
    named = (f"({units[feature.dimension]})" if feature.dimension in units else "" for feature in features)
    yield ",".join(["", "", "", *named])
    columns = [["" if value != value else _text(value) for value in spots[feature.key]] for feature in features]
    tracks = ["" if pd.isna(particle) else str(particle) for particle in spots["particle"]]
    for number, (track, *values) in enumerate(zip(tracks, *columns, strict=True)):
        yield ",".join([f"ID{number}", str(number), track, *values])


def _xml(analysis: Analysis) -> Iterator[str]:
    spots = spot_table(analysis)
    _, length_unit, _, time_unit = _scales(analysis)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<TrackMate version="{_FILE_VERSION}">'
    yield f"<Log>Written by napari-lptem-diffusion {__version__}.</Log>"
    yield _element("Model", {"spatialunits": length_unit, "timeunits": time_unit}, close=False)
    yield from _declarations([feature for feature in _SPOT if feature.key in spots])
    yield from _spots(spots, analysis)
    yield from _tracks(spots, analysis)
    yield "</Model>"
    yield from _settings(spots, analysis)
    yield '<GUIState state="ConfigureViews" />'
    yield f"<DisplaySettings>{json.dumps(_DISPLAY)}</DisplaySettings>"
    yield "</TrackMate>"


def _declarations(spot_features: list[_Feature]) -> Iterator[str]:
    yield "<FeatureDeclarations>"
    for name, features in (("SpotFeatures", spot_features), ("EdgeFeatures", _EDGE), ("TrackFeatures", _TRACK)):
        yield f"<{name}>"
        yield from (feature.declaration() for feature in features)
        yield f"</{name}>"
    yield "</FeatureDeclarations>"


def _spots(spots: pd.DataFrame, analysis: Analysis) -> Iterator[str]:
    """Spots by frame; what has no value is NaN, as TrackMate writes it: other readers want every declared feature."""
    keys = [feature.key for feature in _SPOT if feature.key in spots]
    outlines = _outlines(spots)
    yield f'<AllSpots nspots="{len(spots)}">'
    for frame, rows in spots.groupby("FRAME", sort=True):
        yield f'<SpotsInFrame frame="{frame}">'
        for number, *values in rows[keys].itertuples(name=None):
            said = {"ID": str(number), "name": f"ID{number}"}
            said |= {key: _text(value) for key, value in zip(keys, values, strict=True)}
            if (outline := outlines[number]) is not None:
                yield _element("Spot", said | {"ROI_N_POINTS": str(len(outline))}, close=False) + (
                    " ".join(f"{x:.6g} {y:.6g}" for y, x in outline) + "</Spot>"
                )
            else:
                yield _element("Spot", said)
        yield "</SpotsInFrame>"
    yield "</AllSpots>"


def _outlines(spots: pd.DataFrame) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]] | None]:
    """Outline of each rod around its centre, (vertices, 2) as (y, x) in the units of the file; None where unknown."""
    pose = pd.DataFrame(
        {
            "x": 0.0,
            "y": 0.0,
            "angle_deg": np.degrees(spots["ROD_ANGLE"]),
            "length": spots["ROD_LENGTH"],
            "width": spots["ROD_WIDTH"],
        }
    )
    known = pose.notna().all(axis=1)
    return [outline if whole else None for outline, whole in zip(rod_outlines(pose), known, strict=True)]


def _tracks(spots: pd.DataFrame, analysis: Analysis) -> Iterator[str]:
    whole = {int(row["particle"]): row for row in analysis.motion.particles.to_dict("records")}
    written: list[int] = []
    yield "<AllTracks>"
    for name, rows in spots.dropna(subset=["particle"]).groupby("particle", sort=True):
        particle = int(str(name))
        if len(rows) < 2:
            continue
        yield _element("Track", _track_features(particle, len(written), rows, whole[particle]), close=False)
        displacement = np.hypot(np.diff(rows["POSITION_X"]), np.diff(rows["POSITION_Y"]))
        for source, target, moved in zip(rows.index[:-1], rows.index[1:], displacement, strict=True):
            ends = {"SPOT_SOURCE_ID": str(source), "SPOT_TARGET_ID": str(target)}
            yield _element("Edge", ends | {"LINK_COST": "-1.0", "DISPLACEMENT": _text(moved)})
        yield "</Track>"
        written.append(particle)
    yield "</AllTracks>"
    yield "<FilteredTracks>"
    yield from (_element("TrackID", {"TRACK_ID": str(particle)}) for particle in written)
    yield "</FilteredTracks>"


def _track_features(particle: int, index: int, rows: pd.DataFrame, whole: Mapping[Hashable, Any]) -> dict[str, str]:
    start, stop = rows["POSITION_T"].iloc[0], rows["POSITION_T"].iloc[-1]
    said = {"name": f"Track_{particle}", "TRACK_ID": str(particle), "TRACK_INDEX": str(index)}
    said |= {"NUMBER_SPOTS": str(len(rows)), "NUMBER_GAPS": str(int((rows["FRAME"].diff() > 1).sum()))}
    said |= {"TRACK_START": _text(start), "TRACK_STOP": _text(stop), "TRACK_DURATION": _text(stop - start)}
    for key in [*(feature.key for feature in _MOTION), "MODEL_MISMATCH"]:
        said[f"TRACK_{key}"] = _text(whole[key.lower()])
    return said | {"TRACK_IMMOBILE": str(int(whole["immobile"]))}


def _settings(spots: pd.DataFrame, analysis: Analysis) -> Iterator[str]:
    """What TrackMate asks for; spots and tracks count as made by hand, so that nothing is found or linked anew."""
    frames, height, width = analysis.movie.shape
    length, _, interval, _ = _scales(analysis)
    image = {"filename": analysis.movie.name, "folder": "", "width": width, "height": height, "nslices": 1}
    image |= {"nframes": frames, "pixelwidth": length, "pixelheight": length, "voxeldepth": 1.0}
    bounds = {"xstart": 0, "xend": width - 1, "ystart": 0, "yend": height - 1, "zstart": 0, "zend": 0}
    radius = float(spots["RADIUS"].median()) if len(spots) else _RADIUS_PX * length
    yield "<Settings>"
    yield _element("ImageData", {name: str(value) for name, value in (image | {"timeinterval": interval}).items()})
    bounds |= {"tstart": 0, "tend": frames - 1}
    yield _element("BasicSettings", {name: str(value) for name, value in bounds.items()})
    yield _element("DetectorSettings", {"DETECTOR_NAME": "MANUAL_DETECTOR", "RADIUS": _text(radius)})
    yield '<InitialSpotFilter feature="QUALITY" value="0.0" isabove="true" />'
    yield "<SpotFilterCollection />"
    yield '<TrackerSettings TRACKER_NAME="MANUAL_TRACKER" />'
    yield "<TrackFilterCollection />"
    yield "<AnalyzerCollection><SpotAnalyzers /><EdgeAnalyzers /><TrackAnalyzers /></AnalyzerCollection>"
    yield "</Settings>"


def _element(name: str, said: dict[str, str], close: bool = True) -> str:
    attributes = " ".join(f"{key}={quoteattr(value)}" for key, value in said.items())
    return f"<{name} {attributes}{' />' if close else '>'}"


def _text(value: float) -> str:
    return "NaN" if value != value else f"{value:.9g}"
