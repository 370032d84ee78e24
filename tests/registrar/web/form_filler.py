"""A browser without scripts: it fills in the forms that a page has, and sends no field besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from httpx import Response

from tests.registrar.web.visitors import Visitor


@dataclass
class Form:
    """A form as a page has it."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    choices: dict[str, set[str]] = field(default_factory=dict)
    """Values that a field with given ones may take."""
    boxes: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)
    """Label, name, value."""


class _Reader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = self._area = ""
        self._button: tuple[str, str] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(a.get("action") or self.path, a.get("method", "get"))
            self.forms.append(self._form)
        form = self._form
        if form is None:
            return
        name = a.get("name", "")
        if tag == "input" and name:
            self._input(form, name, a)
        elif tag == "select":
            self._select = name
            form.choices[name] = set()
        elif tag == "option" and self._select:
            form.choices[self._select].add(a.get("value", ""))
            if "selected" in a or self._select not in form.values:
                form.values[self._select] = a.get("value", "")
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "button" and a.get("type") != "button":
            self._button, self._text = (name, a.get("value", "")), ""

    def _input(self, form: Form, name: str, a: dict[str, str]) -> None:
        kind = a.get("type", "text")
        if kind == "file":
            form.files.add(name)
        elif kind == "radio":
            form.choices.setdefault(name, set()).add(a["value"])
            if "checked" in a:
                form.values[name] = a["value"]
        elif kind == "checkbox":
            form.boxes[name] = a["value"]
            if "checked" in a:
                form.values[name] = a["value"]
        else:
            form.values[name] = a.get("value", "")

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif self._form is not None and tag == "textarea":
            self._form.values[self._area] = self._text.removeprefix("\n")
        elif self._form is not None and tag == "button" and self._button is not None:
            self._form.buttons.append((" ".join(self._text.split()), *self._button))
            self._button = None


class Filler:
    """Somebody at a browser, on a page."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.path = "/"
        self.page: Response

    def open(self, path: str) -> Response:
        """Go to a page, and follow where it leads."""
        self.path = path
        self.page = self.visitor.get(path)
        return self._follow()

    def _follow(self) -> Response:
        while self.page.is_redirect:
            self.path = self.page.headers["location"]
            self.page = self.visitor.get(self.path)
        return self.page

    @property
    def forms(self) -> list[Form]:
        """The forms of the page."""
        reader = _Reader(self.path)
        reader.feed(self.page.text)
        return reader.forms

    def form_with(self, button: str) -> Form:
        """Return the form with a button; the button's label may begin so."""
        for form in self.forms:
            if any(label.startswith(button) for label, *_ in form.buttons):
                return form
        raise AssertionError(f"no button {button!r} on {self.path}")

    def press(
        self, button: str, fields: dict[str, Any] | None = None, *, file: bytes | None = None
    ) -> Response:
        """Fill in the form with a button, and press it. None for a field: a box not ticked."""
        form = self.form_with(button)
        values = dict(form.values)
        for name, value in (fields or {}).items():
            known = {*form.values, *form.choices, *form.boxes}
            assert name in known, f"no field {name} in the form with {button!r}"
            if value is None:
                values.pop(name, None)
                continue
            assert name not in form.choices or value in form.choices[name], (name, value)
            values[name] = form.boxes.get(name, value)
        _, name, value = next(one for one in form.buttons if one[0].startswith(button))
        if name:
            values[name] = value
        headers = {"Origin": self.visitor.origin, "Sec-Fetch-Site": "same-origin"}
        headers["Referer"] = f"{self.visitor.origin}{self.path}"
        path = form.action.partition("#")[0]
        if form.method == "get":
            self.page = self.visitor.client.get(path, params=values)
            return self._follow()
        files = None if file is None else {next(iter(form.files)): ("scan.png", file, "image/png")}
        self.page = self.visitor.client.post(path, data=values, headers=headers, files=files)
        return self._follow()
