// The part of the page in which codes are mixed and changed. A panel is a function of the studio that fills its
// controls and returns a function that draws it anew; the state is plain data, and lies in the address.
(() => {
  "use strict";

  const { linear, spherical, mean, moved, reach, polygon, inside, shares } = LatentMixing;
  const LEAST_CORNERS = 3;
  const MOST_CORNERS = 6;
  const STEP = 0.05; // of an arrow key on the pad
  const REMEMBERED = 16; // pictures of each model
  const WAIT = 250; // ms after the last change until the address is written

  function make(tag, words = "", attributes = {}) {
    const element = document.createElement(tag);
    element.textContent = words; // names come from users: text, never markup
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  function paint(canvas, pixels, [channels, height, width]) {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const image = new ImageData(width, height);
    const size = width * height;
    for (let place = 0; place < size; place++) {
      for (let color = 0; color < 3; color++) {
        image.data[4 * place + color] = Math.round(255 * pixels[(channels === 3 ? color : 0) * size + place]);
      }
      image.data[4 * place + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // A picture with words below; `show(pixels, words)` changes both.
  function frame(studio, parent, name) {
    const figure = make("figure", "", { "data-picture": name });
    const [canvas, caption] = [make("canvas", "", { role: "img" }), make("figcaption")];
    figure.append(canvas, caption);
    parent.append(figure);
    return (pixels, words) => {
      figure.hidden = !pixels;
      if (!pixels) return;
      paint(canvas, pixels, studio.shape);
      caption.textContent = words;
      canvas.setAttribute("aria-label", words);
    };
  }

  // Cut the sheet of all items into the pixels of each, as a decoder gives them.
  async function itemPixels({ sheet, shape: [channels, height, width], columns, names }) {
    const image = new Image();
    image.src = sheet;
    await image.decode();
    const canvas = make("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return names.map((_, item) => {
      const [x, y] = [(item % columns) * width, Math.floor(item / columns) * height];
      const { data } = context.getImageData(x, y, width, height);
      const size = height * width;
      return Float32Array.from({ length: channels * size }, (_, at) => data[4 * (at % size) + Math.floor(at / size)] / 255);
    });
  }

  function firstState(studio) {
    const last = studio.names.length - 1;
    return {
      model: studio.working[0], a: 0, b: Math.ceil(last / 2), share: 0.5, chain: [], direction: studio.firstDirection, strength: 1,
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

  // Other parts of the page may keep their state in the address, too: under other names.
  function written(studio) {
    const parts = new URLSearchParams(location.hash.slice(1));
    parts.set(studio.key, JSON.stringify(studio.state));
    history.replaceState(null, "", `#${parts}`);
  }

  function itemsPanel(studio) {
    const buttons = studio.names.map((name, item) => {
      const button = make("button", "", { type: "button", "aria-label": name, title: name });
      const canvas = make("canvas");
      paint(canvas, studio.items[item], studio.shape);
      button.append(canvas);
      button.addEventListener("click", () => choose(studio, item));
      studio.part("items").append(button);
      return button;
    });
    return () => {
      const { a, b, corners } = studio.state;
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
    const role = studio.root.querySelector("input[type=radio]:checked").value;
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

  function walkPanel(studio) {
    const row = studio.part("walk");
    const [first, straight, arc, fade, last] = ["a", "linear", "spherical", "fade", "b"].map((name) => frame(studio, row, name));
    const slider = studio.part("share");
    slider.addEventListener("input", () => studio.changed({ share: Number(slider.value) }));
    return () => {
      const { a, b, share } = studio.state;
      slider.value = share;
      const codes = [linear, spherical].map((path) => path(studio.code(a), studio.code(b), share));
      first(studio.items[a], `A: ${studio.names[a]}`);
      last(studio.items[b], `B: ${studio.names[b]}`);
      straight(studio.picture(codes[0]), "straight line between the codes, decoded");
      arc(studio.picture(codes[1]), "arc about the origin, decoded");
      fade(linear(studio.items[a], studio.items[b], share), "fade of the two pictures, without a model");
      const ends = "At its ends a way shows the reconstructions of A and B; between them no item has these codes.";
      studio.say("walk-words", ends, codes);
    };
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

  function traversePanel(studio) {
    const [column, show] = [studio.part("dimensions"), frame(studio, studio.part("traverse"), "traversed")];
    studio.part("reset").addEventListener("click", () => studio.changed({ dimensions: {} }));
    let [sliders, filled] = [[], null];
    const fill = () => {
      filled = studio.model;
      sliders = filled.dimensions.map(({ dimension, activity }) => {
        const label = make("label", `dimension ${dimension} (${activity.toPrecision(2)})`);
        const slider = make("input", "", { type: "range", step: "any", "data-dimension": dimension });
        slider.addEventListener("input", () =>
          studio.changed({ dimensions: { ...studio.state.dimensions, [dimension]: Number(slider.value) } }));
        label.append(slider);
        return slider;
      });
      column.replaceChildren(...sliders.map((slider) => slider.parentElement));
    };
    return () => {
      if (filled !== studio.model) fill();
      const code = Float32Array.from(studio.code(studio.state.a));
      filled.dimensions.forEach(({ dimension, low, high }, number) => {
        const value = studio.state.dimensions[dimension] ?? code[dimension];
        Object.assign(sliders[number], { min: Math.min(low, code[dimension]), max: Math.max(high, code[dimension]), value });
        code[dimension] = value;
      });
      show(studio.picture(code), "A with these values");
      const unit = `The most active dimensions, with their ${filled.dimensionUnit}`;
      studio.say("traverse-words", `${unit}; a slider spans nine tenths of the test codes.`, [code]);
    };
  }

  function padPanel(studio) {
    const pad = studio.part("pad");
    const context = pad.getContext("2d");
    const [show, fade] = ["blend", "mean"].map((name) => frame(studio, studio.part("blend"), name));
    const [middle, radius] = [pad.width / 2, pad.width / 2 - 34];
    const move = (x, y) => studio.changed({ point: inside([x, y], studio.state.corners.length) });
    const follow = (event) => {
      const box = pad.getBoundingClientRect();
      const scale = pad.width / box.width;
      move(((event.clientX - box.left) * scale - middle) / radius, ((event.clientY - box.top) * scale - middle) / radius);
    };
    pad.addEventListener("pointerdown", (event) => (pad.setPointerCapture(event.pointerId), follow(event)));
    pad.addEventListener("pointermove", (event) => event.buttons && follow(event));
    pad.addEventListener("keydown", (event) => {
      const [x, y] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key] ?? [];
      if (x === undefined) return;
      event.preventDefault();
      move(studio.state.point[0] + x, studio.state.point[1] + y);
    });
    const thumbnail = make("canvas");
    const drawPad = (corners, point) => {
      const places = polygon(corners.length).map(([x, y]) => [middle + radius * x, middle + radius * y]);
      context.clearRect(0, 0, pad.width, pad.height);
      context.strokeStyle = context.fillStyle = getComputedStyle(pad).color;
      context.beginPath();
      places.forEach(([x, y]) => context.lineTo(x, y));
      context.closePath();
      context.stroke();
      places.forEach(([x, y], corner) => {
        paint(thumbnail, studio.items[corners[corner]], studio.shape);
        context.drawImage(thumbnail, x - 20, y - 20, 40, 40);
        context.fillText(corner + 1, x - 30, y);
      });
      context.beginPath();
      context.arc(middle + radius * point[0], middle + radius * point[1], 7, 0, 7);
      context.fill();
    };
    return () => {
      const { corners, point } = studio.state;
      const inner = inside(point, corners.length);
      const parts = shares(inner, corners.length);
      const code = mean(corners.map(studio.code), parts);
      drawPad(corners, inner);
      show(studio.picture(code), "mean of the codes, decoded");
      fade(mean(corners.map((item) => studio.items[item]), parts), "mean of the pictures, without a model");
      const list = corners.map((item, corner) => `${studio.names[item]} ${Math.round(100 * parts[corner])} %`);
      studio.say("pad-words", `${list.join(", ")}.`, [code]);
    };
  }

  // A function that decodes each of the last codes once: most changes leave most pictures as they are.
  function remembering(picture) {
    const pictures = new Map();
    return (code) => {
      const key = code.join();
      const pixels = pictures.get(key) ?? picture(code);
      pictures.delete(key);
      pictures.set(key, pixels);
      if (pictures.size > REMEMBERED) pictures.delete(pictures.keys().next().value);
      return pixels;
    };
  }

  // Show what was found of each decoder; return the numbers of those that are what their models compute.
  function judged(studio, models) {
    studio.opened = models.map((model) => LatentDecoder.open(model));
    studio.opened.forEach(({ picture, words }, number) => {
      const { label, note } = models[number];
      const entry = make("li", `${label}${note ? `, ${note}` : ""}: ${words}`, { class: picture ? "" : "off" });
      studio.part("verdicts").append(entry);
      studio.opened[number].remembered = remembering(picture);
      if (picture) studio.part("model").append(make("option", label, { value: number }));
    });
    return models.map((_, number) => number).filter((number) => studio.opened[number].picture);
  }

  function studioOf(root, content) {
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    const { models, items } = content;
    const names = (kind) => (models[0]?.directions[kind] ?? []).map(({ name }) => name);
    const studio = { root, part, key: root.dataset.key, names: items.names, itemClasses: items.classes, shape: items.shape, history: [],
      classNames: names("classes"), factorNames: names("factors") };
    studio.firstDirection = studio.classNames.length > 1 ? -1 : 0; // -1: from class to class; others are factors
    studio.take = (state) => {
      studio.state = state;
      studio.model = models[state.model];
      studio.codes = LatentDecoder.floats(studio.model.codes);
      [studio.center, studio.spread] = ["mean", "spread"].map((name) => LatentDecoder.floats(studio.model[name]));
      studio.picture = studio.opened[state.model].remembered;
    };
    studio.code = (item) => studio.codes.subarray(item * studio.model.program.dim, (item + 1) * studio.model.program.dim);
    studio.say = (name, text, codes) => {
      const far = codes.some((code) => reach(code, studio.center, studio.spread) > studio.model.far);
      const warning = "This code lies farther from the mean than 99 % of the test codes: the decoder has not learned such codes.";
      studio.part(name).replaceChildren(text, ...(far ? [" ", make("span", warning, { class: "far" })] : []));
    };
    return studio;
  }

  async function start(root) {
    const content = JSON.parse(document.getElementById(root.dataset.source).textContent);
    const studio = studioOf(root, content);
    studio.working = judged(studio, content.models);
    if (!studio.working.length) return;
    studio.items = await itemPixels(content.items);
    const read = () => {
      studio.history = [];
      studio.take(restored(studio, new URLSearchParams(location.hash.slice(1)).get(studio.key)));
    };
    read();
    let [waiting, timer] = [false, 0];
    const panels = [itemsPanel, walkPanel, editPanel, traversePanel, padPanel].map((panel) => panel(studio));
    const draw = () => {
      waiting = false;
      studio.part("model").value = studio.state.model;
      studio.part("origin").textContent = studio.model.origin;
      panels.forEach((panel) => panel());
      root.dataset.ready = "yes";
    };
    studio.changed = (changes = {}) => {
      studio.take({ ...studio.state, ...changes });
      if (!waiting) requestAnimationFrame(draw);
      waiting = true;
      clearTimeout(timer);
      timer = setTimeout(written, WAIT, studio);
    };
    studio.part("model").addEventListener("input", (event) => studio.changed({ model: Number(event.target.value), dimensions: {} }));
    addEventListener("hashchange", () => (read(), draw()));
    studio.part("body").hidden = false;
    draw();
  }

  document.querySelectorAll(".studio[data-source]").forEach((root) => start(root));
})();
