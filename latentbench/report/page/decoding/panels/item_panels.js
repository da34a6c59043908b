"use strict";
// Panels that start from items: which are chosen, and changes of one. A panel is a function of the
// studio that fills its controls and returns a function that draws it anew.
const LatentItemPanels = (() => {
  const { moved } = LatentMixing;
  const { make, paint, frame } = LatentFrames;
  const { classesOf, LEAST_CORNERS, MOST_CORNERS } = LatentChoices;

  function itemsPanel(studio) {
    const buttons = [];
    const add = (name, item) => {
      const button = make("button", "", { type: "button", "aria-label": name, title: name });
      button.append(make("canvas"));
      button.addEventListener("click", () => choose(studio, item));
      studio.part("items").append(button);
      buttons.push(button);
      painted(item);
    };
    const painted = (item) => paint(buttons[item].querySelector("canvas"), studio.items[item], studio.shape);
    studio.names.forEach(add);
    const drawGiven = ({ name, codes }) => {
      if (buttons.length === studio.count) add(name, studio.count);
      painted(studio.count);
      buttons[studio.count].disabled = !codes.has(studio.state.model);
    };
    const roles = [...studio.root.querySelectorAll("input[type=radio]")];
    for (const role of roles) role.addEventListener("change", () => studio.changed({ role: role.value }));
    return () => {
      const { a, b, corners, role } = studio.state;
      if (studio.given) drawGiven(studio.given);
      for (const each of roles) each.checked = each.value === role;
      buttons.forEach((button, item) => {
        const marks = [a === item && "A", b === item && "B", corners.includes(item) && corners.indexOf(item) + 1];
        const words = marks.filter(Boolean).join(" ");
        button.setAttribute("aria-pressed", String(words !== ""));
        button.querySelector("span")?.remove();
        if (words) button.append(make("span", words));
      });
    };
  }

  function choose(studio, item) {
    const { state } = studio;
    const { role } = state;
    if (role === "corners") {
      const others = state.corners.filter((corner) => corner !== item);
      const added = others.length === state.corners.length ? [...others, item].slice(-MOST_CORNERS) : others;
      state.corners = added.length < LEAST_CORNERS ? state.corners : added;
    } else {
      state[role] = item;
      if (role === "a") state.dimensions = {};
      if (!state.chain.length) Object.assign(state, classesOf(studio, state.a, state.b));
    }
    studio.changed();
  }

  function words(studio, { direction, from, to, strength }) {
    if (direction >= 0) return `${studio.factorNames[direction]} ${strength >= 0 ? "+" : "−"} ${Math.abs(strength)} standard deviations`;
    return `${studio.classNames[from]} to ${studio.classNames[to]}, strength ${strength}`;
  }

  function edited(studio, code, { direction, from, to, strength }) {
    const { classes, factors } = studio.model.directions;
    if (direction >= 0) return moved(code, LatentDecoder.floats(factors[direction].vector), strength);
    const [start, end] = [from, to].map((number) => LatentDecoder.floats(classes[number].mean));
    return moved(code, moved(end, start, -1), strength);
  }

  function editPanel(studio) {
    const { classNames, factorNames } = studio;
    studio.part("edit-panel").hidden = classNames.length < 2 && !factorNames.length;
    if (studio.part("edit-panel").hidden) return () => {};
    const [direction, from, to, strength] = ["direction", "from", "to", "strength"].map((name) => studio.part(name));
    if (classNames.length > 1) direction.append(make("option", "from one class to another", { value: -1 }));
    factorNames.forEach((name, number) => direction.append(make("option", name, { value: number })));
    for (const select of [from, to]) classNames.forEach((name, value) => select.append(make("option", name, { value })));
    for (const control of [direction, from, to, strength]) {
      control.addEventListener("input", () => studio.changed({ [control.dataset.part]: Number(control.value) }));
    }
    const remember = (chain) => {
      studio.history.push(studio.state.chain);
      studio.changed({ chain, strength: 0 });
    };
    const step = () => (({ direction, from, to, strength }) => ({ direction, from, to, strength }))(studio.state);
    studio.part("keep").addEventListener("click", () => remember([...studio.state.chain, step()]));
    studio.part("undo").addEventListener("click", () => studio.changed({ chain: studio.history.pop() ?? [] }));
    const [item, plain, changed] = ["item", "reconstruction", "edited"].map((name) => frame(studio, studio.part("edit"), name));
    return () => {
      const { state } = studio;
      for (const control of [direction, from, to, strength]) control.value = state[control.dataset.part];
      for (const name of ["from-label", "to-label"]) studio.part(name).hidden = state.direction >= 0;
      studio.part("strength-words").textContent = words(studio, step());
      studio.part("keep").disabled = state.strength === 0;
      studio.part("undo").disabled = !studio.history.length;
      studio.part("chain").replaceChildren(...state.chain.map((each, number) => {
        const entry = make("li", `${words(studio, each)} `);
        const remove = make("button", "Remove", { type: "button", "aria-label": `Remove ${words(studio, each)}` });
        remove.addEventListener("click", () => remember(state.chain.filter((_, place) => place !== number)));
        entry.append(remove);
        return entry;
      }));
      const code = [...state.chain, step()].reduce((sum, each) => edited(studio, sum, each), studio.code(state.a));
      item(studio.items[state.a], `A: ${studio.names[state.a]}`);
      plain(studio.picture(studio.code(state.a)), "its reconstruction");
      changed(studio.picture(code), "changed");
      const source = `Directions are differences of means over ${studio.model.directionWords}; a class gap counts as 1.`;
      studio.say("edit-words", `${source} What else differs between the means changes with them.`, [code]);
    };
  }

  return { itemsPanel, editPanel };
})();
