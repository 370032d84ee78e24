"""Runs in a network namespace: a gateway as receiver or sender, or a Trojan."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
import time
from pathlib import Path
from typing import Any

from countersign.demo.dns_server import DnsServer
from countersign.demo.servers import hand_over
from countersign.gateway.config import Config
from countersign.gateway.parts import Parts, open_parts
from countersign.gateway.receiving.service import ReceivingService
from countersign.gateway.sending.service import SendingService
from countersign.transport.conversation import connect
from tests.gateway.world import client_tls

SENDER, RECEIVER = "mail.sender.example", "mail.receiver.example"


def config(role: str, directory: Path) -> Config:
    registry = directory / "registry.toml"
    registry.write_text(f'[[server]]\nhostname = "{SENDER}"\n')
    return Config.model_validate(
        {
            "hostname": SENDER if role == "sender" else RECEIVER,
            "state_directory": directory / role,
            "receiving": {
                "backend": {
                    "kind": "maildir",
                    "maildir": f"{directory}/mail/{{local_part}}/Maildir",
                    "domains": ["v4.example", "v6.example"],
                }
            },
            "verification": {
                "suspend_seconds": 2,
                "callback_networks": ["198.51.100.0/24", "2001:db8::/32"],
            },
            "sending": {"idle_timeout": 0.1},
            "registry": {"kind": "file", "path": registry},
            "dns": {"nameservers": ["127.0.0.1:53"]},
        }
    )


async def gateway(role: str, directory: Path) -> tuple[Parts, int]:
    dns = DnsServer("127.0.0.1", 53)
    await dns.start()
    dns.set(SENDER, "A", "198.51.100.1")
    dns.set(SENDER, "AAAA", "2001:db8:1::2")
    for domain, address, kind in (
        ("v4.example", "203.0.113.2", "A"),
        ("v6.example", "2001:db8:3::2", "AAAA"),
    ):
        dns.set(domain, "MX", f"10 mx.{domain}.")
        dns.set(f"mx.{domain}", kind, address)
    (directory / "mail" / "user").mkdir(parents=True, exist_ok=True)
    parts = open_parts(config(role, directory))
    loop = asyncio.get_running_loop()
    receiving, sending = ReceivingService(parts), SendingService(parts)
    await receiving.start()
    await sending.start()
    await loop.create_server(receiving.protocol, ["0.0.0.0", "::"], 25)
    lmtp = await loop.create_server(sending.protocol, "127.0.0.1", 0)
    return parts, int(lmtp.sockets[0].getsockname()[1])


async def claim(address: str) -> int:
    conversation = await connect(address, 25, timeout=10, reply_timeout=30)
    await conversation.greeting()
    await conversation.hello(SENDER)
    await conversation.start_tls(client_tls(), None)
    await conversation.hello(SENDER)
    return (await conversation.command(conversation.dialogue.session_id("x" * 128))).code


async def handle(request: list[str], parts: Parts | None, port: int) -> Any:
    verb, argument = request
    if verb == "claim":
        # 451 while the receiver's questions are suspended after the sender's own proof.
        while (code := await claim(argument)) == 451:
            await asyncio.sleep(0.3)
        return code
    assert parts is not None
    if verb == "send":
        recipients = [f"<user@{argument}.example>"]
        content = b"Subject: x\r\n\r\nx\r\n"
        [answer] = await hand_over("127.0.0.1", port, "<a@sender.example>", recipients, content)
        return [answer.code, "proven" if answer.is_positive else str(answer)]
    if verb == "blocks":
        key = argument if "/" in argument else str(ipaddress.ip_address(argument))
        return [one.claimed_host for one in await parts.tables.blocks_of(key, time.time())]
    # wait: until the suspension of the receiver's questions has ended.
    while await parts.tables.suspension("203.0.113.2", time.time()) is not None:
        await asyncio.sleep(0.1)
    return True


async def main() -> None:
    role, directory = sys.argv[1], Path(sys.argv[2])
    parts, port = (None, 0) if role == "trojan" else await gateway(role, directory)
    print("ANSWER", json.dumps("ready"), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print("ANSWER", json.dumps(await handle(json.loads(line), parts, port)), flush=True)


asyncio.run(main())
