"use strict";
// Rectangles around places, and polygons around points.
{
  /** Return the least and the largest x, then y, of places. */
  function bounds(places) {
    const found = [Infinity, -Infinity, Infinity, -Infinity];
    for (let at = 0; at < places.length; at += 2) {
      if (places[at] !== places[at]) continue;
      found[0] = Math.min(found[0], places[at]);
      found[1] = Math.max(found[1], places[at]);
      found[2] = Math.min(found[2], places[at + 1]);
      found[3] = Math.max(found[3], places[at + 1]);
    }
    return found[0] <= found[1] ? found : [0, 0, 0, 0];
  }

  /** Return whether a polygon holds a point: a ray from it crosses an odd number of edges. */
  function contains(corners, x, y) {
    let inside = false;
    corners.forEach(([x1, y1], place) => {
      const [x2, y2] = corners[(place + 1) % corners.length];
      if (y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) inside = !inside;
    });
    return inside;
  }

  latentbench.bounds = bounds;
  latentbench.contains = contains;
}
