import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_lptem_diffusion.gui.fields import field_specs
from napari_lptem_diffusion.gui.forms import FROM_MOVIE, SettingsForm
from napari_lptem_diffusion.settings import Settings

STAGES = [field.annotation for field in Settings.model_fields.values()]
FIELDS = [(stage, spec) for stage in STAGES for spec in field_specs(stage)]
IDS = [spec.name for _, spec in FIELDS]


def values_of(spec):
    if spec.choices:
        values = st.sampled_from(spec.choices)
    elif spec.kind is int:
        values = st.integers(spec.minimum, spec.maximum)
    else:
        values = st.floats(spec.minimum, spec.maximum, exclude_min=spec.above)
    return st.none() | values if spec.optional else values


def settings_of(stage):
    values = st.fixed_dictionaries({spec.name: values_of(spec) for spec in field_specs(stage)})
    return values.filter(is_longer_than_wide).map(stage.model_validate)


def is_longer_than_wide(values):
    length, width = values.get("rod_length_px"), values.get("rod_width_px")
    return length is None or width is None or length >= width


def test_decimals_that_one_value_needs_are_not_kept_for_the_next(qtbot):
    form = SettingsForm(Settings().movie)
    qtbot.addWidget(form)
    row = form.rows["pixel_size_nm"]
    for value, text in ((2.0, "2.000 nm"), (2.000012, "2.000012 nm"), (2.0, "2.000 nm")):
        form.set_settings(form.settings.model_copy(update={"pixel_size_nm": value}))
        assert row.value_widget.native.text() == text
    for value in (2.000012, 3.0):
        form.set_settings(Settings().movie)
        row.show_measured(value)
        assert form.settings.pixel_size_nm is None, "what is measured is not typed"


@pytest.mark.parametrize(("stage", "spec"), FIELDS, ids=IDS)
def test_every_field_has_title_help_and_bounds(stage, spec):
    assert spec.title
    assert spec.help
    assert spec.choices or spec.minimum < spec.maximum


@pytest.mark.parametrize("stage", STAGES)
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settings_come_back_as_they_were_put_in(stage, data, qtbot):
    form = SettingsForm(stage())
    qtbot.addWidget(form)
    wanted = data.draw(settings_of(stage))
    form.set_settings(wanted)
    assert form.settings == wanted


@pytest.mark.parametrize(("stage", "spec"), FIELDS, ids=IDS)
def test_what_the_user_enters_is_in_the_settings(stage, spec, qtbot):
    form = SettingsForm(stage())
    qtbot.addWidget(form)
    entered = spec.choices[-1] if spec.choices else spec.kind(min(spec.maximum, 7))
    form.rows[spec.name].value_widget.value = entered
    assert form.settings == stage().model_copy(update={spec.name: entered})


def test_one_edit_leaves_the_digits_of_the_others(qtbot):
    stage = Settings.model_fields["movie"].annotation
    form = SettingsForm(stage(pixel_size_nm=0.123456789012))
    qtbot.addWidget(form)
    form.rows["frame_interval_s"].value_widget.value = 0.5
    assert form.settings == stage(pixel_size_nm=0.123456789012, frame_interval_s=0.5)


@pytest.fixture
def detection(qtbot):
    form = SettingsForm(Settings().detection)
    qtbot.addWidget(form)
    return form


def test_an_empty_field_says_so_and_then_what_the_movie_says(detection):
    row = detection.rows["rod_length_px"]
    assert row.value_widget.native.text() == FROM_MOVIE
    row.show_measured(31.23456)
    assert row.value_widget.native.text() == "31.23 px"
    assert detection.settings.rod_length_px is None


def test_typing_takes_a_field_from_the_movie_and_auto_gives_it_back(detection, qtbot):
    row = detection.rows["rod_length_px"]
    row.show_measured(31.2)
    box = row.value_widget.native
    box.selectAll()
    qtbot.keyClicks(box, "40")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert detection.settings.rod_length_px == 40
    assert not row.automatic.value
    row.automatic.value = True
    assert detection.settings.rod_length_px is None
    assert box.text() == "31.20 px"


def test_auto_off_takes_the_measured_value_or_waits_for_one(detection):
    row = detection.rows["rod_length_px"]
    row.automatic.value = False
    assert detection.settings.rod_length_px is None
    assert row.automatic.value
    row.show_measured(31.2)
    row.automatic.value = False
    assert detection.settings.rod_length_px == 31.2


def test_scrolling_past_a_field_does_not_change_it(detection):
    box = detection.rows["threshold_sigma"].value_widget.native
    centre = QPointF(box.rect().center())
    wheel = QWheelEvent(
        centre,
        box.mapToGlobal(centre),
        QPoint(0, 120),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(box, wheel)
    assert detection.settings == Settings().detection


def test_values_that_do_not_fit_together_are_not_taken(detection):
    detection.rows["rod_width_px"].value_widget.value = 10
    length = detection.rows["rod_length_px"]
    length.value_widget.value = 8
    assert detection.settings.rod_length_px is None
    assert length.automatic.value
    assert "at least as long as it is wide" in length.note
    length.value_widget.value = 12
    assert detection.settings.rod_length_px == 12
    assert length.note == ""
