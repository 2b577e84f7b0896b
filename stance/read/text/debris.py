"""What a copied page leaves among its posts: buttons, scores, headings of the list, forms below it."""

from __future__ import annotations

import re

MAXIMUM_LENGTH = 160  # characters of a line looked at

# Dropped at the edges of a post only: "Reply" may be a poster's word, a line of it at the end is a button.
BUTTON = re.compile(
    r"(?:\d{1,5}\s)?[\s*+•·|›»\[({⬆⬇▲▼↑↓–-]*+(?P<word>reply to this|reply|replies|repl(?:y|ies) to [^\n]{1,60}?"
    r"|reply with quote|quote|like|likes|dislike|unlike|share|permalink"
    r"|permanent link|link|fedilink|edit|edited|delete|report|report (?:abuse|post|comment|this)|flag"
    r"|flag as \w+|save|embed|parent"
    r"|context|give award|award|upvote|downvote|vote|votes?|recommend|recommended|follow|favou?rite|bookmark"
    r"|hide|collapse"
    r"|expand|show more|read more|more|less|view|view profile|send (?:pm|message|email)|top|back to top"
    r"|back to comments|up|down"
    r"|arrow-up|arrow-down|next|prev|previous|log in (?:or register )?to (?:reply|post comments?)"
    r"|login to reply|sign in to reply"
    r"|improve this (?:answer|question)|add a comment|add comment|copy link|tweet|print|email|ignore|block"
    r"|loading\.{0,3}"
    r"|helpful|unhelpful|thanks|thank|multi-?quote|show parent comments?|advertisement|werbung:?|anzeige"
    r"|antworten|antwort|antworten?löschen|löschen|zitieren|melden|teilen|gefällt mir|bearbeiten|mehr anzeigen"
    r"|répondre|signaler|partager|citer|j['’]aime|responder|eliminar|compartir|citar|me gusta|denunciar"
    r"|rispondi|elimina"
    r"|condividi|segnala|excluir|curtir|compartilhar|ответить|удалить|поделиться|нравится|пожаловаться|цитировать"
    r"|click to expand\.{0,3}|zum vergrößern anklicken\.{0,4}|avatar|user avatar|profile picture|gravatar)"
    r"(?:\s*[|•·/,›»)\]}]+\s*|\s+)?",
    re.IGNORECASE,
)
LIKES = re.compile(
    r"(?:\+?\d{1,6}|one|no)\s(?:likes?|thanks|people like this|person likes this|votes?|upvotes?|replies|reply"
    r"|points?|pts"
    r"|comments?|antworten|kommentare?|gefällt mir)",
    re.IGNORECASE,
)
SCORE = re.compile(r"[*+•\s]*[+–−-]?\d{1,3}(?:[,.]?\d{3})*(?:\.\d)?k?|[•·▲▼⬆⬇|\s*+–-]+|vote", re.IGNORECASE)
PICTURE = re.compile(
    r"[^\n]{1,60}['’]s (?:picture|avatar|photo)|(?:profile )?(?:picture|avatar|photo) of [^\n]{1,60}", re.IGNORECASE
)
ANYWHERE = re.compile(
    r"(?:click to expand|zum vergrößern anklicken|cliquez pour agrandir|clic para expandir)[.…]{0,4}", re.IGNORECASE
)
# A member's rank and data beside the name, as forums print them.
FACT = re.compile(
    r"(?:join(?:ed| date)|registered|member since|mitglied seit|registriert|dabei seit|beigetreten|inscrit|registrado"
    r"|регистрация)[^\n\d]{0,20}\d[^\n]{0,140}"
    r"|(?:posts?|messages?|beiträge|likes received|reaction score|trophy points|rep power|сообщени[яй]"
    r")\s?:?\s?\d[^\n]{0,140}"
    r"|(?:location|ort|from|reputation|points|karma|age|gender|country|last seen|thanks|likes|group|title|occupation"
    r"|interests|откуда)\s?:[^\n]{1,100}"
    r"|[\d.,]{1,9} (?:posts?|messages?|beiträge|topics)"
    r"|(?:(?:well-known|new|active|senior|junior|full|advanced|distinguished|elite|hero|regular|super|global"
    r"|forum|site|premium|registered|established) )?(?:members?|user|moderator|administrator|admin|benutzer"
    r"|mitglied|veteran"
    r"|newbie|staff)|staff member|forenprofi|erfahrener benutzer|aktives mitglied|bekanntes mitglied"
    r"|(?:pip){1,9}|online"
    r"|offline"
    r"|(?:topic|thread) (?:starter|author)|op|contributor|donator|supporter|banned|guests?|gast",
    re.IGNORECASE,
)
AGE = re.compile(r"\d{1,3}\s?(?:s|m|min|h|hr|hrs|d|w|wk|mo|y|yr|yrs|std|j|wo|год|г)\.?", re.IGNORECASE)
COUNTED = (
    r"(?:(?:reader |user )?comments?|responses?|replies|reply|thoughts?|kommentare?|antworten|reaktionen"
    r"|meinungen|comentarios?"
    r"|respuestas?|commentaires?|réponses?|réactions?|commenti|risposte|comentários?|respostas?"
    r"|комментари(?:й|я|ев|и)|ответ(?:а|ов|ы)?|reacties)"
)
HEADING = re.compile(
    rf"(?:[\d,.]{{1,6}}|no|one|two|three)\s{COUNTED}(?:\s?:)?(?:\s(?:to|on|so far|about|zu|sur|à|a|sobre|su|к"
    rf"|op|for)\b[^\n]{{0,120}})?"
    r"|(?:all |reader |user |readers?['’]? |leser)?(?:comments|kommentare|comentarios|commentaires|commenti"
    r"|comentários"
    r"|комментарии|reacties|discussion)(?:\s?\(\d{1,6}\)|\s\d{1,6})?(?:\s?:)?",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"(?:leave a (?:reply|comment)|post (?:a|your|new) (?:comment|reply|answer)|add (?:a|your) comment"
    r"|write a comment|your answer"
    r"|submit a comment|comments? (?:are|is) (?:now )?closed|comments? (?:on this \w+ )?(?:are"
    r"|have been) closed|comment policy"
    r"|you must be (?:logged|registered)|log ?in to (?:comment|post|leave)|sign in to (?:comment|post)"
    r"|please (?:log|sign) in"
    r"|(?:einen )?kommentar (?:verfassen|schreiben|hinterlassen)|kommentieren|schreibe einen"
    r"|antwort (?:erstellen|hinterlassen)"
    r"|no comment\?|neuer kommentar|kommentar veröffentlichen|laisser un commentaire|ajouter un commentaire"
    r"|deja un comentario|deja una respuesta"
    r"|publicar un comentario|lascia un commento|posta un commento|deixe um comentário|postar um comentário"
    r"|добавить комментарий|оставить комментарий"
    r"|similar threads|similar topics|ähnliche themen|related (?:posts|articles|stories)|quick reply"
    r"|subscribe to comments"
    r"|powered by|copyright|all times are|you (?:can|may) not post|notify me of|please enable javascript"
    r"|trackbacks?\b|[←«‹]{0,2} ?(?:older|newer|previous|next|ältere|neuere) (?:comments?|posts?|kommentare|page))"
    r"[^\n]{0,100}",
    re.IGNORECASE,
)


def name_debris(line: str, at_edge: bool) -> str | None:
    """What a line is if it is no post's words: the button as printed, "score", "picture"; None for words."""
    text = line.strip()
    if not text or len(text) > MAXIMUM_LENGTH:
        return None
    if ANYWHERE.fullmatch(text):
        return text.rstrip(".… ")
    if not at_edge:
        return None
    if PICTURE.fullmatch(text):
        return "picture"
    if LIKES.fullmatch(text):
        return "likes"
    return _name_buttons(text)


def _name_buttons(text: str) -> str | None:
    """The first button of a line that has nothing else."""
    at, first = 0, None
    while at < len(text):
        match = BUTTON.match(text, at)
        if match is None or match.end() == at:
            rest = text[at:]
            return first if first and (SCORE.fullmatch(rest) or AGE.fullmatch(rest)) else None
        first = first or match["word"].capitalize()
        at = match.end()
        if at < len(text) and text[at - 1].isalnum() and text[at].isalnum() and not text[at].isupper():
            return None
    return first


def is_score(line: str) -> bool:
    """Whether a line is a number of points, or signs alone, as beside a post's arrows."""
    text = line.strip()
    return len(text) <= 12 and SCORE.fullmatch(text) is not None


def is_heading(line: str) -> bool:
    """Whether a line heads a list of comments."""
    text = line.strip().lstrip("#*= ").rstrip("#*= ")
    return 0 < len(text) <= MAXIMUM_LENGTH and HEADING.fullmatch(text) is not None


def is_closing(line: str) -> bool:
    """Whether a line stands below a list of comments: a form, a notice."""
    text = line.strip()
    return 0 < len(text) <= MAXIMUM_LENGTH and CLOSING.fullmatch(text) is not None


def is_fact(line: str) -> bool:
    """Whether a line is about a member: rank, place, number of posts."""
    text = line.strip()
    return 0 < len(text) <= MAXIMUM_LENGTH and FACT.fullmatch(text) is not None
