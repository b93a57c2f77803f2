"""The configuration file: what it says counts as on the command line; what is wrong is one line that says where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dir_sync import cli
from dir_sync.cli.config_file import NODE_KEYS, example, read_file, settings
from dir_sync.cli.options import run_parser
from dir_sync.config import Config, ConfigError
from dir_sync.core.mode import Mode
from dir_sync.core.overload.byte_rate import SpeedLimits


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("notes", "photos", "notes/inner"):
        Path(name).mkdir()
    return tmp_path


def read(here: Path, text: str, *words: str) -> tuple[Config, ...]:
    (here / "my.toml").write_text(text)
    return cli.read_configs(["--config", "my.toml", *words])


TWO = '[folders.notes]\ndir = "notes"\n[folders.photos]\ndir = "~/photos"\n'


def test_an_example_with_the_folders_that_are_shared_is_right(tmp_path: Path) -> None:
    shared = {"notes": tmp_path / "a", 'odd "name" ö😀': tmp_path / "b\\c"}
    for folder in shared.values():
        folder.mkdir()
    text = example({name: str(folder) for name, folder in shared.items()})
    found = read_file(str(tmp_path / "config.toml"), data=text.encode())
    assert {one.folder_name: one.folder for one in found} == {name: str(folder) for name, folder in shared.items()}
    assert "history_days = 90" not in text


def test_folders_have_the_names_of_their_tables(here: Path) -> None:
    notes, photos = read(here, TWO)
    assert (notes.folder_name, notes.folder, notes.label) == ("notes", str(here / "notes"), "notes")
    assert (photos.folder_name, photos.folder) == ("photos", str(here / "photos"))


def test_without_words_the_file_of_the_user_is_read(here: Path) -> None:
    with pytest.raises(ConfigError, match="which folder") as caught:
        cli.read_configs([])
    assert caught.value.exit_code == 2
    file = here / "config" / "dir_sync" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[folders.notes]\ndir = "../../notes"\n')
    (only,) = cli.read_configs([])
    assert only.folder == str(here / "notes"), "relative to the file"


def test_a_folder_overrides_the_top_and_the_command_line_overrides_both(here: Path) -> None:
    text = f"listen_port = 7000\nhistory_days = 5\nbrake_files = 7\n{TWO}history_days = 90\n"
    notes, photos = read(here, text)
    assert (notes.history_days, photos.history_days) == (5, 90)
    assert {one.listen_port for one in (notes, photos)} == {7000}
    notes, photos = read(here, text, "-l", "6000", "--history-days", "1")
    assert (notes.history_days, photos.history_days, notes.brake_files) == (1, 1, 7)
    assert notes.listen_port == 6000, "also if that is the default"


def test_values_of_each_kind(here: Path) -> None:
    top = 'name = "anna"\npeer = ["10.0.0.5", "nas:7000"]\nverbose = 1\nhistory_max = "2G"\nhistory_min = 100\n'
    text = f'{top}{TWO}new = true\nmode = "mirror"\n'
    notes, photos = read(here, text)
    assert notes.peers == (("10.0.0.5", 6000), ("nas", 7000))
    assert (notes.name, notes.verbosity, notes.history_max, notes.history_min) == ("anna", 1, 2 * 10**9, 100)
    assert (notes.fresh, photos.fresh) == (False, True)
    assert (notes.mode.value, photos.mode.value) == ("two-way", "mirror")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: there is no folder: add a table"),
        ('folders = 5\n', ":1: there is no folder"),
        ("# nothing\nfolder_name = 1\n" + TWO, ":2: folder_name: there is no such key"),
        ("listen_prot = 7000\n" + TWO, ":1: listen_prot: there is no such key (did you mean listen_port?); allowed here: "),
        (TWO + "histry_days = 3\n", ":5: histry_days: there is no such key (did you mean history_days?); allowed here: "),
        (TWO + "listen_port = 7000\n", ":5: listen_port: all folders have this in common: write it above the first table"),
        ("join = \"K7QX-4MDP\"\n" + TWO, ":1: join: this is about one folder: write it into its table"),
        ("\nlisten_port = 70000\n" + TWO, ":2: listen_port: '70000' is not a port (1-65535)"),
        ("listen_port = true\n" + TWO, ":1: listen_port: a text in quotes or a whole number is needed"),
        ("listen_port = 1.5\n" + TWO, ":1: listen_port: a text in quotes or a whole number is needed"),
        ("quiet = 1\n" + TWO, ":1: quiet: true or false is needed"),
        ("verbose = true\n" + TWO, ":1: verbose: a whole number from 0 to 9 is needed"),
        ('peer = "nas"\n' + TWO, ":1: peer: a list is needed"),
        ('peer = ["10.0.0.5:99999"]\n' + TWO, ":1: peer: '10.0.0.5:99999': the port must be"),
        ("log_file = 7\n" + TWO, ":1: log_file: a path is needed, in quotes"),
        (TWO + "[folders.music]\n", ":5: which folder? Add dir"),
        (TWO + '[folders.music]\n\ndir = "nothing"\n', f":{TWO.count(chr(10)) + 3}: dir: "),
        (TWO + '[folders.music]\ndir = "nothing"\n', "nothing: there is no such folder"),
        (TWO + "[folders.music]\ndir = 5\n", ":6: dir: a path is needed"),
        (TWO + '[folders.more]\ndir = "notes"\n', "notes is named twice"),
        (TWO + '[folders.more]\ndir = "notes/inner"\n', "inner is inside"),
        (TWO + '[folders.notes]\ndir = "x"\n', ":5: this is no TOML"),
        ("x = \n", ":1: this is no TOML"),
        (TWO + "history_min = 5\nhistory_max = 1\n", ":3: --history-min is more than --history-max"),
        ('[folders."a\\tb"]\ndir = "notes"\n', "has characters that cannot be printed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_says_where(here: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(here, text)
    assert caught.value.exit_code == 2
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(here / "my.toml")), said
    assert says in said


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        (("notes", "photos", "notes/"), 5),
        (("notes/inner", "photos", "notes"), 5),
        (("notes", "notes/inner", "photos"), 3),
    ],
)
def test_of_two_folders_that_clash_the_later_one_is_named(here: Path, tables: tuple[str, ...], line: int) -> None:
    text = "".join(f'[folders."{at}"]\ndir = "{table}"\n' for at, table in enumerate(tables))
    with pytest.raises(ConfigError) as caught:
        read(here, text)
    assert str(caught.value).startswith(f"{here / 'my.toml'}:{line}: ")
    assert caught.value.exit_code == 2


def test_a_file_that_cannot_be_read(here: Path) -> None:
    for name, says in (("nothing.toml", "No such file"), ("notes", "Is a directory")):
        with pytest.raises(ConfigError, match=says):
            read_file(name)
    (here / "latin").write_bytes(b'# one\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match=":2: this is not UTF-8"):
        read_file("latin")


def test_a_file_and_a_folder_are_not_named_together(here: Path) -> None:
    with pytest.raises(ConfigError, match="not both"):
        read(here, TWO, "notes")


def test_every_option_has_a_key_and_every_key_is_in_the_example(here: Path) -> None:
    words = {
        word.removeprefix("--").replace("-", "_")
        for action in run_parser().options
        for word in action.option_strings
        if word.startswith("--") and word != "--signature_dir"
    }
    assert words - set(settings()) == {"help", "help_all", "version", "config", "folder"}
    assert set(settings()) >= NODE_KEYS
    keys = re.findall(r"^#?(\w+) = ", example(), re.MULTILINE)
    assert set(keys) - {"dir"} == set(settings())


def test_the_example_says_what_the_defaults_are(here: Path) -> None:
    """With and without the signs of comments it means the same."""
    lines = [line for line in example().splitlines() if "# not set" not in line]
    said = [re.sub(r"^#(\w+ = )", r"\1", line) for line in lines]
    (here / "plain.toml").write_text("\n".join(lines))
    (here / "said.toml").write_text("\n".join(said).replace("history_days = 90", "", 1))
    (here / "plain.toml").write_text("\n".join(lines).replace("history_days = 90", "", 1))
    assert read_file("plain.toml") == read_file("said.toml")
    assert "%(" not in example()
    assert re.findall(r'^#(history_m\w+) = "(\w+)"$', example(), re.MULTILINE) == [
        ("history_min", "1G"), ("history_max", "50G"),
    ]  # fmt: skip
    assert '#name = "NAME"  # not set: the host name' in example()


def test_the_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config"]) == 2
    assert cli.main(["config", "--example"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip("\n") == example()
    (here / "my.toml").write_text(TWO)
    assert cli.main(["config", "--check", "--config", "my.toml"]) == 0
    assert f"photos: {here / 'photos'}" in capsys.readouterr().out
    (here / "my.toml").write_text(TWO + "histry_days = 3\n")
    assert cli.main(["config", "--check", "--config", "my.toml"]) == 2
    assert "my.toml:5: histry_days" in capsys.readouterr().err
    (here / "my.toml").write_text(TWO)
    assert cli.main(["reload", "--config", "my.toml"]) == 1
    assert "no node runs with my.toml" in capsys.readouterr().err.replace(str(here) + "/", "")


def test_a_switch_means_the_same_as_on_the_command_line(here: Path) -> None:
    notes, photos = read(here, f"no_discovery = true\n{TWO}no_default_ignores = true\nmode = 'mirror'\n")
    assert (notes.discovers, notes.default_rules, photos.default_rules) == (False, True, False)
    assert (notes.mode, photos.mode) == (Mode.TWO_WAY, Mode.MIRROR)
    notes, photos = read(here, f"no_discovery = false\n{TWO}no_default_ignores = false\n")
    assert (notes.discovers, photos.default_rules) == (True, True)
    assert "#no_default_ignores = false\n" in example()


def test_the_limits_of_speed_are_of_the_whole_node(here: Path) -> None:
    configs = read(here, f'limit_up = "2M"\nlimit_down_per_peer = 50000\n{TWO}')
    assert {one.speed for one in configs} == {SpeedLimits(up=2_000_000, peer_down=50_000)}
    with pytest.raises(ConfigError, match=":3: limit_up: all folders have this in common"):
        read(here, '[folders.notes]\ndir = "notes"\nlimit_up = "1M"\n')
