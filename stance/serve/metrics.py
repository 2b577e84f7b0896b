"""What the server counts, in the text format that Prometheus reads. Nothing of what was sent is in it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Counts of values up to each bound, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # each of its own bucket; the last: above all bounds
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str = "") -> list[str]:
        """Buckets are cumulative there."""
        found, total = [], 0
        comma = "," if labels else ""
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            found.append(f'{name}_bucket{{{labels}{comma}le="{bound}"}} {total}')
        braces = f"{{{labels}}}" if labels else ""
        return [*found, f"{name}_sum{braces} {self.sum:.6f}", f"{name}_count{braces} {total}"]


class Metrics:
    """Counted since the start. Changed by the event loop alone."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()  # by route and status code
        self.seconds: dict[str, Histogram] = {}  # by route, from the request's headers to the answer's
        self.batches = Histogram(TEXTS)  # texts judged together
        self.waiting = 0  # half kilobytes of text that are waiting or being judged

    def count_request(self, route: str, code: int, seconds: float) -> None:
        self.requests[route, code] += 1
        self.seconds.setdefault(route, Histogram(SECONDS)).add(seconds)

    def show(self) -> str:
        """Routes are the server's own and few: whatever else was asked for is counted as "other"."""
        lines = ["# HELP stance_requests_total Requests answered.", "# TYPE stance_requests_total counter"]
        for (route, code), count in sorted(self.requests.items()):
            lines.append(f'stance_requests_total{{route="{route}",code="{code}"}} {count}')
        lines += ["# HELP stance_request_seconds Time to answer.", "# TYPE stance_request_seconds histogram"]
        for route, histogram in sorted(self.seconds.items()):
            lines += histogram.lines("stance_request_seconds", f'route="{route}"')
        lines += ["# HELP stance_batch_texts Texts judged together.", "# TYPE stance_batch_texts histogram"]
        lines += self.batches.lines("stance_batch_texts")
        lines += ["# HELP stance_queue_halfkilobytes Text in the queue.", "# TYPE stance_queue_halfkilobytes gauge"]
        lines.append(f"stance_queue_halfkilobytes {self.waiting}")
        return "\n".join(lines) + "\n"
