"""What each route and method needs of a key: a verb, any key, or none. A route that is not here fails the tests."""

from __future__ import annotations

NO_KEY, ANY_KEY = "no key", "any key"
PREDICT, METADATA, ADMIN = "predict", "metadata", "admin"

_MODEL = {
    (":classify", "POST"): PREDICT,
    (":predict", "POST"): PREDICT,
    (":regress", "POST"): PREDICT,
    ("/head", "GET"): METADATA,
    ("/reliability", "GET"): METADATA,
    ("/metadata", "GET"): METADATA,
    ("", "GET"): METADATA,
}
_V2_MODEL = {("", "GET"): METADATA, ("/ready", "GET"): METADATA, ("/infer", "POST"): PREDICT}

UNROUTED: dict[tuple[str, str], str] = {
    ("GET", "/V1/MODELS/{model}"): METADATA,
    ("POST", "/V1/MODELS/{model}"): ANY_KEY,
    ("POST", "/V1/models/{model}:predict"): PREDICT,
    ("GET", "/v2/nowhere"): ANY_KEY,
    ("DELETE", "/v2/models/{model}"): ANY_KEY,
    ("GET", "/else"): ANY_KEY,
    ("POST", "/else"): ANY_KEY,
}
"""Of what no route takes: TensorFlow Serving's paths, which may be written in any case, and none."""

ROUTES: dict[tuple[str, str], str] = {
    **{
        (method, path): ADMIN if path == "/metrics" else NO_KEY
        for path in ("/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json")
        for method in ("GET", "HEAD")
    },
    ("GET", "/v1/models"): ANY_KEY,
    **{
        (method, f"/v1/models/{{model}}{version}{end}"): needs
        for version in ("", "/versions/{version}", "/labels/{label}")
        for (end, method), needs in _MODEL.items()
    },
    ("GET", "/v2"): ANY_KEY,
    ("GET", "/v2/health/live"): NO_KEY,
    ("GET", "/v2/health/ready"): NO_KEY,
    ("GET", "/v2/models"): ANY_KEY,
    ("POST", "/v2/repository/index"): ANY_KEY,
    **{
        (method, f"/v2/models/{{model}}{version}{end}"): needs
        for version in ("", "/versions/{version}")
        for (end, method), needs in _V2_MODEL.items()
    },
    ("POST", "/v2/repository/models/{model}/load"): ADMIN,
    ("POST", "/v2/repository/models/{model}/unload"): ADMIN,
    **UNROUTED,
}

GRPC: dict[str, str] = {
    "headwise.v1.ClassificationService/Classify": PREDICT,
    "headwise.v1.ClassificationService/ClassifyStream": PREDICT,
    "headwise.v1.ClassificationService/GetHead": METADATA,
    "headwise.v1.ClassificationService/ListModels": ANY_KEY,
    "tensorflow.serving.PredictionService/Predict": PREDICT,
    "tensorflow.serving.PredictionService/Classify": PREDICT,
    "tensorflow.serving.PredictionService/Regress": PREDICT,
    "tensorflow.serving.PredictionService/MultiInference": PREDICT,
    "tensorflow.serving.PredictionService/GetModelMetadata": METADATA,
    "tensorflow.serving.ModelService/GetModelStatus": METADATA,
    "inference.GRPCInferenceService/ServerLive": NO_KEY,
    "inference.GRPCInferenceService/ServerReady": NO_KEY,
    "inference.GRPCInferenceService/ServerMetadata": ANY_KEY,
    "inference.GRPCInferenceService/ModelReady": METADATA,
    "inference.GRPCInferenceService/ModelMetadata": METADATA,
    "inference.GRPCInferenceService/ModelInfer": PREDICT,
    "inference.GRPCInferenceService/RepositoryIndex": ANY_KEY,
}
