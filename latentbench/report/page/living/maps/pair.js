"use strict";
// Two linked maps of the same items: what is done on one is seen on both.
{
  const { element, controls: made, View, Items, Space } = latentbench;
  const MODES = ["lasso", "decode"]; // what a drag can do instead of moving a map: names of buttons

  /** The two maps with their controls; its DOM events are those of `gestures.js`. */
  class Pair extends latentbench.Selecting {
    constructor(box, content) {
      super();
      this.box = box; // its event "shown" says that the maps lie otherwise than before
      this.key = box.dataset.pair;
      this.items = new Items(content);
      this.spaces = content.spaces.map((each) => new Space(each));
      this.choices = content.spaces.flatMap((space, place) => space.maps.map((map, at) => ({ value: `${place}.${at}`, place, at, words: words(space, map), method: map.method, about: map.about })));
      this.views = ["left", "right"].map((side) => new View(side));
      this.coloring = new latentbench.Coloring(this.items, this.spaces);
      this.way = new latentbench.Way(this);
      this.build(box);
      this.restore();
      this.listen();
    }

    build(box) {
      const decodes = this.spaces.some((space) => space.decodes);
      const { controls, line } = made.make(this.choices.map(({ value, words: text }) => [value, text]), this.coloring.choices, decodes);
      this.controls = controls;
      this.abouts = this.views.map(() => element("figcaption"));
      const figures = this.views.map((view, side) => element("figure", {}, view.canvas, this.abouts[side]));
      this.legend = element("div", { className: "legend-box" });
      this.verdict = element("p", { className: "under verdict" });
      const hint = `Point at a dot to see it and its neighbors${decodes ? ", click anywhere to decode that place" : ""}; drag to move the map.`;
      this.itemBox = element("div", { className: "item-box" }, element("p", { className: "under" }, hint));
      this.selectionBox = element("div", { className: "selection-box", ariaLive: "polite" });
      this.beside = element("div", { className: "beside" }, this.itemBox, this.selectionBox);
      box.append(line, this.legend, element("div", { className: "two" }, ...figures, this.beside), this.verdict);
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
      this.restoreItems();
      this.press(MODES.find((mode) => mode === this.remembered("drag")));
      this.controls.share.value = this.remembered("share", "0");
      if (this.share) this.way.show(this.share);
    }

    /** Return the first two spaces, both by t-SNE or both by PCA; of a single space the first and the last map. */
    firstChoices() {
      const by = (method, place) => this.choices.find((each) => each.method === method && each.place === place);
      if (by("tsne", 0) && by("tsne", 1)) return [by("tsne", 0), by("tsne", 1)];
      return [this.choices[0], by("pca", 1) ?? this.choices.at(-1)];
    }

    listen() {
      const { left, right, color, find, clear, reset, move, share } = this.controls;
      for (const list of [left, right]) list.addEventListener("change", () => this.changeMaps());
      color.addEventListener("change", () => this.changeColor());
      find.addEventListener("input", () => this.find());
      for (const mode of MODES) this.controls[mode].addEventListener("click", () => this.press(mode === this.mode ? undefined : mode));
      clear.addEventListener("click", () => {
        find.value = "";
        this.find();
      });
      reset.addEventListener("click", () => this.views.forEach((view) => view.look(0, 0, 1)));
      move.addEventListener("click", () => this.way.run());
      share.addEventListener("input", () => {
        this.way.stop();
        this.way.show(this.share);
      });
      share.addEventListener("change", () => this.way.remember());
      this.views.forEach((view, side) => this.listenTo(view, side));
      for (const event of ["beforeprint", "afterprint"]) addEventListener(event, () => this.print(event === "beforeprint"));
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.views.forEach((view) => view.ask()));
    }

    listenTo(view, side) {
      latentbench.attachGestures(view, () => this.mode);
      view.canvas.addEventListener("pointed", (event) => this.point(event.detail));
      view.canvas.addEventListener("chosen", (event) => this.pointFirmly(event.detail.item));
      view.canvas.addEventListener("lassoed", (event) => this.choose(event.detail));
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
      this.remember("share", "");
      this.showMaps();
      this.point(this.picked);
    }

    showMaps() {
      this.way.stop();
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
      const { sides, marks, legend } = this.coloring.of(this.controls.color.value, spaces, this.near, (items) => this.choose(items));
      this.views.forEach((view, side) => {
        view.coloring = sides[side];
        view.marks = marks;
        view.ask();
      });
      this.legend.replaceChildren(legend);
    }

    /** Let a drag do what a button says; undefined: it moves the map. */
    press(mode) {
      this.mode = mode;
      this.remember("drag", mode ?? "");
      for (const each of MODES) this.controls[each].setAttribute("aria-pressed", String(each === mode));
      for (const view of this.views) view.canvas.classList.toggle("lassoing", Boolean(mode));
    }

    /** Return how far the left map is on its way to the right one. */
    get share() {
      return Number(this.controls.share.value);
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
