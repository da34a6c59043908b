"use strict";
// New codes, drawn with a seed: the same seed gives the same codes in every browser.
const LatentDraws = (() => {
  // Numbers in (0, 1) by "mulberry32": a counter whose bits are mixed.
  function uniform(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
    };
  }

  // Standard normal numbers (Box and Muller 1958).
  function normal(next) {
    return () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  }

  // `count` codes of `dim` numbers from what latentbench.report.page.decoding.sampler exports.
  function draws({ pool, center, root }, dim, seed, count) {
    const next = uniform(seed);
    if (pool) {
      const codes = LatentDecoder.floats(pool);
      const chosen = Array.from({ length: count }, () => Math.floor(next() * (codes.length / dim)));
      return chosen.map((code) => codes.slice(code * dim, (code + 1) * dim));
    }
    const [middle, spread] = [LatentDecoder.floats(center), LatentDecoder.floats(root)];
    const each = normal(next);
    return Array.from({ length: count }, () => {
      const noise = Float32Array.from({ length: dim }, each);
      if (spread.length === dim) return middle.map((value, place) => value + spread[place] * noise[place]);
      return middle.map((value, place) => noise.reduce((sum, one, column) => sum + spread[place * dim + column] * one, value));
    });
  }

  return { uniform, normal, draws };
})();
