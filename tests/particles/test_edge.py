"""Rods that the edge of the frame cuts are counted."""

import pandas as pd

from napari_lptem_diffusion.particles.edge import frames_at_edge


def test_frames_in_which_a_rod_is_cut_are_counted_and_unknown_ones_are_whole():
    tracks = pd.DataFrame({"particle": [0, 0, 0, 3, 3], "visible": [1.0, 0.6, 0.94, 0.96, float("nan")]})
    assert frames_at_edge(tracks).to_dict() == {0: 2, 3: 0}
    assert frames_at_edge(tracks.drop(columns="visible")).to_dict() == {0: 0, 3: 0}
    assert frames_at_edge(tracks[:0]).empty
