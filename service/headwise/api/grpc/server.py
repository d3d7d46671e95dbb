"""The gRPC port: services, health, start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from headwise.access.certificates import Certificate
from headwise.api.grpc import classification, connections
from headwise.api.grpc import reflection as official_names
from headwise.api.grpc.calls import Calls
from headwise.api.grpc.classification import ClassificationServicer
from headwise.api.grpc.health import Health
from headwise.api.grpc.tfs import services as tfs
from headwise.api.grpc.tls import credentials
from headwise.api.grpc.v2 import service as v2
from headwise.api.timeouts import Timeouts
from headwise.errors import ConfigurationError
from headwise.gateway import Gateway
from headwise.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

SERVICES = (classification.NAME, tfs.PREDICTION, tfs.MODEL, v2.NAME)
"""What reflection shows besides health and itself."""

WITH_THE_SERVER = ("", *SERVICES, "PredictionService", "ModelService")
"""Names by which health is asked for the whole; TensorFlow Serving leaves its package out."""


class GrpcServer:
    """Listens at `address`, a host and a port; port 0 takes a free one. reflection: whether it lists its services.

    required_models: those without which the server is not ready. shared_port: other processes listen there too.
    certificate: asked for at every connection; None listens without encryption.
    header_timeout: seconds until a new connection speaks HTTP/2.
    """

    def __init__(
        self,
        gateway: Gateway,
        address: tuple[str, int],
        metrics: Metrics,
        *,
        timeout: float,
        max_timeout: float | None = None,
        max_bytes: int,
        required_models: frozenset[str] = frozenset(),
        reflection: bool = False,
        shared_port: bool = False,
        certificate: Callable[[], Certificate] | None = None,
        header_timeout: float = 10.0,
        tracing: Tracing | None = None,
    ) -> None:
        self._host, self.port = address
        self._certificate = certificate
        self._tells_models = gateway.access is None  # health asks nobody who he is
        self._health = Health()
        self._models: frozenset[str] = frozenset()
        self._stopping: asyncio.Task[None] | None = None
        self._server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", int(shared_port)),
                ("grpc.max_receive_message_length", max_bytes),
                ("grpc.max_send_message_length", -1),
                *connections.options(header_timeout=header_timeout),
            )
        )
        timeouts = Timeouts(timeout, timeout if max_timeout is None else max_timeout)
        calls = Calls(gateway, metrics, timeouts=timeouts, tracing=tracing)
        self._server.add_generic_rpc_handlers(
            (
                ClassificationServicer(gateway).handler(calls),
                *tfs.TfsServicer(gateway).handlers(calls),
                v2.InferenceServicer(gateway, required_models).handler(calls),
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflection:
            names = (*SERVICES, health.SERVICE_NAME, official_names.NAME)
            enable_server_reflection(names, self._server, official_names.pool())

    async def start(self) -> None:
        """Bind and listen.

        Raises: ConfigurationError if the address cannot be bound.
        """
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            self.port = (
                self._server.add_insecure_port(f"{host}:{self.port}")
                if self._certificate is None
                else self._server.add_secure_port(f"{host}:{self.port}", credentials(self._certificate))
            )
        except RuntimeError as error:
            raise ConfigurationError(
                f"gRPC cannot listen on {host}:{self.port}: the port is in use, or the host is not this machine; "
                "choose another address with --grpc"
            ) from error
        await self.set_ready(False)
        await self._server.start()

    async def set_ready(self, ready: bool, models: Mapping[str, bool] | None = None) -> None:
        """What grpc.health.v1 answers: for the whole, and for each model by its name. No models: none is ready.

        Where calls need a key it knows no models.
        """
        now = dict.fromkeys(self._models, False) if models is None else models if self._tells_models else {}
        for name in self._models - now.keys():
            await self._health.set(name, _UNKNOWN)
        for name, serves in (*now.items(), *((name, ready) for name in WITH_THE_SERVER)):
            await self._health.set(name, _SERVING if serves else _NOT_SERVING)
        self._models = frozenset(now)

    async def stop(self, grace: float | None) -> None:
        """Refuse new calls, give those in flight `grace` seconds; None, also while another stop waits: cut them."""
        if self._stopping is not None:  # grpc.aio crashes where two end together: one destroys what the other cancels
            self._stopping.cancel()
            await asyncio.wait([self._stopping])
        self._health.end()
        self._stopping = asyncio.create_task(self._server.stop(grace))
        await asyncio.wait([self._stopping])
