"""The command that answers over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stance.cli.flags import TaggerName
from stance.records import StanceError, Topic
from stance.tagger import SHIPPED

LOOPBACK = ("localhost", "127.0.0.1", "::1")
KEY_VARIABLE = "STANCE_API_KEY"


def serve(
    host: Annotated[str, typer.Option(help="Where to listen; 127.0.0.1: this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8080,
    tagger: TaggerName = SHIPPED,
    topic: Annotated[str | None, typer.Option(help="For /v1/tag where a request names none; else no sides.")] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help=f"Holds the key that requests must show; or {KEY_VARIABLE}.")
    ] = None,
    coral_secret_file: Annotated[Path | None, typer.Option(help="Holds the secret with which Coral signs.")] = None,
    coral_withhold: Annotated[
        bool, typer.Option("--coral-withhold", help="Toxic comments wait for a moderator, not only get a flag.")
    ] = False,
    suggestions: Annotated[
        Path | None, typer.Option(help="A .jsonl file for comments:suggestscore; without it they are refused.")
    ] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name in Host headers that is answered.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="A site whose pages may ask: https://example.org")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Texts judged together at most; 1: one by one.")] = 64,
    queue: Annotated[int, typer.Option(min=1, help="Half kilobytes of text that may wait; more get 429.")] = 512,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request is given up.")] = 30.0,
    log_content: Annotated[
        bool, typer.Option("--log-content", help="Write texts and scores to stderr; else nothing of them.")
    ] = False,
) -> None:
    """Answer over HTTP: a stand-in for Perspective API, Coral's moderation phase, and /v1/tag."""
    from stance.serve import Options
    from stance.serve.server import run_server
    from stance.tagger import load_tagger
    from stance.topic import load_topic

    key = read_secret(api_key_file) or os.environ.get(KEY_VARIABLE) or None
    options = Options(
        hosts=(*LOOPBACK, host.lower(), *(name.lower() for name in allow_host or ())),
        origins=tuple(allow_origin or ()),
        api_key=key,
        coral_secret=read_secret(coral_secret_file),
        coral_withhold=coral_withhold,
        suggestions=suggestions,
        log_content=log_content,
        batch=batch,
        queue=queue,
        timeout=timeout,
    )
    if host not in LOOPBACK and key is None:
        typer.echo(f"stance: {host}: others can reach this, and no API key is asked for. Set --api-key-file.", err=True)
    sides = Topic("", ()) if topic is None else load_topic(topic)
    shown = f"[{host}]" if ":" in host else host

    def announce(listening: int) -> None:
        typer.echo(f"http://{shown}:{listening}")

    run_server(lambda: load_tagger(tagger), sides, options, (host, port), announce)


def read_secret(path: Path | None) -> str | None:
    """The one line of a file; None where none is named."""
    if path is None:
        return None
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise StanceError(f"{path}: cannot be read ({error}). Name a text file that holds the secret.") from error
    if not secret or not secret.isprintable() or " " in secret:
        raise StanceError(f"{path}: holds no secret. Write it as one line of letters and digits.")
    return secret
