"use strict";
// From a place on a map to a code: exactly in the plane of a PCA map, elsewhere from the nearest items, as
// latentbench.latent.maps.inverse does both.
const LatentPlaces = (() => {
  const NEIGHBORS = 10;
  const SAMPLE = 300; // items at which the usual distance of neighbors is found
  const USUAL = 0.99; // of them have their neighbors within it
  const reaches = new WeakMap(); // places -> that distance

  // The code of a place on a PCA map: the middle of all codes, and a step along each of the two axes.
  function planeCode({ center, axes }, [x, y]) {
    return center.map((middle, place) => middle + x * axes[place] + y * axes[center.length + place]);
  }

  // Where a code lies on a PCA map; what lies off its plane is not seen.
  function planePlace({ center, axes }, code) {
    return [0, 1].map((axis) => code.reduce((sum, value, place) => sum + (value - center[place]) * axes[axis * center.length + place], 0));
  }

  // The items nearest to a place, the nearest first, with their distances.
  function nearest(places, [x, y], count = NEIGHBORS) {
    const near = [];
    for (let item = 0; item < places.length / 2; item++) {
      const square = (places[2 * item] - x) ** 2 + (places[2 * item + 1] - y) ** 2;
      if (!(square < (near.length < count ? Infinity : near.at(-1).far))) continue; // NaN: not on this map
      let at = near.length < count ? near.length : count - 1;
      for (; at > 0 && near[at - 1].far > square; at--) near[at] = near[at - 1];
      near[at] = { item, far: square };
    }
    return near.map(({ item, far }) => ({ item, far: Math.sqrt(far) }));
  }

  // Shares of sum 1, as 1 / distance (Shepard 1968); an item at the place itself has all.
  function shares(near) {
    const parts = near.map(({ far }) => (far > 0 ? near[0].far / far : 1));
    const total = parts.reduce((sum, part) => sum + part, 0);
    return parts.map((part) => part / total);
  }

  // The distance within which nearly every item has as many neighbors on a map.
  function usualReach(places) {
    if (!reaches.has(places)) {
      const count = places.length / 2;
      const chosen = [...Array(Math.min(SAMPLE, count)).keys()].map((each) => Math.floor((each * count) / Math.min(SAMPLE, count)));
      const shown = chosen.filter((item) => places[2 * item] === places[2 * item]);
      const far = shown.map((item) => nearest(places, [places[2 * item], places[2 * item + 1]], NEIGHBORS + 1).at(-1).far);
      far.sort((one, other) => one - other);
      reaches.set(places, far[Math.floor(USUAL * (far.length - 1))]);
    }
    return reaches.get(places);
  }

  return { planeCode, planePlace, nearest, shares, usualReach };
})();
