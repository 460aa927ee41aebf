"""Schemas of the custom resources in deploy/kubernetes.

Written down from the documentation of KEDA 2.15 and of the Prometheus operator's `v1`, and only as
far as ours go: a field that is not here is refused, though the operator may know it.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(required: str, optional: str = "", **fields: Schema) -> Schema:
    """An object of these fields; those without a schema are strings."""
    names = [*required.split(), *optional.split()]
    return {
        "type": "object",
        "properties": {name: fields.get(name, {"type": "string"}) for name in names},
        "required": required.split(),
        "additionalProperties": False,
    }


def _resource(api_version: str, kind: str, spec: Schema) -> Schema:
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    return _object(
        "apiVersion kind metadata spec",
        apiVersion={"const": api_version},
        kind={"const": kind},
        metadata=_object("name namespace", "labels annotations", labels=labels, annotations=labels),
        spec=spec,
    )


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


INTERVAL: Schema = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
EXPRESSION = _object(
    "key operator",
    "values",
    operator={"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
    values=_list({"type": "string"}),
)
COUNT: Schema = {"type": "integer", "minimum": 0}
ONE_NAME = _object("name")
POLICY = _object(
    "type value periodSeconds",
    type={"enum": ["Percent", "Pods"]},
    value={"type": "integer", "minimum": 1},
    periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
)
RULES = _object(
    "",
    "stabilizationWindowSeconds policies",
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=_list(POLICY),
)
BEHAVIOR = _object("", "scaleUp scaleDown", scaleUp=RULES, scaleDown=RULES)
TRIGGER = _object(
    "type metadata authenticationRef",
    type={"const": "postgresql"},
    # Every value is a string, whatever it says.
    metadata=_object("query targetQueryValue", "activationTargetQueryValue"),
    authenticationRef=ONE_NAME,
)
PARAMETERS = ["host", "port", "userName", "password", "dbName", "sslmode"]
"""Those of the postgresql scaler which a TriggerAuthentication may give."""

SCHEMAS: dict[str, Schema] = {
    "ScaledObject": _resource(
        "keda.sh/v1alpha1",
        "ScaledObject",
        _object(
            "scaleTargetRef triggers",
            "pollingInterval cooldownPeriod minReplicaCount maxReplicaCount advanced",
            scaleTargetRef=ONE_NAME,
            triggers=_list(TRIGGER),
            pollingInterval=COUNT,
            cooldownPeriod=COUNT,
            minReplicaCount=COUNT,
            maxReplicaCount=COUNT,
            advanced=_object(
                "horizontalPodAutoscalerConfig",
                horizontalPodAutoscalerConfig=_object("behavior", behavior=BEHAVIOR),
            ),
        ),
    ),
    "TriggerAuthentication": _resource(
        "keda.sh/v1alpha1",
        "TriggerAuthentication",
        _object(
            "secretTargetRef",
            secretTargetRef=_list(_object("parameter name key", parameter={"enum": PARAMETERS})),
        ),
    ),
    "ServiceMonitor": _resource(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        _object(
            "selector endpoints",
            "targetLabels",
            selector=_object("matchLabels", matchLabels={"type": "object"}),
            endpoints=_list(
                _object(
                    "port path",
                    "interval authorization",
                    interval=INTERVAL,
                    authorization=_object("type credentials", credentials=_object("name key")),
                )
            ),
            targetLabels=_list({"type": "string"}),
        ),
    ),
    "PodMonitor": _resource(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        _object(
            "selector podMetricsEndpoints",
            "podTargetLabels",
            selector=_object(
                "",
                "matchLabels matchExpressions",
                matchLabels={"type": "object"},
                matchExpressions=_list(EXPRESSION),
            ),
            podMetricsEndpoints=_list(_object("port", "path interval", interval=INTERVAL)),
            podTargetLabels=_list({"type": "string"}),
        ),
    ),
}
