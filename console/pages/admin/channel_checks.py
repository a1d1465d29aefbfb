"""/admin/channels/KIND/ACCOUNT: waiting for the first message, asking the channel about the token, and a test message of our own."""

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.pages.admin.channels import account_or_404
from console.pages.admin.errands import send
from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.admin.writing import from_start, settings
from console.pages.notices import give_notice
from console.visitors import speech

blueprint = new_blueprint("channel_checks", path="/channels")


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


SAMPLE_TEXT = _("This is a test from Earshot. My parcel is late again and I am really annoyed!")


@blueprint.get("/<kind>/<account_id>/waiting")
def waiting(kind: str, account_id: str) -> str:
    """The piece that says what has come so far; a script fetches it."""
    return render_template(
        "admin/channel_waiting_piece.html", kind=kind, account_id=account_id, signs=account_or_404(kind, account_id)
    )


@blueprint.post("/<kind>/<account_id>/token")
def check_token(kind: str, account_id: str) -> Response:
    """Have a worker ask the channel whether the token lives and webhooks are switched on."""
    only_admins()
    account_or_404(kind, account_id)
    errand = send("token", {"kind": kind, "account_id": account_id})
    return _back(kind, account_id, errand=errand, at="token")


@blueprint.post("/<kind>/<account_id>/sample")
def post_sample(kind: str, account_id: str) -> Response:
    """Have a worker post a signed webhook with a message of ours to our own receiver."""
    only_admins()
    account_or_404(kind, account_id)
    receiver = settings().receiver_url
    if receiver is None:
        give_notice("no_receiver_url")
        return _back(kind, account_id)
    given: dict[str, object] = {
        "kind": kind,
        "account_id": account_id,
        "receiver_url": receiver,
        "text": speech().text(SAMPLE_TEXT),
    }
    return _back(kind, account_id, errand=send("sample", given), at="waiting")


def _back(kind: str, account_id: str, *, errand: str | None = None, at: str | None = None) -> Response:
    return redirect(
        url_for("admin_channels.show_one", kind=kind, account_id=account_id, errand=errand, _anchor=at, **from_start())
    )
