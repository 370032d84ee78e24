"""All servers of the matrix."""

from __future__ import annotations

from tests.certification.matrix import exim_states, postfix_states, responder_states

STATES = (*postfix_states.STATES, *exim_states.STATES, *responder_states.STATES)
