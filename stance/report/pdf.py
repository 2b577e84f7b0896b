"""A page printed to PDF: by a Chromium that is there, else by WeasyPrint where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stance.html import write_file
from stance.records import StanceError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_SECONDS = 180  # for a page of thousands of posts on a busy machine
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name is looked up: the page loads nothing, and nor may the browser
    "--no-pdf-header-footer",  # they would hold the name of a temporary file
    "--disable-dev-shm-usage",  # small in containers
)


def check_printer(path: Path) -> None:
    """Raise StanceError where nothing here could print ``path``."""
    if find_browser() is None and find_spec("weasyprint") is None:
        raise StanceError(
            f"{path}: nothing here prints PDF. Install Chromium (apt-get install chromium) or WeasyPrint"
            " (pip install 'threadstance[pdf]'), or print index.html from a browser."
        )


def print_pdf(page: bytes, path: Path) -> None:
    """Print a page that stands alone into a file, which appears whole. Raises StanceError where that fails."""
    browser = find_browser()
    if browser is not None:
        write_file(path, _print_by_browser(browser, page, path))
        return
    check_printer(path)
    weasyprint: Any = import_module("weasyprint")  # an extra: where it is missing, types are too
    write_file(path, weasyprint.HTML(string=page.decode("utf-8")).write_pdf())


def find_browser() -> str | None:
    """A Chromium or Chrome on PATH, else the one that playwright installed."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is not None:
        return found
    given = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    folder = Path(given) if given not in ("", "0") else Path.home() / ".cache" / "ms-playwright"
    installed = sorted(folder.glob("chromium*/chrome-*/*chrome*"))
    names = {"chrome", "chrome.exe", "headless_shell", "chrome-headless-shell"}
    return next((str(one) for one in reversed(installed) if one.name in names and os.access(one, os.X_OK)), None)


def _print_by_browser(browser: str, page: bytes, path: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="stance-", ignore_cleanup_errors=True) as folder:
        source, made = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_bytes(page)
        # Chromium's sandbox refuses to start for root, which is who runs in a container. The page runs no script.
        root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
        command = [browser, *_FLAGS, *root, f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}"]
        try:
            done = subprocess.run(  # noqa: S603
                [*command, source.as_uri()], capture_output=True, timeout=_SECONDS, check=False, cwd=folder
            )
        except subprocess.TimeoutExpired as error:
            raise StanceError(
                f"{path}: {browser} did not print it in {_SECONDS} s. Print index.html by hand."
            ) from error
        except OSError as error:
            raise StanceError(
                f"{path}: {browser} does not start ({error.strerror}). Print index.html by hand."
            ) from error
        if not made.is_file():
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            why = lines[-1] if lines else f"exit code {done.returncode}"
            raise StanceError(f"{path}: {browser} printed nothing ({why}). Print index.html by hand.")
        return made.read_bytes()
