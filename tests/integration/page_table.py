"""Each page of the console: who may, what its form or address must name, and how it answers when it works."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.integration.two_tenants import ROLES

MAY = {
    "public": {"none", *ROLES},
    "all": set(ROLES),
    "workers": {"agent", "supervisor", "admin"},
    "overseers": {"supervisor", "admin", "auditor"},
    "leaders": {"supervisor", "admin"},
    "admins": {"admin"},
    # Of the installation: no role in a tenant makes somebody one.
    "operators": set(),
}
# What may stand there is any text: an id that is none is one that nobody has.
TEXT_ID = re.compile(r"<(account_id|name)>")


@dataclass(frozen=True)
class Page:
    """rights: who may. takes_id: the path names something of a tenant. sends: what the form or the address names, "@kind" for an id of
    that kind. done: the status when it works. malformed: when such an id is none, where that is an error. signed_out: for who is not
    signed in; None: led to the form. absent: when what is named is nothing of this tenant; None: 404 where the path names it.
    is_secret: the path holds a link's token, and whoever knows it may.
    """

    rights: str
    takes_id: bool = False
    sends: dict = field(default_factory=dict)
    done: int = 200
    signed_out: int | None = None
    malformed: int | None = None
    absent: int | None = None
    is_secret: bool = False


def form(rights, *, takes_id=False, done=302, signed_out=None, absent=None, **sends):
    return Page(rights, takes_id, sends, done, signed_out, absent=absent)


def link(*, done=200, **sends):
    return Page("public", takes_id=True, sends=sends, done=done, is_secret=True)


def page(rights, *, takes_id=False, signed_out=None, **sends):
    return Page(rights, takes_id, sends, 200, signed_out)


TALK = "/conversations/<uuid:conversation_id>"
ACCOUNT = "/admin/channels/<kind>/<account_id>"
PERSON = "/admin/people/<int:user_id>"
SWEEP = "/admin/sweeps/<uuid:sweep_id>"
TARGET = "/admin/alert-targets/<name>"
TRIAL = "/admin/laboratory/<uuid:trial_id>"
WEBHOOK = "/admin/webhooks/<uuid:webhook_id>"
SLACK, SECRET = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "s" * 32
PAGES = {
    ("GET", "/"): Page("public", done=302),
    ("GET", "/healthz"): page("public"),
    ("GET", "/metrics"): page("public"),
    ("GET", "/sign-in"): page("public"),
    ("GET", "/nowhere"): Page("public", done=403),
    ("POST", "/sign-in"): form("public", email="nobody-knows@example.com", password="wrong", done=401),
    ("POST", "/sign-out"): form("all"),
    ("POST", "/look"): form("all", theme="dark"),
    ("POST", "/tenant"): form("all", tenant_id="@tenant"),
    ("GET", "/inbox"): page("all", tag="x"),
    ("POST", "/inbox"): form("all", deed="claim", conversation="@conversation"),
    ("GET", "/inbox/rows"): Page("all", sends={"ids": "@conversation", "tenant": "@here"}, signed_out=401, malformed=422),
    ("GET", "/events"): page("all", signed_out=401, tenant="@here"),
    ("GET", TALK): page("all", takes_id=True, message="@message"),
    ("GET", f"{TALK}/messages"): page("all", takes_id=True, signed_out=401, tenant="@here"),
    ("GET", f"{TALK}/sent/<uuid:message_id>"): page("all", takes_id=True),
    ("POST", f"{TALK}/do"): form("all", takes_id=True, deed="snooze"),
    ("POST", f"{TALK}/correct"): form("workers", takes_id=True, message="@message", field="sentiment", value="positive"),
    ("POST", f"{TALK}/reanalyze"): form("leaders", takes_id=True, message="@message"),
    ("POST", f"{TALK}/reply"): form("workers", takes_id=True, text="We are looking.", once="x"),
    ("POST", f"{TALK}/reply/rule"): form("workers", takes_id=True, reply="@reply", verdict="cancel"),
    ("GET", "/insights"): page("all"),
    ("GET", "/insights/messages"): page("all"),
    ("GET", "/insights/answers"): page("all"),
    ("POST", "/insights/answers"): form("all", since=(datetime.now(UTC) - timedelta(days=2)).date().isoformat()),
    ("GET", "/insights/load"): page("all"),
    ("GET", "/insights/surveys"): page("all"),
    ("GET", "/insights/accuracy"): page("all"),
    ("GET", "/insights/cost"): page("all"),
    ("GET", "/insights/files/<name>.csv"): page("all"),
    ("GET", "/admin"): page("overseers"),
    ("GET", "/admin/alerts"): page("overseers", state="all"),
    ("POST", "/admin/alerts/<uuid:alert_id>"): form("leaders", takes_id=True, deed="acknowledge"),
    ("POST", "/admin/alerts/actions/<uuid:action_id>"): form("leaders", takes_id=True, deed="approve"),
    ("GET", "/admin/crm"): page("overseers", customer="@customer"),
    ("POST", "/admin/crm/customers/<uuid:customer_id>/record"): form("leaders", takes_id=True, other="77"),
    ("GET", "/admin/accounting"): page("overseers"),
    ("GET", "/admin/dead-letters"): page("overseers"),
    ("POST", "/admin/dead-letters"): form("leaders"),
    ("POST", "/admin/dead-letters/<uuid:message_id>"): form("leaders", takes_id=True),
    ("GET", "/admin/people"): page("overseers"),
    ("POST", "/admin/people/keys"): form("admins", name="@new", role="agent", done=200),
    ("POST", "/admin/people/keys/<int:key_id>/revoke"): form("admins", takes_id=True),
    ("GET", "/admin/privacy"): page("overseers", message="@message"),
    ("GET", "/admin/privacy/ledger.csv"): page("overseers", message="@message"),
    ("GET", "/admin/privacy/ledger/<uuid:egress_id>"): page("overseers", takes_id=True),
    ("GET", "/admin/privacy/customers"): Page("admins", done=302),
    ("POST", "/admin/privacy/customers"): form("admins", by="customer", wanted="@customer", absent=302),
    ("GET", "/admin/privacy/customers/<uuid:customer_id>"): page("admins", takes_id=True),
    ("GET", "/admin/privacy/customers/<uuid:customer_id>/export.json"): page("admins", takes_id=True),
    ("POST", "/admin/privacy/customers/<uuid:customer_id>/erase"): form("admins", takes_id=True, agreed="yes"),
    ("GET", "/admin/settings"): page("overseers"),
    ("GET", "/admin/settings/<name>"): page("overseers"),
    ("POST", "/admin/settings/<name>"): form("leaders", do="try", done=200),
    ("GET", "/admin/settings/sla/<queue>"): page("overseers"),
    # Nothing was seen before: another version stands.
    ("POST", "/admin/settings/sla/<queue>"): form("leaders", done=409),
    ("GET", "/admin/settings/actions"): page("overseers"),
    ("GET", "/admin/settings/actions/<kind>"): page("overseers"),
    ("POST", "/admin/settings/actions/<kind>"): form("admins", done=422),
    ("GET", "/admin/settings/history"): page("overseers"),
    ("POST", "/admin/settings/history/<int:version>/restore"): form("leaders"),
    ("GET", "/admin/rules"): page("overseers"),
    ("POST", "/admin/rules"): form("leaders", done=200),
    ("GET", "/admin/rules/new-rule"): page("leaders"),
    ("POST", "/admin/rules/new-rule"): form("leaders", done=200),
    ("POST", "/admin/rules/read-back"): form("leaders", done=200),
    # A rule that neither tenant has.
    ("GET", "/admin/rules/<name>"): Page("overseers", done=404),
    ("POST", "/admin/rules/<name>"): form("leaders", done=200),
    ("GET", "/admin/rules/message/<uuid:message_id>"): Page("overseers", takes_id=True, done=302),
    ("GET", "/admin/sweeps"): page("overseers"),
    ("GET", "/admin/sweeps/plan"): page("overseers"),
    ("GET", SWEEP): page("overseers", takes_id=True),
    ("POST", "/admin/sweeps"): form("leaders", period="@period"),
    ("POST", SWEEP): form("leaders", takes_id=True, deed="cancel"),
    ("GET", f"{SWEEP}/flips"): page("overseers", takes_id=True),
    ("GET", f"{SWEEP}/flips.csv"): page("overseers", takes_id=True),
    ("GET", f"{SWEEP}/progress"): page("overseers", takes_id=True),
    ("POST", "/admin/sweeps/schedule"): form("admins", days="30", customers="10", budget_usd="1", version="1"),
    # This installation has no provider.
    ("GET", "/sign-in/provider"): Page("public", done=404),
    ("GET", "/sign-in/provider/back"): Page("public", done=404),
    ("GET", "/welcome/<token>"): link(),
    # Too short, so that the link is there for whoever comes next.
    ("POST", "/welcome/<token>/password"): link(password="short", again="short", done=422),
    # Shown again to everybody but the person whom it is for.
    ("POST", "/welcome/<token>/join"): link(),
    ("GET", "/me"): page("all"),
    ("POST", "/me"): form("all", display_name="Ann"),
    ("POST", "/me/letters"): form("all", letters="on", done=204),
    ("POST", "/me/password"): form("all", old="wrong", done=422),
    ("POST", "/me/sessions"): form("all"),
    ("GET", "/go"): page("all", conversation="@conversation"),
    ("GET", "/go/choices"): page("all", conversation="@conversation"),
    ("GET", "/insights/trend"): page("all"),
    ("GET", "/sample"): page("all", after="@message"),
    ("GET", "/sample/<uuid:message_id>"): page("all", takes_id=True),
    ("POST", "/sample/<uuid:message_id>"): form("workers", takes_id=True, deed="right"),
    ("POST", "/sample/pick"): form("leaders"),
    ("GET", "/admin/audit-log"): page("overseers", subject="@conversation", person="@agent"),
    ("GET", "/admin/audit-log/log.csv"): page("overseers", subject="@conversation"),
    ("GET", PERSON): page("overseers", takes_id=True),
    ("POST", "/admin/people"): form("admins", email="@email", role="agent", done=200),
    ("POST", f"{PERSON}/role"): form("admins", takes_id=True, role="supervisor"),
    ("POST", f"{PERSON}/link"): form("admins", takes_id=True, done=200),
    ("POST", f"{PERSON}/sessions"): form("admins", takes_id=True),
    ("POST", f"{PERSON}/off"): form("admins", takes_id=True),
    ("POST", f"{PERSON}/on"): form("admins", takes_id=True),
    ("GET", "/admin/examples"): page("overseers"),
    ("POST", "/admin/examples/check"): form("leaders"),
    ("POST", "/admin/examples/publish"): form("admins"),
    ("POST", "/admin/examples/rollback"): form("admins", live_version="0"),
    ("POST", "/admin/examples/reject"): form("leaders", message="@message"),
    ("GET", "/admin/laboratory"): page("overseers", **{"message": "@message", "from": "@trial"}),
    ("POST", "/admin/laboratory"): form("leaders", message="@message", absent=422),
    ("GET", TRIAL): page("overseers", takes_id=True),
    ("POST", TRIAL): form("leaders", takes_id=True),
    ("GET", "/admin/webhooks"): page("overseers"),
    ("POST", "/admin/webhooks"): form("admins", url="https://hooks.example.com/new", kinds="alert.raised", done=200),
    ("GET", WEBHOOK): page("overseers", takes_id=True, before="@delivery"),
    ("POST", WEBHOOK): form("admins", takes_id=True, url="https://hooks.example.com/other", kinds="alert.raised"),
    ("POST", f"{WEBHOOK}/secret"): form("admins", takes_id=True, done=200),
    ("POST", f"{WEBHOOK}/deed"): form("admins", takes_id=True, deed="pause"),
    ("POST", f"{WEBHOOK}/replay"): form("admins", takes_id=True, delivery="@delivery"),
    ("GET", "/admin/start"): page("overseers"),
    ("GET", "/admin/start/industry"): page("overseers"),
    ("GET", "/admin/start/topics"): page("overseers", errand="@errand"),
    ("GET", "/admin/start/channel"): page("overseers"),
    ("GET", "/admin/start/crm"): page("overseers"),
    ("GET", "/admin/start/thresholds"): page("overseers"),
    ("POST", "/admin/start/skip"): form("admins", step="crm"),
    # Made from no version: another one stands.
    ("POST", "/admin/start/industry"): form("admins", done=409),
    ("POST", "/admin/start/topics"): form("admins", done=409),
    ("POST", "/admin/start/topics/try"): form("admins", text="hello", done=200),
    ("POST", "/admin/start/thresholds"): form("admins", deed="try", escalate="0.8", unsure="0.5", done=200),
    ("GET", "/admin/tenants/new"): page("operators"),
    ("POST", "/admin/tenants/new"): form("operators", name="Newcomers"),
    ("GET", "/admin/errands/<uuid:errand_id>"): page("overseers", takes_id=True),
    ("GET", "/admin/alert-targets"): page("overseers", edit="@target", errand="@errand"),
    ("POST", "/admin/alert-targets"): form("admins", name="night", to=SLACK),
    ("GET", f"{TARGET}/remove"): page("admins", takes_id=True),
    ("POST", f"{TARGET}/test"): form("admins", takes_id=True),
    # Sent twice they say so: what isn't there is gone already.
    ("POST", f"{TARGET}/remove"): form("admins", takes_id=True, absent=302),
    ("GET", "/admin/channels"): page("overseers"),
    ("GET", "/admin/channels/new"): page("admins"),
    ("POST", "/admin/channels/new"): form("admins", kind="whatsapp", account_id="@fresh", app_secret=SECRET, access_token=SECRET),
    ("GET", ACCOUNT): page("overseers", takes_id=True, errand="@errand"),
    ("GET", f"{ACCOUNT}/waiting"): page("overseers", takes_id=True),
    ("GET", f"{ACCOUNT}/edit"): page("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/edit"): form("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/secret"): form("admins", takes_id=True, deed="rotate", app_secret=SECRET),
    ("POST", f"{ACCOUNT}/token"): form("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/sample"): form("admins", takes_id=True),
    ("GET", f"{ACCOUNT}/remove"): page("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/remove"): form("admins", takes_id=True, absent=302),
    ("GET", "/admin/crm/connection"): page("admins", errand="@errand"),
    ("POST", "/admin/crm/connection"): form("admins", kind="hubspot", token=SECRET),
    ("POST", "/admin/crm/connection/check"): form("admins"),
    ("GET", "/admin/crm/connection/remove"): page("admins"),
    ("POST", "/admin/crm/connection/remove"): form("admins"),
}  # fmt: skip
# Refused with a notice on the next page instead of a status: what nobody may do there is done by nobody all the same.
TOLD_ON_THE_NEXT_PAGE = {("POST", "/inbox"), ("POST", f"{TALK}/do")}
