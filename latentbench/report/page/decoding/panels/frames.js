"use strict";
// Elements and pictures of the part that decodes.
const LatentFrames = (() => {
  function make(tag, words = "", attributes = {}) {
    const element = document.createElement(tag);
    element.textContent = words; // names come from users: text, never markup
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  const wanted = new WeakMap(); // canvas -> what is to be painted on it

  // Paint pixels, or those that a promise brings unless others are wanted by then.
  function paint(canvas, pixels, shape) {
    wanted.set(canvas, pixels);
    canvas.ariaBusy = String(pixels instanceof Promise);
    if (!(pixels instanceof Promise)) return put(canvas, pixels, shape);
    pixels.then((brought) => wanted.get(canvas) === pixels && paint(canvas, brought, shape),
      (error) => wanted.get(canvas) === pixels && giveUp(canvas, error));
  }

  // An old picture must not stand for a code that could not be decoded.
  function giveUp(canvas, error) {
    canvas.ariaBusy = "false";
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    latentbench.trouble(`A picture cannot be shown (${error.message}).`);
  }

  // Draw pixels of this shape, or a quarter of them: every second one of every second row.
  function put(canvas, pixels, [channels, high, wide]) {
    const part = Math.sqrt((channels * high * wide) / pixels.length);
    const [height, width] = [high / part, wide / part];
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const image = new ImageData(width, height);
    const size = width * height;
    for (let place = 0; place < size; place++) {
      for (let color = 0; color < 3; color++) {
        image.data[4 * place + color] = Math.round(255 * pixels[(channels === 3 ? color : 0) * size + place]);
      }
      image.data[4 * place + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // A picture with words below; `show(pixels, words)` changes both.
  function frame(studio, parent, name) {
    const figure = make("figure", "", { "data-picture": name });
    const [canvas, caption] = [make("canvas", "", { role: "img" }), make("figcaption")];
    figure.append(canvas, caption);
    parent.append(figure);
    return (pixels, words) => {
      figure.hidden = !pixels;
      if (!pixels) return;
      paint(canvas, pixels, studio.shape);
      caption.textContent = words;
      canvas.setAttribute("aria-label", words);
    };
  }

  // Cut a sheet into the pixels of each of its pictures, as a decoder gives them.
  async function cut({ sheet, columns }, count, [channels, height, width]) {
    const image = new Image();
    image.src = sheet;
    await image.decode();
    const canvas = make("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return Array.from({ length: count }, (_, item) => {
      const [x, y] = [(item % columns) * width, Math.floor(item / columns) * height];
      const { data } = context.getImageData(x, y, width, height);
      const size = height * width;
      return Float32Array.from({ length: channels * size }, (_, at) => data[4 * (at % size) + Math.floor(at / size)] / 255);
    });
  }

  return { make, paint, frame, cut };
})();
