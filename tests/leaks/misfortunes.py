"""A customer's and a tenant's worst day: everything that quotes what it was given, once each, on a whole stack."""

import json
import re
import time
from pathlib import Path

import httpx2
import psycopg

from tests.effort import IS_FULL
from tests.leaks.canaries import Canary, Person
from tests.leaks.hunted_stack import HuntedStack
from tests.webhooks import (
    instagram_comment,
    instagram_event,
    signature,
    whatsapp_body,
    whatsapp_edit,
    whatsapp_message,
)

_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
WHATSAPP, INSTAGRAM = "111000111", "17841400000000111"
SETTLED = ("done", "unanalyzed", "dead", "ignored", "erased")


def tenant_file(secrets: Person, *, alerts: str) -> str:
    return f"""
slug = "acme"
name = "Acme"
industry = "ecommerce"
default_region = "TR"
[[channels]]
kind = "whatsapp"
account_id = "{WHATSAPP}"
app_secret = "{secrets["app secret"]}"
verify_token = "{secrets["verify token"]}"
access_token = "{secrets["access token"]}"
[[channels]]
kind = "instagram"
account_id = "{INSTAGRAM}"
app_secret = "{secrets["app secret"]}"
verify_token = "{secrets["verify token"]}"
access_token = "{secrets["second access token"]}"
login = "instagram"
[actions.send_refund_form]
enabled = true
url = "https://acme.example/refund"
[[alerts]]
to = "{alerts}"
name = "team"
[crm]
kind = "hubspot"
token = "{secrets["CRM token"]}"
create_contacts = true
"""


def set_up(hunted: HuntedStack, secrets: Person, folder: Path) -> None:
    """The tenant, two programs that are told of events, one of them with text, and a key of the API."""
    here = {"ALLOW_PRIVATE_URLS": "true"}
    file = folder / "acme.toml"
    alerts = f"json://127.0.0.1:{hunted.programs.port}/alerts?+X-Key={secrets['alert password']}"
    file.write_text(tenant_file(secrets, alerts=alerts))
    assert hunted.command("tenant", "apply", str(file), **here).returncode == 0, hunted.outputs
    made = hunted.stack.cli("apikey", "create", "--tenant", "acme", "--name", "program", "--role", "admin")
    key = _word_beginning("esk_", made.stdout)
    hunted.given.append(Canary("API key", key))
    for path, has_text in (("/labels", False), ("/texts", True)):
        wanted = {
            "url": hunted.programs.url(path=path),
            "kinds": ["message.analyzed", "message.decided", "alert.raised"],
        }
        made = httpx2.post(
            f"{hunted.stack.info['console_url']}/api/v1/webhooks", json={**wanted, "include_text": has_text},
            headers={"Authorization": f"Bearer {key}"}, timeout=20,
        )  # fmt: skip
        assert made.status_code == 200, made.text
        hunted.given.append(Canary("webhook secret", _word_beginning("whsec_", made.text)))


def _word_beginning(start: str, text: str) -> str:
    return next(word for word in text.replace('"', " ").split() if word.startswith(start))


class Day:
    """One customer's day with one tenant."""

    def __init__(self, hunted: HuntedStack, customer: Person, secrets: Person) -> None:
        self._hunted, self._stack, self._customer, self._secrets = hunted, hunted.stack, customer, secrets
        self._key = next(one.value for one in hunted.given if one.kind == "API key")

    def write(self, text: str, *, count: int = 1, **more) -> None:
        """On WhatsApp, under their own name and number."""
        items = [
            whatsapp_message(
                text, sender=self._customer["sender"], name=self._customer["name"],
                **{"timestamp": str(int(time.time())), **more},
            )
            for _ in range(count)
        ]  # fmt: skip
        assert self._post(whatsapp_body(*items)) == 200

    def _post(self, body: bytes, *, kind: str = "whatsapp") -> int:
        return self._stack.post(body, secret=self._secrets["app secret"], kind=kind)

    def settle(self, *, timeout_s: float = 60) -> None:
        """Until nothing is under way any more."""
        self._stack.wait_for(
            "SELECT count(*) FROM message WHERE direction = 'inbound' AND NOT state = ANY(%s)", [(0,)],
            parameters=(list(SETTLED),), timeout_s=timeout_s,
        )  # fmt: skip

    def quoted(self) -> str:
        """What a thoughtless far side puts into its errors."""
        return " ".join(one.value for one in self._customer.canaries)

    def is_heard_everywhere(self) -> None:
        """Every kind of text, by every channel."""
        customer, now = self._customer, int(time.time())
        meta = {"error": self._meta_error()}
        graph = self._stack.info["standins"]["graph"]
        # Two of them: marking the message as read, and the answer.
        self._script(graph, {"method": "POST", "path": "*/messages", "times": 2, "status": 400, "body": meta})
        self.write(customer.words(), message_id=customer["wamid"])
        comment = json.loads(
            instagram_comment(customer.words(), sender=customer["scoped id"], comment_id=customer["comment id"])
        )
        comment["entry"][0]["changes"][0]["value"]["from"]["username"] = customer["username"]
        assert self._post(json.dumps(comment).encode(), kind="instagram") == 200
        direct = instagram_event(
            {"message": {"mid": f"mid.{customer['comment id']}", "text": customer.words()}},
            sender=customer["scoped id"], timestamp=now * 1000,
        )  # fmt: skip
        assert self._post(direct, kind="instagram") == 200
        self.settle()
        self.write(f"Still nothing! {customer.words()}")
        edit = whatsapp_edit(
            customer["wamid"], f"{customer['edited word']}, {customer.words()}", sender=customer["sender"], timestamp=str(now + 1)
        )  # fmt: skip
        assert self._post(whatsapp_body(edit)) == 200
        self.settle()

    def _meta_error(self) -> dict:
        return {
            "message": self.quoted(),
            "title": self.quoted(),
            "code": 131026,
            "error_data": {"details": self.quoted()},
        }

    def providers_quote_it(self) -> None:
        """Claude, HubSpot and Graph refuse, break off and answer nonsense, and say to whom."""
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": self.quoted()}}
        odd = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
            "content": [{"type": "text", "text": json.dumps({"sentiment": self.quoted(), "intent": self.quoted()})}],
        }  # fmt: skip
        self._script(
            self._hunted.claude_url,
            {"path": "/v1/messages", "status": 529, "body": error},
            {"path": "/v1/messages", "status": 500, "body": error},
            {"path": "/v1/messages", "status": 200, "body": odd},
            {"path": "/v1/messages", "status": 200, "body": '{"content": "' + self.quoted()},
            {"path": "/v1/messages", "drop": "after"},
            {"path": "/v1/messages", "status": 400, "body": error},
        )
        refused = {
            "status": "error",
            "category": "VALIDATION_ERROR",
            "message": self.quoted(),
            "errors": [{"message": self.quoted()}],
        }
        self._script(
            self._hunted.hubspot_url,
            {"path": "/crm/", "status": 400, "body": refused}, {"path": "/crm/", "status": 500, "body": self.quoted()},
            {"path": "/crm/", "drop": "before"},
        )  # fmt: skip
        for number in range(6):
            self.write(f"{number}: {self._customer.words()}")
        failed = {
            "id": self._customer["wamid"], "status": "failed", "timestamp": str(int(time.time())),
            "recipient_id": self._customer["sender"], "errors": [self._meta_error()],
        }  # fmt: skip
        assert self._post(whatsapp_body(statuses=[failed])) == 200

    def _script(self, url: str, *steps: dict) -> None:
        httpx2.post(f"{url}/_script", json={"steps": steps}).raise_for_status()

    def bodies_cannot_be_read(self) -> None:
        """Signed and broken, unsigned, of an unknown kind."""
        receiver = self._stack.info["receiver_url"]
        assert self._post(b'{"entry": ["' + self.quoted().encode()) == 200
        assert self._post(json.dumps({"object": self.quoted(), "entry": [{"id": self.quoted()}]}).encode()) == 200
        headers = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
        self._hunted.ask("POST", f"{receiver}/webhooks/whatsapp", content=whatsapp_body(), headers=headers)
        asked = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": self._secrets["typed password"]}
        self._hunted.ask("GET", f"{receiver}/webhooks/whatsapp", params=asked)
        self._hunted.ask("GET", f"{receiver}/webhooks/{self._customer['handle']}")

    def the_database_refuses_it(self) -> None:
        """Postgres names the values that it refuses; one message is parked for it, one is not acknowledged."""
        with psycopg.connect(self._stack.info["database_url"], autocommit=True) as conn:
            conn.execute("ALTER TABLE message_analysis ADD CONSTRAINT planted CHECK (summary = '') NOT VALID")
            self.write(f"{self._customer['late word']} {self._customer.words()}")
            self._stack.wait_for("SELECT count(*) > 0 FROM run WHERE state = 'dead'", [(True,)])
            conn.execute("ALTER TABLE message_analysis DROP CONSTRAINT planted")
            conn.execute("ALTER TABLE message ADD CONSTRAINT planted CHECK (text = '') NOT VALID")
            try:
                body = whatsapp_body(whatsapp_message(self._customer.words(), sender=self._customer["sender"]))
                headers = {"X-Hub-Signature-256": signature(body, self._secrets["app secret"])}
                url = f"{self._stack.info['receiver_url']}/webhooks/whatsapp"
                assert self._hunted.ask("POST", url, content=body, headers=headers).status_code >= 500
            finally:
                conn.execute("ALTER TABLE message DROP CONSTRAINT planted")

    def alerts_are_told(self) -> None:
        """To the target that a call is about to spoil."""
        give_up_at = time.monotonic() + 60
        while not any(one.path.startswith("/alerts") for one in self._hunted.programs.received):
            assert time.monotonic() < give_up_at, "no alert was told"
            time.sleep(0.2)

    def callers_are_refused(self) -> None:
        """Secrets and numbers in calls that go wrong: none may come back."""
        console, ask = self._stack.info["console_url"], self._hunted.ask
        api, own = f"{console}/api/v1", {"Authorization": f"Bearer {self._key}"}
        typed = self._secrets["typed password"]
        ask("GET", f"{api}/conversations", headers={"Authorization": f"Bearer {typed}"})
        ask("GET", f"{api}/conversations", headers=own, params={"cursor": self.quoted(), "state": typed})
        ask("GET", f"{api}/messages/{self._customer['wamid']}", headers=own)
        wrong = {"app_secret": typed, "access_token": typed, "verify_token": [typed]}
        for path in ("channels/whatsapp/1", "channels/whatsapp/x", "crm/connection", "alert-targets/team", "settings"):
            for method in ("PUT", "POST"):
                ask(method, f"{api}/{path}", headers=own, json=wrong)
        ask(
            "PUT",
            f"{api}/crm/connection",
            headers=own,
            json={"kind": "hubspot", "token": f" {typed}\n\0", "client_id": typed},
        )
        ask("PUT", f"{api}/alert-targets/team", headers=own, json={"to": f"nonsense://{typed}@x"})
        ask("PUT", f"{api}/alert-targets/team", headers=own, json={"to": f"slack://{typed}"})
        ask(
            "POST",
            f"{api}/webhooks",
            headers=own,
            json={"url": f"http://u:{typed}@127.0.0.1/", "kinds": ["alert.raised"]},
        )
        ask("POST", f"{api}/customers/find", headers=own, json={"phone": self._customer["phone, local"], "more": typed})
        ask("POST", f"{api}/webhooks", headers=own, content=b'{"a": "' + typed.encode())
        ask("POST", f"{console}/sign-in", data={"email": f"{typed}@acme.example", "password": typed})

    def forms_are_refused(self) -> None:
        """An administrator's forms with secrets in them: wrong ones, one without its token, one sent after signing out."""
        console, typed = self._stack.info["console_url"], self._secrets["typed password"]
        operator = self._stack.info["admin"]
        with httpx2.Client(base_url=console, timeout=20, follow_redirects=True) as browser:

            def send(path: str, *, csrf: str | None = None, **fields: str) -> httpx2.Response:
                page = browser.get(path)
                found = _CSRF.search(page.text)
                csrf = csrf or (found[1] if found else "")
                answer = browser.post(path, data={"csrf_token": csrf, **fields}, headers={"Origin": console})
                if "conversations" not in answer.text:  # the inbox, where names belong
                    self._hunted.keep(answer)
                return answer

            send("/sign-in", email=operator["email"], password=typed)
            assert send("/sign-in", email=operator["email"], password=operator["password"]).status_code == 200
            self._hunted.given += [
                Canary("session", value) for name, value in browser.cookies.items() if "session" in name.lower()
            ]
            secret = {"app_secret": typed, "access_token": f"{typed} {typed}"}
            channel, crm = (
                "/admin/channels/new",
                {"kind": "hubspot", "token": f"{typed} {typed}", "day_limit": "many"},
            )
            refused = [
                send(channel, kind="whatsapp", account_id="not a number", **secret),
                send(channel, csrf="made up", kind="whatsapp", account_id="1", **secret),
                send("/admin/crm/connection", **crm),
                send("/admin/alert-targets", name="team", to=f"nonsense://{typed}@x"),
            ]
            browser.cookies.clear()
            send(channel, kind="whatsapp", account_id="1", **secret)
        assert [answer.status_code for answer in refused] == [422, 400, 422, 422], [
            (one.url, one.status_code) for one in refused
        ]

    def commands_are_wrong(self, folder: Path) -> None:
        """Files and settings that hold secrets and cannot be used, and commands that tell of what went wrong."""
        typed = self._secrets["typed password"]
        broken = folder / "broken.toml"
        text = tenant_file(self._secrets, alerts=f"slack://{typed}").replace(
            "create_contacts = true", f'create_contacts = "{typed}"'
        )
        text = text.replace("verify_token = ", f'verify_tokens = "{typed}"\nverify_token = ', 1)
        commands = [("dead", "list", "--json")]
        if IS_FULL:
            commands += [
                ("doctor",),
                ("tenant", "list"), ("tenant", "check"), ("crm", "status", "--tenant", "acme"), ("crm", "check", "--tenant", "acme"),
                ("accounting", "--tenant", "acme"), ("webhook", "list", "--tenant", "acme"), ("alert", "list", "--tenant", "acme"),
            ]  # fmt: skip
        for wrong in (text, text.replace('app_secret = "', 'app_secret = ["a", "b", "', 1)):
            broken.write_text(wrong)
            assert self._hunted.command("tenant", "apply", str(broken)).returncode == 1
        for command in commands:
            self._hunted.command(*command)

    def is_given_their_data(self, folder: Path) -> None:
        file = folder / "export.json"
        wanted = ("--tenant", "acme", "--phone", self._customer["sender"], "--out", str(file))
        assert self._hunted.command("export", "customer", *wanted).returncode == 0, self._hunted.outputs[-1]
        assert file.stat().st_mode & 0o077 == 0

    def is_erased(self) -> None:
        done = self._hunted.command("erase", "--tenant", "acme", "--phone", self._customer["sender"], "--yes", "--json")
        assert done.returncode == 0, done.stdout + done.stderr

    def workers_die(self) -> None:
        """With tasks in their hands, which Redis then keeps for a while."""
        self._script(self._hunted.claude_url, *[{"path": "/v1/messages", "delay_s": 2}] * 4)
        self.write(self._customer.words(), count=4)
        time.sleep(0.5)
        self._stack.kill("worker")
        self.settle(timeout_s=120)


def live_through(hunted: HuntedStack, *, customer: Person, erased: Person, secrets: Person, folder: Path) -> None:
    """All of it. Workers are killed only where there is time for it."""
    day, short_day = Day(hunted, customer, secrets), Day(hunted, erased, secrets)
    short_day.write(erased.words(), message_id=erased["wamid"])
    short_day.settle()
    day.is_heard_everywhere()
    short_day.is_erased()
    day.providers_quote_it()
    day.bodies_cannot_be_read()
    day.alerts_are_told()
    day.callers_are_refused()
    day.forms_are_refused()
    day.commands_are_wrong(folder)
    day.settle(timeout_s=90)
    day.the_database_refuses_it()
    day.is_given_their_data(folder)
    if IS_FULL:
        day.workers_die()
