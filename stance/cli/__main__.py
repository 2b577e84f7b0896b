"""``python -m stance.cli``."""

from stance.cli import main

main()
