"""A result as octets that the registrar takes: transcripts are cut where it would be too long.

Pure.
"""

from __future__ import annotations

from countersign.certification.exchange import MAX_RESULT
from countersign.certification.outcome import BatteryResult, Direction, Line, TestOutcome


def result_octets(result: BatteryResult, most: int = MAX_RESULT) -> bytes:
    """Return a result as JSON of at most so many octets.

    What was found out stays whole; of transcripts that are too long together, each loses its
    end. Raises :class:`ValueError` if it is too long without any.
    """
    longest = max((len(outcome.transcript) for outcome in result.outcomes), default=0)
    octets = _octets(result)
    while len(octets) > most:
        if longest == 0:
            raise ValueError("the result is too long, even without its transcripts")
        longest //= 2
        shorter = tuple(_shortened(outcome, longest) for outcome in result.outcomes)
        result = result.model_copy(update={"outcomes": shorter})
        octets = _octets(result)
    return octets


def _octets(result: BatteryResult) -> bytes:
    return result.model_dump_json().encode()


def _shortened(outcome: TestOutcome, longest: int) -> TestOutcome:
    lines = outcome.transcript
    if len(lines) <= longest:
        return outcome
    kept = lines[: max(0, longest - 1)]
    if longest:
        note = Line(lines[-1].at_ms, Direction.NOTE, "the rest was left out: too long together")
        kept = (*kept, note)
    return outcome.model_copy(update={"transcript": kept})
