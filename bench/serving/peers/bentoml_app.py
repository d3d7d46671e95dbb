"""BentoML with one worker, its input typed as an array as its documentation does.

python -m bentoml serve serving.peers.bentoml_app:Classifier
"""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
from serving.peers.saved_model import SavedModel


@bentoml.service(workers=1, traffic={"timeout": 60})
class Classifier:
    def __init__(self) -> None:
        self.model = SavedModel()

    @bentoml.api  # type: ignore[untyped-decorator]  # it is not installed where types are checked
    def classify(self, instances: np.ndarray) -> dict[str, Any]:
        return {"predictions": self.model.classify(instances)}
