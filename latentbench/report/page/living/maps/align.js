"use strict";
// Procrustes alignment in the plane, where a point is a complex number: as latentbench.latent.maps.procrustes does it.
{
  /** Return sums over the items that both maps show: means, spreads, and products with and without mirroring. */
  function sums(places, reference) {
    const mean = [0, 0, 0, 0];
    let count = 0;
    each(places, reference, (x, y, u, v) => {
      [x, y, u, v].forEach((value, place) => (mean[place] += value));
      count++;
    });
    for (const place of [0, 1, 2, 3]) mean[place] /= count || 1;
    const total = { mean, count, size: 0, goal: 0, turned: [0, 0], mirrored: [0, 0] };
    each(places, reference, (x, y, u, v) => add(total, x - mean[0], y - mean[1], u - mean[2], v - mean[3]));
    return total;
  }

  function each(places, reference, use) {
    for (let at = 0; at < places.length; at += 2) {
      const [x, y, u, v] = [places[at], places[at + 1], reference[at], reference[at + 1]];
      if (x === x && u === u) use(x, y, u, v);
    }
  }

  function add(total, x, y, u, v) {
    total.size += x * x + y * y;
    total.goal += u * u + v * v;
    total.turned[0] += x * u + y * v;
    total.turned[1] += x * v - y * u;
    total.mirrored[0] += x * u - y * v;
    total.mirrored[1] += x * v + y * u;
  }

  /** Shift, turn, mirror and scale places so that they lie as near to a reference as they can; `back` undoes it. */
  function align(places, reference) {
    const { mean, size, goal, turned, mirrored } = sums(places, reference);
    const flip = Math.hypot(...mirrored) > Math.hypot(...turned) ? -1 : 1;
    const [real, imaginary] = flip < 0 ? mirrored : turned;
    const [a, b] = size > 0 ? [real / size, imaginary / size] : [0, 0];
    const forth = ([x, y]) => turn(a, b, x - mean[0], flip * (y - mean[1]), mean[2], mean[3]);
    const moved = new Float32Array(places.length);
    for (let at = 0; at < places.length; at += 2) moved.set(forth([places[at], places[at + 1]]), at);
    const kept = size * goal > 0 ? (real * real + imaginary * imaginary) / (size * goal) : 0;
    return { places: moved, disparity: Math.max(0, 1 - kept), forth, back: backwards(a, b, flip, mean) };
  }

  function turn(a, b, x, y, across, up) {
    return [a * x - b * y + across, b * x + a * y + up];
  }

  /** Return what undoes a move; a map that became a single point has no way back. */
  function backwards(a, b, flip, mean) {
    const size = a * a + b * b;
    if (size === 0) return () => null;
    return ([x, y]) => {
      const [across, up] = turn(a / size, -b / size, x - mean[2], y - mean[3], 0, 0);
      return [across + mean[0], flip * up + mean[1]];
    };
  }

  latentbench.align = align;
}
