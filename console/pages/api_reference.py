"""/api/v1/docs: the API's reference as a page, made of its own document. Public, as the document is."""

from functools import cache

from flask import Blueprint, current_app, g, render_template, session

from console.api.paths import DOCS
from console.api_reference import Reference, read_reference
from console.visitors import SESSION_KEY, let_in, settle_language
from store.db import StoreError

blueprint = Blueprint("api_reference", __name__)


@blueprint.before_request
def speak() -> None:
    """Whoever is signed in keeps their menu; nobody has to be."""
    settle_language()
    if SESSION_KEY in session:
        try:
            let_in(by_person=False)
        except StoreError:
            g.pop("visitor", None)


@cache
def _reference() -> Reference:
    return read_reference(current_app.extensions["api_description"]())


@blueprint.get(DOCS)
def show() -> str:
    """Every route with its roles, parameters, body, answer and errors; every shape. Found by the browser's own search."""
    return render_template("admin/api_reference.html", reference=_reference())
