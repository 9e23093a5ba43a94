"""Any movie file as a lazy `Movie` of grey (y, x) frames with a `Calibration`; one file per format."""

from napari_lptem_diffusion.movie.calibration import Calibration
from napari_lptem_diffusion.movie.formats import MOVIE_SUFFIXES, looks_like_movie, open_movie
from napari_lptem_diffusion.movie.movie import Movie

__all__ = ["MOVIE_SUFFIXES", "Calibration", "Movie", "looks_like_movie", "open_movie"]
