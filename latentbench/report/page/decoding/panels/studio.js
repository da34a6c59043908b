"use strict";
// The part of the page in which codes are mixed and changed: it opens the decoders, and draws what changes.
(() => {
  const { reach } = LatentMixing;
  const { make, cut } = LatentFrames;
  const { restored, possible, written } = LatentChoices;
  const { itemsPanel, editPanel } = LatentItemPanels;
  const { walkPanel } = LatentWalkPanel;
  const { samplePanel } = LatentSamplePanel;
  const { traversePanel, padPanel } = LatentRangePanels;
  const WAIT = 250; // ms after the last change until the address is written, and pictures are drawn in full
  const COARSE = "While a control moves, every second pixel of every second row is drawn, the others when it rests.";

  // Show what was found of each decoder; return the numbers of those that are what their models compute.
  function judged(studio, { models, opened }) {
    studio.opened = opened;
    studio.opened.forEach(({ picture, words }, number) => {
      const { label, note } = models[number];
      const entry = make("li", `${label}${note ? `, ${note}` : ""}: ${words}`, { class: picture ? "" : "off" });
      studio.part("verdicts").append(entry);
      if (picture) studio.part("model").append(make("option", label, { value: number }));
    });
    return models.map((_, number) => number).filter((number) => studio.opened[number].picture);
  }

  function studioOf(root, content) {
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    const { models, items } = content;
    const names = (kind) => (models[0]?.directions[kind] ?? []).map(({ name }) => name);
    const studio = { root, part, key: root.dataset.key, names: items.names, itemClasses: items.classes, shape: items.shape, pairs: items.pairs, transport: items.transport, history: [],
      classNames: names("classes"), factorNames: names("factors"), count: items.names.length, given: null };
    studio.firstDirection = studio.classNames.length > 1 ? -1 : 0; // -1: from class to class; others are factors
    studio.take = (state) => {
      studio.state = possible(studio, state);
      studio.model = models[studio.state.model];
      studio.codes = LatentDecoder.floats(studio.model.codes);
      [studio.center, studio.spread] = ["mean", "spread"].map((name) => LatentDecoder.floats(studio.model[name]));
      studio.picture = (code) => studio.opened[studio.state.model][studio.moving ? "quick" : "remembered"](code);
    };
    studio.code = (item) => item < studio.count ? studio.codes.subarray(item * studio.model.program.dim, (item + 1) * studio.model.program.dim) :
      studio.given.codes.get(studio.state.model);
    // Take an item of the reader, with its code by each model that encodes (number -> code), and make it A.
    studio.give = (name, pixels, codes, model) => {
      studio.given = { name, codes };
      [studio.names[studio.count], studio.itemClasses[studio.count], studio.items[studio.count]] = [name, null, pixels];
      studio.changed({ a: studio.count, model, dimensions: {} });
    };
    studio.say = (name, text, codes) => {
      const far = codes.some((code) => reach(code, studio.center, studio.spread) > studio.model.far);
      const warning = "This code lies farther from the mean than 99 % of the test codes: the decoder has not learned such codes.";
      studio.part(name).replaceChildren(text, ...(far ? [" ", make("span", warning, { class: "far" })] : []));
    };
    return studio;
  }

  async function start(root) {
    const content = LatentOpening.decoders(root.dataset.source);
    const studio = studioOf(root, content);
    studio.working = judged(studio, content);
    if (!studio.working.length) return;
    studio.firstModel = studio.working.find((number) => !content.models[number].reference) ?? studio.working[0];
    studio.items = await cut(content.items, studio.names.length, studio.shape);
    const { transport, pairs } = studio;
    studio.transportPixels = transport.frames && (await cut({ ...transport, columns: transport.frames }, transport.frames * pairs.length, studio.shape));
    const read = () => {
      studio.history = [];
      studio.take(restored(studio, latentbench.state.get(studio.key)));
    };
    read();
    let [waiting, timer] = [false, 0];
    const panels = [itemsPanel, walkPanel, editPanel, traversePanel, padPanel, samplePanel].map((panel) => panel(studio));
    const draw = () => {
      waiting = false;
      studio.part("model").value = studio.state.model;
      const coarse = studio.opened[studio.state.model].coarse ? ` ${COARSE}` : "";
      const lacks = studio.given && !studio.given.codes.has(studio.state.model) ? ` It has no code of ${studio.given.name}.` : "";
      studio.part("origin").textContent = `${studio.model.origin}${lacks}${coarse}`;
      panels.forEach((panel) => panel());
      root.dataset.ready = "yes";
    };
    const ask = () => {
      if (!waiting) requestAnimationFrame(draw);
      waiting = true;
    };
    const rest = () => {
      written(studio);
      if (studio.moving) ask();
      studio.moving = false;
    };
    studio.changed = (changes = {}) => {
      studio.take({ ...studio.state, ...changes });
      studio.moving = studio.opened[studio.state.model].coarse;
      ask();
      clearTimeout(timer);
      timer = setTimeout(rest, WAIT);
    };
    studio.part("model").addEventListener("input", (event) => studio.changed({ model: Number(event.target.value), dimensions: {} }));
    addEventListener("hashchange", () => (read(), draw()));
    studio.part("body").hidden = false;
    draw();
    (latentbench.studios ??= []).push(studio);
  }

  latentbench.part("Decoding", () => Promise.all([...document.querySelectorAll(".studio[data-source]")].map(start)));
})();
