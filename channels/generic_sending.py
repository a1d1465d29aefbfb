"""Answers on the generic channel: one signed JSON POST to the URL that the account's tenant chose.

Shape: docs/generic-channel.md.
"""

import json
import re
from typing import Any

from channels import generic
from channels.base import (
    AccountState,
    ChannelError,
    ChannelKind,
    Identity,
    OutboundMessage,
    ParsedWebhook,
    RefreshedToken,
    SendingAccount,
)
from channels.body import decode_body
from channels.clean_text import clean_text
from channels.guarded_http import Answer, GuardedHttp, RequestFailed
from channels.reading import as_id, as_object
from channels.signature import sign

_BLOCKED_FOR_S = 300.0
_WAIT_S = 10.0
# An action is too old after half an hour; asking again then costs nothing.
_MAX_WAIT_S = 3600.0
# Refusals of the moment: too slow, still at work on the first try, too early, too many.
_PASSING = {408, 409, 425, 429}
_USABLE_KEY = re.compile(r"[\x21-\x7e]{1,512}")


class Generic:
    """A tenant's own web form, chat widget or mail gateway."""

    kind: ChannelKind = "generic"
    sends_are_idempotent: bool = True

    def __init__(self, http: GuardedHttp) -> None:
        self._http = http

    def parse(self, payload: Any) -> ParsedWebhook:
        """See channels.generic."""
        return generic.parse(payload)

    def account_hints(self, body: bytes) -> set[str]:
        """See channels.generic."""
        return generic.account_hints(body)

    def send(self, message: OutboundMessage, *, account: SendingAccount) -> str:
        """The receiver's id of the message, else our own key. A message without `callback` can't be repeated safely.

        Raises: ChannelError, `uncertain` only without `callback`.
        """
        if not account.reply_url:
            raise ChannelError("no_reply_url", permanent=True)
        if not account.signing_secret:  # anybody could make that signature
            raise ChannelError("no_signing_secret", permanent=True)
        body = json.dumps(_payload(message, account_id=account.account_id)).encode("ascii")
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(body, account.signing_secret)}
        if message.callback and _USABLE_KEY.fullmatch(message.callback):
            headers["Idempotency-Key"] = message.callback
        failure: ChannelError
        try:
            answer = self._http.post(account.reply_url, body=body, headers=headers)
        except RequestFailed as error:
            failure = _without_answer(error, repeatable=message.callback is not None)
        else:
            return _message_id(answer, callback=message.callback)
        raise failure

    def mark_read(self, provider_message_id: str, *, recipient: tuple[Identity, ...], account: SendingAccount) -> None:
        """Nothing: a receiver that wants to show it sees the answer come."""

    def inspect(self, account: SendingAccount) -> AccountState:  # noqa: ARG002
        """Alive: there is no token that could die, and asking would be a request nobody expects."""
        return AccountState(token="alive")  # noqa: S106 -- a state, not a password

    def refresh_token(self, account: SendingAccount) -> RefreshedToken | None:  # noqa: ARG002
        """None: a shared secret does not age."""
        return None


def _payload(message: OutboundMessage, *, account_id: str) -> dict[str, Any]:
    if message.template:
        raise ChannelError("no_templates_here", permanent=True)
    link = message.link
    in_reply_to = message.quotes_provider_id or message.reply_to_comment_id
    return {
        "account_id": account_id,
        "to": _recipient(message.recipient, account_id=account_id),
        "text": clean_text(message.text),
        "link": {"label": clean_text(link[0]), "url": clean_text(link[1])} if link else None,
        "choices": [{"id": clean_text(choice.id), "title": clean_text(choice.title)} for choice in message.choices],
        "in_reply_to": in_reply_to,
        "in_public": message.in_public,
        "written_by": message.written_by,
        "idempotency_key": message.callback,
    }


def _recipient(recipient: tuple[Identity, ...], *, account_id: str) -> dict[str, str | None]:
    """Ids of the customer at other accounts stay here."""
    prefix = generic.external_id(account_id, "")
    own_ids = [
        one.value.removeprefix(prefix) for one in recipient if one.kind == "external" and one.value.startswith(prefix)
    ]
    emails = [one.value for one in recipient if one.kind == "email"] + _without_scheme(own_ids, "mailto:")
    phones = [f"+{one.value}" for one in recipient if one.kind == "phone"] + _without_scheme(own_ids, "tel:")
    first = {name: next(iter(found), None) for name, found in (("id", own_ids), ("email", emails), ("phone", phones))}
    if not any(first.values()):
        raise ChannelError("no_recipient", permanent=True)
    return first


def _without_scheme(own_ids: list[str], scheme: str) -> list[str]:
    return [own_id.removeprefix(scheme) for own_id in own_ids if own_id.startswith(scheme)]


def _without_answer(error: RequestFailed, *, repeatable: bool) -> ChannelError:
    if error.code == "refused":
        return ChannelError("reply_url_refused", permanent=True)
    if error.code == "no_answer" and not repeatable:
        return ChannelError("no_answer", permanent=True, uncertain=True)
    return ChannelError(error.code, permanent=False, retry_after_s=_WAIT_S)


def _message_id(answer: Answer, *, callback: str | None) -> str:
    if not 200 <= answer.status < 300:
        raise _refusal(answer, repeatable=callback is not None)
    try:
        body = as_object(decode_body(answer.body or b""))
    except ChannelError:  # no body, a page, or one that was cut: the status alone says that the message was taken
        body = {}
    message_id = as_id(body.get("id")) or callback
    if message_id is None:
        raise ChannelError("answer_without_id", permanent=True, uncertain=True)
    return message_id


def _refusal(answer: Answer, *, repeatable: bool) -> ChannelError:
    code = f"http_{answer.status}"
    if answer.status in {401, 403}:
        return ChannelError(code, permanent=False, retry_after_s=_BLOCKED_FOR_S, account_blocked=True)
    if answer.status >= 500 and not repeatable:
        return ChannelError(code, permanent=True, uncertain=True)
    if answer.status >= 500 or answer.status in _PASSING:
        asked_s = answer.retry_after_s
        wait_s = _WAIT_S if asked_s is None else min(max(asked_s, 1.0), _MAX_WAIT_S)
        return ChannelError(code, permanent=False, retry_after_s=wait_s)
    return ChannelError(code, permanent=True)
