"""Triage for moderators: tables of tagged posts in, a ranked queue, decisions and what they are worth out.

The queue suggests what to read first. It decides nothing, and it ranks posts, never people.
"""
