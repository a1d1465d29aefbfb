"""A form that came from somebody who is signed out by now: what was typed comes back, to be sent again."""

from urllib.parse import urlsplit

from flask import Response, make_response, render_template, request

from console.forged_forms import FIELD

# Where people type much at once.
_KEPT = ("/admin/settings", "/admin/rules")
# Written once and shown nowhere.
_ONCE = ".secret"


def keep_form() -> Response | None:
    """A page that holds the form of this request, None when it is not one of those that are kept.

    Only of forms that our own pages have sent, by the browser's word: what another site has filled in must not be offered as if
    the visitor had typed it.
    """
    is_ours = urlsplit(request.headers.get("Origin", "")).netloc == request.host
    if request.method != "POST" or not is_ours or not request.path.startswith(_KEPT):
        return None
    fields = [
        (name, value)
        for name, values in request.form.lists()
        for value in values
        if name != FIELD and not name.endswith(_ONCE)
    ]
    return make_response(render_template("admin/kept_form.html", path=request.path, fields=fields), 401)
