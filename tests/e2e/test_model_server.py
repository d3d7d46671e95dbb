"""The model server as a process: start, swap, sockets, signals, mistakes."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from support.model_repository import publish
from support.recorded_models import WARMUP, steps_request, warmup_file
from support.recordings import MODELS
from support.server_process import COMMAND, START_S, channel, eventually, server_process


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)


def predict(opened: grpc.Channel) -> grpc.UnaryUnaryMultiCallable:
    return opened.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=predict_pb2.PredictRequest.SerializeToString,
        response_deserializer=predict_pb2.PredictResponse.FromString,
    )


def statuses(opened: grpc.Channel, name: str) -> dict[int, tuple[int, int]]:
    """Each version's state and error code."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    call = opened.unary_unary(
        "/tensorflow.serving.ModelService/GetModelStatus",
        request_serializer=get_model_status_pb2.GetModelStatusRequest.SerializeToString,
        response_deserializer=get_model_status_pb2.GetModelStatusResponse.FromString,
    )
    found = call(request, timeout=START_S).model_version_status
    return {status.version: (status.state, status.status.error_code) for status in found}


def test_versions_are_swapped_under_calls_and_none_fails(tmp_path: Path) -> None:
    base = tmp_path / "steps"
    base.mkdir()
    publish(base, 1, "steps/1")
    swapped = threading.Event()
    with (
        server_process("--models", str(tmp_path), "--file_system_poll_wait_seconds=0.05") as server,
        channel(server.addresses[0]) as opened,
        ThreadPoolExecutor(4) as pool,
    ):
        server.wait_for("serving steps version 1")

        def call_until_swapped() -> set[int]:
            answered = set()
            while not swapped.is_set():
                response = predict(opened)(steps_request(), timeout=START_S)
                version = response.model_spec.version.value
                assert list(response.outputs["y"].float_val) == [10.0 * version]
                answered.add(version)
            return answered

        callers = [pool.submit(call_until_swapped) for _ in range(4)]
        for version in (2, 3):
            publish(base, version, f"steps/{version}")
            server.wait_for(f"serving steps version {version}")
        server.wait_for("unloading steps version 1")
        swapped.set()
        assert predict(opened)(steps_request()).outputs, "a call needs no deadline"
        assert set().union(*(caller.result(START_S) for caller in callers)) >= {1, 3}
        available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        assert {version for version, (state, _) in statuses(opened, "steps").items() if state == available} == {
            2,
            3,
        }
        assert server.stop() == 0


def test_the_port_opens_whatever_the_models_do(tmp_path: Path) -> None:
    for name, source in (("broken", "broken/1"), ("steps", "steps/1")):
        (tmp_path / name).mkdir()
        publish(tmp_path / name, 1, source)
    with (
        server_process("--models", str(tmp_path), "--max_num_load_retries=0") as server,
        channel(server.addresses[0]) as opened,
    ):
        server.wait_for("serving steps version 1")
        end = get_model_status_pb2.ModelVersionStatus.END
        assert statuses(opened, "broken") == {1: (end, tf.errors.DATA_LOSS)}
        late = tmp_path / "late"
        late.mkdir()
        publish(late, 4, "logit/1")
        server.wait_for("serving late version 4")


@pytest.fixture(scope="module")
def slow_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that counts to its input before it answers."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "n")])  # type: ignore[untyped-decorator]
    def count(n: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"n": tf.while_loop(lambda i: i < n, lambda i: i + 1, [tf.constant(0)])[0]}

    models = tmp_path_factory.mktemp("slow")
    tf.saved_model.save(tf.Module(), str(models / "slow" / "1"), signatures={"serving_default": count})
    return models


def slow_request(count: int) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "slow"
    request.inputs["n"].CopyFrom(tf.make_tensor_proto(count))
    return request


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_calls_finish_and_exits_with_0(slow_models: Path, number: int) -> None:
    count = 300_000
    with (
        server_process("--models", str(slow_models)) as server,
        channel(server.addresses[0]) as opened,
    ):
        server.wait_for("serving slow version 1")
        answer = predict(opened).future(slow_request(count), timeout=START_S)
        # Answered on the same connection, so the call before it has arrived.
        statuses(opened, "slow")
        assert not answer.done()
        assert server.stop(number) == 0
        assert list(answer.result().outputs["n"].int_val) == [count]


def test_a_warm_up_under_way_does_not_delay_the_end(slow_models: Path, tmp_path: Path) -> None:
    warmup = warmup_file(tmp_path, *[slow_request(20_000)] * 1000)
    shutil.copytree(slow_models / "slow" / "1", tmp_path / "slow" / "1")
    (tmp_path / "slow" / "1" / "assets.extra").mkdir()
    (tmp_path / "slow" / "1" / "assets.extra" / WARMUP).write_bytes(warmup)
    with server_process("--models", str(tmp_path)) as server, channel(server.addresses[0]) as opened:
        loading = get_model_status_pb2.ModelVersionStatus.LOADING
        eventually(lambda: statuses(opened, "slow")[1][0] == loading)
        assert server.stop() == 0
        assert "the server is stopping" in server.wait_for("cannot load slow version 1")


def test_the_callers_deadline_ends_the_run(slow_models: Path) -> None:
    with (
        server_process("--models", str(slow_models)) as server,
        channel(server.addresses[0]) as opened,
    ):
        server.wait_for("serving slow version 1")
        with pytest.raises(grpc.RpcError) as caught:
            predict(opened)(slow_request(2_000_000_000), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert server.stop() == 0


def test_a_unix_socket_is_replaced_when_stale_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    (tmp_path / "models").mkdir()
    arguments = ("--models", str(tmp_path / "models"), "--listen", f"unix:{path}")
    with server_process(*arguments) as server:
        assert server.addresses == [f"unix:{path}"]
        with channel(f"unix:{path}") as opened, pytest.raises(grpc.RpcError, match="Latest"):
            predict(opened)(steps_request(), timeout=START_S)
        assert server.stop() == 0
    assert not path.exists()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    command = [*COMMAND, "--models", str(tmp_path), "--listen", "127.0.0.1:0", "--exit-with-parent"]
    script = f"import os, subprocess; subprocess.run([*{command!r}, str(os.getpid())])"
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        try:
            assert "listening" in parent.stderr.readline()
        finally:
            parent.kill()
        # The server holds the other end of this pipe: reading ends when the server does.
        assert "the parent process is gone" in parent.stderr.read()


def test_it_ends_if_its_parent_went_before_it_began_to_look(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as gone:
        gone.wait(START_S)
    with server_process("--models", str(tmp_path), "--exit-with-parent", str(gone.pid)) as server:
        server.wait_for("the parent process is gone")
        assert server.process.wait(START_S) == 0


def test_a_switch_that_stands_alone_is_on(tmp_path: Path) -> None:
    flags = ("--enable_grpc_healthcheck_service", "--enable_batching")
    with server_process(*flags, "--models", str(tmp_path)) as server, channel(server.addresses[0]) as opened:
        check = opened.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=START_S) == b"\x08\x01", "SERVING"


def test_a_long_message_is_cut_as_tensorflow_serving_cuts_it(tmp_path: Path) -> None:
    with server_process("--models", str(tmp_path)) as server, channel(server.addresses[0]) as opened:
        request = steps_request()
        request.model_spec.name = "x" * 2000
        with pytest.raises(grpc.RpcError) as caught:
            predict(opened)(request, timeout=START_S)
        assert caught.value.details().endswith("x...TRUNCATED")
        assert len(caught.value.details()) == 1024 + len("...TRUNCATED")


def test_several_addresses_serve_the_same_models(tmp_path: Path) -> None:
    addresses = ("--listen", f"unix:{tmp_path}/a", "--grpc_socket_path", f"{tmp_path}/b")
    with server_process("--model-config-file", str(_config(tmp_path)), *addresses) as server:
        assert server.addresses == [f"unix:{tmp_path}/a", f"unix:{tmp_path}/b"]
        for address in server.addresses:
            with channel(address) as opened:
                eventually(lambda: 3 in statuses(opened, "steps"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "give either --models DIR or --model-config-file FILE"),
        (("--models", "/nope"), "--models /nope: no such folder"),
        (("--models", ".", "--enable_batching=false", f"--batching_parameters_file={__file__}"), "is false"),
        (("--model_config_file=/nope",), "--model-config-file /nope: no such file"),
        (("--models", ".", "--batching_parameters_file=/nope"), "--batching-parameters-file /nope: no such file"),
        ((f"--model-config-file={__file__}",), f"{__file__}: 1:1"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: tuple[str, ...], reason: str) -> None:
    finished = run([*COMMAND, *arguments])
    assert finished.returncode == 2
    assert reason in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_labels_at_the_start_need_the_flag_that_allows_them(tmp_path: Path) -> None:
    config = _config(tmp_path, 'version_labels { key: "stable" value: 3 }')
    arguments = ("--model-config-file", str(config), "--listen", "127.0.0.1:0")
    finished = run([*COMMAND, *arguments])
    assert finished.returncode == 2
    assert "--allow_version_labels_for_unavailable_models=true" in finished.stderr


def test_help_and_the_command_itself_do_not_import_tensorflow() -> None:
    script = "import sys, headwise.cli.model_server; sys.exit('tensorflow' in sys.modules)"
    assert run([sys.executable, "-c", script]).returncode == 0
    shown = run([*COMMAND, "--help"])
    assert shown.returncode == 0
    assert "--enable_batching" in shown.stdout


def _config(folder: Path, more: str = "") -> Path:
    file = folder / "models.config"
    file.write_text(
        f'model_config_list {{ config {{ name: "steps" base_path: "{MODELS}/steps" '
        f'model_platform: "tensorflow" {more} }} }}'
    )
    return file
