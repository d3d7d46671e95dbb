from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DataType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_TYPE_UNSPECIFIED: _ClassVar[DataType]
    DATA_TYPE_BOOL: _ClassVar[DataType]
    DATA_TYPE_INT8: _ClassVar[DataType]
    DATA_TYPE_INT16: _ClassVar[DataType]
    DATA_TYPE_INT32: _ClassVar[DataType]
    DATA_TYPE_INT64: _ClassVar[DataType]
    DATA_TYPE_UINT8: _ClassVar[DataType]
    DATA_TYPE_UINT16: _ClassVar[DataType]
    DATA_TYPE_UINT32: _ClassVar[DataType]
    DATA_TYPE_UINT64: _ClassVar[DataType]
    DATA_TYPE_FLOAT16: _ClassVar[DataType]
    DATA_TYPE_FLOAT32: _ClassVar[DataType]
    DATA_TYPE_FLOAT64: _ClassVar[DataType]
    DATA_TYPE_STRING: _ClassVar[DataType]

class Include(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INCLUDE_UNSPECIFIED: _ClassVar[Include]
    INCLUDE_PROBABILITIES: _ClassVar[Include]
    INCLUDE_RAW: _ClassVar[Include]
    INCLUDE_PROVENANCE: _ClassVar[Include]
    INCLUDE_INTERVALS: _ClassVar[Include]
DATA_TYPE_UNSPECIFIED: DataType
DATA_TYPE_BOOL: DataType
DATA_TYPE_INT8: DataType
DATA_TYPE_INT16: DataType
DATA_TYPE_INT32: DataType
DATA_TYPE_INT64: DataType
DATA_TYPE_UINT8: DataType
DATA_TYPE_UINT16: DataType
DATA_TYPE_UINT32: DataType
DATA_TYPE_UINT64: DataType
DATA_TYPE_FLOAT16: DataType
DATA_TYPE_FLOAT32: DataType
DATA_TYPE_FLOAT64: DataType
DATA_TYPE_STRING: DataType
INCLUDE_UNSPECIFIED: Include
INCLUDE_PROBABILITIES: Include
INCLUDE_RAW: Include
INCLUDE_PROVENANCE: Include
INCLUDE_INTERVALS: Include

class ModelSpec(_message.Message):
    __slots__ = ("name", "version", "version_label", "signature_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_LABEL_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    version_label: str
    signature_name: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., version_label: _Optional[str] = ..., signature_name: _Optional[str] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("data_type", "shape", "content", "float_values", "double_values", "int_values", "uint_values", "bool_values", "string_values")
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VALUES_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_VALUES_FIELD_NUMBER: _ClassVar[int]
    INT_VALUES_FIELD_NUMBER: _ClassVar[int]
    UINT_VALUES_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUES_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUES_FIELD_NUMBER: _ClassVar[int]
    data_type: DataType
    shape: _containers.RepeatedScalarFieldContainer[int]
    content: bytes
    float_values: _containers.RepeatedScalarFieldContainer[float]
    double_values: _containers.RepeatedScalarFieldContainer[float]
    int_values: _containers.RepeatedScalarFieldContainer[int]
    uint_values: _containers.RepeatedScalarFieldContainer[int]
    bool_values: _containers.RepeatedScalarFieldContainer[bool]
    string_values: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, data_type: _Optional[_Union[DataType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., content: _Optional[bytes] = ..., float_values: _Optional[_Iterable[float]] = ..., double_values: _Optional[_Iterable[float]] = ..., int_values: _Optional[_Iterable[int]] = ..., uint_values: _Optional[_Iterable[int]] = ..., bool_values: _Optional[_Iterable[bool]] = ..., string_values: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Threshold(_message.Message):
    __slots__ = ("value", "name")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    value: float
    name: str
    def __init__(self, value: _Optional[float] = ..., name: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("threshold", "per_label", "argmax", "cost", "objective", "abstain", "prediction_set", "top_k")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PER_LABEL_FIELD_NUMBER: _ClassVar[int]
    ARGMAX_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    ABSTAIN_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    threshold: ThresholdRule
    per_label: PerLabelRule
    argmax: ArgmaxRule
    cost: CostRule
    objective: str
    abstain: Abstain
    prediction_set: PredictionSet
    top_k: int
    def __init__(self, threshold: _Optional[_Union[ThresholdRule, _Mapping]] = ..., per_label: _Optional[_Union[PerLabelRule, _Mapping]] = ..., argmax: _Optional[_Union[ArgmaxRule, _Mapping]] = ..., cost: _Optional[_Union[CostRule, _Mapping]] = ..., objective: _Optional[str] = ..., abstain: _Optional[_Union[Abstain, _Mapping]] = ..., prediction_set: _Optional[_Union[PredictionSet, _Mapping]] = ..., top_k: _Optional[int] = ...) -> None: ...

class ThresholdRule(_message.Message):
    __slots__ = ("threshold", "thresholds")
    class ThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    thresholds: _containers.ScalarMap[str, float]
    def __init__(self, threshold: _Optional[float] = ..., thresholds: _Optional[_Mapping[str, float]] = ...) -> None: ...

class PerLabelRule(_message.Message):
    __slots__ = ("thresholds",)
    class ThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    thresholds: _containers.ScalarMap[str, float]
    def __init__(self, thresholds: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ArgmaxRule(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CostRule(_message.Message):
    __slots__ = ("costs",)
    COSTS_FIELD_NUMBER: _ClassVar[int]
    costs: _containers.RepeatedCompositeFieldContainer[CostRow]
    def __init__(self, costs: _Optional[_Iterable[_Union[CostRow, _Mapping]]] = ...) -> None: ...

class CostRow(_message.Message):
    __slots__ = ("costs",)
    COSTS_FIELD_NUMBER: _ClassVar[int]
    costs: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, costs: _Optional[_Iterable[float]] = ...) -> None: ...

class Abstain(_message.Message):
    __slots__ = ("floor", "margin", "cost", "set")
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    floor: float
    margin: float
    cost: float
    set: bool
    def __init__(self, floor: _Optional[float] = ..., margin: _Optional[float] = ..., cost: _Optional[float] = ..., set: _Optional[bool] = ...) -> None: ...

class PredictionSet(_message.Message):
    __slots__ = ("score", "coverage", "quantiles", "penalty", "free", "seed")
    class QuantilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Quantile
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Quantile, _Mapping]] = ...) -> None: ...
    SCORE_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    QUANTILES_FIELD_NUMBER: _ClassVar[int]
    PENALTY_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    score: str
    coverage: float
    quantiles: _containers.MessageMap[str, Quantile]
    penalty: float
    free: int
    seed: int
    def __init__(self, score: _Optional[str] = ..., coverage: _Optional[float] = ..., quantiles: _Optional[_Mapping[str, Quantile]] = ..., penalty: _Optional[float] = ..., free: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class Quantile(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class ClassifyOptions(_message.Message):
    __slots__ = ("threshold", "head_thresholds", "top_k", "include", "decision", "head_decisions", "abstain", "head_abstains", "coverage", "head_coverages")
    class HeadThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Threshold
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Threshold, _Mapping]] = ...) -> None: ...
    class HeadDecisionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Decision
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...
    class HeadAbstainsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Abstain
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Abstain, _Mapping]] = ...) -> None: ...
    class HeadCoveragesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HEAD_THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    HEAD_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    ABSTAIN_FIELD_NUMBER: _ClassVar[int]
    HEAD_ABSTAINS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    HEAD_COVERAGES_FIELD_NUMBER: _ClassVar[int]
    threshold: Threshold
    head_thresholds: _containers.MessageMap[str, Threshold]
    top_k: int
    include: _containers.RepeatedScalarFieldContainer[Include]
    decision: Decision
    head_decisions: _containers.MessageMap[str, Decision]
    abstain: Abstain
    head_abstains: _containers.MessageMap[str, Abstain]
    coverage: float
    head_coverages: _containers.ScalarMap[str, float]
    def __init__(self, threshold: _Optional[_Union[Threshold, _Mapping]] = ..., head_thresholds: _Optional[_Mapping[str, Threshold]] = ..., top_k: _Optional[int] = ..., include: _Optional[_Iterable[_Union[Include, str]]] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., head_decisions: _Optional[_Mapping[str, Decision]] = ..., abstain: _Optional[_Union[Abstain, _Mapping]] = ..., head_abstains: _Optional[_Mapping[str, Abstain]] = ..., coverage: _Optional[float] = ..., head_coverages: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ClassifyRequest(_message.Message):
    __slots__ = ("model", "inputs", "options")
    class InputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Tensor
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Tensor, _Mapping]] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: ModelSpec
    inputs: _containers.MessageMap[str, Tensor]
    options: ClassifyOptions
    def __init__(self, model: _Optional[_Union[ModelSpec, _Mapping]] = ..., inputs: _Optional[_Mapping[str, Tensor]] = ..., options: _Optional[_Union[ClassifyOptions, _Mapping]] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("request_id", "model_name", "model_version", "heads", "warnings")
    class HeadsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: HeadAnswer
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[HeadAnswer, _Mapping]] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model_name: str
    model_version: int
    heads: _containers.MessageMap[str, HeadAnswer]
    warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    def __init__(self, request_id: _Optional[str] = ..., model_name: _Optional[str] = ..., model_version: _Optional[int] = ..., heads: _Optional[_Mapping[str, HeadAnswer]] = ..., warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("head", "code", "message")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    head: str
    code: str
    message: str
    def __init__(self, head: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class HeadAnswer(_message.Message):
    __slots__ = ("task", "classes", "shape", "indices", "labels", "probabilities", "decisions", "values", "margins", "top_indices", "top_count", "raw", "provenance", "abstained", "sets", "intervals")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    MARGINS_FIELD_NUMBER: _ClassVar[int]
    TOP_INDICES_FIELD_NUMBER: _ClassVar[int]
    TOP_COUNT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    SETS_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    task: str
    classes: _containers.RepeatedScalarFieldContainer[str]
    shape: _containers.RepeatedScalarFieldContainer[int]
    indices: _containers.RepeatedScalarFieldContainer[int]
    labels: _containers.RepeatedScalarFieldContainer[str]
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    decisions: _containers.RepeatedScalarFieldContainer[bool]
    values: _containers.RepeatedScalarFieldContainer[float]
    margins: _containers.RepeatedScalarFieldContainer[float]
    top_indices: _containers.RepeatedScalarFieldContainer[int]
    top_count: int
    raw: Tensor
    provenance: Provenance
    abstained: _containers.RepeatedScalarFieldContainer[bool]
    sets: _containers.RepeatedScalarFieldContainer[bool]
    intervals: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, task: _Optional[str] = ..., classes: _Optional[_Iterable[str]] = ..., shape: _Optional[_Iterable[int]] = ..., indices: _Optional[_Iterable[int]] = ..., labels: _Optional[_Iterable[str]] = ..., probabilities: _Optional[_Iterable[float]] = ..., decisions: _Optional[_Iterable[bool]] = ..., values: _Optional[_Iterable[float]] = ..., margins: _Optional[_Iterable[float]] = ..., top_indices: _Optional[_Iterable[int]] = ..., top_count: _Optional[int] = ..., raw: _Optional[_Union[Tensor, _Mapping]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ..., abstained: _Optional[_Iterable[bool]] = ..., sets: _Optional[_Iterable[bool]] = ..., intervals: _Optional[_Iterable[float]] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("activation", "calibration", "decision_rule", "decision_source", "cuts", "threshold_name", "card_digest", "saturated", "calibration_source", "prior", "prior_source", "objective", "costs", "abstain", "abstain_source", "prediction_set", "prediction_set_source", "coverage", "coverage_source", "top_k", "top_k_source")
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    DECISION_RULE_FIELD_NUMBER: _ClassVar[int]
    DECISION_SOURCE_FIELD_NUMBER: _ClassVar[int]
    CUTS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_NAME_FIELD_NUMBER: _ClassVar[int]
    CARD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SATURATED_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_SOURCE_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    PRIOR_SOURCE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    ABSTAIN_FIELD_NUMBER: _ClassVar[int]
    ABSTAIN_SOURCE_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_SOURCE_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TOP_K_SOURCE_FIELD_NUMBER: _ClassVar[int]
    activation: str
    calibration: str
    decision_rule: str
    decision_source: str
    cuts: _containers.RepeatedScalarFieldContainer[float]
    threshold_name: str
    card_digest: str
    saturated: int
    calibration_source: str
    prior: Prior
    prior_source: str
    objective: str
    costs: _containers.RepeatedCompositeFieldContainer[CostRow]
    abstain: Abstain
    abstain_source: str
    prediction_set: str
    prediction_set_source: str
    coverage: float
    coverage_source: str
    top_k: int
    top_k_source: str
    def __init__(self, activation: _Optional[str] = ..., calibration: _Optional[str] = ..., decision_rule: _Optional[str] = ..., decision_source: _Optional[str] = ..., cuts: _Optional[_Iterable[float]] = ..., threshold_name: _Optional[str] = ..., card_digest: _Optional[str] = ..., saturated: _Optional[int] = ..., calibration_source: _Optional[str] = ..., prior: _Optional[_Union[Prior, _Mapping]] = ..., prior_source: _Optional[str] = ..., objective: _Optional[str] = ..., costs: _Optional[_Iterable[_Union[CostRow, _Mapping]]] = ..., abstain: _Optional[_Union[Abstain, _Mapping]] = ..., abstain_source: _Optional[str] = ..., prediction_set: _Optional[str] = ..., prediction_set_source: _Optional[str] = ..., coverage: _Optional[float] = ..., coverage_source: _Optional[str] = ..., top_k: _Optional[int] = ..., top_k_source: _Optional[str] = ...) -> None: ...

class Prior(_message.Message):
    __slots__ = ("source", "target")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    source: _containers.RepeatedScalarFieldContainer[float]
    target: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, source: _Optional[_Iterable[float]] = ..., target: _Optional[_Iterable[float]] = ...) -> None: ...

class ClassifyStreamRequest(_message.Message):
    __slots__ = ("id", "request")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    request: ClassifyRequest
    def __init__(self, id: _Optional[str] = ..., request: _Optional[_Union[ClassifyRequest, _Mapping]] = ...) -> None: ...

class ClassifyStreamResponse(_message.Message):
    __slots__ = ("id", "response", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    response: ClassifyResponse
    error: Error
    def __init__(self, id: _Optional[str] = ..., response: _Optional[_Union[ClassifyResponse, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("status", "code", "message", "retryable")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    status: int
    code: str
    message: str
    retryable: bool
    def __init__(self, status: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class GetHeadRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelSpec
    def __init__(self, model: _Optional[_Union[ModelSpec, _Mapping]] = ...) -> None: ...

class GetHeadResponse(_message.Message):
    __slots__ = ("model_name", "model_version", "card", "card_digest")
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    CARD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    model_name: str
    model_version: int
    card: str
    card_digest: str
    def __init__(self, model_name: _Optional[str] = ..., model_version: _Optional[int] = ..., card: _Optional[str] = ..., card_digest: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "versions", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    labels: _containers.ScalarMap[str, int]
    def __init__(self, name: _Optional[str] = ..., versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., labels: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("version", "state", "ready", "reason", "code", "heads")
    class HeadsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: HeadSummary
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[HeadSummary, _Mapping]] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    version: int
    state: str
    ready: bool
    reason: str
    code: str
    heads: _containers.MessageMap[str, HeadSummary]
    def __init__(self, version: _Optional[int] = ..., state: _Optional[str] = ..., ready: _Optional[bool] = ..., reason: _Optional[str] = ..., code: _Optional[str] = ..., heads: _Optional[_Mapping[str, HeadSummary]] = ...) -> None: ...

class HeadSummary(_message.Message):
    __slots__ = ("task", "activation", "labels")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    task: str
    activation: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, task: _Optional[str] = ..., activation: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...
