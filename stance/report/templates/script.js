"use strict";
(() => {
  const form = document.getElementById("filter");
  const status = form.querySelector("output");
  const title = document.getElementById("posts-title");
  const card = document.getElementById("author-view");
  const posts = Array.from(document.querySelectorAll("#posts > article"), (node) => ({ node, data: node.dataset, text: null }));
  const byId = new Map(posts.map((post) => [post.node.id, post]));
  const options = form.elements.author ? Array.from(form.elements.author.options) : [];
  const names = new Map(options.map((option) => [option.value, option.text]));
  const START = "#posts?"; // what follows in the address is the filter: "stance=0f&author=3"
  const OUTCOMES = { f: "favor", a: "against", n: "none", x: "abstained" };
  const MOST_PEOPLE = 8; // named beside an author
  const ALL = "#posts-title";
  const FIELDS = ["stance", "sentiment", "toxic", "author", "text"];

  // Own words and author, gathered on the first search only: a long thread opens faster without.
  const textOf = (post) => {
    if (post.text === null) {
      const parts = post.node.querySelectorAll("h3 bdi, .own");
      post.text = Array.from(parts, (part) => part.textContent).join("\n").toLowerCase();
    }
    return post.text;
  };
  const answered = (post) => byId.get(`p${post.data.reply}`);

  // One test a part of the filter; a part that is not known lets every post through.
  const tests = {
    stance: (value) => (post) => post.data.codes[Number(value.slice(0, -1))] === value.slice(-1),
    sentiment: (value) => (post) => post.data.sentiment === value,
    toxic: (value) => (post) => value === "any" ? "toxic" in post.data : (post.data.toxic || "").includes(value),
    author: (value) => (post) => post.data.author === value,
    text: (value) => (post) => textOf(post).includes(value.trim().toLowerCase()),
    judged: () => (post) => !("unjudged" in post.data),
    abstained: () => (post) => post.data.codes.includes("x"),
    language: (value) => (post) => post.data.language === value,
    answers: (value) => (post) => answered(post)?.data.author === value,
    posts: (value) => {
      const [first, last] = value.split("-").map(Number);
      return (post, place) => place + 1 >= first && place + 1 <= last;
    },
  };
  // What the form has no field for, in words.
  const words = {
    judged: () => "judged ones",
    abstained: () => "where the tagger abstained",
    language: (value) => `in ${value}`,
    answers: (value) => `answering ${names.get(value) || value}`,
    posts: (value) => `${value.replace("-", " to ")} in order`,
  };

  let wanted = new URLSearchParams();

  const make = (tag, text, inside = []) => {
    const node = document.createElement(tag);
    node.append(text, ...inside);
    return node;
  };
  const link = (count, query) => {
    const node = make("a", String(count));
    node.href = START + query;
    return node;
  };
  const countBy = (found, key) => {
    const counts = new Map();
    for (const post of found) if (key(post) !== undefined) counts.set(key(post), (counts.get(key(post)) || 0) + 1);
    return [...counts].sort((one, other) => other[1] - one[1]);
  };
  const people = (label, found, key, query) => {
    const all = countBy(found, key);
    const shown = all.slice(0, MOST_PEOPLE);
    const parts = shown.flatMap(([who, count], place) => [
      place ? ", " : "", make("bdi", names.get(who) || who), " ", link(count, query(who)),
    ]);
    if (all.length > shown.length) parts.push(` and ${all.length - shown.length} more people`);
    return shown.length ? [make("dt", label), make("dd", "", parts)] : [];
  };

  // What one author wrote: counts, stances, and who answers whom.
  const showAuthor = (author) => {
    card.hidden = !author || author === "-" || !names.has(author);
    if (card.hidden) return;
    const own = posts.filter((post) => post.data.author === author);
    const here = `author=${author}`;
    const facts = [make("dt", "posts"), make("dd", link(own.length, here))];
    const groups = form.elements.stance ? form.elements.stance.querySelectorAll("optgroup") : [];
    groups.forEach((group, side) => {
      const counts = countBy(own, (post) => post.data.codes[side]);
      const parts = Array.from(group.children).flatMap((option) => {
        const count = counts.find(([code]) => code === option.value.slice(-1));
        if (!count) return [];
        const mark = make("b", link(count[1], `${here}&stance=${option.value}`));
        mark.className = OUTCOMES[option.value.slice(-1)];
        return [mark, ` ${mark.className} `];
      });
      if (parts.length) facts.push(make("dt", group.label), make("dd", "", parts));
    });
    const replies = own.filter((post) => answered(post));
    facts.push(...people("answers", replies, (post) => answered(post).data.author, (who) => `${here}&answers=${who}`));
    const back = posts.filter((post) => answered(post)?.data.author === author);
    facts.push(...people("is answered by", back, (post) => post.data.author, (who) => `author=${who}&answers=${author}`));
    card.replaceChildren(make("h3", make("bdi", names.get(author))), make("dl", "", facts));
  };

  const apply = () => {
    const parts = [...wanted].filter(([name, value]) => value && Object.hasOwn(tests, name));
    const all = parts.map(([name, value]) => tests[name](value));
    let shown = 0;
    posts.forEach((post, place) => {
      const fits = all.every((test) => test(post, place));
      if (post.node.hidden === fits) post.node.hidden = !fits;
      shown += fits;
    });
    const rest = parts.filter(([name]) => Object.hasOwn(words, name)).map(([name, value]) => words[name](value));
    status.textContent = `${shown} of ${posts.length} posts${rest.length ? `: only ${rest.join(", ")}` : ""}`;
    showAuthor(wanted.get("author"));
  };

  const fillForm = () => {
    for (const name of FIELDS) {
      const field = form.elements[name];
      if (field) field.value = wanted.get(name) || "";
    }
  };
  const addressOf = (query) => (query ? START + query : ALL);

  // The address says which posts are shown, so that a number can lead to its posts and the way back works.
  const follow = () => {
    const { hash } = location;
    if (hash.startsWith(START) || ["", "#", ALL].includes(hash)) {
      wanted = new URLSearchParams(hash.slice(START.length));
      fillForm();
      apply();
      if (hash !== "" && hash !== "#") {
        title.scrollIntoView();
        title.focus({ preventScroll: true });
      }
      return;
    }
    const target = byId.get(hash.slice(1));
    if (target && target.node.hidden) { // a link to a post that the filter hides shows all posts again
      wanted = new URLSearchParams();
      fillForm();
      apply();
      target.node.scrollIntoView();
    }
  };

  let waiting = 0;
  const take = (typed) => {
    for (const name of FIELDS) {
      const field = form.elements[name];
      if (field && field.value) wanted.set(name, field.value);
      else wanted.delete(name);
    }
    apply();
    history[typed ? "replaceState" : "pushState"](null, "", addressOf(wanted.toString()));
  };
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    const typed = event.target.name === "text";
    waiting = setTimeout(() => take(typed), typed ? 120 : 0);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    wanted = new URLSearchParams();
    fillForm();
    apply();
    history.pushState(null, "", addressOf(""));
  });
  window.addEventListener("hashchange", follow);
  // The same link twice changes no address, yet its reader wants to be led there again.
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("a[data-show], #author-view a");
    if (chosen && chosen.getAttribute("href") === location.hash) follow();
  });
  for (const node of document.querySelectorAll("a[data-show]")) {
    if (node.dataset.show) node.setAttribute("href", START + node.dataset.show);
  }

  const folded = [];
  window.addEventListener("beforeprint", () => {
    for (const node of document.querySelectorAll("details:not([open])")) {
      if (node.querySelectorAll("tr").length > 21) continue;
      folded.push(node);
      node.open = true;
    }
  });
  window.addEventListener("afterprint", () => folded.splice(0).forEach((node) => { node.open = false; }));

  const copy = document.getElementById("copy");
  copy.hidden = false;
  copy.addEventListener("click", () => {
    const selection = getSelection();
    selection.selectAllChildren(document.getElementById("methods-text"));
    // The old way asks for no permission and works in a file opened from disk.
    const done = document.execCommand("copy");
    document.getElementById("copied").textContent = done ? "Copied." : "Marked: copy it with Ctrl+C.";
  });

  form.hidden = false;
  follow();
  if (!location.hash.startsWith(START)) apply();
})();
