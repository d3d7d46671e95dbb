from headwise.tfserving import inference_pb2 as _inference_pb2
from headwise.tfserving import model_service_pb2 as _model_service_pb2
from headwise.tfserving import prediction_service_pb2 as _prediction_service_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
