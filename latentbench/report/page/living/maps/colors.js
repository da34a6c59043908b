"use strict";
// What colors dots have: one for each class, or from dark to bright with a value.
{
  const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
  const PLAIN = "#3f90da";
  const TAIL = 0.02; // of the values on either side share the last color

  function rgb(hex) {
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  }

  /** Return the color of a share in [0, 1]. */
  function shade(share) {
    const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
    const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
    const [from, to] = [rgb(VIRIDIS[low]), rgb(VIRIDIS[low + 1])];
    return from.map((each, place) => Math.round(each + (to[place] - each) * (at - low)));
  }

  /** Return the values between which colors change, without the outermost. */
  function range(values) {
    const sorted = Float32Array.from(values.filter((each) => each === each)).sort();
    if (!sorted.length) return [0, 1];
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    return [at(TAIL), at(1 - TAIL)];
  }

  /** Color items by class: a table of colors, and the place of each item in it; shapes likewise. */
  function byClass(classes, count) {
    if (!classes || !classes.colors.length) return { table: [rgb(PLAIN)], of: new Uint16Array(count), shapes: ["circle"] };
    return { table: classes.colors.map(rgb), of: classes.of, shapes: classes.shapes };
  }

  /** Color items by values; those without one are gray. */
  function byValue(values, [low, high]) {
    const table = [...Array(64).keys()].map((step) => shade(step / 63));
    const place = (value) => Math.min(Math.max(Math.round((63 * (value - low)) / (high - low || 1)), 0), 63);
    const of = Uint16Array.from(values, (value) => (value === value ? place(value) : 64));
    return { table: [...table, [128, 128, 128]], of, shapes: ["circle"] };
  }

  latentbench.colors = { byClass, byValue, range, shade, rgb };
}
