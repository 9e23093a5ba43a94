"""TrackMate's two XML formats: the model that it saves and the simple export of tracks."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import pandas as pd

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.movie.frames import Remark

_SPOT_COLUMNS = {
    "FRAME": "frame",
    "POSITION_X": "x",
    "POSITION_Y": "y",
    "LOCALIZATION_ERROR": "localization_error",
    "ROD_ANGLE": "angle",
}


@dataclass(frozen=True)
class XmlTracks:
    """The tracks of a TrackMate file, in the units of the file.

    Attributes
    ----------
    table : DataFrame
        ``particle``, ``frame``, ``x``, ``y`` and, where the file has them, ``localization_error`` and ``angle`` (rad).
    length_unit, time_unit : str
    pixel_size, frame_interval : float or None
        In these units.
    notes : tuple of str
        What was left out or cut.
    """

    table: pd.DataFrame
    length_unit: str
    time_unit: str
    pixel_size: float | None
    frame_interval: float | None
    notes: tuple[str, ...] = ()


@dataclass
class _Model:
    """What is gathered while a saved model is read."""

    spots: dict[int, dict[str, float]] = field(default_factory=dict)
    edges: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    shown: set[int] | None = None
    attributes: dict[str, str] = field(default_factory=dict)


def read_trackmate_xml(path: Path) -> XmlTracks:
    """Read what TrackMate saves (``<TrackMate>``) or exports as simple XML (``<Tracks>``).

    Only tracks that pass TrackMate's own filters are read. A track that splits or merges is cut there into tracks
    without branches: the oldest piece keeps the number, the others get the next free ones.

    Raises
    ------
    InputError
        If the file cannot be read, is another kind of XML, is damaged, or declares entities.
    """
    try:
        root = _root_name(path)
        if root == "Tracks":
            return _simple(path)
        if root == "TrackMate":
            return _saved(path)
    except (ET.ParseError, expat.ExpatError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name} is no whole TrackMate file: {error}.") from error
    except OSError as error:
        raise InputError(f"The tracks {path.name} cannot be read: {error.strerror}.") from error
    raise InputError(f"{path.name} is XML with the root <{root}>; TrackMate's <TrackMate> or <Tracks> was expected.")


def _root_name(path: Path) -> str:
    """Name of the root element; a document type is refused, for its entities can fill the memory."""
    found: list[str] = []
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise InputError(f"{path.name} declares a document type, which no TrackMate file does; it is not read.")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, _: found.append(name)
    with path.open("rb") as file:
        while not found and (chunk := file.read(1 << 12)):
            parser.Parse(chunk, False)
    return found[0] if found else ""


def _simple(path: Path) -> XmlTracks:
    rows: list[tuple[int, float, float, float]] = []
    particle, attributes = 0, {}
    for event, element in ET.iterparse(path, events=("start", "end")):
        if event == "start" and element.tag == "Tracks":
            attributes = dict(element.attrib)
        elif event == "end" and element.tag == "particle":
            for spot in element.iter("detection"):
                rows.append((particle, float(spot.attrib["t"]), float(spot.attrib["x"]), float(spot.attrib["y"])))
            particle += 1
            element.clear()
    return XmlTracks(
        pd.DataFrame(rows, columns=["particle", "frame", "x", "y"]),
        attributes.get("spaceUnits", ""),
        attributes.get("timeUnits", ""),
        None,
        _positive(attributes.get("frameInterval")),
    )


def _saved(path: Path) -> XmlTracks:
    model = _gathered(path)
    notes: list[str] = []
    hidden = [] if model.shown is None else [track for track in model.edges if track not in model.shown]
    if hidden:
        notes.append(Remark(f"{len(hidden)} tracks that TrackMate's filters hide are left out."))
    tracks = {track: edges for track, edges in model.edges.items() if track not in hidden}
    linear, branched = _without_branches(tracks, model.spots, free=max(model.edges, default=-1) + 1)
    if branched:
        notes.append(Remark(f"{branched} tracks that split or merge are cut into tracks without branches."))
    rows = [{"particle": track} | model.spots[spot] for track, spots in linear.items() for spot in spots]
    names = ["particle", "frame", "x", "y"]
    names += [name for name in ("localization_error", "angle") if any(name in row for row in rows)]
    table = pd.DataFrame(rows, columns=names)
    said = model.attributes
    return XmlTracks(
        table,
        said.get("spatialunits", ""),
        said.get("timeunits", ""),
        _positive(said.get("pixelwidth")),
        _positive(said.get("timeinterval")),
        tuple(notes),
    )


def _gathered(path: Path) -> _Model:
    model, track = _Model(), -1
    for event, element in ET.iterparse(path, events=("start", "end")):
        tag, said = element.tag, element.attrib
        if event == "start":
            if tag in ("Model", "ImageData"):
                model.attributes |= said
            elif tag == "Track":
                track = _whole(said["TRACK_ID"])
            elif tag == "FilteredTracks":
                model.shown = set()
            continue
        if tag == "Spot":
            known = {name: float(said[key]) for key, name in _SPOT_COLUMNS.items() if key in said}
            model.spots[_whole(said["ID"])] = known
        elif tag == "Edge":
            model.edges[track].append((_whole(said["SPOT_SOURCE_ID"]), _whole(said["SPOT_TARGET_ID"])))
        elif tag == "TrackID" and model.shown is not None:
            model.shown.add(_whole(said["TRACK_ID"]))
        element.clear()
    return model


def _without_branches(
    tracks: dict[int, list[tuple[int, int]]], spots: dict[int, dict[str, float]], free: int
) -> tuple[dict[int, list[int]], int]:
    """Return the spots of each track in the order of time, new ones from *free* on, and how many had to be cut."""
    linear: dict[int, list[int]] = {}
    branched = 0
    for track, edges in sorted(tracks.items()):
        pieces = _pieces(edges, spots)
        branched += len(pieces) > 1
        for number, piece in enumerate(sorted(pieces, key=lambda piece: (spots[piece[0]]["frame"], piece[0]))):
            linear[track if number == 0 else free] = piece
            free += number > 0
    return linear, branched


def _pieces(edges: Iterable[tuple[int, int]], spots: dict[int, dict[str, float]]) -> list[list[int]]:
    """Chains of spots; a chain ends before a merge and after a split, and never links spots of one frame."""
    later, earlier = defaultdict(list), defaultdict(list)
    members: set[int] = set()
    for edge in edges:
        source, target = sorted(edge, key=lambda spot: spots[spot]["frame"])
        members |= {source, target}
        if spots[source]["frame"] < spots[target]["frame"]:
            later[source].append(target)
            earlier[target].append(source)

    def follower(spot: int) -> int | None:
        """The one spot that goes on from *spot*, if neither splits nor merges."""
        if len(later[spot]) == 1 and len(earlier[later[spot][0]]) == 1:
            return later[spot][0]
        return None

    followers = {spot: follower(spot) for spot in sorted(members)}
    begun = set(followers) - {spot for spot in followers.values() if spot is not None}
    chains = []
    for spot in sorted(begun):
        chain, at = [spot], followers[spot]
        while at is not None:
            chain.append(at)
            at = followers[at]
        chains.append(chain)
    return chains


def _whole(text: str) -> int:
    """Old files write whole numbers as 12.0."""
    return int(float(text))


def _positive(text: str | None) -> float | None:
    value = float(text) if text else 0.0
    return value if value > 0 else None
