"use strict";
// The decoders of a data set, each opened and verified once, however many parts of the page use them.
const LatentOpening = (() => {
  const REMEMBERED = 24; // pictures of each model
  const known = new Map();

  // A function that decodes each of the last codes once: most changes leave most pictures as they are.
  function remembering(picture) {
    const pictures = new Map();
    return (code) => {
      const key = code.join();
      const pixels = pictures.get(key) ?? picture(code);
      pictures.delete(key);
      pictures.set(key, pixels);
      if (pictures.size > REMEMBERED) pictures.delete(pictures.keys().next().value);
      return pixels;
    };
  }

  function open(source) {
    const script = document.getElementById(source);
    if (!script) return null;
    const content = JSON.parse(script.textContent);
    const opened = content.models.map((model) => LatentDecoder.open(model));
    for (const each of opened) each.remembered = each.picture && remembering(each.picture);
    return { ...content, opened };
  }

  // Return {models, items, opened} of the data in a script element, or null without one.
  function decoders(source) {
    if (!known.has(source)) known.set(source, open(source));
    return known.get(source);
  }

  return { decoders };
})();
