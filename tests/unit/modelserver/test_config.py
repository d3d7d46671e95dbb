"""The model config file and the folder of models."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path, PosixPath

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from headwise.errors import ConfigurationError
from headwise.modelserver.config import (
    ModelConfig,
    check_platforms,
    models_in_folder,
    parse_model_configs,
    read_model_config_file,
)
from headwise.modelserver.status import StatusError
from headwise.modelserver.versions import All, Latest, Specific
from headwise.repository.sources import ModelsFolder


def parse(config: str) -> tuple[ModelConfig, ...]:
    return parse_model_configs(text_format.Parse(f"model_config_list {{ {config} }}", ModelServerConfig()))


def test_a_config_names_path_policy_and_labels(tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text(
        'model_config_list { config { name: "a" base_path: "/models/a" model_platform: "tensorflow" '
        "model_version_policy { specific { versions: 1 versions: 3 } } "
        'version_labels { key: "stable" value: 1 } } }'
    )
    (model,) = read_model_config_file(file)
    assert model == ModelConfig("a", Path("/models/a"), Specific(frozenset({1, 3})), {"stable": 1})


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", Latest(1)),
        ("model_version_policy { latest { } }", Latest(1)),
        ("model_version_policy { latest { num_versions: 3 } }", Latest(3)),
        ("model_version_policy { all { } }", All()),
    ],
)
def test_without_a_policy_the_latest_version_serves(policy: str, expected: object) -> None:
    (model,) = parse(f'config {{ name: "a" base_path: "/a" model_platform: "tensorflow" {policy} }}')
    assert model.policy == expected


def test_the_deprecated_model_type_still_counts() -> None:
    (model,) = parse('config { name: "a" base_path: "/a" model_type: TENSORFLOW }')
    assert model.platform == "tensorflow"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ('config { name: "a" base_path: "a" model_platform: "tensorflow" }', "absolute path"),
        ('config { name: "a" base_path: "/a" }', "Illegal setting neither"),
        (
            'config { name: "a" base_path: "/a" model_type: TENSORFLOW model_platform: "tensorflow" }',
            "Illegal setting both",
        ),
        (
            2 * 'config { name: "a" base_path: "/a" model_platform: "tensorflow" }',
            "Illegal to list model a multiple times",
        ),
    ],
)
def test_an_illegal_config_is_refused(config: str, reason: str) -> None:
    with pytest.raises(StatusError, match=reason):
        parse(config)


@pytest.mark.parametrize(
    ("before", "platform", "reason"),
    [((), "caffe", "unsupported platform caffe"), (("a",), "caffe", "Illegal to change a model's platform")],
)
def test_only_tensorflow_is_served(before: tuple[str, ...], platform: str, reason: str) -> None:
    known = [ModelConfig(name, Path("/a")) for name in before]
    with pytest.raises(StatusError, match=reason):
        check_platforms(known, [ModelConfig("a", Path("/a"), platform=platform)])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model_config_list {", "1:"),
        ("models { }", 'no field named "models"'),
        ('model_config_list { config { name: "a" } }', "absolute path"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "models.config"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_model_config_file(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_models_is_followed(tmp_path: Path) -> None:
    source = models_in_folder(tmp_path)
    (tmp_path / "recipes" / "sub").mkdir(parents=True)
    (tmp_path / "README.md").write_text("not a model")
    assert source() == ()
    (tmp_path / "tumor" / "1").mkdir(parents=True)
    assert source() == (ModelConfig("tumor", tmp_path / "tumor", Latest(2)),)


class Folder(PosixPath):
    """A folder whose sub-folder `private` cannot be read, not even by the superuser, who runs tests in containers."""

    def iterdir(self) -> Iterator["Folder"]:  # type: ignore[override]
        if self.name == "private":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return super().iterdir()


def test_a_model_that_cannot_be_read_hides_no_other_and_is_left_to_the_manager(tmp_path: Path) -> None:
    for name in ("private", "tumor"):
        (tmp_path / name / "1").mkdir(parents=True)
    assert [model.name for model in models_in_folder(Folder(tmp_path))()] == ["private", "tumor"]


def test_a_folder_that_cannot_be_listed_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/gone: cannot be listed: No such file or directory"):
        models_in_folder(tmp_path / "gone")()


@pytest.mark.parametrize(
    "name", ["tumor", "a.b-c_d", "9", "x" * 128, ".trash", "lost+found", "-x", "_x", "ä", "a b", "x" * 129]
)
def test_the_gateway_and_its_model_server_agree_on_what_is_a_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "1").mkdir(parents=True)
    served = [model.name for model in models_in_folder(tmp_path)()]
    assert served == list(ModelsFolder(tmp_path).locations())
