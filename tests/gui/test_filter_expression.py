"""Conditions as a person types them: what they select, and what is said of those that cannot be read."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.gui.views.expression import matching_rows

TABLE = pd.DataFrame(
    {
        "particle": [0, 1, 2, 3],
        "frames": [200, 40, 120, 9],
        "mixing_ratio": [0.9, 0.2, 0.25, np.nan],
        "k_fbm": [1e-4, 1e-2, 0.0, np.nan],
        "judged": [True, True, True, False],
        "flags": ["", "no mixture", "", "too short"],
    }
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("frames >= 50 and mixing_ratio < 0.3", [2]),
        ("judged", [0, 1, 2]),
        ("not judged", [3]),
        ("not judged or mixing_ratio > .5", [0, 3]),
        ("0.1 < mixing_ratio <= 0.25", [1, 2]),
        ("flags == 'no mixture'", [1]),
        ("log10(k_fbm) > -3", [1]),
        ("frames / 2 - 10 > 40 and -mixing_ratio < -abs(-0.5)", [0]),
        ("judged == (frames > 100)", [0, 2, 3]),
        ("mixing_ratio != mixing_ratio", [3]),
        ("True", [0, 1, 2, 3]),
    ],
)
def test_rows_that_meet_a_condition(expression: str, expected: list[int]) -> None:
    assert TABLE["particle"][matching_rows(expression, TABLE)].tolist() == expected


@pytest.mark.parametrize("expression", ["Mixing > 0.3", "Mixing_Ratio > 0.3", "ratio > 0.3", "MIXING_RATIO > 0.3"])
def test_words_of_headings_name_their_column(expression: str) -> None:
    headings = {"mixing_ratio": "Mixing ratio", "k_fbm": "K FBM", "flags": "Flags FBM"}
    assert TABLE["particle"][matching_rows(expression, TABLE, headings)].tolist() == [0]
    with pytest.raises(InputError, match="no column 'FBM'"):
        matching_rows("FBM > 0.3", TABLE, headings)


@pytest.mark.parametrize(
    "expression",
    [
        "Mixing ratio > 0.3",
        "mixing  Ratio>0.3",
        "α FBM > 0.3",
        "alpha FBM > 0.3",
        "ALPHA FBM > 0.3 and Flags != 'Mixing ratio'",
        "K FBM (µm²/s^α) < 0.001 and K FBM > 0",
        "(Length (nm) > 20)",
    ],
)
def test_headings_as_they_stand_over_the_columns_will_do(expression: str) -> None:
    table = TABLE.assign(alpha_fbm=[0.9, 0.2, 0.1, np.nan], length_nm=[30.0, 3.0, 4.0, 5.0])
    headings = {
        "frames": "Frames",
        "mixing_ratio": "Mixing ratio",
        "alpha_fbm": "α FBM",
        "k_fbm": "K FBM",
        "length_nm": "Length",
        "flags": "Flags",
    }
    assert table["particle"][matching_rows(expression, table, headings)].tolist() == [0]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("mixing > 0.3", "did you mean 'mixing_ratio'"),
        ("colour > 0.3", "none that is called like it"),
        ("Mixing > 0.3", "did you mean 'mixing_ratio'"),
        ("mixing_ratio < 0,6", "a point, not a comma: 'mixing_ratio < 0.6'"),
        ("mixing_ratio < 0,05", "a point, not a comma: 'mixing_ratio < 0.05'"),
        ("frames = 3", "write '=='"),
        ("frames >", "cannot be read"),
        ("frames", "no condition"),
        ("frames and judged", "'frames' is no condition"),
        ("judged & frames > 2", "'and'"),
        ("flags > 3", "a number with text"),
        ("-flags > 3", "is text"),
        ("frames in [1, 2]", "is not understood"),
        ("__import__('os').system('true')", "is not understood"),
        ("frames.sum() > 3", "is not understood"),
        ("[f for f in frames] > 3", "is not understood"),
        ("(lambda: 1)() > 0", "is not understood"),
        ("frames + 9" + "9" * 400 + " > 3", "too large"),
        ("(" * 300 + "frames" + ")" * 300, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(expression: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        matching_rows(expression, TABLE)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


NUMBERS = st.sampled_from(["frames", "mixing_ratio", "k_fbm", "0.25", "100", "(frames - 30)", "2 * mixing_ratio"])
COMPARISONS = st.builds("{} {} {}".format, NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS)
CONDITIONS = st.recursive(
    COMPARISONS | st.just("judged"),
    lambda inner: (
        st.builds("({}) and ({})".format, inner, inner)
        | st.builds("({}) or ({})".format, inner, inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=6,
)


@given(CONDITIONS)
def test_conditions_mean_what_they_mean_in_python(condition: str) -> None:
    met = matching_rows(condition, TABLE)
    rows = TABLE.to_dict("records")
    assert met.tolist() == [bool(eval(condition, {}, row)) for row in rows]


@given(st.text(max_size=30))
def test_any_text_gives_rows_or_a_sentence(text: str) -> None:
    with suppress(InputError):
        assert matching_rows(text, TABLE).shape == (4,)
