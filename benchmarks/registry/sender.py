"""A process that sends the zone of a copy to whoever has the key, as the primary sends it.

It is the primary's own code from the copy to the signed messages; the registrar's database, which
tells the primary who is who, is left out. It serves until its standard input ends.

Usage: python -m benchmarks.registry.sender DIRECTORY ENDPOINT KEY_FILE
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

from benchmarks.registry.made_zone import ZONE
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import Question, soa_answer
from countersign.registry.transfer.keys import TsigKey, key_file
from countersign.registry.transfer.questions import BadQuestionError, read_question
from countersign.registry.transfer.sending import answer_records, whole_zone
from countersign.registry.zone.names import APEX, zone_wire
from countersign.registry.zone.records import SOA, kind_of, split_node


class Sender:
    """Answers SOA and AXFR from a copy."""

    def __init__(self, copy: ZoneCopy, key: TsigKey) -> None:
        self._copy = copy
        self._key = key

    def serve_tcp(self, listener: socket.socket) -> None:
        """Serve each connection in a thread."""
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def serve_udp(self, sock: socket.socket) -> None:
        """Answer SOA questions."""
        reader = self._copy.reader()
        while True:
            message, sender = sock.recvfrom(4096)
            with contextlib.suppress(BadQuestionError):
                question = self._read(message)
                sock.sendto(soa_answer(question, _soa(reader.get(APEX)), time.time()), sender)

    def _connection(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, BadQuestionError):
            while size := int.from_bytes(_exactly(connection, 2)):
                self._answer(connection, self._read(_exactly(connection, size)))

    def _answer(self, connection: socket.socket, question: Question) -> None:
        with self._copy.reader().snapshot() as snapshot:
            soa = _soa(snapshot.get(APEX))
            if question.kind == wire.SOA:
                messages = iter([soa_answer(question, soa, time.time())])
            else:
                records = whole_zone(soa, snapshot.nodes())
                messages = answer_records(question, records, time.time)
            for message in messages:
                connection.sendall(len(message).to_bytes(2) + message)

    def _read(self, message: bytes) -> Question:
        question = read_question(
            message, lambda name: self._key if name == self._key.name else None, time.time()
        )
        if question.name != zone_wire(ZONE):
            raise RuntimeError("another zone was asked for")
        return question


def main() -> None:
    directory, endpoint, key = sys.argv[1:]
    host, _, port = endpoint.rpartition(":")
    with (
        ZoneCopy.open(Path(directory), writable=False) as copy,
        socket.create_server((host, int(port))) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind((host, int(port)))
        sender = Sender(copy, key_file(Path(key)))
        for serve, sock in ((sender.serve_tcp, listener), (sender.serve_udp, datagrams)):
            threading.Thread(target=serve, args=(sock,), daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()


def _soa(apex: bytes) -> bytes:
    return next(one for one in split_node(apex) if kind_of(one) == SOA)


def _exactly(connection: socket.socket, size: int) -> bytes:
    octets = connection.recv(size, socket.MSG_WAITALL)
    if len(octets) < size:
        raise ConnectionResetError
    return octets


if __name__ == "__main__":
    main()
