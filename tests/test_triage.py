"""The queue holds what is gravest, its decisions stay, and what it says of itself is right."""

import csv
import json
import random
import sqlite3
from datetime import UTC, datetime, timedelta
from math import isnan

import numpy as np
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from stance.cli.triage import triage
from stance.gold.labels import read_gold, write_gold
from stance.records import TOXICITY, Judgement, Post, Quote, Reply, Side, StanceError, Tag, Thread
from stance.table import Manifest, build_table, read_table, write_table
from stance.triage.goals import (
    Decided,
    find_goal,
    measure_found,
    measure_precision,
    measure_recall,
    read_goals,
    set_goal,
)
from stance.triage.metrics import measure_agreement, measure_queue
from stance.triage.queue import AUDIT, SELECTED, Plan, build_queue, count_audits
from stance.triage.repeats import SHINGLE, SIMILAR, group_repeats
from stance.triage.severity import WEIGHTS, Cuts, find_band, score_table
from stance.triage.store import (
    LEASE,
    REASONS,
    Choice,
    RefusedError,
    add_queue,
    count_progress,
    decide,
    known_tables,
    list_items,
    next_item,
    open_store,
    read_cuts,
    undo,
)
from stance.triage.transfer import export_decisions, import_decisions, list_decisions, make_gold

SIDES = (Side("North", "pro-North", "the North"),)
MANIFEST = Manifest("tiny", "ab" * 32, "north", SIDES, "0.1.0", (0.4, 0.5, 0.5, 0.5, 0.5))
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAMILIAR = "the quick brown fox jumps over the lazy dog while seven bright stars look on from above"


def make_tag(toxicity, mention=0.1, evidence=()):
    """``toxicity``: one number for all attributes but threat, or a value an attribute."""
    values = toxicity if isinstance(toxicity, tuple) else (toxicity, toxicity, 0.01, 0.01, 0.01)
    return Tag(
        5, (Judgement("none", (0.1, 0.1, 0.8)),), values, Judgement("neutral", (0.1, 0.8, 0.1)), mention, evidence
    )


def make_table(posts, tags, thread="talk", manifest=MANIFEST):
    made = Thread(thread, f"{thread}.txt", "cd" * 32, "A talk", None, None, tuple(posts))
    return build_table(made, tags, None, manifest)


def make_many(count, thread="talk", seed=1):
    """Posts whose words differ, the later the less toxic."""
    generator = random.Random(seed)
    texts = [" ".join(generator.choice("abcdefgh") * generator.randint(2, 9) for _ in range(12)) for _ in range(count)]
    posts = [Post(str(place), text, author=f"author {place % 7}") for place, text in enumerate(texts)]
    return make_table(posts, [make_tag(0.95 * (1 - place / count)) for place in range(count)], thread)


def queue_of(*tables, plan=None):
    return build_queue({str(place): (f"{place}.parquet", one) for place, one in enumerate(tables)}, plan or Plan())


def fill_store(path, *tables, plan=None):
    store, queue = open_store(path), queue_of(*tables, plan=plan)
    add_queue(store, queue, {name: f"{name}.parquet" for name in queue.tables}, {})
    return store


def choose(action, token=None, **more):
    choose.count += 1
    return Choice(action, token=token or f"token-{choose.count:06}", **more)


choose.count = 0


# Severity and bands


def test_a_threat_stands_before_an_attack_before_an_insult_before_foul_words():
    order = ("obscene", "insult", "threat", "identity_attack")
    tags = [make_tag(tuple(0.9 if name == attribute else 0.0 for name in TOXICITY)) for attribute in order]
    posts = [Post(attribute, f"words number {place}") for place, attribute in enumerate(order)]
    shown = [item.group.lead.post for item in queue_of(make_table(posts, tags)).items]
    assert shown == ["threat", "identity_attack", "insult", "obscene"]


def test_severity_is_the_weighted_sum_and_the_attribute_the_one_highest_over_its_threshold():
    values = (0.41, 0.3, 0.2, 0.6, 0.1)
    (scored,) = score_table(make_table([Post("0", "Some words")], [make_tag(values)]))
    assert scored.severity == pytest.approx(
        sum(WEIGHTS[name] * value for name, value in zip(TOXICITY, values, strict=True)), abs=1e-6
    )
    assert (scored.attribute, scored.probability, scored.threshold) == ("obscene", 0.6, 0.5)
    assert scored.expected == 0.6


def test_what_a_tagger_does_not_judge_adds_nothing_and_posts_without_scores_are_left_out():
    nan = float("nan")
    posts = [Post(str(place), f"words {place}") for place in range(3)]
    table = make_table(posts, [make_tag((0.5, nan, nan, nan, nan)), make_tag((nan,) * 5), None])
    told = []
    queue = build_queue({"x": ("x.parquet", table)}, Plan(), note=told.append)
    assert [group.lead.severity for group in queue.groups] == [pytest.approx(0.5 * WEIGHTS["toxicity"])]
    assert told == ["x.parquet: 2 posts are not judged for toxicity and cannot be ranked"]


@pytest.mark.parametrize("cuts", [Cuts(), Cuts(0.1, 0.05), Cuts(likely=0.1), Cuts(review=3.0)])
def test_reported_words_are_never_likely(cuts):
    assert find_band(2.5, 1.9, True, cuts) == "review"


def test_bands_follow_the_taggers_thresholds_until_cuts_are_set():
    assert [find_band(9.0, reach, False, Cuts()) for reach in (1.0, 0.99, 0.5, 0.49)] == [
        "likely", "review", "review", "clear",
    ]  # fmt: skip
    cuts = Cuts(likely=1.0, review=0.3)
    assert [find_band(severity, 5.0, False, cuts) for severity in (1.0, 0.9, 0.3, 0.2)] == [
        "likely", "review", "review", "clear",
    ]  # fmt: skip


# Repeats


def test_near_repeats_are_one_and_others_are_not():
    changed = FAMILIAR.replace("above", "below")
    half = FAMILIAR.partition("lazy")[0] + "and then something else happened that nobody had seen"
    texts = [FAMILIAR, changed, half, f"{FAMILIAR.upper()}!!!"]
    assert group_repeats(texts, [None] * 4) == [0, 0, 2, 0]


def test_short_posts_are_one_only_from_one_author():
    assert group_repeats(["You too!", "you too", "You too", "", ""], ["Ann", "Ann", "Bo", "Bo", "Bo"]) == [
        0,
        0,
        2,
        3,
        4,
    ]
    assert group_repeats(["You too", "you too"], [None, None]) == [0, 1]


def test_candidates_miss_no_pair_over_the_limit():
    generator = random.Random(5)
    texts = [" ".join(generator.choice("abcdefghijklmnop") for _ in range(generator.randint(8, 16))) for _ in range(30)]
    for text in list(texts):
        words = text.split()
        words[generator.randrange(len(words))] = "changed"
        texts += [" ".join(words), " ".join([*words[1:], "more"])]

    def shingles(text):
        words = text.split()
        return {tuple(words[place : place + SHINGLE]) for place in range(len(words) - SHINGLE + 1)}

    leaders, expected = [], []
    for place, text in enumerate(texts):
        near = [
            (len(shingles(text) & shingles(texts[one])) / len(shingles(text) | shingles(texts[one])), -one)
            for one in leaders
        ]
        best = max(near, default=(0, 0))
        if best[0] >= SIMILAR:
            expected.append(-best[1])
        else:
            leaders.append(place)
            expected.append(place)
    assert group_repeats(texts, [None] * len(texts)) == expected
    assert len(leaders) < len(texts)


def test_repeats_count_once_and_are_listed():
    text = FAMILIAR
    posts = [Post("0", text, author="Ann"), Post("1", "Quite another thing", author="Bo"), Post("2", text, author="Cy")]
    queue = queue_of(make_table(posts, [make_tag(0.8), make_tag(0.7), make_tag(0.9)]))
    assert [[one.post for one in group.members] for group in queue.groups] == [["2", "0"], ["1"]]
    assert queue.items[0].view["members"] == [{"thread": "talk", "post": "0", "name": "Post 1", "author": "Ann"}]


# The queue


def test_capacity_holds_and_the_gravest_are_selected():
    queue = queue_of(make_many(200), plan=Plan(capacity=20))
    selected = [item.group.lead.post for item in queue.items if item.group.stratum == SELECTED]
    audits = [item.group for item in queue.items if item.group.stratum == AUDIT]
    assert len(queue.items) == 20
    assert [int(post) for post in selected] == list(range(16))
    assert {group.chance for group in audits} == {4 / 184}
    assert {group.stratum for group in queue.groups[16:]} == {AUDIT}
    assert {group.chance for group in queue.groups[:16]} == {1.0}


@pytest.mark.parametrize(
    ("groups", "capacity", "audit", "expected"),
    [
        (50, 50, 0.05, 0),
        (90, 50, 0.05, 2),
        (51, 50, 0.05, 1),
        (10_000, 50, 0.05, 10),
        (90, 50, 0.0, 0),
        (9, 1, 0.05, 0),
    ],
)
def test_audits_are_a_share_of_the_others_within_the_capacity(groups, capacity, audit, expected):
    assert count_audits(groups, Plan(capacity, audit)) == expected


def test_every_other_post_is_audited_equally_often():
    table, draws = make_many(25), 150
    counts = np.zeros(25)
    for seed in range(draws):
        for item in queue_of(table, plan=Plan(capacity=10, audit=0.1, seed=seed)).items:
            if item.group.stratum == AUDIT:
                counts[int(item.group.lead.post)] += 1
                chance = item.group.chance
    audits = count_audits(25, Plan(10, 0.1))
    others = 25 - (10 - audits)
    assert chance == audits / others
    assert counts[: 25 - others].sum() == 0
    assert abs(counts[-others:] / draws - chance).max() < 4.5 * (chance * (1 - chance) / draws) ** 0.5


def test_same_tables_and_seed_give_the_same_queue():
    table = make_many(120)
    first, again = (queue_of(table, plan=Plan(30, second=0.2, seed=3)) for _ in range(2))
    assert first.items == again.items
    assert first.items != queue_of(table, plan=Plan(30, second=0.2, seed=4)).items
    assert sum(item.moderators == 2 for item in first.items) == 6


def test_a_thread_that_is_there_already_is_left_out():
    told = []
    tables = {"a": ("a.parquet", make_many(5)), "b": ("b.parquet", make_many(5, seed=2))}
    queue = build_queue(tables, Plan(), note=told.append)
    assert {group.sha256 for group in queue.groups} == {"a"}
    assert told == ["b.parquet: the thread talk is in the queue from another table: left as it was"]


@pytest.mark.parametrize("plan", [{"capacity": 0}, {"audit": 1.0}, {"audit": -0.1}, {"second": 2.0}])
def test_a_plan_that_cannot_be_is_refused(plan):
    with pytest.raises(StanceError):
        Plan(**plan)


def test_an_item_shows_what_stands_around_it():
    body = "Hold the line.\n\nNever, you clown, never.\n\nelsewhere said"
    quotes = (Quote(0, 14, 0, "exact"), Quote(42, 56, None, "close"))
    posts = [
        Post("a", "Hold the line.", "1", "Ann", NOW),
        Post("b", body, "2", "Bo", None, quotes, (Reply(0, "quote"),)),
        Post("c", "Calm down.", "3", "Ann", replies=(Reply(1, "markup"),)),
        Post("d", "Another of mine.", "4", "Bo"),
    ]  # fmt: skip
    tags = [make_tag(0.1), make_tag((0.9, 0.9, 0.1, 0.8, 0.1), evidence=((7, 16),)), make_tag(0.1), make_tag(0.2)]
    view = queue_of(make_table(posts, tags)).items[0].view
    assert view["passages"] == [
        {"quote": "Hold the line.", "source": "No. 1"},
        {"parts": [("Never, ", False), ("you clown", True), (", never.\n\n", False)]},
        {"quote": "elsewhere said", "source": "outside the thread"},
    ]
    assert view["place"] == [2, 4]
    assert view["strong"]
    assert view["parent"] == {"name": "No. 1", "author": "Ann", "text": "Hold the line.", "strong": False}
    assert view["reply"]["name"] == "No. 3"
    assert [one["name"] for one in view["others"]] == ["No. 4"]
    assert json.loads(json.dumps(view))["toxicity"][0] == ["toxicity", 0.9, True]


# The store


def test_two_moderators_never_get_the_same_post(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(8))
    held = [next_item(store, name, NOW).id for name in ("Ann", "Bo", "Cy")]
    assert len(set(held)) == 3
    assert next_item(store, "Bo", NOW).id == held[1]  # looking again changes nothing
    later = NOW + LEASE + timedelta(seconds=1)
    assert next_item(store, "Dee", later).id == held[0]  # leases run out
    with pytest.raises(RefusedError, match="has this post now"):
        decide(store, held[0], "Ann", choose("hide"), later)
    decide(store, held[1], "Bo", choose("hide"), later)  # late, but nobody else has it


def test_a_decision_keeps_what_it_was_taken_on(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(8))
    item = next_item(store, "Ann", NOW)
    decide(store, item.id, "Ann", choose("warn", reason="insult", note="=1+1"), NOW)
    (row,) = list_decisions(store)
    lead = item.scored
    assert (row["thread"], row["post"], row["moderator"], row["action"]) == ("talk", lead.post, "Ann", "warn")
    assert (row["severity"], row["attribute"], row["threshold_on"], row["threshold"]) == (
        lead.severity, "toxicity", "toxicity", 0.4,
    )  # fmt: skip
    assert (row["band"], row["stratum"], row["chance"], row["tagger_sha256"]) == ("likely", "selected", 1.0, "ab" * 32)
    assert row["time"] == "2026-01-31T12:00:00.000000Z"


def test_undo_adds_a_row_and_gives_the_post_back(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(8))
    first = next_item(store, "Ann", NOW)
    decide(store, first.id, "Ann", choose("hide"), NOW)
    assert next_item(store, "Ann", NOW).id != first.id
    assert undo(store, "Ann", "undo-token-1", NOW) == first.id
    assert undo(store, "Ann", "undo-token-1", NOW) is None  # the form was sent twice
    assert undo(store, "Ann", "undo-token-2", NOW) is None
    assert next_item(store, "Ann", NOW).id == first.id
    rows = list(list_decisions(store))
    assert [(row["action"], row["standing"], row["undoes"]) for row in rows] == [
        ("hide", False, None), ("undo", False, rows[0]["id"]),
    ]  # fmt: skip
    decide(store, first.id, "Ann", choose("ignore"), NOW)
    assert measure_queue(store).actions["ignore"] == 1


@pytest.mark.parametrize("statement", ["UPDATE decisions SET action = 'ignore'", "DELETE FROM decisions"])
def test_the_log_can_only_grow(tmp_path, statement):
    store = fill_store(tmp_path / "q.sqlite", make_many(3))
    decide(store, next_item(store, "Ann").id, "Ann", choose("hide"))
    with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        store.execute(statement)


def test_a_form_sent_twice_is_one_decision(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(3))
    item = next_item(store, "Ann").id
    for _ in range(2):
        decide(store, item, "Ann", Choice("hide", token="the-same-token"))
    assert len(list(list_decisions(store))) == 1
    with pytest.raises(RefusedError, match="undo that first"):
        decide(store, item, "Ann", choose("warn"))
    with pytest.raises(RefusedError, match="has decided"):
        decide(store, item, "Bo", choose("warn"))


def test_skipped_posts_go_to_others(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(2))
    first = next_item(store, "Ann").id
    decide(store, first, "Ann", choose("skip"))
    second = next_item(store, "Ann").id
    decide(store, second, "Ann", choose("skip"))
    assert next_item(store, "Ann") is None
    assert count_progress(store, "Ann") == (2, 0, 2)
    assert next_item(store, "Bo").id == first


def test_second_opinions_are_asked_of_another_moderator(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(3), plan=Plan(second=1.0))
    item = next_item(store, "Ann").id
    decide(store, item, "Ann", choose("hide"))
    assert next_item(store, "Ann").id != item
    assert next_item(store, "Bo").id == item
    decide(store, item, "Bo", choose("ignore"))
    assert item not in {one.id for one in list_items(store, open_only=True)}
    assert measure_queue(store).shared == 1


@pytest.mark.parametrize(
    "choice",
    [Choice("ban", token="x" * 9), Choice("hide", reason="<b>", token="x" * 9), Choice("hide", token=""),
     Choice("hide", note="x" * 2001, token="x" * 9)],
)  # fmt: skip
def test_a_choice_outside_the_lists_is_refused(tmp_path, choice):
    store = fill_store(tmp_path / "q.sqlite", make_many(3))
    with pytest.raises(StanceError):
        decide(store, next_item(store, "Ann").id, "Ann", choice)
    assert list(list_decisions(store)) == []


def test_new_tables_join_the_queue_by_their_severity(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(4))
    grave = make_table([Post("0", "Much worse than all")], [make_tag((0.99,) * 5)], thread="other")
    queue = build_queue({"new": ("new.parquet", grave)}, Plan())
    add_queue(store, queue, {"new": "new.parquet"}, {})
    assert known_tables(store) == {"0", "new"}
    assert next_item(store, "Ann").view["thread"] == "other"
    assert len(list_items(store)) == 5


def test_every_commit_is_synced(tmp_path):
    store = open_store(tmp_path / "q.sqlite")
    assert store.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_another_programs_file_is_left_alone(tmp_path):
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE own(x)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StanceError, match="another program's"):
        open_store(path)
    assert path.read_bytes() == before
    (tmp_path / "text.sqlite").write_text("not a database at all, just text that goes on and on")
    with pytest.raises(StanceError, match="cannot be used"):
        open_store(tmp_path / "text.sqlite")
    with pytest.raises(StanceError, match="cannot be used"):
        open_store(tmp_path / "no" / "folder.sqlite")


# What the decisions say


def make_decided(severity, toxic, audit=(), chance=None, mention=()):
    count = len(severity)
    audits = np.array([place in audit for place in range(count)])
    return Decided(
        severity=np.array(severity, float),
        mention=np.array([place in mention for place in range(count)]),
        audit=audits,
        chance=np.where(audits, chance or 1.0, 1.0),
        toxic=np.array(toxic, float),
        band=("",) * count,
    )


def test_precision_has_the_exact_interval():
    decided = make_decided(range(30), [1] * 21 + [0] * 9)
    rate = measure_precision(decided, np.ones(30, bool))
    exact = binomtest(21, 30).proportion_ci(method="exact")
    assert (rate.value, rate.low, rate.high, rate.n) == (0.7, pytest.approx(exact.low), pytest.approx(exact.high), 30)
    assert isnan(measure_precision(decided, np.zeros(30, bool)).value)


def test_audits_weigh_for_the_posts_that_they_stand_for():
    nan = np.nan
    # Ten selected, nine toxic; of a hundred others ten were audited, one of them toxic: ten of them likely are.
    toxic = [1] * 9 + [0] + [1] + [0] * 9 + [nan] * 90
    decided = make_decided(range(110, 0, -1), toxic, audit=range(10, 110), chance=0.1)
    assert measure_precision(decided, np.ones(110, bool)).value == pytest.approx((9 + 10) / 110)
    found = measure_found(decided)
    assert found.value == pytest.approx((9 + 1) / (9 + 10))
    assert found.low < 10 / 55 < found.value < found.high <= 1


def test_undecided_posts_widen_what_is_known_of_recall():
    whole = make_decided(range(20, 0, -1), [1] * 5 + [0] * 15)
    assert (measure_found(whole).low, measure_found(whole).high) == (1.0, 1.0)
    half = make_decided(range(20, 0, -1), [1] * 5 + [0] * 5 + [np.nan] * 10)
    assert measure_found(half).low == pytest.approx(5 / 15)
    assert measure_found(half).high == 1.0
    assert isnan(measure_found(make_decided([1, 2], [np.nan, np.nan])).value)


def test_recall_interval_covers():
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        severity = np.sort(generator.random(400))[::-1]
        truth = generator.random(400) < severity**3
        shown = np.zeros(400, bool)
        shown[:60] = True
        shown[60 + generator.choice(340, 30, replace=False)] = True
        toxic = np.where(shown, truth.astype(float), np.nan)
        decided = make_decided(severity, toxic, audit=range(60, 400), chance=30 / 340)
        over = severity >= severity[59]
        rate = measure_recall(decided, over)
        covered += rate.low <= truth[over].sum() / truth.sum() <= rate.high
    assert covered >= 190


def test_goals_choose_the_widest_threshold_that_reaches_them():
    severity = np.arange(100, 0, -1) / 100
    toxic = [1] * 40 + [1, 0] * 10 + [0] * 40
    decided = make_decided(severity, toxic)
    goal = find_goal(decided, "precision", 0.9)
    over = severity >= goal.cut
    assert np.mean(np.array(toxic)[over]) >= 0.9
    wider = severity >= goal.cut - 0.01
    assert np.mean(np.array(toxic)[wider]) < 0.9
    assert goal.posts == over.sum()
    recall = find_goal(decided, "recall", 0.95)
    assert np.array(toxic)[severity >= recall.cut].sum() / 50 >= 0.95
    assert np.array(toxic)[severity > recall.cut].sum() / 50 < 0.95


def test_goals_are_not_set_on_a_handful_of_decisions_nor_by_reported_words():
    assert find_goal(make_decided(range(19), [1] * 19), "precision", 0.5).cut is None
    never = find_goal(make_decided(range(40), [0] * 40), "precision", 0.5)
    assert never.cut is None
    assert find_goal(make_decided(range(40), [1] * 40, mention=range(25)), "precision", 0.5).cut is None
    with pytest.raises(StanceError):
        find_goal(make_decided([], []), "recall", 1.0)


def test_a_goal_in_force_moves_the_bands(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(60), plan=Plan(60))
    for place in range(40):
        item = next_item(store, "Ann")
        decide(store, item.id, "Ann", choose("hide" if place < 25 else "ignore"))
    goal = set_goal(store, "precision", 0.9)
    assert read_cuts(store) == Cuts(likely=goal.cut)
    assert [one.target for one in read_goals(store)] == [0.9]
    assert read_goals(store)[0] == goal
    shown = next_item(store, "Ann")
    assert shown.scored.severity < goal.cut
    assert shown.band != "likely"
    decide(store, shown.id, "Ann", choose("ignore"))
    assert next(list_decisions(store))["threshold_on"] == "toxicity"


def test_agreement_is_krippendorffs_alpha():
    import krippendorff

    votes = [{"A": True, "B": True}, {"A": False, "B": False}, {"A": True, "B": False}, {"B": True, "C": True}]
    nan = np.nan
    table = [[1, 0, 1, nan], [1, 0, 0, 1], [nan, nan, nan, 1]]
    expected = krippendorff.alpha(reliability_data=np.array(table), level_of_measurement="nominal")
    assert measure_agreement(votes) == pytest.approx(expected)
    assert measure_agreement([{"A": True, "B": True}]) is None


def test_pace_leaves_breaks_out(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(6))
    for minutes in (0, 1, 2, 62, 63):
        now = NOW + timedelta(minutes=minutes)
        decide(store, next_item(store, "Ann", now).id, "Ann", choose("hide"), now)
    (ann,) = measure_queue(store).moderators
    assert (ann.decisions, ann.per_hour) == (5, pytest.approx(60))


# In and out


def test_export_defuses_formulas_and_holds_every_row(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(4))
    decide(store, next_item(store, "Ann").id, "Ann", choose("hide", note="=HYPERLINK(1)"))
    undo(store, "Ann", "undo-token-9")
    assert export_decisions(store, tmp_path / "out.csv") == 2
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8", newline="")))
    assert [row["note"] for row in rows] == ["'=HYPERLINK(1)", ""]
    export_decisions(store, tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["note"] for line in lines] == ["=HYPERLINK(1)", ""]
    assert lines[0]["members"] == [["talk", "0"]]
    with pytest.raises(StanceError, match="unknown ending"):
        export_decisions(store, tmp_path / "out.xlsx")


def page_row(post, action="hide", token=None, **more):
    given = {"token": token or f"page-token-{post}", "thread": "talk", "post": post, "moderator": "Bo"}
    return {**given, "time": "2026-01-31T12:00:00.000Z", "action": action, **more}


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_decisions_of_a_page_come_in_once_with_the_queues_own_scores(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(4))
    rows = [
        page_row("0", severity=99, chance=0.001, band="clear"),
        page_row("1", "ignore", note="\ud800 fine"),
        page_row("0", "undo", token="page-undo-1", undoes="page-token-0"),
        page_row("0", "warn", token="page-token-again", reason=REASONS[0]),
    ]
    path = write_lines(tmp_path / "in.jsonl", rows)
    assert import_decisions(store, path).added == 4
    again = import_decisions(store, path)
    assert (again.added, again.known) == (0, 4)
    found = list(list_decisions(store))
    assert found[0]["severity"] == list_items(store)[0].scored.severity
    assert (found[0]["chance"], found[0]["band"]) == (1.0, "likely")
    assert [row["action"] for row in found if row["standing"]] == ["ignore", "warn"]


@pytest.mark.parametrize(
    "bad",
    [
        page_row("99"), page_row("1", "ban"), page_row("1", moderator="<script>"), page_row("1", time="soon"),
        page_row("1", token=5), page_row("1", reason=["x"]), page_row("1", "undo", undoes="nothing"),
        page_row("0", token="another-one"), ["no"], page_row("1", time="0001-01-01T00:00:00+14:00"),
    ],
)  # fmt: skip
def test_a_bad_line_names_itself_and_nothing_comes_in(tmp_path, bad):
    store = fill_store(tmp_path / "q.sqlite", make_many(4))
    with pytest.raises(StanceError, match="line 2"):
        import_decisions(store, write_lines(tmp_path / "in.jsonl", [page_row("0"), bad]))
    assert list(list_decisions(store)) == []


def test_gold_keeps_the_chance_of_every_post(tmp_path):
    store = fill_store(tmp_path / "q.sqlite", make_many(100), plan=Plan(20))
    while (item := next_item(store, "Ann Lee")) is not None:
        decide(store, item.id, "Ann Lee", choose("hide" if item.scored.severity > 0.7 else "ignore"))
    told = []
    gold = make_gold(store, 7, told.append)
    assert told == []
    assert {(one.thread, one.name): one.posts for one in gold.strata} == {("talk", SELECTED): 16, ("talk", AUDIT): 84}
    weights = {
        name: sum(1 / one.probability for one in gold.drawn if one.stratum == name) for name in (SELECTED, AUDIT)
    }
    assert weights == {SELECTED: pytest.approx(16), AUDIT: pytest.approx(84)}
    assert gold.coders == ("Ann-Lee",)
    assert {label.toxicity[1:] for label in gold.labels} == {(None,) * 4}
    write_gold(tmp_path / "gold", gold)
    assert read_gold(tmp_path / "gold") == gold


def test_gold_labels_repeats_and_warns_of_a_queue_not_done(tmp_path):
    text = FAMILIAR
    posts = [Post("0", text, author="Ann"), Post("1", text, author="Cy"), Post("2", "Another thing")]
    store = fill_store(tmp_path / "q.sqlite", make_table(posts, [make_tag(0.8), make_tag(0.9), make_tag(0.1)]))
    with pytest.raises(StanceError, match="no decisions yet"):
        make_gold(store, 1)
    decide(store, next_item(store, "Ann").id, "Ann", choose("escalate"))
    told = []
    gold = make_gold(store, 1, told.append)
    assert {(label.post, label.toxicity[0]) for label in gold.labels} == {("0", True), ("1", True)}
    assert told[0].startswith("1 of 3 posts of the queue have no decision")


# The commands


@pytest.fixture
def tags(tmp_path):
    write_table(make_many(80), tmp_path / "tags.parquet")
    return tmp_path / "tags.parquet"


def run(*arguments):
    done = CliRunner().invoke(triage, [str(one) for one in arguments])
    if isinstance(done.exception, Exception):
        raise done.exception
    return done


def test_commands_build_go_on_and_report(tags, tmp_path):
    db = tmp_path / "q.sqlite"
    assert "80 judged posts, 50 in the queue, 2 of them a random audit" in run("queue", tags, "--db", db).output
    assert "in the queue already" in run("queue", tags, "--db", db).output
    store = open_store(db)
    decide(store, next_item(store, "Ann").id, "Ann", choose("hide"))
    assert "1 of 50 posts decided" in run("metrics", "--db", db).output
    assert "1 rows" in run("export", "--db", db, "-o", tmp_path / "log.csv").output
    assert "1 labels of 1 moderators" in run("gold", "--db", db, "-o", tmp_path / "gold").output
    assert "no threshold reaches it" in run("queue", tags, "--db", db, "--target-precision", "0.8").output


def test_tables_with_html_write_the_page_and_open_nothing(tags, tmp_path):
    done = run(tags, "--db", tmp_path / "q.sqlite", "--html", tmp_path / "queue.html", "--capacity", "5")
    assert done.output.splitlines()[-1] == str(tmp_path / "queue.html")
    assert (tmp_path / "queue.html").read_text("utf-8").count('<div class="desk"') == 5


def test_one_broken_table_is_told_of_and_the_others_come_in(tags, tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no")
    done = run("queue", broken, tags, "--db", tmp_path / "q.sqlite")
    assert "broken.parquet: not a Parquet file" in done.output
    assert "80 judged posts" in done.output
    with pytest.raises(StanceError, match="no table could be read"):
        run("queue", broken, "--db", tmp_path / "other.sqlite")


def test_commands_refuse_in_one_line(tags, tmp_path):
    for arguments, words in (
        (["metrics", "--db", tmp_path / "none.sqlite"], "no such queue"),
        (["serve", "--db", tmp_path / "none.sqlite"], "no queue here yet"),
        ([tags, "--db", tmp_path / "q.sqlite", "--host", "0.0.0.0"], "--key-file"),
        (["queue", tags, "--db", tmp_path / "q.sqlite", "--capacity", "0"], "capacity"),
        (["queue", tags, "--db", tmp_path / "q.sqlite", "--target-recall", "7"], "between 0 and 1"),
    ):
        with pytest.raises(StanceError, match=words) as raised:
            run(*arguments)
        assert "\n" not in str(raised.value)
    (tmp_path / "key").write_text("short")
    with pytest.raises(StanceError, match="easily guessed"):
        run(tags, "--db", tmp_path / "q.sqlite", "--host", "0.0.0.0", "--key-file", tmp_path / "key")


def test_table_read_back_gives_the_same_queue(tags):
    assert queue_of(read_table(tags)).items == queue_of(make_many(80)).items
