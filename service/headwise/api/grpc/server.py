"""The gRPC port: services, health, start and stop."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from headwise.api.grpc.classification import NAME, ClassificationServicer
from headwise.errors import ConfigurationError
from headwise.gateway import Gateway
from headwise.telemetry.metrics import Metrics

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class GrpcServer:
    """Listens at `address`, a host and a port; port 0 takes a free one."""

    def __init__(
        self, gateway: Gateway, address: tuple[str, int], metrics: Metrics, *, timeout: float, max_bytes: int
    ) -> None:
        self._host, self.port = address
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", max_bytes),
                ("grpc.max_send_message_length", -1),
            )
        )
        self._server.add_generic_rpc_handlers((ClassificationServicer(gateway, metrics, timeout=timeout).handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> None:
        """Bind and listen.

        Raises: ConfigurationError if the address cannot be bound.
        """
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            self.port = self._server.add_insecure_port(f"{host}:{self.port}")
        except RuntimeError as error:
            raise ConfigurationError(
                f"gRPC cannot listen on {host}:{self.port}: the port is in use, or the host is not this machine; "
                "choose another address with --grpc"
            ) from error
        await self.set_ready(False)
        await self._server.start()

    async def set_ready(self, ready: bool) -> None:
        """What grpc.health.v1 answers, for the server and for the service by name."""
        for name in ("", NAME):
            await self._health.set(name, _SERVING if ready else _NOT_SERVING)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, give those in flight `grace` seconds."""
        await self._server.stop(grace)
