"""MLServer with a runtime of our own, Open Inference (V2) in and out.

python -m serving.peers.mlserver_runtime    writes its settings and starts `mlserver start`
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from serving.peers.saved_model import SavedModel


class Classifier(MLModel):  # type: ignore[misc]  # it is not installed where types are checked
    async def load(self) -> bool:
        self.model = SavedModel()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        batch = NumpyCodec.decode_input(payload.inputs[0])
        probabilities = self.model.head.probabilities(self.model.run(batch))
        labels = [self.model.head.labels[index] for index in probabilities.argmax(axis=1)]
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                StringCodec.encode_output("labels", labels),
                NumpyCodec.encode_output("probabilities", np.asarray(probabilities)),
            ],
        )


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mlserver-", dir=os.environ["BENCH_SCRATCH"]))
    port = int(os.environ["BENCH_PORT"])
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": int(os.environ["BENCH_PORT_2"]),
        "metrics_endpoint": None,
        "metrics_dir": str(folder),
        "environments_dir": str(folder),
        "parallel_workers": 0,  # in the same process: twice as fast as its default of 1 here
    }
    model = {"name": os.environ["BENCH_MODEL"], "implementation": "serving.peers.mlserver_runtime.Classifier"}
    (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
    (folder / "model-settings.json").write_text(json.dumps(model), "utf-8")
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", str(folder)])  # noqa: S606 - our own


if __name__ == "__main__":
    main()
