"use strict";
(() => {
  const say = (text) => {
    const notice = document.getElementById("notice");
    if (notice) {
      notice.textContent = text;
      notice.hidden = !text;
    }
  };
  // What lies under a blur is not read aloud either until it is opened.
  const veil = () => {
    for (const box of document.querySelectorAll("input.open")) {
      const words = box.closest(".item").querySelector(".veil");
      words.toggleAttribute("inert", !box.checked);
      words.setAttribute("aria-hidden", String(!box.checked));
    }
  };
  const press = (target) => {
    const box = target.hasAttribute("data-reads") && document.querySelector("input.open");
    if (box && !box.checked) {
      say("Open the post first: o. Or skip it: s.");
    } else if (target.tagName === "SUMMARY") {
      target.parentElement.open = true;
      document.getElementById(target.dataset.then).focus();
    } else {
      target.click();
      if (target.matches("input[type=radio]")) target.closest("details").open = true;
    }
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.matches("textarea, input[type=text], input[type=password]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
    const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (target) {
      event.preventDefault();
      press(target);
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("input.open")) {
      veil();
      say("");
    }
  });
  // A second press while the answer is on its way must not decide the next post.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  veil();
  const heading = document.querySelector("h1[tabindex]");
  if (heading) heading.focus({ preventScroll: true });
})();
