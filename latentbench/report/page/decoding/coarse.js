"use strict";
// A coordinate network computes each pixel by itself. Of one that takes long, every second pixel of every second row
// is drawn while a control moves. Whether a decoder is such a network is found by trying.
const LatentCoarse = (() => {
  const HEAVY = 20e6; // products of a picture, from which drawing every pixel is too slow to follow a hand
  const SAME = 1e-4; // largest difference of a pixel
  const TRIED = 2; // codes

  const thinned = (size, all) => (size === all ? all / 4 : size);

  // The same program on a quarter of the points; images, of four axes, get half their height and width.
  function thinProgram(program, height, width) {
    const all = height * width;
    const image = (shape) => shape.length === 4 && shape[2] === height && shape[3] === width;
    const thin = (shape) => (image(shape) ? [shape[0], shape[1], height / 2, width / 2] : shape.map((size) => thinned(size, all)));
    return { ...program, operations: program.operations.map((each) => ({ ...each, shape: thin(each.shape) })) };
  }

  // Which of all pixels are kept.
  function kept(height, width) {
    return Int32Array.from({ length: (height * width) / 4 }, (_, place) => {
      const row = Math.floor(place / (width / 2));
      return 2 * row * width + 2 * (place - (row * width) / 2);
    });
  }

  // A constant that holds something for each pixel, with the kept pixels alone.
  function thinConstant({ data, shape }, pixels, all) {
    const axis = shape.indexOf(all);
    if (axis < 0) return { data, shape };
    const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
    const outer = data.length / (inner * all);
    const result = new Float32Array(data.length / 4);
    let at = 0;
    for (let block = 0; block < outer; block++) {
      for (const pixel of pixels) for (let place = 0; place < inner; place++) result[at++] = data[(block * all + pixel) * inner + place];
    }
    return { data: result, shape: shape.map((size) => thinned(size, all)) };
  }

  function compiled(exported, height, width) {
    const [pixels, all] = [kept(height, width), height * width];
    const constants = LatentDecoder.constants(exported.program).map((each) => thinConstant(each, pixels, all));
    const run = LatentDecoder.compile(thinProgram(exported.program, height, width), constants);
    return (code) => LatentDecoder.drawn(run(code), exported.edge);
  }

  function agrees(exported, coarse, picture, pixels) {
    const { dim } = exported.program;
    const codes = LatentDecoder.floats(exported.golden.codes);
    return [...Array(TRIED).keys()].every((number) => {
      const code = codes.subarray(number * dim, (number + 1) * dim);
      const [some, whole] = [coarse(code), picture(code)];
      return some.length === pixels.length && some.every((value, place) => Math.abs(value - whole[pixels[place]]) <= SAME);
    });
  }

  // Return a function from a code to a quarter of the pixels of its picture, or null where there is no need or no way.
  function open(exported, picture, [channels, height, width]) {
    if (!picture || exported.products < HEAVY || channels !== 1 || height % 2 || width % 2) return null;
    try {
      const coarse = compiled(exported, height, width);
      return agrees(exported, coarse, picture, kept(height, width)) ? coarse : null;
    } catch {
      return null; // its operations mix pixels, so that no part of the picture can be computed alone
    }
  }

  return { open };
})();
