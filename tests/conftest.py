"""Fixtures of several modules: a tagger with everything a real one has, small enough to be made for the tests."""

import json
import shutil
import string

import pytest
from hypothesis import settings

# No deadline: the first call of a model takes longer than the later ones.
settings.register_profile("stance", deadline=None, derandomize=True)
settings.load_profile("stance")

CHROMIUM = shutil.which("chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WORDS = """the a of and to in is are was not for with this that they we you it war peace side land people army truce
soldiers border support love hate stop right wrong good bad against north south armenia azerbaijan russia"""


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A tagger's folder: a random network, the same each time, and a small vocabulary; its windows are 24 tokens."""
    import torch

    from stance.tagger import Thresholds
    from stance.tagger.network import Network, Shape
    from stance.tagger.shipped import Calibration, Settings, save_folder

    tokenizer = tiny_tokenizer()
    shape = Shape(tokenizer.get_vocab_size(), width=32, layers=2, heads=4, inner=64, positions=128)
    calibration = {
        "stance": Calibration((0.1,), (0.1, -0.1, 0.0)),
        "toxicity": Calibration((0.1, 0.12, 0.14, 0.16, 0.18), (0.0, 0.1, -0.1, 0.2, -0.2)),
        "sentiment": Calibration((0.1,), (-0.1, 0.1, 0.0)),
        "mention": Calibration((0.1,), (0.1,)),
        "toxic_token": Calibration((0.1,), (-0.1,)),
    }
    thresholds = Thresholds(0.4, 0.4, (0.5, 0.5, 0.5, 0.5, 0.5))
    folder = tmp_path_factory.mktemp("taggers") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Network(shape)
    save_folder(folder, Settings("tiny", shape, 24, calibration, thresholds), network, tokenizer)
    (folder / "metrics.json").write_text(json.dumps({"made-up": {"stance_f1": {"value": 0.5, "n": 10}}}))
    return folder


@pytest.fixture(scope="session")
def tiny_tagger(tiny_folder):
    """The tagger in ``tiny_folder``, in fp32 on every machine."""
    from stance.tagger.shipped import load_folder

    tagger = load_folder(tiny_folder)
    tagger.bf16 = False
    return tagger


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven by Playwright; the tests skip where one of the two is not there."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def tiny_tokenizer():
    """WordPiece as BERT's, uncased, with the special tokens at BERT's ids; any ASCII text is spelt out in letters."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    special = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
    signs = string.ascii_lowercase + string.digits
    pieces = [*string.punctuation, *signs, *(f"##{sign}" for sign in signs), *WORDS.split()]
    unused = {f"[unused{number}]": number for number in range(1, 100)}
    vocabulary = special | unused | {piece: number for number, piece in enumerate(dict.fromkeys(pieces), start=104)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(special))
    return tokenizer
