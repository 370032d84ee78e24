"""What thieves of passwords send: in bursts from one connection or many, or spread over a day."""

from __future__ import annotations

import random
from dataclasses import dataclass

from countersign.rules.submission import DAY
from tests.gateway.submission.day.traffic import Sending


@dataclass(frozen=True, slots=True)
class Attack:
    """One stolen password, and how it is used."""

    name: str
    connections: int
    """That send at one time, each from an address of its own."""
    least: int
    most: int
    """Recipients of a message, drawn evenly."""
    wanted: int
    """Recipients that the thief would reach."""
    seconds: float | None = None
    """Spread evenly over so long; None: each connection sends five messages a second."""

    def sendings(self, user: str, start: float, seed: int) -> list[Sending]:
        """Return the messages, in order of time; those of one moment are sent together."""
        source = random.Random(f"{seed}/{self.name}")
        sizes: list[int] = []
        while sum(sizes) < self.wanted:
            sizes.append(source.randint(self.least, self.most))
        turns = -(-len(sizes) // self.connections)
        pause = 0.2 if self.seconds is None else self.seconds / turns
        return [
            Sending(
                start + (number // self.connections) * pause,
                user,
                size,
                f"203.0.{number % self.connections // 250}.{number % self.connections % 250 + 1}",
                self.name,
            )
            for number, size in enumerate(sizes)
        ]


ATTACKS = (
    Attack("one connection, 1 recipient a message", 1, 1, 1, 2000),
    Attack("one connection, 50 a message", 1, 50, 50, 20_000),
    Attack("one connection, 60 a message: each refused", 1, 60, 60, 6000),
    Attack("200 over the day: below the limit", 1, 1, 1, 200, DAY),
    Attack("100 connections at once, 1 recipient", 100, 1, 1, 5000),
    Attack("100 connections at once, 50 recipients", 100, 50, 50, 50_000),
    Attack("250 connections at once, 1 to 50", 250, 1, 50, 50_000),
    Attack("7 connections, 1 to 50", 7, 1, 50, 10_000),
    Attack("spread over the day, 1 recipient", 1, 1, 1, 2000, DAY),
    Attack("spread over the day, 1 to 50", 1, 1, 50, 20_000, DAY),
    Attack("spread over the day from 20 addresses", 20, 1, 10, 5000, DAY),
)
