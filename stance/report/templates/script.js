"use strict";
(() => {
  const form = document.getElementById("filter");
  const status = form.querySelector("output");
  const posts = Array.from(document.querySelectorAll("#posts > article"), (node) => ({ node, text: null }));

  // Own words and author, gathered on the first search only: a long thread opens faster without.
  const textOf = (post) => {
    if (post.text === null) {
      const parts = post.node.querySelectorAll("h3 bdi, .own");
      post.text = Array.from(parts, (part) => part.textContent).join("\n").toLowerCase();
    }
    return post.text;
  };

  const apply = () => {
    const wanted = new FormData(form);
    const stance = wanted.get("stance") || "";
    const [place, code] = [Number(stance.slice(0, -1)), stance.slice(-1)];
    const sentiment = wanted.get("sentiment");
    const author = wanted.get("author");
    const text = wanted.get("text").trim().toLowerCase();
    const toxic = wanted.has("toxic");
    let shown = 0;
    for (const post of posts) {
      const data = post.node.dataset;
      const fits =
        (!stance || data.codes[place] === code) &&
        (!sentiment || data.sentiment === sentiment) &&
        (!author || data.author === author) &&
        (!toxic || "toxic" in data) &&
        (!text || textOf(post).includes(text));
      post.node.hidden = !fits;
      shown += fits;
    }
    status.textContent = `${shown} of ${posts.length} posts`;
  };

  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply, 0));
  // A link to a post that the filter hides shows all posts again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#p']");
    const target = link && document.getElementById(link.getAttribute("href").slice(1));
    if (target && target.hidden) {
      form.reset();
      target.hidden = false;
    }
  });
  form.hidden = false;
  apply();
})();
