"""Where models lie: folders with numbered versions, or what a model config file lists."""

import re
from pathlib import Path

import pytest

from headwise.errors import ConfigurationError, UnreadableModelError
from headwise.repository.sources import ModelConfigFile, ModelLocation, ModelsFolder, model_source, version_folder


def folders(base: Path, *names: str) -> None:
    for name in names:
        (base / name).mkdir(parents=True)


def test_versions_are_the_numbered_folders_in_order(tmp_path: Path) -> None:
    folders(tmp_path, "10", "2", "007", "v3", "-1", "1.5", ".4", "٣", "tmp", str(2**63 - 1), str(2**63))
    (tmp_path / "5").write_text("a file")
    versions = ModelLocation(tmp_path).versions()
    assert list(versions) == [2, 7, 10, 2**63 - 1]
    assert versions[7] == tmp_path / "007"


def test_a_folder_that_is_not_there_has_no_versions(tmp_path: Path) -> None:
    assert ModelLocation(tmp_path / "nope").versions() == {}


def test_a_models_folder_lists_what_has_a_version(tmp_path: Path) -> None:
    folders(tmp_path, "tumor/1", "digits.v2/3", "recipes/code", ".hidden/1", "two words/1", "-dash/1", "empty")
    folders(tmp_path, "a" * 129 + "/1")
    (tmp_path / "README.md").write_text("a file")
    locations = ModelsFolder(tmp_path).locations()
    assert list(locations) == ["digits.v2", "tumor"]
    assert locations["tumor"] == ModelLocation(tmp_path / "tumor")


def test_models_that_appear_and_go_are_seen(tmp_path: Path) -> None:
    source = ModelsFolder(tmp_path)
    assert source.locations() == {}
    folders(tmp_path, "m/1")
    assert list(source.locations()) == ["m"]
    (tmp_path / "m" / "1").rmdir()
    assert source.locations() == {}


def test_a_models_folder_that_cannot_be_listed_is_an_error_and_not_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nope: cannot be listed: No such file"):
        ModelsFolder(tmp_path / "nope").locations()


def test_a_model_config_file_names_models_paths_and_labels(tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text(
        """
        model_config_list {
          config {
            name: "tumor"
            base_path: "/models/tumor"
            model_platform: "tensorflow"
            model_version_policy { specific { versions: 1 versions: 2 } }
            version_labels { key: "stable" value: 1 }
            version_labels { key: "canary" value: 2 }
          }
          config { name: "odd name, kept" base_path: "/models/odd" model_platform: "tensorflow" unheard_of: 3 }
        }
        """
    )
    assert ModelConfigFile(file).locations() == {
        "tumor": ModelLocation(Path("/models/tumor"), {"stable": 1, "canary": 2}),
        "odd name, kept": ModelLocation(Path("/models/odd")),
    }
    for nothing in ("model_config_list {}", "", "custom_model_config {}"):
        file.write_text(nothing)
        assert ModelConfigFile(file).locations() == {}


@pytest.mark.parametrize("content", [b"model_config_list {", b"\xff\xfe"])
def test_a_file_that_is_no_model_config_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "models.config"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"models\.config: no model config file"):
        ModelConfigFile(file).locations()


def test_a_model_config_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nope: no model config file"):
        ModelConfigFile(tmp_path / "nope").locations()


def test_the_version_that_a_command_means(tmp_path: Path) -> None:
    model = tmp_path / "m"
    for version in ("2", "10", "draft"):
        (model / version).mkdir(parents=True)
    (model / "2" / "saved_model.pb").touch()
    assert version_folder(model) == model / "10"
    assert version_folder(model / "2") == model / "2"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere", "No such file or directory; name a model (models/NAME) or a version of it"),
        ("file", "Not a directory"),
        ("empty", "holds neither saved_model.pb nor numbered versions"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_holds_no_version_is_refused(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UnreadableModelError, match=re.escape(f"{tmp_path / path}: {reason}")):
        version_folder(tmp_path / path)


def test_the_config_file_goes_before_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text("model_config_list {}")
    assert model_source(tmp_path, None) == ModelsFolder(tmp_path)
    assert model_source(tmp_path, file) == ModelConfigFile(file)


def test_a_source_that_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ConfigurationError, match=f"{missing}: no such folder; .*--models"):
        model_source(missing, None)
    with pytest.raises(ConfigurationError, match=f"{missing}: no model config file"):
        model_source(tmp_path, missing)
