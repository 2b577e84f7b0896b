"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const questions = Array.from(document.querySelectorAll(".question"));
  const toxicity = questions.indexOf(at("toxicity"));
  const OPEN = "?";
  const memory = `stance-gold ${data.key} ${data.coder}`;

  // One entry a post: an answer a question, null while there is none; of toxicity a list of attributes, [] for "none
  // of these". What a question was left open with is OPEN.
  let labels = data.posts.map(() => ({ answers: questions.map(() => null), note: "" }));
  let place = 0; // of the post shown
  let current = 0; // question that single keys answer; past the last: none
  let unsaved = 0; // changes since the last file
  let keeps = true; // whether the browser keeps labels

  const touched = (label) => label.note !== "" || label.answers.some((answer) => answer !== null);
  const finished = (label) => label.answers.every((answer) => answer !== null);

  // --- keeping: in the browser after every change, in a file when asked ---

  const warn = (text) => {
    at("warning").textContent = text;
    at("warning").hidden = !text;
  };

  const keep = () => {
    try {
      localStorage.setItem(memory, JSON.stringify({ labels, place, unsaved }));
      keeps = true;
      warn("");
    } catch {
      keeps = false;
      warn("This browser does not keep your labels when the page is closed. Save them to a file often, and load it to go on.");
    }
  };

  const recall = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(memory) || "null");
      if (kept && Array.isArray(kept.labels) && kept.labels.length === labels.length) {
        labels = kept.labels;
        place = Math.min(Math.max(Number(kept.place) || 0, 0), labels.length - 1);
        unsaved = Number(kept.unsaved) || 0;
      }
    } catch {
      // what was kept cannot be read: keep() says whether anything can be
    }
  };

  const STARTS = ["=", "+", "-", "@", "\t", "\r", "\n"]; // a spreadsheet runs a cell that begins so
  const defuse = (text) => (STARTS.includes(text[0]) ? `'${text}` : text);
  const undefuse = (text) => (text[0] === "'" && STARTS.includes(text[1]) ? text.slice(1) : text);
  const quote = (text) => (/[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  const rowOf = (label, index) => {
    const post = data.posts[index];
    const toxic = label.answers[toxicity];
    return [
      String(index + 1),
      post.thread,
      post.post,
      ...label.answers.slice(0, toxicity).map((answer) => answer ?? ""),
      ...data.toxicity.map((name) => (Array.isArray(toxic) ? String(Number(toxic.includes(name))) : (toxic ?? ""))),
      label.answers[toxicity + 1] ?? "",
      label.note,
    ];
  };

  const save = () => {
    const rows = [data.columns, ...labels.map(rowOf)];
    const text = rows.map((row) => row.map((cell) => quote(defuse(cell))).join(",")).join("\r\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`\ufeff${text}\r\n`], { type: "text/csv" }));
    link.download = `labels-${data.coder}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    unsaved = 0;
    keep();
    showState();
    at("message").textContent = `Saved as labels-${data.coder}.csv: ${labels.filter(finished).length} of ${labels.length} posts labelled. Put the file into the folder of the sample.`;
  };

  // Rows of cells; the separator is the one that the first line has most of.
  const parse = (text) => {
    const first = text.split("\n", 1)[0];
    const separator = [",", ";", "\t"].reduce((a, b) => (first.split(b).length > first.split(a).length ? b : a));
    const rows = [[""]];
    let quoted = false;
    for (let i = 0; i < text.length; i++) {
      const row = rows[rows.length - 1];
      const sign = text[i];
      if (quoted) {
        if (sign !== '"') row[row.length - 1] += sign;
        else if (text[i + 1] === '"') row[row.length - 1] += text[++i];
        else quoted = false;
      } else if (sign === '"' && row[row.length - 1] === "") quoted = true;
      else if (sign === separator) row.push("");
      else if (sign === "\n") rows.push([""]);
      else if (sign !== "\r") row[row.length - 1] += sign;
    }
    return rows.filter((row) => row.some((cell) => cell.trim()));
  };

  // An answer as a cell has it; undefined where it cannot be read.
  const readWord = (cell, words) => {
    const found = cell.trim().toLowerCase();
    if (!found) return null;
    return found === OPEN || words.includes(found) ? found : undefined;
  };

  const readToxicity = (cells) => {
    const found = cells.map((cell) => readWord(cell, ["1", "0", "1.0", "0.0", "true", "false", "yes", "no", "x"]));
    if (found.includes(undefined)) return undefined;
    if (found.every((cell) => cell === null)) return null;
    if (found.every((cell) => cell === null || cell === OPEN)) return OPEN;
    const present = data.toxicity.filter((_, index) => ["1", "1.0", "true", "yes", "x"].includes(found[index]));
    if (present.length && found[0] === null) return [...new Set([data.toxicity[0], ...present])];
    return present;
  };

  const readRow = (row, columns) => {
    const cell = (name) => undefuse((row[columns.get(name.toLowerCase())] ?? "").trim());
    const answers = data.sides.map((side) => readWord(cell(`stance.${side}`), data.stances));
    answers.push(readToxicity(data.toxicity.map(cell)), readWord(cell("sentiment"), data.sentiments));
    const index = data.posts.findIndex((post) => post.thread.trim() === cell("thread") && post.post.trim() === cell("post"));
    return { index, answers, note: cell("note") };
  };

  const load = (text, name) => {
    const [head, ...rows] = parse(text.replace(/^\ufeff/, ""));
    const columns = new Map((head ?? []).map((cell, index) => [undefuse(cell.trim()).toLowerCase(), index]));
    if (!columns.has("thread") || !columns.has("post")) {
      at("message").textContent = `${name} is no file of labels: it has no columns thread and post.`;
      return;
    }
    const found = rows.map((row) => readRow(row, columns));
    const known = found.filter((row) => row.index >= 0 && touched(row));
    const unread = found.filter((row) => row.answers.includes(undefined)).length;
    for (const row of known) {
      const label = labels[row.index];
      label.answers = row.answers.map((answer, question) => answer ?? label.answers[question]);
      label.note = row.note || label.note;
    }
    keep();
    const others = found.filter((row) => row.index < 0 && touched(row)).length;
    at("message").textContent =
      `Labels of ${known.length} posts read from ${name}.` +
      (others ? ` ${others} rows are of posts that are not in this form.` : "") +
      (unread ? ` ${unread} rows hold words that are no labels; these were left out.` : "");
    show(firstOpen(0) ?? place);
  };

  // --- showing ---

  const fillPassages = (node, passages) => {
    node.replaceChildren(
      ...passages.map(([words, quoted]) => {
        const part = document.createElement(quoted === null ? "p" : "blockquote");
        part.dir = "auto";
        part.textContent = words;
        if (quoted === null) part.className = "own";
        else {
          const source = document.createElement("footer");
          source.textContent = `Quoted ${quoted}`;
          part.append(source);
        }
        return part;
      }),
    );
  };

  const showState = () => {
    const done = labels.filter(finished).length;
    at("progress").value = done;
    at("count").textContent = `${done} of ${labels.length} labelled`;
    at("unsaved").textContent = unsaved ? "changes not saved to a file yet" : "";
  };

  const showAnswers = () => {
    questions.forEach((question, index) => {
      const answer = labels[place].answers[index];
      question.classList.toggle("current", index === current);
      question.classList.toggle("answered", answer !== null);
      for (const input of question.querySelectorAll("input")) {
        if (index === toxicity && Array.isArray(answer)) input.checked = input.value ? answer.includes(input.value) : !answer.length;
        else input.checked = input.value === answer;
      }
    });
  };

  const show = (index) => {
    place = index;
    const post = data.posts[place];
    const open = labels[place].answers.indexOf(null);
    current = Math.max(open, 0);
    at("where").textContent = `Post ${place + 1} of ${data.posts.length}`;
    at("title").textContent = post.title ? `In: ${post.title}` : "";
    fillPassages(at("words"), post.passages);
    fillPassages(at("parent").querySelector("div"), post.parent);
    at("parent").hidden = !post.parent.length;
    at("parent").open = false;
    at("note").value = labels[place].note;
    at("back").disabled = place === 0;
    showAnswers();
    showState();
  };

  const go = (index) => {
    if (index < 0) return;
    if (index >= labels.length) {
      const left = labels.filter((label) => !finished(label)).length;
      at("message").textContent = left
        ? `This was the last post. ${left} have open questions: "Next unlabelled" finds them.`
        : "All posts are labelled. Save the labels to a file.";
      at("save").focus();
      return;
    }
    at("message").textContent = "";
    show(index);
    keep();
    at("where").focus();
    if (matchMedia("(max-width: 50rem)").matches) at("where").scrollIntoView();
  };

  // The first post from an index on, and round from the start, that is not labelled.
  const firstOpen = (from) => {
    const order = labels.map((_, step) => (from + step) % labels.length);
    return order.find((index) => !finished(labels[index]));
  };

  const jump = () => go(firstOpen(place + 1) ?? labels.length);

  // --- answering ---

  const focusQuestion = (index) => {
    current = index;
    showAnswers();
    if (index >= questions.length) at("next").focus();
    else (questions[index].querySelector("input:checked") ?? questions[index].querySelector("input")).focus();
  };

  const answer = (question, value) => {
    labels[place].answers[question] = value;
    unsaved += 1;
    showAnswers();
    showState();
    keep();
    const words = Array.isArray(value) ? value.join(", ").replaceAll("_", " ") || "none of these" : value;
    const said = { [OPEN]: "left open", null: "not answered" }[words] ?? words;
    at("said").textContent = `${questions[question].querySelector("legend").textContent}: ${said}`;
  };

  // Without any attribute the question is not answered: "none of these" has to be said.
  const toggleAttribute = (name) => {
    const before = labels[place].answers[toxicity];
    const found = new Set(Array.isArray(before) ? before : []);
    if (found.has(name)) found.delete(name);
    else found.add(name).add(data.toxicity[0]); // a kind of toxicity is toxic
    answer(toxicity, found.size ? data.toxicity.filter((one) => found.has(one)) : null);
  };

  at("questions").addEventListener("change", (event) => {
    const { value, checked } = event.target;
    const question = questions.indexOf(event.target.closest(".question"));
    if (question < 0) return;
    current = question;
    if (question !== toxicity) answer(question, value);
    else if (data.toxicity.includes(value)) toggleAttribute(value);
    else answer(toxicity, checked ? (value === OPEN ? OPEN : []) : null);
  });
  at("questions").addEventListener("focusin", (event) => {
    const question = questions.indexOf(event.target.closest(".question"));
    current = question < 0 ? questions.length : question;
    showAnswers();
  });
  at("note").addEventListener("input", () => {
    labels[place].note = at("note").value;
    unsaved += 1;
    showState();
    keep();
  });

  // --- single keys ---

  const pressDigit = (digit) => {
    const inputs = Array.from(questions[current].querySelectorAll("input"), (input) => input.value).filter((value) => value !== OPEN);
    if (current === toxicity) {
      if (digit > data.toxicity.length) return;
      if (digit) {
        toggleAttribute(data.toxicity[digit - 1]);
        questions[current].querySelectorAll("input")[digit - 1].focus();
      } else {
        answer(toxicity, []);
        focusQuestion(current + 1);
      }
    } else if (digit >= 1 && digit <= inputs.length) {
      answer(current, inputs[digit - 1]);
      focusQuestion(current + 1);
    }
  };

  const LETTERS = {
    n: () => go(place + 1),
    b: () => go(place - 1),
    j: jump,
    p: () => {
      at("parent").open = !at("parent").open;
    },
    u: () => {
      if (current >= questions.length) return;
      answer(current, OPEN);
      focusQuestion(current + 1);
    },
    Backspace: () => focusQuestion(Math.max(current - 1, 0)),
    Enter: () => (current < questions.length - 1 ? focusQuestion(current + 1) : go(place + 1)),
  };

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.key === "Escape" && target === at("note")) focusQuestion(0);
    const typing = target.matches("textarea, input[type=file]");
    const presses = event.key === "Enter" && target.matches("button, summary, a, #shortcuts");
    if (typing || presses || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!at("shortcuts").checked) return;
    const act = LETTERS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (/^[0-9]$/.test(event.key)) {
      if (current < questions.length) pressDigit(Number(event.key));
    } else if (act) act();
    else return;
    event.preventDefault();
  });

  // --- buttons and the rest ---

  at("back").addEventListener("click", () => go(place - 1));
  at("next").addEventListener("click", () => go(place + 1));
  at("jump").addEventListener("click", jump);
  at("save").addEventListener("click", save);
  at("load").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", async () => {
    const [file] = at("file").files;
    if (file) load(await file.text(), file.name);
    at("file").value = ""; // the same file may be chosen again
  });
  window.addEventListener("storage", (event) => {
    // the same form in another tab: what was said last counts
    if (event.key !== memory) return;
    recall();
    show(place);
  });
  window.addEventListener("beforeunload", (event) => {
    if (!keeps && unsaved) event.preventDefault();
  });

  at("codebook").open = matchMedia("(min-width: 75.01rem)").matches;
  at("work").hidden = false;
  recall();
  keep();
  show(place);
})();
