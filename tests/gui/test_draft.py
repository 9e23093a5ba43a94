"""A rod that is being drawn: its handles, and what a drag does to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_lptem_diffusion.gui.draft import Draft, Grip

poses = st.builds(
    Draft,
    x=st.floats(-50, 50),
    y=st.floats(-50, 50),
    angle_deg=st.floats(0, 179.99),
    length=st.floats(12, 60),
    width=st.floats(2, 12),
)
places = st.tuples(st.floats(-100, 100), st.floats(-100, 100))


@given(poses, places, places)
def test_a_dragged_body_only_moves(draft, start, end):
    moved = draft.dragged(Grip.BODY, start, end)
    assert (moved.x - draft.x, moved.y - draft.y) == pytest.approx((end[0] - start[0], end[1] - start[1]), abs=1e-6)
    assert (moved.angle_deg, moved.length, moved.width) == (draft.angle_deg, draft.length, draft.width)


@given(poses, places)
def test_a_dragged_tip_goes_where_the_mouse_goes_and_the_other_stays(draft, end):
    stays, _ = draft.tips
    dragged = draft.dragged(Grip.SECOND_TIP, draft.tips[1], end)
    assert 0 <= dragged.angle_deg < 180
    if np.hypot(end[0] - stays[0], end[1] - stays[1]) > draft.width:
        ends = sorted((*dragged.tips,))
        assert np.allclose(ends, sorted([stays, end]), atol=1e-6)
    assert dragged.length >= draft.width


@given(poses, st.floats(0.5, 50))
def test_handles_are_gripped_where_they_are_drawn(draft, reach):
    assert draft.grip_at((draft.x, draft.y), reach) is Grip.BODY
    assert draft.grip_at(draft.tips[0], reach) in {Grip.FIRST_TIP, Grip.SIDE}
    assert draft.grip_at((draft.x + 500, draft.y), reach) is None
    assert draft.dragged(Grip.SIDE, draft.sides[0], draft.sides[0]).width == pytest.approx(draft.width)
