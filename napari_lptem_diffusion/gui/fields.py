"""What a form must know of a settings field, read from the settings model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from napari_lptem_diffusion.settings import StageSettings


@dataclass(frozen=True)
class FieldSpec:
    """A field of a settings model.

    Attributes
    ----------
    name, title, help, unit : str
    kind : type
        `int`, `float` or `str`.
    optional : bool
        Whether None, "from the movie", is allowed.
    choices : tuple of str
        All allowed values of a `str`.
    minimum, maximum : float
        Bounds of a number, *minimum* exclusive if *above*.
    above : bool
    advanced : bool
        Whether it is folded away.
    """

    name: str
    title: str
    help: str
    unit: str
    kind: type
    optional: bool
    choices: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = 0.0
    above: bool = False
    advanced: bool = False


def field_specs(model: type[StageSettings]) -> tuple[FieldSpec, ...]:
    """Return the fields of *model* in their order."""
    return tuple(_field_spec(name, info) for name, info in model.model_fields.items())


def _field_spec(name: str, info: FieldInfo) -> FieldSpec:
    kind, bounds, optional = _unwrapped(info.annotation)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    words = (name, info.title or name, info.description or "", str(extra.get("unit", "")))
    advanced = bool(extra.get("advanced", False))
    if get_origin(kind) is Literal:
        return FieldSpec(*words, str, optional, choices=get_args(kind), advanced=advanced)
    limits = _limits([*info.metadata, *bounds])
    return FieldSpec(
        *words,
        kind,
        optional,
        minimum=limits["gt"] if "gt" in limits else limits["ge"],
        maximum=limits["le"],
        above="gt" in limits,
        advanced=advanced,
    )


def _unwrapped(annotation: Any) -> tuple[Any, list[Any], bool]:
    """Return the type inside ``Annotated[type, bounds] | None``, its bounds, and whether None is allowed."""
    members = get_args(annotation)
    optional = type(None) in members
    if optional:
        annotation = next(member for member in members if member is not type(None))
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        return kind, [part for info in metadata for part in getattr(info, "metadata", [info])], optional
    return annotation, [], optional


def _limits(metadata: list[Any]) -> dict[str, float]:
    """Return the bounds among *metadata* by their names, ``gt``, ``ge`` and ``le``."""
    return {name: getattr(part, name) for part in metadata for name in ("gt", "ge", "le") if hasattr(part, name)}
