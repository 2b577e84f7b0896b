"""Topics: the shipped ones, a user's own, and errors that say which key in which line."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stance.records import Side, StanceError, Topic
from stance.topic import SHIPPED, load_topic, topic_names

LEAST = 'name = "harbour"\n[[side]]\nname = "the port"\n'


@pytest.fixture
def write(tmp_path):
    def write_topic(text):
        path = tmp_path / "own.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_topic


def test_the_seeds_topic_ships():
    topic = load_topic("karabakh-2020")
    assert topic.name == "karabakh-2020"
    assert [side.name for side in topic.sides] == ["Armenia", "Azerbaijan", "Russia"]
    assert [side.label for side in topic.sides] == ["pro-Armenia", "pro-Azerbaijan", "pro-Russia"]
    assert [side.target for side in topic.sides] == ["Armenia", "Azerbaijan", "Russia"]
    assert all(side.aliases for side in topic.sides)


@pytest.mark.parametrize("name", topic_names())
def test_every_shipped_topic_loads(name):
    topic = load_topic(name)
    assert topic == load_topic(SHIPPED / f"{name}.toml")
    assert topic.name == name
    aliases = [alias for side in topic.sides for alias in (side.name, *side.aliases)]
    assert len(aliases) == len(set(aliases)), "a name that stands for two sides"


def test_the_least_that_a_topic_needs(write):
    assert load_topic(write(LEAST)) == Topic("harbour", (Side("the port", "pro-the port", "the port", ()),))


def test_all_that_a_topic_may_have(write):
    text = """# ours
name = "harbour"

[[side]]
name = "Port"
label = "for the port"
target = "building the new port"
aliases = ["harbour", "docks"]

[[side]]
aliases = []
name = "Порт"
"""
    port = Side("Port", "for the port", "building the new port", ("harbour", "docks"))
    assert load_topic(str(write(text))) == Topic("harbour", (port, Side("Порт", "pro-Порт", "Порт", ())))


def test_sides_may_be_written_inline(write):
    topic = load_topic(write('name = "x"\nside = [{name = "a"}, {name = "b"}]\n'))
    assert [side.name for side in topic.sides] == ["a", "b"]


@pytest.mark.parametrize("form", ["\ufeff{}", "{}\r\n"])
def test_files_of_windows_are_read(write, form):
    assert load_topic(write(form.format(LEAST.replace("\n", "\r\n")))).name == "harbour"


def test_a_shipped_name_wins_over_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "karabakh-2020").write_text(LEAST)
    assert load_topic("karabakh-2020").name == "karabakh-2020"
    assert load_topic("./karabakh-2020").name == "harbour"


BROKEN = {
    "nothing": ("", 1, "the topic's name is missing", 'name = "..."'),
    "no name": ('\n[[side]]\ntarget = "a"\n', None, "the topic's name is missing", "[[side]]"),
    "name of a number": (
        '# x\nname = 3\n[[side]]\nname = "a"\n',
        2,
        "the topic's name is missing or not text",
        "name =",
    ),
    "blank name": ('name = " "\n[[side]]\nname = "a"\n', 1, "the topic's name", "name ="),
    "no side": ('name = "x"\n', 1, "no [[side]]", "[[side]]"),
    "one table of a side": ('name = "x"\n[side]\nname = "a"\n', 2, "no [[side]]", "[[side]]"),
    "sides of text": ('name = "x"\nside = ["a", "b"]\n', 2, "no [[side]]", "[[side]]"),
    "empty sides": ('name = "x"\nside = []\n', 2, "no [[side]]", "[[side]]"),
    "unknown key": ('name = "x"\n\nsides = 3\n', 3, "unknown key 'sides'", "[[side]]"),
    "unknown table": ('name = "x"\n[[sides]]\nname = "a"\n', 2, "unknown key 'sides'", "[[side]]"),
    "side without name": ('name = "x"\n[[side]]\nlabel = "a"\n', 2, "a [[side]] without 'name'", "name ="),
    "second side without name": (LEAST + "[[side]]\n", 4, "a [[side]] without 'name'", "name ="),
    "unknown key of a side": (LEAST + 'colour = "red"\n', 2, "unknown key 'colour' in [[side]]", "aliases"),
    "name of a side is a number": (
        'name = "x"\n[[side]]\nname = 3\n',
        2,
        "'name' in [[side]] is not text",
        "write name",
    ),
    "name of a side is empty": ('name = "x"\n[[side]]\nname = ""\n', 2, "'name' in [[side]]", "write name"),
    "name of a side is blank": ('name = "x"\n[[side]]\nname = " "\n', 2, "'name' in [[side]]", "write name"),
    "empty label": (LEAST + 'label = ""\n', 2, "'label' in [[side]]", "write label"),
    "target of a list": (LEAST + 'target = ["a"]\n', 2, "'target' in [[side]] is not text", "write target"),
    "aliases of text": (LEAST + 'aliases = "a"\n', 2, "'aliases' in [[side]] is not a list of text", "write aliases"),
    "aliases of numbers": (LEAST + "aliases = [1]\n", 2, "'aliases' in [[side]] is not a list of text", "aliases = ["),
    "empty alias": (LEAST + 'aliases = [""]\n', 2, "'aliases' in [[side]]", "aliases = ["),
    "two sides of a name": (
        LEAST + '[[side]]\nname = "the port"\n',
        4,
        "a second side named 'the port'",
        "its own name",
    ),
    "spaced brackets": ('name = "x"\n[[ side ]]\nname = "a"\n\n[[ side ]]\n', 5, "without 'name'", "name ="),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_topic_is_told_by_line_and_key(write, case):
    text, line, what, remedy = BROKEN[case]
    path = write(text)
    message = told(path)
    assert message.startswith(f"{path}:{line}: " if line else f"{path}:")
    assert what in message
    assert remedy in message.split(what)[1]


def test_the_line_of_a_missing_name_is_not_that_of_a_side(write):
    path = write('[[side]]\nname = "a"\n')
    assert told(path).startswith(f"{path}:1: ")


@pytest.mark.parametrize(
    ("text", "line"), [("name = \n", 1), ('name = "x"\n[[side]\n', 2), ('name = "x"\nname = "y"\n', 2)]
)
def test_what_is_not_toml_is_told_by_line(write, text, line):
    path = write(text)
    message = told(path)
    assert str(path) in message
    assert f"line {line}" in message or f"{path}:{line}:" in message
    assert "[[side]]" in message


def test_an_unknown_topic_names_the_shipped_ones(tmp_path):
    for name in ("no-such-topic", tmp_path / "absent.toml"):
        message = told(name)
        assert message.startswith(f"{name}: no such topic")
        assert "karabakh-2020" in message


def test_what_cannot_be_read_is_told(tmp_path, write):
    assert str(tmp_path) in told(tmp_path)
    assert "UTF-8" in told(write(b'name = "caf\xe9"\n'))
    assert told("")
    assert told("a\0b")
    assert told("x" * 5000)


def test_a_topic_nested_without_end_is_told(write):
    assert told(write("name = " + "[" * 50_000))


def told(path):
    """The message of the error that loading gives: one line."""
    with pytest.raises(StanceError) as caught:
        load_topic(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


PIECES = st.sampled_from(
    [
        "name",
        "label",
        "target",
        "aliases",
        "side",
        "[[side]]",
        "[side]",
        "=",
        '"x"',
        '"',
        "[",
        "]",
        "{",
        "}",
        "1",
        "\n",
        " ",
        "#",
        ".",
    ]
)


@given(st.one_of(st.text(), st.binary(), st.lists(PIECES).map("".join), st.lists(PIECES).map(" ".join)))
@example('name = "x"\nside = [{name = "a"}, {}]')
@example("[[side]]\n[[side]]\n" * 3)
def test_any_file_is_a_topic_or_an_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        topic = load_topic(path)
    except StanceError:
        assert str(path) in told(path)
    else:
        assert topic.name
        assert all(side.name and side.label and side.target for side in topic.sides)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@given(name=NAMES, sides=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_any_names_will_do(tmp_path_factory, name, sides):
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    path = tmp_path_factory.getbasetemp() / "named.toml"
    text = f"name = {quoted(name)}\n" + "".join(f"[[side]]\nname = {quoted(side)}\n" for side in sides)
    path.write_text(text, encoding="utf-8")
    topic = load_topic(path)
    assert topic.name == name
    assert [side.name for side in topic.sides] == sides
