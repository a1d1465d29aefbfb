"""Signed webhooks as Meta would send them for the sample customers: single, batched, twice, out of order, and some that are no messages."""

import hashlib
import hmac
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

SAMPLES = files("devstack") / "samples"
TENANTS = ("shop", "hotel", "clinic")
WITHOUT_WORDS = {"type": "sticker", "sticker": {"id": "900", "mime_type": "image/webp"}}


@dataclass(frozen=True)
class Webhook:
    """One POST. expected: how many new messages it adds."""

    kind: str
    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    expected: int


def tenant_files() -> list[Path]:
    """The sample tenants' files."""
    return [Path(str(SAMPLES / f"{slug}.toml")) for slug in TENANTS]


def _digits(*parts: str, count: int) -> str:
    """Digits that are the same for the same parts, so that the sample is the same every time."""
    return str(int(hashlib.sha256("|".join(parts).encode()).hexdigest(), 16))[:count]


def _signed(kind: str, payload: dict[str, Any], *, secret: str, expected: int) -> Webhook:
    body = json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode("ascii")
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Webhook(kind, body, signature, expected)


class SampleTraffic:
    """Builds the traffic around one moment: now_s, in seconds since the epoch. run makes message ids of another play different."""

    def __init__(self, *, now_s: int, run: str) -> None:
        self._now_s = now_s
        self._run = run
        self._tenants = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in tenant_files()}
        text = (SAMPLES / "messages.toml").read_text(encoding="utf-8")
        self._messages: dict[str, list[dict[str, str]]] = tomllib.loads(text)

    def webhooks(self) -> Iterator[Webhook]:
        """All of them, in the order to post."""
        for slug in TENANTS:
            items = self._messages[slug]
            whatsapp = [(n, item) for n, item in enumerate(items) if item.get("channel", "whatsapp") == "whatsapp"]
            for number, item in whatsapp[:-3]:
                yield self._whatsapp(slug, [self._whatsapp_item(slug, number, item)])
            # The last three come as one batch, newest first, as Meta may do.
            yield self._whatsapp(
                slug, [self._whatsapp_item(slug, number, item) for number, item in reversed(whatsapp[-3:])]
            )
            for number, item in enumerate(items):
                if item.get("channel") == "instagram":
                    yield self._instagram(slug, number, item)
        yield from self._oddities()

    def _oddities(self) -> Iterator[Webhook]:
        first = self._whatsapp_item("shop", 0, self._messages["shop"][0])
        again = self._whatsapp("shop", [first])
        yield Webhook(again.kind, again.body, again.signature, expected=0)
        sticker = {**self._whatsapp_item("hotel", 900, {"from": "felix", "text": ""}), **WITHOUT_WORDS}
        sticker.pop("text")
        yield self._whatsapp("hotel", [sticker])
        yield self._status("shop")
        yield self._reaction("shop")

    def _account(self, slug: str, kind: str) -> dict[str, Any]:
        return next(channel for channel in self._tenants[slug]["channels"] if channel["kind"] == kind)

    def _time_s(self, number: int) -> int:
        return self._now_s - 600 + number * 5

    def _whatsapp_item(self, slug: str, number: int, item: dict[str, str]) -> dict[str, Any]:
        phone = self._phone(slug, item["from"])
        return {
            "from": phone,
            "id": f"wamid.{_digits(self._run, slug, str(number), 'wamid', count=30)}",
            "timestamp": str(self._time_s(number)),
            "type": "text",
            "text": {"body": item["text"]},
            "_name": item["from"].capitalize(),
        }

    @staticmethod
    def _phone(slug: str, name: str) -> str:
        prefix = {"shop": "90532", "hotel": "49151", "clinic": "97150"}[slug]
        return prefix + _digits(slug, name, count=7)

    def _whatsapp(self, slug: str, items: list[dict[str, Any]]) -> Webhook:
        account = self._account(slug, "whatsapp")
        contacts = [{"profile": {"name": item["_name"]}, "wa_id": item["from"]} for item in items]
        messages = [{key: value for key, value in item.items() if key != "_name"} for item in items]
        return self._whatsapp_value(
            slug, {"contacts": contacts, "messages": messages}, account=account, expected=len(items)
        )

    def _whatsapp_value(self, slug: str, content: dict[str, Any], *, account: dict[str, Any], expected: int) -> Webhook:
        metadata = {"display_phone_number": "15550000000", "phone_number_id": account["account_id"]}
        value = {"messaging_product": "whatsapp", "metadata": metadata, **content}
        entry = {"id": account.get("waba_id", "0"), "changes": [{"value": value, "field": "messages"}]}
        payload = {"object": "whatsapp_business_account", "entry": [entry]}
        _ = slug
        return _signed("whatsapp", payload, secret=account["app_secret"], expected=expected)

    def _status(self, slug: str) -> Webhook:
        status = {
            "id": "wamid.foreign",
            "status": "read",
            "timestamp": str(self._now_s),
            "recipient_id": "905320000000",
        }
        return self._whatsapp_value(slug, {"statuses": [status]}, account=self._account(slug, "whatsapp"), expected=0)

    def _reaction(self, slug: str) -> Webhook:
        reaction = {
            "from": "905320000000", "id": "wamid.reaction", "timestamp": str(self._now_s), "type": "reaction",
            "reaction": {"message_id": "wamid.foreign", "emoji": "👍"},
        }  # fmt: skip
        return self._whatsapp_value(slug, {"messages": [reaction]}, account=self._account(slug, "whatsapp"), expected=0)

    def _instagram(self, slug: str, number: int, item: dict[str, str]) -> Webhook:
        account = self._account(slug, "instagram")
        surface = item.get("surface", "dm")
        moment_ms = self._time_s(number) * 1000
        entry: dict[str, Any] = {"id": account["account_id"], "time": moment_ms}
        if surface in {"reel_comment", "comment"}:
            media = {"id": "1790", "media_product_type": "REELS" if surface == "reel_comment" else "FEED"}
            value = {
                "id": _digits(self._run, slug, str(number), "comment", count=17),
                "from": {"id": _digits(slug, item["from"], count=15), "username": f"{item['from']}.sample"},
                "text": item["text"],
                "media": media,
            }
            entry |= {"time": moment_ms // 1000, "changes": [{"field": "comments", "value": value}]}
        else:
            message: dict[str, Any] = {
                "mid": "aWdf" + _digits(self._run, slug, str(number), "mid", count=40),
                "text": item["text"],
            }
            if surface == "story_reply":
                message["reply_to"] = {"story": {"id": "1791", "url": "https://cdn.example/story"}}
            event = {
                "sender": {"id": _digits(slug, item["from"], count=15)},
                "recipient": {"id": account["account_id"]},
                "timestamp": moment_ms,
                "message": message,
            }
            entry["messaging"] = [event]
        return _signed("instagram", {"object": "instagram", "entry": [entry]}, secret=account["app_secret"], expected=1)
