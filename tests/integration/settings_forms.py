"""The forms of the settings as a browser without scripts sends them, and what stands in the database."""

import html
import re

from store.tenant_settings import get_settings


def fields_of(page):
    """What the page's settings form would send as it stands, the token with it."""
    found, form = (
        {},
        re.search(
            r'<form method="post" action="[^"]*"[^>]*class="settings".*?</form>|<form method="post" action="/admin/rules">.*?</form>',
            page,
            re.DOTALL,
        ),
    )
    assert form, "no form"
    for tag in re.finditer(
        r"<(input|textarea|select)\b([^>]*)>(.*?)(?=<(?:input|textarea|select)\b|</form>)", form[0], re.DOTALL
    ):
        kind, attributes, rest = tag.groups()
        name = re.search(r'name="([^"]*)"', attributes)
        if not name or "disabled" in attributes:
            continue
        value = re.search(r'value="([^"]*)"', attributes)
        if 'type="checkbox"' in attributes or 'type="radio"' in attributes:
            if "checked" in attributes:
                found.setdefault(name[1], []).append(value[1])
        elif kind == "textarea":
            found[name[1]] = [unescaped(rest.partition("</textarea>")[0].removeprefix("\n"))]
        elif kind == "select":
            chosen = re.search(r'<option value="([^"]*)" selected', rest)
            found[name[1]] = [unescaped(chosen[1]) if chosen else unescaped(re.search(r'value="([^"]*)"', rest)[1])]
        else:
            found.setdefault(name[1], []).append(unescaped(value[1] if value else ""))
    return found


def unescaped(text):
    return html.unescape(text)


def send(client, path, *, do="save", follow=True, **changed):
    """Load the page, change some of its fields (a list, a text, or None to leave it out), and send the form."""
    fields = fields_of(client.get(path).text)
    return send_fields(client, path, fields, do=do, follow=follow, **changed)


def send_fields(client, path, fields, *, do="save", follow=True, **changed):
    given = {**fields, **{name.replace("__", "."): value for name, value in changed.items()}}
    given = {name: value for name, value in given.items() if value is not None}
    return client.post(path, data={**given, "do": do}, follow_redirects=follow)


def config(database, tenant_id):
    with database.tenant_transaction(tenant_id) as conn:
        return get_settings(conn, tenant_id).config


def version(database, tenant_id):
    with database.tenant_transaction(tenant_id) as conn:
        return get_settings(conn, tenant_id).version


def kept_fields(page):
    """The hidden fields of a form that was kept for somebody who was signed out."""
    found = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page):
        found.setdefault(name, []).append(unescaped(value))
    found.pop("next", None)
    return found
