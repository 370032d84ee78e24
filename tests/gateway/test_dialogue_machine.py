"""The verification dialogue as a state machine: sender, receivers, and an attacker between.

The claimed host is real (answering, tables, rules); the clock and the attacker are hypothesis'.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from countersign.gateway.config import Verification
from countersign.gateway.receiving.answering import Answering, Asker
from countersign.protocol.session_id import make_session_id
from countersign.rules.suspension import Rule, Standing, decide
from countersign.storage.local import LocalTables
from countersign.storage.tables import OpenSession

RECEIVERS = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
SECRET = b"s" * 32
receivers, places = st.sampled_from(RECEIVERS), st.integers(0, 10)


class ClaimedHost(RuleBasedStateMachine):
    @initialize(mode=st.sampled_from(Rule))
    def start(self, mode: Rule) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.tables = LocalTables(Path(self.directory.name), map_size=1 << 24)
        self.answering = Answering(Verification(suspend=mode), self.tables, SECRET)
        self.loop = asyncio.new_event_loop()
        self.now = time.time()
        self.open: dict[str, str] = {}
        self.ever: list[str] = []
        self.answered: set[str] = set()

    def ask(self, session_id: str, asker: str) -> str:
        with patch("countersign.gateway.receiving.answering.time.time", lambda: self.now):
            answer = self.answering.answer(session_id, Asker(asker, None, False))
            reply = self.loop.run_until_complete(answer)
        is_true = reply.text == "TRUE"
        # The one promise: TRUE for an open session, to the receiver it is open to, once.
        if is_true:
            assert self.open.get(session_id) == asker
            assert session_id not in self.answered
            self.answered.add(session_id)
        if reply.text == "FALSE":
            assert self.open.get(session_id) != asker or session_id in self.answered
        assert reply.code in (250, 550, 450)
        return reply.text

    @rule(receiver=receivers)
    def connect(self, receiver: str) -> None:
        session_id = make_session_id(SECRET, os.urandom(64), 128)
        row = OpenSession(session_id, receiver, "mx.example", self.now)
        self.loop.run_until_complete(self.tables.open_session(row))
        self.open[session_id] = receiver
        self.ever.append(session_id)

    @rule(place=places)
    def disconnect(self, place: int) -> None:
        if self.open:
            session_id = sorted(self.open)[place % len(self.open)]
            self.loop.run_until_complete(self.tables.close_session(session_id))
            del self.open[session_id]

    @rule(place=places, asker=receivers)
    def ask_known(self, place: int, asker: str) -> None:
        """True questions, replays after the end, and IDs passed on to another receiver."""
        if self.ever:
            self.ask(self.ever[place % len(self.ever)], asker)

    @rule(asker=receivers)
    def guess(self, asker: str) -> None:
        assert self.ask("x" * 128, asker) != "TRUE"

    @rule(seconds=st.sampled_from([1, 60, 200]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run_until_complete(self.tables.aclose())
            self.loop.close()
            self.directory.cleanup()


TestClaimedHost = ClaimedHost.TestCase
TestClaimedHost.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_the_vectors_of_the_protocol_document() -> None:
    vectors = json.loads((Path(__file__).parent.parent / "protocol/vectors.json").read_text())
    for one in vectors["session_ids"]:
        secret, octets = bytes.fromhex(one["secret"]), bytes.fromhex(one["random"])
        assert make_session_id(secret, octets, 128) == one["id"]
    for one in vectors["answers"]:
        decision = decide(
            Standing(one["standing"]), is_own_session=one["own_session"], rule=Rule(one["suspend"])
        )
        assert decision.answer.value == one["answer"]
        assert (decision.suspend.value if decision.suspend else None) == one["suspends"]
