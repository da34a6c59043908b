"use strict";
// The decoders of a data set, each opened and verified once, however many parts of the page use them.
const LatentOpening = (() => {
  const REMEMBERED = 24; // pictures of each model
  const known = new Map();

  // A function that decodes each of the last codes once: most changes leave most pictures as they are.
  function remembering(picture, pictures) {
    return (code) => {
      const key = code.join();
      const pixels = pictures.get(key) ?? picture(code);
      if (pixels instanceof Promise) pixels.catch(() => pictures.get(key) === pixels && pictures.delete(key));
      pictures.delete(key);
      pictures.set(key, pixels);
      if (pictures.size > REMEMBERED) pictures.delete(pictures.keys().next().value);
      return pixels;
    };
  }

  // `remembered` draws all pixels; `quick` may draw a quarter of them, where all would take long.
  function opened(model, shape) {
    const served = model.served !== undefined;
    const { picture, ...verdict } = (served ? LatentServer : LatentDecoder).open(model);
    if (!picture) return { picture, ...verdict };
    const { encoder } = model; // the number by which a server knows it, where it encodes
    const pictures = new Map();
    const remembered = remembering(picture, pictures);
    const coarse = !served && LatentCoarse.open(model, picture, shape);
    const roughly = coarse && remembering(coarse, new Map());
    const quick = (code) => (coarse && !pictures.has(code.join()) ? roughly(code) : remembered(code));
    return { picture, remembered, quick, coarse: Boolean(coarse), encoder, ...verdict };
  }

  function open(source) {
    const script = document.getElementById(source);
    if (!script) return null;
    const content = JSON.parse(script.textContent);
    return { ...content, opened: content.models.map((model) => opened(model, content.items.shape)) };
  }

  // Return {models, items, opened} of the data in a script element, or null without one.
  function decoders(source) {
    if (!known.has(source)) known.set(source, open(source));
    return known.get(source);
  }

  return { decoders };
})();
