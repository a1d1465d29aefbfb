"""A person at the console's pages: a browser without scripts that sends what the forms of the last page hold."""

import html
import re

import redis
from argon2 import PasswordHasher

from console.visitors import SESSION_KEY
from store.web_sessions import begin_session, choose_tenant
from tests.integration.workplace import add_agent, add_person

PASSWORD = "correct horse battery staple"
# Cheap: what is tested is who gets in, not how long guessing takes.
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def forget_failures(broker):
    """Nobody has failed to sign in yet: who failed in the test before must not wait in this one."""
    with redis.Redis.from_url(broker) as client:
        for key in list(client.scan_iter("earshot:failed_keys:*")):
            client.delete(key)


# The token that the page's forms carry.
_TOKEN = re.compile(r'<input\b[^>]*\bname="csrf_token"[^>]*\bvalue="([^"]*)"')


class ConsoleVisitor:
    """get and post like a browser: with the cookies so far, and the token of the page that was read last."""

    def __init__(self, app):
        self.app, self.client, self.token = app, app.test_client(), ""

    def get(self, path, **query):
        return self._seen(self.client.get(path, query_string=query or None))

    def post(self, path, *, follow=True, **fields):
        """fields: lists are sent as several values. Returns the page that comes after it."""
        named = {name.rstrip("_"): value for name, value in fields.items()}
        answer = self.client.post(path, data={"csrf_token": self.token, **named}, follow_redirects=follow)
        return self._seen(answer)

    def sign_in(self, email, password=PASSWORD, *, back="", follow=False):
        """By the form."""
        self.get("/sign-in", next=back)
        return self.post("/sign-in", follow=follow, email=email, password=password, next=back)

    def _seen(self, answer):
        if answer.mimetype == "text/html":
            tokens = _TOKEN.findall(answer.text)
            self.token = html.unescape(tokens[-1]) if tokens else self.token
        return answer


def add_visitor(owner, tenant_id, *, role="agent", email=None):
    """A person who may sign in with PASSWORD; returns the id. Agents and those above them may have conversations."""
    make = add_person if role == "auditor" else add_agent
    user_id = make(owner, tenant_id, role=role, email=email)
    owner.execute("UPDATE app_user SET password_hash = %s WHERE id = %s", (_HASH, user_id))
    return user_id


def signed_in(app, user_id, *, tenant_id=None):
    """A visitor who has been let in already, with the token of a page in hand."""
    visitor = ConsoleVisitor(app)
    with app.extensions["database"].system_transaction() as conn:
        token = begin_session(conn, user_id)
        if tenant_id is not None:
            choose_tenant(conn, token, tenant_id=tenant_id)
    with visitor.client.session_transaction() as session:
        session[SESSION_KEY] = token
    visitor.get("/inbox")
    return visitor


def words(answer):
    """What a page says, without its tags, on one line."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())
