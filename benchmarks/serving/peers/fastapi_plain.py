# pyright: basic, reportMissingImports=false
"""The endpoint that FastAPI's tutorial would have you write."""

import numpy as np
import uvicorn
from fastapi import FastAPI
from onnx_model import Model
from pydantic import BaseModel
from settings import SETTINGS


class Body(BaseModel):
    inputs: list[list[float]]


app = FastAPI()
model = Model()


@app.post("/predict")
def predict(body: Body) -> dict[str, list[list[float]]]:
    return {"outputs": model(np.array(body.inputs, np.float32)).tolist()}


if __name__ == "__main__":
    uvicorn.run(
        "fastapi_plain:app",
        host=SETTINGS["host"],
        port=int(SETTINGS["port"]),
        workers=int(SETTINGS["workers"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
