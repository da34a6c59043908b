"use strict";
// Links to parts of the page: they scroll there, open what is folded, and leave the address to what is chosen.
{
  function follow(event) {
    const target = document.getElementById(event.currentTarget.hash.slice(1));
    if (target === null) return;
    event.preventDefault();
    if (target.matches("details")) target.open = true;
    target.scrollIntoView();
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
  }

  /** Unfold everything for paper, which nobody can click on, and fold it again. */
  function unfold() {
    const folded = [...document.querySelectorAll("details.whole:not([open]), details.missing:not([open]), details.whole details:not([open])")];
    for (const each of folded) each.open = true;
    addEventListener("afterprint", () => folded.forEach((each) => (each.open = false)), { once: true });
  }

  latentbench.part("The contents", () => {
    for (const link of document.querySelectorAll('nav a[href^="#"]')) link.addEventListener("click", follow);
    addEventListener("beforeprint", unfold);
  });
}
