"""Conditions on the columns of a table, as a person types them: ``frames >= 50 and mixing_ratio < 0.3``.

The text is parsed as Python and worked out on whole columns; it is never run, and nothing but names of columns,
numbers, comparisons, arithmetic, ``and``, ``or``, ``not`` and a few functions is understood.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_lptem_diffusion.errors import InputError

FUNCTIONS: Mapping[str, Callable[..., Any]] = {"abs": np.abs, "sqrt": np.sqrt, "log10": np.log10}

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_OTHER_SPELLINGS = {ast.BitAnd: "'and' in place of '&'", ast.BitOr: "'or' in place of '|'"}
_DECIMAL_COMMA = re.compile(r"(\d),(\d)")
_QUOTED = re.compile(r"""('[^']*'|"[^"]*")""")
_UNIT = r"\((?:px|nm|px²/frame|µm²/s)(?:\^α)?\)"
_EXAMPLE = "frames >= 50 and mixing_ratio < 0.3"


def matching_rows(expression: str, table: pd.DataFrame, headings: Mapping[str, str] | None = None) -> NDArray[np.bool_]:
    """Return which rows of *table* meet *expression*; an unknown number (NaN) meets no comparison.

    Parameters
    ----------
    expression : str
        Empty: all rows.
    table : DataFrame
        Its columns are the names that *expression* may use, in small or capital letters.
    headings : mapping of str to str, optional
        Of columns, the headings under which the user sees them, with "alpha" for the Greek letter if so typed; a word
        that only one of them has will do.

    Returns
    -------
    array
        ``(rows,)`` bool.

    Raises
    ------
    InputError
        If the expression is no condition on the columns.
    """
    if not expression.strip():
        return np.ones(len(table), dtype=bool)
    try:
        tree = ast.parse(_with_names(expression.strip(), table, headings or {}), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InputError(_unreadable(expression)) from None
    words = _words(table, headings or {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple):
            raise InputError(_unreadable(expression))
        if isinstance(node, ast.Name) and node.id not in table:
            node.id = words.get(node.id.lower(), node.id)
    try:
        with np.errstate(all="ignore"):
            return _rows(tree.body, table)
    except OverflowError:
        raise InputError(f"'{expression.strip()}' has a number that is too large.") from None


def _condition(node: ast.expr, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return the truth of *node* for every row."""
    match node:
        case ast.BoolOp(op=ast.And()):
            return reduce(operator.and_, [_rows(part, table) for part in node.values])
        case ast.BoolOp():
            return reduce(operator.or_, [_rows(part, table) for part in node.values])
        case ast.UnaryOp(op=ast.Not()):
            return ~_condition(node.operand, table)
        case ast.Compare():
            return _comparison(node, table)
    truth = np.asarray(_value(node, table))
    if truth.dtype != bool:
        raise InputError(f"'{ast.unparse(node)}' is no condition; compare it with something, as in '{_EXAMPLE}'.")
    return truth


def _comparison(node: ast.Compare, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return the truth of a comparison, which may be a chain such as ``0.3 < mixing_ratio < 0.7``."""
    values = [_value(part, table) for part in (node.left, *node.comparators)]
    met = np.ones(len(table), dtype=bool)
    for compared, left, right in zip(node.ops, values, values[1:], strict=False):
        if type(compared) not in _COMPARISONS:
            raise InputError(f"'{ast.unparse(node)}' is not understood; compare with <, <=, >, >=, == or !=.")
        if _is_text(left) != _is_text(right):
            raise InputError(f"'{ast.unparse(node)}' compares a number with text; two of a kind were expected.")
        met = met & np.asarray(_COMPARISONS[type(compared)](left, right), dtype=bool)
    return met


def _value(node: ast.expr, table: pd.DataFrame) -> Any:
    """Return the value of *node*: an array over the rows, a number or a text."""
    match node:
        case ast.Name(id=name):
            return _column(name, table)
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub()):
            return -1 * _number(node.operand, table)
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            left, right = (np.asarray(_number(part, table), dtype=float) for part in (node.left, node.right))
            return _ARITHMETIC[type(op)](left, right)
        case ast.BinOp(op=op) if type(op) in _OTHER_SPELLINGS:
            raise InputError(f"Write {_OTHER_SPELLINGS[type(op)]} in '{ast.unparse(node)}'.")
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_number(argument, table))
        case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return _condition(node, table)
    raise InputError(f"'{ast.unparse(node)}' is not understood; conditions look like '{_EXAMPLE}'.")


def _number(node: ast.expr, table: pd.DataFrame) -> Any:
    value = _value(node, table)
    if _is_text(value):
        raise InputError(f"'{ast.unparse(node)}' is text; a number was expected.")
    return value


def _column(name: str, table: pd.DataFrame) -> NDArray[Any]:
    if name in table:
        values = table[name]
        # pandas' own text compares with its missing values as numpy's does not
        return values.to_numpy(dtype=object) if values.dtype == "str" else values.to_numpy()
    known = [str(column) for column in table]
    small = name.lower()
    close = [column for column in known if column.startswith(small)] or difflib.get_close_matches(small, known, 1)
    meant = f"; did you mean '{close[0]}'?" if close else ", and none that is called like it."
    raise InputError(f"There is no column '{name}'{meant}")


def _words(table: pd.DataFrame, headings: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that words in small letters stand for: names, headings, words of one heading only."""
    titles = {name: title.lower() for name, title in headings.items() if name in table}
    counts = Counter(word for title in titles.values() for word in set(title.split()))
    single = {word: name for name, title in titles.items() for word in title.split() if counts[word] == 1}
    whole = {title.replace(" ", "_"): name for name, title in titles.items()}
    return single | whole | {str(name).lower(): str(name) for name in table}


def _with_names(expression: str, table: pd.DataFrame, headings: Mapping[str, str]) -> str:
    """Return *expression* with names of columns in place of headings, their units too, outside of quotes."""
    names: dict[str, str] = {}
    for name, title in headings.items():
        if name in table and title.lower() not in table:
            names |= {title.lower(): name, title.lower().replace("α", "alpha"): name}
    if not names:
        return expression
    longest_first = sorted(names, key=len, reverse=True)
    spaced = "|".join(re.escape(title).replace(r"\ ", r"[\s_]+") for title in longest_first)
    heading = re.compile(rf"(?<!\w)({spaced})(?!\w)(\s*{_UNIT})?", re.IGNORECASE)
    parts = _QUOTED.split(expression)
    for place in range(0, len(parts), 2):
        parts[place] = heading.sub(lambda found: names[re.sub(r"[\s_]+", " ", found[1].lower())], parts[place])
    return "".join(parts)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or getattr(value, "dtype", None) == np.dtype(object)


def _rows(node: ast.expr, table: pd.DataFrame) -> NDArray[np.bool_]:
    return np.broadcast_to(_condition(node, table), len(table))


def _unreadable(expression: str) -> str:
    """Say what is wrong with a text that is no condition in Python."""
    text = expression.strip()
    if _DECIMAL_COMMA.search(text):
        meant = _DECIMAL_COMMA.sub(r"\1.\2", text)
        return f"Decimals have a point, not a comma: '{meant}'."
    if "=" in text.replace("==", "").replace("<=", "").replace(">=", "").replace("!=", ""):
        return f"'{text}' has a single '='; write '==' for 'equals'."
    return f"'{text}' cannot be read; conditions look like '{_EXAMPLE}'."
