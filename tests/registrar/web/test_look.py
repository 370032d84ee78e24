"""What all pages share: values as text, the frame, macros, and their conduct in a browser."""

from __future__ import annotations

import datetime
import http.server
import mimetypes
import re
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError
from playwright.sync_api import Browser, sync_playwright

from countersign.registrar.web import filters as registrar_filters
from countersign.registrar.web.rendering import STATICS, render, render_block
from countersign.rules.life_cycle import State
from countersign.web import filters
from countersign.web.rendering import CONTENT_SECURITY_POLICY, wants_part
from countersign.web.static_folders import STATIC_PREFIX
from tests.registrar.web.example import NOW, example_environment, example_pages, frame

PAGES = example_pages()


class Page(HTMLParser):
    """Elements of a page, in order, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def values(self, attribute: str) -> list[str]:
        return [value for _, attrs in self.elements if (value := attrs.get(attribute)) is not None]


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(PAGES[request.param])


class TestValues:
    def test_money_has_the_currency_and_its_own_number_of_decimals(self) -> None:
        assert filters.money(250_000, "USD") == "US$2,500.00"
        assert filters.money(-5, "GBP") == "-£0.05"
        assert filters.money(1234, "JPY") == "JP¥1,234"

    def test_a_moment_is_in_utc_and_readable_by_programs(self) -> None:
        east = datetime.timezone(datetime.timedelta(hours=10))
        text = filters.moment(datetime.datetime(2031, 5, 15, 3, 5, tzinfo=east))
        assert 'datetime="2031-05-14T17:05:00Z"' in text
        assert "14 May 2031, 17:05" in text

    def test_a_moment_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            filters.moment(datetime.datetime(2031, 5, 14))

    @pytest.mark.parametrize(
        ("days", "words"),
        [
            (0, "today"),
            (1, "tomorrow"),
            (-1, "yesterday"),
            (12, "in 12 days"),
            (-59, "59 days ago"),
            (60, "in 2 months"),
            (-400, "13 months ago"),
            (800, "in 2 years"),
        ],
    )
    def test_relative_days_are_words(self, days: int, words: str) -> None:
        assert f">{words}<" in filters.relative(NOW + datetime.timedelta(days), NOW)

    def test_every_state_has_a_badge_with_its_word(self) -> None:
        for state in State:
            assert str(state).capitalize() in filters.badge(state)
        assert "tone-bad" in filters.badge(State.SUSPENDED)
        assert "tone-neutral" in filters.badge("something new")

    def test_a_badge_escapes_its_word(self) -> None:
        assert "<b>" not in filters.badge("<b>")

    def test_countries_are_sorted_and_none_is_historical(self) -> None:
        codes = [code for code, _ in registrar_filters.countries()]
        assert {"AU", "US", "XK", "SG"} <= set(codes)
        assert not {"YU", "SU", "EU", "AN"} & set(codes)
        assert len(codes) == len(set(codes)) > 240

    def test_the_life_cycle_marks_the_present_step(self) -> None:
        marks = {step.label: step.status for step in registrar_filters.life_cycle(State.TESTED)}
        assert marks["Screened"] == "done"
        assert marks["Tested"] == "current"
        assert marks["Offered"] == "coming"

    def test_the_life_cycle_of_an_active_server_is_complete(self) -> None:
        assert {step.status for step in registrar_filters.life_cycle("active")} == {"done"}

    def test_the_life_cycle_ends_where_it_was_left(self) -> None:
        steps = registrar_filters.life_cycle(State.DENIED, State.SCREENED)
        assert [step.label for step in steps] == ["Draft", "Submitted", "Screened", "Denied"]
        assert steps[-1].status == "stopped"


class TestRendering:
    def test_a_missing_name_is_an_error(self) -> None:
        with pytest.raises(UndefinedError):
            render("error.html", frame=frame(), status=404)

    def test_what_a_user_wrote_is_escaped(self) -> None:
        assert "<script>alert" not in PAGES["/everything"]
        assert "&lt;script&gt;alert(1)" in PAGES["/everything"]

    def test_static_addresses_hold_the_hash_of_the_content(self) -> None:
        assert re.fullmatch(r"/static/[0-9a-f]{16}/theme\.css", STATICS.url("theme.css"))

    @pytest.mark.parametrize("name", ["none.css", "../rendering.py", "/etc/passwd", ""])
    def test_only_static_files_have_addresses(self, name: str) -> None:
        with pytest.raises(FileNotFoundError):
            STATICS.url(name)

    def test_one_block_can_be_rendered_alone(self) -> None:
        part = render_block(
            "error.html",
            "main",
            frame=frame(),
            status=404,
            title="No such page",
            happened="It is not there.",
            todo=[],
        )
        assert "No such page" in part
        assert "<html" not in part

    def test_only_a_plain_request_of_htmx_wants_a_part(self) -> None:
        assert wants_part({"hx-request": "true"})
        assert not wants_part({})
        assert not wants_part({"HX-Request": "true", "HX-Boosted": "true"})
        assert not wants_part({"HX-Request": "true", "HX-History-Restore-Request": "true"})

    def test_a_field_takes_an_error_that_is_not_there(self) -> None:
        source = "{{ forms.field('host', 'Host', error=errors.host) }}"
        text = example_environment().from_string(source).render(errors={})
        assert "aria-invalid" not in text

    def test_a_row_of_empty_rows_says_so(self) -> None:
        assert "No sponsor has been asked yet." in PAGES["/everything"]

    def test_the_countdown_turns_at_s_day(self) -> None:
        def foot(day: datetime.date) -> str:
            text = render(
                "error.html", frame=frame(s_day=day), status=404, title="", happened="", todo=[]
            )
            return text[text.index("<footer") :]

        today = NOW.date()
        assert "days until" in foot(today + datetime.timedelta(2))
        assert ">day until" in foot(today + datetime.timedelta(1))
        assert "is refused" in foot(today)


class TestMarkup:
    def test_nothing_is_inline(self, page: Page) -> None:
        for tag, attributes in page.elements:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]

    def test_ids_are_unique(self, page: Page) -> None:
        ids = page.values("id")
        assert len(ids) == len(set(ids))

    def test_every_reference_has_its_target(self, page: Page) -> None:
        ids = set(page.values("id"))
        names = ("for", "aria-describedby", "aria-labelledby", "popovertarget")
        for attribute in names:
            for value in page.values(attribute):
                assert set(value.split()) <= ids
        inner = [url[1:] for url in page.values("href") if url.startswith("#")]
        assert set(inner) <= ids

    def test_every_field_has_a_label(self, page: Page) -> None:
        labels = set(page.values("for"))
        for tag, attributes in page.elements:
            if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden":
                assert attributes.get("id") in labels

    def test_every_form_that_posts_holds_the_token(self) -> None:
        text = PAGES["/everything"]
        forms = re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL)
        assert len(forms) >= 3
        assert all('name="csrf_token" value="token-of-this-session"' in form for form in forms)

    def test_there_is_one_h1_and_one_main(self, page: Page) -> None:
        tags = [tag for tag, _ in page.elements]
        assert tags.count("h1") == tags.count("main") == 1


def _colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    css = STATICS.find("theme.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    colours = _colours(light)
    if scheme == "dark":
        colours |= _colours(dark[: dark.index("/*")])
    tones = ("good", "info", "warn", "bad", "neutral")
    pairs = [(tone, f"{tone}-ground") for tone in tones]
    pairs += [("ink", f"{tone}-ground") for tone in tones]
    texts = ("ink", "text", "muted", "link", "link-hover", "bad")
    pairs += [(text, ground) for text in texts for ground in ("ground", "surface", "sunken")]
    pairs += [("brand-text", name) for name in ("brand", "button", "button-hover")]
    pairs += [("brand-muted", "brand")]
    for text, ground in pairs:
        assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


class _Site(http.server.BaseHTTPRequestHandler):
    """The example pages and the static files, under the policy of the website."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(STATIC_PREFIX):
            file = STATICS.find(path.split("/", 3)[3])
            self._send(file.read_bytes(), mimetypes.guess_type(file.name)[0] or "")
        else:
            self._send(PAGES.get(path, "").encode(), "text/html; charset=utf-8")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        made = playwright.chromium.launch(executable_path=path, args=options)
        yield made
        made.close()


class TestBrowser:
    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_breaks_no_policy_and_fits_a_narrow_screen(
        self, site: str, browser: Browser, path: str
    ) -> None:
        page = browser.new_page(viewport={"width": 320, "height": 640})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(site + path)
        assert page.evaluate("typeof htmx") == "object"
        assert page.evaluate("htmx.config.allowEval") is False
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert said == []
        page.close()

    def test_menus_open_without_a_script(self, site: str, browser: Browser) -> None:
        context = browser.new_context(
            viewport={"width": 360, "height": 640}, java_script_enabled=False
        )
        page = context.new_page()
        page.goto(site + "/everything")
        assert not page.get_by_role("link", name="Payments").is_visible()
        page.get_by_role("button", name="Menu").click()
        assert page.get_by_role("link", name="Payments").is_visible()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Mei Chen").click()
        assert page.get_by_role("button", name="Sign out").is_visible()
        context.close()

    def test_the_navigation_is_open_on_a_wide_screen(self, site: str, browser: Browser) -> None:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(site + "/everything")
        assert page.get_by_role("link", name="Payments").is_visible()
        assert not page.get_by_role("button", name="Menu").is_visible()
        page.close()

    def test_the_first_stop_of_the_keyboard_skips_to_the_content(
        self, site: str, browser: Browser
    ) -> None:
        page = browser.new_page()
        page.goto(site + "/error")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.close()

    def test_errors_get_the_focus(self, site: str, browser: Browser) -> None:
        page = browser.new_page()
        page.goto(site + "/everything")
        assert page.evaluate("document.activeElement.className") == "error-summary"
        page.get_by_role("link", name="This is not a valid ABN.").click()
        assert page.evaluate("document.activeElement.id") == "field-abn"
        page.close()

    def test_a_country_is_reached_by_keyboard(self, site: str, browser: Browser) -> None:
        page = browser.new_page()
        page.goto(site + "/figures")
        link = page.get_by_role("link", name="Australia: 1,204 registered servers")
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/directory/AU")
        page.close()
