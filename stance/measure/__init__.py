"""How good a tagger is: measures, audit, self-test."""
