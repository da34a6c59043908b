"use strict";
// Which items are selected on both maps, and which one is pointed at; both stand in the address.
{
  const { state, panels } = latentbench;
  const TOO_MANY = "So many single items do not fit into the page's address: a reload forgets them.";

  /** What a pair of maps does with items; it has `key`, `items`, `views`, `controls` and boxes, and knows `chosen()`. */
  class Selecting {
    constructor() {
      this.picked = -1;
      this.selected = [];
    }

    remembered(name, otherwise) {
      return state.get(`${this.key}.${name}`, otherwise);
    }

    remember(name, value) {
      state.set(`${this.key}.${name}`, value);
    }

    restoreItems() {
      const wanted = this.remembered("find");
      this.controls.find.value = wanted;
      this.select(wanted ? this.items.search(wanted) : latentbench.itemSets.read(this.remembered("items"), this.items.count));
      const item = this.items.rows.indexOf(Number(this.remembered("item", "-1")));
      if (item >= 0) this.point(item);
    }

    find() {
      this.remember("find", this.controls.find.value);
      this.remember("items", "");
      this.select(this.items.search(this.controls.find.value));
    }

    /** Select single items, and remember them. */
    choose(items) {
      const text = latentbench.itemSets.written(items);
      this.controls.find.value = "";
      this.remember("find", "");
      this.remember("items", text);
      this.select(items, items.length && !text ? TOO_MANY : "");
    }

    /** Select items on both maps. */
    select(items, note = "") {
      this.selected = items;
      const flags = items.length ? new Uint8Array(this.items.count) : null;
      for (const item of items) flags[item] = 1;
      for (const view of this.views) {
        view.selected = flags;
        view.ask();
      }
      panels.showSelection(this.selectionBox, this.items, items, note);
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

    /** Point at an item, and remember it. */
    pointFirmly(item) {
      if (item >= 0) this.remember("item", String(this.items.rows[item]));
      this.point(item);
    }

    /** Go to the next item of the selection, or of all. */
    step(by) {
      const among = this.selected.length ? this.selected : [...this.items.rows.keys()];
      const next = among.indexOf(this.picked) + by;
      this.pointFirmly(among[(next + among.length) % among.length]);
    }
  }

  latentbench.Selecting = Selecting;
}
