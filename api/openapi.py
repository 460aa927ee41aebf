"""The OpenAPI document: what FastAPI makes of the routes, with the contract's errors and keys."""

from __future__ import annotations

import copy
import http
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.auth import needed
from api.errors import V2_STATUSES, surface_of
from api.schemas.common import Problem, V2Error

Responses = dict[int | str, dict[str, Any]]

ALWAYS = (400, 401, 403, 413, 503)
"""Any request may end so: a NUL, no key, a key without the scope, a large body, no database."""

METHODS = ("get", "put", "post", "delete")

SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "tk_…"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def errors(*statuses: int) -> Responses:
    """`responses=` of a route that may answer with these, besides those of every route."""
    return {status: {"description": http.HTTPStatus(status).phrase} for status in statuses}


def content(*media_types: str, description: str = "The bytes") -> dict[str, Any]:
    """A response of bytes."""
    schema = {"type": "string", "format": "binary"}
    return {"description": description, "content": {key: {"schema": schema} for key in media_types}}


def install(app: FastAPI, description: str) -> None:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=description, routes=app.routes
            )
            app.openapi_schema = _completed(made)
        return app.openapi_schema

    app.openapi = document


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    components["securitySchemes"] = SECURITY
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (Problem, V2Error):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                _complete(path, method, operations[method])
                schemas.update(_models_within(operations[method]))
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    takes = "parameters" in operation or "requestBody" in operation
    scope = needed(method.upper(), path)
    always = ALWAYS if scope is not None else ()
    for status in (*always, *((422,) if takes else ())):
        responses.setdefault(str(status), {"description": http.HTTPStatus(status).phrase})
    for status, response in tuple(responses.items()):
        if int(status) < 400:
            continue
        if surface_of(path) == "v2" and int(status) not in V2_STATUSES:
            del responses[status]
        elif "application/json" not in response.get("content", {}) or status == "422":
            response["content"] = _error_content(path)
    if scope is not None:
        operation["security"] = [{name: []} for name in SECURITY] + [{}]
        operation["description"] = (
            operation.get("description", "") + f"\n\nNeeds the scope `{scope}` once keys exist."
        ).strip()


def _models_within(operation: dict[str, Any]) -> dict[str, Any]:
    """Taken out of the schemas of a body that a route reads by itself."""
    if "requestBody" not in operation:
        return {}
    body = operation["requestBody"] = copy.deepcopy(operation["requestBody"])  # the route's own
    found: dict[str, Any] = {}
    for content in body["content"].values():
        found |= content.get("schema", {}).pop("$defs", {})
    return found


def _error_content(path: str) -> dict[str, Any]:
    model, media_type = (
        (V2Error, "application/json")
        if surface_of(path) == "v2"
        else (Problem, "application/problem+json")
    )
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
