"""BentoML: a service class behind `bentoml serve`."""

from __future__ import annotations

from benchmarks.serving.servers.base import HOST, ONNX, PEERS, Launch, Server, Site
from benchmarks.serving.servers.wires import plain_json


def _launch(site: Site) -> Launch:
    serve = [str(site.python), "-m", "bentoml", "serve", "bentoml_app:Predictor"]
    options = ["--working-dir", str(PEERS), "--host", HOST, "--port", str(site.port)]
    env = {
        "BENTOML_HOME": str(site.directory),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": str(PEERS),
    }
    return Launch([[*serve, *options]], {**site.settings, **env})


SERVER = Server(
    name="bentoml",
    title="BentoML",
    about="adaptive batching, numpy in and out; access log off",
    launch=_launch,
    wires={"json": plain_json("/predict", key=None)},
    packages=("bentoml==1.4.40", *ONNX, "uvloop==0.23.0", "httptools==0.9.0"),
)
