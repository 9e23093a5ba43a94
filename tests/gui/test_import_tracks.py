"""The dialog for tracks of other tools: what it guesses, what a user puts right, what it refuses."""

import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QDialog, QWidget

from napari_lptem_diffusion.export.trackmate import save_trackmate
from napari_lptem_diffusion.gui import import_tracks
from napari_lptem_diffusion.gui.import_tracks import ImportTracksDialog, ask_for_tracks, tracks_in_words
from napari_lptem_diffusion.particles.track_files.read import open_tracks
from napari_lptem_diffusion.settings import MovieSettings, Settings
from tests.analysis_factory import make_analysis


@pytest.fixture
def blobs(tmp_path):
    """Two tracks in a file whose column names say nothing of x and y; one frame is missing."""
    rng = np.random.default_rng(0)
    rows = [(f"R{blob}", n, *xy) for blob in (1, 2) for n, xy in enumerate(rng.normal(0, 20, (30, 2)).cumsum(0) + 900)]
    table = pd.DataFrame(rows, columns=["blob", "nr", "east", "south"]).drop(index=[7])
    table.to_csv(tmp_path / "blobs.csv", index=False, sep=";", decimal=",")
    return tmp_path / "blobs.csv"


@pytest.fixture
def open_dialog(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)

    def opened(path, settings=None):
        dialog = ImportTracksDialog(parent, path, settings or Settings())
        dialog.show()
        qtbot.waitUntil(lambda: not dialog.verdict.text().startswith("Reading"), timeout=10_000)
        return dialog

    yield opened
    for dialog in parent.findChildren(ImportTracksDialog):
        dialog.reject()


def choose(combo, text):
    combo.setCurrentIndex(combo.findText(text))


def wait_for_verdict(qtbot, dialog, start):
    qtbot.waitUntil(lambda: dialog.verdict.text().startswith(start), timeout=10_000)


def test_columns_are_mapped_by_hand_and_the_tracks_counted(blobs, open_dialog, qtbot):
    dialog = open_dialog(blobs)
    assert dialog.verdict.text() == "Choose the columns of x and y."
    assert not dialog.accept_button.isEnabled()
    for role, name in (("particle", "blob"), ("frame", "nr"), ("x", "east"), ("y", "south")):
        choose(dialog.columns[role], name)
    choose(dialog.length_unit, "nm")
    dialog.movie_form.rows["pixel_size_nm"].value_widget.value = 10
    wait_for_verdict(qtbot, dialog, "2 tracks of 29 to 30 frames, 1 gap,")
    assert dialog.rows.horizontalHeaderItem(2).text() == "east\nx"
    assert "R1 is 0" in dialog.notes.text()
    answer = dialog.answer
    assert answer.settings.movie == MovieSettings(pixel_size_nm=10)
    found = open_tracks(answer.path, answer.columns, answer.settings.movie.pixel_size_nm)
    assert found.table["x"].mean() == pytest.approx(pd.read_csv(blobs, sep=";", decimal=",")["east"].mean() / 10)


def test_a_choice_that_makes_no_sense_is_refused_until_it_is_changed(blobs, open_dialog, qtbot):
    dialog = open_dialog(blobs)
    for role, name in (("frame", "nr"), ("x", "east"), ("y", "south")):
        choose(dialog.columns[role], name)
    wait_for_verdict(qtbot, dialog, "In blobs.csv particle 0 is twice in frame 0")
    assert not dialog.accept_button.isEnabled()
    choose(dialog.columns["particle"], "blob")
    wait_for_verdict(qtbot, dialog, "2 tracks")
    assert dialog.accept_button.isEnabled()
    assert "Positions are taken to be in px" in dialog.notes.text()
    assert "The localization error is not known" in dialog.notes.text()


def test_what_the_header_tells_is_chosen(tmp_path, open_dialog, qtbot):
    text = "Track ID,t [ms],x [µm],y [µm]\n" + "".join(f"1,{12.5 * n},{n / 100},{(n % 7) / 100}\n" for n in range(20))
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    dialog = open_dialog(tmp_path / "mine.csv")
    wait_for_verdict(qtbot, dialog, "1 track of 20 frames, 0 gaps")
    assert (dialog.length_unit.currentText(), dialog.time_unit.currentText()) == ("µm", "ms")
    assert "taken to be in px" not in dialog.notes.text()
    assert dialog.movie_form.rows["frame_interval_s"].value_widget.value == pytest.approx(0.0125)
    assert not dialog.angle_unit.isEnabled()


def test_trackmate_needs_no_mapping(tmp_path, open_dialog, qtbot):
    save_trackmate(make_analysis(), tmp_path / "rods.xml")
    dialog = open_dialog(tmp_path / "rods.xml")
    wait_for_verdict(qtbot, dialog, "5 tracks of 10 to 60 frames")
    assert dialog.answer.columns is None
    assert dialog.rows.isHidden()


def test_a_file_that_is_no_table_is_refused_in_the_dialog(tmp_path, open_dialog):
    (tmp_path / "text.csv").write_text("nothing to see here\n")
    dialog = open_dialog(tmp_path / "text.csv")
    assert "text.csv holds no table of numbers" in dialog.verdict.text()
    assert not dialog.accept_button.isEnabled()


@pytest.mark.parametrize("accepted", [True, False])
def test_asking_gives_an_answer_or_none(blobs, qtbot, monkeypatch, accepted):
    parent = QWidget()
    qtbot.addWidget(parent)

    def answered(dialog):
        code = QDialog.DialogCode.Accepted if accepted else QDialog.DialogCode.Rejected
        dialog.done(code.value)
        return code

    monkeypatch.setattr(import_tracks.ImportTracksDialog, "exec", answered)
    answer = ask_for_tracks(parent, blobs)
    assert (answer is not None) == accepted
    if accepted:
        assert answer.path == blobs


def test_tracks_in_words():
    analysis = make_analysis()
    assert tracks_in_words(analysis.tracks).startswith("5 tracks of 10 to 60 frames, 1 gap, over ")
