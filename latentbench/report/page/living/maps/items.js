"use strict";
// The items on the maps: what they are called, how they look, which are found by a word.
{
  const { element, arrays } = latentbench;
  const SHOWN = 40; // pixels, the least longer side of a thumbnail

  class Items {
    constructor(content) {
      this.rows = arrays.numbers(content.rows);
      this.count = this.rows.length;
      this.classes = content.classes && { ...content.classes, of: arrays.numbers(content.classes.of) };
      this.factors = content.factors.map((each) => ({ name: each.name, values: arrays.values(each) }));
      this.thumbnails = content.thumbnails;
      this.sheets = new Map();
    }

    className(item) {
      return this.classes ? this.classes.names[this.classes.of[item]] : "";
    }

    name(item) {
      const words = this.className(item);
      return `item ${this.rows[item]}${words && ` (${words})`}`;
    }

    /** Return a picture of an item, which appears once its sheet is decoded; null without thumbnails. */
    thumbnail(item) {
      if (!this.thumbnails) return null;
      const { width, height } = this.thumbnails;
      const canvas = element("canvas", { width, height, className: "thumbnail", title: this.name(item) });
      const scale = Math.max(1, SHOWN / Math.max(width, height));
      canvas.style.width = `${Math.round(width * scale)}px`;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", this.name(item));
      this.paint(canvas, item);
      return canvas;
    }

    /** Return a sheet, which is read and decoded when it is first needed. */
    sheet(number) {
      if (!this.sheets.has(number)) this.sheets.set(number, element("img", { src: this.thumbnails.sheets[number], alt: "" }));
      return this.sheets.get(number);
    }

    async paint(canvas, item) {
      const { width, height, across, down } = this.thumbnails;
      const place = item % (across * down);
      const sheet = this.sheet(Math.floor(item / (across * down)));
      await sheet.decode();
      const [left, top] = [(place % across) * width, Math.floor(place / across) * height];
      canvas.getContext("2d").drawImage(sheet, left, top, width, height, 0, 0, width, height);
    }

    /** Return the items that a text names: a number one item, a word all of the classes whose names hold it. */
    search(text) {
      const wanted = text.trim().toLowerCase();
      const named = (item) => this.className(item).toLowerCase().includes(wanted);
      const numbered = (item) => this.rows[item] === Number(wanted);
      return wanted ? [...this.rows.keys()].filter(/^\d+$/.test(wanted) ? numbered : named) : [];
    }

    /** Count items by class: [place of the class, number], the most frequent first. */
    byClass(items) {
      const counts = new Map();
      for (const item of this.classes ? items : []) counts.set(this.classes.of[item], (counts.get(this.classes.of[item]) ?? 0) + 1);
      return [...counts].sort((one, other) => other[1] - one[1]);
    }
  }

  latentbench.Items = Items;
}
