"""The house keeps its order: imports point down, importing is free, nothing calls out, modules stay small."""

import ast
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "stance").rglob("*.py"))

# A module imports from its own layer and those before it. "stance" is the package itself, the public functions.
ORDER = (
    "records",
    "files",
    "html",
    "topic",
    "language",
    "read",
    "quotes",
    "replies",
    "thread",
    "tagger",
    "tag",
    "table",
    "batch",
    "pseudonyms",
    "estimate",
    "gold",
    "report",
    "triage",
    "serve",
    "run",
    "stance",
    "examples",
    "nations",
    "measure",
    "train",
    "cli",
)
FROM_TABLES = {"table", "estimate", "gold", "report", "triage"}  # these work where only a table file is
OF_MODELS = {"torch", "transformers", "tokenizers", "safetensors"}
HEAVY = {
    "datasets",
    "lxml",
    "matplotlib",
    "numpy",
    "pandas",
    "pyarrow",
    "ray",
    "safetensors",
    "scipy",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
}
OUTWARD = ("aiohttp", "ftplib", "http.client", "httpx", "requests", "smtplib", "socket", "urllib.request", "urllib3")
CALLS_OUT = {"stance.tagger.chat": {"http.client", "urllib.request"}}  # asks the URL that the user names
MOST_LINES = 400
MOST_PARAMETERS = 6
LONGER: set[str] = set()  # modules that may have more lines; say why beside each
# "module.function" that may have more parameters; say why beside each
# each flag is a parameter
WIDER = {
    "stance.cli.compare.compare",
    "stance.cli.gold.draw",
    "stance.cli.gold.fit",
    "stance.cli.measure.evaluate",
    "stance.cli.run.run",
    "stance.cli.serve.serve",
    "stance.cli.threads.read",
    "stance.cli.threads.report",
    "stance.cli.threads.tag",
    "stance.cli.triage.queue",
    "stance.cli.triage.serve",
}
HELP_SECONDS = 0.4


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module):
    """The part of a dotted name that ORDER has; None for other packages."""
    first, *rest = module.split(".")
    if first != "stance":
        return None
    return rest[0] if rest and rest[0] in ORDER else "stance"


def imported_names(module, source, is_package=False):
    """All that a module imports as dotted names, in functions and for type checks too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")
                package = package[: len(package) - node.level + is_package]
                base = ".".join([*package, *filter(None, [base])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def upward_imports(module, source, is_package=False):
    """What a module must not import, for its place in ORDER."""
    own = layer_of(module)
    for name in imported_names(module, source, is_package):
        other = layer_of(name)
        if other is None or name == "stance.__version__":  # a text, which every file that is written names
            continue
        above = ORDER.index(other) > ORDER.index(own)
        if above or (own in FROM_TABLES and other == "tagger" and not only_for_types(source, name)):
            yield name


def only_for_types(source, name):
    """Whether a name is imported under ``if TYPE_CHECKING`` and nowhere else."""
    tree = ast.parse(source)
    guards = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    inside = {name for guard in guards for name in imported_names("", ast.unparse(guard))}
    everywhere = list(imported_names("", source))
    return name in inside and everywhere.count(name) == 1


def parameter_counts(source):
    """Name and number of parameters of every function, ``self`` and ``cls`` left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            extra = (node.args.vararg is not None) + (node.args.kwarg is not None)
            yield node.name, len([a for a in given if a.arg not in ("self", "cls")]) + extra


def every_module(test):
    return pytest.mark.parametrize("path", MODULES, ids=module_name)(test)


def test_every_module_has_a_place():
    layers = {path.relative_to(ROOT / "stance").parts[0].removesuffix(".py") for path in MODULES}
    assert layers - {"__init__"} <= set(ORDER)


@every_module
def test_imports_point_down(path):
    upward = upward_imports(module_name(path), path.read_text(encoding="utf-8"), path.name == "__init__.py")
    assert not list(upward)


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        ("stance.records", "from stance.table import Manifest", False),
        ("stance.read.text", "def f():\n    from stance.thread import link_posts", False),
        ("stance.read.text", "from .. import thread", False),
        ("stance.report", "from ..tagger import load_tagger", True),
        ("stance.report.page", "import stance.tagger.batch", False),
        ("stance.table", "from stance.tagger import load_tagger", False),
        ("stance.tag", "from stance import load_topic", False),
        ("stance.train.fit", "from stance.cli import main", False),
        ("stance", "import stance.cli", True),
    ],
)
def test_an_upward_import_is_seen(module, source, is_package):
    assert list(upward_imports(module, source, is_package))


@every_module
def test_models_are_imported_by_taggers_and_training_only(path):
    module = module_name(path)
    if layer_of(module) not in ("tagger", "train"):
        names = imported_names(module, path.read_text(encoding="utf-8"))
        assert not {name.split(".")[0] for name in names} & OF_MODELS


@every_module
def test_nothing_calls_out(path):
    names = list(imported_names(module_name(path), path.read_text(encoding="utf-8")))
    outward = {out for name in names for out in OUTWARD if name == out or name.startswith(f"{out}.")}
    assert outward == CALLS_OUT.get(module_name(path), set())


@every_module
def test_modules_stay_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES or module_name(path) in LONGER


@every_module
def test_functions_take_few_parameters(path):
    counts = parameter_counts(path.read_text(encoding="utf-8"))
    wide = {f"{module_name(path)}.{name}" for name, count in counts if count > MOST_PARAMETERS}
    assert not wide - WIDER


@pytest.mark.parametrize("name", ["", ".cli", ".read", ".thread", ".tag", ".table", ".estimate", ".report", ".run"])
def test_importing_is_free(name):
    code = f"import stance{name}, sys; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_is_quick():
    # Processor time: a busy machine stretches the clock's time many times over, and there is one thread, which waits
    # for nothing.
    code = "import sys; sys.argv = ['stance', '--help']; from stance.cli import main; main()"
    taken = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "Usage" in done.stdout
    assert min(taken) < HELP_SECONDS, f"the best of {len(taken)} took {min(taken):.2f} s; see python -X importtime"
