"""What a probe parses and writes: hostile headers, files, addresses, orders and results."""

from __future__ import annotations

import datetime
import string
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification.assignment import Assignment, Order
from countersign.certification.authorization import (
    Authorization,
    AuthorizationError,
    authorize,
    parse_authorization,
)
from countersign.certification.exchange import SignedOrder, order_text
from countersign.certification.outcome import (
    BatteryResult,
    Direction,
    Line,
    TestOutcome,
    Verdict,
)
from countersign.certification.signing import Purpose, SignatureError, sign
from countersign.cli.configurations import probe_example
from countersign.probe.config import ProbeConfig
from countersign.probe.errors import ProbeError
from countersign.probe.keeping import Keeping, KeptOrder, Result
from countersign.probe.notes import AtWork, Notes, read_notes, write_notes
from countersign.probe.sizing import result_octets
from countersign.probe.web_address import checked_registrar
from countersign.probe.working import RefusedError, checked_order
from countersign.settings.file import ConfigError, parse_config
from tests.probe.rows import result_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = datetime.datetime(2026, 11, 25, 9, 0, tzinfo=datetime.UTC)
HEADER = str(authorize(KEY, 3, "POST", "/x", body=b"{}", now=NOW))
moments = st.datetimes(
    min_value=datetime.datetime(1000, 1, 1),
    timezones=st.just(datetime.UTC),
)


class TestAuthorization:
    @given(
        probe=st.integers(1, 10**16 - 1),
        path=st.text(string.printable, max_size=50),
        body=st.binary(max_size=200),
        now=moments,
    )
    def test_is_read_as_it_was_written(
        self, probe: int, path: str, body: bytes, now: datetime.datetime
    ) -> None:
        written = authorize(KEY, probe, "POST", path, body=body, now=now)
        read = parse_authorization(str(written))
        assert read == written
        assert read.moment == now
        read.verify(KEY.public_key(), "POST", path)
        assert read.fits(body)
        assert not read.fits(body + b"x")
        with pytest.raises(SignatureError):
            read.verify(KEY.public_key(), "POST", path + "x")
        with pytest.raises(SignatureError):
            read.verify(KEY.public_key(), "PUT", path)

    @given(st.text(max_size=600) | st.text(alphabet=st.sampled_from(HEADER), max_size=400))
    def test_any_text_is_one_or_a_clear_error_that_does_not_quote_it(self, text: str) -> None:
        try:
            assert isinstance(parse_authorization(text), Authorization)
        except AuthorizationError as error:
            assert len(text) < 12 or text not in str(error)

    @given(
        st.integers(0, len(HEADER) - 1),
        st.sampled_from(["", " ", '"', ",", "\n", "\x00", "0", "é", "９", "Z"]),
    )
    def test_a_header_with_one_place_changed_is_refused(self, place: int, instead: str) -> None:
        changed = HEADER[:place] + instead + HEADER[place + 1 :]
        whole = parse_authorization(HEADER)
        try:
            read = parse_authorization(changed)
        except AuthorizationError:
            return
        if (read.at, read.digest, read.signature) == (whole.at, whole.digest, whole.signature):
            # The number is not signed: the registrar knows whose key it is.
            return
        with pytest.raises(SignatureError):
            read.verify(KEY.public_key(), "POST", "/x")

    @pytest.mark.parametrize(
        "at", ["2026-02-30T09:00:00.000000Z", "2026-11-25T24:00:00.000000Z", "0000-01-01T00:00:00"]
    )
    def test_a_moment_that_there_is_not_is_refused(self, at: str) -> None:
        with pytest.raises(AuthorizationError):
            parse_authorization(HEADER.replace("2026-11-25T09:00:00.000000Z", at))

    @pytest.mark.parametrize("probe", ["0", "03", "-3", "1" * 17, "٣"])
    def test_a_number_that_is_none_is_refused(self, probe: str) -> None:
        with pytest.raises(AuthorizationError):
            parse_authorization(HEADER.replace('id="3"', f'id="{probe}"'))


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("https://Registrar.example/", "https://registrar.example"),
            ("https://registrar.example:8443", "https://registrar.example:8443"),
            ("http://127.0.0.1:8025", "http://127.0.0.1:8025"),
            ("http://[::1]:8025", "http://[::1]:8025"),
            ("http://localhost", "http://localhost"),
        ],
    )
    def test_of_a_registrar_is_https_or_of_this_machine(self, text: str, expected: str) -> None:
        assert checked_registrar(text, insecure_http=False) == expected

    @pytest.mark.parametrize(
        "text",
        [
            *("http://registrar.example", "http://192.0.2.1", "ftp://registrar.example", ""),
            *("https://", "https://a:b@registrar.example", "https://registrar.example/path"),
            *("https://registrar.example?x", "https://registrar.example:x", "registrar.example"),
            *("https://registrar.example:0", "https://[::1", "https://a b", "https://a\x00b"),
            *("http://localhost.example", "http://127.0.0.1.example"),
        ],
    )
    def test_of_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ProbeError):
            checked_registrar(text, insecure_http=False)

    def test_without_tls_may_be_allowed(self) -> None:
        assert checked_registrar("http://192.0.2.1", insecure_http=True) == "http://192.0.2.1"

    @given(st.text(max_size=100) | st.text(max_size=60).map("https://{}".format))
    def test_any_text_is_one_or_a_clear_error(self, text: str) -> None:
        try:
            checked = checked_registrar(text, insecure_http=False)
        except ProbeError:
            return
        assert checked_registrar(checked, insecure_http=False) == checked


class TestConfig:
    def test_the_printed_example_is_one(self) -> None:
        assert parse_config(probe_example(), ProbeConfig) == ProbeConfig()

    def test_a_registrar_with_a_path_is_a_fault(self) -> None:
        with pytest.raises(ConfigError, match="without a path"):
            parse_config('registrar = "https://registrar.example/x"', ProbeConfig)


def order(**changes: object) -> Order:
    values = {
        "id": 7,
        "probe": 3,
        "made_at": NOW,
        "ends_at": NOW + datetime.timedelta(hours=1),
        "assignment": Assignment(host="mail.example.org"),
    }
    return Order.model_validate(values | changes)


def signed(one: Order | str, key: Ed25519PrivateKey = KEY) -> SignedOrder:
    text = one if isinstance(one, str) else order_text(one)
    return SignedOrder(order=text, signature=sign(key, Purpose.ORDER, text.encode()))


class TestOrders:
    def test_that_are_good_are_read(self) -> None:
        assert checked_order(signed(order()), KEY.public_key(), 3, NOW) == order()

    @pytest.mark.parametrize(
        ("one", "words"),
        [
            (signed(order(), Ed25519PrivateKey.generate()), "not signed"),
            (SignedOrder(order=order_text(order()), signature="%"), "not signed"),
            (signed(order(probe=4)), "for probe 4"),
            (signed(order(ends_at=NOW)), "over"),
            (signed(order_text(order()).replace('"id"', '"more":1,"id"')), "does not know"),
            (signed("{"), "does not know"),
        ],
    )
    def test_that_are_not_ours_or_not_good_are_refused(self, one: SignedOrder, words: str) -> None:
        with pytest.raises(RefusedError, match=words):
            checked_order(one, KEY.public_key(), 3, NOW)

    def test_signed_as_a_request_are_refused(self) -> None:
        text = order_text(order())
        one = SignedOrder(order=text, signature=sign(KEY, Purpose.REQUEST, text.encode()))
        with pytest.raises(RefusedError):
            checked_order(one, KEY.public_key(), 3, NOW)


class TestSizing:
    def outcome(self, lines: int) -> TestOutcome:
        said = tuple(Line(n, Direction.RECEIVED, "é" * 400) for n in range(lines))
        return TestOutcome(
            name="greeting",
            title="It greets",
            verdict=Verdict.FAILED,
            explanation="It did not.",
            is_essential=True,
            transcript=said,
        )

    def result(self, *lines: int) -> BatteryResult:
        outcomes = tuple(self.outcome(count) for count in lines)
        return result_of("mail.example.org").model_copy(update={"outcomes": outcomes})

    def test_a_result_that_is_short_enough_stays_whole(self) -> None:
        result = self.result(10, 0)
        assert BatteryResult.model_validate_json(result_octets(result)) == result

    @given(st.lists(st.integers(0, 150), max_size=5), st.integers(3000, 100_000))
    def test_of_a_longer_one_transcripts_lose_their_ends(self, lines: list[int], most: int) -> None:
        result = self.result(*lines)
        octets = result_octets(result, most)
        assert len(octets) <= most
        read = BatteryResult.model_validate_json(octets)
        assert [one.verdict for one in read.outcomes] == [Verdict.FAILED for _ in lines]

    def test_what_is_too_long_even_so_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="too long"):
            result_octets(self.result(1), 100)


class TestFiles:
    def test_of_orders_and_results_are_read_as_they_were_written(self, tmp_path: Path) -> None:
        keeping = Keeping(tmp_path)
        keeping.keep_order(7, KeptOrder(signed(order()), 2))
        assert keeping.orders() == {7: KeptOrder(signed(order()), 2)}
        result = Result(7, NOW, b'{"x": "\\n"}\n\n')
        keeping.keep_result(result)
        assert keeping.orders() == {}
        assert keeping.results() == [7]
        assert keeping.result(7) == result
        keeping.drop_result(7)
        assert keeping.results() == []

    @given(octets=st.binary(max_size=300) | st.sampled_from([b"{}\nx", b"[]", b'{"begun":1}']))
    def test_that_cannot_be_read_are_removed(
        self, tmp_path_factory: pytest.TempPathFactory, octets: bytes
    ) -> None:
        directory = tmp_path_factory.mktemp("keeping")
        keeping = Keeping(directory)
        for kind in ("orders", "results"):
            (directory / kind / "7.json").write_bytes(octets)
            (directory / kind / ".7.json.99").write_bytes(octets)
            (directory / kind / "x.json").write_bytes(octets)
        assert keeping.orders() == {}
        assert not (directory / "orders" / "7.json").exists()
        assert keeping.results() == [7]
        assert keeping.result(7) is None
        assert keeping.results() == []

    def test_of_two_probes_are_not_one(self, tmp_path: Path) -> None:
        with (
            Keeping(tmp_path).alone(),
            pytest.raises(ProbeError, match="another probe"),
            Keeping(tmp_path).alone(),
        ):
            pass
        with Keeping(tmp_path).alone():
            pass

    def test_of_notes_are_read_as_they_were_written(self, tmp_path: Path) -> None:
        notes = Notes(1, "https://registrar.example", 1.5, at_work=(AtWork(7, "a.example", 1, 2),))
        write_notes(tmp_path, notes)
        assert read_notes(tmp_path) == notes

    @given(octets=st.binary(max_size=100) | st.sampled_from([b"{}", b"[]", b'{"at_work": 1}']))
    def test_any_notes_are_read_or_passed_over(
        self, tmp_path_factory: pytest.TempPathFactory, octets: bytes
    ) -> None:
        directory = tmp_path_factory.mktemp("notes")
        (directory / "state.json").write_bytes(octets)
        assert read_notes(directory) is None
