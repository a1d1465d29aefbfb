"""Blueprints that describe their routes when somebody asks for the description, not when they are read."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI


class LateBlueprint(APIBlueprint):
    """The schemas of all routes are 18 MB and half a second, and no process but one that shows the description needs them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._descriptions: list[Callable[[], Any]] = []

    def _collect_openapi_info(self, rule: str, func: Callable[..., Any], **said: Any) -> Any:
        """The types that the route is called with, as flask-openapi3 wants them; what it says of itself is kept for later."""
        if said.pop("doc_ui", True):
            self._descriptions.append(partial(super()._collect_openapi_info, rule, func, doc_ui=True, **said))
        return super()._collect_openapi_info(rule, func, doc_ui=False, **said)

    def describe_routes(self, app: OpenAPI) -> None:
        """Add them to what the application says of its API."""
        for describe in self._descriptions:
            describe()
        app.paths.update(self.paths)
        app.components_schemas.update(self.components_schemas)
        app.tags.extend(tag for tag in self.tags if tag.name not in app.tag_names)
        app.tag_names.extend(name for name in self.tag_names if name not in app.tag_names)
        for kept in (self.paths, self.components_schemas, self.tags, self.tag_names):
            kept.clear()
