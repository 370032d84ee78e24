"""Prints tests/protocol/vectors.json: python -m tests.protocol.make_vectors > ...vectors.json."""

from __future__ import annotations

import json

from countersign.protocol.session_id import make_session_id
from countersign.rules.suspension import Rule, Standing, decide


def vectors() -> dict[str, object]:
    """Session IDs from fixed octets, and the answer to each kind of question."""
    inputs = [
        (bytes(range(32)), bytes(64)),
        (b"s" * 48, bytes(range(64))),
        (bytes(32), b"\xff" * 64),
    ]
    return {
        "session_ids": [
            {
                "secret": secret.hex(),
                "random": octets.hex(),
                "id": make_session_id(secret, octets, 128),
            }
            for secret, octets in inputs
        ],
        "answers": [
            {
                "suspend": rule.value,
                "standing": standing.value,
                "own_session": own,
                "answer": (
                    decision := decide(standing, is_own_session=own, rule=rule)
                ).answer.value,
                "suspends": decision.suspend.value if decision.suspend else None,
            }
            for rule in Rule
            for standing in Standing
            for own in (True, False)
        ],
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))
