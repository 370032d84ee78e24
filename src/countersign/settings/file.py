"""A configuration file: TOML in, a checked model out, errors with line and reason."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound=BaseModel)

MAX_SIZE = 1024 * 1024
_TABLE = re.compile(r"\s*\[([^\[\]]+)\]")
_SYNTAX_LINE = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a configuration file."""

    line: int
    """Counted from 1; 0 if it is nowhere in particular."""
    setting: str
    """Dotted name; empty for a fault of the file as a whole."""
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        what = f"{self.setting}: " if self.setting else ""
        return f"{where}{what}{self.reason}"


class ConfigError(Exception):
    """The file cannot be used; ``faults`` says all that is wrong with it."""

    def __init__(self, path: Path, faults: list[Fault]) -> None:
        super().__init__("\n".join(f"{path}: {fault}" for fault in faults))
        self.path = path
        self.faults = faults


def load_config(path: Path, model: type[Model]) -> Model:
    """Read and check a configuration file. Raises :class:`ConfigError`."""
    try:
        if path.stat().st_size > MAX_SIZE:
            raise ConfigError(path, [Fault(0, "", "too big for a configuration file")])
        text = path.read_text("utf-8")
    except OSError as error:
        advice = "make one with: countersign setup config"
        raise ConfigError(path, [Fault(0, "", f"{error.strerror}; {advice}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, [Fault(0, "", f"not UTF-8: {error.reason}")]) from error
    return parse_config(text, model, path)


def parse_config(text: str, model: type[Model], path: Path = Path("configuration")) -> Model:
    """Check a configuration's text. Raises :class:`ConfigError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _SYNTAX_LINE.search(str(error))
        raise ConfigError(path, [Fault(int(line[1]) if line else 0, "", str(error))]) from None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [_fault(model, text, problem) for problem in error.errors()]
        raise ConfigError(path, sorted(faults, key=lambda fault: fault.line)) from None


def _fault(model: type[BaseModel], text: str, problem: Any) -> Fault:
    names = [str(part) for part in problem["loc"] if isinstance(part, str)]
    setting = ".".join(names)
    reason = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = _known_settings(model, names[:-1])
        near = difflib.get_close_matches(names[-1], known, 1)
        reason = f"no such setting{f': is {near[0]} meant?' if near else ''}"
    elif problem["type"] == "missing":
        reason = "this setting has no default: it must be given"
    return Fault(_line_of(text, names), setting, reason)


def _known_settings(model: type[BaseModel], path: list[str]) -> list[str]:
    for name in path:
        field = model.model_fields.get(name)
        section = _section_of(field) if field is not None else None
        if section is None:
            return []
        model = section
    return list(model.model_fields)


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _line_of(text: str, names: list[str]) -> int:
    """Return the line of a setting, or of the nearest table around it; 0 if there is none."""
    table: list[str] = []
    nearest = 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _TABLE.match(line)
        if header is not None:
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            if table and table == names[: len(table)]:
                nearest = number
            continue
        key = line.partition("=")[0].strip()
        here = [*table, *(part.strip().strip("\"'") for part in key.split("."))]
        if "=" in line and here == names[: len(here)]:
            return number
    return nearest


def example_config(model: type[BaseModel], head: str) -> str:
    """Return a whole configuration file, every setting explained, defaults commented out."""
    return "\n".join([*(f"# {line}" for line in head.splitlines()), "", *_example_of(model, ())])


def _example_of(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    sections: list[str] = []
    for name, field in model.model_fields.items():
        section = _section_of(field)
        if section is not None:
            where = (*path, name)
            sections += ["", f"# {_first_line(section)}", f"[{'.'.join(where)}]"]
            sections += _example_of(section, where)
            continue
        lines += [f"# {text}" for text in (field.description or "").splitlines()]
        if field.is_required() or field.examples:
            example = (field.examples or ["mail.example.org"])[0]
            lines.append(f"{name} = {toml_value(example)}")
        elif field.default is None:
            lines.append(f'# {name} = ""')
        else:
            lines.append(f"# {name} = {toml_value(field.default)}")
    return lines + sections


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def toml_value(value: Any) -> str:
    """Return a default as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    return f'"{value}"'


def reference(model: type[BaseModel], path: tuple[str, ...] = ()) -> str:
    """Return the reference of all settings in Markdown, a table for each section."""
    return "\n".join(_reference_of(model, path))


def _reference_of(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    lines = [f"## `[{'.'.join(path)}]`" if path else "## Top level", "", _first_line(model), ""]
    lines += ["| setting | default | meaning |", "| --- | --- | --- |"]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        section = _section_of(field)
        if section is not None:
            inner += ["", *_reference_of(section, (*path, name))]
            continue
        default = "(must be given)" if field.is_required() else f"`{toml_value(field.default)}`"
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {default if field.default is not None else '—'} | {meaning} |")
    return lines + inner
