"use strict";
// Computes the picture of a code by an exported decoder: the operations of its program, one after the other.
const LatentDecoder = (() => {
  const { KINDS, count } = LatentOperations;
  const { bytes } = latentbench.arrays;
  const LIMIT = 1 / 255; // largest difference of a pixel from the pictures that came with the decoder
  const LEVELS = 65535; // of a pixel in those pictures

  const floats = (text) => new Float32Array(bytes(text).buffer);

  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
  }

  function weights(program) {
    if (program.precision === "float32") return floats(program.weights);
    if (program.precision === "float16") return Float32Array.from(new Uint16Array(bytes(program.weights).buffer), half);
    throw new Error(`weights in ${program.precision} are unknown`);
  }

  function constants(program) {
    const all = weights(program);
    let start = 0;
    const values = program.constants.map((shape) => {
      if (typeof shape === "number") return { data: Float32Array.of(shape), shape: [] };
      start += count(shape);
      return { data: all.subarray(start - count(shape), start), shape };
    });
    if (start !== all.length) throw new Error(`${start} weights were expected, there are ${all.length}`);
    return values;
  }

  // Return a function from a code to its reconstruction; what does not depend on the code is computed here.
  function compile(program, values = constants(program)) {
    const known = [null, ...values];
    const shapes = [[1, program.dim], ...known.slice(1).map((value) => value.shape)];
    const steps = [];
    for (const operation of program.operations) {
      if (!Object.hasOwn(KINDS, operation.kind)) throw new Error(`the operation ${operation.kind} is unknown`);
      const compute = KINDS[operation.kind](operation, operation.inputs.map((number) => shapes[number]));
      const inputs = operation.inputs.map((number) => known[number]);
      const fixed = inputs.every((value) => value);
      if (!fixed) steps.push({ compute, inputs: operation.inputs, number: shapes.length });
      known.push(fixed ? { data: compute(...inputs.map((value) => value.data)) } : null);
      shapes.push(operation.shape);
    }
    return (code) => {
      const values = known.map((value) => value && value.data);
      values[0] = Float32Array.from(code);
      for (const { compute, inputs, number } of steps) values[number] = compute(...inputs.map((each) => values[each]));
      return values[program.output];
    };
  }

  // Pixels from 0 to 1: signed distances are white inside, other values are cut off.
  function drawn(values, edge) {
    if (edge) return values.map((value) => 1 / (1 + Math.exp(Math.min(Math.max(value / edge, -30), 30))));
    return values.map((value) => Math.min(Math.max(value, 0), 1));
  }

  function differenceFrom(golden, picture, dim) {
    const codes = floats(golden.codes);
    const known = new Uint16Array(bytes(golden.pictures).buffer);
    let largest = 0;
    for (let number = 0; number * dim < codes.length; number++) {
      const pixels = picture(codes.subarray(number * dim, (number + 1) * dim));
      if (pixels.length * codes.length !== known.length * dim) throw new Error("pictures have another size");
      pixels.forEach((pixel, place) => {
        const difference = Math.abs(pixel - known[number * pixels.length + place] / LEVELS);
        largest = difference <= largest ? largest : difference; // NaN must not be passed over
      });
    }
    return largest;
  }

  // Return {picture, words}: a function from a code to its pixels, or null where it is not what the model computes.
  function open(exported) {
    try {
      const run = compile(exported.program);
      const picture = (code) => drawn(run(code), exported.edge);
      const difference = differenceFrom(exported.golden, picture, exported.program.dim);
      const words = `max difference ${difference.toPrecision(2)} of a pixel from 0 to 1`;
      if (difference <= LIMIT) return { picture, difference, words: `decoder verified, ${words}` };
      return { picture: null, difference, words: `decoding is off: this browser computes other pictures, ${words}` };
    } catch (error) {
      return { picture: null, difference: NaN, words: `decoding is off: ${error.message}` };
    }
  }

  return { open, compile, constants, drawn, floats };
})();
