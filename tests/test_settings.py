"""Settings: every field explains itself, survives its file formats, and refuses what it cannot mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from napari_lptem_diffusion.errors import InputError
from napari_lptem_diffusion.settings import Settings

STAGES = {name: field.annotation for name, field in Settings.model_fields.items()}
FIELDS = [(stage, name) for stage, model in STAGES.items() for name in model.model_fields]


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return every value that the JSON schema of a field allows."""
    if "anyOf" in schema:
        return st.one_of([values_of(choice) for choice in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "null":
        return st.none()
    if schema["type"] == "boolean":
        return st.booleans()
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if schema["type"] == "integer":
        return st.integers(low, high)
    assert schema["type"] == "number"
    return st.floats(
        low,
        high,
        exclude_min="exclusiveMinimum" in schema,
        exclude_max="exclusiveMaximum" in schema,
        allow_nan=False,
        allow_infinity=False,
    )


def stages(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {name: values_of(schema) for name, schema in model.model_json_schema()["properties"].items()}
    )


def longer_than_wide(values: dict[str, Any]) -> bool:
    length, width = values["detection"]["rod_length_px"], values["detection"]["rod_width_px"]
    return length is None or width is None or length >= width


any_settings = (
    st.fixed_dictionaries({name: stages(model) for name, model in STAGES.items()})
    .filter(longer_than_wide)
    .map(Settings.model_validate)
)


@pytest.mark.parametrize(("stage", "name"), FIELDS)
def test_every_field_has_a_title_a_help_text_a_unit_and_bounds(stage, name):
    field = STAGES[stage].model_fields[name]
    schema = STAGES[stage].model_json_schema()["properties"][name]
    assert field.title
    assert field.title[0].isupper()
    assert field.description
    assert field.description.endswith(".")
    numbers = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") in ("number", "integer")]
    for number in numbers:
        assert field.json_schema_extra["unit"]
        assert {"minimum", "exclusiveMinimum"} & set(number)
        assert {"maximum", "exclusiveMaximum"} & set(number)


@pytest.mark.parametrize(("stage", "name"), FIELDS)
def test_a_unit_in_a_name_is_the_fields_unit(stage, name):
    unit = STAGES[stage].model_fields[name].json_schema_extra["unit"]
    endings = {"nm": "nm", "s": "s", "px": "px", "frames": "frames"}
    assert endings.get(name.rsplit("_", 1)[-1], unit) == unit


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_settings)
def test_settings_survive_toml_and_json(tmp_path, chosen):
    path = tmp_path / "settings.toml"
    path.write_text(chosen.to_toml(), encoding="utf-8")
    assert Settings.from_toml(path) == chosen
    assert Settings.model_validate_json(chosen.model_dump_json()) == chosen


def test_a_file_may_hold_only_what_differs_from_the_defaults(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('[detection]\nrods_are = "bright"\n', encoding="utf-8")
    chosen = Settings.from_toml(path)
    assert chosen.detection.rods_are == "bright"
    assert chosen.linking == Settings().linking


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[detection]\ntreshold_sigma = 4", "detection.treshold_sigma; threshold_sigma was expected"),
        (b"[detector]", "detector; detection was expected"),
        (
            b"[detection]\nthreshold_sigma = 0.5",
            "detection.threshold_sigma is 0.5; greater than or equal to 2 was expected",
        ),
        (b"[linking]\nmemory_frames = 1.5", "linking.memory_frames is 1.5"),
        (b'[detection]\nrods_are = "grey"', "detection.rods_are is 'grey'; 'dark' or 'bright' was expected"),
        (b"[movie]\npixel_size_nm = nan", "movie.pixel_size_nm is nan; a finite number was expected"),
        (b"[detection]\nrod_length_px = 5\nrod_width_px = 20", "at least as long as it is wide, not 5.0 by 20.0"),
        (b"detection = ", "is not valid TOML"),
        (b"\xff\xfe", "is not valid TOML"),
    ],
)
def test_a_bad_settings_file_is_refused_with_one_sentence_that_names_the_field(tmp_path, content, says):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        Settings.from_toml(path)
    assert says in str(error.value)
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml cannot be read: No such file"):
        Settings.from_toml(tmp_path / "none.toml")


@pytest.mark.parametrize(("stage", "name"), FIELDS)
def test_settings_cannot_be_changed_in_place(stage, name):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(getattr(Settings(), stage), name, None)
