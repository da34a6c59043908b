"use strict";
// What a reader has chosen: plain data, which lies in the address of the page.
const LatentChoices = (() => {
  const LEAST_CORNERS = 3;
  const MOST_CORNERS = 6;
  const MOST_SEEDS = 1e9;
  const ROLES = ["a", "b", "corners"]; // what a click on an item chooses

  function firstState(studio) {
    const last = studio.count - 1;
    return {
      model: studio.firstModel, a: 0, b: Math.ceil(last / 2), share: 0.5, chain: [], direction: studio.firstDirection, strength: 1, seed: 0, role: "a", onMaps: false,
      ...classesOf(studio, 0, Math.ceil(last / 2)), dimensions: {}, corners: [0, 1, 2].map((part) => Math.round((part * last) / 2)), point: [0, 0],
    };
  }

  // A change leads from the class of A to that of B, or to another where both have one.
  function classesOf(studio, a, b) {
    const [from, to] = [a, b].map((item) => Math.max(0, studio.classNames.indexOf(studio.itemClasses[item])));
    return { from, to: from === to ? Number(from === 0) : to };
  }

  const between = (value, low, high) => typeof value === "number" && value >= low && value <= high;
  const whole = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;

  // Take from an address what fits this page: it may come from another one.
  function restored(studio, text) {
    const state = firstState(studio);
    let given = {};
    try {
      given = Object(JSON.parse(text));
    } catch {
      return state;
    }
    const last = studio.names.length - 1;
    const factors = studio.factorNames.length;
    const classes = Math.max(2, studio.classNames.length);
    const fits = (step) => whole(step.direction, studio.firstDirection, factors - 1) && between(step.strength, -9, 9) &&
      whole(step.from, 0, classes - 1) && whole(step.to, 0, classes - 1);
    const known = {
      model: studio.working.includes(given.model),
      a: whole(given.a, 0, last),
      b: whole(given.b, 0, last),
      share: between(given.share, 0, 1),
      seed: whole(given.seed, 0, MOST_SEEDS),
      role: ROLES.includes(given.role),
      onMaps: typeof given.onMaps === "boolean",
      chain: Array.isArray(given.chain) && given.chain.length < 100 && given.chain.every((step) => fits(Object(step))),
      dimensions: Object.values(Object(given.dimensions)).every((value) => between(value, -1e9, 1e9)),
      corners: Array.isArray(given.corners) && whole(given.corners.length, LEAST_CORNERS, MOST_CORNERS) &&
        given.corners.every((item) => whole(item, 0, last)),
      point: Array.isArray(given.point) && given.point.length === 2 && given.point.every((value) => between(value, -1, 1)),
    };
    for (const [name, good] of Object.entries(known)) if (good && name in given) state[name] = given[name];
    if (fits(given)) for (const name of ["direction", "from", "to", "strength"]) state[name] = given[name];
    return state;
  }

  // The same, without the reader's own item where the model has no code of it.
  function possible(studio, state) {
    if (!studio.given || studio.given.codes.has(state.model)) return state;
    const first = firstState(studio);
    const other = (role) => (state[role] === studio.count ? first[role] : state[role]);
    const corners = state.corners.includes(studio.count) ? first.corners : state.corners;
    return { ...state, a: other("a"), b: other("b"), corners, dimensions: state.a === studio.count ? {} : state.dimensions };
  }

  function written(studio) {
    latentbench.state.set(studio.key, JSON.stringify(studio.state));
  }

  return { classesOf, restored, possible, written, LEAST_CORNERS, MOST_CORNERS };
})();
