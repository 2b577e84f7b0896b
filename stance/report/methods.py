"""A paragraph on methods that can stand in a paper: only what is true of this very report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stance.estimate import CORRECTED, GOLD_ONLY, IN_FULL, PREDICTED, Row, judged_heads, judged_posts
from stance.html import plain_name, probability
from stance.pseudonyms import PSEUDONYMS
from stance.records import TOXICITY
from stance.report.calibrated import CALIBRATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stance.estimate.judged import Gold
    from stance.report.numbers import Numbers
    from stance.table import Manifest

AUTHORS = "The threadstance developers"  # as CITATION.cff names them

WILSON = (
    "Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the"
    " American Statistical Association 22(158), 209-212."
)
ROGAN = (
    "Rogan, W. J., and Gladen, B. (1978). Estimating prevalence from the results of a screening test. American Journal"
    " of Epidemiology 107(1), 71-76."
)
PPI = (
    "Angelopoulos, A. N., Bates, S., Fannjiang, C., Jordan, M. I., and Zrnic, T. (2023). Prediction-powered inference."
    " Science 382(6671), 669-674."
)
PPI_TUNED = (
    "Angelopoulos, A. N., Duchi, J. C., and Zrnic, T. (2023). PPI++: Efficient prediction-powered inference."
    " arXiv:2311.01453."
)
EGAMI = (
    "Egami, N., Hinck, M., Stewart, B. M., and Wei, H. (2023). Using imperfect surrogates for downstream inference:"
    " Design-based supervised learning for social science applications of large language models. Advances in Neural"
    " Information Processing Systems 36."
)
BONETT = (
    "Bonett, D. G., and Wright, T. A. (2000). Sample size requirements for estimating Pearson, Kendall and Spearman"
    " correlations. Psychometrika 65(1), 23-28."
)
KRIPPENDORFF = "Krippendorff, K. (2004). Content Analysis: An Introduction to Its Methodology. Sage."


@dataclass(frozen=True, slots=True)
class Methods:
    """What to paste: paragraphs, then the works that they name, in order of the alphabet."""

    paragraphs: tuple[str, ...]
    references: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n\n".join((*self.paragraphs, "References\n" + "\n".join(self.references)))


def write_methods(rows: Sequence[Row], manifest: Manifest, numbers: Numbers, correlated: bool) -> Methods:
    """``correlated``: whether the report gives rank correlations."""
    used: set[str] = set()
    posts = sum(row["kind"] == "post" for row in rows)
    paragraphs = [_tell_data(rows, posts, manifest)]
    if numbers.shares:
        paragraphs.append(_tell_tagger(rows, manifest))
        paragraphs.append(
            " ".join([*_tell_validation(numbers, manifest.thread_id, used), *_tell_estimates(numbers, used)])
        )
    if correlated and numbers.shares:
        used.add(BONETT)
        paragraphs.append(
            "Rank correlations are Spearman's, with 95% intervals by Fisher's transformation and the variance of Bonett"
            " and Wright (2000); they take posts for independent."
        )
    paragraphs.append(f"Software: {cite_software(manifest.version)}")
    own = f"{AUTHORS}. threadstance (version {manifest.version}) [computer software]."
    return Methods(tuple(paragraphs), tuple(sorted({own, *used})))


def cite_software(version: str) -> str:
    """How a paper names the program."""
    return f"threadstance, version {version} ({AUTHORS})."


def _tell_data(rows: Sequence[Row], posts: int, manifest: Manifest) -> str:
    judged = judged_posts(rows)
    words = sum(row["words"] for row in judged)
    title = f" “{manifest.title}”" if manifest.title else ""
    facts = [f"file {manifest.source}"] if manifest.source else []
    facts += [f"SHA-256 {manifest.source_sha256}"] if manifest.source_sha256 else []
    named = f" ({', '.join(facts)})" if facts else ""
    told = f"Data: the discussion{title}{named}, {_count(posts, 'post')}."
    if posts:
        told += f" {_count(len(judged), 'post')} could be judged, on {words:,} words of their own, without quoted text."
    if manifest.gaps:
        told += f" The source skips the post {_words('number', len(manifest.gaps))} {', '.join(manifest.gaps)}."
    return told


def _tell_tagger(rows: Sequence[Row], manifest: Manifest) -> str:
    heads = judged_heads(rows)
    tasks = []
    if "stance" in heads:
        sides = ", ".join(side.name for side in manifest.sides)
        tasks.append(f"stance toward each of {sides} (favor, against or none)")
    if "toxicity" in heads:
        cuts = zip(TOXICITY, manifest.toxicity_threshold, strict=True)
        told = ", ".join(f"{plain_name(name)} {probability(cut)}" for name, cut in cuts)
        tasks.append(f"toxicity (toxic where an attribute reaches its threshold: {told})")
    if "sentiment" in heads:
        tasks.append("sentiment (negative, neutral or positive)")
    tagger = f"{manifest.tagger} (SHA-256 {manifest.tagger_sha256})"
    sentences = [f"Tagging: the tagger {tagger} labelled each of these for {'; '.join(tasks)}."]
    if manifest.abstain_below is not None:
        sentences.append(
            f"Where the likeliest label had a probability under {probability(manifest.abstain_below)}, none was given."
        )
    done = (warning for warning in manifest.warnings if warning.startswith((CALIBRATED, PSEUDONYMS)))
    return " ".join([*sentences, *(f"{one[0].upper()}{one[1:]}." for one in done)])


def _tell_validation(numbers: Numbers, thread: str, used: set[str]) -> list[str]:
    if numbers.gold is None:
        return ["Validation: no post of this discussion was labelled by hand; the tagger's error here is not known."]
    gold = numbers.gold
    sentences = [_tell_sample(gold, thread, max(share.labelled for share in numbers.shares))]
    alpha = _tell_agreement(gold, thread)
    if alpha:
        used.add(KRIPPENDORFF)
        sentences.append(alpha)
    return sentences


def _tell_sample(gold: Gold, thread: str, labelled: int) -> str:
    strata = [one for one in gold.strata if one.thread == thread]
    drawn = sum(one.thread == thread for one in gold.drawn)
    coders = len({label.coder for label in gold.labels if label.thread == thread})
    how = "a simple random sample" if len(strata) <= 1 else f"a random sample stratified into {len(strata)} strata"
    if strata and drawn == sum(one.posts for one in strata):
        how = "all posts"
    return (
        f"Validation: {_count(labelled, 'post')} of this discussion {_words('was', labelled)} labelled by"
        f" {_count(coders, 'coder')}, out of {_count(drawn, 'post')} drawn ({how}, seed {gold.seed}, inclusion"
        f" probabilities stored).{' The first coder whose label a post has counts.' if coders > 1 else ''}"
    )


def _tell_agreement(gold: Gold, thread: str) -> str:
    """Krippendorff's alpha where two coders labelled the same posts; empty where they did not."""
    from stance.gold.agreement import measure_agreement

    own = replace(gold, labels=tuple(label for label in gold.labels if label.thread == thread))
    found = [one for one in measure_agreement(own) if one.alpha is not None]
    if not found:
        return ""
    told = ", ".join(f"{one.name} {one.alpha.value:.2f}" for one in found if one.alpha is not None)
    shared = max(one.units for one in found)
    return f"On {_count(shared, 'post')} with labels of two or more coders Krippendorff's alpha (2004) is: {told}."


def _tell_estimates(numbers: Numbers, used: set[str]) -> list[str]:
    shares = numbers.shares
    bases = {share.basis for share in shares}
    sentences = []
    if CORRECTED in bases:
        used |= {PPI, PPI_TUNED, EGAMI, WILSON}
        sentences.append(
            f"Estimation: {_some(shares, CORRECTED)} corrected for the tagger's errors by the tuned difference"
            " (prediction-powered) estimator on the hand labels, with the finite-population factor (Angelopoulos, Bates"
            " et al. 2023; Angelopoulos, Duchi and Zrnic 2023; Egami et al. 2023) and score intervals (Wilson 1927)."
        )
    if GOLD_ONLY in bases:
        used.add(WILSON)
        sentences.append(
            f"{_some(shares, GOLD_ONLY)} estimated from the hand labels alone, with score intervals (Wilson 1927)"
            " and the finite-population factor, because too few posts of the sample have or lack what is counted."
        )
    if IN_FULL in bases:
        sentences.append(
            f"{_some(shares, IN_FULL)} counted over hand labels of all judged posts, which leaves no interval."
        )
    if PREDICTED in bases:
        used.add(WILSON)
        sentences.append(
            f"{_some(shares, PREDICTED)} predicted and not validated; their 95% intervals (Wilson 1927) hold the chance"
            " of so many posts only, not the tagger's errors."
        )
    if any(share.band is not None for share in shares):
        used.add(ROGAN)
        sentences.append(
            "Sensitivity bands assume that the tagger errs here as on its test sets (Rogan and Gladen 1978)."
        )
    if bases & {CORRECTED, GOLD_ONLY}:
        sentences.append("Intervals are at 95% and refer to the posts of this discussion, a closed set.")
    return sentences


def _some(shares: Iterable[object], basis: str) -> str:
    found = list(shares)
    count = sum(getattr(share, "basis", "") == basis for share in found)
    return "All shares were" if count == len(found) else f"{count} of {len(found)} shares were"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {_words(noun, number)}"


def _words(noun: str, number: int) -> str:
    return {"was": "were", "has": "have"}.get(noun, f"{noun}s") if number != 1 else noun
