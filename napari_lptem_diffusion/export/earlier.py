"""Whether a folder holds what an analysis would write again."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path

from napari_lptem_diffusion import __version__
from napari_lptem_diffusion.diffusion.estimate import BUNDLED_WEIGHTS
from napari_lptem_diffusion.diffusion.network import weights_hash
from napari_lptem_diffusion.export.folder import PROVENANCE
from napari_lptem_diffusion.movie import open_movie
from napari_lptem_diffusion.settings import Settings


def particles_of_same_run(folder: Path, movie: Path, settings: Settings, wanted: Set[str]) -> int | None:
    """Return how many particles an earlier run found in *movie* that was the same and is whole, by its provenance.

    Input files with the same names and sizes are taken for the same: hashing gigabytes would take too long.

    Parameters
    ----------
    folder : Path
        Where the earlier run may have written.
    movie : Path
    settings : Settings
    wanted : set of str
        Names, without their ending, of files that must be among the written ones.

    Returns
    -------
    int or None
        None if there was no such run, or its corrections, its network or its version are others.
    """
    try:
        record = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        inputs = sorted((Path(file["name"]).name, file["bytes"]) for file in record["input_files"])
        same = (
            record["software"]["napari-lptem-diffusion"] == __version__
            and record["settings"] == settings.model_dump()
            and record["corrections"] == []
            and record["model_sha256"] == weights_hash(BUNDLED_WEIGHTS)
            and wanted <= {name.split(".")[0] for name in record["files"]}
            and all((folder / name).is_file() for name in record["files"])
            and inputs == sorted((path.name, path.stat().st_size) for path in open_movie(movie).source_files)
        )
        return int(record["results"]["particles"]) if same else None
    except (OSError, ValueError, KeyError, TypeError):  # an `InputError` too: the analysis will say what is wrong
        return None
