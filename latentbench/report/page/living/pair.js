"use strict";
// Two linked maps of the same items: what is done on one is seen on both.
{
  const { element, state, panels, controls: made, View, Items, Space } = latentbench;
  const SECONDS = 1.5; // of the move from one space to the other

  /** The two maps with their controls; its DOM events are those of `living/gestures.js`. */
  class Pair {
    constructor(box, content) {
      this.box = box; // its event "shown" says that the maps lie otherwise than before
      this.key = box.dataset.pair;
      this.items = new Items(content);
      this.spaces = content.spaces.map((each) => new Space(each));
      this.choices = content.spaces.flatMap((space, place) => space.maps.map((map, at) => ({ value: `${place}.${at}`, place, at, words: words(space, map), method: map.method, about: map.about })));
      this.views = ["left", "right"].map((side) => new View(side));
      this.coloring = new latentbench.Coloring(this.items, this.spaces);
      this.picked = -1;
      this.selected = [];
      this.build(box);
      this.restore();
      this.listen();
    }

    build(box) {
      const { controls, line } = made.make(this.choices.map(({ value, words: text }) => [value, text]), this.coloring.choices, this.spaces.some((space) => space.decodes));
      this.controls = controls;
      this.abouts = this.views.map(() => element("figcaption"));
      const figures = this.views.map((view, side) => element("figure", {}, view.canvas, this.abouts[side]));
      this.legend = element("div", { className: "legend-box" });
      this.verdict = element("p", { className: "under verdict" });
      this.itemBox = element("div", { className: "item-box" });
      this.selectionBox = element("div", { className: "selection-box", ariaLive: "polite" });
      this.beside = element("div", { className: "beside" }, this.itemBox, this.selectionBox);
      box.append(line, this.legend, element("div", { className: "two" }, ...figures, this.beside), this.verdict);
    }

    remembered(name, otherwise) {
      return state.get(`${this.key}.${name}`, otherwise);
    }

    remember(name, value) {
      state.set(`${this.key}.${name}`, value);
    }

    /** Choose what the address names, as far as it is there. */
    restore() {
      const [first, second] = this.firstChoices();
      pick(this.controls.left, this.remembered("left"), first.value);
      pick(this.controls.right, this.remembered("right"), second.value);
      pick(this.controls.color, this.remembered("color"), this.controls.color.options[0].value);
      this.views.forEach((view, side) => {
        const camera = this.remembered(`view${side}`).split(",").map(Number);
        if (camera.length === 3 && camera.every(Number.isFinite) && camera[2] > 0) view.camera = camera;
      });
      this.showMaps();
      const wanted = this.remembered("find");
      this.controls.find.value = wanted;
      if (wanted) this.select(this.items.search(wanted));
    }

    /** Return the first two spaces, both by t-SNE or both by PCA; of a single space the first and the last map. */
    firstChoices() {
      const by = (method, place) => this.choices.find((each) => each.method === method && each.place === place);
      if (by("tsne", 0) && by("tsne", 1)) return [by("tsne", 0), by("tsne", 1)];
      return [this.choices[0], by("pca", 1) ?? this.choices.at(-1)];
    }

    listen() {
      const { left, right, color, find, lasso, decode, clear, reset, move, share } = this.controls;
      for (const list of [left, right]) list.addEventListener("change", () => this.changeMaps());
      color.addEventListener("change", () => this.changeColor());
      find.addEventListener("input", () => this.find());
      for (const mode of [lasso, decode]) mode.addEventListener("click", () => this.press(mode.getAttribute("aria-pressed") === "true" ? null : mode));
      clear.addEventListener("click", () => {
        find.value = "";
        this.find();
      });
      reset.addEventListener("click", () => this.views.forEach((view) => view.look(0, 0, 1)));
      move.addEventListener("click", () => this.animate());
      share.addEventListener("input", () => this.morph(Number(share.value)));
      this.views.forEach((view, side) => this.listenTo(view, side));
      for (const event of ["beforeprint", "afterprint"]) addEventListener(event, () => this.print(event === "beforeprint"));
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.views.forEach((view) => view.ask()));
    }

    listenTo(view, side) {
      latentbench.attachGestures(view, () => ["lasso", "decode"].find((mode) => this.controls[mode] === this.pressed));
      view.canvas.addEventListener("pointed", (event) => this.point(event.detail));
      view.canvas.addEventListener("lassoed", (event) => this.select(event.detail));
      view.canvas.addEventListener("stepped", (event) => this.step(event.detail));
      view.canvas.addEventListener("looked", () => this.remember(`view${side}`, view.camera.map((each) => Number(each.toFixed(4))).join()));
    }

    /** Return the two chosen maps: their spaces and places. */
    chosen() {
      return [this.controls.left, this.controls.right].map((list) => {
        const choice = this.choices.find((each) => each.value === list.value);
        return { ...choice, space: this.spaces[choice.place] };
      });
    }

    changeMaps() {
      this.remember("left", this.controls.left.value);
      this.remember("right", this.controls.right.value);
      this.showMaps();
      this.point(this.picked);
    }

    showMaps() {
      const [left, right] = this.chosen();
      this.start = left.space.places(left.at);
      const aligned = latentbench.align(right.space.places(right.at), this.start);
      this.aligned = aligned;
      this.end = aligned.places;
      this.controls.share.value = 0;
      this.views[0].show(this.start);
      this.views[1].show(this.end);
      this.near = latentbench.agreement(left.space, right.space, this.items.count);
      [left, right].forEach((each, side) => this.describe(side, each));
      this.verdict.textContent = verdict(this.near, aligned.disparity, left, right);
      this.color();
      this.box.dispatchEvent(new CustomEvent("shown"));
    }

    describe(side, { words: name, about }) {
      this.abouts[side].replaceChildren(element("b", {}, name), element("small", { className: "under" }, about));
      this.views[side].label(`Map of ${this.items.count} items by ${name}. Arrows move it, + and - zoom, 0 shows all, full stop and comma step through items, Enter decodes the middle, arrows with Shift move what is decoded.`);
    }

    changeColor() {
      this.remember("color", this.controls.color.value);
      this.color();
    }

    color() {
      const spaces = this.chosen().map(({ space }) => space);
      const { sides, marks, legend } = this.coloring.of(this.controls.color.value, spaces, this.near, (items) => this.select(items));
      this.views.forEach((view, side) => {
        view.coloring = sides[side];
        view.marks = marks;
        view.ask();
      });
      this.legend.replaceChildren(legend);
    }

    find() {
      this.remember("find", this.controls.find.value);
      this.select(this.items.search(this.controls.find.value));
    }

    /** Let a button decide what a drag does; null: it moves the map. */
    press(button) {
      this.pressed = button;
      for (const mode of ["lasso", "decode"]) this.controls[mode].setAttribute("aria-pressed", String(this.controls[mode] === button));
      for (const view of this.views) view.canvas.classList.toggle("lassoing", Boolean(button));
    }

    /** Select items on both maps. */
    select(items) {
      this.selected = items;
      const flags = items.length ? new Uint8Array(this.items.count) : null;
      for (const item of items) flags[item] = 1;
      for (const view of this.views) {
        view.selected = flags;
        view.ask();
      }
      panels.showSelection(this.selectionBox, this.items, items);
    }

    /** Point at an item on both maps; -1 leaves what was said of the last one. */
    point(item) {
      const spaces = this.chosen().map(({ space }) => space);
      if (item >= 0) panels.showItem(this.itemBox, this.items, item, spaces);
      this.picked = item >= 0 ? item : this.picked;
      this.views.forEach((view, side) => {
        const near = item >= 0 ? spaces[side].neighbors(item).map((each) => ({ item: each })) : [];
        view.rings = item >= 0 ? [...near, { item, strong: true }] : [];
        view.ask();
      });
    }

    /** Go to the next item of the selection, or of all. */
    step(by) {
      const among = this.selected.length ? this.selected : [...this.items.rows.keys()];
      const next = among.indexOf(this.picked) + by;
      this.point(among[(next + among.length) % among.length]);
    }

    /** Return how far the left map is on its way to the right one. */
    get share() {
      return Number(this.controls.share.value);
    }

    /** Show the left map on its way to the right one. */
    morph(share) {
      const between = this.start.map((each, at) => each + (this.end[at] - each) * share);
      this.views[0].show(between, this.start);
      this.box.dispatchEvent(new CustomEvent("shown"));
    }

    animate() {
      const from = Number(this.controls.share.value);
      const to = from < 0.5 ? 1 : 0;
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const begun = performance.now();
      const frame = (now) => {
        const passed = still ? 1 : Math.min(Math.max((now - begun) / 1000 / SECONDS, 0), 1);
        const share = from + (to - from) * passed * passed * (3 - 2 * passed);
        this.controls.share.value = share;
        this.morph(share);
        if (passed < 1) requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    }

    /** Draw for paper, which is light, or for the screen again. */
    print(begins) {
      document.documentElement.classList.toggle("on-paper", begins);
      for (const view of this.views) view.draw();
    }
  }

  function words(space, map) {
    return `${space.name} · ${map.name}`;
  }

  function pick(list, wanted, otherwise) {
    list.value = [...list.options].some((option) => option.value === wanted) ? wanted : otherwise;
  }

  /** Say how alike two spaces and their maps are. */
  function verdict(near, disparity, left, right) {
    const shared = near && near.reduce((sum, each) => sum + each, 0) / near.length;
    const first = near ? `Of an item's nearest items, ${Math.round(100 * shared)} % are the same in ${left.space.name} and ${right.space.name}. ` : "";
    return `${first}The right map is shifted, turned, mirrored and scaled to lie as near to the left as it can (Procrustes); a disparity of ${disparity.toFixed(2)} is left, where 0 means equal maps and 1 unrelated ones.`;
  }

  latentbench.part("The maps", () => {
    latentbench.pairs = [...document.querySelectorAll("[data-pair]")].map((box) => {
      const content = JSON.parse(document.getElementById(box.dataset.content).textContent);
      return new Pair(box, content);
    });
  });
}
