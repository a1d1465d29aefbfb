"""Prints docs/api.md as the application describes itself: `python -m tests.api_page > docs/api.md`."""

from flask_openapi3.openapi import OpenAPI

from config.settings import Settings
from console.api.application import add_api, new_application
from console.api.callers import ACTS_FOR, MAY_CALL
from console.api.failed_keys import PER_ADDRESS, PER_PREFIX
from console.api.paths import DOCS, DOCUMENT
from console.api.scopes import SCOPE_OF, SCOPES
from console.api.writing import IDEMPOTENCY_KEY
from store.api_writes import KEPT_FOR_H

PER_MIN = Settings.model_fields["api_calls_per_min"].default
COMMAND = ".venv/bin/python -m tests.api_page > docs/api.md"
_INTRO = f"""# The API

<!-- Written from console/api/; a test compares. Fresh page: {COMMAND} -->

Everything in the console, as JSON, of one tenant. `earshot up` serves it at the console's address (`console_url` in `stack.json`). The
whole description, with every field, is OpenAPI 3.1 at `{DOCUMENT}`, and a page to read at `{DOCS}`; both need no key and nothing from
elsewhere. Which call gives what a page shows: [The console and the API](console-and-api.md).

## Keys

```sh
earshot apikey create --tenant acme --name inbox --role agent --user ann@acme.example
curl -H "Authorization: Bearer $KEY" $CONSOLE/api/v1/queues
```

The tenant is the key's; there is no other way to name one, and another tenant's ids are answered with 404 like ids that do not exist.
A key made with `--user` acts as that person, with the smaller of both roles, and ends when the person is switched off or loses the role.
A key without a person acts as itself: it reads, and works on what nobody has, but a conversation can only be *had* by a person. A
supervisor's or admin's key may act for a member of the tenant with `{ACTS_FOR}: E-MAIL`, with the smaller of both roles.

| role | may |
|---|---|
| auditor | read |
| agent | also work on and answer what is theirs or nobody's, correct labels and judge the weekly sample, pick a customer's CRM record where none is linked, and set their own presence; not what the administration shows |
| supervisor, admin | also work on everybody's, assign, have messages read again, try prompts, check examples, run sweeps, rule on actions, correct CRM records, set skills, queues and capacity, and change [settings](settings.md) |
| admin | also publish examples and bring them back, and say which programs are told of events ([webhooks](webhooks.md)) |
| supervisor, admin, auditor | also read the audit log |
| admin | also invite and change people, make and revoke keys |

## Scopes

A key may be narrowed (`earshot apikey create --scope read --scope work`, or with the boxes at /admin/people): it then may do only what both
its role and its scopes allow, and anything else is answered with 403 `scope_missing`. A key without scopes has all that its role allows.

| scope | lets a program |
|---|---|
{{scopes}}

## Endpoints

| call | does | scope | roles |
|---|---|---|---|
{{endpoints}}

## What all calls share

- **Errors** are `application/problem+json`: `code` for programs, `field` and `fix` for people, never a value that was sent.
  401 no valid key · 403 the role may not (`role_may_not`), the key is too narrow (`scope_missing`) or it is a colleague's (`not_yours`) · 404 (`no_crm`: the tenant has none) · 409 somebody was faster or
  something changed (`already_assigned` says who has it and since when; `changed_meanwhile` the version; `not_waiting`, `not_pending` and
  `not_uncertain` how the action stands; `already_linked` which CRM record is; for settings: which version stands; `not_active`, `too_many_webhooks`; `already_here`, `own_role`, `last_admin`,
  `belongs_elsewhere`, `switched_off` why a person stays as they are; `name_taken` that a live key has the name) · 413 over 64 KiB · 415 not JSON · 422 a field is wrong ·
  429 too many calls · 503 try again. Addresses and methods that there are none of are 404 and 405 in the same form.
- **Calls a minute**: each key may make {PER_MIN} (`API_CALLS_PER_MIN`; 0 for no limit); `RateLimit` says how many are left and when the
  minute is over, and what comes after them is 429 (`too_many_calls`) with `Retry-After`. With Redis away nothing is counted.
- **Keys that are none** (unknown, revoked): {PER_PREFIX} calls a minute that begin alike, and {PER_ADDRESS} from one address (of IPv6 its /64),
  are answered 401; what comes after is 429 with `Retry-After`, whatever key it holds. Behind proxies of your own set `TRUSTED_PROXIES` to
  their number, or all callers count as one. With Redis away nothing is counted.
- **{IDEMPOTENCY_KEY}** on writes: within {KEPT_FOR_H} hours the same name with the same call is done once and answered the same
  (`Idempotency-Replayed: true`); with another call it is refused with 422. A write that was refused may be tried again under its name.
  New keys and one-time links are not stored: the second answer has null in their place.
- **version**: give the one you have read, and the write is refused with 409 when a message, a colleague or a rule has changed the
  conversation since.
- **Order and pages**: conversations stand by priority, then the one whose customer has waited longest; everything else by time, as each call
  says. `next_cursor` fetches the next page: it holds the place of the last row, so rows that arrive, change or go meanwhile never move those
  that are still to come. One whose priority or waiting time changes meanwhile may be seen twice, or be on a page that was read already.
- **Reading words** is recorded: by which key, for whom, when (`GET /conversations/{{{{id}}}}` and its replies, `GET /messages/{{{{id}}}}/…`,
  `GET /egress/{{{{id}}}}`). Lists hold no customer text but `GET /inbox` and `GET /insights/messages`, which show how messages begin, as the
  pages do, and those of what is judged or tried (`/samples`, `/examples`, `/laboratory`), whose reading is recorded too. Nothing may be cached.
"""


def described() -> OpenAPI:
    """The application, for its description only."""
    app = new_application()
    add_api(app, None, failed_keys=None, key_calls=None, trusted_proxies=0)  # pyright: ignore[reportArgumentType] -- nobody calls it
    return app


def routes() -> list[tuple[str, str, str]]:
    """(method, path, endpoint) of every route of the API, in the order of its paths."""
    rules = [
        (method, str(rule), rule.endpoint)
        for rule in described().url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if str(rule).startswith("/api/")
    ]
    return sorted(rules, key=lambda route: (route[1], route[0]))


def page() -> str:
    """The whole page."""
    paths = described().extensions["api_description"]()["paths"]
    lines = []
    for method, path, endpoint in routes():
        if path == DOCUMENT:
            continue
        shown = path.replace("<", "{").replace(">", "}")
        operation = paths[shown][method.lower()]
        roles = ", ".join(role for role in ("agent", "supervisor", "admin", "auditor") if role in MAY_CALL[endpoint])
        says = f"{operation['summary']}. {operation.get('description', '').replace('<br/>', ' ')}"
        lines.append(
            f"| `{method} {shown.removeprefix('/api/v1')}` | {' '.join(says.split())} | {SCOPE_OF[endpoint]} | {roles} |"
        )
    scopes = "\n".join(f"| {name} | {does[0].lower()}{does[1:]} |" for name, does in SCOPES.items())
    return _INTRO.format(endpoints="\n".join(lines), scopes=scopes).replace("{{", "{").replace("}}", "}")


if __name__ == "__main__":
    print(page(), end="")
