"use strict";
// The ways from A to B beside each other. Lines, arcs and fades are found here for any two items; geodesics and
// optimal transport take long, so that they are there for a few pairs alone.
const LatentWalkPanel = (() => {
  const { linear, spherical, along } = LatentMixing;
  const { make, frame } = LatentFrames;
  const ENDS = "At its ends a way of codes shows the reconstructions of A and B, the others their pictures; between them no item has these codes.";

  // The place of A and B among the pairs, and whether they stand there the other way round.
  function pairOf(studio, { a, b }) {
    const find = (start, end) => studio.pairs.findIndex((pair) => pair[0] === start && pair[1] === end);
    const backwards = find(a, b) < 0;
    return { number: backwards ? find(b, a) : find(a, b), backwards };
  }

  // The geodesic as a function from a share to a code, or null.
  function geodesicOf(studio, { number, backwards }) {
    const { codes, steps } = studio.model.geodesic;
    if (number < 0 || !codes) return null;
    const { dim } = studio.model.program;
    const all = LatentDecoder.floats(codes).subarray(number * (steps + 1) * dim);
    const points = Array.from({ length: steps + 1 }, (_, step) => all.subarray(step * dim, (step + 1) * dim));
    return (share) => along(points, backwards ? 1 - share : share);
  }

  function transported(studio, { number, backwards }, share) {
    const { frames } = studio.transport;
    if (number < 0 || !frames) return null;
    return studio.transportPixels[number * frames + Math.round((backwards ? 1 - share : share) * (frames - 1))];
  }

  // Why ways are missing, and buttons for the pairs that have all.
  function missing(studio, { number }) {
    const sentences = [];
    const { model, transport } = studio;
    if (model.geodesic.reason) sentences.push(`No geodesic: ${model.geodesic.reason}.`);
    if (transport.reason) sentences.push(`No optimal transport: ${transport.reason}.`);
    const both = [!model.geodesic.reason && "geodesics", !transport.reason && "optimal transport"].filter(Boolean).join(" and ");
    if (both && number < 0) sentences.push(`${both[0].toUpperCase()}${both.slice(1)} take long and were found for these pairs alone:`);
    else if (both) sentences.push("Pairs with all ways:");
    const buttons = studio.pairs.map(([a, b], place) => {
      const button = make("button", `${studio.names[a]} to ${studio.names[b]}`, { type: "button", "aria-pressed": String(place === number) });
      button.addEventListener("click", () => studio.changed({ a, b, dimensions: {}, ...(studio.state.chain.length ? {} : LatentChoices.classesOf(studio, a, b)) }));
      return button;
    });
    return [sentences.join(" "), ...(both ? buttons : [])];
  }

  function walkPanel(studio) {
    const row = studio.part("walk");
    const names = ["a", "linear", "spherical", "geodesic", "fade", "transport", "b"];
    const show = Object.fromEntries(names.map((name) => [name, frame(studio, row, name)]));
    const slider = studio.part("share");
    slider.addEventListener("input", () => studio.changed({ share: Number(slider.value) }));
    const onMaps = LatentMapWays.mapWays(studio);
    let asked = "";
    return () => {
      const { a, b, share, model } = studio.state;
      slider.value = share;
      const pair = pairOf(studio, studio.state);
      const codes = [linear, spherical].map((path) => path(studio.code(a), studio.code(b), share));
      const shortest = geodesicOf(studio, pair);
      show.a(studio.items[a], `A: ${studio.names[a]}`);
      show.b(studio.items[b], `B: ${studio.names[b]}`);
      show.linear(studio.picture(codes[0]), "straight line between the codes, decoded");
      show.spherical(studio.picture(codes[1]), "arc about the origin, decoded");
      show.geodesic(shortest && studio.picture(shortest(share)), "geodesic: pictures change least on the way, decoded");
      show.fade(linear(studio.items[a], studio.items[b], share), "fade of the two pictures, without a model");
      show.transport(transported(studio, pair, share), `optimal transport of light, without a model (nearest of ${studio.transport.frames} frames)`);
      studio.say("walk-words", ENDS, codes);
      if (asked !== `${a} ${b} ${model}`) studio.part("pairs").replaceChildren(...missing(studio, pair));
      asked = `${a} ${b} ${model}`;
      onMaps(shortest);
    };
  }

  return { walkPanel };
})();
