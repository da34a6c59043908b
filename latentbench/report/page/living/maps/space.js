"use strict";
// One latent space: its maps, the neighbors of each item in it, and scores of items; arrays are read when needed.
{
  const { arrays } = latentbench;

  class Space {
    constructor(content) {
      this.name = content.name;
      this.content = content;
      this.read = new Map();
    }

    /** Whether the page holds its decoder. */
    get decodes() {
      return typeof this.content.decoder === "number";
    }

    once(key, make) {
      if (!this.read.has(key)) this.read.set(key, make());
      return this.read.get(key);
    }

    /** Return the places of a map of this space. */
    places(map) {
      return this.once(`map ${map}`, () => arrays.places(this.content.maps[map]));
    }

    /** Return the nearest items of an item, the nearest first; none where they were not computed. */
    neighbors(item) {
      if (!this.content.neighbors) return [];
      const { each } = this.content.neighbors;
      const all = this.once("neighbors", () => arrays.numbers(this.content.neighbors));
      return [...all.subarray(item * each, (item + 1) * each)];
    }

    /** Return the code of an item, as far as it was rounded; only spaces with a decoder have them. */
    code(item) {
      const { dim } = this.content.codes;
      const { all, low, step } = this.once("codes", () => arrays.columns(this.content.codes));
      return low.map((least, place) => least + step[place] * all[item * dim + place]);
    }

    /** Return the middle and the two axes of the plane of the PCA map. */
    get plane() {
      return this.once("plane", () => ({ center: arrays.floats(this.content.plane.center), axes: arrays.floats(this.content.plane.axes) }));
    }

    /** Return the values of a score for each item, or null. */
    score(name) {
      const packed = this.content.scores.find((each) => each.name === name);
      return packed ? this.once(`score ${name}`, () => arrays.values(packed)) : null;
    }
  }

  /** Return for each item which share of its nearest items is the same in both spaces; null without neighbors. */
  function agreement(one, other, count) {
    if (!one.content.neighbors || !other.content.neighbors) return null;
    const shared = (item, near = new Set(one.neighbors(item))) => other.neighbors(item).filter((each) => near.has(each)).length;
    return Float32Array.from({ length: count }, (_, item) => shared(item) / one.content.neighbors.each);
  }

  latentbench.Space = Space;
  latentbench.agreement = agreement;
}
