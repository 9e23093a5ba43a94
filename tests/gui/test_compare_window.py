"""The window that compares: exports dropped, conditions typed, the same numbers as the command line."""

import pandas as pd
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QMessageBox, QTableWidgetSelectionRange

from napari_lptem_diffusion.compare import compare, save_comparison
from napari_lptem_diffusion.export import save_analysis
from napari_lptem_diffusion.gui.compare_window import CompareWindow
from napari_lptem_diffusion.session import save_session
from tests.analysis_factory import make_analysis

pytestmark = pytest.mark.filterwarnings("ignore::napari_lptem_diffusion.errors.InputWarning")
CONDITION = 2


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with the exports of three movies, and a session."""
    folder = tmp_path_factory.mktemp("results")
    for number in range(3):
        save_analysis(make_analysis(seed=number, name=f"m{number}.tif"), folder / f"m{number}")
    save_session(make_analysis(seed=7, name="late.tif"), folder / "late.lptem")
    return folder


@pytest.fixture
def window(qtbot):
    window = CompareWindow()
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()  # else a window that an earlier test left active takes the keys for its own shortcuts
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window)
    yield window
    window.abandon()


def drop(window, *paths):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, mime, buttons, keys))
    QApplication.sendEvent(window, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, buttons, keys))
    assert window.rows.rowCount() == 0, "dialogs may be shown only after the drop was answered"


def wait_for_conditions(qtbot, window, *conditions):
    def compared():
        return window.comparison is not None and list(window.comparison.conditions["condition"]) == list(conditions)

    qtbot.waitUntil(compared, timeout=60_000)


def medians(window):
    table = window.medians
    return [[table.item(row, column).text() for column in range(5)] for row in range(table.rowCount())]


def test_dropped_exports_are_compared_by_the_conditions_that_are_typed(window, results, qtbot, tmp_path):
    drop(window, results, results / "late.lptem")
    qtbot.waitUntil(lambda: window.rows.rowCount() == 4)
    assert [window.rows.item(row, 0).text() for row in range(4)] == ["m0", "m1", "m2", "late"]
    wait_for_conditions(qtbot, window, "m0", "m1", "m2", "late")
    window.rows.item(0, CONDITION).setText("5")
    window.rows.item(2, CONDITION).setText("20")
    window.rows.setRangeSelected(_rows(0, 1), True)
    window.rows.fill_down()
    window.rows.clearSelection()
    window.rows.setRangeSelected(_rows(2, 3), True)
    window.rows.fill_down()
    wait_for_conditions(qtbot, window, "5", "20")
    qtbot.waitUntil(lambda: window.figure.image is not None, timeout=10_000)
    expected = compare(window.rows.labels, quantities=("mixing_ratio",)).table
    pd.testing.assert_frame_equal(window.comparison.table, expected)
    assert medians(window)[0][:3] == ["Mixing ratio", "5", f"{expected['median'][0]:.3g}"]
    assert window.rows.item(0, 1).text() == "3 of 5"
    assert "1 not judged" in window.rows.item(0, 1).toolTip()
    assert "5 has 2 movies" in window.notes.toolTip()
    status, unknown = window.comparison.particles["status"].value_counts(), expected["n_unknown"].sum()
    said = window.notes.text().splitlines()[0]
    assert said.startswith(f"20 rods: {status['compared']} compared, ")
    assert f"{status['no_mixture']} no mixture" in said
    assert (f"of these {unknown} not known" in said) == (unknown > 0)


def _rows(first, last):
    return QTableWidgetSelectionRange(first, 0, last, CONDITION)


def test_saving_writes_what_the_command_line_writes(window, results, qtbot, tmp_path):
    window.add([results / "m0", results / "m1", results / "m0"])
    assert window.rows.rowCount() == 2
    window.condition_name.setText("Buffer")
    window.save(tmp_path)
    qtbot.waitUntil(lambda: window.state.text().startswith("Written"), timeout=60_000)
    save_comparison(compare({results / "m0": "m0", results / "m1": "m1"}, "Buffer"), tmp_path / "expected")
    for name in ("comparison.csv", "conditions.csv", "compared_particles.csv", "comparison.svg", "comparison.json"):
        assert (tmp_path / "comparison" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes(), name


def test_the_figure_is_copied(window, results, qtbot):
    window.add([results / "m0"])
    wait_for_conditions(qtbot, window, "m0")
    QApplication.clipboard().clear()
    window.copy_figure()
    qtbot.waitUntil(lambda: not QApplication.clipboard().image().isNull(), timeout=20_000)
    image = QApplication.clipboard().image()
    assert image.width() >= 1600
    assert len({image.pixel(x, x // 2) for x in range(0, 1600, 3)}) > 3


def test_rows_are_taken_out_and_the_window_is_empty_again(window, results, qtbot):
    window.add([results / "m0"])
    wait_for_conditions(qtbot, window, "m0")
    window.rows.selectRow(0)
    qtbot.keyClick(window.rows, Qt.Key.Key_Delete)
    assert window.comparison is None
    assert not window.save_button.isEnabled()
    assert window.medians.rowCount() == 0


def test_a_folder_without_an_export_is_refused_in_words(window, tmp_path, qtbot):
    window.add([tmp_path])
    box = window.findChild(QMessageBox)
    assert "holds no summary.csv" in box.text()
    box.close()
    assert window.rows.rowCount() == 0
