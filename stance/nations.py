"""Names of nations, and texts with two of them swapped: what training varies and the audit asks."""

from __future__ import annotations

import re

# Of each nation: its people, the adjective, the capital, who leads or led it, then other names of no fixed kind.
NATIONS = {
    "Armenia": ("Armenians", "Armenian", "Yerevan", "Pashinyan", "Artsakh", "Stepanakert"),
    "Azerbaijan": ("Azerbaijanis", "Azerbaijani", "Baku", "Aliyev", "Azeris", "Azeri"),
    "Russia": ("Russians", "Russian", "Moscow", "Putin", "Kremlin"),
    "Ukraine": ("Ukrainians", "Ukrainian", "Kyiv", "Zelensky", "Kiev"),
    "Turkey": ("Turks", "Turkish", "Ankara", "Erdogan"),
    "Iran": ("Iranians", "Iranian", "Tehran", "Ahmadinejad"),
    "Iraq": ("Iraqis", "Iraqi", "Baghdad", "Saddam"),
    "Israel": ("Israelis", "Israeli", "Tel Aviv", "Netanyahu"),
    "China": ("Chinese", "Chinese", "Beijing", "Xi"),
    "India": ("Indians", "Indian", "Delhi", "Modi"),
    "Pakistan": ("Pakistanis", "Pakistani", "Islamabad", "Musharraf"),
    "Afghanistan": ("Afghans", "Afghan", "Kabul", "Karzai"),
    "Germany": ("Germans", "German", "Berlin", "Merkel"),
    "France": ("French", "French", "Paris", "Macron"),
    "Britain": ("Brits", "British", "London", "Blair", "UK"),
    "United States": ("Americans", "American", "Washington", "Bush", "USA"),
    "United Nations": ("UN", "UN", "Security Council", "Annan"),
    "European Union": ("EU", "EU", "Brussels", "the Commission"),
    "Muslims": ("Muslims", "Muslim", "Mecca", "the Caliph", "Islam"),
    "Japan": ("Japanese", "Japanese", "Tokyo", "Abe"),
    "Vietnam": ("Vietnamese", "Vietnamese", "Hanoi", "Ho Chi Minh"),
    "Saudi Arabia": ("Saudis", "Saudi", "Riyadh", "bin Salman"),
    "Serbia": ("Serbs", "Serbian", "Belgrade", "Milosevic"),
    "Greece": ("Greeks", "Greek", "Athens", "Tsipras"),
    "Georgia": ("Georgians", "Georgian", "Tbilisi", "Saakashvili"),
    "Syria": ("Syrians", "Syrian", "Damascus", "Assad"),
}
ALIGNED = 4  # the first so many names mean the same of every nation
OF_KARABAKH = (("Nikol", "Ilham"), ("Shushi", "Shusha"), ("Stepanakert", "Khankendi"), ("Artsakh", "Qarabag"))


def name_pattern(words: list[str]) -> re.Pattern[str]:
    """Finds any of the words as a whole word, longest first; a letter may follow a name that ends a hashtag's part."""
    return re.compile(rf"(?<![A-Za-z])({'|'.join(sorted(words, key=len, reverse=True))})(?![a-z])", re.I | re.A)


def swap_names(text: str, one: str, other: str) -> str:
    """The text with one nation for the other and back: its name, people, capital and leader."""
    pairs = [(one, other), *zip(NATIONS[one][:ALIGNED], NATIONS[other][:ALIGNED], strict=True)]
    swapped = {a.lower(): b for pair in pairs for a, b in (pair, pair[::-1])}
    if {one, other} == {"Armenia", "Azerbaijan"}:
        swapped |= {a.lower(): b for pair in OF_KARABAKH for a, b in (pair, pair[::-1])}
        swapped |= {"azeri": "Armenian", "azeris": "Armenians"}
    return name_pattern(list(swapped)).sub(lambda found: swapped[found.group().lower()], text)
