"use strict";
// The controls of two maps: made here, so that a browser without scripts shows none that do nothing.
{
  const { element } = latentbench;

  function labeled(text, control) {
    return element("label", {}, element("span", {}, text), control);
  }

  /** Return a list to choose from; `choices` are [value, words]. */
  function select(choices) {
    return element("select", {}, ...choices.map(([value, words]) => element("option", { value }, words)));
  }

  function button(words, title = "") {
    return element("button", { type: "button", title }, words);
  }

  /** Return all controls of a pair, by name, and the line in which they stand. */
  function make(maps, colors, decodes) {
    const controls = {
      left: select(maps),
      right: select(maps),
      color: select(colors),
      find: element("input", { type: "search", placeholder: "class or item number", size: 18 }),
      lasso: button("Lasso", "Draw around dots to select them; or hold Shift"),
      decode: button("Decode", "Drag on a map and see what its model decodes there; a click does so at any time"),
      clear: button("Clear", "Select nothing"),
      reset: button("Reset view"),
      move: button("Left → right", "Move the left map's dots to where the right map has them"),
      share: element("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0 }),
    };
    for (const mode of [controls.lasso, controls.decode]) mode.setAttribute("aria-pressed", "false");
    controls.decode.hidden = !decodes;
    controls.share.setAttribute("aria-label", "How far the left map has moved to the right one");
    const { left, right, color, find, lasso, decode, clear, reset, move, share } = controls;
    const line = element("div", { className: "tools" }, labeled("left", left), labeled("right", right), labeled("color", color),
      labeled("find", find), lasso, decode, clear, reset, move, share);
    return { controls, line };
  }

  /** Return a legend: a button for each class, which selects it, or the ends of a scale. */
  function classLegend(classes, choose) {
    const entries = classes.names.map((name, place) => {
      const entry = button(name, `Select ${name}`);
      entry.prepend(swatch(classes.colors[place], classes.shapes[place]));
      entry.addEventListener("click", () => choose(place));
      return entry;
    });
    return element("div", { className: "classes" }, ...entries);
  }

  function swatch(color, shape) {
    const made = element("span", { className: `swatch ${shape}` });
    made.style.background = color;
    return made;
  }

  function scaleLegend([low, high]) {
    const shades = [0, 0.25, 0.5, 0.75, 1].map((share) => `rgb(${latentbench.colors.shade(share).join()})`);
    const bar = element("span", { className: "scale" });
    bar.style.background = `linear-gradient(to right, ${shades.join()})`;
    return element("div", { className: "classes" }, low.toPrecision(3), bar, high.toPrecision(3));
  }

  latentbench.controls = { make, classLegend, scaleLegend };
}
