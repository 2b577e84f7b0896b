"""Who answers whom: known answers on tiny threads, chance against enumeration, files that networkx reads back, and
pictures without a name over another."""

import itertools
import time
import warnings
from collections import Counter

import networkx
import numpy as np
import pytest
from lxml import html as lxml_html
from matplotlib import rc_context

from stance.estimate import PREDICTED
from stance.estimate.network import (
    OUTCOMES,
    Network,
    compare_stances,
    count_blocks,
    list_ties,
    measure_chance,
    measure_disagreement,
    read_network,
    write_network,
)
from stance.records import SENTIMENTS, STANCES, TOXICITY, Side
from stance.report import write_report
from stance.report.arrangement import Box, arrange_nodes, place_names
from stance.report.graph import BUSIEST, MOST_NODES, network_context, select_nodes
from stance.report.picture import _SETTINGS, NARROW, WIDE
from stance.report.sociogram import draw_blocks, draw_network, expect_replies, fit_text, lean_of, measure_text
from stance.table import Manifest, make_table

SIDES = ("North", "South")
HOSTILE = "<script>alert(1)</script>&\"'\x00\x0b\ufffe\ud800\u202e$x_1$]]>"
MANIFEST = Manifest(
    "minilm", "ab" * 32, "north-south", tuple(Side(name, name, name) for name in SIDES), "0.1.0", (0.5,) * 5
)
LABELS = {"f": "favor", "a": "against", "n": "none", "x": None}


def make_row(position, author, labels, reply_to=None, thread="talk", words=5):
    """A post with a label a side: one letter each, "x" where the tagger abstained; "" where it was not judged."""
    stance = None
    if labels:
        stance = [
            {"side": f"s{side}", "label": LABELS[letter], **dict.fromkeys(STANCES, 0.3)}
            for side, letter in enumerate(labels)
        ]
    tagged = bool(labels)
    return {
        "thread": thread, "kind": "post", "position": position, "id": f"id{position}", "number": str(position + 1),
        "author": author, "time": None, "body": "words", "quotes": [], "reply_to": reply_to, "reply_basis": "markup",
        "language": None, "words": words if tagged else 0, "stance": stance,
        "toxicity": dict.fromkeys(TOXICITY, 0.1) if tagged else None,
        "sentiment": {"label": "neutral", **dict.fromkeys(SENTIMENTS, 0.3)} if tagged else None,
        "mention": None, "evidence": None,
    }  # fmt: skip


TALK = [
    {**make_row(0, None, "fa"), "kind": "article", "position": None},
    make_row(0, "Ann", "fn"),
    make_row(1, "Bo", "af", 0),  # disagree on North
    make_row(2, "Ann", "fa", 1),  # disagree on both
    make_row(3, None, "aa", 2),  # North disagree, South agree: mixed
    make_row(4, None, "af", 1),  # agree on both
    make_row(5, "Cy", "xn", 0),  # not known
    make_row(6, "Ann", "", 4),  # no words of its own
    make_row(7, "Ann", "ff", 2),  # to herself
    make_row(8, "Bo", "ff", 99),  # a post that is not there
    make_row(9, "Bo", "an", 8),  # to himself
]


def make_crowd(authors, posts, seed=0, unknown=0.0, lean=0.7, sides=2):
    """A thread of invented authors, a few of whom write most, each leaning to a label."""
    generator = np.random.default_rng(seed)
    weight = generator.pareto(1.2, authors) + 0.3
    author = np.concatenate([np.arange(authors), generator.choice(authors, posts, p=weight / weight.sum())])[:posts]
    generator.shuffle(author)
    leans = generator.beta(lean, lean, (authors, sides))
    letters = np.where(generator.random((posts, sides)) < leans[author], "f", "a")
    letters[generator.random((posts, sides)) < 0.4] = "n"
    rows = []
    for place in range(posts):
        name = None if generator.random() < unknown else f"Author {author[place]}"
        target = max(0, place - int(generator.geometric(0.15))) if place and generator.random() < 0.8 else None
        rows.append(make_row(place, name, "".join(letters[place]), target))
    return rows


@pytest.fixture(scope="module")
def talk():
    return read_network(TALK, SIDES)


@pytest.mark.parametrize(
    ("first", "second", "outcomes"),
    [
        ("fn", "fn", ("agree", "unknown", "agree")),
        ("aa", "an", ("agree", "unknown", "agree")),
        ("fn", "an", ("disagree", "unknown", "disagree")),
        ("fa", "fa", ("agree", "agree", "agree")),
        ("ff", "fa", ("agree", "disagree", "mixed")),
        ("fn", "nf", ("unknown", "unknown", "unknown")),  # favor of one side says nothing of another
        ("fx", "xa", ("unknown", "unknown", "unknown")),
    ],
)
def test_a_link_has_an_outcome_toward_each_side_and_over_all(first, second, outcomes):
    codes = {"f": 1, "a": -1, "n": 0, "x": 0}
    ends = [np.array([codes[letter] for letter in labels], np.int8) for labels in (first, second)]
    assert tuple(OUTCOMES[one] for one in compare_stances(*ends)) == outcomes
    assert tuple(OUTCOMES[one] for one in compare_stances(*reversed(ends))) == outcomes


def test_links_of_a_talk(talk):
    links = list(zip(talk.source.tolist(), talk.target.tolist(), strict=True))
    assert links == [(1, 0), (2, 1), (3, 2), (4, 1), (5, 0), (6, 4)]
    over_all = [OUTCOMES[one] for one in talk.outcomes[:, -1]]
    assert over_all == ["disagree", "disagree", "mixed", "agree", "unknown", "unknown"]
    assert talk.self_replies == 2


def test_unknown_authors_are_not_one_person(talk):
    assert [(node.name, node.post, node.posts) for node in talk.nodes] == [
        ("Ann", None, 4),
        ("Bo", None, 3),
        (None, "id3", 1),
        (None, "id4", 1),
        ("Cy", None, 1),
    ]
    ann = talk.nodes[0]
    assert ann.stance[0] == {"favor": 3, "against": 0, "none": 0, "abstained": 0}
    assert ann.words == 15
    assert lean_of(ann, 0) == "favor"
    assert lean_of(ann, 1) == "none"  # one post each way


def test_ties_count_replies_of_authors(talk):
    ties = {(tie.source, tie.target): tie for tie in list_ties(talk)}
    assert {pair: tie.replies for pair, tie in ties.items()} == {
        (1, 0): 1, (0, 1): 1, (2, 0): 1, (3, 1): 1, (4, 0): 1, (0, 3): 1,
    }  # fmt: skip
    assert ties[2, 0].outcomes == ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0))


def test_blocks_count_replies_from_stance_to_stance(talk):
    north = count_blocks(talk)[0]
    assert north.tolist() == [[0, 1, 0], [2, 1, 0], [1, 1, 0]]
    assert north.sum() == len(talk.source)
    assert expect_replies(north).sum() == pytest.approx(6)
    assert expect_replies(north)[1, 0] == pytest.approx(3 * 3 / 6)


def test_disagreement_rates_say_that_they_are_predicted(talk):
    north, _, over_all = measure_disagreement(talk)
    assert (north.side, over_all.side) == ("North", None)
    assert north.counts == {"agree": 1, "disagree": 3, "mixed": 0, "unknown": 2}
    assert over_all.counts == {"agree": 1, "disagree": 2, "mixed": 1, "unknown": 2}
    share = over_all.share
    assert (share.count, share.n, share.share, share.basis) == (2, 4, 0.5, PREDICTED)
    assert 0 <= share.low < 0.5 < share.high <= 1


def test_nothing_known_gives_no_rate():
    rows = [make_row(0, "Ann", "nn"), make_row(1, "Bo", "fn", 0)]
    for rate in measure_disagreement(read_network(rows, SIDES)):
        assert rate.share is None
        assert rate.chance is None


@pytest.mark.parametrize("label", ["f", "a"])
def test_a_rate_of_none_or_all_has_an_interval(label):
    rows = [make_row(0, "Ann", "f"), *(make_row(n, f"B{n}", label, 0) for n in range(1, 9))]
    (rate, _) = measure_disagreement(read_network(rows, ("North",)))
    share = rate.share
    assert share.share == (label == "a")
    assert share.high - share.low > 0.2
    assert share.low == 0.0 if label == "f" else share.high == 1.0


def test_the_interval_counts_links_of_one_author_together():
    rows = make_crowd(12, 150, seed=4)
    network = read_network(rows, SIDES)
    outcomes = network.outcomes[:, 0]
    known = np.flatnonzero(outcomes != OUTCOMES.index("unknown"))
    value = (outcomes[known] == OUTCOMES.index("disagree")).astype(float)
    rest = value - value.mean()
    ends = [{int(network.author[network.source[k]]), int(network.author[network.target[k]])} for k in known]
    # every pair of links that share an author, one by one (Aronow, Samii and Assenova 2015)
    variance = (
        sum(rest[i] * rest[j] for i in range(len(known)) for j in range(len(known)) if ends[i] & ends[j])
        / len(known) ** 2
    )
    plain = value.mean() * (1 - value.mean()) / len(known)
    share = measure_disagreement(network, draws=10)[0].share
    effective = len(known) * plain / max(variance, plain)
    from scipy.stats import t
    from statsmodels.stats.proportion import proportion_confint

    authors = len(set().union(*ends))
    alpha = 0.05
    # statsmodels' Wilson interval uses a normal deviate: find the level at which that is this t
    from scipy.stats import norm

    level = 2 * norm.sf(t.ppf(1 - alpha / 2, authors - 1))
    low, high = proportion_confint(value.mean() * effective, effective, alpha=level, method="wilson")
    assert (share.low, share.high) == pytest.approx((low, high), abs=1e-9)


# --- against chance ---


def rate_of(codes, links):
    """Disagreeing links of known ones toward one side, counted the plain way; None where none is known."""
    both = [codes[first] * codes[second] for first, second in links]
    known = sum(one != 0 for one in both)
    return sum(one < 0 for one in both) / known if known else None


def judge(observed, drawn):
    """Mean of the drawn rates and the two-sided p."""
    below = np.mean([rate <= observed + 1e-9 for rate in drawn])
    above = np.mean([rate >= observed - 1e-9 for rate in drawn])
    return np.mean(drawn), min(1.0, 2 * min(below, above))


def test_chance_of_posts_is_that_of_all_permutations():
    rows = [
        make_row(place, f"A{place}", letter, place - 1 if place else None) for place, letter in enumerate("fafanff")
    ]
    network = read_network(rows, ("North",))
    codes = network.stance[:, 0].tolist()
    links = list(zip(network.source.tolist(), network.target.tolist(), strict=True))
    drawn = [rate_of([codes[k] for k in order], links) for order in itertools.permutations(range(len(codes)))]
    expected, p = judge(rate_of(codes, links), [rate for rate in drawn if rate is not None])
    (chance, over_all) = measure_chance(network, draws=4000, keep_authors=False)
    assert chance.expected == pytest.approx(expected, abs=0.015)
    assert chance.p == pytest.approx(p, abs=0.03)
    assert chance == over_all  # of one side


def test_chance_of_authors_moves_their_labels_together():
    # three authors with two posts each, one with one: two groups, so Dee keeps her label
    authors = ["Ann", "Bo", "Cy", "Ann", "Bo", "Cy", "Dee"]
    rows = [
        make_row(place, name, letter, place - 1 if place else None)
        for place, (name, letter) in enumerate(zip(authors, "fafafna", strict=True))
    ]
    network = read_network(rows, ("North",))
    codes = network.stance[:, 0].tolist()
    links = list(zip(network.source.tolist(), network.target.tolist(), strict=True))
    own = {name: [place for place, one in enumerate(authors) if one == name] for name in ("Ann", "Bo", "Cy")}
    drawn = []
    for order in itertools.permutations(own):
        for starts in itertools.product(range(2), repeat=3):
            moved = list(codes)
            for places, donor, start in zip(own.values(), order, starts, strict=True):
                for rank, place in enumerate(places):
                    moved[place] = codes[own[donor][(rank + start) % 2]]
            drawn.append(rate_of(moved, links))
    expected, p = judge(rate_of(codes, links), [rate for rate in drawn if rate is not None])
    (chance, _) = measure_chance(network, draws=4000)
    assert chance.expected == pytest.approx(expected, abs=0.015)
    assert chance.p == pytest.approx(p, abs=0.03)


def test_a_posts_labels_toward_all_sides_move_together():
    rows = [
        make_row(place, f"A{place}", "fa" if place % 2 else "af", place - 1 if place else None) for place in range(12)
    ]
    *_, over_all = measure_chance(read_network(rows, SIDES), draws=300, keep_authors=False)
    north, south, _ = measure_chance(read_network(rows, SIDES), draws=300, keep_authors=False)
    assert north == south == over_all  # never mixed, as the labels mirror each other in every shuffle
    assert north.p < 0.05


def test_leaning_authors_who_answer_anybody_are_seldom_called_related():
    found = []
    for seed in range(60):
        network = read_network(make_crowd(30, 150, seed=seed), SIDES)
        found.append([measure_chance(network, draws=100, keep_authors=keep)[0].p <= 0.05 for keep in (True, False)])
    together, apart = np.mean(found, axis=0)
    assert together <= 0.1  # with 60 networks 5 % come out as 0 to 10 %
    assert apart >= together


def test_people_who_answer_opponents_are_found():
    generator = np.random.default_rng(7)
    camp = {f"A{number}": "fa"[number % 2] for number in range(24)}
    names = list(camp)
    rows = []
    for place in range(120):
        name = names[generator.integers(24)]
        others = [row["position"] for row in rows[-25:] if camp[row["author"]] != camp[name]]
        rows.append(make_row(place, name, camp[name], generator.choice(others).item() if others else None))
    rate = measure_disagreement(read_network(rows, ("North",)))[0]
    assert rate.share.share == 1.0
    assert rate.chance.high < 1.0
    assert rate.chance.p < 0.01


def test_mixing_and_assortativity_are_networkx_s():
    network = read_network(make_crowd(20, 300, seed=3), SIDES)
    block = count_blocks(network)[0][:2, :2]
    graph = networkx.MultiDiGraph()
    for source, target in zip(network.source.tolist(), network.target.tolist(), strict=True):
        if network.stance[source, 0] and network.stance[target, 0]:
            for end in (source, target):
                graph.add_node(end, stance=int(network.stance[end, 0]))
            graph.add_edge(source, target)
    mixing = networkx.attribute_mixing_matrix(graph, "stance", mapping={1: 0, -1: 1})
    np.testing.assert_allclose(mixing, block / block.sum())
    share = measure_disagreement(network, draws=10)[0].share
    assert share.share == pytest.approx(1 - np.trace(mixing))
    expected = np.trace(expect_replies(block)) / block.sum()
    ours = (1 - share.share - expected) / (1 - expected)
    assert ours == pytest.approx(networkx.attribute_assortativity_coefficient(graph, "stance"))


# --- files ---


@pytest.mark.parametrize("ending", ["gexf", "graphml"])
def test_networkx_reads_the_files_back(tmp_path, ending):
    written = write_network(TALK, MANIFEST, tmp_path)
    assert [path.name for path in written] == ["network.gexf", "network.graphml"]
    read = {"gexf": networkx.read_gexf, "graphml": networkx.read_graphml}[ending]
    graph = read(tmp_path / f"network.{ending}")
    assert graph.is_directed()
    nodes = dict(graph.nodes(data=True))
    assert [nodes[f"n{place}"]["label"] for place in range(5)] == ["Ann", "Bo", "unknown", "unknown", "Cy"]
    ann = nodes["n0"]
    assert (ann["posts"], ann["words"], ann["North favor"], ann["South against"]) == (4, 15, 3, 1)
    assert (nodes["n2"]["kind"], nodes["n2"]["post"]) == ("post of an unknown author", "id3")
    tie = graph.edges["n1", "n0"]
    assert {name: tie[name] for name in ("weight", "replies", *OUTCOMES)} == {
        "weight": 1, "replies": 1, "agree": 0, "disagree": 1, "mixed": 0, "unknown": 0,
    }  # fmt: skip
    assert PREDICTED in (tmp_path / f"network.{ending}").read_text("utf-8")


def test_same_rows_give_the_same_files(tmp_path):
    first = [path.read_bytes() for path in write_network(TALK, MANIFEST, tmp_path)]
    assert first == [path.read_bytes() for path in write_network(TALK, MANIFEST, tmp_path)]


@pytest.mark.parametrize("ending", ["gexf", "graphml"])
def test_hostile_names_make_valid_files(tmp_path, ending):
    rows = [make_row(0, HOSTILE, "f"), make_row(1, "\x85\u2028\ud83d\udc4b 王\n\t", "a", 0), make_row(2, "", "f", 1)]
    sides = (Side(HOSTILE, "x", "x"),)
    manifest = Manifest(HOSTILE, "ab", HOSTILE, sides, HOSTILE, (0.5,) * 5, thread_id=HOSTILE)
    write_network(rows, manifest, tmp_path)
    read = {"gexf": networkx.read_gexf, "graphml": networkx.read_graphml}[ending]
    graph = read(tmp_path / f"network.{ending}")
    cleaned = HOSTILE.replace("\x00", "�").replace("\x0b", "�").replace("\ufffe", "�").replace("\ud800", "�")
    assert graph.nodes["n0"]["name"] == cleaned
    assert graph.nodes["n0"][f"{cleaned} favor"] == 1
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (3, 2)


def test_without_replies_there_is_no_network(tmp_path):
    rows = [make_row(0, "Ann", "ff"), make_row(1, "Ann", "ff", 0)]
    assert write_network(rows, MANIFEST, tmp_path) == []
    assert network_context(rows, MANIFEST) is None
    assert network_context([], MANIFEST) is None
    assert not list(tmp_path.iterdir())


def test_posts_of_two_threads_keep_to_their_own():
    rows = [make_row(0, "Ann", "f"), make_row(1, "Bo", "a", 0)]
    rows += [make_row(0, "Bo", "f", thread="more"), make_row(1, "Cy", "f", 0, thread="more")]
    network = read_network(rows, ("North",))
    assert [node.name for node in network.nodes] == ["Ann", "Bo", "Cy"]
    assert network.outcomes[:, 0].tolist() == [OUTCOMES.index("disagree"), OUTCOMES.index("agree")]


# --- pictures ---


def text_boxes(figure):
    """Every text with its box, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


def check_texts(figure):
    """No text over another, and none beyond the edge."""
    boxes = text_boxes(figure)
    edge = figure.bbox
    for words, box in boxes:
        assert box.x0 >= edge.x0 - 0.5, words
        assert box.x1 <= edge.x1 + 0.5, words
        assert box.y0 >= edge.y0 - 0.5, words
        assert box.y1 <= edge.y1 + 0.5, words
    for (words, one), (other_words, other) in itertools.combinations(boxes, 2):
        assert not one.padded(-0.5).overlaps(other.padded(-0.5)), (words, other_words)
    return [words for words, _ in boxes]


def draw(network, width):
    with rc_context(_SETTINGS):
        return draw_network(select_nodes(network, 0), width)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("authors", [8, 60, 200])
def test_no_name_lies_over_another_or_is_cut(authors, width):
    network = read_network(make_crowd(authors, 4 * authors, unknown=0.05 if authors == 60 else 0), SIDES)
    figure = draw(network, width)
    words = check_texts(figure)
    names = [one for one in words if one.startswith("Author ")]
    assert len(names) >= min(6, authors // 2)
    assert len(set(names)) == len(names)
    assert "replies disagree" in words
    if width == WIDE:
        busiest = max(network.nodes, key=lambda node: node.posts if node.name else 0)
        assert busiest.name in names


def test_long_and_hostile_names_fit():
    rows = [make_row(0, "W" * 400, "f")]
    rows += [make_row(place, f"{HOSTILE}{place}", "a", place - 1) for place in range(1, 12)]
    figure = draw(read_network(rows, ("North",)), NARROW)
    names = check_texts(figure)
    assert any(name.startswith("WWW") and name.endswith("…") for name in names)
    assert not any("\x00" in name or "\u202e" in name for name in names)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_blocks_fit_with_many_sides_and_long_names(width):
    names = ["N" * 60, "South", "East", "West", "Up"]
    blocks = np.arange(45).reshape(5, 3, 3) * 997
    with rc_context(_SETTINGS):
        words = check_texts(draw_blocks(names, blocks, width))
    assert str(44 * 997) in words
    assert measure_text(fit_text("N" * 60, 200, 11.5), 11.5, "bold")[0] <= 200


@pytest.mark.parametrize(("nodes", "ties"), [(2, 1), (9, 12), (70, 120), (200, 400), (200, 100), (1, 0)])
def test_nodes_lie_inside_apart_and_always_the_same(nodes, ties):
    generator = np.random.default_rng(nodes)
    pairs = [
        (first, second, 1) for first, second in generator.integers(0, nodes, (ties, 2)).tolist() if first != second
    ]
    radii = generator.uniform(3, 8, nodes)
    places = arrange_nodes(pairs, radii, 800, 500)
    assert (places >= radii[:, None]).all()
    assert (places + radii[:, None] <= [800, 500]).all()
    between = np.sqrt(((places[:, None] - places[None]) ** 2).sum(-1)) - radii[:, None] - radii[None, :]
    np.fill_diagonal(between, 1.0)
    assert (between > 0).all()
    np.testing.assert_array_equal(places, arrange_nodes(pairs, radii, 800, 500))


def test_a_name_without_space_is_left_out():
    places, radii = np.array([[10.0, 10.0], [30.0, 10.0]]), np.array([5.0, 5.0])
    assert place_names([(40, 12)], [0], places, radii, Box(0, 0, 45, 20)) == {}
    places = np.array([[50.0, 30.0], [62.0, 30.0]])
    found = place_names([(40, 12), (40, 12)], [0, 1], places, radii, Box(0, 0, 120, 60))
    assert len(found) == 2
    assert not found[0].overlaps(found[1])


# --- on the page ---


def test_context_holds_pictures_and_their_numbers():
    context = network_context(TALK, MANIFEST)
    assert [picture.name for picture in context["pictures"]] == ["replies", "network"]
    assert set(context["data"]) == {"replies", "network"}
    assert (context["replies"], context["self_replies"]) == (6, 2)
    assert (context["named"], context["unknown"]) == (3, 2)
    assert context["side"] == "North"  # three disagree; on South one does
    assert context["rates"].lines[0][:5] == ("North", "1", "3", "0", "2")
    assert context["links"][0]["posts"] == [("p1", "No. 2"), ("p0", "No. 1")]
    assert [link["outcome"] for link in context["links"]] == ["disagree", "disagree", "mixed", "agree"]
    lines = {line[:2]: line[2] for line in context["data"]["network"].lines}
    assert lines["Bo", "Ann"].show == "author=1&answers=0"
    assert lines["unknown (No. 4)", "Ann"] == "1"
    for picture in context["pictures"]:
        assert PREDICTED in picture.description


def test_names_in_other_scripts_raise_no_warning():
    rows = [make_row(0, "王小明", "fn"), make_row(1, "👋🏽", "an", 0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = network_context(rows, MANIFEST)["pictures"][1]
    assert "王小明" in picture.wide


def test_of_many_authors_the_busiest_are_drawn():
    network = read_network(make_crowd(400, 2000, seed=1), SIDES)
    selection = select_nodes(network, 0)
    assert selection.busiest
    assert 2 <= len(selection.nodes) <= BUSIEST
    posts = sorted((node.posts for node in network.nodes), reverse=True)
    assert min(node.posts for node in selection.nodes) >= posts[BUSIEST - 1]


def test_posts_of_unknown_authors_make_way_for_authors():
    rows = make_crowd(50, 600, seed=2, unknown=0.5)
    network = read_network(rows, SIDES)
    linked = Counter(
        network.nodes[node].name is None for tie in list_ties(network) for node in (tie.source, tie.target)
    )
    assert linked[True] > MOST_NODES
    selection = select_nodes(network, 0)
    assert not selection.busiest
    assert all(node.name for node in selection.nodes)
    context = network_context(rows, MANIFEST)
    assert context["drawn_unknown"] == 0 < context["unknown"]


def test_a_thread_of_unknown_authors_has_no_drawing_when_long():
    rows = [make_row(place, None, "fa"[place % 2] + "n", place - 1 if place else None) for place in range(400)]
    context = network_context(rows, MANIFEST)
    assert [picture.name for picture in context["pictures"]] == ["replies"]
    assert context["rates"].lines[0][2] == "399"


def test_without_stance_replies_are_drawn_all_the_same():
    rows = [make_row(0, "Ann", ""), make_row(1, "Bo", "", 0)]
    context = network_context(rows, MANIFEST)
    assert [picture.name for picture in context["pictures"]] == ["network"]
    assert context["rates"] is None


def test_a_long_thread_is_quick(tmp_path):
    rows = make_crowd(1000, 5000, seed=5, unknown=0.1, sides=2)
    network_context(TALK, MANIFEST)  # what is imported once
    started = time.process_time()
    context = network_context(rows, MANIFEST)
    write_network(rows, MANIFEST, tmp_path)
    assert time.process_time() - started < 3
    assert sum(len(picture.wide) + len(picture.narrow) for picture in context["pictures"]) < 400_000


def test_the_page_of_a_thread_shows_its_network(tmp_path):
    rows = [{**row, "author": HOSTILE if row["author"] == "Bo" else row["author"]} for row in TALK[1:]]
    rows = [{**row, "author": row["author"].replace("\ud800", "?") if row["author"] else None} for row in rows]
    page = write_report(make_table(rows, MANIFEST), tmp_path).read_text("utf-8")
    section = lxml_html.fromstring(page).get_element_by_id("network")
    text = " ".join(section.text_content().split())
    assert "Not validated: predicted labels" in text
    assert "6 replies between 3 named authors and 2 posts of unknown authors" in text
    assert "<script>alert" not in page
    links = [link.get("href") for link in section.xpath(".//li/a")]
    assert links
    for link in links:
        assert f'id="{link[1:]}"' in page
    files = {link.get("href") for link in section.xpath(".//p[@class='files']/a")}
    assert {"network.gexf", "network.graphml", "figures/network.csv", "figures/replies.csv"} <= files
    assert all((tmp_path / name).is_file() for name in files)
    # the texts of drawings stay texts
    assert any("Ann" in one.text_content() for one in section.xpath(".//*[local-name()='text']"))


def test_a_network_is_frozen(talk):
    assert isinstance(talk, Network)
    with pytest.raises(AttributeError):
        talk.self_replies = 0
