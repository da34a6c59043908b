"use strict";
// Arrays as latentbench/report/page/packing.py packs them.
{
  const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };
  const NONE = 65_535; // stands for NaN among values

  /** Return the bytes of a text in base64. */
  function bytes(text) {
    const letters = atob(text);
    const read = new Uint8Array(letters.length);
    for (let place = 0; place < letters.length; place++) read[place] = letters.charCodeAt(place);
    return read;
  }

  /** Return packed whole numbers. */
  function numbers({ kind, data }) {
    return new KINDS[kind](bytes(data).buffer);
  }

  /** Return packed real numbers. */
  function values(packed) {
    const step = (packed.high - packed.low) / (NONE - 1);
    return Float32Array.from(numbers(packed), (each) => (each === NONE ? NaN : packed.low + each * step));
  }

  /** Return the places of a map as x, y, x, y, ... */
  function places({ x, y }) {
    const [across, up] = [values(x), values(y)];
    const joined = new Float32Array(2 * across.length);
    for (let item = 0; item < across.length; item++) {
      joined[2 * item] = across[item];
      joined[2 * item + 1] = up[item];
    }
    return joined;
  }

  /** Return 32-bit floats. */
  function floats(text) {
    return new Float32Array(bytes(text).buffer);
  }

  /** Return packed columns: the steps of all values, and the least value and the step of each column. */
  function columns(packed) {
    return { all: numbers(packed), low: floats(packed.low), step: floats(packed.step) };
  }

  latentbench.arrays = { bytes, numbers, values, places, floats, columns };
}
