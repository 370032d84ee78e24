"""Runs in a network namespace of its own: a Postfix whose resolver knows the registry's zone.

The answers of Postfix to clients at some addresses are printed as JSON.
"""

from __future__ import annotations

import json
import smtplib
import subprocess
from typing import Any

from countersign.cli.dnswl import Filter, dnswl_snippet
from tests.peers.dnswl_zone import NAMED, REGISTERED, STRANGER, parts_of, serve_registry
from tests.peers.postfix import Postfix
from tests.registry.zone.zones import ZONE


def settings_of(kind: Filter) -> dict[str, Any]:
    """Read the printed lines of main.cf as Postfix does."""
    found: dict[str, str] = {}
    name = ""
    for line in parts_of(dnswl_snippet(kind, ZONE))["main.cf"].splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            found[name] += "\n" + line
        else:
            name, _, value = line.partition(" =")
            found[name] = value
    return found


def answer_to(address: str, port: int) -> tuple[int, str]:
    """Say what a client at an address is told about its recipient."""
    with smtplib.SMTP(source_address=(address, 0), timeout=30) as client:
        code, text = client.connect("127.0.0.1", port)
        if code == 220:
            client.ehlo("client.example")
            client.mail("sender@example.net")
            code, text = client.rcpt("user@here.example")
        return code, text.decode()


def ask_smtpd() -> dict[str, tuple[int, str]]:
    settings = settings_of(Filter.POSTFIX)
    # Stands for all block lists and policy services that would follow.
    settings["smtpd_recipient_restrictions"] += ",\n    reject"
    with Postfix("mail.here.example", "127.0.0.1:2525", settings=settings):
        return {one: answer_to(one, 2525) for one in (REGISTERED, NAMED, STRANGER)}


def ask_postscreen() -> dict[str, tuple[int, str]]:
    settings = settings_of(Filter.POSTSCREEN)
    # It names everybody, so that only the registry's word can save a client.
    settings["postscreen_dnsbl_sites"] += ", everybody.example*3"
    settings["postscreen_greet_action"] = "ignore"
    with Postfix("mail.here.example", "127.0.0.1:2525", settings=settings) as postfix:
        master = postfix.config / "master.cf"
        lines = master.read_text().splitlines()
        lines[0] = "127.0.0.1:2525 inet n - n - 1 postscreen"
        lines += ["smtpd pass - - n - - smtpd", "dnsblog unix - - n - 0 dnsblog"]
        master.write_text("\n".join(lines) + "\n")
        subprocess.run(["postfix", "-c", str(postfix.config), "reload"], check=True)
        return {one: answer_to(one, 2525) for one in (REGISTERED, STRANGER)}


def main() -> None:
    for address in (REGISTERED, NAMED, STRANGER):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    answers: dict[str, Any] = {}
    with serve_registry("127.0.0.1:53") as knot:
        answers["smtpd"] = ask_smtpd()
        answers["postscreen"] = ask_postscreen()
        knot.stop()
        answers["away"] = ask_smtpd()
    print("ANSWER", json.dumps(answers), flush=True)


main()
