"""The file of corrections: every digit comes back, and what is none is refused in a sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.particles.correcting.correction import (
    AddRod,
    Anchor,
    DeleteRod,
    DeleteTrack,
    JoinTracks,
    MarkDirt,
    MarkStuck,
    ReplaceRod,
    Rod,
    SplitTrack,
    corrections_to_json,
    read_corrections,
)

ANCHORS = st.builds(
    Anchor, frame=st.integers(0, 10**6), x=st.floats(-1e5, 1e5), y=st.floats(-1e5, 1e5, allow_subnormal=False)
)
DRAWN = st.builds(
    Rod,
    frame=st.integers(0, 10**6),
    x=st.floats(-1e5, 1e5),
    y=st.floats(-1e5, 1e5),
    angle_deg=st.floats(0, 179.999),
    length=st.floats(0.1, 1e4),
    width=st.floats(0.1, 1e4),
    fit=st.none() | st.dictionaries(st.sampled_from(["snr", "blur"]), st.floats(0, 1e3)),
)
CORRECTIONS = st.one_of(
    st.builds(DeleteTrack, track=ANCHORS, action=st.none() | st.integers(1, 9)),
    st.builds(SplitTrack, track=ANCHORS, first_frame=st.integers(0, 10**6)),
    st.builds(JoinTracks, track=ANCHORS, other=ANCHORS),
    st.builds(DeleteRod, rod=ANCHORS),
    st.builds(AddRod, rod=DRAWN, track=st.none() | ANCHORS),
    st.builds(ReplaceRod, old=ANCHORS, rod=DRAWN),
    st.builds(MarkStuck, track=ANCHORS),
    st.builds(MarkDirt, track=ANCHORS),
)


@settings(deadline=None)
@given(corrections=st.lists(CORRECTIONS, max_size=4))
def test_a_file_gives_back_every_digit(corrections, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "corrections.json"
    path.write_text(corrections_to_json(corrections), encoding="utf-8")
    assert read_corrections(path) == tuple(corrections)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("[]", "'version' and 'corrections'"),
        ('{"version": 2, "corrections": []}', "version 2; version 1 was expected"),
        ('{"version": 1, "corrections": 3}', "list of corrections"),
        ('{"version": 1, "corrections": [{"do": "melt"}]}', "correction 1.*melt.*delete track"),
        ('{"version": 1, "corrections": [{"do": "mark dirt", "track": {"frame": -1, "x": 0, "y": 0}}]}', "track.frame"),
        ('{"version": 1, "corrections": [{"do": "mark dirt", "track": {"frame": 0, "x": NaN, "y": 0}}]}', "track.x"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence_that_names_it(text, said, tmp_path):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(InputError, match=said) as refusal:
        read_corrections(tmp_path / "mine.json")
    assert "mine.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.json cannot be read"):
        read_corrections(tmp_path / "none.json")
