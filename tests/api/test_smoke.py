from __future__ import annotations
from tests.api.conftest import Api, Process
from tests.support.published import add_version
import httpx

def test_smoke(api: Api, container):
    print(api.client.get("/healthz").json(), api.client.get("/readyz").text, api.client.get("/v1/system").json())
    add_version(container,"image")
    r=api.client.get("/v1/models/demo/versions/champion"); print(r.status_code, r.text)
    r=api.client.post("/v1/models/demo/predict", json={"inputs":[[[[0.0]*8]*8]]}); print(r.status_code, r.text, r.headers)
    r=api.client.post("/v2/models/demo/infer", json={"inputs":[{"name":"images","shape":[1,1,8,8],"datatype":"FP32","data":[0.0]*64}]}); print(r.status_code, r.text, r.headers)
    print(api.client.get("/nope").text, api.client.put("/v2/nope").text, api.client.delete("/v1/jobs").text)
    print(api.client.post("/v1/jobs", json={"pipeline":"image-classification","nope":1,"seed":"x"}).text)
    print(api.client.post("/v1/jobs", json={"pipeline":"image-classification"}).text)
    print(api.client.get("/metrics").text)
    assert 0

def test_process(process):
    print(httpx.get(process.url+"/readyz").text)
    print(httpx.get(process.url+"/v2/").text)
    print(open(f"/proc/{process.popen.pid}/status").read())
    assert 0
