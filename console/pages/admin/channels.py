"""/admin/channels: the accounts messages come by, with their health; connect, change and remove one."""

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.channel_deeds import (
    KINDS,
    OUR_TOKEN,
    ChannelRefusedError,
    Saved,
    drop_old_secret,
    renew_verify_token,
    rotate_secret,
    save_channel,
    take_away,
)
from console.pages.admin.errands import asked_errand
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.admin.writing import from_start, keep_typed, keyring, settings, tenant_writing, told, typed, writer
from console.pages.notices import give_notice
from console.visitors import database, visitor
from store.channel_secrets import find_channel
from store.channel_sightings import FirstSigns, find_first_signs, list_account_states
from store.onboarding import settle_step

blueprint = new_blueprint("channels", path="/channels")
SECRETS = frozenset({"app_secret", "access_token"})


def is_admin() -> bool:
    """Whether the visitor sees forms: secrets are an administrator's."""
    return visitor().place.role == "admin"


def account_or_404(kind: str, account_id: str) -> FirstSigns:
    """How far the account has come. Raises: NotFound."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        signs = find_first_signs(conn, visitor().tenant_id, kind=kind, account_id=account_id)
    if signs is None:
        abort(404)
    return signs


@blueprint.get("")
def show() -> str:
    """By channel and id."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        accounts = list_account_states(conn, visitor().tenant_id)
    return render_template("admin/channels.html", accounts=accounts, may_change=is_admin(), kinds=KINDS)


@blueprint.get("/new")
def form() -> str:
    """?kind= chooses the channel."""
    only_admins()
    kind = request.args.get("kind", "whatsapp")
    return _form({"kind": kind if kind in KINDS else "whatsapp"})


def _form(values: dict[str, str], *, problems: dict[str, str] | None = None, is_new: bool = True) -> str:
    return render_template(
        "admin/channel_form.html", values=values, problems=problems or {}, is_new=is_new, kinds=KINDS,
        from_start=bool(from_start()),
    )  # fmt: skip


@blueprint.post("/new")
def add() -> str | tuple[str, int] | Response:
    """Connect an account, then go where its first message is waited for. Sent twice it is connected once."""
    only_admins()
    given = typed()
    try:
        with tenant_writing() as conn:
            saved = save_channel(conn, writer(), given, must_be_new=True)
            settle_step(conn, visitor().tenant_id, "channel", settled_as="done", by=visitor().actor)
    except ChannelRefusedError as refused:
        return _form(keep_typed(SECRETS), problems=told(refused.problems)), 422
    _say(saved)
    return _to_account(saved.channel.kind, saved.channel.account_id)


def _say(saved: Saved) -> None:
    give_notice("channel_saved", code="cleaned" if saved.was_cleaned else "")


def _to_account(kind: str, account_id: str) -> Response:
    return redirect(url_for("admin_channels.show_one", kind=kind, account_id=account_id, **from_start()))


@blueprint.get("/<kind>/<account_id>")
def show_one(kind: str, account_id: str) -> str:
    """What to do in the channel's own pages, what has come so far, and what can be done with the account."""
    return _account_page(kind, account_id)


def _account_page(kind: str, account_id: str, *, problems: dict[str, str] | None = None) -> str:
    signs, who = account_or_404(kind, account_id), visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        state = next(
            one for one in list_account_states(conn, who.tenant_id) if (one.kind, one.account_id) == (kind, account_id)
        )
        channel = find_channel(conn, who.tenant_id, kind=kind, account_id=account_id, keyring=keyring())
    assert channel is not None
    token = channel.verify_token.get_secret_value()
    receiver = settings().receiver_url
    return render_template(
        "admin/channel.html",
        one=state,
        signs=signs,
        live_secrets=len(channel.app_secret),
        # Ours, and only until the channel has used it: then nobody needs to see it again.
        verify_token=token if is_admin() and token.startswith(OUR_TOKEN) and signs.handshake_at is None else None,
        webhook_url=f"{receiver}/webhooks/{kind}" if receiver else None,
        webhook_path=f"/webhooks/{kind}",
        is_reachable=bool(receiver and receiver.startswith("https://")),
        token_errand=asked_errand("token"),
        sample_errand=asked_errand("sample"),
        problems=problems or {},
        may_change=is_admin(),
        from_start=bool(from_start()),
    )


@blueprint.get("/<kind>/<account_id>/edit")
def edit(kind: str, account_id: str) -> str:
    """Everything but the secrets stands in the form."""
    only_admins()
    account_or_404(kind, account_id)
    with database().tenant_transaction(visitor().tenant_id) as conn:
        channel = find_channel(conn, visitor().tenant_id, kind=kind, account_id=account_id, keyring=keyring())
    assert channel is not None
    values = {
        name: "" if value is None else str(value)
        for name in ("kind", "account_id", "waba_id", "login", "page_id", "reply_url", "max_per_s")
        for value in (getattr(channel, name),)
    }
    return _form({**values, **({"mark_read": "on"} if channel.mark_read else {})}, is_new=False)


@blueprint.post("/<kind>/<account_id>/edit")
def change(kind: str, account_id: str) -> str | tuple[str, int] | Response:
    """What is left empty of the secrets stays."""
    only_admins()
    account_or_404(kind, account_id)
    given = {**typed(), "kind": kind, "account_id": account_id}
    try:
        with tenant_writing() as conn:
            saved = save_channel(conn, writer(), given)
    except ChannelRefusedError as refused:
        values = {**keep_typed(SECRETS), "kind": kind, "account_id": account_id}
        return _form(values, problems=told(refused.problems), is_new=False), 422
    _say(saved)
    return _to_account(kind, account_id)


@blueprint.post("/<kind>/<account_id>/secret")
def rotate(kind: str, account_id: str) -> str | tuple[str, int] | Response:
    """deed: "rotate" lets a new app secret count beside the old one, "drop" ends the old one, "token" makes a new verify token."""
    only_admins()
    account_or_404(kind, account_id)
    deed, names = request.form.get("deed"), {"kind": kind, "account_id": account_id}
    try:
        with tenant_writing() as conn:
            if deed == "rotate":
                saved = rotate_secret(conn, writer(), **names, new_secret=request.form.get("app_secret", ""))
                notice = "secret_rotated" if saved else "channel_gone"
            elif deed == "drop":
                notice = "secret_dropped" if drop_old_secret(conn, writer(), **names) else "secret_was_dropped"
            elif deed == "token":
                notice = "verify_token_new" if renew_verify_token(conn, writer(), **names) else "channel_gone"
            else:
                abort(400)
    except ChannelRefusedError as refused:
        return _account_page(kind, account_id, problems=told(refused.problems)), 422
    give_notice(notice)
    return _to_account(kind, account_id)


@blueprint.get("/<kind>/<account_id>/remove")
def confirm(kind: str, account_id: str) -> str:
    """What would stop."""
    only_admins()
    signs = account_or_404(kind, account_id)
    return render_template("admin/channel_remove.html", kind=kind, account_id=account_id, signs=signs)


@blueprint.post("/<kind>/<account_id>/remove")
def remove(kind: str, account_id: str) -> Response:
    """Its webhooks are refused from now on. Sent twice it says so."""
    only_admins()
    with tenant_writing() as conn:
        gone = take_away(conn, writer(), kind=kind, account_id=account_id)
    give_notice("channel_removed" if gone else "channel_gone")
    return redirect(url_for("admin_channels.show"))
