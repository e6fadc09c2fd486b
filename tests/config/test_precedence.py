"""Which of the many places names the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from launchpad.config import find_fworker_file, find_settings
from launchpad.errors import ConfigurationError, ConflictingOptions


@dataclass
class Scene:
    """A home, a current folder and an environment of their own, and the options given."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environ["HOME"] = str(self.root / "home")
        for folder in ("home/.fireworks", "cwd"):
            (self.root / folder).mkdir(parents=True)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def database(self, path: str, name: str) -> Path:
        return self.write(path, f"host: localhost\nname: {name}\n")

    def find(self):
        return find_settings(environ=self.environ, cwd=self.root / "cwd", **self.options)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def by_uri(scene: Scene) -> None:
    scene.options["uri"] = "mongodb://localhost/by_uri"


def by_option(scene: Scene) -> None:
    scene.options["launchpad_file"] = scene.database("anywhere/mine.yaml", "by_option")


def by_config_dir(scene: Scene) -> None:
    scene.options["config_dir"] = scene.database("folder/my_launchpad.yaml", "by_config_dir").parent


def by_lpad_uri(scene: Scene) -> None:
    scene.environ["LPAD_URI"] = "mongodb://localhost/by_lpad_uri"


def by_lpad_launchpad_file(scene: Scene) -> None:
    scene.environ["LPAD_LAUNCHPAD_FILE"] = str(scene.database("env/pad.yaml", "by_lpad_launchpad_file"))


def by_config_file_location(scene: Scene) -> None:
    scene.database("named/pad.yaml", "by_config_file_location")
    scene.environ["FW_CONFIG_FILE"] = str(scene.write("named/config.yaml", "LAUNCHPAD_LOC: pad.yaml\nCONFIG_FILE_DIR: dir\n"))


def by_config_file_folder(scene: Scene) -> None:
    scene.database("named/dir/my_launchpad.yaml", "by_config_file_folder")
    scene.environ.setdefault("FW_CONFIG_FILE", str(scene.write("named/folder.yaml", "CONFIG_FILE_DIR: dir\n")))


def by_launchpad_loc(scene: Scene) -> None:
    scene.environ["LAUNCHPAD_LOC"] = str(scene.database("loc/pad.yaml", "by_launchpad_loc"))


def by_current_folder(scene: Scene) -> None:
    scene.database("cwd/my_launchpad.yaml", "by_current_folder")


def by_config_in_current_folder(scene: Scene) -> None:
    scene.database("cwd/elsewhere/pad.yaml", "by_config_in_current_folder")
    scene.write("cwd/FW_config.yaml", "LAUNCHPAD_LOC: elsewhere/pad.yaml\n")


def by_config_at_home(scene: Scene) -> None:
    scene.database("home/pads/pad.yaml", "by_config_at_home")
    scene.write("home/.fireworks/FW_config.yaml", "LAUNCHPAD_LOC: ~/pads/pad.yaml\n")


def by_fireworks_folder(scene: Scene) -> None:
    scene.database("home/.fireworks/my_launchpad.yaml", "by_fireworks_folder")


#: The first counts most.
SOURCES: list[Callable[[Scene], None]] = [
    by_uri,
    by_option,
    by_config_dir,
    by_lpad_uri,
    by_lpad_launchpad_file,
    by_config_file_location,
    by_config_file_folder,
    by_launchpad_loc,
    by_current_folder,
    by_config_in_current_folder,
    by_config_at_home,
    by_fireworks_folder,
]


@pytest.mark.parametrize("source", SOURCES)
def test_each_place_alone_names_the_database(scene: Scene, source: Callable[[Scene], None]) -> None:
    source(scene)
    assert scene.find().name == source.__name__


@pytest.mark.parametrize("rank", range(len(SOURCES)))
def test_a_place_counts_more_than_all_below_it(scene: Scene, rank: int) -> None:
    for source in reversed(SOURCES[rank:]):
        if not (rank == 0 and source is by_option):  # --uri and -l together are refused
            source(scene)
    assert scene.find().name == SOURCES[rank].__name__


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (by_uri, "--uri"),
        (by_option, "(-l)"),
        (by_config_dir, "(-c)"),
        (by_lpad_uri, "LPAD_URI"),
        (by_lpad_launchpad_file, "(LPAD_LAUNCHPAD_FILE)"),
        (by_config_file_location, "(LAUNCHPAD_LOC in "),
        (by_config_file_folder, "(CONFIG_FILE_DIR in "),
        (by_launchpad_loc, "(LAUNCHPAD_LOC)"),
        (by_current_folder, "(the current folder)"),
        (by_fireworks_folder, "(~/.fireworks)"),
    ],
)
def test_the_origin_says_who_named_the_database(scene: Scene, source: Callable[[Scene], None], said: str) -> None:
    source(scene)
    assert said in scene.find().chosen_by
    assert said in scene.find().origin("name")


def test_with_nothing_configured_the_embedded_file_in_the_users_data_folder_is_used(scene: Scene, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(scene.root / "data"))
    settings = scene.find()
    assert (settings.kind, settings.is_default) == ("embedded", True)
    assert settings.path is not None
    assert settings.path.parts[-2:] == ("launchpad", "launchpad.db")
    assert settings.chosen_by == "default"


def test_the_data_folder_can_be_named(scene: Scene) -> None:
    scene.environ["LPAD_DATA_DIR"] = str(scene.root / "data")
    settings = scene.find()
    assert settings.path == scene.root / "data" / "launchpad.db"
    assert (settings.chosen_by, settings.is_default) == ("LPAD_DATA_DIR", False)


def test_an_empty_variable_counts_as_none(scene: Scene) -> None:
    names = ["LPAD_URI", "LPAD_LAUNCHPAD_FILE", "FW_CONFIG_FILE", "LAUNCHPAD_LOC", "LPAD_DATA_DIR"]
    scene.environ |= dict.fromkeys(names, "")
    assert scene.find().is_default


def test_uri_and_file_together_are_refused(scene: Scene) -> None:
    by_uri(scene)
    by_option(scene)
    with pytest.raises(ConflictingOptions, match="--uri and -l both name a database"):
        scene.find()


@pytest.mark.parametrize("variable", ["LPAD_LAUNCHPAD_FILE", "FW_CONFIG_FILE", "LAUNCHPAD_LOC"])
def test_a_variable_naming_a_file_that_is_not_there_is_an_error(scene: Scene, variable: str) -> None:
    scene.environ[variable] = str(scene.root / "nowhere.yaml")
    with pytest.raises(ConfigurationError, match=rf"nowhere\.yaml does not exist; {variable} names it"):
        scene.find()


def test_an_option_naming_a_file_that_is_not_there_is_an_error(scene: Scene) -> None:
    by_fireworks_folder(scene)
    scene.options["launchpad_file"] = "nowhere.yaml"
    with pytest.raises(ConfigurationError, match=r"cwd/nowhere\.yaml does not exist; -l names it"):
        scene.find()


def test_a_config_file_naming_a_launchpad_that_is_not_there_is_an_error(scene: Scene) -> None:
    scene.write("home/.fireworks/FW_config.yaml", "LAUNCHPAD_LOC: gone.yaml\n")
    with pytest.raises(ConfigurationError, match=r"gone\.yaml does not exist; LAUNCHPAD_LOC in .*FW_config\.yaml names it"):
        scene.find()


def test_a_config_folder_must_exist_and_hold_something(scene: Scene) -> None:
    by_fireworks_folder(scene)
    scene.options["config_dir"] = scene.root / "nowhere"
    with pytest.raises(ConfigurationError, match="nowhere \\(-c\\) does not exist"):
        scene.find()
    (scene.root / "nowhere").mkdir()
    with pytest.raises(ConfigurationError, match=r"\(-c\) holds neither my_launchpad\.yaml nor my_fworker\.yaml"):
        scene.find()


def test_a_config_folder_may_hold_only_the_workers_file(scene: Scene) -> None:
    by_fireworks_folder(scene)
    scene.options["config_dir"] = scene.write("folder/my_fworker.yaml", "name: w\n").parent
    assert scene.find().name == "by_fireworks_folder"


def test_the_config_file_of_the_environment_counts_more_than_the_one_at_home(scene: Scene) -> None:
    scene.write("home/.fireworks/FW_config.yaml", "TRACKER_LINES: 1\n")
    assert scene.find().tracker_lines == 1
    scene.environ["FW_CONFIG_FILE"] = str(scene.write("named.yaml", "PW_CHECK_NUM: 2\n"))
    settings = scene.find()
    assert (settings.tracker_lines, settings.pw_check_num) == (25, 2)
    assert settings.origin("pw_check_num").endswith("named.yaml (FW_CONFIG_FILE)")


# The worker's file


def fworker(scene: Scene, option: str | None = None) -> Path | None:
    found = find_fworker_file(option, environ=scene.environ, cwd=scene.root / "cwd", config_dir=scene.options.get("config_dir"))
    return None if found is None else found.value.relative_to(scene.root)


def test_the_workers_file_is_found_in_the_same_order(scene: Scene) -> None:
    assert fworker(scene) is None
    scene.write("home/.fireworks/my_fworker.yaml", "name: a\n")
    assert fworker(scene) == Path("home/.fireworks/my_fworker.yaml")
    scene.write("cwd/my_fworker.yaml", "name: b\n")
    assert fworker(scene) == Path("cwd/my_fworker.yaml")
    scene.environ["FWORKER_LOC"] = str(scene.write("loc.yaml", "name: c\n"))
    assert fworker(scene) == Path("loc.yaml")
    scene.write("conf/w.yaml", "name: d\n")
    scene.environ["FW_CONFIG_FILE"] = str(scene.write("conf/FW_config.yaml", "FWORKER_LOC: w.yaml\n"))
    assert fworker(scene) == Path("conf/w.yaml")
    scene.options["config_dir"] = scene.write("folder/my_fworker.yaml", "name: e\n").parent
    assert fworker(scene) == Path("folder/my_fworker.yaml")
    scene.write("cwd/mine.yaml", "name: f\n")
    assert fworker(scene, "mine.yaml") == Path("cwd/mine.yaml")


def test_a_workers_file_that_is_named_and_not_there_is_an_error(scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match="-w names it"):
        fworker(scene, "nowhere.yaml")
