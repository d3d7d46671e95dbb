"""GetModelMetadata: the signatures of a loaded version."""

from tensorflow_serving.apis import get_model_metadata_pb2

from headwise.modelserver.predict import name_answerer
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import invalid_argument

_SIGNATURES = "signature_def"


def check_fields(request: get_model_metadata_pb2.GetModelMetadataRequest) -> None:
    """Refuse a request for nothing or for the unknown; this comes before the model is looked up."""
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for name in request.metadata_field:
        if name != _SIGNATURES:
            raise invalid_argument(f"Metadata field {name} is not supported")


def metadata(servable: Servable) -> get_model_metadata_pb2.GetModelMetadataResponse:
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    name_answerer(response.model_spec, servable)
    response.metadata[_SIGNATURES].Pack(signatures)
    return response
