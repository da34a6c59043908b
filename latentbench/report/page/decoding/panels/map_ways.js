"use strict";
// The ways from A to B on the maps. They run through the whole space, so that a PCA map shows their shadow; other maps
// have no place for a code that is none of their items.
const LatentMapWays = (() => {
  const { linear, spherical } = LatentMixing;
  const POINTS = 24; // of a line
  const HINT = "Solid: straight line; dashed: arc; dotted: geodesic, where there is one; dots: where the slider stands. These are shadows on the plane of the map.";
  const ELSEWHERE = "Neither map is the PCA map of this model: on others a code between items has no place.";

  // Each way as places on the plane of a space, and where it stands.
  function shadows({ plane }, ways, share) {
    const place = (code) => LatentPlaces.planePlace(plane, code);
    return ways.map((way) => ({ places: Array.from({ length: POINTS + 1 }, (_, step) => place(way(step / POINTS))), at: place(way(share)) }));
  }

  function onView(pair, side, studio, ways) {
    const map = pair.chosen()[side];
    const fits = map.method === "pca" && map.space.content.decoder === studio.state.model && (side === 1 || pair.share === 0);
    if (!fits) return null;
    const turned = side ? pair.aligned.forth : (place) => place;
    return shadows(map.space, ways, studio.state.share).map(({ places, at }) => ({ places: places.map(turned), at: turned(at) }));
  }

  // Return a function that draws the ways of the studio on all maps of its data set, or takes them away.
  function mapWays(studio) {
    const pairs = (latentbench.pairs ?? []).filter((pair) => pair.box.dataset.decoders === studio.root.dataset.source);
    const box = studio.part("on-maps");
    box.parentElement.hidden = !pairs.length;
    box.addEventListener("change", () => studio.changed({ onMaps: box.checked }));
    let last = null;
    const draw = () => {
      const { onMaps, a, b } = studio.state;
      const ways = [linear, spherical].map((path) => (share) => path(studio.code(a), studio.code(b), share));
      const all = last ? [...ways, last] : ways;
      const shown = pairs.flatMap((pair) => pair.views.map((view, side) => {
        view.ways = onMaps ? onView(pair, side, studio, all) : null;
        view.ask();
        return view.ways;
      }));
      box.checked = onMaps;
      studio.part("on-maps-words").textContent = !onMaps ? "" : shown.some(Boolean) ? HINT : ELSEWHERE;
    };
    for (const pair of pairs) pair.box.addEventListener("shown", draw);
    return (geodesic) => {
      last = geodesic;
      draw();
    };
  }

  return { mapWays };
})();
