"use strict";
(() => {
  const root = document.getElementById("queue");
  const store = `stance-triage-${root.dataset.name}`;
  const posts = [...root.querySelectorAll(".desk")];
  const byId = (id) => document.getElementById(id);
  const name = byId("moderator");
  const policy = root.querySelector(".policy");

  const say = (text) => {
    byId("notice").textContent = text;
    byId("notice").hidden = !text;
  };
  let log = [];
  try {
    const kept = JSON.parse(localStorage.getItem(store) || "{}");
    if (Array.isArray(kept.log)) log = kept.log;
    name.value = kept.moderator || "";
  } catch {
    say("This browser keeps nothing for this page: save your decisions before you close it.");
  }
  const keep = () => {
    try {
      localStorage.setItem(store, JSON.stringify({ moderator: name.value.trim(), log }));
    } catch {
      say("This browser could not keep the last decision: save your decisions now.");
    }
  };
  const undone = () => new Set(log.filter((row) => row.action === "undo").map((row) => row.undoes));
  const standing = () => {
    const gone = undone();
    return log.filter((row) => row.action !== "undo" && !gone.has(row.token));
  };
  const is = (post, row) => post.dataset.thread === row.thread && post.dataset.post === row.post;
  const current = () => posts.find((post) => !post.hidden);

  const show = () => {
    const done = standing();
    const decided = posts.filter((post) => done.some((row) => is(post, row)));
    const next = posts.find((post) => !decided.includes(post));
    for (const post of posts) post.hidden = post !== next;
    if (next) next.querySelector(".side").append(policy);
    byId("done").hidden = Boolean(next);
    root.querySelector("progress").value = decided.length;
    byId("progress").textContent = `${decided.length} done, ${posts.length - decided.length} left`;
    const last = done.at(-1);
    byId("last").textContent = last ? `Last: ${last.action}, ${posts.find((post) => is(post, last))?.dataset.called}` : "";
    byId("undo").hidden = !last;
    byId("save").hidden = log.length === 0;
    veil();
    (next || byId("done")).querySelector("h1").focus({ preventScroll: true });
    scrollTo(0, 0);
  };
  // What lies under a blur is not read aloud either until it is opened.
  const veil = () => {
    for (const box of root.querySelectorAll("input.open")) {
      const words = box.closest(".item").querySelector(".veil");
      words.toggleAttribute("inert", !box.checked);
      words.setAttribute("aria-hidden", String(!box.checked));
    }
  };
  const add = (post, action, more) => {
    log.push({
      token: crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random().toString(36).slice(2)}`,
      thread: post.dataset.thread,
      post: post.dataset.post,
      moderator: name.value.trim(),
      time: new Date().toISOString(),
      action,
      ...more,
    });
    keep();
    show();
  };
  const decide = (button) => {
    const post = current();
    const box = post.querySelector("input.open");
    if (box && !box.checked && button.hasAttribute("data-reads")) {
      say("Open the post first: o. Or skip it: s.");
    } else if (!/^[\p{L}\p{N}_][\p{L}\p{N}_ .-]*$/u.test(name.value.trim())) {
      say("Write your name at the top first: letters, digits, blanks, _ . and -.");
      name.focus();
    } else {
      say("");
      const form = new FormData(button.form);
      add(post, button.value, { reason: form.get("reason"), note: form.get("note").trim() });
    }
  };
  const undo = () => {
    const last = standing().at(-1);
    if (last) add(posts.find((post) => is(post, last)), "undo", { undoes: last.token });
  };
  const save = () => {
    const lines = log.map((row) => `${JSON.stringify(row)}\n`);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.download = `decisions-${name.value.trim().replaceAll(/[^\p{L}\p{N}_-]+/gu, "-") || "moderator"}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const press = (target) => {
    if (target.tagName === "SUMMARY") {
      target.parentElement.open = true;
      byId(target.dataset.then).focus();
    } else {
      target.click();
      if (target.matches("input[type=radio]")) target.closest("details").open = true;
    }
  };

  root.addEventListener("submit", (event) => event.preventDefault());
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.id === "undo") undo();
    else if (button?.id === "save") save();
    else if (button?.value) decide(button);
  });
  root.addEventListener("change", (event) => {
    if (event.target === name) keep();
    if (event.target.matches("input.open")) {
      veil();
      say("");
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.matches("textarea, input[type=text]")) {
      if (event.key === "Escape" || (event.key === "Enter" && event.target === name)) event.target.blur();
      return;
    }
    const targets = root.querySelectorAll(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    const target = [...targets].find((one) => !one.closest("[hidden]"));
    if (target) {
      event.preventDefault();
      press(target);
    }
  });
  root.querySelector(".status-line").hidden = false;
  for (const post of posts) post.querySelector("form").hidden = false;
  show();
  if (!name.value) name.focus();
})();
