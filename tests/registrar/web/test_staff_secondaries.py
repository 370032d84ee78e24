"""Pages of secondaries: how far each is, adding one, its keys."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
import structlog.testing
from httpx import Response
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.gateway.config import Config
from countersign.registrar.operations import secondary_keys
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.operations.secondary_keys import keys_now
from countersign.registry.transfer.keys import TsigKey, parse_key
from countersign.rules.roles import Role
from countersign.settings.file import parse_config
from countersign.storage.database.replication import Secondary, SecondaryKind
from tests.registrar.conftest import Clock
from tests.registrar.replication import add_secondary, note_state, publish
from tests.registrar.web.served import chromium, serving, watch
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.visitors import Site

LIST = "/staff/secondaries"
FIELDS = {
    "name": "lima-2",
    "kind": "secondary",
    "place": "Lima <Peru>",
    "contact": "noc@muller.com.au",
    "notify": "192.0.2.1:53\n[2001:db8::1]:53",
    "ask": "192.0.2.1:53",
    "algorithm": "hmac-sha384",
}


def shown_key(page: Response) -> TsigKey:
    """Return the key that a page shows."""
    assert page.headers["cache-control"] == "no-store"
    found = re.search(r"<code>(hmac-[^<]+)</code>", page.text)
    assert found is not None, page.text
    return parse_key(html.unescape(found[1]))


def good_keys(office: Office) -> dict[str, TsigKey]:
    with office.reading() as work:
        return {name: issued.key for name, issued in keys_now(work).items()}


class TestStatus:
    def test_each_is_shown_with_its_condition_lag_and_last_error(
        self, site: Site, office: Office, clock: Clock
    ) -> None:
        publish(office, 4_000_000_001, ago=4000, records=1234)
        publish(office, 4_000_000_002, ago=300)
        publish(office, 4_000_000_003, ago=7, records=1235)
        for name, serial in (("athens", 3), ("berne", 2), ("cairo", 1), ("delhi", 9)):
            key, _ = add_secondary(office, name, Details(place=f"Port {name}"))
            columns = {"serial": 4_000_000_000 + serial, "asked_at": clock.now}
            note_state(office, key, transfer="ixfr", transferred_at=clock.now, **columns)
        key, _ = add_secondary(office, "essen", Details(SecondaryKind.REPLICA))
        note_state(office, key, error="BADSIG", error_at=clock.now)
        add_secondary(office, "faro")
        text = " ".join(site.visitor(Role.AUDITOR).get(LIST).text.split())
        assert "4000000003" in text
        assert "1,235" in text
        assert "published 7 s ago" in text
        assert "1 of 6" in text
        for words in ("Up to date", "Catching up", "Behind", "Ahead", "Error", "Never seen"):
            assert f">{words}</span>" in text, words
        assert "1 version, 7 s" in text
        assert "2 versions, 5 min" in text
        assert "Port cairo" in text
        assert "BADSIG" in text
        assert "Versions published by the hour" in text

    def test_those_in_trouble_come_first(self, site: Site, office: Office, clock: Clock) -> None:
        publish(office, 5, ago=500)
        for name, error in (("athens", ""), ("berne", "no answer"), ("cairo", "")):
            key, _ = add_secondary(office, name)
            note_state(office, key, serial=5, error=error, error_at=clock.now)
        text = site.visitor(Role.AUDITOR).get(LIST).text
        places = [text.index(f">{name}</a>") for name in ("berne", "athens", "cairo")]
        assert places == sorted(places)

    def test_before_anything_is_published_it_says_so(self, site: Site) -> None:
        text = site.visitor(Role.AUDITOR).get(LIST).text
        assert "Nothing has been published yet" in text
        assert "Nobody has a copy of the zone yet" in text

    def test_htmx_gets_the_part_that_changes(self, site: Site, office: Office) -> None:
        publish(office, 7)
        add_secondary(office)
        text = site.visitor(Role.AUDITOR).get(LIST, headers={"HX-Request": "true"}).text
        assert text.strip().startswith('<div id="live"')
        assert "frankfurt-1" in text
        assert "<html" not in text

    def test_a_page_that_refreshes_itself_keeps_no_session_alive(
        self, site: Site, clock: Clock
    ) -> None:
        visitor = site.visitor(Role.AUDITOR)
        by_itself = {"HX-Request": "true", "HX-Trigger": "live"}
        for _ in range(29):
            assert visitor.get(LIST, headers=by_itself).status_code == 200
            clock.advance(minutes=1)
        clock.advance(minutes=2)
        answer = visitor.get(LIST, headers=by_itself)
        assert answer.headers["HX-Redirect"] == "/sign-in?next=%2Fstaff%2Fsecondaries"
        assert answer.text == ""
        assert visitor.get(LIST).status_code == 303

    def test_what_somebody_asks_for_keeps_the_session_alive(self, site: Site, clock: Clock) -> None:
        visitor = site.visitor(Role.AUDITOR)
        for _ in range(40):
            assert visitor.get(LIST).status_code == 200
            clock.advance(minutes=1)

    @pytest.mark.parametrize(
        "role", [Role.SCREENER, Role.ADJUDICATOR, Role.TREASURER, Role.AGENT, Role.OWNER]
    )
    def test_others_do_not_see_them(self, site: Site, office: Office, role: Role) -> None:
        key, _ = add_secondary(office)
        visitor = site.visitor(*([] if role is Role.OWNER else [role]))
        for path in (LIST, f"{LIST}/{key}"):
            assert visitor.get(path).status_code == 403
        assert LIST not in visitor.get("/account").text

    def test_the_first_page_of_the_staff_names_those_in_trouble(
        self, site: Site, office: Office, clock: Clock
    ) -> None:
        publish(office, 6, ago=500)
        key, _ = add_secondary(office)
        note_state(office, key, serial=6, error="no answer from it", error_at=clock.now)
        page = at_desk(site, Role.ADMINISTRATOR).open("/staff")
        assert "Secondaries in trouble" in page.text
        assert "No answer from it" in page.text
        assert f'href="{LIST}/{key}"' in page.text


class TestChanges:
    def test_one_is_added_and_its_key_shown_once(self, site: Site, office: Office) -> None:
        browser = at_desk(site, Role.ADMINISTRATOR)
        browser.open(f"{LIST}/add")
        with structlog.testing.capture_logs() as logged:
            page = browser.press("Add it", FIELDS)
        key = shown_key(page)
        assert key.algorithm == "hmac-sha384"
        assert good_keys(office) == {key.name: key}
        with office.reading() as work:
            (row,) = work.session.query(Secondary).all()
            assert (row.name, row.place) == ("lima-2", "Lima <Peru>")
            assert row.notify == ["192.0.2.1:53", "[2001:db8::1]:53"]
        mine = browser.visitor.account_id
        assert [one.what for one in looks(office, account_id=mine)] == [
            "secondary added",
            "secondary key issued",
        ]
        assert key.encoded not in repr(logged) + repr([one.details for one in looks(office)])
        one = browser.open(f"{LIST}/{row.id}").text
        assert key.name.replace(".", ".<wbr>") in one
        assert key.encoded not in one
        assert "countersign setup knot --zone registry.example" in one
        assert "countersign registrar secondaries key lima-2" in one

    def test_what_was_typed_stays_where_it_is_refused(self, site: Site, office: Office) -> None:
        browser = at_desk(site, Role.ADMINISTRATOR)
        browser.open(f"{LIST}/add")
        page = browser.press("Add it", {**FIELDS, "ask": "lima.example:53"})
        assert page.status_code == 422
        assert "192.0.2.1:53 or [2001:db8::1]:53" in page.text
        assert 'value="lima.example:53"' in page.text
        assert good_keys(office) == {}

    def test_one_is_changed_and_removed(self, site: Site, office: Office) -> None:
        key, _ = add_secondary(office)
        browser = at_desk(site, Role.ADMINISTRATOR)
        browser.open(f"{LIST}/{key}/change")
        page = browser.press("Save", {"place": "Perth", "kind": "replica", "notify": ""})
        assert "Changed." in page.text
        assert "Perth" in page.text
        page = browser.press("Remove frankfurt-1")
        assert "Removed" in page.text
        assert good_keys(office) == {}
        assert browser.visitor.get(f"{LIST}/{key}").status_code == 404

    def test_keys_are_rotated_revoked_and_shown_again(self, site: Site, office: Office) -> None:
        secondary_id, first = add_secondary(office)
        browser = at_desk(site, Role.ADMINISTRATOR)
        path = f"{LIST}/{secondary_id}"
        browser.open(path)
        second = shown_key(browser.press("Rotate the keys", {"algorithm": "hmac-sha512"}))
        assert good_keys(office) == {first.name: first, second.name: second}
        page = browser.open(path)
        assert ">Ends</span>" in page.text
        third = shown_key(browser.press("Issue a key"))
        assert set(good_keys(office)) == {first.name, second.name, third.name}
        with office.reading() as work:
            rows = {key.name: key.id for key in secondary_keys.keys_of(work, secondary_id)}
        visitor = browser.visitor
        again = visitor.post(f"{path}/keys/{rows[second.name]}/reveal")
        assert shown_key(again) == second
        assert len(looks(office, "secondary key revealed", visitor.account_id)) == 1
        assert visitor.post(f"{path}/keys/{rows[first.name]}/revoke").status_code == 303
        assert set(good_keys(office)) == {second.name, third.name}
        assert ">Revoked</span>" in visitor.get(path).text
        assert visitor.post(f"{path}/keys/{rows[first.name]}/reveal", page=path).is_redirect
        assert "no longer good" in visitor.get(path).text
        assert visitor.get(f"{path}/keys/{rows[second.name]}/reveal").status_code == 405

    def test_a_key_belongs_to_the_secondary_of_its_path(self, site: Site, office: Office) -> None:
        one, _ = add_secondary(office, "one")
        two, _ = add_secondary(office, "two")
        with office.reading() as work:
            key = secondary_keys.current_key(work, one).id
        visitor = site.visitor(Role.ADMINISTRATOR)
        for deed in ("reveal", "revoke"):
            assert visitor.post(f"{LIST}/{two}/keys/{key}/{deed}").status_code == 404
        assert len(good_keys(office)) == 2

    def test_an_auditor_only_looks(self, site: Site, office: Office) -> None:
        secondary_id, key = add_secondary(office)
        visitor = site.visitor(Role.AUDITOR)
        path = f"{LIST}/{secondary_id}"
        page = visitor.get(path).text
        assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
        assert key.encoded not in page
        with office.reading() as work:
            row = secondary_keys.current_key(work, secondary_id).id
        for deed in ("/change", "/remove", "/keys/issue", "/keys/rotate", f"/keys/{row}/reveal"):
            assert visitor.post(path + deed).status_code == 403
        assert visitor.get(f"{LIST}/add").status_code == 403
        assert good_keys(office) == {key.name: key}

    @pytest.mark.parametrize("deed", ["keys/issue", "keys/rotate", "keys/1/reveal", "remove"])
    def test_what_is_sensitive_wants_a_fresh_proof(
        self, site: Site, office: Office, clock: Clock, deed: str
    ) -> None:
        secondary_id, _ = add_secondary(office)
        visitor = site.visitor(Role.ADMINISTRATOR)
        clock.advance(minutes=11)
        answer = visitor.post(f"{LIST}/{secondary_id}/{deed}", page=f"{LIST}/{secondary_id}")
        assert answer.headers["location"].startswith("/account/prove?")
        assert len(good_keys(office)) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestHints:
    @pytest.mark.parametrize(
        ("kind", "programs"),
        [
            (SecondaryKind.SECONDARY, ["knot", "nsd", "bind"]),
            (SecondaryKind.SIGNER, ["knot", "bind"]),
        ],
    )
    def test_the_commands_for_name_servers_do_as_they_stand(
        self,
        site: Site,
        office: Office,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        *,
        kind: SecondaryKind,
        programs: list[str],
    ) -> None:
        secondary_id, key = add_secondary(office, details=Details(kind))
        text = site.visitor(Role.AUDITOR).get(f"{LIST}/{secondary_id}").text
        commands = re.findall(r"<code>(countersign setup [^<]+)</code>", text)
        assert [command.split()[2] for command in commands] == programs
        signs = kind is SecondaryKind.SIGNER
        assert all((" --sign " in command) is signs for command in commands)
        monkeypatch.chdir(tmp_path)
        file = tmp_path / "frankfurt-1.key"
        file.touch(0o600)
        file.write_text(key.to_text())
        for command in commands:
            result = CliRunner().invoke(app, html.unescape(command).split()[1:])
            assert result.exit_code == 0, result.stderr
            assert "registry.example" in result.stdout

    def test_a_gateway_takes_the_settings_of_a_replica_as_they_stand(
        self, site: Site, office: Office
    ) -> None:
        secondary_id, _ = add_secondary(office, "lima", Details(SecondaryKind.REPLICA))
        text = site.visitor(Role.AUDITOR).get(f"{LIST}/{secondary_id}").text
        found = re.search(r"<pre><code>(.*?)</code></pre>", text, re.DOTALL)
        assert found is not None
        settings = html.unescape(found[1])
        config = parse_config(f'hostname = "mail.example.org"\n{settings}\n', Config)
        assert config.registry.zone == "registry.example"
        assert config.registry.replica.primaries == office.config.primary.listen
        assert config.registry.replica.key_file == Path("/etc/countersign/lima.key")


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_follows_what_happens_without_losing_its_place(
    office: Office, clock: Clock
) -> None:
    publish(office, 6, ago=500)
    publish(office, 7, ago=400)
    key, _ = add_secondary(office)
    note_state(office, key, serial=6, asked_at=clock.now)
    with serving(office) as served, chromium() as browser:
        visitor = Site(served).visitor(Role.AUDITOR)
        context = browser.new_context()
        cookie = {"name": "session", "value": visitor.cookie, "url": served.config.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        complaints = watch(page)
        page.goto(served.config.url + LIST)
        assert page.get_by_text("Behind", exact=True).is_visible()
        page.get_by_role("link", name="frankfurt-1").focus()
        note_state(office, key, serial=7, asked_at=clock.now)
        page.get_by_text("Up to date", exact=True).wait_for(timeout=20_000)
        assert page.evaluate("document.activeElement.id") == f"secondary-{key}"
        # An unattended page ends with its session, and shows nothing more.
        clock.advance(minutes=31)
        page.wait_for_url("**/sign-in?next=%2Fstaff%2Fsecondaries", timeout=20_000)
        assert complaints == []
        context.close()
